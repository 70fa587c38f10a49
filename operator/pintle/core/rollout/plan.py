"""One look at a ModelDeployment, decided: which objects, which traffic, which status."""

from __future__ import annotations

from datetime import datetime

from pintle.core.conditions import changed, transitions
from pintle.core.plan import Plan, Policy
from pintle.core.rollout import scores, told
from pintle.core.rollout.alias import claim
from pintle.core.rollout.children import changes, traffic
from pintle.core.rollout.conditions import State, answer_due, conditions
from pintle.core.rollout.deeds import Deed
from pintle.core.rollout.leaving import leave
from pintle.core.rollout.look import Look, look_at
from pintle.core.rollout.move import Move
from pintle.core.rollout.moves import next_move
from pintle.core.rollout.observed import DeploymentObserved
from pintle.core.rollout.record import Record, format_time
from pintle.core.rollout.scale import letting_down
from pintle.core.rollout.sight import seen_at
from pintle.core.rollout.status import positive, soonest, status_of
from pintle.core.rollout.trial import pair_of
from pintle.core.rollout.watching import deeds_of, watched
from pintle.core.rollout.word import heed


def plan(observed: DeploymentObserved, now: datetime, policy: Policy) -> Plan:
    """What to do about this deployment now; nothing for one that is being deleted: its children go with it."""
    if "deletionTimestamp" in observed.parent["metadata"]:
        return Plan(why=("it is being deleted",))
    seen = look_at(observed, now, policy)
    look = heed(seen)
    move = next_move(look)
    leaving = leave(look, with_blindness(look, move.record))
    record = leaving.record.with_(alias=claim(look, leaving.record)).tidy()
    children = changes(look)
    write = traffic(seen, record)
    # While a write is refused the traffic stays as it is (see controller.execute), and the status says what is.
    refused = observed.write_error is not None
    state = State(look, move, seen.record if refused else record, written=write is not None and not refused)
    watching = watched(state)
    found = [*conditions(state), *watching.conditions]
    deeds = told.untold(seen, state.record) + scores.telling(seen, state.record)
    history = (*deeds, *deeds_of(state, watching.decisions))
    status = {**status_of(state, found, history), "monitoring": watching.monitoring, "causes": watching.causes}
    return Plan(
        create=children.create,
        apply=children.apply,
        traffic=write,
        status=changed(observed.parent, status),
        delete=children.delete + leaving.deletes,
        events=told.events(deeds) + transitions(observed.parent, found),
        requeue_after=soonest(move.wake, leaving.wake, positive(letting_down(look)), watching.wake, answer_due(look)),
        why=_why(look, move, deeds),
        decisions=told.decisions(deeds) + watching.decisions,
        notify=told.notices(look, deeds) + watching.notices,
    )


def with_blindness(look: Look, record: Record) -> Record:
    """The record with the time in which nothing could be judged, as far as it belongs to the rollout that goes on."""
    course = record.course
    if pair_of(record) is None or course.origin != look.record.course.origin:
        return record
    if look.sight.lasting and not course.blinded:
        # From where sight ended, which is some scrapes ago.
        seen = format_time(seen_at(look.sight.judgement)) if look.sight.judgement else look.time
        return record.on(blinded=max(seen, course.origin))
    if not look.sight.blind and course.blinded:
        return record.on(blinded="", blind=round(course.blind + look.since(course.blinded).total_seconds(), 3))
    return record


def _why(look: Look, move: Move, deeds: tuple[Deed, ...]) -> tuple[str, ...]:
    target = look.request.target
    asked = f"version {target.version} as revision {target.name}" if target else look.request.message
    lines = [f"requested: {asked}", f"{move.reason}: {move.message}"]
    return (*lines, *(f"{item.action} {item.revision}: {item.why}" for item in deeds))
