"""An open-loop load on 127.0.0.1: requests start on a fixed clock whether or not earlier ones were answered."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from typing import Any

import httpx


class Load:
    """Context manager that sends `per_second` requests until it is left; half of them on fresh connections.

    A failure is an answer other than 2xx, a connection error, or no answer within a second. Ends at `limit_seconds`.
    """

    def __init__(self, url: str, body: Mapping[str, Any], per_second: int = 40, limit_seconds: float = 600) -> None:
        assert "://127.0.0.1" in url, "load goes to loopback only"
        self.sent = 0
        self.answered = 0
        self.failures: list[str] = []
        self._versions: set[str] = set()
        self._seen = threading.Condition()
        self._url, self._body = url, body
        self._interval = 1 / per_second
        self._limit = limit_seconds
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
        with self._seen:
            if not self._seen.wait_for(lambda: version in self._versions, timeout=seconds):
                raise AssertionError(
                    f"no answer of version {version}; seen {self._versions}, failed {self.failures[:3]}"
                )

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        tasks = set()
        async with httpx.AsyncClient(timeout=1.0, limits=httpx.Limits(max_connections=200)) as client:
            while not self._stop.is_set() and loop.time() - started < self._limit:
                await asyncio.sleep(max(0.0, started + self.sent * self._interval - loop.time()))
                task = asyncio.create_task(self._one(client, fresh=self.sent % 2 == 0))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                self.sent += 1
            await asyncio.gather(*tasks)

    async def _one(self, client: httpx.AsyncClient, fresh: bool) -> None:
        headers = {"connection": "close"} if fresh else {}
        try:
            answer = await client.post(self._url, json=self._body, headers=headers)
        except httpx.HTTPError as error:
            self.failures.append(repr(error))
            return
        if answer.status_code != 200:
            self.failures.append(f"{answer.status_code} {answer.text[:200]}")
            return
        self.answered += 1
        with self._seen:
            self._versions.add(str(json.loads(answer.content).get("version")))
            self._seen.notify_all()
