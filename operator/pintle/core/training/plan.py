"""The decisions for a TrainingJob: when a run is started, stopped, registered, remembered and forgotten.

    no run of this definition --> create Job --> (pod goes its way) --> register version --> remember the result
             |                        |                 |
          suspended            suspend / resume    definition changed: remember Superseded, delete the Job

A run that has ended is final: its definition is not run again, even if the Job is deleted. One run goes on at a time.
Exceptions: after a run that failed, a spec that was changed since is run, once for each generation; and the governor
(governor.py) may allow another run of the same definition, when something asks for one (triggers.py).
A run enters `status.runs` when its Job has been seen, so that a Job that is missing later was deleted by somebody.
It gets a version number only when a ModelVersion that names it has been seen, so that of two claimants of one number
the loser takes the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from pintle.api import reasons
from pintle.api.trainingjob import TrainingJobSpec
from pintle.core.conditions import (
    FALSE,
    TRUE,
    UNKNOWN,
    Condition,
    changed,
    clip_middle,
    conditions_of,
    set_conditions,
    transitions,
)
from pintle.core.plan import Delete, Obj, Plan, Policy
from pintle.core.training import history
from pintle.core.training.history import Entry
from pintle.core.training.look import Look, begin
from pintle.core.training.observed import TrainingObserved
from pintle.core.training.retrain import Waiting, govern, waiting
from pintle.core.training.runs import REGISTER_POLL, all_runs, definition_of
from pintle.core.training.start import start_run
from pintle.core.training.states import FAILED, SUCCEEDED, finished
from pintle.core.training.triggers import DEFINITION, SPEC, Trigger
from pintle.resources.collect_pod import collect_number
from pintle.resources.model_version import version_name

SOURCE_POLL = timedelta(seconds=10)
CODE_POLL = timedelta(seconds=60)
"""Nobody tells us of a user's ConfigMap: how often it is read when nothing else happens."""


def plan(observed: TrainingObserved, now: datetime, policy: Policy) -> Plan:
    """Everything one look at a TrainingJob decides."""
    parent = observed.parent
    if parent["metadata"].get("deletionTimestamp"):
        return Plan()
    try:
        spec = TrainingJobSpec.model_validate(parent["spec"])
    except ValidationError as error:
        return _unreadable(observed, now, error)
    look = begin(observed, now, policy, spec)
    before = history.recorded(parent)
    entries = history.in_order(all_runs(look, before), before)
    last = _last(look, entries)
    failed = last if _asked_again(look, entries, last) else None
    current = None if failed else last
    waits = waiting(look, entries, before)
    condition = _present(look, entries, current, failed, waits)
    governed = govern(look, entries, current, waits)
    if look.started:
        condition = Condition(reasons.SUCCEEDED, UNKNOWN, reasons.PENDING, f"Run {look.started} is being started.")
    if observed.write_error and (look.apply or any(body["kind"] != "Pod" for body in look.create)):
        condition = Condition(reasons.SUCCEEDED, FALSE, reasons.SPEC_INVALID, observed.write_error)
    # The failed run that another follows is kept as well, or its definition would count as never run.
    keep = history.kept(entries, spec.runsHistoryLimit, last.name if last else None)
    return _plan(look, entries, current, (condition, *governed.conditions), governed.status, keep)


# The run of the present definition ------------------------------------------------------------------------------------


def _last(look: Look, entries: list[Entry]) -> Entry | None:
    """The newest run of the present definition.

    Where the code is missing: the run that goes on, or the last one as long as nobody has touched the spec since, so
    that a ConfigMap which is deleted after training takes nothing back.
    """
    wanted = look.definition
    if wanted is None:
        parent, status = look.observed.parent, look.observed.parent.get("status") or {}
        if going := next((entry for entry in entries if not entry.is_final), None):
            return going
        if status.get("observedGeneration") != parent["metadata"].get("generation"):
            return None
        wanted = status.get("definition")
    same = [entry for entry in entries if entry.definition == wanted and entry.reason != reasons.SUPERSEDED]
    return same[0] if same else None


def _asked_again(look: Look, entries: list[Entry], last: Entry | None) -> bool:
    """True when the last run of the definition failed, and somebody has changed the spec since it was made."""
    if last is None or last.result != FAILED or look.definition is None:
        return False
    return history.spec_changed_since(last, entries, look.generation, look.spec_digest)


def _present(
    look: Look, entries: list[Entry], current: Entry | None, failed: Entry | None, waits: Waiting
) -> Condition:
    """The condition Succeeded; makes the Job where there is none. `failed` is the run that a new one follows."""
    if current is None:
        return _start(look, entries, failed, waits)
    if not current.is_final:
        return look.going[current.name]
    message = _full_message(look, current)
    if current.result == FAILED:
        return Condition(reasons.SUCCEEDED, FALSE, current.reason, message)
    newest = next(entry for entry in entries if entry.reason != reasons.SUPERSEDED)
    if current.result == SUCCEEDED and newest.name != current.name:
        made = version_name(look.model, current.version) if current.version is not None else "its version"
        message = f"This definition was run as {current.name}, which made {made}; nothing was trained."
        return Condition(reasons.SUCCEEDED, TRUE, reasons.UNCHANGED, message)
    return Condition(reasons.SUCCEEDED, TRUE, current.reason, message)


