"""What the demo says while it works: numbered steps with the time they took, and how far a step is."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

NOTE_EVERY = 5.0


def clock(seconds: float) -> str:
    """`8.4 s` or `2 min 05 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"


@dataclass
class Step:
    """One step under way; `note` says how far it is: in place on a terminal, elsewhere by lines."""

    title: str
    out: TextIO
    started: float = field(default_factory=time.monotonic)
    result: str = ""
    _noted: float = 0.0
    _last: str = ""

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def note(self, text: str, changed: bool = False) -> None:
        """`changed` marks a new stage, which is worth a line of its own at once."""
        if self.out.isatty():
            self.out.write(f"\r\033[K     {text} · {clock(self.seconds)}")
            self.out.flush()
        elif text != self._last and (changed or time.monotonic() - self._noted >= NOTE_EVERY):
            print(f"     {text} · {clock(self.seconds)}", file=self.out, flush=True)
            self._noted, self._last = time.monotonic(), text

    def done(self, text: str) -> None:
        """What the step came to, for its last line."""
        self.result = text


@dataclass
class Progress:
    """Numbers the steps and keeps their times."""

    steps: int
    out: TextIO = field(default_factory=lambda: sys.stdout)
    times: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """A step; its end is printed with its result and time."""
        place = f"{len(self.times) + 1}/{self.steps}"
        print(f"{place}  {title}", file=self.out, flush=True)
        step = Step(title, self.out)
        try:
            yield step
        except BaseException:
            self._end(step, "FAILED")
            raise
        self._end(step, step.result or "done")
        self.times.append((title, step.seconds))

    def _end(self, step: Step, text: str) -> None:
        start = "\r\033[K" if self.out.isatty() else ""
        print(f"{start}     {text} · {clock(step.seconds)}", file=self.out, flush=True)
