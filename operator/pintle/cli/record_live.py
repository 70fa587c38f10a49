"""`why --record`: the rollout or guard that goes on, or the one that ended last, as a file that `backtest` replays."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pintle.cli import errors, record_file
from pintle.cli.answer import Answer
from pintle.cli.errors import CliError
from pintle.cli.facts import name_of, namespace_of, parse_time, status_of
from pintle.cli.figures import count
from pintle.cli.kubectl import MODEL_DEPLOYMENT, Kubectl, Obj
from pintle.cli.record_samples import HISTORY_SECONDS, Samples, counters, pod_facts, shares
from pintle.cli.record_source import Source
from pintle.contract.names import ANNOTATION_ROLLOUT, LABEL_DEPLOYMENT, LABEL_REVISION
from pintle.core.backtest.recording import (
    CANARY,
    GUARD,
    POD_READY,
    POD_RESTARTS,
    Recording,
    Setup,
    Shares,
    scrape_interval,
)

PAST_SECONDS = 120.0
"""Before the hour of the past: more than the few scrapes that are needed, at any interval."""
ROUTE, SERVICE = "httproutes.gateway.networking.k8s.io", "services"
BACK = ("Rollback", "GoBack")
BEHIND_SECONDS, AGAIN_SECONDS = 10.0, 0.25
"""How long a status may lag behind the record until what there is has to do, and how often they are read."""
SAME = 0.002
"""Seconds; times are kept to the millisecond."""
TRIAL_ENDS = (*BACK, "Promote", "Withdraw", "Accept", "Return")


@dataclass(frozen=True)
class Trial:
    """One rollout or guard of a deployment. `until` is None while it goes on; times in unix seconds."""

    phase: str
    tested: str
    control: str
    origin: float
    until: float | None = None


def record(kubectl: Kubectl, deployment: Obj, arguments: argparse.Namespace) -> Answer:
    """Writes the file. Raises CliError."""
    if not arguments.prometheus:
        raise CliError(
            "--record needs --prometheus URL, the one that the operator has (chart value prometheus.url);"
            " http://NAME.NAMESPACE.svc:PORT is reached through the API server.",
            errors.USAGE,
        )
    deployment, written = _together(kubectl, deployment)
    now = time.time()
    trial = trial_of(deployment, written, arguments.phase or "")
    source = Source(arguments.prometheus, kubectl, arguments.token_file or "", arguments.ca_file or "")
    recording = recorded(kubectl, source, deployment, trial, now)
    record_file.save(recording, arguments.record)
    setup = recording.setup
    view = {
        "namespace": setup.namespace,
        "deployment": setup.deployment,
        "phase": setup.phase,
        "tested": setup.tested,
        "control": setup.control,
        "rows": recording.rows,
        "file": arguments.record,
    }
    lines = [
        f"Recorded {count(recording.rows)} samples of {setup.deployment}: {setup.phase.lower()} {setup.tested} beside"
        f" {setup.control}.",
        f"Replay it with: kubectl pintle backtest {arguments.record}",
    ]
    return Answer("Recorded", view, [] if arguments.record == "-" else lines)


def trial_of(deployment: Obj, written: Mapping[str, Any], phase: str) -> Trial:
    """What goes on by the record of the route, else what ended last by the history. Raises CliError."""
    found = [trial for trial in (_going(written), _over(deployment, written)) if trial is not None]
    if phase:
        found = [trial for trial in found if trial.phase == phase]
    if not found:
        name = name_of(deployment)
        raise CliError(
            f"{name} has no {phase.lower() or 'rollout or guard'} under way, and its history names none with its"
            f" beginning. With its times, `kubectl pintle backtest --prometheus URL --deployment {name} --from TIME`"
            " reads any other.",
            errors.NOT_FOUND,
        )
    return found[0]


def recorded(kubectl: Kubectl, source: Source, deployment: Obj, trial: Trial, now: float) -> Recording:
    """All samples of a trial, with the control's past, and what Kubernetes knows of the pods. Raises CliError."""
    namespace, name, spec = namespace_of(deployment), name_of(deployment), deployment["spec"]
    until = now if trial.until is None else min(trial.until + PAST_SECONDS, now)
    since = trial.origin - HISTORY_SECONDS - PAST_SECONDS
    revisions = [trial.tested, trial.control]
    found = counters(source, namespace, name, revisions, since, until)
    if not found.series:
        raise CliError(
            f"Prometheus has no samples of {name} since {trial.origin:.0f}: is it the operator's Prometheus?",
            errors.NOT_FOUND,
        )
    if not pod_facts(source, namespace, name, found, trial.origin - PAST_SECONDS, until) and trial.until is None:
        _facts_of_now(kubectl, namespace, name, found, revisions, trial.origin, until)
    weights = shares(source, namespace, name, trial.origin, until)
    setup = Setup(
        namespace=namespace,
        deployment=name,
        tested=trial.tested,
        control=trial.control,
        origin=trial.origin,
        phase=trial.phase,
        until=round(until, 3),
        rollout=dict(spec.get("rollout") or {}),
        guard=None if spec.get("guard") is None else dict(spec["guard"]),
        gateway="gateway" in (spec.get("traffic") or {}),
        weights=weights or _shares_now(deployment, trial, now),
        decided=tuple(_decided(deployment, trial)),
    )
    made = found.recording(setup)
    if trial.until is not None:
        # The operator looks several times a second, a replay once a scrape: it gets the look after the last one.
        slack = 2 * (scrape_interval(made) or 0.0)
        made.setup = replace(made.setup, until=round(min(trial.until + slack, until), 3))
    return made


