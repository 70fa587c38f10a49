"""What is simulated: cells of a table, cut into chunks that any core can take and that are kept once they are there.

A chunk is known by what it simulates, its seed and the code that judges; a run that was stopped goes on where it was,
and a change of the code begins anew.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pintle.contract import psi
from pintle.core.judgement import drift, history, onsets, score, settings, sums, weighing

HERE = Path(__file__).parent
CODE = [Path(str(module.__file__)) for module in (psi, drift, history, onsets, score, settings, sums, weighing)]
TABLES = ("__init__.py", "__main__.py", "table.py", "cells.py")
"""Files here that do not change what is simulated."""

Findings = dict[str, tuple[list[float], list[float]]]
"""By rule (and outcome): per trial when something was found (infinite: never), and the rows by then."""


@dataclass(frozen=True)
class Job:
    """A simulation: `call(*args, count, rng)` gives Findings of `count` trials. Arguments are told apart by repr."""

    call: Callable[..., Findings]
    args: tuple[Any, ...]
    chunk: int = 250
    trials: float = 1.0
    """Of so many trials as asked for: days of a feature cost more than rollouts."""

    @property
    def key(self) -> str:
        return f"{self.call.__module__}.{self.call.__qualname__}{self.args!r}"


@dataclass(frozen=True)
class Line:
    """A row of a table: which findings of a job stand in which column."""

    name: str
    job: Job
    picks: tuple[tuple[str, str], ...]
    """(column, name of the finding)."""
    goal: str = ""


@dataclass(frozen=True)
class Table:
    name: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Words:
    """Lines of text under a title."""

    name: str
    lines: Callable[[], Iterable[str]]


class Chunk(NamedTuple):
    """`count` trials of a job."""

    job: Job
    seed: int
    place: int
    count: int

    def name(self, code: str) -> str:
        said = json.dumps([self.job.key, self.seed, self.place, self.count, code])
        return hashlib.sha256(said.encode()).hexdigest()[:24]


def chunks_of(job: Job, trials: int, seed: int) -> Iterator[Chunk]:
    """Chunks that add up to the trials: thousands of rollouts do not fit into memory at once."""
    left = max(round(trials * job.trials), 2)
    for place in range(-(-left // job.chunk)):
        yield Chunk(job, seed, place, min(job.chunk, left - place * job.chunk))


def simulate(chunk: Chunk) -> Findings:
    """In any process, in any order, the same."""
    word = int.from_bytes(hashlib.sha256(chunk.job.key.encode()).digest()[:8], "big")
    rng = np.random.default_rng([chunk.seed, chunk.place, word])
    with np.errstate(all="raise", under="ignore"):
        return chunk.job.call(*chunk.job.args, chunk.count, rng)


def code_digest() -> str:
    """Changes with the code that simulates or judges."""
    files = [*CODE, *sorted(file for file in HERE.glob("*.py") if file.name not in TABLES)]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


@dataclass
class Store:
    """Finished chunks, a file each; None: nothing is kept."""

    folder: Path | None
    code: str = field(default_factory=code_digest)

    def get(self, chunk: Chunk) -> Findings | None:
        file = self._file(chunk)
        if file is None or not file.exists():
            return None
        found = json.loads(file.read_text())
        return {name: (parts[0], parts[1]) for name, parts in found.items()}

    def put(self, chunk: Chunk, found: Findings) -> None:
        file = self._file(chunk)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_suffix(".part")
            part.write_text(json.dumps(found))
            part.replace(file)

    def _file(self, chunk: Chunk) -> Path | None:
        return None if self.folder is None else self.folder / f"{chunk.name(self.code)}.json"


class OutOfTime(Exception):
    """The time allowed is over; what is there is kept."""


@dataclass
class Runner:
    """Has the findings of jobs, from what is kept or from all cores."""

    trials: int
    store: Store
    seconds: float | None = None
    processes: int = field(default_factory=lambda: os.cpu_count() or 1)
    started: float = field(default_factory=time.monotonic)

    def findings(self, jobs: Iterable[Job], seed: int) -> dict[str, Findings]:
        """By the key of the job. Raises OutOfTime once `seconds` are over."""
        chunks = [chunk for job in dict.fromkeys(jobs) for chunk in chunks_of(job, self.trials, seed)]
        parts = {chunk: self.store.get(chunk) for chunk in chunks}
        for chunk, found in self._work([chunk for chunk, found in parts.items() if found is None]):
            self.store.put(chunk, found)
            parts[chunk] = found
        whole: dict[str, Findings] = {}
        for chunk, part in parts.items():
            assert part is not None
            mine = whole.setdefault(chunk.job.key, {})
            for name, (when, rows) in part.items():
                known = mine.setdefault(name, ([], []))
                known[0].extend(when)
                known[1].extend(rows)
        return whole

    def _work(self, chunks: Sequence[Chunk]) -> Iterator[tuple[Chunk, Findings]]:
        if self.processes < 2 or len(chunks) < 2:
            for chunk in chunks:
                self._check_time()
                yield chunk, simulate(chunk)
            return
        with multiprocessing.get_context("fork").Pool(self.processes) as pool:
            for chunk, found in zip(chunks, pool.imap(simulate, chunks), strict=True):
                yield chunk, found
                self._check_time()

    def _check_time(self) -> None:
        if self.seconds is not None and time.monotonic() - self.started > self.seconds:
            print("\nout of time: the same command goes on from here", file=sys.stderr)
            raise OutOfTime
