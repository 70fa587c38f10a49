"""One look at a ModelDeployment, decided: which objects, which traffic, which status."""

from __future__ import annotations

from datetime import datetime

from pintle.api import reasons
from pintle.core.conditions import changed, transitions
from pintle.core.plan import Event, Plan, Policy
from pintle.core.rollout.alias import claim
from pintle.core.rollout.children import changes, traffic
from pintle.core.rollout.conditions import State, conditions
from pintle.core.rollout.leaving import leave
from pintle.core.rollout.look import Look, look_at
from pintle.core.rollout.moves import Move, next_move
from pintle.core.rollout.observed import DeploymentObserved
from pintle.core.rollout.record import Record
from pintle.core.rollout.status import soonest, status_of


def plan(observed: DeploymentObserved, now: datetime, policy: Policy) -> Plan:
    """What to do about this deployment now; nothing for one that is being deleted: its children go with it."""
    if "deletionTimestamp" in observed.parent["metadata"]:
        return Plan(why=("it is being deleted",))
    look = look_at(observed, now, policy)
    move = next_move(look)
    leaving = leave(look, move.record)
    record = leaving.record.with_(alias=claim(look, leaving.record))
    children = changes(look)
    # While a write is refused the traffic stays as it is (see controller.execute), and the status says what is.
    state = State(look, move, look.record if observed.write_error is not None else record)
    found = conditions(state)
    return Plan(
        create=children.create,
        apply=children.apply,
        traffic=traffic(look, record),
        status=changed(observed.parent, status_of(state, found)),
        delete=children.delete + leaving.deletes,
        events=_deed_events(look, state.record) + transitions(observed.parent, found),
        requeue_after=soonest(move.wake, leaving.wake),
        why=_why(look, move, record),
    )


def _deed_events(look: Look, record: Record) -> tuple[Event, ...]:
    """What was just done to the traffic."""
    last = record.last
    if last is None or last == look.record.last:
        return ()
    kind = "Warning" if last.action == "Restore" else "Normal"
    return (Event(kind, reasons.SERVING, f"{last.action} version {last.version} ({last.revision}): {last.why}"),)


def _why(look: Look, move: Move, record: Record) -> tuple[str, ...]:
    target = look.request.target
    asked = f"version {target.version} as revision {target.name}" if target else look.request.message
    lines = [f"requested: {asked}", f"{move.reason}: {move.message}"]
    if record.last is not None and record.last != look.record.last:
        lines.append(f"{record.last.action} {record.last.revision}: {record.last.why}")
    return tuple(lines)
