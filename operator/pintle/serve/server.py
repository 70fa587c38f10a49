"""The process: two ports, the model loaded and proven beside them, and a way out on which no request is lost.

start ──> listening, not ready ──> model proven ──> ready ──SIGTERM──> draining ──> closing ──> exit 0
                              └──> refused: exit 66               (not ready, answers    (open requests end)
                                                                   with Connection: close)
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import signal
import socket
import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import uvicorn

from pintle.contract.exits import Exit
from pintle.serve import report
from pintle.serve.app import InferenceApp
from pintle.serve.artifact import Artifact, open_artifact
from pintle.serve.fast import FastProtocol, Front, is_usable
from pintle.serve.handler import Handler
from pintle.serve.internal import InternalApp
from pintle.serve.libraries import FULL_IMAGE
from pintle.serve.metrics import Metrics
from pintle.serve.models import Model, load_model
from pintle.serve.rehearsal import rehearse
from pintle.serve.report import Refusal, log
from pintle.serve.settings import Settings
from pintle.serve.warmup import prove

if TYPE_CHECKING:
    from pintle.serve.grpc_service import GrpcServer

PHASE = "serve"
BACKLOG = 2_048
SWEEP_TICKS = 5


class Listener(uvicorn.Server):
    """A uvicorn server that leaves signals to the process it is part of."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    def open_requests(self) -> int:
        """Requests that wait for their answer."""
        cycles = [connection.cycle for connection in self.server_state.connections]  # type: ignore[union-attr]
        return sum(cycle is not None and not cycle.response_complete for cycle in cycles)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        if counter % SWEEP_TICKS == 0:
            now = time.perf_counter()
            for connection in list(self.server_state.connections):
                if isinstance(connection, FastProtocol):
                    try:
                        connection.sweep(now)
                    except Exception as fault:  # one connection must not end the server
                        log("connection not looked after", "error", error=repr(fault)[:500])
        return await super().on_tick(counter)


class ServerProcess:
    """Everything of one server; `run` returns the exit code."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._handler = Handler(settings, Metrics(settings.identity))
        self._inference = self._inference_listener(self._handler)
        self._metrics = self._listener(InternalApp(self._handler), "httptools")
        self._stopping = asyncio.Event()
        self._started = time.perf_counter()

    def _inference_listener(self, handler: Handler) -> Listener:
        """With the fast path, where this uvicorn allows it."""
        return self._listener(InferenceApp(handler), Front(handler) if is_usable() else "httptools")

    def _listener(self, app: InferenceApp | InternalApp, connections: Any) -> Listener:
        settings = self._settings
        return Listener(
            uvicorn.Config(
                app,
                http=connections,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=settings.keep_alive_seconds,
                timeout_graceful_shutdown=int(settings.request_seconds) + 1,
            )
        )

    async def run(self) -> Exit:
        """Serve until SIGTERM or SIGINT; REFUSED when the model cannot be served."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stopping.set)
        raise_file_limit()
        inference = listen(self._settings.host, self._settings.http_port)
        metrics = listen(self._settings.host, self._settings.metrics_port)
        ports = {"http": inference.getsockname()[1], "metrics": metrics.getsockname()[1]}
        try:
            grpc = await self._start_grpc()
        except Refusal as refusal:
            for listening in (inference, metrics):
                listening.close()
            return report.refuse(PHASE, refusal)
        if grpc is not None:
            ports["grpc"] = grpc.port
        if not is_usable():
            log("no fast path", "warning", uvicorn=uvicorn.__version__)
        log("listening", **ports)
        serving = [
            asyncio.create_task(self._inference.serve([inference])),
            asyncio.create_task(self._metrics.serve([metrics])),
        ]
        code = Exit.DONE
        try:
            await self._load()
            await self._stopping.wait()
            await self._drain()
        except Refusal as refusal:
            code = report.refuse(PHASE, refusal)
        self._inference.should_exit = True
        if grpc is not None:
            await grpc.stop(self._settings.request_seconds)
        await serving[0]
        self._metrics.should_exit = True
        await serving[1]
        self._handler.close()
        log("stopped", exit=int(code))
        return code

    async def _start_grpc(self) -> GrpcServer | None:
        """The gRPC service, where a port is set. Raises Refusal where the image has no grpc, or the port is taken."""
        settings = self._settings
        if settings.grpc_port is None:
            return None
        try:
            from pintle.serve.grpc_service import GrpcServer

            host = settings.host or ("::" if socket.has_dualstack_ipv6() else "0.0.0.0")
            server = GrpcServer(self._handler, f"{f'[{host}]' if ':' in host else host}:{settings.grpc_port}")
        except ImportError as error:
            message = f"PINTLE_GRPC_PORT is set, and this server image has no {error.name}: use {FULL_IMAGE}"
            raise Refusal(Exit.CONFIG, "RequestInvalid", message) from error
        except RuntimeError as error:
            raise Refusal(Exit.CONFIG, "RequestInvalid", f"PINTLE_GRPC_PORT: {error}") from error
        await server.start()
        return server

    async def _load(self) -> None:
        """Load and prove the model in a thread, so that liveness is answered meanwhile. Raises Refusal."""
        artifact, model, difference = await asyncio.to_thread(prepare, self._settings)
        if self._stopping.is_set():
            return
        await self._rehearse(artifact, model)
        self._handler.serve(artifact, model)
        # What is there now stays: the collector need not look at it again whenever requests have made some garbage.
        gc.collect()
        gc.freeze()
        identity = self._settings.identity
        log(
            "ready",
            model=identity.model,
            version=identity.version,
            deployment=identity.deployment,
            revision=identity.revision,
            seconds=round(time.perf_counter() - self._started, 3),
            maxDifference=difference,
            profile=None if artifact.profile is None else artifact.profile.profile,
        )

    async def _rehearse(self, artifact: Artifact, model: Model) -> None:
        """Requests through a copy of all that stands between a socket and the model."""
        handler = Handler(self._settings, Metrics(self._settings.identity))
        handler.serve(artifact, model)
        copy = self._inference_listener(handler)
        copy.config.load()
        connection: Any = copy.config.http_protocol_class
        try:
            await rehearse(lambda: connection(copy.config, copy.server_state, {}), artifact.example)
        finally:
            handler.close()

    async def _drain(self) -> None:
        """Not ready any more, but answering, until whoever balances the load has noticed."""
        if not self._handler.ready:
            return
        log("draining", seconds=self._settings.drain_seconds)
        self._handler.draining = True
        await asyncio.sleep(self._settings.drain_seconds)
        log("closing", open=self._inference.open_requests())


def prepare(settings: Settings) -> tuple[Artifact, Model, float]:
    """Artifact, model, and the largest difference from its example's answers. Raises Refusal."""
    artifact = open_artifact(settings.model_dir)
    model = load_model(artifact, settings.trusted_types)
    return artifact, model, prove(model, artifact.example)


def raise_file_limit() -> None:
    """As many open files, so connections, as the container allows: the soft limit is often 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; without a host on all addresses, of both IP families where the node has them."""
    if host or not socket.has_dualstack_ipv6():
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    return socket.create_server((host, port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
