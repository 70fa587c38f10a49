"""The decisions for a ModelVersion: when a throw-away pod looks at it, and what its word makes of the conditions.

    check pod 1 --> verdict --> status --> pod deleted
       ^               |
       +--- back-off --+  (storage, image, eviction, crash; at most policy.check_attempts pods)

A verdict stands for ever: the spec cannot change. Pods are numbered; `status.checkAttempts` is the number of the last
one that was read, so a pod with that number or less is rubbish, and one with a higher number is still to be read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import ValidationError

from pintle.api import reasons
from pintle.api.modelversion import ModelVersionSpec
from pintle.core.conditions import (
    FALSE,
    TRUE,
    UNKNOWN,
    Condition,
    changed,
    conditions_of,
    parse_time,
    set_conditions,
    timestamp,
    transitions,
)
from pintle.core.plan import Delete, Obj, Plan, Policy
from pintle.core.versions.aliases import aliases, used_by
from pintle.core.versions.observed import VersionObserved
from pintle.core.versions.verdict import Looking, Verdict, verdict
from pintle.resources.check_pod import ServerDefaults, check_number, check_pod

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(minutes=10)
REQUEUE_REFUSED = timedelta(seconds=30)


@dataclass
class _Check:
    """The two conditions of a check and the pods behind them."""

    verified: Condition
    validated: Condition
    attempts: int
    last: str | None
    create: list[Obj] = field(default_factory=list)
    delete: list[Obj] = field(default_factory=list)
    again: timedelta | None = None
    why: list[str] = field(default_factory=list)

    @property
    def decided(self) -> bool:
        """True when no pod can say anything new."""
        if self.verified.status == TRUE:
            return self.validated.status != UNKNOWN
        return self.verified.status == FALSE


def plan(observed: VersionObserved, now: datetime, policy: Policy) -> Plan:
    """Everything one look at a ModelVersion decides."""
    parent = observed.parent
    if parent["metadata"].get("deletionTimestamp"):
        return Plan()
    try:
        spec = ModelVersionSpec.model_validate(parent["spec"])
    except ValidationError as error:
        first = error.errors()[0]
        message = f"spec.{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
        return _plan(observed, now, _refused_by_server(_recorded(parent), message))
    check = _recorded(parent)
    if failed := _failed_gates(spec):
        check.validated = Condition(reasons.VALIDATED, FALSE, reasons.GATES_FAILED, failed)
    _look_at_pods(check, observed, now, policy)
    if not check.decided and not _has_pod(check, observed):
        _next_pod(check, parent, spec, now, policy)
    if observed.write_error and check.create:
        check = _refused_by_server(check, observed.write_error)
    return _plan(observed, now, check)


def pause(attempts: int) -> timedelta:
    """How long to wait after this many attempts (from 1)."""
    return min(FIRST_PAUSE * (1 << min(attempts - 1, 10)), LONGEST_PAUSE)


def _recorded(parent: Obj) -> _Check:
    """The check as the status has it."""
    before, status = conditions_of(parent), parent.get("status") or {}

    def condition(type_: str) -> Condition:
        old = before.get(type_)
        if old is None:
            return Condition(type_, UNKNOWN, reasons.CHECKING, "A throw-away pod is about to look at it.")
        return Condition(type_, old["status"], old["reason"], old.get("message") or "")

    return _Check(
        condition(reasons.VERIFIED),
        condition(reasons.VALIDATED),
        int(status.get("checkAttempts") or 0),
        status.get("lastCheckTime"),
    )


def _failed_gates(spec: ModelVersionSpec) -> str:
    """The gates that did not pass, in words; empty where all did."""
    failed = [gate for gate in spec.gates or () if gate.verdict != "Pass"]
    return "; ".join(f"{gate.verdict}: {gate.message or gate.metric}" for gate in failed)


def _look_at_pods(check: _Check, observed: VersionObserved, now: datetime, policy: Policy) -> None:
    """Read the pod that has not been read; throw away the others."""
    numbered = _numbered(observed)
    open_pods = [] if check.decided else [number for number in numbered if number > check.attempts]
    current = max(open_pods, default=None)
    if current is not None:
        said = verdict(numbered[current], now, policy.start_deadline)
        if isinstance(said, Looking):
            _looking(check, said, current, policy)
        else:
            _said(check, said, current, now, policy)
            current = None
    check.delete = [
        pod
        for number, pod in sorted(numbered.items())
        if number != current and not pod["metadata"].get("deletionTimestamp")
    ]


def _looking(check: _Check, said: Looking, number: int, policy: Policy) -> None:
    check.again = said.look_again
    _checking(check, number, policy, said.message)


def _checking(check: _Check, number: int, policy: Policy, more: str = "") -> None:
    """What is open is being looked at."""
    message = f"Check {number} of {policy.check_attempts} is at work." + (
        f" {more[0].upper()}{more[1:]}." if more else ""
    )
    if check.verified.status == UNKNOWN:
        check.verified = Condition(reasons.VERIFIED, UNKNOWN, reasons.CHECKING, message)
    if check.validated.status == UNKNOWN:
        check.validated = Condition(reasons.VALIDATED, UNKNOWN, reasons.CHECKING, message)


def _said(check: _Check, said: Verdict, number: int, now: datetime, policy: Policy) -> None:
    """Take a pod's word into the conditions. After the last attempt an open question is answered with no."""
    check.attempts, check.last = number, timestamp(now)
    if said.verified is not None:
        check.verified = said.verified
    if said.validated is not None and check.validated.status == UNKNOWN:
        check.validated = said.validated
    if said.again is not None and not check.decided:
        last = number >= policy.check_attempts
        pause_text = "it is not tried again" if last else f"tried again at {timestamp(now + pause(number))}"
        message = f"{said.again.message} (check {number} of {policy.check_attempts}; {pause_text})"
        # Bytes that were verified once stay so, whatever keeps a later pod from reading them again.
        type_ = reasons.VALIDATED if check.verified.status == TRUE else reasons.VERIFIED
        answer = Condition(type_, FALSE if last else UNKNOWN, said.again.reason, message)
        if answer.type == reasons.VERIFIED:
            check.verified = answer
        else:
            check.validated = answer
    if check.validated.status == UNKNOWN and check.verified.status != TRUE:
        open_ = check.verified
        check.validated = Condition(reasons.VALIDATED, open_.status, open_.reason, open_.message)
    check.why.append(f"check {number}: {check.verified.reason}, {check.validated.reason}")


