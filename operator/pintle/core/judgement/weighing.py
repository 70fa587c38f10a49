"""The evidence of one rollout, or of many at once: blocks go in, nats come out.

add(block)  ->  sums of all blocks, and longer blocks for the dispersion  ->  evidence()
                └─> now and then a copy of the sums: a moment from which on things may have become worse
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pintle.core.judgement.onsets import MAIN_COST, Onsets
from pintle.core.judgement.samples import BoolArray, FloatArray
from pintle.core.judgement.score import HEADROOM, RHO, TERMS, S, W, dispersion_lengths, log_evidence, variance
from pintle.core.judgement.sums import Sums, padded


class Weighed(NamedTuple):
    """Evidence [...] in nats that the difference is above what is tolerated, and that it is below the margin."""

    worse: FloatArray
    close: FloatArray
    onset: FloatArray
    """[...] the number of the block from which on `worse` is so much: 0 where that is the first one."""
    since: FloatArray
    """Terms [..., 10] of all blocks since the onset."""


@dataclass
class Scores:
    """With L = len(lengths): `sums` are those of all blocks [...]; `open` [..., L, 10] the block of each length that
    is being filled.
    """

    lengths: tuple[int, ...]
    sums: Sums
    open: FloatArray
    onsets: Onsets | None = None

    @classmethod
    def of_grid(cls, shape: tuple[int, ...], grid_seconds: float, late: bool = True) -> Scores:
        """Of no block yet. `late`: onsets are looked for."""
        lengths = dispersion_lengths(grid_seconds)
        return cls.zeros(shape, lengths, Onsets.none(shape, len(lengths), grid_seconds) if late else None)

    @classmethod
    def zeros(cls, shape: tuple[int, ...], lengths: tuple[int, ...], onsets: Onsets | None = None) -> Scores:
        """Of no block yet, with dispersion by blocks of these lengths."""
        return cls(lengths, Sums.zeros(shape, len(lengths)), np.zeros((*shape, len(lengths), TERMS)), onsets)

    @property
    def total(self) -> FloatArray:
        """Terms [..., 10] of all blocks."""
        return self.sums.total

    def add(self, block: FloatArray, index: int) -> None:
        """Add the terms [..., 10] of block number `index` (from 0) of the grid."""
        self.sums.total += block
        self.open += block[..., None, :]
        self.turn(index)

    def turn(self, index: int) -> None:
        """Block `index` is over: longer blocks that end with it are closed. For blocks without data, too."""
        for place, length in enumerate(self.lengths):
            if (index + 1) % length:
                continue
            self.sums.close(place, self.open[..., place, :])
            self.open[..., place, :] = 0.0
        if self.onsets is not None:
            self.onsets.turn(index + 1, self.sums)

    def difference(self) -> FloatArray:
        """Tested minus control per row [...], as the blocks with both of them show it; 0 before there is one."""
        return self.sums.difference()

    def dispersion(self) -> FloatArray:
        """C [...]: see Sums.dispersion."""
        return self.sums.dispersion()

    def evidence(
        self,
        tolerated: FloatArray | float,
        margin: FloatArray | float,
        history: FloatArray | float,
        rho: FloatArray | float = RHO,
        late: BoolArray | bool = True,
    ) -> Weighed:
        """What the blocks show. `history` is H, the dispersion of the control before the rollout.

        `late` [...]: where late onsets are looked for, if they are at all.
        """
        least = np.maximum(1.0, HEADROOM * np.asarray(history))
        dispersion = np.maximum(least, self.dispersion())
        s, w = self.total[..., S], self.total[..., W]
        worse = log_evidence(s - tolerated * w, variance(self.total, tolerated), dispersion, rho)
        close = log_evidence(margin * w - s, variance(self.total, margin), dispersion, rho)
        weighed = Weighed(worse, close, np.zeros_like(worse), self.total)
        if self.onsets is None or not np.any(late):
            return weighed
        asked = np.broadcast_to(late, worse.shape)
        worse = np.where(asked & (worse > 0), np.maximum(worse - MAIN_COST, 0.0), worse)
        found = self.onsets.best(self.sums, tolerated, least, rho, np.where(asked, np.maximum(worse, 0.0), np.inf))
        if found is None:
            return weighed._replace(worse=worse)
        more = found.worse > worse
        onset, since = np.where(more, found.onset, 0.0), np.where(more[..., None], found.since, self.total)
        return Weighed(np.where(more, found.worse, worse), close, onset, since)

    def resized(self, size: int) -> Scores:
        """The same with the leading axis grown to `size`; what is new starts from zero."""
        onsets = None if self.onsets is None else self.onsets.resized(size)
        return Scores(self.lengths, self.sums.resized(size), padded(self.open, size), onsets)
