"""A small world of pods that count and are scraped: what Prometheus would hold of it, and the truth beside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from pintle.contract import metrics as names
from pintle.core.judgement.samples import RawSeries

Key = tuple[str, tuple[tuple[str, str], ...]]


def key(metric: str, **labels: str) -> Key:
    """A series of a pod."""
    return metric, tuple(sorted(labels.items()))


@dataclass
class Pod:
    """Counters of one pod; `scrape` stores their values, `restart` sets them to 0."""

    revision: str
    name: str
    counters: dict[Key, float] = field(default_factory=dict)
    samples: dict[Key, list[tuple[float, float]]] = field(default_factory=dict)

    def count(self, metric: str, amount: float = 1, **labels: str) -> None:
        self.counters[key(metric, **labels)] = self.counters.get(key(metric, **labels), 0.0) + amount

    def answer(self, ok: float, bad: float = 0, slow: float = 0, missing: Mapping[str, float] | None = None) -> None:
        """Answer `ok` + `bad` one-row requests, so many of them slow, so many of the answered lacking a feature."""
        self.count(names.REQUESTS, ok, result="ok", route="default")
        self.count(names.REQUESTS, bad, result="server_error", route="default")
        for limit, amount in (("0.25", ok + bad - slow), ("+Inf", ok + bad)):
            self.count(names.REQUEST_DURATION + "_bucket", amount, le=limit)
        self.count(names.PREDICTIONS, ok)
        for feature, amount in (missing or {}).items():
            self.count(names.FEATURE_BIN, amount, feature=feature, bin="missing")

    def learn(self, cohort: int, losses: Iterable[float]) -> None:
        """Labels came for predictions of a cohort."""
        for loss in losses:
            self.count(names.FEEDBACK_LOSS_COUNT, 1, cohort=str(cohort))
            self.count(names.FEEDBACK_LOSS_SUM, loss, cohort=str(cohort))
            self.count(names.FEEDBACK_LOSS_SQUARES, loss * loss, cohort=str(cohort))

    def scrape(self, time: float) -> None:
        for series, value in self.counters.items():
            self.samples.setdefault(series, []).append((time, value))

    def restart(self) -> None:
        self.counters = dict.fromkeys(self.counters, 0.0)


def stored(pods: Iterable[Pod], after: float = -np.inf, until: float = np.inf) -> list[RawSeries]:
    """What a range query answers: samples with after < time <= until, per series."""
    found = []
    for pod in pods:
        for (metric, labels), samples in pod.samples.items():
            kept = [sample for sample in samples if after < sample[0] <= until]
            if kept:
                times, values = np.array(kept, dtype=float).T
                every = {"namespace": "n", "deployment": "d", "revision": pod.revision, "pod": pod.name, **dict(labels)}
                found.append(RawSeries(metric, every, times, values))
    return found


def steady(
    pods: Iterable[Pod], seconds: int, each: Callable[[Pod, int], None], start: float = 0.0, phase: float = 0.5
) -> None:
    """Every second each pod does what `each` says and is scraped; the first scrape, at `start`, comes before that."""
    pods = list(pods)
    for pod in pods:
        pod.answer(0)
        pod.scrape(start + phase)
    for second in range(1, seconds + 1):
        for pod in pods:
            each(pod, second)
            pod.scrape(start + phase + second)
