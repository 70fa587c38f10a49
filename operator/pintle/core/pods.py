"""Reading a pod's status: what ended how, what cannot start and since when, what took the pod away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pintle.api import reasons
from pintle.contract import result as results
from pintle.core.conditions import clip_start, parse_time
from pintle.core.plan import Obj

# Why a container waits, as the kubelet calls it -> our reason.
_START_TROUBLE = {
    "ErrImagePull": reasons.IMAGE_PULL_FAILED,
    "ImagePullBackOff": reasons.IMAGE_PULL_FAILED,
    "ErrImageNeverPull": reasons.IMAGE_PULL_FAILED,
    "ImageInspectError": reasons.IMAGE_PULL_FAILED,
    "RegistryUnavailable": reasons.IMAGE_PULL_FAILED,
    "InvalidImageName": reasons.IMAGE_PULL_FAILED,
    "CreateContainerConfigError": reasons.CONTAINER_CONFIG_INVALID,
    "CreateContainerError": reasons.CONTAINER_CONFIG_INVALID,
    "RunContainerError": reasons.CONTAINER_CONFIG_INVALID,
}
_HOPELESS = ("InvalidImageName",)
"""Trouble that no waiting mends."""
MAX_TAIL = 900


@dataclass(frozen=True)
class Ended:
    """A container that has terminated."""

    container: str
    code: int
    reason: str
    """The kubelet's word: Completed, Error, OOMKilled, StartError ..."""
    message: str
    finished: datetime | None

    @property
    def result(self) -> Mapping[str, Any]:
        """The container's result; empty where its message is none (a log tail)."""
        return results.decode(self.message) or {}

    @property
    def says(self) -> str:
        """What went wrong, in words: the result's message, or exit code and last lines."""
        if self.result.get("message"):
            return str(self.result["message"])
        if self.reason == "OOMKilled":
            return (
                f"{self.container} was killed for using more memory than its limit (OOMKilled, exit code {self.code})"
            )
        if self.reason == "StartError":
            return f"{self.container} could not be started: {clip_start(self.message.strip(), MAX_TAIL)}"
        tail = clip_start(self.message.strip(), MAX_TAIL)
        return f"{self.container} ended with exit code {self.code}" + (f": {tail}" if tail else " and said nothing")


@dataclass(frozen=True)
class StartTrouble:
    """A container that cannot start."""

    container: str
    reason: str
    image: str
    message: str
    since: datetime
    hopeless: bool

    @property
    def says(self) -> str:
        """The same words as long as the trouble lasts; the kubelet's own change with every try."""
        if self.reason == reasons.IMAGE_PULL_FAILED:
            return f"{self.container}: the image {self.image} cannot be pulled"
        return f"{self.container}: the container cannot be made"


def ended(pod: Obj) -> dict[str, Ended]:
    """Containers that have terminated, by name."""
    found = {}
    for status in _statuses(pod):
        state = (status.get("state") or {}).get("terminated")
        if state:
            found[status["name"]] = Ended(
                status["name"],
                int(state.get("exitCode", 0)),
                state.get("reason") or "",
                state.get("message") or "",
                parse_time(state.get("finishedAt")),
            )
    return found


def first_failure(pod: Obj) -> Ended | None:
    """The first container, in the order of the pod, that ended with another code than 0. Sidecars do not count."""
    done = ended(pod)
    sidecars = _sidecars(pod)
    for name in container_names(pod):
        if name in done and done[name].code != 0 and name not in sidecars:
            return done[name]
    return None


def start_trouble(pod: Obj) -> StartTrouble | None:
    """The container that cannot start, or None. It waits since its predecessor ended (or started, for a sidecar)."""
    began = [
        parse_time((pod.get("status") or {}).get("startTime")) or parse_time(pod["metadata"].get("creationTimestamp"))
    ]
    trouble: Mapping[str, Any] | None = None
    for status in _statuses(pod):
        state = status.get("state") or {}
        began.append(parse_time((state.get("running") or {}).get("startedAt")))
        began.append(parse_time((state.get("terminated") or {}).get("finishedAt")))
        if trouble is None and (state.get("waiting") or {}).get("reason") in _START_TROUBLE:
            trouble = status
    moments = [moment for moment in began if moment is not None]
    if trouble is None or not moments:
        return None
    waiting = trouble["state"]["waiting"]
    return StartTrouble(
        container=trouble["name"],
        reason=_START_TROUBLE[waiting["reason"]],
        image=_image(pod, trouble["name"]) or trouble.get("image") or "",
        message=waiting.get("message") or waiting["reason"],
        since=max(moments),
        hopeless=waiting["reason"] in _HOPELESS,
    )


def disruption(pod: Obj) -> str | None:
    """Who took the pod away (eviction, preemption, a lost node), or None."""
    status = pod.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition["type"] == "DisruptionTarget" and condition["status"] == "True":
            return str(condition.get("reason") or "DisruptionTarget")
    return str(status["reason"]) if status.get("reason") in ("Evicted", "NodeLost", "Shutdown", "Preempting") else None


def accepted(pod: Obj) -> datetime | None:
    """When a kubelet took the pod."""
    return parse_time((pod.get("status") or {}).get("startTime"))


def unschedulable(pod: Obj) -> str | None:
    """Why no node takes the pod, in the scheduler's words, or None."""
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return str(condition.get("message") or condition.get("reason") or "it is not scheduled")
    return None


def phase(pod: Obj) -> str:
    return str((pod.get("status") or {}).get("phase") or "Pending")


def running(pod: Obj) -> set[str]:
    """Names of the containers that run."""
    return {status["name"] for status in _statuses(pod) if (status.get("state") or {}).get("running")}


def image_id(pod: Obj, container: str) -> str | None:
    """The image as the node resolved it."""
    return next((status.get("imageID") or None for status in _statuses(pod) if status["name"] == container), None)


def container_names(pod: Obj) -> list[str]:
    """All containers in the order in which they run."""
    spec = pod.get("spec") or {}
    return [item["name"] for item in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))]


def going(pod: Obj) -> bool:
    """True while someone is deleting it."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def newest(pods: tuple[Obj, ...] | list[Obj]) -> Obj | None:
    """The pod made last; by name where two were made in the same second."""
    return max(
        pods, key=lambda pod: (pod["metadata"].get("creationTimestamp") or "", pod["metadata"]["name"]), default=None
    )


def _statuses(pod: Obj) -> Iterator[Mapping[str, Any]]:
    """Container statuses in the order of the pod."""
    status = pod.get("status") or {}
    by_name = {
        item["name"]: item
        for item in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    }
    return (by_name[name] for name in container_names(pod) if name in by_name)


def _sidecars(pod: Obj) -> set[str]:
    return {
        c["name"] for c in (pod.get("spec") or {}).get("initContainers") or () if c.get("restartPolicy") == "Always"
    }


def _image(pod: Obj, container: str) -> str | None:
    spec = pod.get("spec") or {}
    items = (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    return next((item.get("image") for item in items if item["name"] == container), None)