def _full_message(look: Look, current: Entry) -> str:
    """The run's message; the condition keeps more of a long one than the history does."""
    shown = str((conditions_of(look.observed.parent).get(reasons.SUCCEEDED) or {}).get("message") or "")
    return shown if clip_middle(shown, history.MAX_MESSAGE) == current.message else current.message


def _start(look: Look, entries: list[Entry], failed: Entry | None, waits: Waiting) -> Condition:
    """Nothing has been run of this definition, or it has failed and is to be run with another spec."""
    if look.problem is not None:
        look.again.append(SOURCE_POLL)
        return look.problem
    if look.spec.suspend:
        message = "No run is started until spec.suspend is false."
        return Condition(reasons.SUCCEEDED, UNKNOWN, reasons.SUSPENDED, message)
    leaving = [job["metadata"]["name"] for job in look.observed.jobs if not finished(job)]
    if leaving:
        look.again.append(REGISTER_POLL)
        message = f"Waits until {', '.join(sorted(leaving))} has gone."
        return Condition(reasons.SUCCEEDED, UNKNOWN, reasons.PENDING, message)
    trigger, generation = (Trigger(SPEC), look.generation) if failed else (Trigger(DEFINITION), None)
    run = start_run(look, [entry.name for entry in entries], trigger, waits.keys, generation)
    why = f"{failed.name} failed ({failed.reason}) and the spec was changed" if failed else "no run"
    look.why.append(f"{why} of the definition {look.definition}: {run} is started")
    return Condition(reasons.SUCCEEDED, UNKNOWN, reasons.PENDING, f"Run {run} is being started.")


# Putting it together --------------------------------------------------------------------------------------------------


def _plan(
    look: Look,
    entries: list[Entry],
    current: Entry | None,
    conditions: tuple[Condition, ...],
    governor: Mapping[str, Any],
    keep: list[Entry],
) -> Plan:
    parent = look.observed.parent
    status = {
        "observedGeneration": parent["metadata"].get("generation"),
        "conditions": set_conditions(parent, conditions, look.now),
        "governor": governor,
        "definition": current.definition if current else None,
        "runs": [entry.to_status() for entry in keep],
        "latestVersion": history.newest_version(entries) or (parent.get("status") or {}).get("latestVersion"),
        "highestVersion": look.highest or None,
    }
    if look.spec.source is not None and look.spec.source.configMapRef is not None:
        look.again.append(CODE_POLL)
    return Plan(
        create=tuple(look.create),
        apply=tuple(look.apply),
        status=changed(parent, status),
        delete=tuple(_delete(obj) for obj in _leaving(look, entries, {entry.name for entry in keep})),
        # Of the others the governor has told already, when it held something back.
        events=(*look.events, *transitions(parent, conditions[:1])),
        requeue_after=min(look.again, default=None),
        why=tuple(look.why),
        decisions=tuple(look.decisions),
    )


def _leaving(look: Look, entries: list[Entry], keep: set[str]) -> list[Obj]:
    """What is to go: Jobs that were cut short, finished ones that are remembered no more, pods that read a record."""
    forgotten = [
        job
        for job in look.observed.jobs
        if definition_of(job) and finished(job) and job["metadata"]["name"] not in keep
    ]
    final = [entry.name for entry in entries if entry.is_final]
    collectors = [
        pod
        for pod in look.observed.pods
        if any(collect_number(name, pod["metadata"]["name"]) is not None for name in final)
    ]
    leaving = (*look.delete, *forgotten, *collectors)
    return [obj for obj in leaving if not obj["metadata"].get("deletionTimestamp")]


def _unreadable(observed: TrainingObserved, now: datetime, error: ValidationError) -> Plan:
    """A spec that an earlier version of the API let in."""
    first = error.errors()[0]
    message = f"spec.{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    condition = Condition(reasons.SUCCEEDED, FALSE, reasons.SPEC_INVALID, message)
    parent = observed.parent
    status = {
        **(parent.get("status") or {}),
        "observedGeneration": parent["metadata"].get("generation"),
        "conditions": set_conditions(parent, [condition], now),
    }
    return Plan(status=changed(parent, status), events=transitions(parent, [condition]), why=(message,))


def _delete(obj: Obj) -> Delete:
    metadata = obj["metadata"]
    return Delete(obj["apiVersion"], obj["kind"], metadata["namespace"], metadata["name"], metadata["uid"])
