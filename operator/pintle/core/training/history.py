"""`status.runs`: what is remembered of runs, newest first, in a bounded number of bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pintle.api import reasons
from pintle.api.fields import MAX_RUN_MESSAGE
from pintle.core.conditions import clip_middle, timestamp
from pintle.core.plan import Obj
from pintle.core.training.states import FAILED, RUNNING
from pintle.core.training.triggers import Trigger

MAX_RUNS = 10
MAX_MESSAGE = MAX_RUN_MESSAGE
"""Bytes of a run's message: ten runs and the condition stay below 12 kB."""


@dataclass(frozen=True)
class Entry:
    """One run as it is remembered. Times are as Kubernetes writes them."""

    name: str
    definition: str
    result: str
    reason: str
    message: str = ""
    identity: str | None = None
    version: int | None = None
    start: str | None = None
    completion: str | None = None
    generation: int | None = None
    """metadata.generation of the spec that the run was made of, None where its Job does not tell."""
    spec: str | None = None
    """Short digest of that spec, without what no run can fail for."""
    trigger: Trigger | None = None
    """What started it, None where neither status nor Job tells."""
    answers: tuple[str, ...] = ()
    """Keys of all triggers that it answers, by its Job. This and what follows goes into the governor's memory."""
    listing: str | None = None
    """Short digest of the listing of the data that it read."""
    through: str | None = None
    """Time of the latest row that it was trained or judged on."""

    @property
    def is_by_hand(self) -> bool:
        """True where a person asked for it, by a definition, a changed spec or a word."""
        return self.trigger is None or self.trigger.is_by_hand

    @property
    def is_final(self) -> bool:
        return self.result != RUNNING

    @property
    def short_message(self) -> str:
        """The message as it is remembered."""
        return clip_middle(self.message, MAX_MESSAGE)

    def to_status(self) -> dict[str, Any]:
        """The entry as it is written."""
        made = {
            "name": self.name,
            "definition": self.definition,
            "result": self.result,
            "reason": self.reason,
            "message": self.short_message,
            "identity": self.identity,
            "version": self.version,
            "startTime": self.start,
            "completionTime": self.completion,
            "generation": self.generation,
            "spec": self.spec,
            "trigger": self.trigger.to_json() if self.trigger else None,
        }
        return {key: value for key, value in made.items() if value not in (None, "")}


def recorded(parent: Obj) -> list[Entry]:
    """The runs in the status of a TrainingJob, newest first."""
    return [_entry(item) for item in (parent.get("status") or {}).get("runs") or ()]


def ended_early(entry: Entry, reason: str, message: str, now: datetime) -> Entry:
    """A run that was cut short: its Job was deleted, by a person or for a new definition."""
    return replace(entry, result=FAILED, reason=reason, message=message, completion=timestamp(now))


def in_order(entries: Iterable[Entry], before: Iterable[Entry]) -> list[Entry]:
    """Newest first. Start times have whole seconds: where they are equal, the later generation leads; where that is
    equal too, the order of before stands, new ones lead.
    """
    rank = {entry.name: index for index, entry in enumerate(before)}
    ordered = sorted(entries, key=lambda entry: (rank.get(entry.name, -1), entry.name))
    return sorted(ordered, key=lambda entry: (entry.start or "", entry.generation or 0), reverse=True)


def kept(entries: list[Entry], limit: int, current: str | None) -> list[Entry]:
    """The newest `limit` runs; the newest, those that go on and the one of the present definition always."""
    newest = entries[:1]
    needed = [entry for entry in entries if entry in newest or not entry.is_final or entry.name == current][:MAX_RUNS]
    others = [entry for entry in entries if entry not in needed][: max(0, min(limit, MAX_RUNS) - len(needed))]
    return [entry for entry in entries if entry in needed or entry in others]


def spec_changed_since(failed: Entry, entries: Iterable[Entry], generation: int, spec: str) -> bool:
    """True when the spec was changed after a run was made of it; a change that was taken back counts if it was run.

    `generation` and `spec` (a digest) are those of today. Of a run whose own are not known nothing can be said; a
    generation below its own comes from an old view of the TrainingJob. Both are False.
    """
    if failed.generation is None or generation <= failed.generation:
        return False
    later = [entry.spec for entry in entries if (entry.generation or 0) > failed.generation]
    return any(other not in (None, failed.spec) for other in (spec, *later))


def newest_version(entries: list[Entry]) -> int | None:
    """Version of the newest run that made one that no gate refused."""
    return next((e.version for e in entries if e.version is not None and e.reason == reasons.TRAINED), None)


def _entry(item: Mapping[str, Any]) -> Entry:
    return Entry(
        name=item["name"],
        definition=item["definition"],
        result=item["result"],
        reason=item["reason"],
        message=item.get("message") or "",
        identity=item.get("identity"),
        version=item.get("version"),
        start=item.get("startTime"),
        completion=item.get("completionTime"),
        generation=item.get("generation"),
        spec=item.get("spec"),
        trigger=Trigger.from_json(item.get("trigger")),
    )
