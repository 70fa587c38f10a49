"""Late onsets: the score test once more, from each of some moments on.

A canary that was good for an hour and then fails has an hour of good rows in the sums; by the sums of the whole
rollout, the longer it was good the later it would be found. So the evidence is the largest of the whole rollout and of
what came since each *onset*, a moment that is fixed beforehand (every fourth block of the rollout).

alpha holds for all of them together: evidence of the whole costs MAIN_COST nats, that of onset number i log(1 / w_i)
with MAIN_SHARE + sum of w_i = 1 (a mixture of tests is a test, and the largest part of a sum is at most the sum).
What is kept does not grow with the rollout but for a logarithm: onset i is forgotten after LIFETIME times the largest
power of two that divides i, in onsets. Any age has an onset that is at most two thirds older.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pintle.core.judgement.samples import BoolArray, FloatArray
from pintle.core.judgement.score import HEADROOM, S, W, log_evidence, variance
from pintle.core.judgement.sums import Sums, padded

EVERY_BLOCKS = 4
"""Between two onsets. With few good blocks before a change, what changed does not pass for dispersion."""
MAIN_SHARE = 0.9
"""Of alpha, for the whole rollout: who is bad from the beginning is found as soon as without any onsets, nearly."""
MAIN_COST = log(1 / MAIN_SHARE)
DECAY = 1.5
ZETA = 2.6124
"""The sum of i ** -DECAY over all i from 1 on, rounded up."""
LIFETIME = 4
LEAST_BLOCKS = 2.5
"""As many like blocks have to show it (three, with some noise): one burst or two, of which nobody has seen the like
before, are no onset."""
NEARLY = 0.9
CONTROL_SECONDS = 600.0
"""So far back the control is looked at, at least: one that varies a lot, as at the ends of an incident that the two
revisions feel some seconds apart, leaves nothing to be seen in a few minutes."""


def cost(number: int) -> float:
    """Nats that evidence since onset `number` (from 1) has to have more: log(1 / w_i)."""
    return log(ZETA / (1 - MAIN_SHARE)) + DECAY * log(number)


def forgotten(number: int, now: int) -> bool:
    """Whether onset `number` is no longer kept when it is the turn of onset `now`."""
    return now - number >= LIFETIME * (number & -number)


class Found(NamedTuple):
    """By the onset that says most: evidence [...], the number of its first block [...], terms [..., 10] since then."""

    worse: FloatArray
    onset: FloatArray
    since: FloatArray


@dataclass
class Onsets:
    """K onsets that are kept, oldest first.

    `sums` [K, ...] and the dispersion C `before` [K, ...] are as they were at that moment.
    """

    control: int
    """Onsets in CONTROL_SECONDS."""
    numbers: list[int]
    sums: Sums
    before: FloatArray

    @classmethod
    def none(cls, shape: tuple[int, ...], lengths: int, grid_seconds: float) -> Onsets:
        control = ceil(CONTROL_SECONDS / (EVERY_BLOCKS * grid_seconds))
        return cls(control, [], Sums.zeros((0, *shape), lengths), np.zeros((0, *shape)))

    def turn(self, blocks: int, now: Sums) -> None:
        """So many blocks are over, and these are their sums."""
        number, rest = divmod(blocks, EVERY_BLOCKS)
        if rest:
            return
        kept = [place for place, known in enumerate(self.numbers) if not forgotten(known, number)]
        self.numbers = [self.numbers[place] for place in kept] + [number]
        pairs = zip(self.sums.parts, now.parts, strict=True)
        self.sums = Sums(*(np.concatenate([old[kept], new[None]]) for old, new in pairs))
        self.before = np.concatenate([self.before[kept], now.dispersion()[None]])

    def best(
        self,
        now: Sums,
        tolerated: FloatArray | float,
        least: FloatArray,
        rho: FloatArray | float,
        above: FloatArray,
    ) -> Found | None:
        """The onsets with most evidence; None where no one has more than `above` [...] (infinite: nobody asks).

        `least` [...] is what the dispersion is at least.
        """
        if not self.numbers:
            return None
        total = now.total - self.sums.total
        s, w = total[..., S], total[..., W]
        score, spread = s - tolerated * w, variance(total, tolerated)
        costs = np.array([cost(number) for number in self.numbers]).reshape(-1, *(1,) * above.ndim)
        bursts = np.maximum(least, self.before)
        rho = np.broadcast_to(rho, score.shape)
        at_most = log(2.0) + score * score / (2 * bursts * (spread + rho * bursts)) - costs
        # Dispersion only takes away, and takes most of the time: not where there is nothing to gain.
        worth = (score > 0) & (at_most > above) & (s * s >= LEAST_BLOCKS * self._squares(now))
        if not worth.any():
            return None
        since = self._since(now, np.arange(len(self.numbers)), worth)
        dispersion = np.maximum(bursts[worth], since.dispersion())
        restless = HEADROOM * self._since(now, self._longer(), worth).control_dispersion()
        dispersion = np.maximum(dispersion, restless)
        found = np.full(score.shape, -np.inf)
        found[worth] = log_evidence(score[worth], spread[worth], dispersion, rho[worth] * dispersion)
        found -= costs
        most = found.max(axis=0)
        # For people the youngest that says nearly as much: good rows before a change add nothing and take nothing away.
        best = len(found) - 1 - (found >= NEARLY * most)[::-1].argmax(axis=0)
        blocks = np.array(self.numbers, dtype=float)[best] * EVERY_BLOCKS
        return Found(most, blocks, np.take_along_axis(total, best[None, ..., None], axis=0)[0])

    def _squares(self, now: Sums) -> FloatArray:
        """[K, ...] the sum of s^2 of the shortest blocks since each onset: s^2 itself where one block has it all."""
        return now.moments[..., 0, 0] - self.sums.moments[..., 0, 0]

    def _longer(self) -> npt.NDArray[np.intp]:
        """[K] by onset the place of the one from which on the control is looked at: itself, or ten minutes; -1: all."""
        newest = self.numbers[-1]
        old = [place for place, number in enumerate(self.numbers) if newest - number >= self.control]
        return np.minimum(np.arange(len(self.numbers)), len(old) - 1)

    def _since(self, now: Sums, places: npt.NDArray[np.intp], worth: BoolArray) -> Sums:
        """What came since the onsets at these places [K] (-1: the beginning), where it is worth it [K, ...]."""
        found = []
        for new, old in zip(now.parts, self.sums.parts, strict=True):
            then = old[places]
            then[places < 0] = 0.0
            found.append(np.broadcast_to(new, old.shape)[worth] - then[worth])
        return Sums(*found)

    def resized(self, size: int) -> Onsets:
        """The same with the leading axis of the sums grown to `size`."""
        return Onsets(self.control, self.numbers, self.sums.resized(size, 1), padded(self.before, size, 1))
