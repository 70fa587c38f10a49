"""The rules by which others judge a canary, in the shapes that their documentation recommends, on the same streams.

Known of them are only their decisions: what a measurement is, when it counts as failed, and how many may fail.

- `Threshold`: an AnalysisTemplate of Argo Rollouts: every `interval` the success rate of the canary alone is measured
  (`successCondition: result[0] >= 0.95`), and more than `failureLimit` failed measurements abort. A minute without
  requests gives NaN, and NaN is no success. It is promoted at the end.
- `Stepwise`: a Canary of Flagger: every `interval` `request-success-rate` (min 99) of the canary; a failed or empty
  check halts, `threshold` of them roll back, and maxWeight / stepWeight good ones promote. Latencies are not part of
  the streams, so `request-duration` always passes.
- `RepeatedZ`: two shares since the beginning, pooled, at a fixed level, at every look: what scripts and dashboards do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.judgement.engine import Outcome
from bench.judgement.streams import Arms, blocks

NORMAL_95_ONE_SIDED = 1.644854


@dataclass(frozen=True)
class Threshold:
    """Argo Rollouts' shape."""

    success: float = 0.95
    interval: int = 60
    failure_limit: int = 3

    def judge(self, canary: Arms, stable: Arms, step: int = 1) -> Outcome:
        interval, arm = _measured(canary, self.interval, step)
        failed = ~_reaches(arm, self.success)
        aborted = np.cumsum(failed, axis=0) > self.failure_limit
        found = Outcome.never(arm.rows.shape[1])
        rows = np.cumsum(arm.rows, axis=0)
        _note(aborted, rows, interval, found.failed, found.failed_rows)
        good = np.isinf(found.failed)
        found.passed[good] = len(arm.rows) * interval
        found.passed_rows[good] = rows[-1, good]
        return found


@dataclass(frozen=True)
class Stepwise:
    """Flagger's shape."""

    success: float = 0.99
    interval: int = 60
    threshold: int = 10
    max_weight: int = 50
    step_weight: int = 2

    def judge(self, canary: Arms, stable: Arms, step: int = 1) -> Outcome:
        interval, arm = _measured(canary, self.interval, step)
        good = _reaches(arm, self.success)
        rows = np.cumsum(arm.rows, axis=0)
        found = Outcome.never(arm.rows.shape[1])
        _note(np.cumsum(~good, axis=0) >= self.threshold, rows, interval, found.failed, found.failed_rows)
        promoted = np.cumsum(good, axis=0) >= self.max_weight // self.step_weight
        _note(promoted, rows, interval, found.passed, found.passed_rows)
        late = found.passed < found.failed
        found.failed[late] = np.inf
        found.passed[~late] = np.inf
        return found


@dataclass(frozen=True)
class RepeatedZ:
    """Fails where the canary's share is above the stable's by `z` standard errors, at any look."""

    interval: int = 30
    z: float = NORMAL_95_ONE_SIDED

    def judge(self, canary: Arms, stable: Arms, step: int = 1) -> Outcome:
        (interval, tested), (_, control) = (_measured(arm, self.interval, step) for arm in (canary, stable))
        (x1, n1), (x0, n0) = ((np.cumsum(arm.bad, axis=0), np.cumsum(arm.rows, axis=0)) for arm in (tested, control))
        pooled = (x1 + x0) / np.maximum(n1 + n0, 1)
        error = np.sqrt(pooled * (1 - pooled) * (1 / np.maximum(n1, 1) + 1 / np.maximum(n0, 1)))
        above = (n1 > 0) & (n0 > 0) & (x1 / np.maximum(n1, 1) - x0 / np.maximum(n0, 1) > self.z * error) & (error > 0)
        found = Outcome.never(n1.shape[1])
        _note(above, n1, interval, found.failed, found.failed_rows)
        return found


def _measured(arm: Arms, interval: int, step: int) -> tuple[int, Arms]:
    """Seconds between two measurements, and what lies between them; of long rollouts no less than a moment."""
    size = max(interval // step, 1)
    return size * step, blocks(arm, size)


def _reaches(arm: Arms, success: float) -> np.ndarray:
    """Whether a measurement [K, R] of the success rate reaches the threshold; without requests it does not."""
    return np.asarray((arm.rows > 0) & (arm.rows - arm.bad >= success * arm.rows - 1e-9))


def _note(hit: np.ndarray, rows: np.ndarray, interval: int, when: np.ndarray, seen: np.ndarray) -> None:
    """The first measurement [K, R] at which it is so."""
    any_ = hit.any(axis=0)
    first = hit.argmax(axis=0)
    when[any_] = (first[any_] + 1) * interval
    seen[any_] = rows[first[any_], np.flatnonzero(any_)]
