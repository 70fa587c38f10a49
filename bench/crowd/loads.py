"""Load on some deployments from a process of its own: what it sends is not held up by what the bench does."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing.synchronize import Event
from typing import Any

from e2e.tests.load import Load

Seen = list[tuple[float, str]]
"""When each request was sent, and the revision that answered; empty for a failure."""
_stop: Event


class Loads:
    """Context manager. One load at a time: `begin`, and `end` with what was seen."""

    def __init__(self, per_second: int, limit_seconds: float) -> None:
        self._per_second, self._limit = per_second, limit_seconds
        context = multiprocessing.get_context("spawn")
        self._event: Event = context.Event()
        self._pool = ProcessPoolExecutor(1, context, initializer=_remember, initargs=(self._event,))
        self._going: Future[dict[str, Seen]] | None = None

    def __enter__(self) -> Loads:
        return self

    def __exit__(self, *_: object) -> None:
        self._event.set()
        self._pool.shutdown()

    def begin(self, urls: Mapping[str, str]) -> None:
        """Requests to each URL until `end`, at most for `limit_seconds`."""
        self._event.clear()
        self._going = self._pool.submit(_send, dict(urls), self._per_second, self._limit)

    def end(self) -> dict[str, Seen]:
        """By the keys of `begin`."""
        assert self._going is not None
        self._event.set()
        return self._going.result(60)


def first_and_last(revision: str, seen: Sequence[tuple[float, str]], since: float) -> tuple[float, float]:
    """When the first failure and the last request at a revision were sent; all failures are its own.

    Raises AssertionError where there is none.
    """
    failed = [sent for sent, answered in seen if sent >= since and answered == ""]
    reached = [sent for sent, answered in seen if sent >= since and answered in ("", revision)]
    assert failed, f"no request failed at {revision}"
    return min(failed), max(reached)


def _remember(event: Event) -> None:
    global _stop
    _stop = event


def _send(urls: dict[str, str], per_second: int, limit: float) -> dict[str, Seen]:
    with ExitStack() as stack:
        loads = {key: stack.enter_context(Load(url, _body, per_second, limit, 5.0)) for key, url in urls.items()}
        _stop.wait(limit)
    return {key: load.seen for key, load in loads.items()}


def _body() -> dict[str, Any]:
    return {"rows": [{}]}
