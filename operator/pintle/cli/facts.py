"""Reading objects as the API server gives them: conditions, times, names. Nothing here raises for what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pintle.cli.kubectl import MODEL_DEPLOYMENT, MODEL_VERSION, TRAINING_JOB, Obj


@dataclass(frozen=True)
class World:
    """Everything of one namespace (or of all) that a command looks at."""

    jobs: tuple[Obj, ...] = ()
    versions: tuple[Obj, ...] = ()
    deployments: tuple[Obj, ...] = ()

    @classmethod
    def of(cls, objects: Iterable[Obj]) -> World:
        """Objects of the three kinds, in any order."""
        groups: dict[str, list[Obj]] = {TRAINING_JOB: [], MODEL_VERSION: [], MODEL_DEPLOYMENT: []}
        for obj in sorted(objects, key=lambda obj: (namespace_of(obj), name_of(obj))):
            groups[obj["kind"]].append(obj)
        return cls(*(tuple(groups[kind]) for kind in (TRAINING_JOB, MODEL_VERSION, MODEL_DEPLOYMENT)))

    def version(self, namespace: str, model: str, number: Any) -> Obj | None:
        """The ModelVersion of this number, if it is still there."""
        return next(
            (
                obj
                for obj in self.versions
                if namespace_of(obj) == namespace and model_of(obj) == model and obj["spec"]["version"] == number
            ),
            None,
        )


def name_of(obj: Obj) -> str:
    return str(obj["metadata"]["name"])


def namespace_of(obj: Obj) -> str:
    return str(obj["metadata"].get("namespace", ""))


def model_of(obj: Obj) -> str:
    """Name of the model that an object is about."""
    return str(obj["spec"].get("modelName") or name_of(obj))


def status_of(obj: Obj) -> Mapping[str, Any]:
    return obj.get("status") or {}


def conditions_of(obj: Obj) -> list[Mapping[str, Any]]:
    """As the object has them, in its order."""
    return list(status_of(obj).get("conditions") or ())


def condition(obj: Obj, kind: str) -> Mapping[str, Any]:
    """The condition of a type; empty where it has none."""
    return next((item for item in conditions_of(obj) if item.get("type") == kind), {})


def kept(**fields: Any) -> dict[str, Any]:
    """The fields that say something: without None, empty texts, lists and mappings."""
    return {key: value for key, value in fields.items() if value is not None and value not in ("", [], {})}


def parse_time(text: Any) -> datetime | None:
    """An aware time, or None."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def seconds_between(start: Any, end: datetime | Any) -> float | None:
    """From one time to another, None where one is missing."""
    begun, ended = parse_time(start), end if isinstance(end, datetime) else parse_time(end)
    return (ended - begun).total_seconds() if begun and ended else None


def duration(seconds: float | None) -> str:
    """As kubectl writes ages: 45s, 12m, 3h, 2d; nothing for None."""
    if seconds is None:
        return ""
    left = max(0, int(seconds))
    for unit, size in (("d", 172800), ("h", 10800), ("m", 120)):
        if left >= size:
            return f"{left // {'d': 86400, 'h': 3600, 'm': 60}[unit]}{unit}"
    return f"{left}s"


def age(since: Any, now: datetime) -> str:
    """How long ago, or nothing."""
    return duration(seconds_between(since, now))


def until(moment: Any, now: datetime) -> str:
    """How long it is till then; 0s when it is past, nothing where it is no time."""
    since = seconds_between(moment, now)
    return "" if since is None else duration(-since)
