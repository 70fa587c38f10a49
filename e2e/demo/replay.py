"""Replays real flights through the gateway: one request per flight, in the order in which they were due to leave."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import aiohttp

from e2e.demo.flights import features, source

CONNECTIONS = 8
TIMEOUT_SECONDS = 5.0
# So many failures in a row mean that nothing answers: go no further.
FAILURES_IN_A_ROW = 50


@dataclass(frozen=True)
class Question:
    """One flight: what is asked, and what came of it (None: it never arrived)."""

    day: date
    row: dict[str, Any]
    late: int | None


@dataclass(frozen=True)
class Answer:
    """The chance of being late that came back, how long that took, and who gave it."""

    question: Question
    chance: float
    seconds: float
    version: str


@dataclass
class Replayed:
    """All that came of a replay."""

    sent: int = 0
    answers: list[Answer] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0


def questions(month: int, every: int) -> list[Question]:
    """Every `every`-th flight of the month, cancelled ones included, as a client asks about each."""
    flights = source.read_flights((month,)).to_dict("records")
    flights.sort(key=lambda flight: (features.departure(flight), features.flight_id(flight)))
    reports = features.Observations(source.read_weather().to_dict("records"))
    return [_question(flight, reports) for flight in flights[::every]]


def _question(flight: dict[str, Any], reports: features.Observations) -> Question:
    seen = reports.latest(flight["origin"], features.decision_time(flight))
    local: datetime = features.departure(flight).astimezone(features.NEW_YORK)
    return Question(local.date(), features.feature_row(flight, seen), features.label(flight))


def replay(url: str, asked: Sequence[Question], note: Callable[[str], None], host: str = "") -> Replayed:
    """Posts every question to `url`, a few at a time and none twice; `note` hears how far it is.

    `host` is the Host header for a gateway that routes by name.
    """
    return asyncio.run(_replay(url, asked, note, {"host": host} if host else {}))


async def _replay(
    url: str, asked: Sequence[Question], note: Callable[[str], None], headers: Mapping[str, str]
) -> Replayed:
    result = Replayed()
    waiting = iter(asked)
    started = time.monotonic()
    # aiohttp: a slower client would measure itself. It repeats no POST.
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector, headers=headers) as client:
        senders = [asyncio.create_task(_send(client, url, waiting, result)) for _ in range(CONNECTIONS)]
        while not all(sender.done() for sender in senders):
            await asyncio.wait(senders, timeout=0.5, return_when=asyncio.FIRST_EXCEPTION)
            passed = time.monotonic() - started
            day = asked[min(result.sent, len(asked)) - 1].day if result.sent else asked[0].day
            note(
                f"{day:%d %B}: {result.sent:,} of {len(asked):,} flights asked, {len(result.failures)} failed, "
                f"{len(result.answers) / passed:,.0f} answers/s"
            )
        await asyncio.gather(*senders)
    result.seconds = time.monotonic() - started
    return result


async def _send(client: aiohttp.ClientSession, url: str, waiting: Iterator[Question], result: Replayed) -> None:
    in_a_row = 0
    for question in waiting:
        result.sent += 1
        start = time.perf_counter()
        try:
            body = await _ask(client, url, question.row)
            seconds = time.perf_counter() - start
            chance, version = chance_of(json.loads(body))
        except (aiohttp.ClientError, TimeoutError, ValueError, LookupError, TypeError) as error:
            result.failures.append(f"{type(error).__name__}: {error}")
            in_a_row += 1
            if in_a_row >= FAILURES_IN_A_ROW:
                return
            continue
        in_a_row = 0
        result.answers.append(Answer(question, chance, seconds, version))


async def _ask(client: aiohttp.ClientSession, url: str, row: Mapping[str, Any]) -> bytes:
    """The body of the answer to one row. Raises ValueError for another status than 200."""
    async with client.post(url, json={"rows": [row]}) as answer:
        body = await answer.read()
        if answer.status != 200:
            raise ValueError(f"{answer.status} {body[:200].decode(errors='replace')}")
        return body


def chance_of(body: dict[str, Any]) -> tuple[float, str]:
    """The chance of being late in one answer, and the version that gave it. Raises KeyError for another shape."""
    return float(body["predictions"][0]["probabilities"]["1"]), str(body.get("version", ""))
