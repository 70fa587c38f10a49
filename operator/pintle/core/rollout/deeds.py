"""What stands in the record beside weights and times: deeds with their figures, refusals, words, the alias."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

# Actions of deeds, as status.history and the audit trail name them.
SERVE = "Serve"
RESTORE = "Restore"
STEP = "Step"
PROMOTE = "Promote"
ACCEPT = "Accept"
ROLLBACK = "Rollback"
GO_BACK = "GoBack"
REFUSE = "Refuse"
RETURN = "Return"
WITHDRAW = "Withdraw"
LOSE = "Lose"
REGAIN = "Regain"
STAND_IN = "StandIn"
ADJUST = "Adjust"
PAUSE = "Pause"
RESUME = "Resume"
CLEAR = "Clear"
ASK = "Ask"
WARN = "Warn"
TELL = "Tell"
"""Something that people are told, and that changes nothing."""
WOULD = "Would"
"""Put before the action that automation Observe leaves to a person."""


@dataclass(frozen=True)
class Figures:
    """What a deed was decided from. `value` is of the revision it is about, `stable_value` of the other one."""

    rule: str = ""
    query: str = ""
    value: float | None = None
    stable_value: float | None = None
    rows: float | None = None
    stable_rows: float | None = None
    evidence: float | None = None
    """In nats."""
    threshold: float | None = None
    by: str = ""
    """Who asked for it, as claimed."""

    def to_dict(self) -> dict[str, Any]:
        """Without what is unknown."""
        return {item.name: value for item in fields(self) if (value := getattr(self, item.name)) not in (None, "")}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Figures:
        """Raises TypeError or ValueError for what are no figures."""
        texts = ("rule", "query", "by")
        known: dict[str, Any] = {key: str(value) if key in texts else float(value) for key, value in raw.items()}
        return cls(**known)


@dataclass(frozen=True)
class Deed:
    """Something that was done to the traffic; becomes the newest entry of status.history."""

    time: str
    action: str
    revision: str
    version: int
    why: str
    figures: Figures = Figures()

    def to_dict(self) -> dict[str, Any]:
        figures = self.figures.to_dict()
        return {
            "time": self.time,
            "action": self.action,
            "revision": self.revision,
            "version": self.version,
            "why": self.why,
        } | ({"figures": figures} if figures else {})

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Deed:
        """Raises KeyError, TypeError or ValueError for what is no deed."""
        time, action, revision, why = (str(raw[key]) for key in ("time", "action", "revision", "why"))
        return cls(time, action, revision, int(raw["version"]), why, Figures.from_dict(raw.get("figures") or {}))


@dataclass(frozen=True)
class Claim:
    """The alias this deployment holds. The sequence grows with every move, so that the later claim is told apart."""

    name: str
    version: int
    sequence: int

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "version": self.version, "sequence": self.sequence}


@dataclass(frozen=True)
class Refusal:
    """A revision that is not tried again until a person clears it."""

    version: int
    why: str
    time: str

    def to_dict(self) -> dict[str, Any]:
        return {"version": self.version, "why": self.why, "time": self.time}

    @classmethod
    def from_raw(cls, raw: Any) -> Refusal:
        """Raises KeyError, TypeError or ValueError for what is none."""
        if isinstance(raw, str):
            # As records were written before a refusal had a version and a time.
            return cls(0, raw, "")
        return cls(int(raw["version"]), str(raw["why"]), str(raw["time"]))


@dataclass(frozen=True)
class Word:
    """The last word of a person, and what became of it: Done, Stale or Refused. Its id is not heard again."""

    id: str
    verb: str
    result: str
    message: str
    by: str
    time: str

    def to_dict(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in fields(self)}
