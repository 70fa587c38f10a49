"""What has become of a run, from its Job, its pods and the versions: it goes on, it must be stopped, or it is over.

Going --> Stop        a container cannot start for too long
  |
  +-----> Over        Succeeded | Unchanged | Failed; with `trained` a version is registered before it is told
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pintle.api import reasons
from pintle.api.fields import DIGEST_PATTERN
from pintle.contract import names
from pintle.contract.exits import Exit
from pintle.contract.folders import artifact_uri
from pintle.contract.run import RunRequest
from pintle.core import pods as podstate
from pintle.core.conditions import parse_time, timestamp
from pintle.core.plan import Obj
from pintle.resources.model_version import Trained, gate_message
from pintle.resources.run_job import (
    ANNOTATION_DEFINITION,
    ANNOTATION_ENDED,
    output_secret_of,
    request_of,
    train_image_of,
)

SUCCEEDED, UNCHANGED, FAILED, RUNNING = "Succeeded", "Unchanged", "Failed", "Running"
PHASES = {
    names.CONTAINER_FETCH: "Fetching",
    names.CONTAINER_TRAIN: "Training",
    names.CONTAINER_EVALUATE: "Evaluating",
    names.CONTAINER_UPLOAD: "Uploading",
}
PATIENCE = timedelta(seconds=30)
"""News of a Job and of its pods come by two ways: how long the one that is late may take."""
_SAID = (
    reasons.DATA_INVALID,
    reasons.NEED_MORE_DATA,
    reasons.UNCHANGED,
    reasons.REQUEST_INVALID,
    reasons.MODEL_INVALID,
    reasons.PARITY_FAILED,
    reasons.STORAGE_UNAVAILABLE,
)
_BY_CODE: Mapping[int, str] = {
    Exit.DATA_INVALID: reasons.DATA_INVALID,
    Exit.UNCHANGED: reasons.UNCHANGED,
    Exit.NEED_MORE_DATA: reasons.NEED_MORE_DATA,
    Exit.TRY_AGAIN: reasons.STORAGE_UNAVAILABLE,
    Exit.CONFIG: reasons.REQUEST_INVALID,
}
_BROKE = {
    names.CONTAINER_FETCH: reasons.FETCH_FAILED,
    names.CONTAINER_TRAIN: reasons.TRAIN_FAILED,
    names.CONTAINER_EVALUATE: reasons.EVALUATE_FAILED,
    names.CONTAINER_UPLOAD: reasons.UPLOAD_FAILED,
}
_DIGEST = re.compile(DIGEST_PATTERN)
_POLICY_MESSAGE = re.compile(r"Container (\S+) for pod \S+ failed with exit code (\d+)")


@dataclass(frozen=True)
class Going:
    """The run goes on, or its news are not complete."""

    reason: str
    message: str
    look_again: timedelta | None = None


@dataclass(frozen=True)
class Stop:
    """The run cannot start and has had its time."""

    reason: str
    message: str


@dataclass(frozen=True)
class Over:
    """The run has ended. With `trained`, its model is to be registered if `version` is None."""

    result: str
    reason: str
    message: str
    identity: str | None = None
    version: int | None = None
    completed: str | None = None
    trained: Trained | None = None


@dataclass(frozen=True)
class Run:
    """A run that has a Job, with everything that is known of it."""

    job: Obj
    pods: tuple[Obj, ...]
    versions: tuple[Obj, ...]

    @property
    def name(self) -> str:
        return str(self.job["metadata"]["name"])

    @property
    def request(self) -> RunRequest | None:
        return request_of(self.job)


def finished(job: Obj) -> bool:
    """True when the Job is over, by its controller's word or because we stopped it for good."""
    return _end_of(job) is not None or ended_word(job) is not None


def ended_word(job: Obj) -> dict[str, str] | None:
    """What we wrote on a Job that we stopped for good."""
    text = (job["metadata"].get("annotations") or {}).get(ANNOTATION_ENDED)
    if not text:
        return None
    try:
        word = json.loads(text)
    except ValueError:
        return None
    return word if isinstance(word, dict) and "reason" in word else None


def outcome(run: Run, now: datetime, start_deadline: timedelta) -> Going | Stop | Over:
    """The state of a run."""
    word = ended_word(run.job)
    if word is not None:
        return Over(FAILED, word["reason"], str(word.get("message", "")), completed=word.get("time"))
    end = _end_of(run.job)
    if end is None:
        return _going(run, now, start_deadline)
    if end["type"] == "Complete":
        return _complete(run, end, now)
    return _failed(run, end, now)


def version_of_run(versions: Iterable[Obj], run: Run, digest: str | None) -> int | None:
    """Number of the version that this run made, if it is registered."""
    for version in versions:
        source = version["spec"].get("source") or {}
        same = source.get("run") == run.name and (digest is None or version["spec"].get("digest") == digest)
        if same and source.get("trainingJob") == run.job["metadata"]["labels"].get(names.LABEL_TRAINING_JOB):
            return int(version["spec"]["version"])
    return None


def _end_of(job: Obj) -> dict[str, Any] | None:
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            return dict(condition)
    return None


def _going(run: Run, now: datetime, start_deadline: timedelta) -> Going | Stop:
    pod = podstate.newest([pod for pod in run.pods if not podstate.going(pod)])
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
    return reasons.PENDING, f"No node takes the pod ({why})" if why else "Starting"


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


