"""Tables of simulated error rates: ours beside the others' and the goal, with binomial intervals."""

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

from bench.judgement.cells import Findings, Runner, Table, Words

NORMAL_95 = 1.959964
CELL = 30
"""Width of a column."""


def interval(hits: float, trials: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson)."""
    share, z = hits / trials, NORMAL_95
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    spread = z * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)) / (1 + z * z / trials)
    return max(0.0, middle - spread), min(1.0, middle + spread)


@dataclass(frozen=True)
class Share:
    """How often something was found, and when."""

    share: float
    low: float
    high: float
    trials: int
    seconds: float | None = None
    """Median over all trials; None where fewer than half were found."""
    rows: float | None = None
    """Median rows to it, of those that were found."""

    @classmethod
    def of(cls, when: Sequence[float], rows: Sequence[float]) -> Share:
        """From the time [trials] of the finding (infinite: never) and the rows [trials] seen by then."""
        found = np.isfinite(when)
        low, high = interval(float(found.sum()), len(when))
        middle = float(np.median(when))
        if not np.isfinite(middle) or middle <= 0:
            return cls(float(found.mean()), low, high, len(when))
        seen = float(np.median(np.asarray(rows)[found]))
        return cls(float(found.mean()), low, high, len(when), middle, seen or None)

    def text(self) -> str:
        said = f"{_short(self.share)} ({_short(self.low)}-{_short(self.high)})"
        if self.seconds is not None:
            said += f" {_time(self.seconds)}" + (f" {self.rows:,.0f}" if self.rows else "")
        return said


def _short(share: float) -> str:
    """`.0012`, `1.00`."""
    return "1.00" if share >= 0.9995 else f"{share:.4f}".removeprefix("0") if share < 0.1 else f"{share:.3f}"[1:]


def _time(seconds: float) -> str:
    if seconds < 7200:
        return f"{seconds:.0f}s"
    return f"{seconds / 3600:.1f}h" if seconds < 2 * 86_400 else f"{seconds / 86_400:.0f}d"


@dataclass
class Printed:
    """All tables of one run; printed as they come."""

    title: str
    seeds: tuple[int, ...]
    started: float = field(default_factory=time.monotonic)
    tables: dict[str, dict[str, dict[str, object]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def begin(self, *notes: str) -> None:
        print(f"\n{self.title}")
        print(f"machine: {os.cpu_count()} cores, {platform.system()} {platform.machine()}, {platform.python_version()}")
        for note in notes:
            print(note)
        self.notes += notes

    def show(self, item: Table | Words, runner: Runner) -> None:
        if isinstance(item, Table):
            self.table(item, runner)
        else:
            self.say(item)

    def table(self, table: Table, runner: Runner) -> None:
        """Simulate and print it; ours with every seed, the others with the first."""
        first, *more = self.seeds
        found = runner.findings((line.job for line in table.lines), first)
        again = {seed: runner.findings((line.job for line in table.lines), seed) for seed in more}
        heads = [*table.columns[:1], *(f"seed {seed}" for seed in more), *table.columns[1:]]
        wide = max(len(line.name) for line in table.lines)
        print(f"\n{table.name}")
        print(f"  {'':<{wide}} " + "".join(f"{head:<{CELL - 1}} " for head in heads) + "goal", flush=True)
        kept = self.tables.setdefault(table.name, {})
        for line in table.lines:
            picks = dict(line.picks)
            row = {column: _share(found[line.job.key], name) for column, name in picks.items()}
            cells = [row.get(column) for column in table.columns]
            others = [_share(again[seed][line.job.key], next(iter(picks.values()))) for seed in more]
            texts = [cell.text() if cell else "-" for cell in (cells[0], *others, *cells[1:])]
            print(f"  {line.name:<{wide}} " + "".join(f"{text:<{CELL - 1}} " for text in texts) + line.goal, flush=True)
            named = {column: asdict(cell) for column, cell in row.items()}
            named |= {f"seed {seed}": asdict(cell) for seed, cell in zip(more, others, strict=True)}
            kept[line.name] = {**named, "goal": line.goal}

    def say(self, words: Words) -> None:
        """What is no share."""
        print(f"\n{words.name}", flush=True)
        lines = []
        for line in words.lines():
            print(f"  {line}", flush=True)
            lines.append(line)
        self.tables[words.name] = {line: {} for line in lines}

    def finish(self, json_file: str | None) -> None:
        print(f"\n{time.monotonic() - self.started:.0f} s")
        if json_file:
            whole = {"title": self.title, "notes": self.notes, "tables": self.tables}
            Path(json_file).write_text(json.dumps(whole, indent=1))


def _share(found: Findings, name: str) -> Share:
    return Share.of(*found[name])
