"""The queue of keys to look at: each key once, one worker at a time per key, delays, and back-off after failures.

add ──> waiting ──(worker free)──> running ──> done      urgent ones before all that wait
         ^   ^                        │ added meanwhile: waiting again
         │   └────────────────────────┘
   delayed (heap by due time; an earlier date replaces a later one)
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable

from pintle.core.plan import Key
from pintle.ports.clock import Backoff, Clock

URGENT, USUAL, LAST = 0, 1, 2
END = (-1, 0, None)


class KeyedQueue:
    """Keys to look at. `take` and `done` are for workers, the rest for everybody on the event loop."""

    def __init__(self, clock: Clock, backoff: Backoff) -> None:
        self._clock = clock
        self._backoff = backoff
        self._waiting: dict[Key, int] = {}
        """With the rank of its place in the line; a place of another rank is passed over when its turn comes."""
        self._line: asyncio.PriorityQueue[tuple[int, int, Key | None]] = asyncio.PriorityQueue()
        self._running: dict[Key, float] = {}
        self._again: dict[Key, bool] = {}
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._order = itertools.count()
        self._failures: dict[Key, int] = {}
        self._rescheduled = asyncio.Event()
        self._closed = False

    def add(self, key: Key, urgent: bool = False) -> None:
        """Look at it as soon as a worker is free, if `urgent` before all that are not.

        Adding what waits already changes at most its place.
        """
        # A date's entry in the heap stays and is passed over when its time comes.
        self._due.pop(key, None)
        rank = URGENT if urgent else USUAL
        if key in self._running:
            self._again[key] = urgent or self._again.get(key, False)
        elif rank < self._waiting.get(key, LAST):
            self._waiting[key] = rank
            self._line.put_nowait((rank, next(self._order), key))

    def add_after(self, key: Key, seconds: float) -> None:
        """Look at it not later than this; the earliest of several dates counts."""
        due = self._clock.monotonic() + seconds
        if due < self._due.get(key, float("inf")):
            self._due[key] = due
            heapq.heappush(self._heap, (due, next(self._order), key))
            self._rescheduled.set()

    def add_backed_off(self, key: Key, at_least: float = 0.0) -> float:
        """Look again after a failure: longer every time. Returns the seconds."""
        self._failures[key] = self._failures.get(key, 0) + 1
        seconds = max(self._backoff(self._failures[key]), at_least)
        self.add_after(key, seconds)
        return seconds

    def succeeded(self, key: Key) -> None:
        """The next failure of this key is its first again."""
        self._failures.pop(key, None)

    def failures(self, key: Key) -> int:
        """How often in a row this key has failed."""
        return self._failures.get(key, 0)

    async def take(self) -> Key | None:
        """Of the most urgent keys the one that has waited longest, or None when closed. Follow it with `done`."""
        while True:
            rank, _, key = await self._line.get()
            if key is None or self._closed:
                self._line.put_nowait(END)
                return None
            if self._waiting.get(key) == rank:
                del self._waiting[key]
                self._running[key] = self._clock.monotonic()
                return key

    def done(self, key: Key) -> None:
        """The worker is through with it."""
        del self._running[key]
        if key in self._again:
            self.add(key, self._again.pop(key))

    def close(self) -> None:
        """No key is handed out any more; those that run go on."""
        self._closed = True
        self._line.put_nowait(END)
        self._rescheduled.set()

    async def keep_dates(self) -> None:
        """Move delayed keys to the waiting ones when they are due, until closed."""
        while not self._closed:
            self._rescheduled.clear()
            now = self._clock.monotonic()
            while self._heap and self._heap[0][0] <= now:
                due, _, key = heapq.heappop(self._heap)
                if self._due.get(key) == due:
                    self.add(key)
            await self._clock.wait(self._rescheduled, self._heap[0][0] - now if self._heap else None)

    def depth(self) -> int:
        """How many keys wait for a worker."""
        return len(self._waiting)

    def oldest_running(self) -> float:
        """For how many seconds the slowest worker has been at its key; 0 when all are idle."""
        return max((self._clock.monotonic() - since for since in self._running.values()), default=0.0)

    def idle(self) -> bool:
        """True when no key waits or runs."""
        return not self._waiting and not self._running


async def work(queue: KeyedQueue, look: Callable[[Key], Awaitable[None]]) -> None:
    """One worker: take a key, look, until the queue is closed. `look` keeps its own errors."""
    while (key := await queue.take()) is not None:
        try:
            await look(key)
        finally:
            queue.done(key)
