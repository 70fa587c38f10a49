"""Why pods are not ready, in words for a person: the kubelet's, the scheduler's or the container's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pintle.contract.result import decode
from pintle.core.plan import Obj

LONGEST = 400


def trouble(pods: Iterable[Obj]) -> str:
    """The first trouble of the pods in the order of their names; empty when nothing is wrong yet."""
    for pod in sorted(pods, key=lambda item: str(item["metadata"]["name"])):
        found = _of_pod(pod)
        if found:
            return found[:LONGEST]
    return ""


def _of_pod(pod: Obj) -> str:
    status: Mapping[str, Any] = pod.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"pod cannot be scheduled: {condition.get('message', '')}"
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return next((found for found in map(_of_container, containers) if found), "")


def _of_container(status: Mapping[str, Any]) -> str:
    name = status["name"]
    waiting = (status.get("state") or {}).get("waiting") or {}
    ended = (status.get("state") or {}).get("terminated") or (status.get("lastState") or {}).get("terminated") or {}
    if ended.get("exitCode"):
        return f"{name} ended with exit code {ended['exitCode']}{_said(ended)}"
    if waiting.get("reason") not in (None, "PodInitializing", "ContainerCreating"):
        message = waiting.get("message")
        return f"{name}: {waiting['reason']}" + (f", {message}" if message else "")
    return ""


def _said(ended: Mapping[str, Any]) -> str:
    text = str(ended.get("message") or "").strip()
    result = decode(text)
    if result is not None:
        text = ": ".join(str(result[key]) for key in ("reason", "message") if result.get(key))
    text = text or str(ended.get("reason") or "")
    # Of a log the end says what broke.
    return f" ({text[-300:]})" if text else ""
