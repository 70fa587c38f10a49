"""The runs of a TrainingJob, each by what has become of its Job, and what is to be done about each."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from pintle.api import reasons
from pintle.core.conditions import UNKNOWN, Condition, parse_time, timestamp
from pintle.core.plan import Event, Obj
from pintle.core.training import history
from pintle.core.training.definition import known_identities
from pintle.core.training.history import Entry
from pintle.core.training.look import Look
from pintle.core.training.outcome import outcome
from pintle.core.training.states import (
    FAILED,
    RUNNING,
    SUCCEEDED,
    UNCHANGED,
    Collect,
    Going,
    Over,
    Run,
    Stop,
    finished,
)
from pintle.core.training.triggers import Trigger
from pintle.resources.collect_pod import collect_pod
from pintle.resources.model_version import Trained, model_version, version_name
from pintle.resources.run_job import (
    ANNOTATION_ANSWERS,
    ANNOTATION_DEFINITION,
    ANNOTATION_GENERATION,
    ANNOTATION_SPEC,
    request_of,
    stop_job,
    suspend_job,
)

REGISTER_POLL = timedelta(seconds=5)
MISSING = timedelta(seconds=10)
"""How long a Job must be missing until it counts as deleted."""


def all_runs(look: Look, before: list[Entry]) -> list[Entry]:
    """All runs that are known: final ones as they were recorded, the others by what has become of their Jobs."""
    jobs = {job["metadata"]["name"]: job for job in look.observed.jobs if definition_of(job)}
    made = []
    for entry in before:
        job = jobs.pop(entry.name, None)
        if entry.is_final:
            if job is not None and not finished(job):
                look.delete.append(job)
            made.append(entry)
        elif job is None:
            made.append(_without_job(look, entry))
        else:
            made.append(_entry(look, job, replace(entry, reason=reasons.RUNNING, completion=None)))
    return made + [_entry(look, job, _first_seen(job)) for _, job in sorted(jobs.items())]


def _without_job(look: Look, entry: Entry) -> Entry:
    """A run whose Job is not there. That cannot be taken back, so it must be missing for a while."""
    message = f"The Job {entry.name} was deleted before it ended."
    since = parse_time(entry.completion) if entry.reason == reasons.RUN_DELETED else None
    if since is not None and look.now - since >= MISSING:
        look.why.append(message)
        return history.ended_early(entry, reasons.RUN_DELETED, message, look.now)
    look.again.append(MISSING)
    waits = f"The Job {entry.name} is not there; it is looked for."
    look.going[entry.name] = Condition(reasons.SUCCEEDED, UNKNOWN, reasons.PENDING, waits)
    return replace(entry, reason=reasons.RUN_DELETED, completion=timestamp(since or look.now))


def _first_seen(job: Obj) -> Entry:
    metadata = job["metadata"]
    return Entry(
        metadata["name"],
        definition_of(job),
        RUNNING,
        reasons.RUNNING,
        start=metadata.get("creationTimestamp"),
        generation=_generation_of(job),
        spec=str((metadata.get("annotations") or {}).get(ANNOTATION_SPEC) or "")[:10] or None,
        trigger=Trigger.from_json(request.trigger if (request := request_of(job)) else None),
    )


def _entry(look: Look, job: Obj, entry: Entry) -> Entry:
    """What a run that is not final on record has become, and what is to be done about it."""
    entry = replace(entry, answers=_answers_of(job))
    if look.definition is not None and entry.definition != look.definition and not finished(job):
        message = f"Run {entry.name} was stopped: the definition was changed while it was going."
        look.why.append(message)
        look.events.append(Event("Normal", reasons.SUPERSEDED, message))
        look.delete.append(job)
        return history.ended_early(entry, reasons.SUPERSEDED, message, look.now)
    name = entry.name
    pods = tuple(pod for pod in look.observed.pods if _job_of(pod) == name)
    run = Run(job, pods, look.observed.versions)
    state = outcome(run, look.now, look.policy.start_deadline)
    if isinstance(state, Over):
        return _over(look, run, entry, state)
    if isinstance(state, Collect):
        return _collecting(look, run, entry, state)
    if look.spec.suspend:
        message = f"Run {name} is stopped until spec.suspend is false; it then begins anew."
        look.going[name] = Condition(reasons.SUCCEEDED, UNKNOWN, reasons.SUSPENDED, message)
        if not job["spec"].get("suspend"):
            look.apply.append(suspend_job(job, True))
        return entry
    if isinstance(state, Stop):
        at = timestamp(look.now)
        look.apply.append(stop_job(job, state.reason, state.message, at))
        look.why.append(f"run {name} is given up: {state.message}")
        return replace(entry, result=FAILED, reason=state.reason, message=state.message, completion=at)
    if job["spec"].get("suspend"):
        look.apply.append(suspend_job(job, False))
    look.going[name] = _going(look, state)
    return entry


def _collecting(look: Look, run: Run, entry: Entry, state: Collect) -> Entry:
    """Have the record read; until then the run goes on."""
    if state.number is not None:
        look.create.append(collect_pod(run.job, state.number))
        look.why.append(state.message)
    if state.look_again is not None:
        look.again.append(state.look_again)
    look.going[run.name] = Condition(reasons.SUCCEEDED, UNKNOWN, reasons.RUNNING, state.message)
    return entry


def _going(look: Look, state: Going) -> Condition:
    if state.look_again is not None:
        look.again.append(state.look_again)
    return Condition(reasons.SUCCEEDED, UNKNOWN, state.reason, state.message)


def _over(look: Look, run: Run, entry: Entry, state: Over) -> Entry:
    """A run that has ended; one that made a model stays on record as going until its version has been seen."""
    if state.trained is not None and state.version is None:
        number = _register(look, run, state.trained)
        message = f"Run {run.name} has ended; {version_name(look.model, number)} is being registered."
        look.going[run.name] = Condition(reasons.SUCCEEDED, UNKNOWN, reasons.RUNNING, message)
        return entry
    return replace(
        entry,
        result=state.result,
        reason=state.reason,
        message=_told(look, run.name, state),
        identity=state.identity,
        version=state.version,
        completion=state.completed,
        listing=state.listing,
        through=state.through,
    )


def _register(look: Look, run: Run, trained: Trained) -> int:
    """Create the version under the next free number."""
    request = run.request
    assert request is not None  # there is no `trained` without it
    number = look.highest + 1 + len([body for body in look.create if body["kind"] == "ModelVersion"])
    look.create.append(model_version(request, number, trained))
    look.why.append(f"run {run.name} made {trained.digest}: it becomes version {number}")
    look.again.append(REGISTER_POLL)
    return number


def _told(look: Look, run: str, state: Over) -> str:
    """The message of a run that has ended."""
    if state.result == SUCCEEDED and state.version is not None:
        return f"Run {run} made {version_name(look.model, state.version)}."
    if state.result == UNCHANGED:
        same = _version_with(look, state.identity)
        return f"Run {run} trained nothing: {same or 'an earlier run'} was made of the same code, parameters and data."
    if state.version is not None:
        return f"{version_name(look.model, state.version)} is registered as refused. {state.message}"
    return state.message


def _version_with(look: Look, identity: str | None) -> str | None:
    """Name of the newest version of this identity; where it was not told, the only one that it can be."""
    known = known_identities(look.observed.versions)
    wanted = identity or (known[0] if len(known) == 1 else None)
    numbers = [
        int(version["spec"]["version"])
        for version in look.observed.versions
        if wanted and (version["spec"].get("source") or {}).get("identity") == wanted
    ]
    return version_name(look.model, max(numbers)) if numbers else None


def definition_of(job: Obj) -> str:
    """Digest of the definition that a Job runs; empty for a Job that is not ours."""
    return str((job["metadata"].get("annotations") or {}).get(ANNOTATION_DEFINITION) or "")


def _generation_of(job: Obj) -> int | None:
    """Generation of the spec that a Job was made of."""
    text = str((job["metadata"].get("annotations") or {}).get(ANNOTATION_GENERATION) or "")
    return int(text) if text.isascii() and text.isdigit() else None


def _answers_of(job: Obj) -> tuple[str, ...]:
    """Keys of the triggers that a Job answers."""
    text = str((job["metadata"].get("annotations") or {}).get(ANNOTATION_ANSWERS) or "")
    return tuple(key for key in text.split(",") if key)


def _job_of(pod: Obj) -> str | None:
    """Name of the Job that owns a pod."""
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((str(owner["name"]) for owner in owners if owner["kind"] == "Job"), None)
