"""The real clock, and back-off with jitter."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime


class SystemClock:
    """The machine's clock and the running event loop."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def wait(self, event: asyncio.Event, seconds: float | None) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return False
        return True


@dataclass(frozen=True)
class ExponentialBackoff:
    """Doubles from `first` up to `longest` seconds; half of it is chance, so that many do not come back at once."""

    first: float = 0.5
    longest: float = 300.0

    def __call__(self, failures: int) -> float:
        ceiling = min(self.longest, self.first * 2.0 ** min(failures - 1, 30))
        return ceiling * (0.5 + 0.5 * random.random())
