"""Bins of the reference profile: which bin a value falls into, the same in `evaluate` and in the server.

Numbers (Number, Integer, Boolean): `edges` are the inner edges e_1 < e_2 < ...; a value x (as float32) lies in bin
`number of edges < x`, so an upper edge belongs to its bin. Then `missing` (null, NaN) and `other` (infinite).
Strings: the categories by frequency, then `rare` (seen in training, listed in `rare`), `unseen`, `missing` (null or "").
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from math import isinf, isnan
from typing import Any

QUANTILES = 10
TOP_CATEGORIES = 10
MAX_RARE = 1000
"""More strings than this are not listed as rare: they count as unseen, in the reference too."""
MISSING, OTHER, RARE, UNSEEN = "missing", "other", "rare", "unseen"
NUMERIC_TYPES = ("Number", "Integer", "Boolean")
BLOCKS = {"1h": 3600, "6h": 21600, "1d": 86400, "7d": 604800}
"""Block lengths of the drift floors, in seconds."""


def number_bins(edges: Sequence[float]) -> list[str]:
    """Names of the bins of a numeric feature: "00", "01", ..., "missing", "other"."""
    return [f"{i:02d}" for i in range(len(edges) + 1)] + [MISSING, OTHER]


def category_bins(categories: Sequence[str]) -> list[str]:
    """Names of the bins of a string feature: "00" for the most frequent, ..., "rare", "unseen", "missing"."""
    return [f"{i:02d}" for i in range(len(categories))] + [RARE, UNSEEN, MISSING]


def bin_of(feature: Mapping[str, Any], value: float | str | None) -> int:
    """Index of the bin, in `feature["bins"]`, that a value of this profile feature falls into."""
    if "categories" in feature:
        return _bin_of_string(feature, value)
    edges = feature["edges"]
    if value is None or isnan(float(value)):
        return len(edges) + 1
    if isinf(float(value)):
        return len(edges) + 2
    return bisect_left(edges, float(value))


def _bin_of_string(feature: Mapping[str, Any], value: float | str | None) -> int:
    categories = feature["categories"]
    if value is None or value == "":
        return len(categories) + 2
    if value in categories:
        return int(categories.index(value))
    return len(categories) if value in feature["rare"] else len(categories) + 1
