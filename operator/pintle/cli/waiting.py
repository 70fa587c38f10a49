"""What a deployment waits for, in sentences: the answer to "why does nothing happen?"."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pintle.cli.facts import condition, duration, name_of, parse_time, status_of, until
from pintle.cli.kubectl import Obj


def waits_for(deployment: Obj, now: datetime) -> list[str]:
    """Sentences; empty where nothing is under way."""
    rollout = status_of(deployment).get("rollout") or {}
    name = name_of(deployment)
    if not rollout:
        return _without_rollout(deployment)
    if rollout.get("paused"):
        return [
            f"Paused: {rollout['paused']}. `kubectl pintle resume {name}` goes on, `promote {name}` takes the next"
            f" step, `abort {name}` goes back."
        ]
    if rollout.get("state") == "Guard":
        return [
            f"The guard: the revision before keeps its share for {until(rollout.get('endTime'), now) or 'a while'} more"
            " and is the way back."
        ]
    return [*_step(deployment, rollout, now), *_evidence(rollout), *_deadline(deployment, rollout, now)]


def _without_rollout(deployment: Obj) -> list[str]:
    progressing = condition(deployment, "Progressing")
    if progressing.get("status") == "True" and progressing.get("message"):
        return [str(progressing["message"])]
    return []


def _step(deployment: Obj, rollout: Mapping[str, Any], now: datetime) -> list[str]:
    """The time that the present step lasts at least."""
    number, begun = rollout.get("step"), parse_time(rollout.get("stepTime"))
    steps = (deployment["spec"].get("rollout") or {}).get("steps") or ()
    if not number or not begun:
        return ["The first traffic: the canary is warmed, or its pods are not ready yet."]
    step = steps[number - 1] if number <= len(steps) else {}
    if step.get("pause"):
        name = name_of(deployment)
        return [f"Step {number} is a pause: `kubectl pintle resume {name}` or `promote {name}` goes on."]
    least = step.get("minSeconds", 60)
    left = (begun + timedelta(seconds=least) - now).total_seconds()
    return [f"Step {number} of {rollout.get('steps', '?')} lasts {duration(left)} more at least."] if left > 0 else []


def _evidence(rollout: Mapping[str, Any]) -> list[str]:
    tests = [test for test in rollout.get("tests") or () if not test.get("dryRun")]
    broken = [test for test in tests if test["verdict"] == "SourceError"]
    lacking = [test["name"] for test in tests if test["verdict"] == "NeedMoreData"]
    found = [f"Figures of {test['name']}: {test.get('message') or 'the source does not answer'}." for test in broken]
    if rollout.get("verdict") == "SourceError" and not broken:
        found.append("Figures: Prometheus does not answer. Nothing is promoted or rolled back without them.")
    if lacking:
        soon = rollout.get("expectedSeconds")
        when = f", enough in about {duration(soon)} at the present rate" if soon else ""
        found.append(f"Evidence on {', '.join(lacking)}{when}.")
    return found


def _deadline(deployment: Obj, rollout: Mapping[str, Any], now: datetime) -> list[str]:
    if not rollout.get("endTime"):
        return []
    then = (deployment["spec"].get("rollout") or {}).get("onInconclusive", "Pause")
    return [f"The deadline is in {until(rollout['endTime'], now)}; without an answer till then: {then}."]
