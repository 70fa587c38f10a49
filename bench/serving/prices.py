"""What each feature costs: the same turns of the event loop by handlers that differ in one of them.

Without sockets and in one process, turn about, by processor time: a machine that changes its pace hurts all alike,
and a few microseconds can be told apart, which from outside they cannot. The share is of a whole request, its way
through sockets and HTTP included, as measured from outside in the same run.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pintle.serve.artifact import open_artifact
from pintle.serve.handler import Handler
from pintle.serve.http import Answer, Request
from pintle.serve.metrics import Metrics
from pintle.serve.models import load_model
from pintle.serve.settings import Identity, Settings

from bench.report import Report
from bench.serving.rows import bodies

SCENARIOS = (("1 row", 1, 32, 80, 16), ("100 rows", 100, 8, 40, 4))
"""Name, rows of a request, requests of a turn, measurements of each handler, turns of one; then bins are counted."""
STEPS = ("validated answers", "metrics", "bins", "tokens")
"""Each has what the ones before have."""
IDENTITY = Identity("late", "0a1b2c3d", "delays", "3")


class Uncounted(Metrics):
    """Counts no requests."""

    def request(self, result: str, route: str, seconds: float) -> None:
        pass

    def answered(self, rows: int, seconds: float) -> None:
        pass


def prices(report: Report, folder: Path, columns: int, whole: Mapping[str, float]) -> None:
    """Microseconds of a request in the handler, and what of them each feature costs; `whole` are those of a request."""
    asyncio.run(_prices(report, folder, columns, whole))


async def _prices(report: Report, folder: Path, columns: int, whole: Mapping[str, float]) -> None:
    bare = _without_profile(folder, folder.parent / "bare")
    handlers = [
        _handler(bare, Uncounted(IDENTITY), tokens=False),
        _handler(bare, Metrics(IDENTITY), tokens=False),
        _handler(folder, Metrics(IDENTITY), tokens=False),
        _handler(folder, Metrics(IDENTITY), tokens=True),
    ]
    for name, rows, together, measurements, turns in SCENARIOS:
        found = bodies("/predict", rows, columns)
        costs: list[list[float]] = [[] for _ in handlers]
        for measurement in range(measurements):
            sent = [
                [found[(at * together + index) % len(found)] for index in range(together)]
                for at in range(measurement * turns, (measurement + 1) * turns)
            ]
            for offset in range(len(handlers)):  # each is as often the first to see these rows
                index = (measurement + offset) % len(handlers)
                costs[index].append(await _turns(handlers[index], sent) / (together * turns) * 1e6)
        _tell(report, name, costs, whole[name])
    for handler in handlers:
        handler.close()


def _tell(report: Report, name: str, costs: Sequence[Sequence[float]], whole: float) -> None:
    for label, step in zip(STEPS, costs, strict=True):
        report.add(f"in the handler, {name}: up to {label}", "us/req", [statistics.median(step)])
    for before, step, label in zip(costs, costs[1:], STEPS[1:], strict=False):
        # the same turns by both handlers, one after the other: their difference is steadier than that of two medians
        more = statistics.median(after - earlier for earlier, after in zip(before, step, strict=True))
        report.add(f"price of {label}, {name}", "us/req", [more], f"{more / whole:.1%} of a request")


async def _turns(handler: Handler, sent: Sequence[Sequence[bytes]]) -> float:
    """Seconds of processor time for turns of requests that arrive together. Raises RuntimeError where one fails."""
    begin = time.process_time()
    answers = [answer for bodies in sent for answer in await _turn(handler, bodies)]
    if handler.monitor is not None:
        handler.monitor.flush()
    seconds = time.process_time() - begin
    if any(answer.status != 200 for answer in answers):
        raise RuntimeError("a request failed")
    return seconds


async def _turn(handler: Handler, bodies: Sequence[bytes]) -> list[Answer]:
    done = asyncio.get_running_loop().create_future()
    answers: list[Answer] = []

    def reply(answer: Answer) -> None:
        answers.append(answer)
        if len(answers) == len(bodies):
            done.set_result(None)

    for body in bodies:
        handler.handle(Request("POST", "/predict", body, time.perf_counter()), reply)
    await done
    return answers


def _handler(folder: Path, metrics: Metrics, tokens: bool) -> Handler:
    artifact = open_artifact(folder)
    handler = Handler(Settings(identity=IDENTITY, tokens=tokens), metrics)
    handler.serve(artifact, load_model(artifact))
    return handler


def _without_profile(folder: Path, target: Path) -> Path:
    """The same model without a profile: nothing to count bins by."""
    shutil.copytree(folder, target)
    (target / "profile.json").unlink()
    manifest = json.loads((target / "manifest.json").read_text())
    del manifest["files"]["profile.json"]
    (target / "manifest.json").write_text(json.dumps(manifest))
    return target
