"""From raw samples of counters to what each block of the grid saw; nothing is lost, nothing is counted twice.

- The growth between two consecutive samples of a series belongs to the block in which it *ends*: every pod is scraped
  at its own moment of the interval, so a block holds about one growth of each pod, and a lost scrape only makes the
  next one larger. Splitting it over the blocks it spans would invent fractions of requests.
- A drop of any series of a pod is a restart of the process, and all of its series start from 0 again: those that have
  grown past their old value in the meantime, too. Only those of labels may begin again by themselves: a server forgets
  old cohorts, and shows them from 0 when another label comes.
- A series that is first seen late counts from 0, since servers make all series with the value 0 and a pod is scraped
  before it is given traffic. Late is more than YOUNG_SCRAPES after the first sample of all: what is there at the
  beginning has a past of its own, and its first sample is only where counting begins.
- A sample whose block is closed already counts into the next open one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil, inf

import numpy as np

from pintle.contract import metrics as names
from pintle.core.judgement.samples import BoolArray, FloatArray, RawSeries

BAD_RESULTS = ("schema_rejected", "server_error")
"""Results of requests that are errors; a client's own mistake is none."""
YOUNG_SCRAPES = 5
LOOKBACK_SCRAPES = YOUNG_SCRAPES + 1
"""Series are to be fed from so many scrapes before the origin on."""
LOSS_GRAIN = 2.0**-30
"""Losses are counted in this unit, so that sums are exact in whatever order they are made."""

Channel = tuple[str | float, ...]
"""What a series of a pod counts: ("requests", result), ("le", limit), ("missing", feature), ("loss", cohort, part),
("level", output, level)."""
ROWS: Channel = ("rows",)
DROPPED: Channel = ("dropped",)
Samples = dict[int, tuple[FloatArray, FloatArray]]
"""Channel number -> (times, values)."""
LOSS_PARTS = {names.FEEDBACK_LOSS_COUNT: 0, names.FEEDBACK_LOSS_SUM: 1, names.FEEDBACK_LOSS_SQUARES: 2}
MISSING_BIN = "missing"
LOSS = "loss"
LEVEL = "level"


def channel_of(metric: str, labels: Mapping[str, str]) -> Channel | None:
    """What a series counts; None for one that no test reads (asked for by header, other bins, other metrics)."""
    if metric == names.REQUESTS:
        return None if labels.get("route") == names.ROUTE_DIRECT else ("requests", labels.get("result", ""))
    if metric == names.REQUEST_DURATION + "_bucket":
        limit = _number(labels.get("le", ""))
        return None if limit != limit else ("le", limit)
    if metric == names.FEATURE_BIN:
        return ("missing", labels.get("feature", "")) if labels.get("bin") == MISSING_BIN else None
    if metric == names.SCORE_LEVEL:
        return (LEVEL, labels.get("output", ""), labels.get("level", ""))
    if metric in LOSS_PARTS:
        cohort = _number(labels.get("cohort", ""))
        return None if cohort != cohort else (LOSS, cohort, LOSS_PARTS[metric])
    return {names.PREDICTIONS: ROWS, names.MONITOR_DROPPED: (*DROPPED, labels.get("reason", ""))}.get(metric)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


