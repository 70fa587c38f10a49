"""Drift by the lower end of PSI, over arrays of any leading shape `...`: the simulation runs what the operator runs.

`contract.psi` has the same formula for one pair of counts; a test keeps the two equal. What a deployment's windows,
floors and looks in a row make of it stands in `core/watching`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pintle.contract.profile import SMOOTHING
from pintle.contract.psi import MIN_PSI, MIN_ROWS, Z
from pintle.core.judgement.samples import BoolArray, FloatArray
from pintle.core.judgement.verdict import FAIL, NEED_MORE_DATA, PASS, ScoreShift

EFFECT_SECONDS = (30.0, 300.0)
"""Lengths of the blocks whose scatter tells how many alike rows come together."""


@dataclass(frozen=True)
class FeatureDrift:
    """A feature (or the score) in one window. `threshold`: what `low` has to exceed."""

    feature: str
    window_seconds: float
    rows: float
    psi: float
    low: float
    threshold: float
    verdict: str
    message: str


def psi_low(counts: FloatArray, reference: FloatArray, z: float = Z) -> tuple[FloatArray, FloatArray]:
    """PSI [...] of counts [..., B] against reference counts [..., B], and its lower end; (0, -inf) without rows.

    r_b = (reference_b + 0.5) / (m + 0.5 B), q_b = (count_b + k r_b) / (n + k) with k = B/2 pseudo-rows; PSI = sum
    (q_b - r_b) ln(q_b / r_b); s = 1/n + 1/m; df = occupied bins - 1; d = PSI - df s;
    low = d - z s sqrt(2 df + 4 max(d, 0) / s). Counts may be fractions. Two samples (canary and stable) are compared in
    the same way, one as the reference of the other.
    """
    counts, reference = np.broadcast_arrays(counts, reference)
    bins = counts.shape[-1]
    rows, expected = counts.sum(axis=-1), reference.sum(axis=-1)
    usable = (rows > 0) & (expected > 0)
    n, m = np.where(usable, rows, 1.0), np.where(usable, expected, 1.0)
    share = (reference + SMOOTHING) / (m + SMOOTHING * bins)[..., None]
    live = (counts + bins / 2 * share) / (n + bins / 2)[..., None]
    psi = ((live - share) * np.log(live / share)).sum(axis=-1)
    noise = 1 / n + 1 / m
    freedom = np.maximum(((counts > 0) | (reference > 0)).sum(axis=-1) - 1, 0)
    difference = psi - freedom * noise
    low = difference - z * noise * np.sqrt(2 * freedom + 4 * np.maximum(difference, 0.0) / noise)
    return np.where(usable, psi, 0.0), np.where(usable, low, -np.inf)


def drifts(
    counts: FloatArray,
    reference: FloatArray,
    floor: FloatArray | float = 0.0,
    min_psi: float = MIN_PSI,
    min_rows: float = MIN_ROWS,
    effect: FloatArray | float = 1.0,
) -> BoolArray:
    """Whether windows drift [...]: enough rows, above `min_psi` with bursts reckoned with, and above the floor.

    `effect` [...] is the design effect that counts are divided by. The floor is compared with plain counts: the blocks
    of training data that it was made from had all of their bursts in them.
    """
    spread = np.maximum(np.asarray(effect, dtype=np.float64), 1.0)
    _, plain = psi_low(counts, reference)
    sure = plain if (spread == 1).all() else psi_low(counts / spread[..., None], reference)[1]
    return np.asarray((counts.sum(axis=-1) >= min_rows) & (sure > min_psi) & (plain > floor))


def feature_drift(
    feature: str,
    window_seconds: float,
    counts: Sequence[float],
    reference: Sequence[float],
    floor: float = 0.0,
    min_psi: float = MIN_PSI,
    min_rows: float = MIN_ROWS,
    effect: float = 1.0,
) -> FeatureDrift:
    """The same for one window of one feature, with its verdict and words."""
    live, expected = np.asarray(counts, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    psi, plain = (float(value) for value in psi_low(live, expected))
    sure = float(psi_low(live / max(effect, 1.0), expected)[1])
    rows = float(live.sum())
    low, threshold = (plain, floor) if floor > min_psi else (sure, min_psi)
    if rows < min_rows or not expected.any():
        message = f"{rows:.0f} rows, {min_rows:g} are needed"
        return FeatureDrift(feature, window_seconds, rows, psi, low, threshold, NEED_MORE_DATA, message)
    found = bool(drifts(live, expected, floor, min_psi, min_rows, effect))
    message = f"PSI {psi:.3f}, at least {low:.3f}, allowed {threshold:.3f}"
    return FeatureDrift(feature, window_seconds, rows, psi, low, threshold, FAIL if found else PASS, message)


def prediction_shift(
    tested: FloatArray, control: FloatArray, effect: float = 1.0, min_rows: float = MIN_ROWS
) -> ScoreShift:
    """Scores of the canary against those of the stable, by level [B]. People are told; it never fails a canary.

    A better model may score differently (measured on flights: AUC up by .03 with a PSI of .22 between the scores). Rows
    of both are divided by `effect`: rows of one request may all be alike.
    """
    rows, control_rows = float(tested.sum()), float(control.sum())
    spread = max(effect, 1.0)
    psi, low = (float(value) for value in psi_low(tested / spread, control / spread))
    if min(rows, control_rows) < min_rows:
        return ScoreShift(NEED_MORE_DATA, rows, control_rows, psi, low, MIN_PSI)
    return ScoreShift(FAIL if low > MIN_PSI else PASS, rows, control_rows, psi, low, MIN_PSI)


def design_effect(blocks: FloatArray, lengths: Sequence[int]) -> FloatArray:
    """How many rows say as much as one, [...], from counts [..., K, B] of short blocks; at least 1.

    For blocks of each length (in blocks given): mean over the blocks of sum_b (x_b - n p_b)^2 / (n p_b), p being the
    proportions of all blocks together, over the occupied bins less one, times K/(K-1). The largest counts.
    """
    whole = blocks.sum(axis=-2)
    total = whole.sum(axis=-1)
    p = np.divide(whole, total[..., None], out=np.zeros_like(whole), where=total[..., None] > 0)
    freedom = np.maximum((p > 0).sum(axis=-1) - 1, 1)
    best = np.ones(total.shape)
    for length in lengths:
        count = blocks.shape[-2] // length
        if count < 2:
            continue
        cut = blocks[..., : count * length, :]
        summed = cut.reshape(*cut.shape[:-2], count, length, cut.shape[-1]).sum(axis=-2)
        expected = summed.sum(axis=-1)[..., None] * p[..., None, :]
        square = np.divide((summed - expected) ** 2, expected, out=np.zeros_like(summed), where=expected > 0)
        used = np.maximum((summed.sum(axis=-1) > 0).sum(axis=-1), 2)
        best = np.maximum(best, square.sum(axis=(-1, -2)) / freedom / (used - 1))
    return best


def share_low(bad: FloatArray, rows: FloatArray, z: float = Z) -> FloatArray:
    """Lower end [...] of the share of unseen or missing values (Wilson's score interval); 0 without rows."""
    n = np.where(rows > 0, rows, 1.0)
    share = bad / n
    middle = share + z * z / (2 * n)
    spread = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return np.where(rows > 0, np.maximum((middle - spread) / (1 + z * z / n), 0.0), 0.0)


def estimated_accuracy(bin_counts: FloatArray, bin_accuracy: FloatArray) -> FloatArray:
    """Accuracy without labels [...]: sum over score bins [..., B] of live share times accuracy at evaluation.

    Bins whose accuracy is NaN are left out. Right while only the inputs move: blind to concept drift. NaN without rows.
    """
    known = np.where(np.isnan(bin_accuracy), 0.0, bin_counts)
    rows = known.sum(axis=-1)
    hits = (known * np.nan_to_num(bin_accuracy)).sum(axis=-1)
    return np.asarray(np.divide(hits, rows, out=np.full(np.shape(rows), np.nan), where=rows > 0))
