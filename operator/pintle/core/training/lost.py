"""Runs whose pods are gone and took their results along: what the Job, the versions and the record in storage tell."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from pintle.api import reasons
from pintle.contract import names
from pintle.contract.exits import FINAL, Exit
from pintle.core import pods as podstate
from pintle.core.conditions import parse_time
from pintle.core.plan import Obj
from pintle.core.training.results import REGISTERED, made_by, reason_of, version_of_run
from pintle.core.training.states import FAILED, PATIENCE, SUCCEEDED, UNCHANGED, Collect, Over, Run
from pintle.resources.collect_pod import CONTAINER
from pintle.resources.model_version import gate_message

MAX_COLLECTORS = 3
_POLICY_MESSAGE = re.compile(r"Container (\S+) for pod \S+ failed with exit code (\d+)")


def failed_unseen(
    run: Run, end: dict[str, Any], now: datetime, start_deadline: timedelta, completed: str | None
) -> Collect | Over:
    """A run whose pods are gone: the Job's own words, the version if it made one, the record if there should be one."""
    said = _POLICY_MESSAGE.search(end.get("message") or "")
    number = version_of_run(run.versions, run, None)
    message = f"Run {run.name}: {end.get('message') or end.get('reason')}; its pods are gone."
    reason = reasons.BACKOFF_LIMIT_EXCEEDED
    if said:
        reason = reason_of(podstate.Ended(said[1], int(said[2]), "", "", None))
        if number is None and said[1] == names.CONTAINER_UPLOAD and int(said[2]) in REGISTERED:
            return collected(run, now, start_deadline, completed, reason)
    elif number is not None:
        reason = reasons.GATES_FAILED
    if reason == reasons.UNCHANGED:
        return Over(UNCHANGED, reason, message, completed=completed)
    return Over(FAILED, reason, message, version=number, completed=completed)


def collected(
    run: Run, now: datetime, start_deadline: timedelta, completed: str | None, refused: str | None = None
) -> Collect | Over:
    """What a pod that reads the record says; at most MAX_COLLECTORS are asked, with a pause."""
    lost = f"Run {run.name} has ended, but its result went with its pod"
    number = max(run.collectors, default=0)
    if number == 0:
        return Collect(f"{lost}; its record is read.", 1)
    pod = run.collectors[number]
    ended = podstate.ended(pod).get(CONTAINER)
    if ended is not None and ended.code == Exit.DONE:
        trained = made_by(run, ended.result, ended.result, ended.result, None)
        if trained is not None:
            made = version_of_run(run.versions, run, trained.digest)
            words = "; ".join(gate_message(gate) for gate in trained.gates if gate.get("verdict") != "Pass")
            result, reason = (FAILED, refused) if refused else (SUCCEEDED, reasons.TRAINED)
            return Over(result, reason, words, trained.identity, made, completed, trained)
    why = _no_answer(pod, ended, now, start_deadline)
    if why is None:
        return Collect(f"{lost}; its record is being read.", look_again=PATIENCE)
    if number >= MAX_COLLECTORS or (ended is not None and ended.code in FINAL):
        return Over(
            FAILED, refused or reasons.RESULT_LOST, f"{lost}, and its record cannot be read: {why}", completed=completed
        )
    since = (ended.finished if ended else None) or parse_time(pod["metadata"].get("creationTimestamp")) or now
    if now - since < PATIENCE:
        return Collect(f"{lost}; its record could not be read yet: {why}", look_again=PATIENCE - (now - since))
    return Collect(f"{lost}; its record could not be read yet: {why}", number + 1)


def _no_answer(pod: Obj, ended: podstate.Ended | None, now: datetime, start_deadline: timedelta) -> str | None:
    """Why a pod that reads the record will not answer, or None while it may."""
    if ended is not None:
        return ended.says
    trouble = podstate.start_trouble(pod)
    if trouble is not None and (trouble.hopeless or now - trouble.since >= start_deadline):
        return f"{trouble.says}: {trouble.message}"
    if taken := podstate.disruption(pod):
        return f"its pod was taken away ({taken})"
    return "its pod ended" if podstate.phase(pod) in ("Failed", "Succeeded") or podstate.going(pod) else None
