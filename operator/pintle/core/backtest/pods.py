"""The pods of a recording at any moment: as Kubernetes told of them, else as far as their counters show it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from pintle.contract import metrics as names
from pintle.core.backtest.recording import POD_READY, POD_RESTARTS, Recording, Samples, labels_in
from pintle.core.rollout.trial import PodState

ALONE = (names.FEEDBACK_LOSS_COUNT, names.FEEDBACK_LOSS_SUM, names.FEEDBACK_LOSS_SQUARES)
"""Counters that may begin again without a restart."""
GAUGES = (names.FEATURE_REFERENCE_RATIO, names.FEEDBACK_LOSS_SCALE)
GONE_SCRAPES = 1.5


@dataclass
class _Pod:
    revision: str
    first: float = float("inf")
    last: float = float("-inf")
    """Of its counters."""
    begun_again: set[float] = field(default_factory=set)
    """When a counter was seen to have fallen."""
    ready: list[Samples] = field(default_factory=list)
    restarts: list[Samples] = field(default_factory=list)


class Pods:
    """The pods of both revisions of a recording. `grid_seconds` is the scrape interval."""

    def __init__(self, recording: Recording, grid_seconds: float) -> None:
        self._grid = grid_seconds
        self._pods: dict[str, _Pod] = {}
        for (revision, name, metric, bin_), samples in recording.series.items():
            if name and revision in recording.setup.revisions:
                _take(self._pods.setdefault(name, _Pod(revision)), metric, bin_, samples)

    @property
    def told(self) -> bool:
        """Kubernetes' own facts are in the recording; else restarts are what the counters show of them."""
        return any(pod.ready or pod.restarts for pod in self._pods.values())

    def at(self, now: float) -> tuple[PodState, ...]:
        """The pods that there are at `now` (unix seconds)."""
        return tuple(
            PodState(name, pod.revision, self._ready_since(pod, now), _restarts(pod, now))
            for name, pod in sorted(self._pods.items())
            if self._is_there(pod, now)
        )

    def ready(self, revision: str, now: float) -> bool:
        """It has a ready pod. Before anything is known of its pods it is taken to have one."""
        known = [pod for pod in self._pods.values() if pod.revision == revision and self._begin(pod) <= now]
        return not known or any(self._is_there(pod, now) and self._ready_since(pod, now) is not None for pod in known)

    def _begin(self, pod: _Pod) -> float:
        return min([pod.first, *(times[0] for times, _ in pod.ready)])

    def _is_there(self, pod: _Pod, now: float) -> bool:
        # What is not scraped any more, to the end of the recording, is gone; a gap is an outage of Prometheus.
        last = max([pod.last, *(times[-1] for times, _ in (*pod.ready, *pod.restarts))])
        return self._begin(pod) <= now <= last + GONE_SCRAPES * self._grid

    def _ready_since(self, pod: _Pod, now: float) -> float | None:
        if not pod.ready:
            return pod.first
        since: float | None = None
        for times, values in pod.ready:
            for place in range(bisect_right(times, now)):
                if values[place] <= 0:
                    since = None
                elif since is None:
                    since = times[place]
        return since


def _take(pod: _Pod, metric: str, bin_: str, samples: Samples) -> None:
    if metric == POD_READY:
        if labels_in(bin_).get("condition", "true") == "true":
            pod.ready.append(samples)
    elif metric == POD_RESTARTS:
        pod.restarts.append(samples)
    elif metric not in GAUGES:
        times, values = samples
        pod.first, pod.last = min(pod.first, times[0]), max(pod.last, times[-1])
        if metric not in ALONE:
            pod.begun_again |= {times[place + 1] for place, (old, new) in enumerate(pairwise(values)) if new < old}


def _restarts(pod: _Pod, now: float) -> int:
    if not pod.restarts:
        return sum(1 for time in pod.begun_again if time <= now)
    return int(sum(_value_at(samples, now) for samples in pod.restarts))


def _value_at(samples: Samples, now: float) -> float:
    times: Sequence[float] = samples[0]
    place = bisect_right(times, now)
    return samples[1][place - 1] if place else 0.0
