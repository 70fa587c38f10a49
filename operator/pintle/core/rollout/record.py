"""The truth of a rollout: who gets which share, who leaves, what was done last. One annotation beside the weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from pintle.resources.revision import Revision

FULL = 100


@dataclass(frozen=True)
class Deed:
    """Something that was done to the traffic; becomes the newest entry of status.history."""

    time: str
    action: str
    revision: str
    version: int
    why: str

    def to_dict(self) -> dict[str, Any]:
        return {
            "time": self.time,
            "action": self.action,
            "revision": self.revision,
            "version": self.version,
            "why": self.why,
        }


@dataclass(frozen=True)
class Claim:
    """The alias this deployment holds. The sequence grows with every move, so that the later claim is told apart."""

    name: str
    version: int
    sequence: int

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "version": self.version, "sequence": self.sequence}


@dataclass(frozen=True)
class Record:
    """Revisions are named by their 8 hex digits; an empty name means none. Times are RFC 3339."""

    stable: str = ""
    canary: str = ""
    """In the route beside the stable; so far with weight 0, until it takes over."""
    weights: Mapping[str, int] = field(default_factory=dict)
    """Percent for every revision in the route; 100 in all."""
    revisions: Mapping[str, Revision] = field(default_factory=dict)
    """What every revision named here is made of."""
    retiring: Mapping[str, str] = field(default_factory=dict)
    """Revisions out of the route, and since when: they finish their requests, then go."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Revisions that must not be tried again, and why."""
    since: str = ""
    """When the weights became what they are."""
    alias: Claim | None = None
    last: Deed | None = None
    sequence: int = 0
    """Grows with every write."""

    @property
    def serving(self) -> Revision | None:
        """The stable revision."""
        return self.revisions.get(self.stable)

    def with_(self, **changes: Any) -> Record:
        return replace(self, **changes)

    def same_as(self, other: Record) -> bool:
        """Equal but for the number of the write."""
        return replace(self, sequence=other.sequence) == other

    def to_json(self) -> str:
        raw: dict[str, Any] = {
            "stable": self.stable,
            "canary": self.canary,
            "weights": dict(self.weights),
            "revisions": {name: revision.to_dict() for name, revision in self.revisions.items()},
            "retiring": dict(self.retiring),
            "refused": dict(self.refused),
            "since": self.since,
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
            alias, last = raw.get("alias"), raw.get("last")
            record = cls(
                stable=str(raw["stable"]),
                canary=str(raw.get("canary", "")),
                weights={str(name): int(weight) for name, weight in raw["weights"].items()},
                revisions={name: Revision.from_dict(name, facts) for name, facts in raw.get("revisions", {}).items()},
                retiring={name: format_time(parse_time(at)) for name, at in raw.get("retiring", {}).items()},
                refused={str(name): str(why) for name, why in raw.get("refused", {}).items()},
                since=format_time(parse_time(raw["since"])),
                alias=Claim(alias["name"], int(alias["version"]), int(alias["sequence"])) if alias else None,
                last=Deed(**last) if last else None,
                sequence=int(raw["sequence"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        return record if record._consistent() else None

    def _consistent(self) -> bool:
        in_route = {self.stable, self.canary} - {""}
        return (
            self.stable in self.revisions
            and set(self.weights) == in_route
            and in_route <= set(self.revisions)
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
