"""Drift floors: how far blocks of the training rows lie from all of them, so that a model is quiet on its own data.

`psi_low` is `contract.psi.psi(...).low` over many windows at once; a property test keeps the two equal.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from pintle.contract.profile import SMOOTHING
from pintle.contract.psi import MIN_ROWS, Z
from pintle.train.truth import Floats, Ints

BLOCKS: Mapping[str, int] = {"1h": 3600, "6h": 21600, "1d": 86400, "7d": 604800}
"""Block lengths in seconds."""
STRIDES = 7
"""Rolling blocks start every seventh of their length."""
MIN_BLOCKS = 20
MIN_LENGTHS = 5
"""A floor needs data over this many block lengths."""
QUANTILE = 0.99
MAX_STRIDES = 200_000
"""Of a very long history the newest part is enough: 200,000 strides are 3 years of hourly blocks."""


def psi_low(windows: Floats, reference: Floats, z: float = Z) -> Floats:
    """Lower end of the PSI of each window [W, B] against the reference counts [B]; -inf for an empty window."""
    rows, reference_rows = windows.sum(axis=1), reference.sum()
    bins = len(reference)
    share = (reference + SMOOTHING) / (reference_rows + SMOOTHING * bins)
    with np.errstate(divide="ignore", invalid="ignore"):
        live = (windows + bins / 2 * share) / (rows + bins / 2)[:, None]
        psi = ((live - share) * np.log(live / share)).sum(axis=1)
        noise = 1 / rows + 1 / reference_rows
        freedom = ((windows > 0) | (reference > 0)).sum(axis=1) - 1
        difference = psi - freedom * noise
        low = difference - z * noise * np.sqrt(2 * freedom + 4 * np.maximum(difference, 0) / noise)
    return np.where((rows > 0) & (reference_rows > 0), low, -np.inf)


def floors(bins: Ints, number_of_bins: int, seconds: Ints) -> dict[str, float]:
    """Per block length the .99 quantile of `low` of the rolling blocks against all rows, at least 0.

    `bins` [n] is the bin of each row, `seconds` [n] its time since 1970. Blocks with fewer than MIN_ROWS rows do not
    count; a length with fewer than MIN_BLOCKS blocks, or with too short a history, gets no floor.
    """
    if not len(bins):
        return {}
    reference = np.bincount(bins, minlength=number_of_bins).astype(np.float64)
    start, end = int(seconds.min()), int(seconds.max())
    found = {}
    for name, length in BLOCKS.items():
        if end - start < MIN_LENGTHS * length:
            continue
        windows = _rolling(bins, number_of_bins, seconds, length, end)
        low = psi_low(windows[windows.sum(axis=1) >= MIN_ROWS], reference)
        if len(low) >= MIN_BLOCKS:
            found[name] = round(max(float(np.quantile(low, QUANTILE)), 0.0), 6)
    return found


def _rolling(bins: Ints, number_of_bins: int, seconds: Ints, length: int, end: int) -> Floats:
    """Counts [windows, bins] of all whole blocks, newest first row included, one every `length / STRIDES`."""
    stride = length / STRIDES
    # Counted back from the newest row, so that the last block is a whole one.
    step: npt.NDArray[np.int64] = ((end - seconds) / stride).astype(np.int64)
    kept = step < MAX_STRIDES
    strides = int(step[kept].max()) + 1
    cells = np.bincount(step[kept] * number_of_bins + bins[kept], minlength=strides * number_of_bins)
    total = np.vstack([np.zeros((1, number_of_bins)), np.cumsum(cells.reshape(strides, number_of_bins), axis=0)])
    return np.asarray(total[STRIDES:] - total[:-STRIDES], dtype=np.float64)
