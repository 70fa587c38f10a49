"""Ours beside other Python model servers: the same trees, each server alone on one core, the load on another.

    make bench-peers

Each peer has an environment of its own, built from versions and hashes in `environments/` (Linux x86_64, Python 3.11),
below PINTLE_PEERS (default ~/.cache/pintle/peers). All servers run at the same time and are asked in turn, so that a
machine that changes its pace hurts all alike. Fresh rows in every request. Ratios: median of ours, best of the peer.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.peers.models import dump_joblib, make_skops
from bench.report import Report, arguments
from bench.serving.load import Load, burst_p99, run
from bench.serving.rows import binary, instances, tensors
from tests.unit.serve.artifacts import make_matrix
from tests.unit.serve.process import ServerProcess

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
COLUMNS, TREES = 30, 100
INFER, V1 = "/v2/models/delays/infer", "/v1/models/delays:predict"
ONE_16, ONE_64, MANY_64 = "1 row, c16", "1 row, c64", "100 rows, c64"
SCENARIOS = ((ONE_16, 1, 16), (ONE_64, 1, 64), (MANY_64, 100, 64))
OURS, OURS_SKLEARN, MLSERVER, BATCHING, KSERVE, KSERVE_ONNX = (
    "pintle, onnx",
    "pintle, scikit-learn",
    "mlserver as it comes",
    "mlserver, adaptive batching",
    "kserve",
    "kserve, onnxruntime by hand",
)


@dataclass
class Server:
    """A server under test and what it has shown."""

    name: str
    port: int
    pid: int
    path: str
    body: Callable[[np.ndarray], bytes]
    started: float
    per_second: dict[str, list[float]] = field(default_factory=dict)
    p99: dict[str, list[float]] = field(default_factory=dict)
    processor: dict[str, list[float]] = field(default_factory=dict)
    """Microseconds of a request, whatever else the machine does."""

    def best(self, scenario: str) -> float:
        return max(self.per_second[scenario])


def main() -> None:
    parser = arguments("The model server beside others")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--repeat", type=int, default=3, help="measurements of each scenario and server")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    report = Report(f"Model servers, {TREES} trees, {COLUMNS} numbers, one core each, load by wrk on another")
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        folder = Path(scratch)
        make_matrix(folder / "onnx", COLUMNS, TREES)
        make_skops(folder / "skops", COLUMNS, TREES)
        servers = [stack.enter_context(start) for start in starts(folder, cores[0])]
        os.sched_setaffinity(0, {cores[-1]})
        for server in servers:
            report.add(f"{server.name}: process start to first 200", "s", [server.started])
        for scenario, rows, connections in SCENARIOS:
            measure(servers, scenario, rows, connections, options)
            tell(report, servers, scenario)
        bursts(report, servers, options)
        for server in servers:
            report.add(f"{server.name}: PSS after load", "MB", [pss(server.pid)])
        share_of_bare(report, servers[0], folder / "onnx", cores[0], options)
    for name in ("pintle", "mlserver", "kserve"):
        report.add(f"{name}: site-packages", "MB", [size(name)])
    ratios(report, {server.name: server for server in servers})
    report.finish(options.json)


def starts(folder: Path, core: int) -> Iterator[object]:
    """Context managers of all servers."""
    files = folder / "peers"
    files.mkdir()
    dump_joblib(files / "model.joblib", COLUMNS, TREES)
    shutil.copy(folder / "onnx" / "model.onnx", files / "model.onnx")
    yield ours(OURS, folder / "onnx", core, INFER, tensors)
    yield ours(OURS_SKLEARN, folder / "skops", core, V1, instances)
    yield mlserver(MLSERVER, files, core, {})
    yield mlserver(BATCHING, files, core, {"max_batch_size": 64, "max_batch_time": 0.001})
    yield kserve(KSERVE, files, core, "sklearn")
    yield kserve(KSERVE_ONNX, files, core, "onnx")


@contextmanager
def ours(name: str, folder: Path, core: int, path: str, body: Callable[[np.ndarray], bytes]) -> Iterator[Server]:
    with ServerProcess(folder) as process:
        port = process.wait_for("listening")["http"]
        server = Server(name, port, process.process.pid, path, body, 0.0)
        server.started = first_answer(server, process.started)
        pin(server.pid, core)
        yield server


@contextmanager
def mlserver(name: str, files: Path, core: int, batching: dict[str, float]) -> Iterator[Server]:
    """As `mlserver start` runs a scikit-learn model; its worker processes get the same core."""
    folder = Path(tempfile.mkdtemp(dir=files))
    settings = {"name": "delays", "implementation": "mlserver_sklearn.SKLearnModel", **batching}
    settings["parameters"] = {"uri": str(files / "model.joblib")}  # type: ignore[assignment]
    port = free_port()
    ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
    (folder / "model-settings.json").write_text(json.dumps(settings))
    (folder / "settings.json").write_text(json.dumps({"debug": False, "host": "127.0.0.1", **ports}))
    command = [environment("mlserver") / "bin" / "mlserver", "start", str(folder)]
    with process(name, port, command, INFER, tensors, core) as server:
        yield server


@contextmanager
def kserve(name: str, files: Path, core: int, runtime: str) -> Iterator[Server]:
    """KServe's own server with a model class, V1."""
    port = free_port()
    script = str(HERE / "kserve_model.py")
    python = environment("kserve") / "bin" / "python"
    command = [python, script, str(files), runtime, "--http_port", str(port)]
    with process(name, port, command, V1, instances, core) as server:
        yield server