def _complete(run: Run, end: dict[str, Any], now: datetime) -> Going | Over:
    completed = (run.job.get("status") or {}).get("completionTime") or end.get("lastTransitionTime")
    pod = podstate.newest([pod for pod in run.pods if podstate.phase(pod) == "Succeeded"])
    trained = _trained(run, pod) if pod is not None else None
    number = version_of_run(run.versions, run, trained.digest if trained else None)
    if trained is None and number is None:
        if pod is None and _late(completed, now):
            return Going(reasons.RUNNING, f"Run {run.name} has ended; its result is awaited.", PATIENCE)
        message = f"Run {run.name} ended well, but its result cannot be read from its pod any more."
        return Over(FAILED, reasons.RESULT_LOST, message, completed=completed)
    identity = trained.identity if trained else _identity_of(run, number)
    return Over(SUCCEEDED, reasons.TRAINED, "", identity, number, completed, trained)


def _failed(run: Run, end: dict[str, Any], now: datetime) -> Going | Over:
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
        if _late(completed, now):
            return Going(reasons.RUNNING, f"Run {run.name} has ended; its result is awaited.", PATIENCE)
        return _failed_unseen(run, end, completed)
    return _refusal(run, pod, failure, completed)


def _refusal(run: Run, pod: Obj, failure: podstate.Ended, completed: str | None) -> Over:
    """A run whose last pod can be read."""
    reason = _reason(failure)
    fetched = podstate.ended(pod).get(names.CONTAINER_FETCH)
    identity = (failure.result.get("identity") or (fetched.result.get("identity") if fetched else None)) or None
    if reason == reasons.UNCHANGED:
        return Over(UNCHANGED, reason, failure.says, identity, completed=completed)
    registered = failure.container == names.CONTAINER_UPLOAD and failure.code in (Exit.REFUSED, Exit.NEED_MORE_DATA)
    trained = _trained(run, pod) if registered else None
    number = version_of_run(run.versions, run, trained.digest) if trained else None
    if registered:
        message = _gates(pod) or failure.says
    else:
        tried = int((run.job.get("status") or {}).get("failed") or 1)
        message = (f"After {tried} attempts: " if tried > 1 else "") + failure.says
    return Over(FAILED, reason, message, identity, number, completed, trained)


def _failed_unseen(run: Run, end: dict[str, Any], completed: str | None) -> Over:
    """A run whose pods are gone: the Job's own words, and the version if it made one."""
    said = _POLICY_MESSAGE.search(end.get("message") or "")
    number = version_of_run(run.versions, run, None)
    message = f"Run {run.name}: {end.get('message') or end.get('reason')}; its pods are gone."
    reason = reasons.BACKOFF_LIMIT_EXCEEDED
    if said:
        reason = _reason(podstate.Ended(said[1], int(said[2]), "", "", None))
    elif number is not None:
        reason = reasons.GATES_FAILED
    if reason == reasons.UNCHANGED:
        return Over(UNCHANGED, reason, message, completed=completed)
    return Over(FAILED, reason, message, version=number, completed=completed)


def _reason(failure: podstate.Ended) -> str:
    """Our own containers say why, or tell it by their exit code; of the user's code only that it broke."""
    broke = _BROKE.get(failure.container, reasons.TRAIN_FAILED)
    if failure.container == names.CONTAINER_TRAIN:
        return broke
    if failure.result.get("reason") in _SAID:
        return str(failure.result["reason"])
    if failure.code == Exit.REFUSED:
        return reasons.GATES_FAILED if failure.container == names.CONTAINER_UPLOAD else reasons.MODEL_INVALID
    return _BY_CODE.get(failure.code, broke)


def _gates(pod: Obj) -> str:
    """The gates that did not pass, with their figures."""
    evaluated = podstate.ended(pod).get(names.CONTAINER_EVALUATE)
    gates = evaluated.result.get("gates") or () if evaluated else ()
    return "; ".join(f"{gate.get('verdict')}: {gate_message(gate)}" for gate in gates if gate.get("verdict") != "Pass")


def _trained(run: Run, pod: Obj) -> Trained | None:
    """What the pod reported, or None where `upload` left no usable result."""
    request, done = run.request, podstate.ended(pod)
    upload = done[names.CONTAINER_UPLOAD].result if names.CONTAINER_UPLOAD in done else {}
    if request is None or not _DIGEST.fullmatch(str(upload.get("digest"))):
        return None
    fetched = done[names.CONTAINER_FETCH].result if names.CONTAINER_FETCH in done else {}
    evaluated = done[names.CONTAINER_EVALUATE].result if names.CONTAINER_EVALUATE in done else {}
    return Trained(
        digest=upload["digest"],
        uri=str(upload.get("uri") or artifact_uri(request.outputUri, request.modelName, request.run)),
        identity=upload.get("identity") or fetched.get("identity"),
        record_uri=upload.get("record"),
        metrics=evaluated.get("metrics") or {},
        gates=_gate_results(evaluated, upload),
        datasets=tuple(fetched.get("datasets") or ()),
        definition=(run.job["metadata"].get("annotations") or {}).get(ANNOTATION_DEFINITION),
        image=train_image_of(run.job),
        image_id=podstate.image_id(pod, names.CONTAINER_TRAIN),
        secret=output_secret_of(run.job),
    )


def _gate_results(evaluated: Mapping[str, Any], upload: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """The gates as far as they fitted into the message; the verdict of all of them is never lost."""
    gates = tuple(evaluated.get("gates") or ())
    verdict = upload.get("verdict") or evaluated.get("verdict") or "Pass"
    if verdict == "Pass" or any(gate.get("verdict") != "Pass" for gate in gates):
        return gates
    return (*gates, {"metric": "gates", "verdict": verdict, "why": "the figures are in run.json"})


def _identity_of(run: Run, number: int | None) -> str | None:
    for version in run.versions:
        if version["spec"].get("version") == number:
            return (version["spec"].get("source") or {}).get("identity")
    return None


def _late(completed: str | None, now: datetime) -> bool:
    """True as long as news of the pods may still come."""
    moment = parse_time(completed)
    return moment is not None and now - moment < PATIENCE
