"""How each server under test is started: as its documentation says is best for a small model on one core.

mlserver as it comes, and with its adaptive batching. KServe with a model class. BentoML with a method for one request,
and with a batchable one; its environment has uvloop and httptools besides, which uvicorn takes where they are. LitServe
with its fast queue, for single requests and for batches. One worker each, no access log, on loopback; only KServe has
no setting for its address and listens on all.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from bench.peers.environment import environment
from bench.peers.models import COLUMNS
from bench.peers.processes import end, free_port, pin
from bench.serving.rows import instances, tensors
from tests.unit.serve.process import ServerProcess

HERE = Path(__file__).resolve().parent
INFER, V1, PREDICT = "/v2/models/delays/infer", "/v1/models/delays:predict", "/predict"
ANSWER_SECONDS = 90
Body = Callable[[np.ndarray], bytes]
"""The body of a request from its rows, [N, COLUMNS]."""


@dataclass
class Server:
    """A server under test and what it has shown."""

    name: str
    port: int
    pid: int
    path: str
    body: Body
    started: float = 0.0
    """Seconds from process start to the first 200."""
    per_second: dict[str, list[float]] = field(default_factory=dict)
    p99: dict[str, list[float]] = field(default_factory=dict)
    processor: dict[str, list[float]] = field(default_factory=dict)
    """Microseconds of a request, whatever else the machine does."""
    pss: float = 0.0
    """MB after load."""

    def best(self, scenario: str) -> float:
        return max(self.per_second[scenario])


@contextmanager
def ours(name: str, folder: Path, core: int, path: str, body: Body) -> Iterator[Server]:
    """The server of this checkout, with everything on that is on by default."""
    with ServerProcess(folder / "ours") as process:
        server = Server(name, process.wait_for("listening")["http"], process.process.pid, path, body)
        server.started = first_answer(server, process.started, process.process)
        pin(server.pid, core)
        yield server


@contextmanager
def mlserver(
    name: str, folder: Path, core: int, runtime: str, file: str, batching: Mapping[str, float] | None = None
) -> Iterator[Server]:
    """`mlserver start` with a runtime of its own; its worker processes get the same core."""
    home = Path(tempfile.mkdtemp(dir=folder))
    model = {"name": "delays", "implementation": runtime, "parameters": {"uri": str(folder / "peers" / file)}}
    port = free_port()
    ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
    (home / "model-settings.json").write_text(json.dumps({**model, **(batching or {})}))
    (home / "settings.json").write_text(json.dumps({"debug": False, "host": "127.0.0.1", **ports}))
    command = [environment("mlserver") / "bin" / "mlserver", "start", home]
    with _peer(Server(name, port, 0, INFER, tensors), command, core, home) as server:
        yield server


@contextmanager
def kserve(name: str, folder: Path, core: int, runtime: str) -> Iterator[Server]:
    """KServe's own server with a model class, V1."""
    port = free_port()
    command = [environment("kserve") / "bin" / "python", HERE / "kserve_model.py", folder / "peers", runtime]
    with _peer(Server(name, port, 0, V1, instances), [*command, "--http_port", port], core, folder) as server:
        yield server


@contextmanager
def bentoml(name: str, folder: Path, core: int, runtime: str, batching: bool = False) -> Iterator[Server]:
    """`bentoml serve` with a service of one worker. It tells its maker of every start unless it is asked not to."""
    port = free_port()
    home = Path(tempfile.mkdtemp(dir=folder))
    settings = {"MODEL_FOLDER": str(folder / "peers"), "MODEL_RUNTIME": runtime}
    private = {"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(home)}
    more = {**settings, **private, "MODEL_BATCHING": "yes" if batching else "no"}
    command = [environment("bentoml") / "bin" / "bentoml", "serve", "bentoml_model:Delays", "--working-dir", HERE]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with _peer(Server(name, port, 0, PREDICT, instances), command, core, home, more) as server:
        yield server


@contextmanager
def litserve(
    name: str, folder: Path, core: int, runtime: str, batch: int = 1, seconds: float = 0.0
) -> Iterator[Server]:
    """LitServe with one worker for the model and one for HTTP."""
    port = free_port()
    script = [environment("litserve") / "bin" / "python", HERE / "litserve_model.py"]
    command = [*script, folder / "peers", runtime, port, batch, seconds]
    with _peer(Server(name, port, 0, PREDICT, instances), command, core, folder) as server:
        yield server


@contextmanager
def _peer(
    server: Server, command: Sequence[object], core: int, folder: Path, settings: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """A peer until the end of the block. Its log is told only where it gives no answer."""
    with tempfile.TemporaryFile("w+", dir=folder) as log:
        child = subprocess.Popen(
            [str(part) for part in command],
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": "", **(settings or {})},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=folder,
        )
        began = time.perf_counter()
        try:
            server.pid = child.pid
            try:
                server.started = first_answer(server, began, child)
            except TimeoutError as error:
                log.seek(0)
                raise TimeoutError(f"{error}; its log ends with:\n{log.read()[-2_000:]}") from None
            pin(child.pid, core)
            yield server
        finally:
            end(child)


def first_answer(server: Server, began: float, process: subprocess.Popen[Any] | None = None) -> float:
    """Seconds to the first 200. Raises TimeoutError after ANSWER_SECONDS, or where the process has ended."""
    body = server.body(np.zeros((1, COLUMNS)))
    url = f"http://127.0.0.1:{server.port}{server.path}"
    while (process is None or process.poll() is None) and time.perf_counter() - began < ANSWER_SECONDS:
        try:
            headers = {"content-type": "application/json"}
            if httpx.post(url, content=body, headers=headers, timeout=30).status_code == 200:
                return time.perf_counter() - began
        except httpx.HTTPError:
            pass
        time.sleep(0.01)
    raise TimeoutError(f"{server.name} gave no answer within {time.perf_counter() - began:.0f} s")
