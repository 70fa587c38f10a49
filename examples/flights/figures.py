"""Figures about answers and truth, with intervals that know that the flights of one day share its weather."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 400


@dataclass(frozen=True)
class Interval:
    """A figure with the ends of its 95 % interval and its standard error."""

    value: float
    low: float
    high: float
    error: float

    def __str__(self) -> str:
        return f"{self.value:.4f} ({self.low:.4f} … {self.high:.4f})"


def auc(truth: ArrayLike, chances: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Area under the ROC curve: how often a late flight got the higher chance, ties half; NaN with one class only."""
    labels, scores = np.asarray(truth, dtype=bool), np.asarray(chances, dtype=float)
    weight = np.ones(len(labels)) if weights is None else np.asarray(weights, dtype=float)
    place = np.unique(scores, return_inverse=True)[1]
    return _auc_of_counts(np.bincount(place, weight * labels), np.bincount(place, weight * ~labels))


def auc_by_day(truth: ArrayLike, chances: ArrayLike, days: ArrayLike, seed: int = 0) -> Interval:
    """The AUC; the interval is a bootstrap of whole days."""
    labels, scores = np.asarray(truth, dtype=bool), np.asarray(chances, dtype=float)
    place, day = np.unique(scores, return_inverse=True)[1], _numbered(days)
    size = int(place.max()) + 1

    def of(weight: NDArray[np.float64]) -> float:
        row = weight[day]
        return _auc_of_counts(np.bincount(place, row * labels, size), np.bincount(place, row * ~labels, size))

    return _over_days(of, int(day.max()) + 1, seed)


def mean_by_day(values: ArrayLike, days: ArrayLike, seed: int = 0) -> Interval:
    """The mean of a figure per row, such as its squared error; the interval is a bootstrap of whole days."""
    per_row, day = np.asarray(values, dtype=float), _numbered(days)
    sums, rows = np.bincount(day, per_row), np.bincount(day)
    return _over_days(lambda weight: float(weight @ sums / (weight @ rows)), len(rows), seed)


def squared_error(truth: ArrayLike, chances: ArrayLike) -> NDArray[np.float64]:
    """The Brier loss of each row."""
    difference: NDArray[np.float64] = np.asarray(chances, dtype=float) - np.asarray(truth, dtype=float)
    return difference**2


def _over_days(figure: Callable[[NDArray[np.float64]], float], days: int, seed: int) -> Interval:
    """`figure` takes one weight per day: how often the day was drawn."""
    random = np.random.default_rng(seed)
    drawn = random.multinomial(days, np.full(days, 1 / days), RESAMPLES).astype(float)
    values = np.array([figure(weight) for weight in drawn])
    values = values[np.isfinite(values)]
    low, high = np.quantile(values, [0.025, 0.975]) if len(values) else (np.nan, np.nan)
    error = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    return Interval(figure(np.ones(days)), float(low), float(high), error)


def _auc_of_counts(late: NDArray[np.float64], on_time: NDArray[np.float64]) -> float:
    """From the weight of either class at each score, lowest score first."""
    total = late.sum() * on_time.sum()
    below = np.cumsum(on_time) - on_time / 2
    return float(late @ below / total) if total > 0 else float("nan")


def _numbered(days: ArrayLike) -> NDArray[np.intp]:
    numbers: NDArray[np.intp] = np.unique(np.asarray(days), return_inverse=True)[1]
    return numbers
