"""The past of a trial, read from Prometheus: the control's hour before it, and everything since its origin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

import numpy as np

from pintle.controller.watching.case import Case
from pintle.core.judgement.counters import LOOKBACK_SCRAPES
from pintle.core.judgement.history import HISTORY_SECONDS, History, control_history
from pintle.core.judgement.samples import RawSeries
from pintle.core.trials import selectors
from pintle.core.trials.pair import Pair
from pintle.ports.clock import Clock
from pintle.ports.metrics import MetricSource, QueryRefused

CHUNK_SAMPLES = 600
"""Of each series at a time."""
LEAST_SAMPLES = 20
"""Smaller chunks are not tried where Prometheus says that one is too large."""


async def load(case: Case, source: MetricSource, clock: Clock) -> Pair:
    """The pair of this trial as if it had been fed all along. Raises MetricsUnavailable."""
    spec, grid = case.spec, case.settings.grid_seconds
    pair = Pair(spec.tested, case.control, spec.origin, case.settings, await _history(case, source))
    wanted = selectors.everything(spec.namespace, spec.deployment, case.revisions, [pair.slow_seconds])
    since = spec.origin - LOOKBACK_SCRAPES * grid
    reader = _Reader(source, wanted, grid)
    while since < (now := clock.now().timestamp()):
        async for series, until in reader.read(since, now):
            # Off the event loop: minutes of samples at once.
            await asyncio.to_thread(pair.feed, series, until)
            since = until
        if clock.now().timestamp() - since < grid:
            break
    return pair


async def _history(case: Case, source: MetricSource) -> History:
    spec, settings = case.spec, case.settings
    if not case.control:
        return History()
    limits = None if settings.slow_seconds is None else [settings.slow_seconds]
    wanted = selectors.everything(spec.namespace, spec.deployment, [case.control], limits)
    reader = _Reader(source, wanted, settings.grid_seconds)
    parts = [series async for series, _ in reader.read(spec.origin - HISTORY_SECONDS, spec.origin)]
    return await asyncio.to_thread(lambda: control_history(joined(parts), case.control, spec.origin, settings))


class _Reader:
    """Reads a length of time chunk by chunk, in smaller ones where a chunk is refused."""

    def __init__(self, source: MetricSource, selector: str, grid_seconds: float) -> None:
        self._source = source
        self._selector = selector
        self._grid = grid_seconds
        self._samples = CHUNK_SAMPLES

    async def read(self, since: float, until: float) -> AsyncIterator[tuple[list[RawSeries], float]]:
        """(series, end of the chunk) in (since, until], one after the other."""
        while since < until:
            end = min(since + self._samples * self._grid, until)
            try:
                series = await self._source.raw(self._selector, end - since, end)
            except QueryRefused:
                if self._samples // 2 < LEAST_SAMPLES:
                    raise
                self._samples //= 2
                continue
            yield series, end
            since = end


def joined(parts: Iterable[Iterable[RawSeries]]) -> list[RawSeries]:
    """The same series of several chunks as one each; chunks in the order of time."""
    found: dict[tuple[str, frozenset[tuple[str, str]]], list[RawSeries]] = {}
    for part in parts:
        for item in part:
            found.setdefault((item.metric, frozenset(item.labels.items())), []).append(item)
    return [
        RawSeries(
            items[0].metric,
            items[0].labels,
            np.concatenate([item.times for item in items]),
            np.concatenate([item.values for item in items]),
        )
        for items in found.values()
    ]
