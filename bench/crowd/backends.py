"""What stands behind the routes of a fleet: a server with a port of its own for every pod, found by EndpointSlices.

API servers refuse loopback addresses for endpoints. So the loopback device gets one more, of the range that RFC 2544
sets aside for benches; that takes root, and it is taken off again.
"""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web

from tests.integration.kube import Space
from tests.integration.scraped import ScrapedPod

ADDRESS = "198.18.77.1"
FIRST_PORT = 20_000
PORT_NAME = "http"

Fails = Callable[[str, str], bool]


@contextmanager
def address() -> Iterator[None]:
    """ADDRESS on the loopback device. Raises SystemExit with what to do for who may not put it there."""
    place = (f"{ADDRESS}/32", "dev", "lo")
    try:
        subprocess.run(["ip", "address", "replace", *place], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(
            f"{ADDRESS} cannot be put on the loopback device ({error}): run it as root, on Linux"
        ) from None
    try:
        yield
    finally:
        subprocess.run(["ip", "address", "del", *place], check=True)


class Backends:
    """Context manager: answers for pods, and counts what it answers in their metrics. `fails` says which answers do."""

    def __init__(self, space: Space, fails: Fails) -> None:
        self._space = space
        self._fails = fails
        self._pods: dict[int, tuple[str, ScrapedPod]] = {}
        self._runner: web.ServerRunner | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Backends:
        self._thread.start()
        self._run(self._set_up())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._listening.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)

    def add(self, service: str, deployment: str, pod: ScrapedPod) -> None:
        """The one pod of a Service."""
        port = FIRST_PORT + len(self._pods)
        self._pods[port] = deployment, pod
        self._run(web.TCPSite(self._listening, ADDRESS, port).start())
        self._space.create(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {"name": service, "labels": {"kubernetes.io/service-name": service}},
                "addressType": "IPv4",
                "ports": [{"name": PORT_NAME, "port": port, "protocol": "TCP"}],
                "endpoints": [{"addresses": [ADDRESS], "conditions": {"ready": True}}],
            }
        )

    async def _set_up(self) -> None:
        self._runner = web.ServerRunner(web.Server(self._answer, access_log=None), shutdown_timeout=1.0)
        await self._runner.setup()

    @property
    def _listening(self) -> web.ServerRunner:
        assert self._runner is not None, "not entered"
        return self._runner

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        await request.read()
        assert request.transport is not None
        deployment, pod = self._pods[request.transport.get_extra_info("sockname")[1]]
        bad = self._fails(deployment, pod.revision)
        pod.answer(ok=not bad, bad=bad)
        return web.json_response({"version": pod.revision}, status=500 if bad else 200)
