"""What has become of a run, from its Job, its pods and the versions: it goes on, it must be stopped, or it is over.

Going --> Stop        a container cannot start for too long
  |
  +-----> Over        Succeeded | Unchanged | Failed; with `trained` a version is registered before it is told
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from pintle.api import reasons
from pintle.contract import names
from pintle.core import pods as podstate
from pintle.core.conditions import timestamp
from pintle.core.plan import Obj
from pintle.core.training.lost import collected, failed_unseen
from pintle.core.training.results import (
    REGISTERED,
    data_seen,
    gates_of,
    identity_of,
    reason_of,
    trained,
    version_of_run,
)
from pintle.core.training.states import (
    FAILED,
    PATIENCE,
    SUCCEEDED,
    UNCHANGED,
    Collect,
    Going,
    Over,
    Run,
    Stop,
    end_of,
    ended_word,
    failing,
    late,
)

STARTING = "Starting"
STUCK = timedelta(minutes=1)
"""So long a pod starts without a word more. The kubelet tells why a volume cannot be mounted in Events only."""
_HINT = "no container runs yet: an image is still being pulled, or a Secret is missing;"
PHASES = {
    names.CONTAINER_FETCH: "Fetching",
    names.CONTAINER_TRAIN: "Training",
    names.CONTAINER_EVALUATE: "Evaluating",
    names.CONTAINER_UPLOAD: "Uploading",
}


def outcome(run: Run, now: datetime, start_deadline: timedelta) -> Going | Stop | Collect | Over:
    """The state of a run; of one that is over also which data it saw, as far as that is told."""
    state = _outcome(run, now, start_deadline)
    if not isinstance(state, Over):
        return state
    listing, through = data_seen(run)
    return replace(state, listing=listing, through=through)


def _outcome(run: Run, now: datetime, start_deadline: timedelta) -> Going | Stop | Collect | Over:
    word = ended_word(run.job)
    if word is not None:
        return Over(FAILED, word["reason"], str(word.get("message", "")), completed=word.get("time"))
    end = end_of(run.job)
    if end is None:
        return _going(run, now, start_deadline)
    if end["type"] == "Complete":
        return _complete(run, end, now, start_deadline)
    return _failed(run, end, now, start_deadline)


def _going(run: Run, now: datetime, start_deadline: timedelta) -> Going | Stop:
    pod = podstate.newest([pod for pod in run.pods if not podstate.going(pod)])
    if failed := failing(run.job):
        if failed.get("reason") == "DeadlineExceeded":
            return Going(reasons.RUNNING, f"Run {run.name} took too long ({failed.get('message')}); its pod is ending.")
        return Going(reasons.RUNNING, f"Run {run.name} has ended; its result is awaited.")
    if pod is None:
        return Going(reasons.PENDING, f"Run {run.name}: its pod is being made." + _attempts(run))
    if podstate.phase(pod) == "Failed" or podstate.first_failure(pod) is not None:
        return Going(reasons.PENDING, f"Run {run.name}: the next pod is being made." + _attempts(run))
    trouble = podstate.start_trouble(pod)
    if trouble is not None:
        left = trouble.since + start_deadline - now
        if trouble.hopeless or left <= timedelta(0):
            return Stop(trouble.reason, f"{trouble.says}: {trouble.message}")
        given_up = timestamp(trouble.since + start_deadline)
        return Going(reasons.PENDING, f"Run {run.name}: {trouble.says}; it is given up at {given_up}.", left)
    reason, words = _progress(pod)
    if words == STARTING and (since := podstate.accepted(pod)):
        left = since + STUCK - now
        if left > timedelta(0):
            return Going(reason, f"{words}: run {run.name}." + _attempts(run), left)
        words = f"{STARTING} since {timestamp(since)} ({_HINT} `kubectl describe pod {pod['metadata']['name']}`)"
    return Going(reason, f"{words}: run {run.name}." + _attempts(run))


def _progress(pod: Obj) -> tuple[str, str]:
    """Pending or Running, and the phase."""
    active, done = podstate.running(pod), podstate.ended(pod)
    for name, phase in PHASES.items():
        if name in active:
            return reasons.RUNNING, phase
    if any(name in done for name in PHASES):
        phase = next((phase for name, phase in PHASES.items() if name not in done), "Finishing")
        return reasons.RUNNING, phase
    why = podstate.unschedulable(pod)
    return reasons.PENDING, f"No node takes the pod ({why})" if why else STARTING


def _attempts(run: Run) -> str:
    """What happened to earlier pods of the run."""
    broken = [pod for pod in run.pods if podstate.phase(pod) == "Failed" or podstate.first_failure(pod)]
    last = podstate.newest(broken)
    if last is None:
        return ""
    failed = int((run.job.get("status") or {}).get("failed") or len(broken))
    if taken := podstate.disruption(last):
        return f" The pod before it was taken away ({taken})."
    failure = podstate.first_failure(last)
    return f" {failed} tried before; the last: {failure.says}" if failure else f" {failed} tried before."


def _complete(run: Run, end: dict[str, Any], now: datetime, start_deadline: timedelta) -> Going | Collect | Over:
    completed = (run.job.get("status") or {}).get("completionTime") or end.get("lastTransitionTime")
    pod = podstate.newest([pod for pod in run.pods if podstate.phase(pod) == "Succeeded"])
    made = trained(run, pod) if pod is not None else None
    number = version_of_run(run.versions, run, made.digest if made else None)
    if made is None and number is None:
        if pod is None and late(completed, now):
            return Going(reasons.RUNNING, f"Run {run.name} has ended; its result is awaited.", PATIENCE)
        return collected(run, now, start_deadline, completed)
    identity = made.identity if made else identity_of(run, number)
    return Over(SUCCEEDED, reasons.TRAINED, "", identity, number, completed, made)


def _failed(run: Run, end: dict[str, Any], now: datetime, start_deadline: timedelta) -> Going | Collect | Over:
    completed = end.get("lastTransitionTime")
    why = end.get("reason")
    if why == "DeadlineExceeded":
        seconds = run.job["spec"].get("activeDeadlineSeconds")
        message = f"Run {run.name} took longer than {seconds} s." + _attempts(run)
        return Over(FAILED, reasons.DEADLINE_EXCEEDED, message, completed=completed)
    broken = [pod for pod in run.pods if podstate.phase(pod) == "Failed" and not podstate.disruption(pod)]
    pod = podstate.newest(broken)
    failure = podstate.first_failure(pod) if pod is not None else None
    if pod is None or failure is None:
        if late(completed, now):
            return Going(reasons.RUNNING, f"Run {run.name} has ended; its result is awaited.", PATIENCE)
        return failed_unseen(run, end, now, start_deadline, completed)
    return _refusal(run, pod, failure, completed)


def _refusal(run: Run, pod: Obj, failure: podstate.Ended, completed: str | None) -> Over:
    """A run whose last pod can be read."""
    reason = reason_of(failure)
    fetched = podstate.ended(pod).get(names.CONTAINER_FETCH)
    identity = (failure.result.get("identity") or (fetched.result.get("identity") if fetched else None)) or None
    if reason == reasons.UNCHANGED:
        return Over(UNCHANGED, reason, failure.says, identity, completed=completed)
    registered = failure.container == names.CONTAINER_UPLOAD and failure.code in REGISTERED
    made = trained(run, pod) if registered else None
    number = version_of_run(run.versions, run, made.digest) if made else None
    if registered:
        message = gates_of(pod) or failure.says
    else:
        tried = int((run.job.get("status") or {}).get("failed") or 1)
        message = (f"After {tried} attempts: " if tried > 1 else "") + failure.says
    return Over(FAILED, reason, message, identity, number, completed, made)