@dataclass
class PodCounters:
    """The newest value of every series of one pod. `last` [n] is NaN, `times` [n] -inf before the first sample."""

    job: str = ""
    """Of several jobs that scrape the pod only one is read: their samples need not be in the order of their times."""
    rows: dict[int, int] = field(default_factory=dict)
    """Channel number -> place in the arrays."""
    last: FloatArray = field(default_factory=lambda: np.zeros(0))
    times: FloatArray = field(default_factory=lambda: np.zeros(0))

    def advance(
        self, items: list[tuple[int, FloatArray, FloatArray]], young_after: float, alone: Collection[int] = ()
    ) -> tuple[FloatArray, FloatArray]:
        """Take new samples of series given as (channel number, times, values).

        Answers (times [T], growth [len(items), T]); what was seen before is passed over. Channels in `alone` may begin
        again by themselves.
        """
        places = self._places([channel for channel, _, _ in items])
        times, values = self._aligned(places, items)
        if not len(times):
            return times, values
        lone = np.array([channel in alone for channel, _, _ in items])
        before = self.last[places]
        if np.isnan(before).any() or np.isnan(values).any():
            growth = self._one_by_one(places, times, values, young_after, lone)
        else:
            growth = values - np.concatenate([before[:, None], values[:, :-1]], axis=1)
            dropped = growth < 0
            if dropped.any():
                restarted = dropped[~lone].any(axis=0)
                growth = np.where(dropped | restarted, values, growth)
                if restarted.any():
                    self._restart()
            self.last[places] = values[:, -1]
        for place, (_, own, _) in zip(places, items, strict=True):
            self.times[place] = max(self.times[place], own[-1])
        return times, growth

    def _one_by_one(
        self, places: list[int], times: FloatArray, values: FloatArray, young_after: float, lone: BoolArray
    ) -> FloatArray:
        """The same for series that begin, end or lack samples."""
        growth = np.zeros_like(values)
        for column, time in enumerate(times):
            value = values[:, column]
            seen = ~np.isnan(value)
            last = self.last[places]
            dropped = seen & (value < last)
            if (dropped & ~lone).any():
                self._restart()
                last = self.last[places]
            begins = np.isnan(last)
            start = np.where(begins, 0.0 if time > young_after else value, np.where(dropped, 0.0, last))
            growth[seen, column] = (value - start)[seen]
            self.last[places] = np.where(seen, value, last)
        return growth

    def _restart(self) -> None:
        """All known series of the pod, shown in this look or not, begin again at 0."""
        self.last[~np.isnan(self.last)] = 0.0

    def _places(self, channels: list[int]) -> list[int]:
        for channel in channels:
            self.rows.setdefault(channel, len(self.rows))
        new = len(self.rows) - len(self.last)
        if new:
            self.last = np.concatenate([self.last, np.full(new, np.nan)])
            self.times = np.concatenate([self.times, np.full(new, -inf)])
        return [self.rows[channel] for channel in channels]

    def _aligned(
        self, places: list[int], items: list[tuple[int, FloatArray, FloatArray]]
    ) -> tuple[FloatArray, FloatArray]:
        """New samples as a matrix over the times of any of them; NaN where a series has none."""
        known, first = self.times[places], items[0][1]
        # A scrape stores one time for all series of a pod; comparing bytes is the fastest for the few that a look has.
        wanted = first.tobytes()
        if (known == known[0]).all() and all(times is first or times.tobytes() == wanted for _, times, _ in items):
            start = int(first.searchsorted(known[0], "right"))
            return first[start:], np.array([values[start:] for _, _, values in items], dtype=np.float64)
        starts = [int(times.searchsorted(since, "right")) for since, (_, times, _) in zip(known, items, strict=True)]
        fresh = [times[start:] for start, (_, times, _) in zip(starts, items, strict=True)]
        every = np.unique(np.concatenate(fresh))
        matrix = np.full((len(items), len(every)), np.nan)
        for row, (start, times, (_, _, values)) in enumerate(zip(starts, fresh, items, strict=True)):
            matrix[row, every.searchsorted(times)] = values[start:]
        return every, matrix


