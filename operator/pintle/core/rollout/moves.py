"""What happens next to the traffic: an ordered chain of small checks; the first that speaks decides.

    no record, but ready pods    adopt           they may be in use: the oldest ones serve on
    no revision may start        hold            what serves goes on
    nothing serves yet           first           the first ready, warmed pod gets the route
    requested is stable          at_home         all traffic on it
    requested is leaving         way_back        one write brings it back while its pods are there
    stable has no ready pod      stable_lost     anything that answers is better
    successor not all ready      warming         the stable keeps all traffic
    ready, not in the route      join            into the route with weight 0, so that gateways learn its pods
    just joined                  settle          until they have
    otherwise                    promote         one write to 100

Steps, judgement and guard go between `settle` and `promote`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from pintle.api import reasons
from pintle.core.rollout.fleet import Member
from pintle.core.rollout.look import Look
from pintle.core.rollout.record import FULL, Deed, Record, parse_time
from pintle.core.rollout.scale import scale_of
from pintle.core.rollout.trouble import trouble
from pintle.resources.revision import Revision

SETTLE = timedelta(seconds=1)
"""How long a revision is in the route with weight 0 before it takes over."""


@dataclass(frozen=True)
class Move:
    """The record as it should be, and how that looks to a person."""

    record: Record
    progressing: bool
    reason: str
    message: str
    wake: timedelta | None = None


def next_move(look: Look) -> Move:
    """The first check of the chain that speaks."""
    for check in CHAIN:
        move = check(look)
        if move is not None:
            return move
    raise AssertionError("the last check of the chain always speaks")


def adopt(look: Look) -> Move | None:
    if look.record.stable:
        return None
    target = look.request.target
    ready = sorted((member.created, name) for name, member in look.fleet.members.items() if member.ready)
    made = look.fleet.member(ready[0][1]).made_of if ready else None
    if made is None or (target is not None and made.name == target.name):
        return None
    return _carries(look, made, "Restore", "its pods are ready and nothing says what served")


def hold(look: Look) -> Move | None:
    request = look.request
    if request.target is not None:
        return None
    return Move(_alone(look), False, request.reason, request.message)


def first(look: Look) -> Move | None:
    target = _target(look)
    if look.record.stable:
        return None
    member = look.fleet.member(target.name)
    if member.ready or (look.scaled_to_zero and member.deployment is not None):
        return _carries(look, target, "Serve", "its first pod is ready and warmed")
    return _wait(look, member, reasons.STARTING, look.record)


def at_home(look: Look) -> Move | None:
    if _target(look).name != look.record.stable:
        return None
    return Move(_alone(look), False, reasons.COMPLETE, "no change is under way")


def way_back(look: Look) -> Move | None:
    target, member = _target(look), _successor(look)
    if target.name not in look.record.retiring or not member.all_ready(scale_of(look, target.name).least):
        return None
    return _carries(look, target, "Return", "it was requested again while its pods were still there")


def stable_lost(look: Look) -> Move | None:
    target, member = _target(look), _successor(look)
    if look.scaled_to_zero and member.deployment is not None:
        return _carries(look, target, "Promote", "nothing serves while minReplicas is 0")
    if look.stable.ready or not member.ready:
        return None
    return _carries(look, target, "Promote", f"revision {look.record.stable} has no ready pod left")


def warming(look: Look) -> Move | None:
    target, member = _target(look), _successor(look)
    if member.all_ready(scale_of(look, target.name).least):
        return None
    in_route = target.name in look.record.weights
    return _wait(look, member, reasons.REPLACING, look.record if in_route else _alone(look))


def join(look: Look) -> Move | None:
    target = _target(look)
    if target.name in look.record.weights:
        return None
    record = look.record.with_(
        canary=target.name,
        weights={look.record.stable: FULL, target.name: 0},
        revisions=_facts(look.record, look.record.stable) | {target.name: target},
        since=look.time,
    )
    return Move(record, True, reasons.REPLACING, f"revision {target.name} is ready and joins the route", SETTLE)


def settle(look: Look) -> Move | None:
    left = SETTLE - (look.now - parse_time(look.record.since))
    if left <= timedelta(0):
        return None
    message = f"revision {_target(look).name} is ready and takes over next"
    return Move(look.record, True, reasons.REPLACING, message, left)


def promote(look: Look) -> Move | None:
    return _carries(look, _target(look), "Promote", "all its pods are ready and warmed")


CHAIN: tuple[Callable[[Look], Move | None], ...] = (
    adopt,
    hold,
    first,
    at_home,
    way_back,
    stable_lost,
    warming,
    join,
    settle,
    promote,
)


def _target(look: Look) -> Revision:
    target = look.request.target
    assert target is not None, "hold has spoken"
    return target


def _successor(look: Look) -> Member:
    member = look.successor
    assert member is not None, "at_home has spoken"
    return member


def _carries(look: Look, revision: Revision, action: str, why: str) -> Move:
    """The write that gives a revision all traffic and makes it the stable one."""
    record = look.record.with_(
        stable=revision.name,
        canary="",
        weights={revision.name: FULL},
        revisions={revision.name: revision},
        since=look.time,
        last=Deed(look.time, action, revision.name, revision.version, why),
    )
    return Move(record, False, reasons.COMPLETE, "no change is under way")


def _alone(look: Look) -> Record:
    """All traffic on the stable; a canary leaves the route."""
    record = look.record
    if not record.canary:
        return record
    gone = record.revisions[record.canary]
    return record.with_(
        canary="",
        weights={record.stable: FULL},
        revisions=_facts(record, record.stable),
        since=look.time,
        last=Deed(look.time, "Withdraw", gone.name, gone.version, "it is requested no more"),
    )


def _facts(record: Record, name: str) -> dict[str, Revision]:
    return {name: record.revisions[name]}


def _wait(look: Look, member: Member, reason: str, record: Record) -> Move:
    """Until the pods are ready, or the deadline says that they will not be."""
    wanted = scale_of(look, member.name).least
    found = trouble(member.pods)
    message = f"revision {member.name}: {member.ready} of {wanted} pods ready" + (f"; {found}" if found else "")
    left = look.deadline
    if left > timedelta(0):
        return Move(record, True, reason, message, left)
    seconds = look.spec.rollout.progressDeadlineSeconds
    return Move(record, False, reasons.REVISION_NOT_READY, f"not ready within {seconds} s: {message}")
