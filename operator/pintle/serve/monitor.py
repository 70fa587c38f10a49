"""Counting rows into the bins of the profile, after the answers are out: many rows at once, never value by value.

Which bin a value belongs to is `pintle.contract.profile.bin_of`; a property test holds the arrays here to it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pintle.contract import metrics as names
from pintle.contract.manifest import MISSING_STRING
from pintle.contract.profile import (
    BIN_MISSING,
    BIN_OTHER,
    BIN_RARE,
    BIN_UNSEEN,
    NUMBER_TAIL,
    STRING_TAIL,
    FeatureProfile,
    OutputProfile,
    Profile,
    float32,
    score_levels,
)
from pintle.serve.metrics import Metrics
from pintle.serve.models import Batch, Float32, Inputs, Prediction
from pintle.serve.report import log

FLUSH_SECONDS = 0.05
SLICE_ROWS = 1_024
"""Rows counted in one turn of the event loop: about a millisecond with 30 features."""


class NumberBins:
    """Counts numbers into the bins from `start` on."""

    def __init__(self, profile: FeatureProfile | OutputProfile, start: int) -> None:
        self._edges = np.array([float32(edge) for edge in profile.edges], dtype=np.float32)
        self._missing = len(self._edges) + 1 + NUMBER_TAIL.index(BIN_MISSING)
        self._other = len(self._edges) + 1 + NUMBER_TAIL.index(BIN_OTHER)
        self._cells = slice(start, start + len(profile.bins))
        self._size = len(profile.bins)

    def count(self, values: Float32, bins: npt.NDArray[np.int64]) -> None:
        found = self._edges.searchsorted(values, side="right")
        finite = np.isfinite(values)
        if not finite.all():
            found[~finite] = self._other
            found[np.isnan(values)] = self._missing
        bins[self._cells] += np.bincount(found, minlength=self._size)


class StringBins:
    """Counts strings into the bins from `start` on."""

    def __init__(self, profile: FeatureProfile, start: int) -> None:
        first = len(profile.categories)
        self._unseen = first + STRING_TAIL.index(BIN_UNSEEN)
        self._index = dict.fromkeys(profile.rare, first + STRING_TAIL.index(BIN_RARE))
        self._index.update({category: index for index, category in enumerate(profile.categories)})
        self._index[MISSING_STRING] = first + STRING_TAIL.index(BIN_MISSING)
        self._cells = slice(start, start + len(profile.bins))
        self._size = len(profile.bins)

    def count(self, values: Sequence[str], bins: npt.NDArray[np.int64]) -> None:
        index, unseen = self._index, self._unseen
        found = np.fromiter((index.get(value, unseen) for value in values), dtype=np.int64, count=len(values))
        bins[self._cells] += np.bincount(found, minlength=self._size)


class Monitor:
    """A bounded queue of answered batches, counted a little later on the event loop, a slice at a time."""

    def __init__(self, profile: Profile | None, inputs: Inputs, metrics: Metrics, max_rows: int) -> None:
        self._metrics = metrics
        self._max_rows = max_rows
        self._queue: deque[tuple[Batch, Float32]] = deque()
        self._waiting = 0
        self._timer: asyncio.TimerHandle | None = None
        self._numbers: list[tuple[int, NumberBins]] = []
        self._strings: list[tuple[int, StringBins]] = []
        self._outputs: list[NumberBins] = []
        self._active = profile is not None
        if profile is not None:
            self._use(profile, inputs)

    def _use(self, profile: Profile, inputs: Inputs) -> None:
        numbers = {feature.name: index for index, feature in enumerate(inputs.numbers)}
        strings = {feature.name: index for index, feature in enumerate(inputs.strings)}
        features = [item for item in profile.features if item.name in (strings if item.is_string else numbers)]
        outputs = profile.outputs[:1]
        start = 0
        for feature in features:
            if feature.is_string:
                self._strings.append((strings[feature.name], StringBins(feature, start)))
            else:
                self._numbers.append((numbers[feature.name], NumberBins(feature, start)))
            start += len(feature.bins)
        for output in outputs:
            self._outputs.append(NumberBins(output, start))
            start += len(output.bins)
        for levels in filter(None, map(score_levels, outputs)):
            self._outputs.append(NumberBins(levels, start))
            start += len(levels.bins)
        self._metrics.use_profile(profile, features, outputs)

    def add(self, batch: Batch, prediction: Prediction) -> None:
        """Have an answered batch counted; what the queue cannot hold is counted as dropped, never silently."""
        if not self._active:
            return
        rows = len(batch)
        if self._waiting + rows > self._max_rows:
            self._metrics.dropped(names.DROPPED_QUEUE_FULL, rows)
            return
        self._queue.append((batch, prediction.score))
        self._waiting += rows
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._tick)

    def flush(self) -> None:
        """Count all that waits: before a scrape, so that it shows what was answered, and at the end."""
        while self._queue:
            self._count_slice()

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
        columns = np.ascontiguousarray(np.concatenate([batch.numbers for batch in batches]).T)
        for index, number in self._numbers:
            number.count(columns[index], bins)
        for index, string in self._strings:
            string.count([value for batch in batches for value in batch.strings[index]], bins)
        score = np.concatenate(scores)
        for output in self._outputs:
            output.count(score, bins)
        self._metrics.bins += bins
