"""What asks for a run besides a new definition: a person, causes of deployments, new data, the schedule.

A trigger is answered once, by the first run that starts after it was there, whatever that run was started for. Its key
is the same for one cause and another for the next; keys that were answered are kept in the status and on the Job.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pintle.api.watching import CAUSES
from pintle.contract import names
from pintle.contract.digest import digest_value, short
from pintle.core.conditions import clip, clip_middle
from pintle.core.plan import Obj

DEFINITION, SPEC, PERSON, NEW_DATA, SCHEDULE = "Definition", "Spec", "Person", "NewData", "Schedule"
BY_HAND = frozenset((DEFINITION, SPEC, PERSON))
"""Started by what a person wrote: neither counted nor braked, and a new beginning for the counts of failures."""
# Of several that wait the first in this order is the one that a run is started for.
_ORDER = ("Rollback", "LabelledMetric", "EstimatedMetric", "PredictionDrift", "FeatureDrift", NEW_DATA, SCHEDULE)
MAX_CAUSES = 40
"""Causes that are looked at, the oldest first: as many keys are surely remembered."""
MAX_ID, MAX_SOURCE, MAX_MESSAGE = 40, 50, 96
KEY_LENGTH = 10


@dataclass(frozen=True)
class Trigger:
    """Why a run is wanted, or was made."""

    kind: str
    id: str = ""
    source: str = ""
    """ModelDeployment that asks; of a person the name that was given."""
    message: str = ""
    """With the figures that caused it."""

    @property
    def key(self) -> str:
        """By which it is remembered as answered; empty for a definition, which has its digest."""
        if not self.id:
            return ""
        return short(digest_value([self.kind, "" if self.kind == PERSON else self.source, self.id]), KEY_LENGTH)

    @property
    def is_by_hand(self) -> bool:
        return self.kind in BY_HAND

    @property
    def is_cause(self) -> bool:
        """True when a deployment asks."""
        return self.kind in CAUSES

    @property
    def says(self) -> str:
        """In words: `FeatureDrift of delays: wind 0.31`."""
        whose = (" by " if self.kind == PERSON else " of ") + self.source if self.source else ""
        return f"{self.kind}{whose}" + (f": {self.message}" if self.message else "")

    def to_json(self) -> dict[str, Any]:
        """As the run request and the status have it."""
        made = {
            "kind": self.kind,
            "id": self.id,
            "source": self.source,
            "message": clip_middle(self.message, MAX_MESSAGE),
        }
        return {key: value for key, value in made.items() if value}

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> Trigger | None:
        """None where there is none."""
        if not value or not value.get("kind"):
            return None
        return cls(*(str(value.get(key) or "") for key in ("kind", "id", "source", "message")))


def in_order(triggers: Iterable[Trigger]) -> list[Trigger]:
    """A person first, then what says most about the serving model."""
    rank = {kind: number for number, kind in enumerate((PERSON, *_ORDER))}
    return sorted(triggers, key=lambda trigger: (rank.get(trigger.kind, len(rank)), trigger.source, trigger.id))


def asked_by_person(parent: Obj) -> tuple[Trigger | None, str]:
    """The wish in the annotation `pintle.dev/run`, and what is wrong with it; both empty where there is none."""
    text = (parent["metadata"].get("annotations") or {}).get(names.ANNOTATION_RUN)
    if not text:
        return None, ""
    try:
        word = json.loads(text)
    except ValueError:
        word = None
    identity = word.get("id") if isinstance(word, Mapping) else None
    if not isinstance(identity, str | int) or isinstance(identity, bool) or not str(identity):
        return None, f'the annotation {names.ANNOTATION_RUN} is written {{"id": "...", "by": "..."}}'
    assert isinstance(word, Mapping)
    return Trigger(PERSON, _id(str(identity)), clip(str(word.get("by") or ""), MAX_SOURCE)), ""


def asking(parent: Obj, deployments: Iterable[Obj]) -> list[Obj]:
    """The deployments that name this TrainingJob in spec.retrain and act by themselves."""
    name = parent["metadata"]["name"]
    return [
        item
        for item in deployments
        if _retrain(item).get("trainingJobRef", {}).get("name") == name
        and item["spec"].get("automation", "Act") == "Act"
        and not item["metadata"].get("deletionTimestamp")
    ]


def causes(deployments: Iterable[Obj]) -> list[Trigger]:
    """What these deployments have found and retrain for."""
    found = []
    for item in deployments:
        wanted = _retrain(item).get("causes") or ()
        for cause in (item.get("status") or {}).get("causes") or ():
            if cause["cause"] in wanted:
                name = item["metadata"]["name"]
                trigger = Trigger(cause["cause"], _id(cause["id"]), name, cause.get("message") or "")
                found.append((cause.get("since") or "", name, cause["cause"], trigger))
    return [trigger for *_, trigger in sorted(found, key=lambda entry: entry[:3])[:MAX_CAUSES]]


def _id(text: str) -> str:
    """As it fits into the status, so that it reads back as the same."""
    return text if len(text.encode()) <= MAX_ID else short(digest_value(text), 16)


def _retrain(deployment: Obj) -> Mapping[str, Any]:
    return deployment["spec"].get("retrain") or {}
