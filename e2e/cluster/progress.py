"""Progress on the terminal (what, how far, how long) and the step times kept for `bench/cluster`."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import paths


class Step:
    """One named piece of work; `note()` says how far it is."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.cached = False
        self.telling = True
        self._started = time.monotonic()
        self._noted = self._started

    @property
    def seconds(self) -> float:
        """Since the step began."""
        return time.monotonic() - self._started

    def note(self, text: str, every: float = 10.0) -> None:
        """Say how far it is: on a terminal in place, elsewhere a line every `every` seconds."""
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\033[K  {self.name}: {text} ({_clock(self.seconds)})")
            sys.stderr.flush()
        elif time.monotonic() - self._noted >= every:
            self._noted = time.monotonic()
            print(f"  {self.name}: {text} ({_clock(self.seconds)})", file=sys.stderr, flush=True)


@contextmanager
def step(name: str, group: str = "boot") -> Iterator[Step]:
    """Time a step, print its end and keep its duration.

    One that found everything done says nothing about how long the work takes, and must not overwrite the figure of
    the one that did it: `cached` says that there was nothing to do (no line either), `telling = False` that little was.
    """
    current = Step(name)
    try:
        yield current
    except BaseException:
        _line(f"  {name}: FAILED after {_clock(current.seconds)}")
        raise
    if current.cached:
        return
    _line(f"  {name}: {_clock(current.seconds)}")
    if current.telling:
        record(group, name, current.seconds)


def say(text: str) -> None:
    """A line that is not a step."""
    _line(text)


def record(group: str, name: str, seconds: float, at: Path | None = None) -> None:
    """Keep the newest duration of a step in `times.json`; losing a figure never fails the work itself."""
    file = at or paths.cache_dir() / "times.json"
    try:
        times = json.loads(file.read_text())
    except (OSError, ValueError):
        times = {}
    times.setdefault(group, {})[name] = {"seconds": round(seconds, 2), "time": int(time.time())}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(times, indent=1) + "\n")
        part.replace(file)
    except OSError as error:
        _line(f"  (step times not kept: {error})")


def _line(text: str) -> None:
    clear = "\r\033[K" if sys.stderr.isatty() else ""
    print(clear + text, file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60):02d} s"
