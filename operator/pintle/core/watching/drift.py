"""Does a feature, or the score, lie otherwise than in the training data? One Finding each, in its strongest window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, sqrt

from pintle.api.watching import FLOORS, Drift, Window
from pintle.contract.psi import Z, psi
from pintle.core.judgement.findings import Finding
from pintle.core.judgement.verdict import FAIL, NEED_MORE_DATA, PASS
from pintle.core.watching.counts import ByBin, Counts
from pintle.core.watching.reference import SCORE, TAILS, Bins, Reference

SECONDS: Mapping[str, int] = dict(zip(FLOORS, (3600, 21600, 86400, 604800), strict=True))
"""Length of the blocks that a floor was made from."""
MIN_SHARE = 0.02
"""Unseen or missing values count from this share on,"""
TIMES_REFERENCE = 10.0
"""and from so many times their share in the training data."""


@dataclass(frozen=True)
class Limits:
    """When a difference counts."""

    min_psi: float
    min_rows: float

    @classmethod
    def of(cls, drift: Drift) -> Limits:
        return cls(float(drift.minPSI), drift.minRows)


@dataclass(frozen=True)
class Floor:
    """What blocks of training data reach by themselves. `own`: from blocks of the window's own length."""

    value: float
    own: bool


def floor_of(window: Window, floors: Mapping[str, float], lived: float = inf) -> Floor:
    """The floor that the window names, or that of the longest blocks that fit into it.

    Where the training data were too short for it, or have no time, or the revision has `lived` for less than the
    window, the highest of the others stands in, if there is any: it keeps the noise down, but what is found above it
    may only be told.
    """
    fitting = [name for name, seconds in SECONDS.items() if seconds <= window.seconds]
    name = window.floor or (fitting[-1] if fitting else "")
    if name in floors and lived >= window.seconds:
        return Floor(floors[name], True)
    return Floor(max(floors.values(), default=0.0), False)


def find_features(
    windows: Sequence[tuple[Window, Counts]],
    reference: Reference,
    limits: Limits,
    bursts: Mapping[str, float],
    lived: float = inf,
) -> tuple[Finding, ...]:
    """All features of the reference that may drift, each in its strongest window; the strongest first.

    `bursts` is the design effect by feature (1 where it is not known): so many rows say as much as one.
    `lived`: seconds since the revision was made.
    """
    found = []
    for name, bins in reference.features.items():
        live = [
            (window, counts.features.get(name, {}))
            for window, counts in windows
            if counts.near_only is None or name in counts.features
        ]
        if not live:
            continue
        found.append(_strongest(name, live, bins, limits, bursts.get(name, 1.0), lived, tails=True))
    return tuple(sorted(found, key=_strength, reverse=True))


def find_score(
    windows: Sequence[tuple[Window, Counts]],
    reference: Reference,
    limits: Limits,
    bursts: float = 1.0,
    lived: float = inf,
) -> Finding | None:
    """The predictions; None where the version has no reference for them."""
    if reference.score is None or not windows:
        return None
    live = [(window, counts.score) for window, counts in windows]
    return _strongest(SCORE, live, reference.score, limits, bursts, lived, tails=False)


def _strongest(
    name: str,
    windows: Sequence[tuple[Window, ByBin]],
    bins: Bins,
    limits: Limits,
    bursts: float,
    lived: float,
    tails: bool,
) -> Finding:
    found = [compare(name, window, live, bins, limits, bursts, lived) for window, live in windows]
    if tails:
        found += [
            share_test(name, tail, window.seconds, live, bins, limits, bursts)
            for window, live in windows
            for tail in TAILS
            if tail in bins.counts
        ]
    return max(found, key=_strength)


def compare(
    name: str, window: Window, live: ByBin, bins: Bins, limits: Limits, bursts: float = 1.0, lived: float = inf
) -> Finding:
    """PSI of one window. Drift is what is above `minPSI` when bursts are reckoned with, and above the floor.

    The floor was made from whole blocks with all their bursts in them, so it is compared with the plain lower end.
    """
    names = list(bins.counts)
    counts = [live.get(bin_, 0.0) for bin_ in names]
    expected = [bins.counts[bin_] for bin_ in names]
    rows = sum(counts)
    floor = floor_of(window, bins.floors, lived)
    plain = psi(counts, expected)
    sure = psi([count / bursts for count in counts], expected) if bursts > 1 else plain
    low, threshold = (plain.low, floor.value) if floor.value > limits.min_psi else (sure.low, limits.min_psi)
    if rows < limits.min_rows:
        verdict = NEED_MORE_DATA
    else:
        verdict = FAIL if plain.low > floor.value and sure.low > limits.min_psi else PASS
    return Finding(name, window.seconds, rows, plain.psi, low, threshold, verdict, tells_only=not floor.own)


def share_test(
    name: str, bin_: str, seconds: int, live: ByBin, bins: Bins, limits: Limits, bursts: float = 1.0
) -> Finding:
    """Share of unseen or missing values, which a new client or a broken join raises. Told only: it has no floor.

    Fails when the lower end of the live share (Wilson, Z standard errors) is above MIN_SHARE and above TIMES_REFERENCE
    times the share in the training data.
    """
    rows = sum(live.values())
    bad = live.get(bin_, 0.0)
    share = bad / rows if rows else 0.0
    low = wilson_low(bad / max(bursts, 1.0), rows / max(bursts, 1.0))
    threshold = min(1.0, max(MIN_SHARE, TIMES_REFERENCE * bins.counts[bin_] / bins.rows if bins.rows else 0.0))
    verdict = NEED_MORE_DATA if rows < limits.min_rows else FAIL if low > threshold else PASS
    return Finding(name, seconds, rows, share, low, threshold, verdict, bin=bin_, tells_only=True)


def wilson_low(bad: float, rows: float, z: float = Z) -> float:
    """Lower end of a share by Wilson's score interval; 0 without rows."""
    if rows <= 0:
        return 0.0
    share = bad / rows
    middle = share + z * z / (2 * rows)
    spread = z * sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return max(0.0, (middle - spread) / (1 + z * z / rows))


def _strength(finding: Finding) -> tuple[int, bool, bool, float]:
    """Fail before Pass before too few rows; what may act before what may only be told; then how far above its limit."""
    rank = {FAIL: 2, PASS: 1}.get(finding.verdict, 0)
    above = finding.low - finding.threshold
    return rank, not finding.tells_only, not finding.bin, above if above > -inf else -1e9
