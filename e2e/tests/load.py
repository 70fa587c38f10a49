"""An open-loop load on 127.0.0.1: requests start on a fixed clock whether or not earlier ones were answered."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp


class Load:
    """Context manager that sends `per_second` requests until it is left; half of them on fresh connections.

    A failure is an answer other than 2xx, a connection error, or no answer within `timeout`. Ends at `limit_seconds`.
    `body` is what is sent each time, or a function that makes it. `versions` counts good answers by version.
    """

    def __init__(
        self,
        url: str,
        body: Mapping[str, Any] | Callable[[], Mapping[str, Any]],
        per_second: int = 40,
        limit_seconds: float = 600,
        timeout: float = 1.0,
    ) -> None:
        assert "://127.0.0.1" in url, "load goes to loopback only"
        self.sent = 0
        self.answered = 0
        self.failures: list[str] = []
        self.versions: Counter[str] = Counter()
        self.seen: list[tuple[float, str]] = []
        """When each request was sent (unix seconds), and the version that answered; empty for a failure."""
        self.took: list[tuple[float, str, float]] = []
        """Of each good answer when its request was sent, the version, and seconds until it was there."""
        self._seen = threading.Condition()
        self._url, self._body = url, body
        self._interval = 1 / per_second
        self._limit, self._timeout = limit_seconds, timeout
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=30)

    def wait_for_version(self, version: str, seconds: float = 60) -> None:
        """Waits until an answer of that version has come."""
        self.wait_for_answers(version, 1 + self.versions[version], seconds)

    def wait_for_answers(self, version: str, count: int, seconds: float = 60) -> None:
        """Waits until that version has given so many answers in all."""
        with self._seen:
            if not self._seen.wait_for(lambda: self.versions[version] >= count, timeout=seconds):
                raise AssertionError(
                    f"fewer than {count} answers of version {version}; seen {self.versions}, failed {self.failures[:3]}"
                )

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        tasks = set()
        timeout, pool = aiohttp.ClientTimeout(total=self._timeout), aiohttp.TCPConnector(limit=200)
        async with aiohttp.ClientSession(timeout=timeout, connector=pool) as client:
            while not self._stop.is_set() and loop.time() - started < self._limit:
                await asyncio.sleep(max(0.0, started + self.sent * self._interval - loop.time()))
                task = asyncio.create_task(self._one(client, fresh=self.sent % 2 == 0))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                self.sent += 1
            await asyncio.gather(*tasks)

    async def _one(self, client: aiohttp.ClientSession, fresh: bool) -> None:
        headers = {"connection": "close"} if fresh else {}
        body = self._body() if callable(self._body) else self._body
        sent, began = time.time(), time.perf_counter()
        try:
            async with client.post(self._url, json=body, headers=headers) as answer:
                status, text = answer.status, await answer.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            self.failures.append(repr(error))
            self.seen.append((sent, ""))
            return
        took = time.perf_counter() - began
        if status != 200:
            self.failures.append(f"{status} {text[:200]}")
            self.seen.append((sent, ""))
            return
        self.answered += 1
        with self._seen:
            version = str(json.loads(text).get("version"))
            self.versions[version] += 1
            self.took.append((sent, version, took))
            self.seen.append((sent, version))
            self._seen.notify_all()