@contextmanager
def process(
    name: str, port: int, command: Sequence[object], path: str, body: Callable[[np.ndarray], bytes], core: int
) -> Iterator[Server]:
    """A peer until the end of the block; its log is dropped."""
    child = subprocess.Popen(
        [str(part) for part in command],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        server = Server(name, port, child.pid, path, body, 0.0)
        server.started = first_answer(server, time.perf_counter())
        pin(child.pid, core)
        yield server
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def first_answer(server: Server, started: float) -> float:
    """Seconds to the first 200. Raises TimeoutError."""
    body = server.body(np.zeros((1, COLUMNS)))
    url = f"http://127.0.0.1:{server.port}{server.path}"
    while time.perf_counter() - started < 90:
        try:
            if httpx.post(url, content=body, headers={"content-type": "application/json"}).status_code == 200:
                return time.perf_counter() - started
        except httpx.HTTPError:
            pass
        time.sleep(0.01)
    raise TimeoutError(f"{server.name} gave no answer in 90 s")


def measure(servers: Sequence[Server], scenario: str, rows: int, connections: int, options: argparse.Namespace) -> None:
    """Each server in turn, `repeat` times, after one turn that does not count. Raises RuntimeError for failures."""
    rng = np.random.default_rng(1)
    values = [rng.normal(size=(rows, COLUMNS)).round(4) for _ in range(4_000 if rows == 1 else 400)]
    bodies = {server.name: [server.body(item) for item in values] for server in servers}
    for turn in range(options.repeat + 1):
        for server in servers:
            load = Load(server.port, server.path, bodies[server.name], connections)
            before = processor_seconds(server.pid)
            result = run("wrk", load, options.seconds if turn else 1)
            if result.failed:
                raise RuntimeError(f"{server.name}, {scenario}: {result.failed} requests failed")
            if turn:
                server.per_second.setdefault(scenario, []).append(result.per_second)
                server.p99.setdefault(scenario, []).append(result.p99_ms)
                spent = (processor_seconds(server.pid) - before) / max(1, result.requests)
                server.processor.setdefault(scenario, []).append(spent * 1e6)


def tell(report: Report, servers: Sequence[Server], scenario: str) -> None:
    for server in servers:
        report.add(f"{server.name}: {scenario}", "req/s", server.per_second[scenario])
        report.add(f"{server.name}: {scenario}, p99", "ms", server.p99[scenario])
        report.add(f"{server.name}: {scenario}, processor time", "us/req", server.processor[scenario])


def bursts(report: Report, servers: Sequence[Server], options: argparse.Namespace) -> None:
    """16 requests at once, twenty times a second."""
    rng = np.random.default_rng(2)
    values = [rng.normal(size=(1, COLUMNS)).round(4) for _ in range(1_000)]
    for _ in range(options.repeat):
        for server in servers:
            load = Load(server.port, server.path, [server.body(item) for item in values], 16)
            server.p99.setdefault("bursts", []).append(burst_p99(load, options.seconds))
    for server in servers:
        report.add(f"{server.name}: 320 req/s in bursts of 16, p99", "ms", server.p99["bursts"])


def share_of_bare(report: Report, server: Server, folder: Path, core: int, options: argparse.Namespace) -> None:
    """Binary tensors, 100 rows, with tokens and without, against calls of the session in this process, turn about.

    All per second of processor time: what else the machine does takes from both.
    """
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), settings)
    rng = np.random.default_rng(3)
    values = [rng.normal(size=(100, COLUMNS)).astype(np.float32) for _ in range(400)]
    header, bodies = binary(values)
    bare: list[float] = []
    whole: dict[str, list[float]] = {"tokens on": [], "tokens off": []}
    with ServerProcess(folder, PINTLE_TOKENS="off") as without:
        pin(without.ready().process.pid, core)
        ports = dict(zip(whole, (server.port, without.wait_for("listening")["http"]), strict=True))
        processes = dict(zip(whole, (server.pid, without.process.pid), strict=True))
        for _ in range(options.repeat):
            count, begin = 0, time.process_time()
            while time.process_time() - begin < options.seconds / 2:
                session.run(None, {"X": values[count % len(values)]})
                count += 1
            bare.append(count / (time.process_time() - begin))
            for name, port in ports.items():
                load = Load(port, INFER, bodies, 64, {"Inference-Header-Content-Length": str(header)})
                before = processor_seconds(processes[name])
                requests = run("wrk", load, options.seconds).requests
                whole[name].append(requests / (processor_seconds(processes[name]) - before))
    report.add("bare session.run, 100 rows", "1/s", bare, "per second of processor time")
    for name, found in whole.items():
        note = f"{statistics.median(found) / max(bare):.0%} of bare session.run (set 75 %, stretch 90 %)"
        report.add(f"{server.name}: binary, {MANY_64}, {name}", "1/s", found, note)


