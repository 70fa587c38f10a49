"""Tables of simulated error rates: ours beside the goal, with the binomial interval of what was simulated."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from math import sqrt
from pathlib import Path

import numpy as np

NORMAL_95 = 1.959964


def interval(hits: float, trials: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson)."""
    share, z = hits / trials, NORMAL_95
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    spread = z * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)) / (1 + z * z / trials)
    return max(0.0, middle - spread), min(1.0, middle + spread)


@dataclass(frozen=True)
class Row:
    """One cell: how often something was found, and when."""

    name: str
    share: float
    low: float
    high: float
    trials: int
    seconds: float | None = None
    """Median over all trials; None where fewer than half were found."""
    rows: float | None = None
    """Median rows to it."""
    goal: str = ""

    @classmethod
    def of(cls, name: str, when: np.ndarray, rows: np.ndarray | None = None, goal: str = "") -> Row:
        """From the time [trials] of the finding (infinite: never) and the rows [trials] seen by then."""
        found = np.isfinite(when)
        low, high = interval(float(found.sum()), len(when))
        middle = float(np.median(when))
        known = np.isfinite(middle)
        seen = float(np.median(rows[found])) if rows is not None and known else None
        return cls(name, float(found.mean()), low, high, len(when), middle if known else None, seen, goal)

    def text(self) -> str:
        when = f"{self.seconds:.0f} s" if self.seconds else ""
        rows = "" if self.rows is None else f"{self.rows:.0f}"
        share = f"{self.share:.4f} ({self.low:.4f}-{self.high:.4f})"
        return f"  {self.name:<58} {share:<26} {when:>8} {rows:>7} {self.trials:>7}  {self.goal}"


@dataclass
class Tables:
    """All tables of one run; printed as they come."""

    title: str
    started: float = field(default_factory=time.monotonic)
    tables: dict[str, list[Row]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def begin(self, note: str) -> None:
        print(f"\n{self.title}")
        print(f"machine: {os.cpu_count()} cores, {platform.system()} {platform.machine()}, {platform.python_version()}")
        print(note)
        self.notes.append(note)

    def table(self, name: str) -> None:
        self.tables[name] = []
        print(f"\n{name}")
        print(f"  {'':<58} {'share (95 %)':<26} {'median':>8} {'rows':>7} {'trials':>7}  goal", flush=True)

    def add(self, row: Row) -> None:
        self.tables[list(self.tables)[-1]].append(row)
        print(row.text(), flush=True)

    def finish(self, json_file: str | None) -> None:
        print(f"\n{time.monotonic() - self.started:.0f} s")
        if json_file:
            tables = {name: [asdict(row) for row in rows] for name, rows in self.tables.items()}
            Path(json_file).write_text(
                json.dumps({"title": self.title, "notes": self.notes, "tables": tables}, indent=1)
            )


def chunks(total: int, size: int) -> Sequence[int]:
    """Sizes that add up to `total`, none above `size`: thousands of rollouts do not fit into memory at once."""
    return [min(size, total - start) for start in range(0, total, size)]
