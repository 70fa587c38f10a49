"""Population stability: the one formula that says whether two sets of bin counts differ (docs/training.md, Profile).

Operator (looks at live counts) and images (drift floors of the profile) both judge by it. `train.drift` holds the same
formula over numpy arrays; a test keeps the two equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt

Z = 3.0
"""How many standard errors the lower end lies below the estimate."""
MIN_PSI = 0.1
MIN_ROWS = 50


@dataclass(frozen=True)
class Psi:
    """`psi` as it is counted, `low` its lower end once the noise of both samples is taken off."""

    psi: float
    low: float


def proportions(counts: Sequence[float]) -> list[float]:
    """Reference proportions r_b = (count + 0.5) / (m + 0.5 B): never 0. Sums to 1."""
    total = sum(counts) + 0.5 * len(counts)
    return [(count + 0.5) / total for count in counts]


def psi(counts: Sequence[float], reference: Sequence[float], z: float = Z) -> Psi:
    """PSI of window counts against reference counts, bin by bin.

    k = B/2 pseudo-rows are spread like the reference; s = 1/n + 1/m; df = occupied bins - 1;
    d = PSI - df s; low = d - z s sqrt(2 df + 4 max(d, 0) / s). No rows on a side: Psi(0, -inf).
    Raises ValueError when the two have unlike numbers of bins.
    """
    if len(counts) != len(reference):
        raise ValueError(f"{len(counts)} bins cannot be compared with {len(reference)}")
    rows, reference_rows = sum(counts), sum(reference)
    if rows <= 0 or reference_rows <= 0:
        return Psi(0.0, float("-inf"))
    pseudo = len(counts) / 2
    value = 0.0
    for count, share in zip(counts, proportions(reference), strict=True):
        live = (count + pseudo * share) / (rows + pseudo)
        value += (live - share) * log(live / share)
    noise = 1 / rows + 1 / reference_rows
    freedom = sum(1 for a, b in zip(counts, reference, strict=True) if a > 0 or b > 0) - 1
    difference = value - freedom * noise
    spread = z * noise * sqrt(2 * freedom + 4 * max(difference, 0.0) / noise)
    return Psi(value, difference - spread)
