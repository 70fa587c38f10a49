"""Counters of labels by revision and cohort, bounded, each of them 0 in the first scrape that shows it.

A label may come for a cohort of months ago, whose series this process has never had. A counter that begins above 0 is
invisible to whoever differences it, so a new series is 0 for one scrape and has its count from the next one on.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pintle.contract import metrics as names

MAX_COHORTS = 48
"""Of one revision, after a scrape; the one that got no label for longest goes first."""
MAX_REVISIONS = 4
"""After a scrape; the own one always stays."""
MAX_UNSEEN = 1_024
"""Cohorts of all revisions between two scrapes; what goes beyond that is told as dropped."""

Head = Callable[[str, Mapping[str, str]], bytes]
"""All of a line but its value, from name and labels."""
Cell = tuple[str, str]
"""Score bin and truth."""


@dataclass
class Cohort:
    """Labels of predictions that one revision made in one window."""

    heads: tuple[bytes, bytes, bytes]
    """Of sum, sum of squares and count of the loss."""
    cells: dict[Cell, int] = field(default_factory=dict)
    lines: dict[Cell, bytes] = field(default_factory=dict)
    """Heads of the cells that a scrape has shown."""
    loss: float = 0.0
    squares: float = 0.0
    count: int = 0
    shown: bool = False
    seen: int = 0
    """Labels that a scrape has shown."""


@dataclass(frozen=True)
class Series:
    """Whose labels: a revision with its version."""

    revision: str
    version: str


class LabelCounts:
    """Series of labels. Belongs to the event loop's thread."""

    def __init__(self, own: Series, head: Head, cells: tuple[Cell, ...]) -> None:
        """`cells`: all that the own revision may count, and others most likely, too."""
        self._own = own
        self._head = head
        self._cells = cells
        self._cohorts: OrderedDict[tuple[Series, int], Cohort] = OrderedDict()
        self.dropped = 0
        """Labels that were forgotten before a scrape saw them."""

    def begin(self, cohort: int) -> None:
        """Have the own revision's series of the window that runs now."""
        self._cohort(self._own, cohort)

    def add(self, series: Series, cohort: int, cell: Cell, loss: float) -> None:
        """Count one label."""
        found = self._cohort(series, cohort)
        found.cells[cell] = found.cells.get(cell, 0) + 1
        found.loss += loss
        found.squares += loss * loss
        found.count += 1

    def render(self) -> dict[str, list[bytes]]:
        """Lines by metric name; and what is too much is forgotten, once it has been shown."""
        lines: dict[str, list[bytes]] = {
            name: []
            for name in (
                names.FEEDBACK,
                names.FEEDBACK_LOSS_SUM,
                names.FEEDBACK_LOSS_SQUARES,
                names.FEEDBACK_LOSS_COUNT,
            )
        }
        for (series, window), cohort in self._cohorts.items():
            self._render_one(series, window, cohort, lines)
        self._forget()
        return lines

    def _cohort(self, series: Series, window: int) -> Cohort:
        key = (series, window)
        found = self._cohorts.get(key)
        if found is not None:
            self._cohorts.move_to_end(key)
            return found
        if len(self._cohorts) >= MAX_UNSEEN:
            _, oldest = self._cohorts.popitem(last=False)
            self.dropped += oldest.count - oldest.seen
        labels = self._labels(series, window)
        heads = [
            self._head(name, labels)
            for name in (names.FEEDBACK_LOSS_SUM, names.FEEDBACK_LOSS_SQUARES, names.FEEDBACK_LOSS_COUNT)
        ]
        found = self._cohorts[key] = Cohort((heads[0], heads[1], heads[2]), dict.fromkeys(self._cells, 0))
        return found

    @staticmethod
    def _labels(series: Series, window: int) -> dict[str, str]:
        return {"revision": series.revision, "version": series.version, "cohort": str(window)}

    def _render_one(self, series: Series, window: int, cohort: Cohort, lines: dict[str, list[bytes]]) -> None:
        cells = lines[names.FEEDBACK]
        complete = cohort.shown
        for cell, count in cohort.cells.items():
            line = cohort.lines.get(cell)
            if line is None:
                score_bin, truth = cell
                labels = self._labels(series, window) | {"score_bin": score_bin, "truth": truth}
                line = cohort.lines[cell] = self._head(names.FEEDBACK, labels)
                complete = complete and not count
                count = 0
            cells.append(b"%b%d\n" % (line, count))
        # Loss and cells tell of the same rows and move in the same scrape, but for a cell that only others have.
        loss, squares, rows = (cohort.loss, cohort.squares, cohort.count) if cohort.shown else (0.0, 0.0, 0)
        lines[names.FEEDBACK_LOSS_SUM].append(cohort.heads[0] + repr(loss).encode() + b"\n")
        lines[names.FEEDBACK_LOSS_SQUARES].append(cohort.heads[1] + repr(squares).encode() + b"\n")
        lines[names.FEEDBACK_LOSS_COUNT].append(b"%b%d\n" % (cohort.heads[2], rows))
        cohort.shown = True
        if complete:
            cohort.seen = cohort.count

    def _forget(self) -> None:
        """The newest keep their places; what no scrape has shown stays."""
        revisions = [self._own]
        kept: dict[Series, int] = {}
        for series, _ in reversed(self._cohorts):
            if series not in revisions:
                revisions.append(series)
        for key in list(reversed(self._cohorts)):
            series, cohort = key[0], self._cohorts[key]
            kept[series] = kept.get(series, 0) + 1
            too_much = revisions.index(series) >= MAX_REVISIONS or kept[series] > MAX_COHORTS
            if too_much and cohort.shown and cohort.seen == cohort.count:
                del self._cohorts[key]
