"""Real flights through the gateway on a fixed clock, each at its (shrunk) time; truths follow when they have landed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import aiohttp

from e2e.demo.flights import features, source
from e2e.demo.replay import chance_of
from e2e.story.scale import Scale

TIMEOUT_SECONDS = 5.0
LANDED_AFTER = timedelta(hours=8)
"""A flight's truth is known this long after its departure was due."""
BATCH = 200


@dataclass(frozen=True)
class Flight:
    """One flight: when it is asked about, what is asked, and what came of it (None: it never arrived)."""

    at: datetime
    row: dict[str, Any]
    late: int | None


@dataclass(frozen=True)
class Asked:
    """One request: when it was sent (unix seconds), its answer, or the error."""

    flight: Flight
    sent: float
    version: str = ""
    chance: float | None = None
    error: str = ""


@dataclass
class Stream:
    """What has been asked so far. `stop` ends it early; every flight is asked about once at most."""

    asked: list[Asked] = field(default_factory=list)
    labels: int = 0
    label_errors: list[str] = field(default_factory=list)
    now: datetime | None = None
    _stop: bool = False

    def stop(self) -> None:
        self._stop = True

    @property
    def stopped(self) -> bool:
        return self._stop

    @property
    def failed(self) -> list[Asked]:
        return [item for item in self.asked if item.error]


def flights_of(months: Iterable[int], every: int) -> list[Flight]:
    """Every `every`-th flight of the months in the order of the moments at which they are asked about."""
    found = source.read_flights(tuple(months)).to_dict("records")
    found.sort(key=lambda flight: (features.departure(flight), features.flight_id(flight)))
    reports = features.Observations(source.read_weather().to_dict("records"))
    return [_flight(item, reports) for item in found[::every]]


def _flight(flight: dict[str, Any], reports: features.Observations) -> Flight:
    at = features.decision_time(flight)
    seen = reports.latest(flight["origin"], at)
    return Flight(at, features.feature_row(flight, seen), features.label(flight))


class Player:
    """Plays flights to `url`, truths to `feedback` (where tokens come back); `note` hears how far it is."""

    def __init__(self, url: str, feedback: str, host: str, note: Callable[[str], None]) -> None:
        self._url, self._feedback, self._note = url, feedback, note
        self._headers = {"host": host} if host else {}
        self._tokens: list[tuple[float, str, int]] = []
        """Due time (seconds since the beginning), token, truth."""

    async def play(self, flights: Sequence[Flight], scale: Scale, stream: Stream) -> None:
        """Until all flights are asked or the stream is stopped."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        connector = aiohttp.TCPConnector(limit=64)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector, headers=self._headers) as client:
            labels = asyncio.create_task(self._labels(scale, stream))
            open_requests: set[asyncio.Task[None]] = set()
            for flight in flights:
                wait = scale.began + scale.due(flight.at) - time.time()
                if wait > 0:
                    await asyncio.sleep(wait)
                if stream.stopped:
                    break
                stream.now = flight.at
                task = asyncio.create_task(self._ask(client, flight, scale, stream))
                open_requests.add(task)
                task.add_done_callback(open_requests.discard)
            await asyncio.gather(*open_requests)
            stream.stop()
            await labels

    async def _ask(self, client: aiohttp.ClientSession, flight: Flight, scale: Scale, stream: Stream) -> None:
        sent = time.time()
        try:
            async with client.post(self._url, json={"rows": [flight.row]}) as answer:
                body = await answer.read()
                if answer.status != 200:
                    raise ValueError(f"{answer.status} {body[:200].decode(errors='replace')}")
            read = json.loads(body)
            chance, version = chance_of(read)
        except (aiohttp.ClientError, TimeoutError, ValueError, LookupError, TypeError) as error:
            stream.asked.append(Asked(flight, sent, error=f"{type(error).__name__}: {error}"))
            return
        stream.asked.append(Asked(flight, sent, version, chance))
        tokens = read.get("tokens") or ()
        if tokens and flight.late is not None:
            self._tokens.append((scale.due(flight.at + LANDED_AFTER), tokens[0], flight.late))

    async def _labels(self, scale: Scale, stream: Stream) -> None:
        """Once a second the truths that are known by now; what is left at the end is never labelled."""
        timeout = aiohttp.ClientTimeout(total=10)
        async with aiohttp.ClientSession(timeout=timeout) as client:
            while not stream.stopped:
                await asyncio.sleep(1)
                if not self._feedback:
                    continue
                elapsed = time.time() - scale.began
                due = [item for item in self._tokens if item[0] <= elapsed]
                self._tokens = [item for item in self._tokens if item[0] > elapsed]
                for start in range(0, len(due), BATCH):
                    await self._send(client, due[start : start + BATCH], stream)

    async def _send(
        self, client: aiohttp.ClientSession, items: Sequence[tuple[float, str, int]], stream: Stream
    ) -> None:
        body = {"feedback": [{"token": token, "truth": truth} for _, token, truth in items]}
        try:
            async with client.post(self._feedback, json=body) as answer:
                text = await answer.text()
                if answer.status != 200:
                    raise ValueError(f"{answer.status} {text[:200]}")
            stream.labels += len(items)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            stream.label_errors.append(f"{type(error).__name__}: {error}")