def _together(kubectl: Kubectl, deployment: Obj) -> tuple[Obj, Mapping[str, Any]]:
    """The deployment and its record as of one moment.

    The operator ends a trial in the route first, and then in the status: in between neither tells of it.
    """
    until = time.monotonic() + BEHIND_SECONDS
    written = _record_of(kubectl, deployment)
    while is_behind(deployment, written) and time.monotonic() < until:
        time.sleep(AGAIN_SECONDS)
        # In this order, so that a status that has caught up is seen beside the record that it caught up with.
        written = _record_of(kubectl, deployment)
        deployment = kubectl.object(MODEL_DEPLOYMENT, namespace_of(deployment), name_of(deployment))
    return deployment, written


def is_behind(deployment: Obj, written: Mapping[str, Any]) -> bool:
    """Whether the status still tells of a canary or guard that the record has ended."""
    status = status_of(deployment)
    told = {role: (status.get(role) or {}).get("revision") for role in ("canary", "previous")}
    return bool(written) and any(revision and revision != written.get(role) for role, revision in told.items())


def _record_of(kubectl: Kubectl, deployment: Obj) -> Mapping[str, Any]:
    """The record of the rollout, from the route or the Service; empty where neither has one."""
    with_gateway = "gateway" in (deployment["spec"].get("traffic") or {})
    for kind in (ROUTE, SERVICE) if with_gateway else (SERVICE, ROUTE):
        try:
            found = kubectl.run("get", kind, name_of(deployment), "-n", namespace_of(deployment), "-o", "json")
            annotations = json.loads(found)["metadata"].get("annotations") or {}
            return dict(json.loads(annotations[ANNOTATION_ROLLOUT]))
        except (CliError, ValueError, KeyError):
            continue
    return {}


def _going(written: Mapping[str, Any]) -> Trial | None:
    origin = parse_time(written.get("origin"))
    if origin is None:
        return None
    if written.get("canary"):
        return Trial(CANARY, str(written["canary"]), str(written.get("stable", "")), origin.timestamp())
    if written.get("previous"):
        return Trial(GUARD, str(written["stable"]), str(written["previous"]), origin.timestamp())
    return None


