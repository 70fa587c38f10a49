"""Which bins many values fall into, by arrays: never value by value.

What a bin holds is defined by `pintle.contract.profile.bin_of`; a property test holds this here to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pintle.contract.manifest import MISSING_STRING
from pintle.contract.profile import (
    BIN_MISSING,
    BIN_OTHER,
    BIN_RARE,
    BIN_UNSEEN,
    NUMBER_TAIL,
    STRING_TAIL,
    FeatureProfile,
    OutputProfile,
    float32,
)
from pintle.serve.models import Float32

Cells = npt.NDArray[np.int64]
BLOCK_ROWS = 256
"""Numbers are sorted in blocks: so many are sorted without a branch, four times as many take thirty times as long."""
LOWEST = float(np.finfo(np.float32).min)


class NumberBins:
    """Counts columns of numbers: a column is sorted, and then each limit is looked up in it, not each value."""

    def __init__(self, columns: Sequence[tuple[int, FeatureProfile | OutputProfile, int]]) -> None:
        """For each profile the column that it counts, and the cell of its first bin."""
        self._columns: list[tuple[int, Float32]] = []
        cells: list[int] = []
        above: list[int] = []
        below: list[int] = []
        negative: list[tuple[int, int]] = []
        at = 0
        for column, profile, start in columns:
            edges = [max(float32(edge), LOWEST) for edge in profile.edges]
            limits = np.array([LOWEST, *edges, np.inf, np.nan], dtype=np.float32)
            self._columns.append((column, limits))
            bins, infinite, missing = len(edges) + 1, at + len(limits) - 2, at + len(limits) - 1
            tail = start + bins
            # each bin, by how many values lie below its ends
            cells += [*range(start, tail), tail + NUMBER_TAIL.index(BIN_OTHER), tail + NUMBER_TAIL.index(BIN_MISSING)]
            below += [*range(at, infinite), infinite, missing]
            above += [*range(at + 1, infinite + 1), missing, -1]
            negative.append((tail + NUMBER_TAIL.index(BIN_OTHER), at))
            at += len(limits)
        self._cells, self._above, self._below = (np.array(part, dtype=np.intp) for part in (cells, above, below))
        self._other, self._lowest = (np.array(part, dtype=np.intp) for part in zip(*negative, strict=True))

    def count(self, rows: Float32, bins: Cells) -> None:
        """Add the bins of `rows` [rows, columns] to the cells."""
        for start in range(0, len(rows), BLOCK_ROWS):
            block = rows[start : start + BLOCK_ROWS].T.copy(order="C")
            block.sort(axis=1)
            found = [block[column].searchsorted(limits) for column, limits in self._columns]
            smaller = np.concatenate([*found, [block.shape[1]]])
            bins[self._cells] += smaller[self._above] - smaller[self._below]
            bins[self._other] += smaller[self._lowest]


class StringBins:
    """Counts strings into the bins from `start` on."""

    def __init__(self, profile: FeatureProfile, start: int) -> None:
        first = start + len(profile.categories)
        self._unseen = first + STRING_TAIL.index(BIN_UNSEEN)
        self._cell = dict.fromkeys(profile.rare, first + STRING_TAIL.index(BIN_RARE))
        self._cell.update({category: start + index for index, category in enumerate(profile.categories)})
        self._cell[MISSING_STRING] = first + STRING_TAIL.index(BIN_MISSING)

    def count(self, values: Sequence[str], bins: Cells) -> None:
        """Add the bins of the values to the cells."""
        for value, count in Counter(values).items():
            bins[self._cell.get(value, self._unseen)] += count
