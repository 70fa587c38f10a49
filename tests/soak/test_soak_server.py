"""The model server for an hour under everything at once: memory and the tail of latencies stay where they were.

PINTLE_SOAK_MINUTES shortens it, to try the test itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from tests.integration.test_server_process import resident_kib
from tests.unit.serve import artifacts
from tests.unit.serve.process import ServerProcess, value

MINUTES = float(os.environ.get("PINTLE_SOAK_MINUTES", "60"))
PER_SECOND = 200
SLICES = 30
"""Of the time; the first third of them is what the last third is compared with."""
INFER = "/v2/models/delays/infer"


def row(rng: random.Random) -> dict[str, Any]:
    wind = None if rng.random() < 0.1 else round(rng.uniform(0, 30), 2)
    return {"carrier": rng.choice(["AA", "DL", "UA", "??"]), "hour": rng.randrange(24), "wind": wind}


def one(rng: random.Random) -> tuple[str, bytes]:
    return "/predict", json.dumps({"rows": [row(rng)]}).encode()


def hundred(rng: random.Random) -> tuple[str, bytes]:
    return "/predict", json.dumps({"rows": [row(rng) for _ in range(100)]}).encode()


def columns(rng: random.Random) -> tuple[str, bytes]:
    rows = [row(rng) for _ in range(3)]
    kinds = (("carrier", "BYTES"), ("hour", "INT64"))
    inputs = [
        {"name": name, "datatype": kind, "shape": [3], "data": [item[name] for item in rows]} for name, kind in kinds
    ]
    wind = {"name": "wind", "datatype": "FP64", "shape": [3], "data": [item["wind"] or 1.5 for item in rows]}
    return INFER, json.dumps({"inputs": [*inputs, wind]}).encode()


def broken(rng: random.Random) -> tuple[str, bytes]:
    path, body = one(rng)
    at = rng.randrange(1, len(body))
    return path, rng.choice([body[:at], body.replace(b"hour", b"huor"), b"[" * 5_000, os.urandom(300)])


def unknown(rng: random.Random) -> tuple[str, bytes]:
    return f"/v2/models/{rng.randrange(10**9)}/infer", b"{}"


MIX: tuple[tuple[float, Callable[[random.Random], tuple[str, bytes]], int], ...] = (
    (0.70, one, 200),
    (0.80, columns, 200),
    (0.82, hundred, 200),
    (0.95, broken, 400),
    (1.01, unknown, 404),
)


@dataclass
class Told:
    """What came back, and how the server was at the end of each slice."""

    sent: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    rows: int = 0
    slice: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    resident_mb: list[float] = field(default_factory=list)


@pytest.fixture(scope="module")
def soaked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Told, float]:
    """The hour, and the rows that the server counted."""
    told = Told()
    with ServerProcess(artifacts.make_classifier(tmp_path_factory.mktemp("soak") / "model")) as server:
        server.ready()
        asyncio.run(_hour(server, told))
        counted = value(server.metrics(), "model_predictions_total")
    return told, counted


async def _hour(server: ServerProcess, told: Told) -> None:
    rng, length = random.Random(1), 60 * MINUTES / SLICES
    async with aiohttp.ClientSession(server.url, timeout=aiohttp.ClientTimeout(total=10)) as session:
        began, tasks = time.monotonic(), set[asyncio.Task[None]]()
        number = 0
        for end in (began + length * (index + 1) for index in range(SLICES)):
            while (now := time.monotonic()) < end:
                await asyncio.sleep(max(0.0, began + number / PER_SECOND - now))
                task = asyncio.create_task(_ask(session, rng, number, told))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                if number % (5 * PER_SECOND) == 0:
                    async with session.get(server.metrics_url) as answer:
                        await answer.read()
                number += 1
            took, told.slice = sorted(told.slice), []
            told.p99_ms.append(1000 * took[int(0.99 * (len(took) - 1))])
            told.resident_mb.append(resident_kib(server) / 1024)
        await asyncio.gather(*tasks)


async def _ask(session: aiohttp.ClientSession, rng: random.Random, number: int, told: Told) -> None:
    """One request of the mix; every twentieth on a connection of its own."""
    chance = rng.random()
    make, status = next((make, status) for limit, make, status in MIX if chance < limit)
    path, body = make(rng)
    headers = {"content-type": "application/json"} | ({"connection": "close"} if number % 20 == 0 else {})
    began = time.perf_counter()
    try:
        async with session.post(path, data=body, headers=headers) as answer:
            found, text = answer.status, await answer.text()
    except (aiohttp.ClientError, TimeoutError) as error:
        told.wrong.append(f"{make.__name__}: {error!r}")
        return
    told.sent[make.__name__] += 1
    if found == 200:
        told.rows += {"one": 1, "columns": 3, "hundred": 100}.get(make.__name__, 0)
    if make is one:
        told.slice.append(time.perf_counter() - began)
    if found != status and not (status == 400 and found == 422):
        told.wrong.append(f"{make.__name__}: {found} {text[:200]}")


@pytest.mark.soak
def test_every_request_gets_the_answer_that_is_due(soaked: tuple[Told, float], record_property: Any) -> None:
    """Good ones 200, broken ones 400 or 422, unknown models 404; none is lost, and every row is counted."""
    told, counted = soaked
    record_property("figure", f"server: {sum(told.sent.values()):,} requests in {MINUTES:g} min, {told.rows:,} rows")
    assert told.wrong == []
    assert counted == told.rows


@pytest.mark.soak
def test_memory_is_flat(soaked: tuple[Told, float], record_property: Any) -> None:
    """After the first third it grows by no more than a twentieth."""
    first, last = soaked[0].resident_mb[SLICES // 3], soaked[0].resident_mb[-1]
    record_property(
        "figure", f"server: resident memory {first:.1f} MB after a third of the time, {last:.1f} MB at the end"
    )
    assert last < 1.05 * first, soaked[0].resident_mb


@pytest.mark.soak
def test_the_tail_of_latencies_is_flat(soaked: tuple[Told, float], record_property: Any) -> None:
    """The median p99 of the last third is at most twice that of the first: the machine's own moods are within that."""
    third = SLICES // 3
    first, last = (statistics.median(part) for part in (soaked[0].p99_ms[:third], soaked[0].p99_ms[-third:]))
    record_property(
        "figure", f"server: p99 of single rows {first:.1f} ms in the first third, {last:.1f} ms in the last"
    )
    assert last < 2 * first, soaked[0].p99_ms
