"""Requests to many deployments through one gateway from one event loop, and the truths that come later."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from e2e.tests.versions import row

TIMEOUT_SECONDS = 10.0
LABEL_PAUSE = 2.0
MOST_LABELS = 500
"""In one request for feedback."""


@dataclass
class Client:
    """Who asks one deployment. `wrong`: version -> share of its predictions that turn out wrong; none: no labels."""

    url: str
    feedback: str = ""
    shift: float = 0.0
    """Added to the feature y, in standard deviations of the training data."""
    wrong: dict[str, float] = field(default_factory=dict)
    label_delay: float = 20.0
    rng: random.Random = field(default_factory=random.Random)
    answers: Counter[str] = field(default_factory=Counter)
    """By version; failures under an empty version."""
    refused: list[str] = field(default_factory=list)
    """Labels that were not taken, and why."""
    waiting: deque[tuple[float, str, int]] = field(default_factory=deque)
    """Labels that are known from a moment on: when, token, truth."""

    def body(self) -> dict[str, Any]:
        made = row(self.rng)
        return {"rows": [{**made, "y": made["y"] + self.shift}]}

    def learn(self, answer: dict[str, Any]) -> None:
        """Counts the answer; the truth about it comes in a while."""
        version = str(answer["version"])
        self.answers[version] += 1
        if version in self.wrong:
            said = int(answer["predictions"][0]["label"])
            truth = 1 - said if self.rng.random() < self.wrong[version] else said
            self.waiting.append((time.monotonic() + self.label_delay, answer["tokens"][0], truth))


@contextmanager
def traffic(clients: Sequence[Client], per_second: float, limit_seconds: float) -> Iterator[None]:
    """Asks all of them, open loop, until the block is left or the limit is reached."""
    assert all("://127.0.0.1" in client.url for client in clients), "load goes to loopback only"
    stop = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_run(clients, per_second, limit_seconds, stop)), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)


async def _run(clients: Sequence[Client], per_second: float, limit: float, stop: threading.Event) -> None:
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    began = time.monotonic()
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=200)) as session:
        labels = [asyncio.create_task(_label(session, client, stop)) for client in clients if client.feedback]
        open_: set[asyncio.Task[None]] = set()
        sent = 0
        while not stop.is_set() and time.monotonic() - began < limit:
            client = clients[sent % len(clients)]
            task = asyncio.create_task(_ask(session, client))
            open_.add(task)
            task.add_done_callback(open_.discard)
            sent += 1
            await asyncio.sleep(max(0.0, began + sent / (per_second * len(clients)) - time.monotonic()))
        stop.set()
        await asyncio.gather(*open_, *labels)


async def _ask(session: aiohttp.ClientSession, client: Client) -> None:
    try:
        async with session.post(f"{client.url}/predict", json=client.body()) as answer:
            read = await answer.json()
            if answer.status != 200:
                client.answers[""] += 1
                return
        client.learn(read)
    except (aiohttp.ClientError, TimeoutError):
        client.answers[""] += 1


async def _label(session: aiohttp.ClientSession, client: Client, stop: threading.Event) -> None:
    while not stop.is_set():
        await asyncio.sleep(LABEL_PAUSE)
        due: list[dict[str, Any]] = []
        while client.waiting and client.waiting[0][0] <= time.monotonic() and len(due) < MOST_LABELS:
            _, token, truth = client.waiting.popleft()
            due.append({"token": token, "truth": truth})
        if not due:
            continue
        try:
            async with session.post(client.feedback, json={"feedback": due}) as answer:
                if answer.status != 200:
                    client.refused.append(f"{answer.status} {(await answer.text())[:200]}")
        except (aiohttp.ClientError, TimeoutError) as error:
            client.refused.append(repr(error))
