"""What happens next to the traffic: an ordered chain of small checks; the first that speaks decides.

no record, but ready pods    adopt           they may be in use: the oldest ones serve on
on trial, but refused        out             one write takes it back
canary without a ready pod   lost            no share at once
a test fails                 fails           one write takes it back
promoted not long ago        guarding        see guard.py
no revision may start        hold            what serves goes on
nothing serves yet           first           the first ready, warmed pod gets the route
requested is stable          at_home         all traffic on it
requested is leaving         way_back        one write brings it back while its pods are there
minReplicas is 0             asleep          a canary begins anew when there are pods
stable has no ready pod      stable_lost     anything that answers is better
successor not all ready      warming         the stable keeps all traffic
ready, not in the route      join            into the route with weight 0, so that gateways learn its pods
just joined                  settle          until they have
the spec has steps           go_on           see steps.py
otherwise                    replace         one write to 100
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from pintle.api import reasons
from pintle.core.rollout.course import position
from pintle.core.rollout.deeds import PROMOTE, RESTORE, RETURN, SERVE, STAND_IN
from pintle.core.rollout.fleet import Member
from pintle.core.rollout.guard import guarding
from pintle.core.rollout.look import Look
from pintle.core.rollout.move import Move, alone, by_person, carries, deed, promoted, stay, unless_observing
from pintle.core.rollout.record import FULL, Course, Record
from pintle.core.rollout.rollback import fails, lost, out
from pintle.core.rollout.scale import scale_of
from pintle.core.rollout.steps import go_on
from pintle.core.rollout.trouble import trouble
from pintle.resources.revision import Revision

SETTLE = timedelta(seconds=1)
"""How long a revision is in the route with weight 0 before it takes over."""


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
    members = [member for name, member in look.fleet.members.items() if name not in look.record.refused]
    ready = sorted((member.created, member.name) for member in members if member.ready)
    made = look.fleet.member(ready[0][1]).made_of if ready else None
    if made is None or (target is not None and made.name == target.name):
        return None
    return carries(look, made, RESTORE, "its pods are ready and nothing says what served")


def hold(look: Look) -> Move | None:
    request = look.request
    if request.target is not None:
        return None
    return Move(alone(look), False, request.reason, request.message)


def first(look: Look) -> Move | None:
    target = _target(look)
    if look.record.stable:
        return None
    member = look.fleet.member(target.name)
    if member.ready or (look.scaled_to_zero and member.deployment is not None):
        return carries(look, target, SERVE, "its first pod is ready and warmed")
    return _wait(look, member, reasons.STARTING, look.record)


def at_home(look: Look) -> Move | None:
    if _target(look).name != look.record.stable:
        return None
    return Move(alone(look).with_(back=""), False, reasons.COMPLETE, "no change is under way")


def way_back(look: Look) -> Move | None:
    """To what served before, and where there are no steps to whatever is leaving: its pods have seen this traffic."""
    target, member, record = _target(look), _successor(look), look.record
    if target.name not in record.retiring or (look.steps and target.name != record.former):
        return None
    if not member.all_ready(scale_of(look, target.name).least):
        return None
    return carries(look, target, RETURN, "it was requested again while its pods were still there")


def asleep(look: Look) -> Move | None:
    if not look.scaled_to_zero or not look.steps:
        return None
    record = alone(look, "minReplicas is 0")
    return Move(record, False, reasons.SCALED_TO_ZERO, "minReplicas is 0: the rollout begins when there are pods")


def stable_lost(look: Look) -> Move | None:
    target, member = _target(look), _successor(look)
    if look.scaled_to_zero and member.deployment is not None:
        return carries(look, target, PROMOTE, "nothing serves while minReplicas is 0")
    if look.stable.ready:
        return None
    if look.steps:
        return _stands_in(look, target, member)
    if not member.ready:
        return None
    return carries(look, target, PROMOTE, f"revision {look.record.stable} has no ready pod left")


def warming(look: Look) -> Move | None:
    target, member, record = _target(look), _successor(look), look.record
    in_route = target.name in record.weights
    if (in_route and look.steps) or member.all_ready(scale_of(look, target.name).least):
        return None
    return _wait(look, member, reasons.REPLACING, record if in_route else alone(look))


def join(look: Look) -> Move | None:
    target = _target(look)
    if target.name in look.record.weights:
        return None
    record = alone(look)
    if record.canary:
        return stay(look, False, reasons.NO_READY_PODS, f"revision {record.canary} is all that answers")
    record = record.with_(
        canary=target.name,
        weights={record.stable: FULL, target.name: 0},
        revisions={**record.revisions, target.name: target},
        since=look.time,
        course=Course(),
    )
    return Move(record, True, reasons.REPLACING, f"revision {target.name} is ready and joins the route", SETTLE)


def settle(look: Look) -> Move | None:
    left = SETTLE - look.since(look.record.since)
    if left <= timedelta(0) or position(look.record, look.steps) or look.record.weights[_target(look).name]:
        return None
    message = f"revision {_target(look).name} is ready and takes over next"
    return Move(look.record, True, reasons.REPLACING, message, left)


def replace(look: Look) -> Move | None:
    if look.record.course.asked:
        return promoted(look, _target(look), PROMOTE, "a person asked for it", by_person(look))
    move = promoted(look, _target(look), PROMOTE, "all its pods are ready and warmed")
    return move if look.record.back else unless_observing(look, move)


CHAIN: tuple[Callable[[Look], Move | None], ...] = (
    adopt,
    out,
    lost,
    fails,
    guarding,
    hold,
    first,
    at_home,
    way_back,
    asleep,
    stable_lost,
    warming,
    join,
    settle,
    go_on,
    replace,
)


def _target(look: Look) -> Revision:
    target = look.request.target
    assert target is not None, "hold has spoken"
    return target


def _successor(look: Look) -> Member:
    member = look.successor
    assert member is not None, "at_home has spoken"
    return member


def _stands_in(look: Look, target: Revision, member: Member) -> Move | None:
    """The canary carries all traffic until the stable is back; no promotion. One that fails was held before."""
    record = look.record
    if record.course.asked > len(look.steps) and member.ready:
        return carries(look, target, PROMOTE, "a person asked for it", by_person(look))
    if not member.ready:
        if target.name not in record.weights:
            return None
        return stay(look, False, reasons.NO_READY_PODS, f"neither {record.stable} nor {target.name} has a ready pod")
    message = f"revision {target.name} carries all traffic: revision {record.stable} has no ready pod"
    if record.weights.get(target.name) == FULL:
        return stay(look, False, reasons.NO_READY_PODS, message)
    if target.name not in record.weights:
        record = record.with_(course=Course())
    record = record.on(origin=record.course.origin or look.time, due=record.course.due or look.time).with_(
        canary=target.name,
        weights={record.stable: 0, target.name: FULL},
        revisions={**record.revisions, target.name: target},
        since=look.time,
        last=deed(look, STAND_IN, target, f"revision {record.stable} has no ready pod left"),
    )
    return Move(record, False, reasons.NO_READY_PODS, message)


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
