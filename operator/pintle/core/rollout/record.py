"""The truth of a rollout: who gets which share, how far it is, what was refused. One annotation beside the weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any

from pintle.core.rollout.deeds import Claim, Deed, Refusal, Word
from pintle.resources.revision import Revision

FULL = 100
MOST_REFUSED = 8
"""So many refusals are remembered, the newest: the status has room for no more."""


@dataclass(frozen=True)
class Course:
    """How far a rollout or a guard is. A new one begins with an empty course; times are RFC 3339, "" is not yet."""

    step: int = 0
    """Index into the planned steps."""
    stepped: str = ""
    """When that step began; empty before the first one."""
    origin: str = ""
    """When the tested revision first got traffic: start of the trial, of its grid and of its evidence."""
    due: str = ""
    """From when deadlineSeconds count: the origin, or the last time a person let it go on."""
    guarded: str = ""
    """When the guard began."""
    counted: int = 0
    """Requests that the canary had answered when the step began."""
    asked: int = 0
    """So many steps a person wants taken without further judgement (1: the first; one more than there are: promote)."""
    released: int = 0
    """The pause step that a person let go (1: the first step)."""
    paused: str = ""
    """Why it waits for a person."""
    losses: int = 0
    """How often the tested revision had no ready pod left while it had traffic."""
    blinded: str = ""
    """Since when nothing can be judged."""
    blind: float = 0.0
    """Seconds for which nothing could be judged before that."""
    would: str = ""
    """What automation Observe has said it would do, so that it says it once."""

    def to_dict(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Course:
        """Raises ValueError for a time that is none."""
        known: dict[str, Any] = {key: _time(raw.get(key)) for key in ("stepped", "origin", "due", "guarded", "blinded")}
        known |= {key: max(int(raw.get(key) or 0), 0) for key in ("step", "counted", "asked", "released", "losses")}
        known |= {key: str(raw.get(key) or "") for key in ("paused", "would")}
        return cls(**known, blind=float(raw.get("blind") or 0.0))


@dataclass(frozen=True)
class Record:
    """Revisions are named by their 8 hex digits; an empty name means none. Times are RFC 3339."""

    stable: str = ""
    canary: str = ""
    """In the route beside the stable until it takes over."""
    previous: str = ""
    """During the guard, in the route beside the stable: the way back."""
    weights: Mapping[str, int] = field(default_factory=dict)
    """Percent for every revision in the route; 100 in all."""
    revisions: Mapping[str, Revision] = field(default_factory=dict)
    """What every revision named here is made of."""
    retiring: Mapping[str, str] = field(default_factory=dict)
    """Revisions out of the route, and since when: they finish their requests, then go."""
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    """Revisions that must not be tried again."""
    former: str = ""
    """The revision that served before the stable: where a rollback without a version goes."""
    back: str = ""
    """The revision that a person wants to serve again, whatever the spec says, until it does."""
    since: str = ""
    """When the weights became what they are."""
    course: Course = Course()
    word: Word | None = None
    alias: Claim | None = None
    last: Deed | None = None
    sequence: int = 0
    """Grows with every write."""

    @property
    def serving(self) -> Revision | None:
        """The stable revision."""
        return self.revisions.get(self.stable)

    @property
    def front(self) -> str:
        """The revision with the traffic: the stable, unless another stands in for it."""
        if self.weights.get(self.stable):
            return self.stable
        return max(self.weights, key=lambda name: self.weights[name], default="")

    @property
    def in_guard(self) -> bool:
        return bool(self.previous)

    def with_(self, **changes: Any) -> Record:
        return replace(self, **changes)

    def on(self, **changes: Any) -> Record:
        """The same with changes to its course."""
        return replace(self, course=replace(self.course, **changes))

    def refuse(self, revision: Revision, why: str, time: str) -> Record:
        """The same with a revision that is not to be tried again; of too many refusals the oldest is forgotten."""
        others = sorted(
            ((name, refusal) for name, refusal in self.refused.items() if name != revision.name),
            key=lambda item: item[1].time,
        )
        kept = dict(others[1 - MOST_REFUSED :] if len(others) >= MOST_REFUSED else others)
        return replace(self, refused={**kept, revision.name: Refusal(revision.version, why, time)})

    def tidy(self) -> Record:
        """The same without the facts of revisions that nothing here names any more."""
        named = {self.stable, self.canary, self.previous, self.former, self.back}
        return replace(self, revisions={name: facts for name, facts in self.revisions.items() if name in named})

    def same_as(self, other: Record) -> bool:
        """Equal but for the number of the write."""
        return replace(self, sequence=other.sequence) == other

    def to_json(self) -> str:
        raw: dict[str, Any] = {
            "stable": self.stable,
            "canary": self.canary,
            "previous": self.previous,
            "weights": dict(self.weights),
            "revisions": {name: revision.to_dict() for name, revision in self.revisions.items()},
            "retiring": dict(self.retiring),
            "refused": {name: refusal.to_dict() for name, refusal in self.refused.items()},
            "former": self.former,
            "back": self.back,
            "since": self.since,
            **self.course.to_dict(),
            "word": self.word.to_dict() if self.word else None,
            "alias": self.alias.to_dict() if self.alias else None,
            "last": self.last.to_dict() if self.last else None,
            "sequence": self.sequence,
        }
        kept = {key: value for key, value in raw.items() if value or key in ("stable", "weights", "sequence")}
        return json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | None) -> Record | None:
        """The record, or None where the text is lost, is none, or contradicts itself."""
        try:
            raw = json.loads(text or "")
            alias, last, word = raw.get("alias"), raw.get("last"), raw.get("word")
            record = cls(
                stable=str(raw["stable"]),
                canary=str(raw.get("canary", "")),
                previous=str(raw.get("previous", "")),
                weights={str(name): int(weight) for name, weight in raw["weights"].items()},
                revisions={name: Revision.from_dict(name, facts) for name, facts in raw.get("revisions", {}).items()},
                retiring={name: format_time(parse_time(at)) for name, at in raw.get("retiring", {}).items()},
                refused={str(name): Refusal.from_raw(found) for name, found in raw.get("refused", {}).items()},
                former=str(raw.get("former", "")),
                back=str(raw.get("back", "")),
                since=format_time(parse_time(raw["since"])),
                course=Course.from_dict(raw),
                word=Word(**{key: str(value) for key, value in word.items()}) if word else None,
                alias=Claim(alias["name"], int(alias["version"]), int(alias["sequence"])) if alias else None,
                last=Deed.from_dict(last) if last else None,
                sequence=int(raw["sequence"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        return record if record._consistent() else None

    def _consistent(self) -> bool:
        in_route = {self.stable, self.canary, self.previous} - {""}
        return (
            self.stable in self.revisions
            and not (self.canary and self.previous)
            and self.stable not in (self.canary, self.previous)
            and set(self.weights) == in_route
            and in_route | ({self.back, self.former} - {""}) <= set(self.revisions)
            and sum(self.weights.values()) == FULL
            and min(self.weights.values()) >= 0
        )


def format_time(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds: pauses of a second are measured with it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """Raises ValueError for what is no RFC 3339 time with a zone."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return at


def _time(raw: Any) -> str:
    return format_time(parse_time(raw)) if raw else ""
