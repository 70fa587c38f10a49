"""Conditions and statuses: what changed, since when, and in how many bytes. Shared by all three kinds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pintle.api import reasons
from pintle.api.fields import MAX_CONDITION_MESSAGE
from pintle.core.clipping import clip as clip
from pintle.core.clipping import clip_middle as clip_middle
from pintle.core.clipping import clip_start as clip_start
from pintle.core.fitting import fitted
from pintle.core.plan import Event, Obj

TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"
HARMLESS = frozenset(
    (
        reasons.COMPLETE,
        reasons.NOT_SERVING,
        reasons.WAITING_FOR_VERSION,
        reasons.STARTING,
        reasons.REPLACING,
        reasons.SCALED_TO_ZERO,
        reasons.STEPPING,
        reasons.AWAITING_EVIDENCE,
        reasons.GUARDING,
        reasons.AWAITING_GATEWAY,
        reasons.PAUSED,
        reasons.OBSERVING,
    )
)
"""Reasons for which a condition is False while all goes as it was asked: nobody should be woken by them."""
ALARMS = frozenset(
    (
        reasons.ALIAS_CONFLICT,
        reasons.FEATURE_DRIFT,
        reasons.PREDICTION_DRIFT,
        reasons.TRAINING_SERVING_SKEW,
        reasons.DATA_STALE,
        reasons.DEGRADED,
        reasons.ESTIMATED_DEGRADED,
        reasons.LABELS_SELECTIVE,
    )
)
"""Types of conditions that are bad when True; all others are bad when False."""
# Bytes are what the 20 kB of an object are counted in. A ModelDeployment keeps less of each (fitting.py).
MAX_MESSAGE = MAX_CONDITION_MESSAGE


@dataclass(frozen=True)
class Condition:
    """A condition as decided, before it is known since when it holds."""

    type: str
    status: str
    reason: str
    message: str = ""


def timestamp(moment: datetime) -> str:
    """A time as Kubernetes writes it: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str | None) -> datetime | None:
    """An aware time, or None where there is none or it cannot be read."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def conditions_of(parent: Obj) -> dict[str, Mapping[str, Any]]:
    """The conditions of an object by type."""
    return {item["type"]: item for item in (parent.get("status") or {}).get("conditions") or ()}


def is_true(obj: Obj, type_: str) -> bool:
    """True when the object has this condition with status True."""
    return (conditions_of(obj).get(type_) or {}).get("status") == TRUE


def set_conditions(parent: Obj, wanted: Iterable[Condition], now: datetime) -> list[dict[str, Any]]:
    """The wanted conditions, in their order; lastTransitionTime moves only where the status does."""
    before = conditions_of(parent)
    generation = parent["metadata"].get("generation")
    made = []
    for condition in wanted:
        old = before.get(condition.type) or {}
        same = old.get("status") == condition.status and old.get("lastTransitionTime")
        entry: dict[str, Any] = {
            "type": condition.type,
            "status": condition.status,
            "reason": condition.reason,
            "message": clip_middle(condition.message, MAX_MESSAGE),
            "lastTransitionTime": old["lastTransitionTime"] if same else timestamp(now),
        }
        if generation is not None:
            entry["observedGeneration"] = generation
        made.append(entry)
    return made


def is_trouble(condition: Condition) -> bool:
    """Whether a person should look: what should be True is False, and not on the way there; or an alarm is True."""
    if condition.type in ALARMS:
        return condition.status == TRUE
    return condition.status == FALSE and condition.reason not in HARMLESS


def transitions(parent: Obj, wanted: Iterable[Condition]) -> tuple[Event, ...]:
    """One event for each condition whose status or reason is another than before."""
    before = conditions_of(parent)
    return tuple(
        Event("Warning" if is_trouble(condition) else "Normal", condition.reason, clip(condition.message, 900))
        for condition in wanted
        if (before.get(condition.type, {}).get("status"), before.get(condition.type, {}).get("reason"))
        != (condition.status, condition.reason)
    )


def changed(parent: Obj, status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The status, tidied and within the bounds of the API, if it is another than the parent has; else None."""
    tidy = fitted(parent["kind"], without_empty(status))
    return None if tidy == without_empty(parent.get("status") or {}) else tidy


def without_empty(value: Any) -> Any:
    """Mappings without entries that are None, an empty list or an empty mapping, at any depth."""
    if isinstance(value, Mapping):
        tidy = {key: without_empty(inner) for key, inner in value.items()}
        return {key: inner for key, inner in tidy.items() if inner is not None and inner != [] and inner != {}}
    if isinstance(value, list | tuple):
        return [without_empty(inner) for inner in value]
    return value