def _over(deployment: Obj, written: Mapping[str, Any]) -> Trial | None:
    """The canary that was promoted or taken back last: from its first step to its end."""
    history = list(reversed(status_of(deployment).get("history") or ()))
    end = next(
        (place for place in reversed(range(len(history))) if history[place]["action"] in (*BACK, "Promote")), None
    )
    if end is None:
        return None
    last = history[end]
    if last["action"] == "GoBack":
        # The guard began with the promotion of the same revision.
        begin = _place(history, end, "Promote", last["revision"])
        phase = GUARD
    else:
        begin, phase = _place(history, end, "Step", last["revision"], first=True), CANARY
    if begin is None:
        return None
    stable = str((status_of(deployment).get("stable") or {}).get("revision", written.get("stable", "")))
    former = str(written.get("previous") or written.get("former") or "")
    control = former if stable == last["revision"] else stable
    origin, until = parse_time(history[begin]["time"]), parse_time(last["time"])
    if not control or origin is None or until is None:
        return None
    return Trial(phase, str(last["revision"]), control, origin.timestamp(), until.timestamp())


def _place(history: list[Mapping[str, Any]], end: int, action: str, revision: str, first: bool = False) -> int | None:
    """The newest such entry before `end`; with `first` the oldest of the same rollout."""
    found: int | None = None
    for place in reversed(range(end)):
        entry = history[place]
        if entry["revision"] == revision and entry["action"] in TRIAL_ENDS and entry["action"] != action:
            break
        if entry["revision"] == revision and entry["action"] == action:
            found = place
            if not first:
                break
    return found


def _decided(deployment: Obj, trial: Trial) -> Iterable[Mapping[str, Any]]:
    for entry in reversed(status_of(deployment).get("history") or ()):
        at = parse_time(entry.get("time"))
        if at is None or entry.get("revision") not in (trial.tested, trial.control):
            continue
        # A guard begins with the promotion, which is not its own.
        after = at.timestamp() - trial.origin
        if (
            after >= 0
            and not (trial.phase == GUARD and after < SAME)
            and at.timestamp() <= (trial.until or float("inf"))
        ):
            yield {key: value for key, value in entry.items() if value is not None}


def _shares_now(deployment: Obj, trial: Trial, now: float) -> tuple[Shares, ...]:
    """Without the operator's own metrics only the shares of now are known."""
    if trial.until is not None:
        return ()
    status = status_of(deployment)
    found = {
        role["revision"]: int(role.get("weight", 0))
        for role in map(status.get, ("stable", "canary", "previous"))
        if role
    }
    return (Shares(now, found),) if found else ()


def _facts_of_now(
    kubectl: Kubectl, namespace: str, name: str, found: Samples, revisions: list[str], origin: float, now: float
) -> None:
    """What the kubelet says of the pods that there are, where Prometheus has no kube-state-metrics."""
    try:
        listed = json.loads(
            kubectl.run("get", "pods", "-n", namespace, "-l", f"{LABEL_DEPLOYMENT}={name}", "-o", "json")
        )
    except (CliError, ValueError):
        # Who may not list pods records counters only; the replay says so.
        return
    for pod in listed.get("items") or ():
        revision = (pod["metadata"].get("labels") or {}).get(LABEL_REVISION, "")
        if revision in revisions and "deletionTimestamp" not in pod["metadata"]:
            where = revision, pod["metadata"]["name"]
            found.series[(*where, POD_READY, "condition=true")] = _readiness(pod, now)
            found.series[(*where, POD_RESTARTS, "")] = _restarts(pod, origin, now)


def _readiness(pod: Obj, now: float) -> list[tuple[float, float]]:
    status = pod.get("status") or {}
    ready: Mapping[str, Any] = next((c for c in status.get("conditions") or () if c["type"] == "Ready"), {})
    since = parse_time(ready.get("lastTransitionTime"))
    value = 1.0 if ready.get("status") == "True" else 0.0
    return [*([(since.timestamp(), value)] if since and since.timestamp() < now else []), (now, value)]


def _restarts(pod: Obj, origin: float, now: float) -> list[tuple[float, float]]:
    """All of them at the time of the last one: the kubelet remembers no more."""
    status = pod.get("status") or {}
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    total = float(sum(int(item.get("restartCount") or 0) for item in containers))
    ended = [((item.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for item in containers]
    moments = [at.timestamp() for at in map(parse_time, ended) if at is not None]
    last = max(moments, default=now)
    created = parse_time(pod["metadata"].get("creationTimestamp"))
    begin = min(created.timestamp() if created else origin, last)
    samples = [(begin, 0.0), *([(last, total)] if begin < last < now else []), (now, total)]
    return sorted(dict(samples).items())
