"""Load on some deployments from a process of its own: what it sends is not held up by what the bench does."""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing.synchronize import Event
from typing import Any, NamedTuple

from e2e.tests.load import Load


class Sent(NamedTuple):
    """A request: when it was sent (unix seconds), the revision that answered it, and what went wrong with it."""

    at: float
    revision: str
    """Empty: nobody did, or it cannot be told."""
    failure: str


Seen = list[Sent]
_stop: Event
REVISION = re.compile(r'"version": "([^"]+)"')


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


def first_and_last(revision: str, seen: Sequence[Sent], since: float) -> tuple[float, float]:
    """When the first failure and the last request at a revision were sent; what nobody answered counts as its own.

    Raises AssertionError where there is none.
    """
    reached = [sent for sent in seen if sent.at >= since and sent.revision in ("", revision)]
    failed = [sent.at for sent in reached if sent.failure]
    assert failed, f"no request failed at {revision}"
    return min(failed), max(sent.at for sent in reached)


def odd(revision: str, seen: Sequence[Sent], since: float) -> list[Sent]:
    """Failures that are not answers of this revision: the gateway, the other revision or the machine."""
    return [sent for sent in seen if sent.at >= since and sent.failure and sent.revision != revision]


def _remember(event: Event) -> None:
    global _stop
    _stop = event


def _send(urls: dict[str, str], per_second: int, limit: float) -> dict[str, Seen]:
    with ExitStack() as stack:
        loads = {key: stack.enter_context(Load(url, _body, per_second, limit, 5.0)) for key, url in urls.items()}
        _stop.wait(limit)
    return {key: _told(load) for key, load in loads.items()}


def _told(load: Load) -> Seen:
    """Of a failure the load keeps the answer's text, which has the revision where a server wrote it."""
    failures = iter(load.failures)
    found = []
    for at, revision in load.seen:
        failure = "" if revision else next(failures)
        told = REVISION.search(failure)
        found.append(Sent(at, told[1] if told else revision, failure))
    return found


def _body() -> dict[str, Any]:
    return {"rows": [{}]}
