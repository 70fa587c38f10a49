"""What a run can be in, and a run with everything that is known of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pintle.contract.run import RunRequest
from pintle.core.conditions import parse_time
from pintle.core.plan import Obj
from pintle.resources.collect_pod import collect_number
from pintle.resources.model_version import Trained
from pintle.resources.run_job import ANNOTATION_ENDED, request_of

SUCCEEDED, UNCHANGED, FAILED, RUNNING = "Succeeded", "Unchanged", "Failed", "Running"
PATIENCE = timedelta(seconds=30)
"""News of a Job and of its pods come by two ways: how long the one that is late may take."""


@dataclass(frozen=True)
class Going:
    """The run goes on, or its news are not complete."""

    reason: str
    message: str
    look_again: timedelta | None = None


@dataclass(frozen=True)
class Stop:
    """The run cannot start and has had its time."""

    reason: str
    message: str


@dataclass(frozen=True)
class Over:
    """The run has ended. With `trained`, its model is to be registered if `version` is None."""

    result: str
    reason: str
    message: str
    identity: str | None = None
    version: int | None = None
    completed: str | None = None
    trained: Trained | None = None
    listing: str | None = None
    """Short digest of the listing of the data that it read."""
    through: str | None = None
    """Time of the latest row that it was trained or judged on."""


@dataclass(frozen=True)
class Collect:
    """The run made a model, but its result is gone. `number` is that of the pod to be made, None while one works."""

    message: str
    number: int | None = None
    look_again: timedelta | None = None


@dataclass(frozen=True)
class Run:
    """A run that has a Job, with everything that is known of it."""

    job: Obj
    all_pods: tuple[Obj, ...]
    versions: tuple[Obj, ...]

    @property
    def pods(self) -> tuple[Obj, ...]:
        """The pods of the Job itself."""
        return tuple(pod for pod in self.all_pods if collect_number(self.name, pod["metadata"]["name"]) is None)

    @property
    def collectors(self) -> dict[int, Obj]:
        """The pods that read its record, by number."""
        numbered = ((collect_number(self.name, pod["metadata"]["name"]), pod) for pod in self.all_pods)
        return {number: pod for number, pod in numbered if number is not None}

    @property
    def name(self) -> str:
        return str(self.job["metadata"]["name"])

    @property
    def request(self) -> RunRequest | None:
        return request_of(self.job)


def finished(job: Obj) -> bool:
    """True when the Job is over, by its controller's word or because we stopped it for good."""
    return end_of(job) is not None or ended_word(job) is not None


def ended_word(job: Obj) -> dict[str, str] | None:
    """What we wrote on a Job that we stopped for good."""
    text = (job["metadata"].get("annotations") or {}).get(ANNOTATION_ENDED)
    if not text:
        return None
    try:
        word = json.loads(text)
    except ValueError:
        return None
    return word if isinstance(word, dict) and "reason" in word else None


def end_of(job: Obj) -> dict[str, Any] | None:
    """The Job controller's last word: the condition Complete or Failed, or None."""
    return _condition(job, "Complete", "Failed")


def failing(job: Obj) -> dict[str, Any] | None:
    """The condition FailureTarget: the Job has failed, and its pods are being ended; Failed follows with the last."""
    return _condition(job, "FailureTarget")


def _condition(job: Obj, *types: str) -> dict[str, Any] | None:
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition["type"] in types and condition["status"] == "True":
            return dict(condition)
    return None


def late(completed: str | None, now: datetime) -> bool:
    """True as long as news of the pods may still come."""
    moment = parse_time(completed)
    return moment is not None and now - moment < PATIENCE
