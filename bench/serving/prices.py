"""What each thing that a server does besides predicting costs: the same load on servers that differ in it only.

The servers run at the same time on one core and are measured in turn, so that a machine that changes its pace hurts
all of them alike; a price is the difference of two neighbours in the same round.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from bench.report import Report
from bench.serving.load import Load, run
from bench.serving.rows import bodies
from tests.unit.serve.process import ServerProcess

SCENARIOS = (("1 row, c64", 1), ("100 rows, c64", 100))
STEPS = ("bare", "bins", "tokens")
"""Each has what the one before has: answers and request metrics; feature and score bins; tokens."""
CONNECTIONS = 64


def prices(report: Report, folder: Path, columns: int, client: str, seconds: float, repeat: int, core: int) -> None:
    """Processor time per request of each step, and what it is more than the one before."""
    with _servers(folder) as servers:
        for server in servers.values():
            os.sched_setaffinity(server.ready().process.pid, {core})
        for name, rows in SCENARIOS:
            found = bodies("/predict", rows, columns)
            loads = {
                step: Load(server.wait_for("listening")["http"], "/predict", found, CONNECTIONS)
                for step, server in servers.items()
            }
            for load in loads.values():
                run(client, load, min(1.0, seconds))
            costs: dict[str, list[float]] = {step: [] for step in STEPS}
            for _ in range(repeat):
                for step, load in loads.items():
                    costs[step].append(_cost(servers[step], client, load, seconds))
            _tell(report, name, costs)


def processor_seconds(server: ServerProcess) -> float:
    """Processor time of the process so far: what a request costs, whatever else the machine does."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _tell(report: Report, name: str, costs: dict[str, list[float]]) -> None:
    report.add(f"{name}, neither bins nor tokens", "us/req", costs["bare"])
    for before, step in (("bare", "bins"), ("bins", "tokens")):
        more = [b - a for a, b in zip(costs[before], costs[step], strict=True)]
        share = sum(more) / sum(costs["bare"])
        report.add(f"{name}, price of {step}", "us/req", more, f"{share:.1%} of a request without both")


def _cost(server: ServerProcess, client: str, load: Load, seconds: float) -> float:
    """Microseconds of processor time per request. Raises RuntimeError when an answer was not 200."""
    before = processor_seconds(server)
    result = run(client, load, seconds)
    if result.failed:
        raise RuntimeError(f"{result.failed} requests failed")
    return (processor_seconds(server) - before) / result.requests * 1e6


@contextlib.contextmanager
def _servers(folder: Path) -> Iterator[dict[str, ServerProcess]]:
    bare = _without_profile(folder, folder.parent / "bare")
    with (
        ServerProcess(bare, PINTLE_TOKENS="off") as without_bins,
        ServerProcess(folder, PINTLE_TOKENS="off") as without_tokens,
        ServerProcess(folder) as complete,
    ):
        yield dict(zip(STEPS, (without_bins, without_tokens, complete), strict=True))


def _without_profile(folder: Path, target: Path) -> Path:
    """The same model without a profile: nothing to count bins by."""
    shutil.copytree(folder, target)
    (target / "profile.json").unlink()
    manifest = json.loads((target / "manifest.json").read_text())
    del manifest["files"]["profile.json"]
    (target / "manifest.json").write_text(json.dumps(manifest))
    return target
