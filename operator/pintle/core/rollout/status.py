"""The status of a ModelDeployment: derived from the record and from what was observed, never the other way round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from pintle.core.conditions import Condition, clip, parse_time, set_conditions, timestamp
from pintle.core.rollout.conditions import State
from pintle.core.rollout.deeds import Deed, Word
from pintle.core.rollout.look import Look
from pintle.core.rollout.progress import figure, rollout_status
from pintle.core.rollout.record import Record
from pintle.resources.revision import Revision

HISTORY = 10
MAX_URL = 388


def status_of(state: State, found: list[Condition], deeds: Iterable[Deed]) -> dict[str, Any]:
    """The whole status; `deeds` are those that it does not have yet. `fitting` keeps it within the API's bounds."""
    look, record = state.look, state.record
    previous = record.revisions.get(record.previous)
    status: dict[str, Any] = {
        "observedGeneration": look.observed.parent["metadata"].get("generation"),
        "conditions": set_conditions(look.observed.parent, found, look.now),
        "sequence": (look.record.sequence + int(state.written)) or None,
        "stable": _revision(state, record.serving) if record.serving else None,
        "canary": _canary(state),
        "previous": _revision(state, previous) if previous else None,
        "rollout": rollout_status(look, record),
        "refused": _refused(record),
        "action": _action(record.word) if record.word else None,
        "alias": record.alias.to_dict() if record.alias else None,
        "url": url(look) if record.stable else None,
        "history": _history(look, deeds),
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
    record, target = state.record, state.look.incoming
    if record.canary:
        return _revision(state, record.revisions[record.canary])
    if record.in_guard or target is None or target.name == record.stable or target.name in record.refused:
        return None
    return _revision(state, target)


def _refused(record: Record) -> list[dict[str, Any]]:
    """Newest first."""
    newest = sorted(record.refused.items(), key=lambda item: (item[1].time, item[0]), reverse=True)
    return [
        {"revision": name, "version": refusal.version, "why": refusal.why, "time": refusal.time or None}
        for name, refusal in newest
    ]


def _action(word: Word) -> dict[str, Any]:
    return {**word.to_dict(), "message": word.message or None, "by": word.by or None, "time": word.time or None}


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


def _history(look: Look, deeds: Iterable[Deed]) -> list[dict[str, Any]]:
    """Newest first. Every deed stands in the record until the next, so that none is lost between two writes."""
    entries: list[Mapping[str, Any]] = list(look.status.get("history") or [])
    for item in deeds:
        entries.insert(0, entry_of(item))
    return [dict(entry) for entry in entries[:HISTORY]]


def entry_of(item: Deed) -> dict[str, Any]:
    """A deed as an entry of status.history; to the millisecond, so that two of one second are told apart."""
    figures = item.figures
    return {
        "time": item.time,
        "action": item.action,
        "revision": item.revision,
        "version": item.version,
        "why": item.why,
        "rule": figures.rule or None,
        "value": figure(figures.value),
        "stableValue": figure(figures.stable_value),
        "rows": _count(figures.rows),
        "stableRows": _count(figures.stable_rows),
        "evidence": figure(figures.evidence),
        "threshold": figure(figures.threshold),
        "by": figures.by or None,
    }


def _count(rows: float | None) -> int | None:
    return None if rows is None else int(rows)


def soonest(*waits: timedelta | None) -> timedelta | None:
    """The shortest of the waits that there are."""
    return min((wait for wait in waits if wait is not None), default=None)


def positive(wait: timedelta) -> timedelta | None:
    """The wait, or None where it is over."""
    return wait if wait > timedelta(0) else None
