"""Accuracy without labels: live shares of the score bins, times the accuracy that each had at evaluation.

Right while only the inputs move; blind to a world in which the same inputs have other outcomes (concept drift).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

from pintle.core.watching.counts import ByBin
from pintle.core.watching.labels import Estimate

BLIND = "estimated from the scores, blind to concept drift"
KNOWN = 0.9
"""So much of the live rows must lie in bins whose accuracy is known."""


def estimated_accuracy(live: ByBin, accuracy: Mapping[str, float]) -> Estimate | None:
    """Sum over score bins of live share times accuracy, with its error; None where too little is known."""
    known = {name: rows for name, rows in live.items() if name in accuracy and rows > 0}
    rows, total = sum(known.values()), sum(live.values())
    if rows <= 0 or rows < KNOWN * total:
        return None
    mean = sum(count * accuracy[name] for name, count in known.items()) / rows
    square = sum(count * accuracy[name] ** 2 for name, count in known.items()) / rows
    return Estimate(mean, sqrt(max(square - mean * mean, 0.0) / rows))
