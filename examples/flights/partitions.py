"""Write the flights as monthly partitions, `2013-01.parquet` ...: python partitions.py FOLDER [--months 1-5]."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import features
import source

YEAR = 2013


@dataclass(frozen=True)
class Partition:
    """One written file."""

    path: Path
    rows: int
    late: float
    """Share of late flights."""
    without_label: int
    """Flights that were cancelled or diverted and so are not in the file."""


def write(
    folder: Path,
    months: Sequence[int],
    extra: Sequence[str] = (),
    done: Callable[[Partition], None] = lambda partition: None,
) -> list[Partition]:
    """Write one partition per month (of local time) into `folder`; same input, same bytes. Calls `done` after each."""
    folder.mkdir(parents=True, exist_ok=True)
    flights, weather = source.read_flights(tuple(months)), source.read_weather()
    written = []
    for month in months:
        table = features.feature_table(flights[flights["month"] == month], weather, extra)
        labelled = table[table[features.TARGET].notna()].astype({features.TARGET: "int64"})
        path = folder / f"{YEAR}-{month:02d}.parquet"
        # Never a half-written partition under a partition's name.
        unfinished = path.with_suffix(".tmp")
        labelled.to_parquet(unfinished, index=False)
        unfinished.replace(path)
        late = float(labelled[features.TARGET].mean())
        written.append(Partition(path, len(labelled), late, len(table) - len(labelled)))
        done(written[-1])
    return written


def months_of(text: str) -> list[int]:
    """`3` or `1-5` as a list of months. Raises ValueError."""
    first, _, last = text.partition("-")
    months = list(range(int(first), int(last or first) + 1))
    if not months or months[0] < 1 or months[-1] > 12:
        raise ValueError(f"{text!r} is not a month or a span of months such as 1-5")
    return months


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Write the 2013 flights out of New York as monthly partitions.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--months", type=months_of, default=list(range(1, 13)), help="such as 3 or 1-5 (default: all)")
    parser.add_argument(
        "--with",
        dest="extra",
        action="append",
        default=[],
        choices=["dep_delay"],
        help="carry a column along that is not known before departure, to show what a leak looks like",
    )
    options = parser.parse_args(arguments)
    start = time.monotonic()

    def report(partition: Partition) -> None:
        place = f"{options.months.index(int(partition.path.stem[-2:])) + 1}/{len(options.months)}"
        print(
            f"{place:>5}  {partition.path.name}  {partition.rows:6,} flights, {partition.late:5.1%} late, "
            f"{partition.without_label:5,} cancelled or diverted left out  {time.monotonic() - start:5.1f} s",
            flush=True,
        )

    write(options.folder, options.months, options.extra, report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
