"""Metrics that can be resampled by block: each is a function of sums over rows, except AUC, which is of ranks.

`counts` [R, K] says how often each of K blocks is taken in each of R resamples; ones give the plain metric.
Predictions: probabilities [n, classes], or values [n] of a regression.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pintle.contract.manifest import BINARY, MULTICLASS, REGRESSION
from pintle.train.truth import Floats, Ints, Truth

LOG_FLOOR = 1e-4
"""Probabilities are kept away from 0 and 1 by this: one sure and wrong row costs 9.2 nats, not infinity."""
CHUNK_CELLS = 4_000_000


@dataclass(frozen=True)
class Metric:
    """A metric by name; `estimate(truth, prediction, block of each row, counts)` gives its R values."""

    name: str
    higher_is_better: bool
    tasks: tuple[str, ...]
    estimate: Callable[[Truth, Floats, Ints, Floats], Floats]

    def value(self, truth: Truth, prediction: Floats) -> float:
        """The metric over all rows once; NaN where it is not defined (AUC of one class)."""
        block = np.zeros(len(truth), dtype=np.int64)
        return float(self.estimate(truth, prediction, block, np.ones((1, 1)))[0])


def _sums(rows: Floats, block: Ints, counts: Floats) -> Floats:
    """Sums over rows [n, k] in each resample: [R, k]."""
    blocks = counts.shape[1]
    per_block = np.stack([np.bincount(block, rows[:, i], minlength=blocks) for i in range(rows.shape[1])], axis=1)
    return counts @ per_block


def _mean_of(
    row_loss: Callable[[Truth, Floats], Floats], finish: Callable[[Floats], Floats] = lambda mean: mean
) -> Callable[[Truth, Floats, Ints, Floats], Floats]:
    def estimate(truth: Truth, prediction: Floats, block: Ints, counts: Floats) -> Floats:
        loss = row_loss(truth, prediction)
        total = _sums(np.stack([loss, np.ones_like(loss)], axis=1), block, counts)
        with np.errstate(invalid="ignore", divide="ignore"):
            return finish(total[:, 0] / total[:, 1])

    return estimate


def _brier(truth: Truth, prediction: Floats) -> Floats:
    if truth.task == BINARY:
        return np.asarray((prediction[:, 1] - truth.values) ** 2)
    hot = np.eye(len(truth.labels))[truth.values]
    return np.asarray(((prediction - hot) ** 2).sum(axis=1))


def _log_loss(truth: Truth, prediction: Floats) -> Floats:
    chosen = prediction[np.arange(len(truth)), truth.values]
    return np.asarray(-np.log(np.clip(chosen, LOG_FLOOR, 1 - LOG_FLOOR)))


def _right(truth: Truth, prediction: Floats) -> Floats:
    if truth.task == BINARY:
        return np.asarray((prediction[:, 1] >= 0.5) == truth.values, dtype=np.float64)
    return np.asarray(prediction.argmax(axis=1) == truth.values, dtype=np.float64)


def _squared(truth: Truth, prediction: Floats) -> Floats:
    return np.asarray((prediction - truth.values) ** 2)


def _absolute(truth: Truth, prediction: Floats) -> Floats:
    return np.asarray(np.abs(prediction - truth.values))


def _r2(truth: Truth, prediction: Floats, block: Ints, counts: Floats) -> Floats:
    centred = truth.values - truth.values.mean()  # for the sums' precision; r2 does not depend on it
    rows = np.stack([_squared(truth, prediction), centred, centred**2, np.ones(len(truth))], axis=1)
    error, first, second, n = _sums(rows, block, counts).T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1 - error / (second - first**2 / n))


def _auc(truth: Truth, prediction: Floats, block: Ints, counts: Floats) -> Floats:
    """Area under the ROC curve, ties counted half; rows weighted by how often their block is taken."""
    order = np.argsort(prediction[:, 1], kind="stable")
    score, positive, block = prediction[order, 1], truth.values[order] == 1, block[order]
    starts = np.flatnonzero(np.r_[True, score[1:] != score[:-1]])
    values = np.empty(len(counts))
    step = max(1, CHUNK_CELLS // max(len(score), 1))
    for first in range(0, len(counts), step):
        weight = counts[first : first + step][:, block]
        up = np.add.reduceat(weight * positive, starts, axis=1)
        down = np.add.reduceat(weight * ~positive, starts, axis=1)
        below = np.cumsum(down, axis=1) - down / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            area = (up * below).sum(axis=1) / (up.sum(axis=1) * down.sum(axis=1))
        values[first : first + step] = area
    return values


_CLASSES = (BINARY, MULTICLASS)
METRICS = {
    metric.name: metric
    for metric in (
        Metric("auc", True, (BINARY,), _auc),
        Metric("brier", False, _CLASSES, _mean_of(_brier)),
        Metric("logLoss", False, _CLASSES, _mean_of(_log_loss)),
        Metric("accuracy", True, _CLASSES, _mean_of(_right)),
        Metric("rmse", False, (REGRESSION,), _mean_of(_squared, np.sqrt)),
        Metric("mae", False, (REGRESSION,), _mean_of(_absolute)),
        Metric("r2", True, (REGRESSION,), _r2),
    )
}


def all_metrics(truth: Truth, prediction: Floats) -> dict[str, float]:
    """Every metric of the task that is defined on these rows."""
    values = {name: m.value(truth, prediction) for name, m in METRICS.items() if truth.task in m.tasks}
    return {name: value for name, value in values.items() if np.isfinite(value)}


def right_answers(truth: Truth, prediction: Floats) -> Floats:
    """1.0 per row where the model's class is the true one (binary: threshold 0.5)."""
    return _right(truth, prediction)
