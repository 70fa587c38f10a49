"""`why`: why an object is as it is, and the trail of what was decided about it. As data; `why_text` makes lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from pintle.api import meanings, reasons
from pintle.cli.facts import World, conditions_of, kept, model_of, name_of, namespace_of, parse_time, status_of
from pintle.cli.kubectl import MODEL_DEPLOYMENT, MODEL_VERSION, TRAINING_JOB, Obj
from pintle.cli.model_tree import ROLES, asks
from pintle.cli.queries import with_queries
from pintle.cli.run_list import run_entries
from pintle.cli.waiting import waits_for


def explain(world: World, obj: Obj, now: datetime) -> dict[str, Any]:
    """Everything that `why` says of an object of any of the three kinds."""
    parts = {MODEL_DEPLOYMENT: _deployment, TRAINING_JOB: _job, MODEL_VERSION: _version}[obj["kind"]]
    return {
        "of": obj["kind"],
        "namespace": namespace_of(obj),
        "name": name_of(obj),
        "model": model_of(obj),
        "conditions": conditions(obj),
        **parts(world, obj, now),
    }


def conditions(obj: Obj) -> list[dict[str, Any]]:
    """Each with what it means and what a person does about it; `trouble` marks those that hold the object up."""
    found = []
    for item in conditions_of(obj):
        meaning = meanings.REASONS.get(str(item.get("reason")))
        found.append(
            kept(
                type=item.get("type"),
                status=item.get("status"),
                reason=item.get("reason"),
                message=item.get("message"),
                since=item.get("lastTransitionTime"),
                means=meaning.says if meaning else None,
                do=meaning.do if meaning else None,
            )
        )
    return found


def _deployment(world: World, obj: Obj, now: datetime) -> dict[str, Any]:
    status, spec = status_of(obj), obj["spec"]
    rollout = dict(status.get("rollout") or {})
    if rollout.get("tests"):
        rollout["tests"] = with_queries(obj, rollout["tests"], "name")
    return {
        "asks": asks(spec),
        "automation": spec.get("automation", "Act"),
        "revisions": [{"role": role, **status[role]} for role in ROLES if status.get(role)],
        "waitsFor": waits_for(obj, now),
        "rollout": rollout,
        "refused": list(status.get("refused") or ()),
        "action": dict(status.get("action") or {}),
        "monitoring": dict(status.get("monitoring") or {}),
        "causes": list(status.get("causes") or ()),
        "history": with_queries(obj, status.get("history"), "rule"),
    }


def _job(world: World, obj: Obj, now: datetime) -> dict[str, Any]:
    status, spec = status_of(obj), obj["spec"]
    governor = dict(status.get("governor") or {})
    policy = spec.get("retrainPolicy") or {}
    return {
        "triggers": dict(spec.get("triggers") or {}),
        "governor": kept(
            held=dict(governor.get("refused") or {}),
            reason=governor.get("reason"),
            message=governor.get("message"),
            do=_runbook(governor.get("reason")),
            retryTime=governor.get("retryTime"),
            startedInDay=_recent(governor.get("triggeredTimes") or (), now),
            maxPerDay=policy.get("maxPerDay", 4),
            consecutiveFailures=governor.get("consecutiveFailures", 0),
            maxConsecutiveFailures=policy.get("maxConsecutiveFailures", 3),
            mode=policy.get("mode", "Automatic"),
        ),
        "asked": _asked(world.deployments, obj),
        "runs": run_entries(obj),
    }


def _runbook(reason: Any) -> str | None:
    meaning = meanings.REASONS.get(str(reason))
    return meaning.do if meaning else None


def _recent(times: Iterable[str], now: datetime) -> int:
    moments = [parse_time(time) for time in times]
    return sum(1 for moment in moments if moment and now - moment < timedelta(hours=24))


def _asked(deployments: Iterable[Obj], job: Obj) -> list[dict[str, Any]]:
    """What deployments have found that this TrainingJob is to answer with a new version."""
    found = []
    for deployment in deployments:
        retrain = deployment["spec"].get("retrain") or {}
        same = namespace_of(deployment) == namespace_of(job)
        if not same or (retrain.get("trainingJobRef") or {}).get("name") != name_of(job):
            continue
        found += [
            {"deployment": name_of(deployment), **cause, "listened": cause["cause"] in retrain.get("causes", ())}
            for cause in status_of(deployment).get("causes") or ()
        ]
    return found


def _version(world: World, obj: Obj, now: datetime) -> dict[str, Any]:
    status = status_of(obj)
    return {
        "aliases": [dict(alias) for alias in status.get("aliases") or ()],
        "usedBy": list(status.get("usedBy") or ()),
        "gates": [dict(gate) for gate in obj["spec"].get("gates") or ()],
        "checkAttempts": status.get("checkAttempts", 0),
        "lastCheckTime": status.get("lastCheckTime", ""),
    }


def is_trouble(condition: Mapping[str, Any]) -> bool:
    """Whether a condition asks for a person's look: what should be True is not, or what should not be True is."""
    positive = {
        reasons.SUCCEEDED,
        reasons.VERIFIED,
        reasons.VALIDATED,
        reasons.READY,
        reasons.AVAILABLE,
    }
    if condition.get("type") == reasons.PROGRESSING:
        return False
    return (condition.get("status") == "True") != (condition.get("type") in positive)
