"""The status of a ModelDeployment: derived from the record and from what was observed, never the other way round."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pintle.core.conditions import Condition, clip, parse_time, set_conditions, timestamp
from pintle.core.rollout.conditions import State
from pintle.core.rollout.look import Look
from pintle.core.rollout.record import Deed
from pintle.resources.revision import Revision

HISTORY = 10
MAX_WHY = 256
MAX_URL = 512


def status_of(state: State, found: list[Condition]) -> dict[str, Any]:
    """The whole status. Longest possible below 20 kB: two revisions, ten history entries, four conditions."""
    look, record = state.look, state.record
    status: dict[str, Any] = {
        "observedGeneration": look.observed.parent["metadata"].get("generation"),
        "conditions": set_conditions(look.observed.parent, found, look.now),
        "stable": _revision(state, record.serving) if record.serving else None,
        "canary": _canary(state),
        "alias": record.alias.to_dict() if record.alias else None,
        "url": url(look) if record.stable else None,
        "history": _history(state),
    }
    return status


def url(look: Look) -> str:
    """Where clients find it: at the gateway's host name, else inside the cluster."""
    gateway = look.gateway
    host = next((name for name in (gateway.hostnames or ()) if not name.startswith("*")), None) if gateway else None
    if gateway is None or host is None:
        return f"http://{look.owner.name}.{look.owner.namespace}.svc"
    return clip(f"http://{host}{gateway.path}", MAX_URL)


def _canary(state: State) -> dict[str, Any] | None:
    """The revision that is about to take over, from its first pod on."""
    target = state.look.request.target
    if target is None or target.name == state.record.stable:
        return None
    return _revision(state, target)


def _revision(state: State, revision: Revision) -> dict[str, Any]:
    created = state.look.fleet.member(revision.name).created or revision.created
    at = parse_time(created)
    return {
        "revision": revision.name,
        "version": revision.version,
        "digest": revision.digest,
        "storageUri": revision.storage_uri,
        "image": revision.image,
        "weight": state.record.weights.get(revision.name, 0),
        "readyReplicas": state.look.fleet.ready(revision.name),
        "createdTime": timestamp(at) if at else None,
    }


def _history(state: State) -> list[dict[str, Any]]:
    """Newest first. Every deed stands in the record until the next, so that none is lost between two writes."""
    old: Any = state.look.status.get("history") or []
    entries: list[Mapping[str, Any]] = list(old)
    for deed in (state.look.record.last, state.record.last):
        entry = _entry(deed) if deed else None
        if entry and entry not in entries:
            entries.insert(0, entry)
    return [dict(entry) for entry in entries[:HISTORY]]


def _entry(deed: Deed) -> dict[str, Any]:
    at = parse_time(deed.time)
    return {**deed.to_dict(), "time": timestamp(at) if at else deed.time, "why": clip(deed.why, MAX_WHY)}


def soonest(*waits: timedelta | None) -> timedelta | None:
    """The shortest of the waits that there are."""
    return min((wait for wait in waits if wait is not None), default=None)
