"""The stratified score test of two revisions, over arrays: one block per interval, valid at every look.

A *block* is what both revisions showed in one interval of the grid. Every function here works on arrays of any leading
shape `...` (tests and features of one rollout, or thousands of simulated rollouts); what the operator runs and what the
simulation in bench/judgement runs is the same code. docs/judgement.md has the formulas and where they come from.

A block is kept as ten terms, so that the evidence for any difference d follows from sums over the blocks:
    s          sum of bad of the tested revision minus what the block's own mean lets expect
    w          n1 n0 / n: how much s grows per unit of true difference
    a, b, c    the variance of s under a true difference d is V(d) = a + b d + c d^2
    f          V(d) is at least f d (1 - d): where next to nothing is bad, the blocks cannot show what d would do
    x1, n1     bad and all rows of the tested revision, for people
    x0, n0     the same of the control, also for how much it varies by itself
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pintle.core.judgement.samples import BoolArray, FloatArray

S, W, A, B, C, F, X1, N1, X0, N0 = range(10)
TERMS = 10
RHO = 5.0
"""The test is sharpest when V is near this: five events or so."""
HEADROOM = 1.2
"""The dispersion of the past is taken this much larger: it is an estimate."""
DISPERSION_SECONDS = (1.0, 5.0, 30.0, 60.0)
"""Lengths over which outcomes may come in bursts."""


def share_block(x1: FloatArray, n1: FloatArray, x0: FloatArray, n0: FloatArray) -> FloatArray:
    """Terms [..., 10] of blocks with x1 bad of n1 tested and x0 bad of n0 control rows; zeros where an arm is empty."""
    n = n1 + n0
    used = (n1 > 0) & (n0 > 0) & (n >= 2)
    n = np.where(used, n, 2.0)
    w = np.where(used, n1 * n0 / n, 0.0)
    p = np.where(used, (x1 + x0) / n, 0.0)
    # n1 n0 (n0 p1 (1 - p1) + n1 p0 (1 - p0)) / (n (n - 1)) with p0 = p - d n1 / n, p1 = p0 + d, by powers of d
    scale = w / (n - 1)
    out = np.empty((*np.shape(w), TERMS))
    out[..., S] = np.where(used, x1 - n1 * p, 0.0)
    out[..., W] = w
    out[..., A] = scale * n * p * (1 - p)
    out[..., B] = scale * (1 - 2 * p) * (n0 - n1)
    out[..., C] = -scale * (n0 * n0 - n0 * n1 + n1 * n1) / n
    out[..., F] = scale * np.where(p < 0.5, n0, n1)
    _arms(out, used, x1, n1, x0, n0)
    return out


def bound_block(x1: FloatArray, n1: FloatArray, share: FloatArray | float) -> FloatArray:
    """Terms [..., 10] of blocks compared with a known share: a control with endlessly many rows."""
    n1, share = np.broadcast_arrays(n1, share)
    out = np.empty((*n1.shape, TERMS))
    out[..., S] = x1 - n1 * share
    out[..., W] = n1
    out[..., A] = n1 * share * (1 - share)
    out[..., B] = n1 * (1 - 2 * share)
    out[..., C] = -n1
    out[..., F] = n1
    _arms(out, np.ones(n1.shape, dtype=bool), x1, n1, 0.0, 0.0)
    return out


def mean_block(
    n1: FloatArray, sum1: FloatArray, squares1: FloatArray, n0: FloatArray, sum0: FloatArray, squares0: FloatArray
) -> FloatArray:
    """Terms [..., 10] of blocks of losses: rows, sums and sums of squares of both revisions.

    V(d) is the variance of s over all ways to deal the block's rows to the arms, once d is taken off the tested ones:
    n1 n0 / (n (n - 1)) times their sum of squares about the mean.
    """
    n = n1 + n0
    used = (n1 > 0) & (n0 > 0) & (n >= 2)
    n = np.where(used, n, 2.0)
    w = np.where(used, n1 * n0 / n, 0.0)
    mean = np.where(used, (sum1 + sum0) / n, 0.0)
    s = np.where(used, sum1 - n1 * mean, 0.0)
    scale = w / (n - 1)
    out = np.empty((*np.shape(w), TERMS))
    out[..., S] = s
    out[..., W] = w
    out[..., A] = scale * np.maximum(squares1 + squares0 - n * mean * mean, 0.0)
    out[..., B] = -2 * scale * s
    out[..., C] = scale * w
    out[..., F] = 0.0
    _arms(out, used, sum1, n1, sum0, n0)
    return out


def _arms(out: FloatArray, used: BoolArray, *counts: FloatArray | float) -> None:
    """Writes x1, n1, x0, n0 of the blocks that are used."""
    for term, count in zip((X1, N1, X0, N0), counts, strict=True):
        out[..., term] = np.where(used, count, 0.0)


def variance(terms: FloatArray, difference: FloatArray | float) -> FloatArray:
    """V(d) [...] of summed terms [..., 10]."""
    d = np.asarray(difference)
    value = terms[..., A] + terms[..., B] * d + terms[..., C] * d * d
    size = np.clip(np.abs(d), 0.0, 1.0)
    return np.asarray(np.maximum(value, terms[..., F] * size * (1 - size)))


def log_evidence(score: FloatArray, spread: FloatArray, dispersion: FloatArray, rho: FloatArray | float) -> FloatArray:
    """Nats against "score has mean <= 0" [...]: a mixture over effects, so that it holds at every look at once.

    Spread and rho are multiplied by the dispersion of outcomes that come in bursts; 0 where the score is not positive.
    """
    total = spread + rho
    value = np.log(2.0) + 0.5 * np.log(rho / total) + score * score / (2 * dispersion * total)
    return np.where(score > 0, value, 0.0)


def passing(
    shown: FloatArray,
    close: FloatArray,
    threshold: float,
    enough: BoolArray,
    difference: FloatArray,
    margin: FloatArray | float,
) -> FloatArray:
    """The evidence [...] with which a standing Pass was reached, 0 where none stands; `shown` is that of before.

    What has been shown stays shown while the difference found is below the margin. The evidence is valid at every look
    at once: a revision that is worse by the margin ever gets to the threshold with probability beta at most, so the
    first time is as good as the last. Noise that comes later takes nothing back; a difference that grows up to the
    margin does, and then the evidence has to come anew. `enough`: there are rows for a promotion.
    """
    now = np.where(enough & (close >= threshold), close, 0.0)
    return np.where(difference < margin, np.where(shown > 0, shown, now), 0.0)


def dispersion_lengths(grid_seconds: float) -> tuple[int, ...]:
    """DISPERSION_SECONDS as numbers of blocks of the grid, each once, ascending."""
    return tuple(sorted({max(1, round(seconds / grid_seconds)) for seconds in DISPERSION_SECONDS}))


def control_dispersion(
    bad: FloatArray, rows: FloatArray, lengths: tuple[int, ...], variance: FloatArray | float | None = None
) -> FloatArray:
    """H of one window [...]: how much more the bad rows of one revision vary than independent ones would.

    `bad`, `rows` [..., K] per block of the grid; the largest over `lengths` of
    K/(K-1) sum_k (x_k - n_k p)^2 / sum_k n_k p (1 - p), p being the window's own share; `variance` stands for p (1 - p)
    where `bad` are sums of losses. NaN where nothing (or everything) is bad: such a window tells nothing.
    """
    total = rows.sum(axis=-1)
    p = np.divide(bad.sum(axis=-1), total, out=np.zeros_like(total), where=total > 0)[..., None]
    each = p * (1 - p) if variance is None else np.broadcast_to(np.asarray(variance)[..., None], p.shape)
    best = np.full(total.shape, np.nan)
    for length in lengths:
        whole = rows.shape[-1] // length
        if whole < 2:
            continue
        n, x = (_summed(part, length, whole) for part in (rows, bad))
        blocks = np.maximum((n > 0).sum(axis=-1), 2)
        squares = ((x - n * p) ** 2).sum(axis=-1)
        expected = (n * each).sum(axis=-1)
        ratio = np.divide(squares, expected, out=np.full(total.shape, np.nan), where=expected > 0)
        best = np.fmax(best, ratio * blocks / (blocks - 1))
    return best


def _summed(values: FloatArray, length: int, whole: int) -> npt.NDArray[np.float64]:
    """[..., whole]: sums over `length` neighbours; what does not fill a block is left out."""
    cut = values[..., : whole * length]
    return np.asarray(cut.reshape(*cut.shape[:-1], whole, length).sum(axis=-1))
