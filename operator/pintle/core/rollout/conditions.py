"""Available, Progressing and Ready of a ModelDeployment, for every state it can be in.

`Available`: something serves. `Progressing`: a change is under way. `Ready`: the requested revision has all traffic.
The table of the three is the golden file tests/golden/rollout/conditions.txt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pintle.api import reasons
from pintle.core.conditions import FALSE, TRUE, Condition
from pintle.core.plan import ANOTHER_OWNER
from pintle.core.rollout.alias import rival
from pintle.core.rollout.look import Look
from pintle.core.rollout.move import Move
from pintle.core.rollout.record import Record
from pintle.core.rollout.trial import same_trial
from pintle.core.rollout.trouble import trouble

GATEWAY_SECONDS = timedelta(seconds=30)
"""A gateway takes a moment to answer to a route that is new: nobody needs to look before this is over."""


@dataclass(frozen=True)
class State:
    """What is true once the plan has been carried out."""

    look: Look
    move: Move
    record: Record
    written: bool = False
    """The record is written by this look."""

    @property
    def ready_pods(self) -> int:
        """Ready pods of the revisions that carry traffic."""
        return sum(self.look.fleet.ready(name) for name, weight in self.record.weights.items() if weight)


def conditions(state: State) -> list[Condition]:
    """In the order in which they are printed."""
    found = [_available(state), _progressing(state), _ready(state)]
    other = rival(state.look)
    if other is not None and state.look.spec.onPromoted is not None:
        alias = state.look.spec.onPromoted.alias
        message = f"ModelDeployment {other} is older and moves the alias {alias}; this one does not"
        found.append(Condition(reasons.ALIAS_CONFLICT, TRUE, reasons.ALIAS_CONFLICT, message))
    return found


def _available(state: State) -> Condition:
    serving, look = state.record.serving, state.look
    if serving is None:
        return Condition(reasons.AVAILABLE, FALSE, reasons.NOT_SERVING, "no revision has served yet")
    if look.scaled_to_zero:
        return Condition(reasons.AVAILABLE, FALSE, reasons.SCALED_TO_ZERO, "minReplicas is 0")
    if not state.ready_pods:
        found = trouble(look.fleet.member(serving.name).pods)
        message = f"revision {serving.name} has no ready pod" + (f"; {found}" if found else "")
        return Condition(reasons.AVAILABLE, FALSE, reasons.NO_READY_PODS, message)
    front = state.record.revisions[state.record.front]
    message = f"version {front.version} serves as revision {front.name}"
    return Condition(reasons.AVAILABLE, TRUE, reasons.SERVING, message)


def _progressing(state: State) -> Condition:
    blocked = _blocked(state)
    if blocked is not None:
        return Condition(reasons.PROGRESSING, FALSE, *blocked)
    move = state.move
    if move.reason == reasons.COMPLETE and state.record.retiring:
        names = ", ".join(sorted(state.record.retiring))
        message = f"revision {names} finishes its requests"
        return Condition(reasons.PROGRESSING, TRUE, reasons.DRAINING, message)
    message = "; ".join(part for part in (move.message, _notes(state)) if part)
    return Condition(reasons.PROGRESSING, TRUE if move.progressing else FALSE, move.reason, message)


def _notes(state: State) -> str:
    """Of the trial that goes on after this look, too."""
    return state.look.sight.notes if same_trial(state.look.record, state.record) else ""


def _ready(state: State) -> Condition:
    for check in READY_CHECKS:
        found = check(state)
        if found is not None:
            return Condition(reasons.READY, FALSE, *found)
    serving = state.record.serving
    assert serving is not None, "_not_requested has spoken"
    message = f"version {serving.version} carries all traffic as revision {serving.name}"
    return Condition(reasons.READY, TRUE, reasons.READY, message)


Found = tuple[str, str] | None


def _blocked(state: State) -> Found:
    """The API server refuses a write, or a name is taken: no change gets on."""
    error = state.look.observed.write_error
    if error is not None:
        return (reasons.ROUTE_CONFLICT if ANOTHER_OWNER in error else reasons.SPEC_INVALID), error
    stranger = state.look.fleet.stranger
    return (reasons.ROUTE_CONFLICT, stranger) if stranger else None


def _no_target(state: State) -> Found:
    request = state.look.request
    return (request.reason, request.message) if request.target is None else None


def _not_requested(state: State) -> Found:
    target = state.look.request.target
    if target is not None and target.name == state.record.stable:
        return None
    return state.move.reason, state.move.message


def _guarded(state: State) -> Found:
    """The one before still has a share, and is the way back."""
    return (state.move.reason, state.move.message) if state.record.in_guard else None


def _no_pods(state: State) -> Found:
    available = _available(state)
    return None if available.status == TRUE else (available.reason, available.message)


def _not_accepted(state: State) -> Found:
    """What the gateways say about the route. One that does not answer in time has not accepted."""
    look = state.look
    if look.gateway is None:
        return None
    parents = _parents(look)
    if not parents:
        names = ", ".join(parent.name for parent in look.gateway.parentRefs)
        if answer_due(look) is not None or look.fleet.route is None:
            return reasons.AWAITING_GATEWAY, f"gateway {names} has not answered to the new HTTPRoute yet"
        return reasons.ROUTE_NOT_ACCEPTED, f"gateway {names} does not answer to the HTTPRoute: is there one?"
    refusals = [refusal for parent in parents for refusal in _refusals(parent)]
    return (reasons.ROUTE_NOT_ACCEPTED, "; ".join(refusals)) if refusals else None


def answer_due(look: Look) -> timedelta | None:
    """How much longer a gateway may take for its first answer to a route; None where none is waited for."""
    if look.gateway is None or look.fleet.route is None or _parents(look):
        return None
    left = GATEWAY_SECONDS - look.since(str(look.fleet.route["metadata"].get("creationTimestamp", "")))
    return left if left > timedelta(0) else None


def _parents(look: Look) -> Sequence[Mapping[str, Any]]:
    return ((look.fleet.route or {}).get("status") or {}).get("parents") or ()


def _refusals(parent: Mapping[str, Any]) -> list[str]:
    gateway = (parent.get("parentRef") or {}).get("name", "gateway")
    return [
        f"{gateway}: {condition.get('reason', '')} {condition.get('message', '')}".strip()
        for condition in parent.get("conditions") or ()
        if condition["type"] in ("Accepted", "ResolvedRefs") and condition["status"] == "False"
    ]


READY_CHECKS: tuple[Callable[[State], Found], ...] = (
    _blocked,
    _no_target,
    _not_requested,
    _guarded,
    _no_pods,
    _not_accepted,
)