def ratios(report: Report, servers: dict[str, Server]) -> None:
    """Ours against the targets."""

    def more(other: str, scenario: str, ours: str = OURS, targets: str = "") -> None:
        ratio = statistics.median(servers[ours].per_second[scenario]) / servers[other].best(scenario)
        report.add(f"{ours} / {other}: {scenario}", "times", [ratio], targets)
        spent = min(servers[other].processor[scenario]) / statistics.median(servers[ours].processor[scenario])
        report.add(f"{ours} / {other}: {scenario}, by processor time", "times", [spent])

    def sooner(other: str, scenario: str, targets: str) -> None:
        ratio = min(servers[other].p99[scenario]) / statistics.median(servers[OURS].p99[scenario])
        report.add(f"p99 of {other} / {OURS}: {scenario}", "times", [ratio], targets)

    more(MLSERVER, ONE_64, targets="set 30, stretch 60")
    more(KSERVE_ONNX, ONE_64, targets="set 8, stretch 18")
    sooner(MLSERVER, ONE_16, "set 15, stretch 30")
    sooner(KSERVE_ONNX, ONE_16, "set 4, stretch 8")
    more(BATCHING, ONE_64, OURS_SKLEARN, "set 5, stretch 12")
    sooner(MLSERVER, "bursts", "set 20, stretch 40")
    more(MLSERVER, MANY_64, targets="set 3.5, stretch 5.5")


def environment(name: str) -> Path:
    """An environment, built from its lock file where it is not there yet; `pintle` is what the server image holds."""
    folder = Path(os.environ.get("PINTLE_PEERS") or Path.home() / ".cache" / "pintle" / "peers") / name
    lock = ROOT / "requirements" / "serve.txt" if name == "pintle" else HERE / "environments" / f"{name}.txt"
    ready = folder / ".ready"
    if not ready.exists() or ready.read_text() != lock.read_text():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        wheels = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(lock)]
        subprocess.run([*pip, *wheels], check=True)
        ready.write_text(lock.read_text())
    return folder


def free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def family(pid: int) -> list[int]:
    """The process and its children."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += family(int(child))
    return found


def processor_seconds(pid: int) -> float:
    """Processor time of the process and its children so far."""
    fields = [Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split() for member in family(pid)]
    return sum(int(found[11]) + int(found[12]) for found in fields) / os.sysconf("SC_CLK_TCK")


def pin(pid: int, core: int) -> None:
    """All threads of the process and of its children on one core."""
    for member in family(pid):
        for task in Path(f"/proc/{member}/task").iterdir():
            os.sched_setaffinity(int(task.name), {core})


def pss(pid: int) -> float:
    """Of the process and its children, in MB."""
    lines = [
        line
        for member in family(pid)
        for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines()
        if line.startswith("Pss:")
    ]
    return sum(int(line.split()[1]) for line in lines) / 1000


def size(name: str) -> float:
    """MB of the environment's packages, without pip; of ours without tests, which the image does not hold either."""
    packages = next(environment(name).glob("lib/python*/site-packages"))
    left_out = {"pip", "setuptools", "pkg_resources", "_distutils_hack", *(["tests"] if name == "pintle" else [])}
    return (
        sum(
            item.stat().st_size
            for item in packages.rglob("*")
            if item.is_file() and not left_out & set(item.relative_to(packages).parts)
        )
        / 1e6
    )


if __name__ == "__main__":
    main()
