"""Looks at Prometheus ten times a second with the engine of the operator, and has no part in its decisions."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from pintle.adapters.prometheus import Access, Prometheus
from pintle.api.rollout import Rollout
from pintle.contract import names
from pintle.core.judgement.history import HISTORY_SECONDS, control_history
from pintle.core.judgement.trial import Trial
from pintle.core.rollout.record import Record, parse_time
from pintle.core.trials import selectors
from pintle.core.trials.settings import settings_of
from pintle.ports.metrics import MetricsUnavailable

from e2e.kubectl import Kubectl

HZ = 10.0
GRID = 1.0
OVERLAP_SCRAPES = 4


@dataclass(frozen=True)
class Subject:
    """A rollout as the route's annotation tells it."""

    namespace: str
    deployment: str
    tested: str
    control: str
    origin: float
    rollout: dict[str, Any]


def record_of(kube: Kubectl, name: str) -> Record:
    """The record in the route's annotation. Raises LookupError."""
    route = kube.get("httproute", name) or {}
    annotations = route.get("metadata", {}).get("annotations", {})
    record = Record.from_json(annotations.get(names.ANNOTATION_ROLLOUT))
    if record is None:
        raise LookupError(f"the route {name} has no record: {json.dumps(annotations)[:300]}")
    return record


def unix(time_text: str) -> float:
    """Unix seconds of a time of the record."""
    return parse_time(time_text).timestamp()


class Observer:
    """Watches one subject in a thread until Fail is seen or it is left; `failed_at` is when, in unix seconds."""

    def __init__(self, prometheus: str, subject: Subject, grid: float = GRID) -> None:
        """`grid`: the scrape interval in seconds."""
        self._url, self._subject, self._grid = prometheus, subject, grid
        self.failed_at: float | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Observer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=30)

    async def _run(self) -> None:
        source, subject = Prometheus(Access(self._url)), self._subject
        try:
            settings = settings_of(Rollout.model_validate(subject.rollout), self._grid)
            pair = [subject.tested, subject.control]
            wanted = selectors.everything(subject.namespace, subject.deployment, pair, None)
            past = await source.raw(wanted, HISTORY_SECONDS, subject.origin)
            history = control_history(past, subject.control, subject.origin, settings)
            trial = Trial(subject.tested, subject.control, subject.origin, settings, history)
            await self._look(source, trial, wanted)
        finally:
            await source.close()

    async def _look(self, source: Prometheus, trial: Trial, wanted: str) -> None:
        """From here on as the operator does, but oftener and for this one deployment only."""
        overlap = OVERLAP_SCRAPES * self._grid
        since = self._subject.origin - overlap
        while not self._stop.is_set():
            began = time.time()
            try:
                series = await source.raw(wanted, began - since + overlap, began)
            except MetricsUnavailable:
                await asyncio.sleep(1 / HZ)
                continue
            trial.feed(series, began)
            since = began
            judged = trial.judgement(began)
            if any(test.verdict == "Fail" for test in judged.tests):
                self.failed_at = time.time()
                return
            await asyncio.sleep(max(0.0, began + 1 / HZ - time.time()))


def failures(prometheus: str, subjects: Sequence[Subject], grid: float, seconds: float) -> list[float | None]:
    """When each was first seen to Fail, in unix seconds; to be called in a process of its own, so that nobody waits."""
    until = time.monotonic() + seconds
    with ExitStack() as stack:
        observers = [stack.enter_context(Observer(prometheus, subject, grid)) for subject in subjects]
        while time.monotonic() < until and not all(observer.failed_at for observer in observers):
            time.sleep(1 / HZ)
        return [observer.failed_at for observer in observers]