def _merged(one: tuple[FloatArray, FloatArray], other: tuple[FloatArray, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Samples of the same counter from two series: the pod came back with another address."""
    times, places = np.unique(np.concatenate([one[0], other[0]]), return_index=True)
    return times, np.concatenate([one[1], other[1]])[places]


class Blocks:
    """Growth of counters per revision and block of a fixed grid that begins at `origin`.

    Block k holds what ended in (origin + k g, origin + (k + 1) g]. `arms` are the revisions, in the order of the axis.
    """

    def __init__(self, arms: tuple[str, ...], origin: float, grid_seconds: float) -> None:
        self.origin = origin
        self.grid_seconds = grid_seconds
        self.arms = {revision: place for place, revision in enumerate(arms) if revision}
        self.channels: dict[Channel, int] = {}
        self.seen: list[dict[int, float]] = [{} for _ in arms]
        """Per arm: channel number -> time of its first sample."""
        self.newest: dict[str, float] = {}
        """Pod -> time of its newest sample."""
        self.closed = 0
        """Number of blocks taken; samples of theirs that come later count into the next one."""
        self._alone: set[int] = set()
        """Numbers of the channels of labels."""
        self._requests: dict[int, bool] = {}
        """Number of a channel of requests -> whether it counts errors."""
        self._pods: dict[tuple[int, str], PodCounters] = {}
        self.errors: dict[tuple[int, str], FloatArray] = {}
        """(arm, pod) -> (errors, requests) of the closed blocks."""
        self._open: dict[int, FloatArray] = {}
        self._open_errors: dict[int, list[tuple[tuple[int, str], FloatArray]]] = {}
        self._since: float | None = None

    def feed(self, series: Iterable[RawSeries]) -> None:
        """Take raw samples; ranges may overlap earlier ones, and later samples must not come before earlier ones."""
        groups: dict[tuple[int, str], dict[str, Samples]] = {}
        for item in series:
            arm = self.arms.get(item.labels.get("revision", ""))
            channel = channel_of(item.metric, item.labels)
            if arm is None or channel is None or not len(item.times):
                continue
            pod = item.labels.get("pod") or item.labels.get("instance", "")
            number = self.channels.setdefault(channel, len(self.channels))
            if channel[0] == LOSS:
                self._alone.add(number)
            elif channel[0] == "requests":
                self._requests[number] = channel[1] in BAD_RESULTS
            begins = float(item.times[0])
            self.seen[arm][number] = min(self.seen[arm].get(number, begins), begins)
            group = groups.setdefault((arm, pod), {}).setdefault(item.labels.get("job", ""), {})
            samples = item.times, item.values
            group[number] = _merged(group[number], samples) if number in group else samples
        if self._since is None and groups:
            parts = (part for jobs in groups.values() for part in jobs.values())
            self._since = min(float(times[0]) for part in parts for times, _ in part.values())
        for (arm, pod), jobs in groups.items():
            counters = self._pods.get((arm, pod))
            if counters is None:
                counters = self._pods[arm, pod] = PodCounters(min(jobs))
            if counters.job in jobs:
                self._add(arm, pod, counters, jobs[counters.job])

    def end(self, block: int) -> float:
        """When a block ends, in unix seconds."""
        return self.origin + (block + 1) * self.grid_seconds

    def take(self, block: int) -> FloatArray | None:
        """Close a block: its growth [arms, channels], None where nothing was sampled in it."""
        self.closed = block + 1
        for pod, counts in self._open_errors.pop(block, ()):
            self.errors[pod] = self.errors.get(pod, 0.0) + counts
        found = self._open.pop(block, None)
        return None if found is None else self._wide(found)

    def number(self, *channels: Channel) -> list[int]:
        """Their numbers, as far as there are such series."""
        return [self.channels[channel] for channel in channels if channel in self.channels]

    def _add(self, arm: int, pod: str, counters: PodCounters, samples: Samples) -> None:
        self.newest[pod] = max(self.newest.get(pod, -inf), *(float(times[-1]) for times, _ in samples.values()))
        young_after = (self._since or 0.0) + YOUNG_SCRAPES * self.grid_seconds
        items = [(number, *part) for number, part in samples.items()]
        times, growth = counters.advance(items, young_after, self._alone)
        numbers = list(samples)
        asked = [row for row, number in enumerate(numbers) if number in self._requests]
        failed = [row for row in asked if self._requests[numbers[row]]]
        for column, time in enumerate(times):
            block = ceil((time - self.origin) / self.grid_seconds) - 1
            if block < 0:
                continue
            block = max(block, self.closed)
            cell = self._open.get(block)
            if cell is None or cell.shape[1] < len(self.channels):
                cell = self._open[block] = self._wide(np.zeros((len(self.seen), 0)) if cell is None else cell)
            cell[arm, numbers] += np.round(growth[:, column] / LOSS_GRAIN) * LOSS_GRAIN
            if asked and (many := growth[asked, column].sum()):
                counts = np.array([growth[failed, column].sum(), many])
                self._open_errors.setdefault(block, []).append(((arm, pod), counts))

    def _wide(self, cell: FloatArray) -> FloatArray:
        """With a column for every channel known by now."""
        missing = len(self.channels) - cell.shape[1]
        return cell if not missing else np.concatenate([cell, np.zeros((len(cell), missing))], axis=1)
