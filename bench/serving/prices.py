"""What bins and tokens cost: the same turns of the event loop by handlers that differ in them only.

Without sockets and in one process, turn about, by processor time: a machine that changes its pace hurts all alike,
and a few microseconds can be told apart, which from outside they cannot. The share is of such a turn, so of a request
without its way through HTTP, which costs more than all of this: see the processor times of whole requests above.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from pintle.serve.artifact import open_artifact
from pintle.serve.handler import Handler
from pintle.serve.http import Answer, Request
from pintle.serve.metrics import Metrics
from pintle.serve.models import load_model
from pintle.serve.settings import Identity, Settings

from bench.report import Report
from bench.serving.rows import bodies

SCENARIOS = (("1 row", 1, 32, 1_000), ("100 rows", 100, 8, 200))
"""Name, rows of a request, requests of a turn, turns of each handler."""
STEPS = ("answers and their metrics", "bins", "tokens")
"""Each has what the ones before have."""
IDENTITY = Identity("late", "0a1b2c3d", "delays", "3")


def prices(report: Report, folder: Path, columns: int) -> None:
    """Processor time of a request in the handler, and how much of it is for bins and for tokens."""
    asyncio.run(_prices(report, folder, columns))


async def _prices(report: Report, folder: Path, columns: int) -> None:
    bare = _without_profile(folder, folder.parent / "bare")
    handlers = [_handler(bare, tokens=False), _handler(folder, tokens=False), _handler(folder, tokens=True)]
    for name, rows, together, turns in SCENARIOS:
        found = bodies("/predict", rows, columns)
        costs: list[list[float]] = [[] for _ in handlers]
        for turn in range(turns):
            sent = [found[(turn * together + index) % len(found)] for index in range(together)]
            for offset in range(len(handlers)):  # each is as often the first to see these rows
                index = (turn + offset) % len(handlers)
                costs[index].append(await _turn(handlers[index], sent) / together * 1e6)
        _tell(report, name, costs)
    for handler in handlers:
        handler.close()


def _tell(report: Report, name: str, costs: Sequence[Sequence[float]]) -> None:
    whole = statistics.median(costs[-1])
    report.add(f"in the handler, {name}: all of it", "us/req", [whole])
    for before, step, label in zip(costs, costs[1:], STEPS[1:], strict=False):
        more = statistics.median(step) - statistics.median(before)
        report.add(f"in the handler, {name}: {label}", "us/req", [more], f"{more / whole:.1%}")


async def _turn(handler: Handler, sent: Sequence[bytes]) -> float:
    """Seconds of processor time for requests that arrive together. Raises RuntimeError for an answer that is no 200."""
    done = asyncio.get_running_loop().create_future()
    answers: list[Answer] = []

    def reply(answer: Answer) -> None:
        answers.append(answer)
        if len(answers) == len(sent):
            done.set_result(None)

    begin = time.process_time()
    for body in sent:
        handler.handle(Request("POST", "/predict", body, time.perf_counter()), reply)
    await done
    if handler.monitor is not None:
        handler.monitor.flush()
    seconds = time.process_time() - begin
    if any(answer.status != 200 for answer in answers):
        raise RuntimeError("a request failed")
    return seconds


def _handler(folder: Path, tokens: bool) -> Handler:
    artifact = open_artifact(folder)
    handler = Handler(Settings(identity=IDENTITY, tokens=tokens), Metrics(IDENTITY))
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
