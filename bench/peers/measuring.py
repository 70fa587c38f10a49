"""Servers asked in turn, so that a machine that changes its pace hurts all alike; only the one that is asked runs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from bench.peers.groups import BURSTS, MANY_64, Scenario
from bench.peers.models import COLUMNS
from bench.peers.processes import awake, pin, processor_seconds
from bench.peers.servers import INFER, Server, first_answer
from bench.report import Report
from bench.serving.load import Load, burst_p99, run
from bench.serving.rows import binary
from tests.unit.serve.process import ServerProcess


def measure(servers: Sequence[Server], scenario: Scenario, seconds: float, repeat: int) -> None:
    """Each server in turn, `repeat` times, after one turn that does not count. Raises RuntimeError for failures."""
    rng = np.random.default_rng(1)
    count = 4_000 if scenario.rows == 1 else 400
    values = [rng.normal(size=(scenario.rows, COLUMNS)).round(4) for _ in range(count)]
    bodies = {server.name: [server.body(item) for item in values] for server in servers}
    for turn in range(repeat + 1):
        for server in servers:
            load = Load(server.port, server.path, bodies[server.name], scenario.connections)
            with asked(server):
                before = processor_seconds(server.pid)
                result = run("wrk", load, seconds if turn else 1)
                spent = processor_seconds(server.pid) - before
            if result.failed or not result.requests:
                raise RuntimeError(
                    f"{server.name}, {scenario.name}: {result.failed} of {result.requests} requests failed"
                )
            if turn:
                server.per_second.setdefault(scenario.name, []).append(result.per_second)
                server.p99.setdefault(scenario.name, []).append(result.p99_ms)
                server.processor.setdefault(scenario.name, []).append(spent / result.requests * 1e6)


def measure_bursts(servers: Sequence[Server], seconds: float, repeat: int) -> None:
    """16 requests at once, twenty times a second."""
    rng = np.random.default_rng(2)
    values = [rng.normal(size=(1, COLUMNS)).round(4) for _ in range(1_000)]
    for _ in range(repeat):
        for server in servers:
            load = Load(server.port, server.path, [server.body(item) for item in values], 16)
            with asked(server):
                server.p99.setdefault(BURSTS, []).append(burst_p99(load, seconds))


@contextmanager
def asked(server: Server) -> Iterator[None]:
    """The server runs, and until one more request is answered: its next turn is not charged with what this one left."""
    with awake(server.pid):
        yield
        first_answer(server, time.perf_counter())


def share_of_bare(report: Report, server: Server, folder: Path, core: int, seconds: float, repeat: int) -> None:
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
    with awake(server.pid), ServerProcess(folder, PINTLE_TOKENS="off") as without:
        pin(without.ready().process.pid, core)
        ports = dict(zip(whole, (server.port, without.wait_for("listening")["http"]), strict=True))
        processes = dict(zip(whole, (server.pid, without.process.pid), strict=True))
        for _ in range(repeat):
            count, begin = 0, time.process_time()
            while time.process_time() - begin < seconds / 2:
                session.run(None, {"X": values[count % len(values)]})
                count += 1
            bare.append(count / (time.process_time() - begin))
            for name, port in ports.items():
                load = Load(port, INFER, bodies, 64, {"Inference-Header-Content-Length": str(header)})
                before = processor_seconds(processes[name])
                requests = run("wrk", load, seconds).requests
                whole[name].append(requests / (processor_seconds(processes[name]) - before))
    report.add("bare session.run, 100 rows", "1/s", bare, "per second of processor time")
    for name, found in whole.items():
        note = f"{statistics.median(found) / max(bare):.0%} of bare session.run (set 75 %, stretch 90 %)"
        report.add(f"{server.name}: binary, {MANY_64.name}, {name}", "1/s", found, note)
