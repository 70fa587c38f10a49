"""Population stability: the one formula that says whether two sets of bin counts differ (docs/training.md, Profile).

Operator (looks at live counts) and images (drift floors of the profile) both judge by it. `train.drift` holds the same
formula over numpy arrays; a test keeps the two equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt

from pintle.contract.profile import SMOOTHING

Z = 3.0
"""How many standard errors the lower end lies below the estimate."""
MIN_PSI = 0.1
MIN_ROWS = 50


@dataclass(frozen=True)
class Psi:
    """`psi` as it is counted, `low` its lower end once the noise of both samples is taken off."""

    psi: float
    low: float


def psi(counts: Sequence[float], reference: Sequence[float], z: float = Z) -> Psi:
    """PSI of window counts against reference counts, bin by bin; counts may be fractions (extrapolated increases).

    r_b = (reference_b + 0.5) / (m + 0.5 B), q_b = (count_b + k r_b) / (n + k), psi = sum (q_b - r_b) ln(q_b / r_b);
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
    smoothed = reference_rows + SMOOTHING * len(reference)
    value = 0.0
    for count, expected in zip(counts, reference, strict=True):
        share = (expected + SMOOTHING) / smoothed
        live = (count + pseudo * share) / (rows + pseudo)
        value += (live - share) * log(live / share)
    noise = 1 / rows + 1 / reference_rows
    freedom = sum(1 for a, b in zip(counts, reference, strict=True) if a > 0 or b > 0) - 1
    difference = value - freedom * noise
    spread = z * noise * sqrt(2 * freedom + 4 * max(difference, 0.0) / noise)
    return Psi(value, difference - spread)
