"""What the governor remembers from look to look: `status.governor`, and what is put into it when runs end.

A run is counted when the status that tells of its end is written: the runs and the counts are one write. A trigger is
remembered as answered with the write that follows the creation of its Job; if that write was lost, the Job tells.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pintle.api import reasons
from pintle.core.conditions import parse_time, timestamp
from pintle.core.plan import Obj
from pintle.core.training.governor import Answer, recent, until
from pintle.core.training.history import Entry
from pintle.core.training.states import FAILED, SUCCEEDED

MAX_SEEN = 64
_NEUTRAL = (reasons.SUPERSEDED, reasons.RUN_DELETED)
"""A run that was cut short by a person says nothing about model or data."""


@dataclass(frozen=True)
class Listing:
    """What the throw-away pods that list the data have said."""

    number: int = 0
    """Of the last pod that was read."""
    digest: str | None = None
    """None where the data could not be listed."""
    time: str | None = None
    message: str = ""
    """Partitions in words, or why they could not be listed."""
    after: str | None = None
    """The newest run when they were listed: with another one the listing is of yesterday."""


@dataclass(frozen=True)
class Memory:
    """Times are as Kubernetes writes them, newest first; `seen` are keys of triggers, newest first."""

    seen: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    failures: int = 0
    refusals: int = 0
    read: str | None = None
    """Digest of the listing of the data that the last run read."""
    through: str | None = None
    """Time of the latest row that a run was trained or judged on."""
    schedule: str | None = None
    """Schedule and time zone that `schedule_time` is about."""
    schedule_time: str | None = None
    listing: Listing = Listing()

    def to_status(self, answer: Answer) -> dict[str, Any]:
        """`status.governor`."""
        held, brake = answer.held, answer.brake
        return {
            "refused": held.to_json() if held else None,
            "reason": brake.reason if brake else None,
            "message": brake.message if brake else None,
            "retryTime": until(brake),
            "triggeredTimes": list(self.times),
            "consecutiveFailures": self.failures or None,
            "consecutiveRefusals": self.refusals or None,
            "seen": list(self.seen),
            "schedule": self.schedule,
            "scheduleTime": self.schedule_time,
            "read": self.read,
            "through": self.through,
            "listing": self.listing.digest,
            "listingTime": self.listing.time,
            "listingMessage": self.listing.message or None,
            "listingNumber": self.listing.number or None,
            "listedAfter": self.listing.after,
        }

    def answered(self, keys: Iterable[str], present: Iterable[str], start: str | None = None) -> Memory:
        """With these keys answered, by a triggered run that began at `start`; `present` are never forgotten."""
        fresh = [key for key in dict.fromkeys(keys) if key]
        needed = [key for key in dict.fromkeys(present) if key in fresh or key in self.seen]
        known = list(dict.fromkeys([*fresh, *needed, *self.seen]))[:MAX_SEEN]
        return replace(self, seen=tuple(known), times=(start, *self.times) if start else self.times)


def remembered(parent: Obj) -> Memory:
    """The memory in the status of a TrainingJob."""
    status: Mapping[str, Any] = (parent.get("status") or {}).get("governor") or {}
    return Memory(
        seen=tuple(status.get("seen") or ()),
        times=tuple(status.get("triggeredTimes") or ()),
        failures=int(status.get("consecutiveFailures") or 0),
        refusals=int(status.get("consecutiveRefusals") or 0),
        read=status.get("read"),
        through=status.get("through"),
        schedule=status.get("schedule"),
        schedule_time=status.get("scheduleTime"),
        listing=Listing(
            number=int(status.get("listingNumber") or 0),
            digest=status.get("listing"),
            time=status.get("listingTime"),
            message=status.get("listingMessage") or "",
            after=status.get("listedAfter"),
        ),
    )


def brought_up_to_date(
    memory: Memory, entries: list[Entry], before: list[Entry], present: Iterable[str], now: datetime
) -> Memory:
    """The memory with what is new since the last status: runs that have ended, Jobs that it does not tell of."""
    told = {entry.name for entry in before if entry.is_final}
    present = tuple(present)
    for entry in reversed(entries):
        if entry.is_final and entry.name not in told:
            memory = _with_end(memory, entry)
        memory = _with_start(memory, entry, present)
    times = recent(filter(None, map(parse_time, memory.times)), now)
    return replace(memory, times=tuple(timestamp(moment) for moment in reversed(times)))


def _with_start(memory: Memory, entry: Entry, present: Iterable[str]) -> Memory:
    """A Job whose triggers are not remembered: the status after its creation was never written."""
    lost = [key for key in entry.answers if key not in memory.seen]
    if not lost:
        return memory
    counts = not entry.is_by_hand and entry.trigger is not None and entry.trigger.key in lost
    return memory.answered(lost, present, entry.start if counts else None)


def _with_end(memory: Memory, entry: Entry) -> Memory:
    if entry.result == SUCCEEDED or (entry.is_by_hand and entry.reason not in _NEUTRAL):
        memory = replace(memory, failures=0, refusals=0)
    if counts_as_failure(entry):
        memory = replace(memory, failures=memory.failures + 1, refusals=memory.refusals + (entry.version is not None))
    if entry.through:
        # By hand the data may have become others, with an earlier end.
        later = entry.through if entry.is_by_hand else max(entry.through, memory.through or "")
        memory = replace(memory, through=later)
    return replace(memory, read=entry.listing) if entry.listing else memory


def counts_as_failure(entry: Entry) -> bool:
    """Failed or refused. One that found too few rows to begin with, and one that was cut short, do not count."""
    if entry.result != FAILED or entry.reason in _NEUTRAL:
        return False
    return entry.reason != reasons.NEED_MORE_DATA or entry.version is not None


def rolled_back(entries: Iterable[Entry], versions: Collection[int]) -> int:
    """Of the newest runs those that made one of these versions (refused in production), back to the last good one."""
    count = 0
    for entry in entries:
        if entry.result == SUCCEEDED and entry.version not in versions:
            break
        count += entry.result == SUCCEEDED
        if entry.is_by_hand:
            break
    return count
