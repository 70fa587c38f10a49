"""How fast the model server is, how soon it answers and what it needs: make bench-serving.

Gradient boosting, 100 trees over 30 numbers, fresh rows in every request (one static body would let the processor learn
the trees), everything on: validation, metrics, bins, tokens, limits. Server on one core, load on another, loopback.
wrk drives it where it is installed, else a client of asyncio, which is slower than the server: its figures are floors.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.report import Report, arguments
from bench.serving.load import Load, run
from bench.serving.prices import prices
from bench.serving.rows import bodies
from tests.unit.serve.artifacts import make_matrix
from tests.unit.serve.process import ServerProcess

COLUMNS, TREES = 30, 100
SCENARIOS = (  # name, path, rows of a request, connections
    ("predict, 1 row, c1", "/predict", 1, 1),
    ("predict, 1 row, c16", "/predict", 1, 16),
    ("predict, 1 row, c64", "/predict", 1, 64),
    ("predict, 100 rows, c64", "/predict", 100, 64),
    ("infer, 1 row, c64", "/v2/models/delays/infer", 1, 64),
    ("infer, 100 rows, c64", "/v2/models/delays/infer", 100, 64),
)
PRICED = ("1 row", "100 rows")


def main() -> None:
    parser = arguments("The model server alone: speed, start, memory")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--repeat", type=int, default=3, help="measurements of each scenario")
    parser.add_argument("--client", choices=("wrk", "asyncio"), default="wrk" if shutil.which("wrk") else "asyncio")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    report = Report(f"Model server, {TREES} trees, {COLUMNS} numbers, load by {options.client}, cores {cores[:2]}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = make_matrix(Path(scratch) / "model", COLUMNS, TREES)
        report.add("process start to first 200", "s", [start_time(folder) for _ in range(options.repeat)])
        with ServerProcess(folder) as server:
            os.sched_setaffinity(server.ready().process.pid, {cores[0]})
            os.sched_setaffinity(0, {cores[-1]})
            for name, path, rows, connections in SCENARIOS:
                measure(report, server, options, name, path, bodies(path, rows, COLUMNS), connections)
            explained = [body[:-1] + b',"explain":true}' for body in bodies("/predict", 1, COLUMNS)]
            measure(report, server, options, "predict, 1 row explained, c1", "/predict", explained, 1)
            scraped(report, server, options)
            with httpx.Client() as http:
                report.add("scrape of /metrics", "ms", [scrape_time(server, http) for _ in range(50)])
            for key, size in memory(server).items():
                report.add(f"{key} after load", "MB", [size])
        whole = {figure.name: statistics.median(figure.samples) for figure in report.figures}
        prices(report, folder, COLUMNS, {rows: whole[f"predict, {rows}, c64, processor time"] for rows in PRICED})
    report.finish(options.json)


def measure(
    report: Report,
    server: ServerProcess,
    options: argparse.Namespace,
    name: str,
    path: str,
    found: Sequence[bytes],
    connections: int,
) -> None:
    """One scenario: a short warm-up, then `repeat` measurements. Raises RuntimeError when an answer was not 200."""
    load = Load(server.wait_for("listening")["http"], path, found, connections)
    run(options.client, load, min(1.0, options.seconds))
    results, processor = [], []
    for _ in range(options.repeat):
        before = processor_seconds(server)
        result = run(options.client, load, options.seconds)
        if not result.requests:
            raise RuntimeError(f"{name}: no request in {options.seconds:g} s; is the machine busy?")
        results.append(result)
        processor.append((processor_seconds(server) - before) / result.requests * 1e6)
    if failed := sum(result.failed for result in results):
        raise RuntimeError(f"{name}: {failed} requests failed")
    report.add(name, "req/s", [result.per_second for result in results])
    report.add(f"{name}, processor time", "us/req", processor)
    report.add(f"{name}, p50", "ms", [result.p50_ms for result in results])
    report.add(f"{name}, p99", "ms", [result.p99_ms for result in results])


def scraped(report: Report, server: ServerProcess, options: argparse.Namespace) -> None:
    """p99 of one-row requests with nobody reading /metrics, and with ten scrapes a second, turn about."""
    load = Load(server.wait_for("listening")["http"], "/predict", bodies("/predict", 1, COLUMNS), 16)
    found: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(options.repeat):
        for scraping in found:
            ended = threading.Event()
            reader = threading.Thread(target=scrape_until, args=(server, ended))
            if scraping:
                reader.start()
            found[scraping].append(run(options.client, load, options.seconds).p99_ms)
            ended.set()
            if scraping:
                reader.join()
    report.add("predict, 1 row, c16, p99, not scraped", "ms", found[False])
    report.add("predict, 1 row, c16, p99, ten scrapes a second", "ms", found[True])


def scrape_until(server: ServerProcess, ended: threading.Event) -> None:
    with httpx.Client() as http:
        while not ended.wait(0.1):
            http.get(server.metrics_url).raise_for_status()


def start_time(folder: Path) -> float:
    """Seconds from starting the process to its first answered prediction."""
    body: dict[str, Any] = {"rows": [{"f0": 0.5}]}
    with ServerProcess(folder) as server, httpx.Client() as http:
        url = server.url + "/predict"
        while True:
            if http.post(url, json=body).status_code == 200:
                return time.perf_counter() - server.started
            time.sleep(0.005)


def scrape_time(server: ServerProcess, http: httpx.Client) -> float:
    """Milliseconds of one scrape, client included."""
    begin = time.perf_counter()
    http.get(server.metrics_url).raise_for_status()
    return (time.perf_counter() - begin) * 1e3


def processor_seconds(server: ServerProcess) -> float:
    """Processor time of the process so far: what a request costs, whatever else the machine does."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(server: ServerProcess) -> dict[str, float]:
    """RSS and PSS of the process in MB."""
    lines = Path(f"/proc/{server.process.pid}/smaps_rollup").read_text().splitlines()
    found = {line.split(":")[0]: int(line.split()[1]) / 1000 for line in lines[1:]}
    return {key.upper(): found[key] for key in ("Rss", "Pss")}


if __name__ == "__main__":
    main()
