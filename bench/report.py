"""How every bench says its figures: a table on the terminal, the same figures as JSON with --json FILE."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One measured figure: all its samples, their unit and what was counted."""

    name: str
    unit: str
    samples: Sequence[float]
    note: str = ""

    def row(self) -> str:
        """Name, median, spread and count in fixed columns."""
        values = sorted(self.samples)
        middle = statistics.median(values)
        spread = f"{middle:>10.3f} {values[0]:>10.3f} {values[-1]:>10.3f} {len(values):>5}"
        return f"{self.name:<52} {spread}  {self.unit:<6} {self.note}"


@dataclass
class Report:
    """Figures of one bench run."""

    title: str
    figures: list[Figure] = field(default_factory=list)

    def add(self, name: str, unit: str, samples: Sequence[float], note: str = "") -> None:
        self.figures.append(Figure(name, unit, list(samples), note))

    def add_with_tail(self, name: str, unit: str, samples: Sequence[float], note: str = "") -> None:
        """And the 99th percentile: the smallest sample that 99 % do not exceed."""
        self.add(name, unit, samples, note)
        self.add("   its 99th percentile", unit, [sorted(samples)[max(0, -(-len(samples) * 99 // 100) - 1)]])

    def finish(self, json_file: str | None) -> None:
        """Prints the table; writes JSON where asked."""
        print(f"\n{self.title}")
        print(
            f"machine: {os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
            f"Python {platform.python_version()}"
        )
        print(f"{'':<52} {'median':>10} {'min':>10} {'max':>10} {'n':>5}")
        for figure in self.figures:
            print(figure.row())
        if json_file:
            Path(json_file).write_text(
                json.dumps({"title": self.title, "figures": [asdict(f) for f in self.figures]}, indent=1)
            )


def arguments(description: str) -> argparse.ArgumentParser:
    """A parser with --json; benches add their own options."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", metavar="FILE", help="write the figures as JSON, too")
    return parser
