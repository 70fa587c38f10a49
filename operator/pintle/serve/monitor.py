"""Counting rows into the bins of the profile, after the answers are out: many rows at once, never value by value.

`bins.py` says which bins they are.
"""

from __future__ import annotations

import asyncio
from collections import deque

import numpy as np

from pintle.contract import metrics as names
from pintle.contract.profile import FeatureProfile, OutputProfile, Profile, score_levels
from pintle.serve.bins import NumberBins, StringBins
from pintle.serve.metrics import Metrics
from pintle.serve.models import Batch, Float32, Inputs, Prediction
from pintle.serve.report import log

FLUSH_SECONDS = 0.05
SLICE_ROWS = 1_024
"""Rows counted in one turn of the event loop: about a tenth of a millisecond with 30 features."""


class Monitor:
    """A bounded queue of answered batches, counted a little later on the event loop, a slice at a time."""

    def __init__(self, profile: Profile | None, inputs: Inputs, metrics: Metrics, max_rows: int) -> None:
        self._metrics = metrics
        self._max_rows = max_rows
        self._queue: deque[tuple[Batch, Float32]] = deque()
        self._waiting = 0
        self._timer: asyncio.TimerHandle | None = None
        self._numbers: NumberBins | None = None
        self._strings: list[tuple[int, StringBins]] = []
        self._scores: NumberBins | None = None
        self._active = profile is not None
        if profile is not None:
            self._use(profile, inputs)

    def _use(self, profile: Profile, inputs: Inputs) -> None:
        numbers = {feature.name: index for index, feature in enumerate(inputs.numbers)}
        strings = {feature.name: index for index, feature in enumerate(inputs.strings)}
        features = [item for item in profile.features if item.name in (strings if item.is_string else numbers)]
        outputs = profile.outputs[:1]
        number_columns: list[tuple[int, FeatureProfile | OutputProfile, int]] = []
        score_columns: list[tuple[int, FeatureProfile | OutputProfile, int]] = []
        start = 0
        for feature in features:
            if feature.is_string:
                self._strings.append((strings[feature.name], StringBins(feature, start)))
            else:
                number_columns.append((numbers[feature.name], feature, start))
            start += len(feature.bins)
        for output in (*outputs, *filter(None, map(score_levels, outputs))):
            score_columns.append((0, output, start))
            start += len(output.bins)
        self._numbers = NumberBins(number_columns) if number_columns else None
        self._scores = NumberBins(score_columns) if score_columns else None
        self._metrics.use_profile(profile, features, outputs)

    def add(self, batch: Batch, prediction: Prediction) -> None:
        """Have an answered batch counted; what the queue cannot hold is counted as dropped, never silently."""
        if not self._active:
            return
        rows = len(batch)
        if self._waiting + rows > self._max_rows:
            self._metrics.dropped(names.DROPPED_QUEUE_FULL, rows)
            return
        for at in range(0, rows, SLICE_ROWS):
            part = slice(at, at + SLICE_ROWS)
            piece = (
                Batch(batch.numbers[part], [column[part] for column in batch.strings]) if rows > SLICE_ROWS else batch
            )
            self._queue.append((piece, prediction.score[part]))
        self._waiting += rows
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._tick)

    def flush(self) -> None:
        """Count all that waits, at once: at the end."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._queue:
            self._count_slice()

    async def catch_up(self) -> None:
        """Count all that has been answered up to now, requests getting in between: before a scrape."""
        slices = len(self._queue)  # each takes one item at least
        while slices > 0 and self._queue:
            before = len(self._queue)
            self._count_slice()
            slices -= before - len(self._queue)
            await asyncio.sleep(0)

    def _tick(self) -> None:
        """Count one slice and come back in the next turn for more, so that requests get in between."""
        self._timer = None
        if self._queue:
            self._count_slice()
        if self._queue:
            self._timer = asyncio.get_running_loop().call_later(0, self._tick)

    def _count_slice(self) -> None:
        batches: list[tuple[Batch, Float32]] = []
        rows = 0
        while self._queue and (not batches or rows + len(self._queue[0][0]) <= SLICE_ROWS):
            batches.append(self._queue.popleft())
            rows += len(batches[-1][0])
        self._waiting -= rows
        try:
            self._count([batch for batch, _ in batches], [score for _, score in batches])
        except Exception as error:
            # a fault in counting must neither stop the answers nor pass unseen
            log("rows not counted", "error", error=repr(error)[:500], rows=rows)
            self._metrics.dropped(names.DROPPED_ERROR, rows)

    def _count(self, batches: list[Batch], scores: list[Float32]) -> None:
        bins = np.zeros_like(self._metrics.bins)
        if self._numbers is not None:
            self._numbers.count(np.concatenate([batch.numbers for batch in batches]), bins)
        for index, string in self._strings:
            string.count([value for batch in batches for value in batch.strings[index]], bins)
        if self._scores is not None:
            self._scores.count(np.concatenate(scores).reshape(-1, 1), bins)
        self._metrics.bins += bins
