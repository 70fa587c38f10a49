"""Paired block bootstrap: how sure a metric, or a difference of metrics on the same rows, is.

Rows of one block (a day of flights, say) are not independent; whole blocks are drawn with replacement, the same ones
for both models. With few blocks the percentile interval is too narrow: it is stretched by t(K-1) / 1.96 sqrt(K/(K-1))
around the estimate, as a t interval of the mean of K blocks would be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pintle.train.truth import Floats, Ints

if TYPE_CHECKING:
    import pandas as pd

RESAMPLES = 1000
MIN_BLOCKS = 8
"""Below this a block bootstrap says nothing worth acting on."""
_T = {7: 2.365, 8: 2.306, 9: 2.262, 10: 2.228, 12: 2.179, 15: 2.131, 20: 2.086, 30: 2.042, 60: 2.0, 120: 1.98}


@dataclass(frozen=True)
class Interval:
    """A value and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def blocks_of(times: pd.Series | None, rows: int, block_by: str | None) -> Ints:
    """The block of each row, 0 .. K-1: by day of `times` unless told otherwise, by row where there is no time.

    Raises ValueError for Hour, Day or Week without times.
    """
    kind = block_by or ("Row" if times is None else "Day")
    if kind == "Row":
        return np.arange(rows, dtype=np.int64)
    if times is None:
        raise ValueError(f"blockBy: {kind} needs schema.timeColumn")
    instants = times.dt.tz_localize(None).to_numpy(dtype="datetime64[s]")
    seconds = instants.astype(np.int64)
    if kind == "Week":
        seconds = seconds + 3 * 86400  # 1970-01-01 was a Thursday; weeks begin on Monday
    length = {"Hour": 3600, "Day": 86400, "Week": 7 * 86400}[kind]
    return np.asarray(np.unique(seconds // length, return_inverse=True)[1], dtype=np.int64)


def resample(blocks: int, seed: int, resamples: int = RESAMPLES) -> Floats:
    """How often each block is taken: [resamples, blocks], every row summing to `blocks`."""
    drawn = np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1 / blocks), size=resamples)
    return drawn.astype(np.float64)


def interval(value: float, replicates: Floats, blocks: int) -> Interval:
    """The 95 % interval around the value; replicates where the metric was not defined are left out."""
    defined = replicates[np.isfinite(replicates)]
    if not len(defined) or blocks < 2:
        return Interval(value, float("-inf"), float("inf"))
    low, high = np.quantile(defined, (0.025, 0.975))
    stretch = _student(blocks - 1) / 1.96 * np.sqrt(blocks / (blocks - 1))
    return Interval(value, float(value + (low - value) * stretch), float(value + (high - value) * stretch))


def _student(freedom: int) -> float:
    """The .975 quantile of Student's t; of the next smaller tabled freedom, so never too narrow."""
    tabled = [key for key in _T if key <= freedom]
    return _T[max(tabled)] if tabled else 4.3
