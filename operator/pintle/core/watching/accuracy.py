"""What labels by score bin and truth say besides loss and AUC: recall, precision and calibration, for two classes.

A row is known by the bin of its score only, so these figures are as fine as the bins are: a threshold is taken at the
nearest limit between two bins, and a bin counts as miscalibrated only as far as its positives lie outside its limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

from pintle.contract.manifest import BINARY, MULTICLASS, REGRESSION
from pintle.contract.metrics import TRUTHS
from pintle.contract.profile import NUMBER_TAIL
from pintle.core.watching.counts import LabelCounts
from pintle.core.watching.labels import Estimate, auc, coverage, loss

THRESHOLD = 0.5


@dataclass(frozen=True)
class Cut:
    """Labels of two classes on both sides of a threshold; `at` is the limit that stands for it."""

    at: float
    true_positives: float
    false_positives: float
    true_negatives: float
    false_negatives: float


def cut(counts: LabelCounts, limits: Mapping[str, float], threshold: float) -> Cut | None:
    """None for another task than two classes, and where the limits of the bins are not known."""
    negative, positive = TRUTHS[BINARY]
    if not counts.truths or set(counts.truths) - {negative, positive} or not limits:
        return None
    last = min(limits, key=lambda name: (abs(limits[name] - threshold), name))
    sides = {
        (truth, side): sum(
            rows
            for name, rows in counts.truths.get(truth, {}).items()
            if name not in NUMBER_TAIL and (name > last) == side
        )
        for truth in (negative, positive)
        for side in (False, True)
    }
    return Cut(
        limits[last], sides[positive, True], sides[negative, True], sides[negative, False], sides[positive, False]
    )


def recall(found: Cut) -> Estimate | None:
    """Share of the positives that scored above the threshold."""
    return _share(found.true_positives, found.true_positives + found.false_negatives)


def precision(found: Cut) -> Estimate | None:
    """Share of positives in what scored above the threshold."""
    return _share(found.true_positives, found.true_positives + found.false_positives)


def accuracy(found: Cut) -> Estimate | None:
    """Share of the rows on the right side; for people only, it is never judged."""
    right = found.true_positives + found.true_negatives
    return _share(right, right + found.false_positives + found.false_negatives)


def _share(hits: float, rows: float) -> Estimate | None:
    if rows <= 0:
        return None
    value = hits / rows
    return Estimate(value, sqrt(value * (1 - value) / rows))


def calibration(counts: LabelCounts, limits: Mapping[str, float]) -> Estimate | None:
    """By how much the share of positives differs from the score, at least: mean over the rows; 0 is well calibrated.

    The scores of a bin lie between its limits; what its share of positives lies outside of them is certainly amiss.
    """
    negative, positive = TRUTHS[BINARY]
    if set(counts.truths) - {negative, positive} or not limits:
        return None
    ends = [0.0, *(limits[name] for name in sorted(limits)), 1.0]
    total = gap = variance = 0.0
    for number, (low, high) in enumerate(pairwise(ends)):
        name = f"{number:02d}"
        hits = counts.truths.get(positive, {}).get(name, 0.0)
        rows = hits + counts.truths.get(negative, {}).get(name, 0.0)
        if rows > 0:
            rate = hits / rows
            total += rows
            gap += rows * max(0.0, low - rate, rate - high)
            variance += rows * rate * (1 - rate)
    return Estimate(gap / total, sqrt(variance) / total) if total else None


def root_error(counts: LabelCounts, scale: float | None) -> float | None:
    """Of a regression the root of the mean squared error, in the unit of the target; wild errors are cut off."""
    mean = loss(counts)
    if mean is None or not scale or set(counts.truths) - set(TRUTHS[REGRESSION]) or not counts.truths:
        return None
    return sqrt(mean.value) * scale


def figures(
    counts: LabelCounts, limits: Mapping[str, float], scale: float | None, threshold: float = THRESHOLD
) -> dict[str, float]:
    """All that these labels say, by name; what is not known is left out."""
    sides = cut(counts, limits, threshold)
    wrong, right = (sum(counts.truths.get(truth, {}).values()) for truth in TRUTHS[MULTICLASS])
    found: dict[str, Estimate | float | None] = {
        "loss": loss(counts),
        "auc": auc(counts),
        "recall": recall(sides) if sides else None,
        "precision": precision(sides) if sides else None,
        "accuracy": accuracy(sides) if sides else _share(right, right + wrong),
        "calibration": calibration(counts, limits),
        "rmse": root_error(counts, scale),
        "coverage": coverage(counts),
    }
    return {
        name: value.value if isinstance(value, Estimate) else value
        for name, value in found.items()
        if value is not None
    }
