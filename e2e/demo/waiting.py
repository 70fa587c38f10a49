"""Waits for the demo's objects, saying what they are doing; ends at once where the operator gave up."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from pintle.api import meanings, reasons

from e2e.demo import objects
from e2e.demo.terminal import Step
from e2e.kubectl import Kubectl, condition

POLL_SECONDS = 1.0

Obj = Mapping[str, Any]


class DemoError(Exception):
    """The demo cannot go on; the message is for a person and names what to look at."""


def is_current(obj: Obj, kind: str) -> bool:
    """True when the condition speaks of the object as it is written now."""
    found = condition(obj, kind)
    seen = found.get("observedGeneration", obj.get("status", {}).get("observedGeneration"))
    return bool(found) and seen == obj["metadata"].get("generation")


def state(obj: Obj, kind: str) -> str:
    """One condition as a line: `Succeeded=Unknown Running: Training`."""
    found = condition(obj, kind)
    if not found:
        return f"{kind}: not looked at yet"
    message = found.get("message", "").split("\n")[0][:100]
    return f"{kind}={found['status']} {found['reason']}" + (f": {message}" if message else "")


def await_condition(kube: Kubectl, step: Step, kind: str, name: str, wanted: str, seconds: float) -> Obj:
    """The object once `wanted` is True for its present generation.

    Raises DemoError at the time limit, or as soon as the condition is False in a way that only a person changes.
    """
    return _await(kube, step, kind, name, seconds, lambda found: _judge(found, kind, name, wanted), wanted)


def _await(
    kube: Kubectl, step: Step, kind: str, name: str, seconds: float, met: Callable[[Obj], bool], wanted: str
) -> Obj:
    deadline, last = time.monotonic() + seconds, ""
    while True:
        found = kube.get(kind, name)
        if found is not None and met(found):
            return found
        now = "not there yet" if found is None else state(found, wanted)
        doing = containers(kube.list("pods", selector(kind, name)))
        text = f"{kind}/{name} {now}" + (f" [{doing}]" if doing else "")
        step.note(text, changed=text != last)
        last = text
        if time.monotonic() > deadline:
            raise DemoError(f"{kind}/{name} after {seconds:.0f} s: {now}\nlook: {look(kind, name)}")
        time.sleep(POLL_SECONDS)  # between two looks


def _judge(found: Obj, kind: str, name: str, wanted: str) -> bool:
    if not is_current(found, wanted):
        return False
    held = condition(found, wanted)
    if held["status"] == "True":
        return True
    if held["status"] == "False" and gave_up(found):
        raise DemoError(
            f"{kind}/{name} {wanted}=False {held['reason']}: {held.get('message', '')}\nlook: {look(kind, name)}"
        )
    return False


# Not final in general (a person may act meanwhile), but nobody will during a demo.
HOPELESS = {reasons.REVISION_NOT_READY, reasons.ALIAS_CONFLICT, reasons.ROUTE_CONFLICT}


def gave_up(obj: Obj) -> bool:
    """True where a condition is False for a reason that does not pass by itself."""
    held = obj.get("status", {}).get("conditions", [])
    return any(item["status"] == "False" and _is_final(item["reason"]) for item in held)


def _is_final(reason: str) -> bool:
    meaning = meanings.REASONS.get(reason)
    return reason in HOPELESS or (meaning is not None and meaning.final)


def selector(kind: str, name: str) -> str:
    """The label selector of the pods that work for an object."""
    key = {"trainingjob": "training-job", "modeldeployment": "deployment"}.get(kind)
    if key:
        return f"pintle.dev/{key}={name}"
    model, _, version = name.rpartition("-v")
    return f"pintle.dev/component=check,pintle.dev/model={model},pintle.dev/version={version}"


def containers(pods: list[dict[str, Any]]) -> str:
    """What runs in the pods right now: `fetch`, `train`, ...; or why it cannot."""
    active = []
    for pod in pods:
        status = pod.get("status", {})
        for item in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
            waiting = item.get("state", {}).get("waiting", {}).get("reason", "")
            if "running" in item.get("state", {}) and item["name"] != "record":
                active.append(item["name"])
            elif waiting not in ("", "PodInitializing", "ContainerCreating"):
                active.append(f"{item['name']}: {waiting}")
    return ", ".join(
        f"{name} ×{active.count(name)}" if active.count(name) > 1 else name for name in dict.fromkeys(active)
    )


def look(kind: str, name: str) -> str:
    """The command that shows more."""
    return f"kubectl -n {objects.NAMESPACE} describe {kind} {name}; kubectl -n {objects.NAMESPACE} get pods"
