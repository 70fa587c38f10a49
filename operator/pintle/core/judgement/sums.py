"""What is kept of the blocks of a rollout: of constant size however long it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pintle.core.judgement.samples import FloatArray
from pintle.core.judgement.score import N0, TERMS, X0, A, S, W, variance

MOMENTS = 6
LEAST_VARIANCE = 0.1
"""V(d found) never counts for less than this part of V(0) where a dispersion is divided by it."""


@dataclass
class Sums:
    """Of all blocks the terms `total` [..., 10]; the rest by L lengths of longer blocks that are full.

    `closed` [..., L, 10] are their terms, `moments` [..., L, 6] their sums of s^2, s w, w^2, x0^2, x0 n0, n0^2, and
    `count` [..., L] is how many of them had both arms.
    """

    total: FloatArray
    closed: FloatArray
    moments: FloatArray
    count: FloatArray

    @classmethod
    def zeros(cls, shape: tuple[int, ...], lengths: int) -> Sums:
        size = (*shape, lengths)
        return cls(np.zeros((*shape, TERMS)), np.zeros((*size, TERMS)), np.zeros((*size, MOMENTS)), np.zeros(size))

    @property
    def parts(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """In the order of the fields."""
        return self.total, self.closed, self.moments, self.count

    def close(self, place: int, terms: FloatArray) -> None:
        """A longer block of length number `place` is full; its terms [..., 10]."""
        s, w, x, n = (terms[..., term] for term in (S, W, X0, N0))
        self.closed[..., place, :] += terms
        self.moments[..., place, :] += np.stack([s * s, s * w, w * w, x * x, x * n, n * n], axis=-1)
        self.count[..., place] += w > 0

    def difference(self) -> FloatArray:
        """Tested minus control per row [...], as the blocks with both of them show it; 0 before there is one."""
        w = self.total[..., W]
        return np.divide(self.total[..., S], w, out=np.zeros_like(w), where=w > 0)

    def dispersion(self) -> FloatArray:
        """C [...]: the lower end of how much more the block scores vary than independent rows would; 0 if unknown.

        The scores are centred by the difference found so far, so that a steady difference is no dispersion.
        """
        plain = self.closed[..., A]
        found = self.difference()[..., None]
        return self._lower_end(found, 0, np.maximum(variance(self.closed, found), LEAST_VARIANCE * plain))

    def control_dispersion(self) -> FloatArray:
        """[...] the same of the control's bad rows, about its own share: an incident makes it large."""
        x, n = self.closed[..., X0], self.closed[..., N0]
        share = np.divide(x, n, out=np.zeros_like(x), where=n > 0)
        return self._lower_end(share, 3, n * share * (1 - share))

    def _lower_end(self, centre: FloatArray, first: int, expected: FloatArray) -> FloatArray:
        """From the moments `first` on [..., L, 3]: the largest ratio [...] of squares about the centre to what is
        expected, less what noise makes of it.
        """
        squares, both, sizes = np.moveaxis(self.moments[..., first : first + 3], -1, 0)
        squares = squares - 2 * centre * both + centre * centre * sizes
        freedom = np.maximum(self.count - 1, 1.0)
        usable = (self.count > 1) & (expected > 0)
        ratio = np.divide(squares, expected, out=np.zeros_like(squares), where=usable) * (freedom + 1) / freedom
        return np.asarray((ratio * np.maximum(1 - 2 * np.sqrt(2 / freedom), 0.0)).max(axis=-1))

    def resized(self, size: int, axis: int = 0) -> Sums:
        """The same with an axis of the leading shape grown to `size`; what is new is zero."""
        return Sums(*(padded(part, size, axis) for part in self.parts))


def padded(part: FloatArray, size: int, axis: int = 0) -> FloatArray:
    """The array with zeros added at the end of an axis."""
    wanted = list(part.shape)
    wanted[axis] = size - part.shape[axis]
    return np.concatenate([part, np.zeros(wanted)], axis=axis)