def _next_pod(check: _Check, parent: Obj, spec: ModelVersionSpec, now: datetime, policy: Policy) -> None:
    """Make the next pod, or wait until it is time."""
    last = parse_time(check.last)
    if check.attempts and last is not None:
        left = last + pause(check.attempts) - now
        if left > timedelta(0):
            check.again = left
            return
    number = check.attempts + 1
    server = ServerDefaults(policy.server_image, policy.image_pull_policy, policy.trusted_types)
    check.create.append(check_pod(parent, spec, number, server, load=check.validated.status == UNKNOWN))
    check.why.append(f"check {number} is started")
    _checking(check, number, policy)


def _refused_by_server(check: _Check, message: str) -> _Check:
    """The check of a spec, or of a pod, that the API server does not take."""
    if check.decided:
        return check
    check.verified = Condition(reasons.VERIFIED, UNKNOWN, reasons.SPEC_INVALID, message)
    if check.validated.status == UNKNOWN:
        check.validated = Condition(reasons.VALIDATED, UNKNOWN, reasons.SPEC_INVALID, message)
    check.again = REQUEUE_REFUSED
    return check


def _ready(check: _Check, complaints: list[str]) -> Condition:
    """Verified and validated; else the reason is that of the first which is not."""
    parts = (check.verified, check.validated)
    lacking = next((part for part in parts if part.status == FALSE), None) or next(
        (part for part in parts if part.status != TRUE), None
    )
    note = "".join(f" {text[0].upper()}{text[1:]}." for text in complaints)
    if lacking is None:
        return Condition(reasons.READY, TRUE, reasons.READY, "Verified and validated." + note)
    status = FALSE if lacking.reason == reasons.SPEC_INVALID else lacking.status
    return Condition(reasons.READY, status, lacking.reason, lacking.message + note)


def _plan(observed: VersionObserved, now: datetime, check: _Check) -> Plan:
    parent = observed.parent
    held, complaints = aliases(parent, observed.model_deployments)
    wanted = (check.verified, check.validated, _ready(check, complaints))
    status = {
        "observedGeneration": parent["metadata"].get("generation"),
        "conditions": set_conditions(parent, wanted, now),
        "aliases": held,
        "usedBy": used_by(parent, observed.model_deployments),
        "checkAttempts": check.attempts or None,
        "lastCheckTime": check.last,
    }
    return Plan(
        create=tuple(check.create),
        status=changed(parent, status),
        delete=tuple(_delete(pod) for pod in check.delete),
        events=transitions(parent, wanted[2:]),
        requeue_after=check.again,
        why=(*check.why, *complaints),
    )


def _numbered(observed: VersionObserved) -> dict[int, Obj]:
    name = observed.parent["metadata"]["name"]
    pods = ((check_number(name, pod["metadata"]["name"]), pod) for pod in observed.pods)
    return {number: pod for number, pod in pods if number is not None}


def _has_pod(check: _Check, observed: VersionObserved) -> bool:
    """True while a pod that is still to be read exists."""
    return any(number > check.attempts for number in _numbered(observed))


def _delete(pod: Obj) -> Delete:
    metadata = pod["metadata"]
    return Delete("v1", "Pod", metadata["namespace"], metadata["name"], metadata["uid"])
