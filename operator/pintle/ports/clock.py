"""Time, as the controller sees it; tests put a virtual one in its place."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Wall clock, monotonic clock and waiting."""

    def now(self) -> datetime:
        """Wall-clock time, UTC, aware."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        ...

    async def wait(self, event: asyncio.Event, seconds: float | None) -> bool:
        """Until the event is set (True) or the time is over (False); None waits for the event only."""
        ...


class Backoff(Protocol):
    """How long to wait before trying again."""

    def __call__(self, failures: int) -> float:
        """Seconds after this many failures in a row (1 or more)."""
        ...
