"""What delayed labels say: loss, AUC, and whether they are a fair sample of the predictions (docs/watching.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from pintle.contract.manifest import BINARY
from pintle.contract.metrics import TRUTHS
from pintle.contract.profile import NUMBER_TAIL
from pintle.contract.psi import Z
from pintle.core.judgement.verdict import FAIL, NEED_MORE_DATA, PASS
from pintle.core.watching.counts import ByBin, LabelCounts

MIN_COVERAGE = 0.1
"""With labels for a smaller share of the predictions nobody knows for which."""
UNEVEN = 2.0
"""A score bin may be labelled so many times less (or more) often than all of them together."""
MIN_BIN_ROWS = 100
MIN_BIN_SHARE = 0.01
"""Score bins with fewer predictions say nothing about evenness."""


@dataclass(frozen=True)
class Estimate:
    """A figure and its standard error, both as if rows were independent."""

    value: float
    error: float


def loss(counts: LabelCounts) -> Estimate | None:
    """Mean loss per labelled row; None without rows."""
    rows = counts.loss_count
    if rows <= 0:
        return None
    mean = counts.loss_sum / rows
    variance = max(counts.loss_squares / rows - mean * mean, 0.0)
    return Estimate(mean, sqrt(variance / rows))


def auc(counts: LabelCounts) -> Estimate | None:
    """Area under the ROC curve from labels by score bin; rows of one bin count half. None without both classes.

    Error: Hanley and McNeil (1982).
    """
    negative_label, positive_label = TRUTHS[BINARY]
    if set(counts.truths) - {negative_label, positive_label}:
        return None
    negatives, positives = counts.truths.get(negative_label, {}), counts.truths.get(positive_label, {})
    bins = sorted(name for name in {*negatives, *positives} if name not in NUMBER_TAIL)
    below = area = 0.0
    for name in bins:
        area += positives.get(name, 0.0) * (below + negatives.get(name, 0.0) / 2)
        below += negatives.get(name, 0.0)
    above = sum(positives.get(name, 0.0) for name in bins)
    if below <= 0 or above <= 0:
        return None
    value = area / (below * above)
    return Estimate(value, _auc_error(value, above, below))


def _auc_error(value: float, positives: float, negatives: float) -> float:
    both_positive = value / (2 - value)
    both_negative = 2 * value * value / (1 + value)
    variance = value * (1 - value) + (positives - 1) * (both_positive - value * value)
    variance += (negatives - 1) * (both_negative - value * value)
    return sqrt(max(variance, 0.0) / (positives * negatives))


def judge(
    estimate: Estimate | None, rows: float, min_rows: float, low: float | None = None, high: float | None = None
) -> str:
    """Fail when the figure lies beyond a bound by Z standard errors; NeedMoreData where it is not known."""
    if estimate is None or rows < min_rows:
        return NEED_MORE_DATA
    spread = Z * estimate.error
    too_high = high is not None and estimate.value - spread > high
    too_low = low is not None and estimate.value + spread < low
    return FAIL if too_high or too_low else PASS


def coverage(counts: LabelCounts) -> float | None:
    """Labelled per predicted row; None without predictions."""
    predicted = sum(counts.predicted.values())
    return sum(counts.labelled.values()) / predicted if predicted > 0 else None


def selective(counts: LabelCounts) -> str:
    """Why the labels are no fair sample: too few, or not from all scores alike (approved cases only). Empty: they are.

    A bin is uneven when its share of labelled rows differs from the share over all bins by more than UNEVEN times,
    beyond Z standard errors.
    """
    total = coverage(counts)
    if total is None:
        return ""
    if total < MIN_COVERAGE:
        return f"{total:.1%} of the predictions have a label, {MIN_COVERAGE:.0%} are needed"
    rows = sum(counts.predicted.values())
    uneven = [
        f"{_share(counts.labelled, counts.predicted, name):.0%} of score bin {name}"
        for name in sorted(counts.predicted)
        if counts.predicted[name] >= max(MIN_BIN_ROWS, MIN_BIN_SHARE * rows)
        and _uneven(_share(counts.labelled, counts.predicted, name), total, counts.predicted[name])
    ]
    return f"{total:.0%} of the predictions have a label, but {_list(uneven)}" if uneven else ""


def _share(labelled: Mapping[str, float], predicted: ByBin, name: str) -> float:
    return labelled.get(name, 0.0) / predicted[name]


def _uneven(share: float, total: float, rows: float) -> bool:
    # More labels than predictions in a window: they came late and all at once, which is no matter of the bin.
    bounded = min(total, 1.0)
    spread = Z * sqrt(bounded * (1 - bounded) / rows)
    return share + spread < total / UNEVEN or share - spread > total * UNEVEN


def _list(items: Sequence[str], most: int = 3) -> str:
    more = len(items) - most
    return ", ".join(items[:most]) + (f" and {more} more" if more > 0 else "")
