"""What the answers were worth once the flights had landed, and whether Prometheus counted them all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from e2e.demo.flights import figures
from e2e.demo.replay import Replayed


@dataclass(frozen=True)
class Comparison:
    """Answers against the truth. Intervals are 95 %, by whole days; latencies are milliseconds a request."""

    sent: int
    failed: int
    judged: int
    never_arrived: int
    days: int
    late: float
    auc: figures.Interval
    brier: figures.Interval
    gain: figures.Interval
    """Brier loss saved on always answering with the share of late flights in training."""
    median_ms: float
    p99_ms: float
    per_second: float
    versions: tuple[str, ...]


def compare(replayed: Replayed, late_in_training: float) -> Comparison:
    """Raises ValueError when nothing was answered or nobody arrived."""
    known = [answer for answer in replayed.answers if answer.question.late is not None]
    if not known:
        raise ValueError(f"no answer to compare; first failures: {replayed.failures[:3]}")
    truth = np.array([answer.question.late for answer in known], dtype=int)
    chances = np.array([answer.chance for answer in known])
    days = [answer.question.day.toordinal() for answer in known]
    loss = figures.squared_error(truth, chances)
    constant = figures.squared_error(truth, np.full(len(truth), late_in_training))
    times = sorted(answer.seconds * 1000 for answer in replayed.answers)
    return Comparison(
        sent=replayed.sent,
        failed=len(replayed.failures),
        judged=len(known),
        never_arrived=len(replayed.answers) - len(known),
        days=len(set(days)),
        late=float(truth.mean()),
        auc=figures.auc_by_day(truth, chances, days),
        brier=figures.mean_by_day(loss, days),
        gain=figures.mean_by_day(constant - loss, days),
        median_ms=quantile(times, 0.5),
        p99_ms=quantile(times, 0.99),
        per_second=len(replayed.answers) / replayed.seconds,
        versions=tuple(sorted({answer.version for answer in replayed.answers})),
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True)
class Count:
    """One counter: its growth during the replay, and what it should have grown by."""

    name: str
    counted: float
    sent: int

    @property
    def equal(self) -> bool:
        return self.counted == self.sent
