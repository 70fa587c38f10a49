"""A move: the record as it should be, and how that looks to a person. And the writes that many moves end in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from pintle.api import reasons
from pintle.core.rollout.deeds import ACCEPT, GO_BACK, ROLLBACK, WITHDRAW, WOULD, Deed, Figures
from pintle.core.rollout.look import Look
from pintle.core.rollout.record import FULL, Course, Record
from pintle.resources.revision import Revision

POLL = timedelta(seconds=5)
"""While a rollout or guard goes on it is looked at again at least so often, whatever else happens."""


@dataclass(frozen=True)
class Move:
    """The record as it should be, and how that looks to a person."""

    record: Record
    progressing: bool
    reason: str
    message: str
    wake: timedelta | None = None


def stay(look: Look, progressing: bool, reason: str, message: str, wake: timedelta | None = None) -> Move:
    """Nothing is done now; looked at again soon."""
    left = POLL if wake is None else min(max(wake, timedelta(0)), POLL)
    return Move(look.record, progressing, reason, message, left)


def deed(look: Look, action: str, revision: Revision, why: str, figures: Figures | None = None) -> Deed:
    """Something that is done now."""
    return Deed(look.time, action, revision.name, revision.version, why, figures or Figures())


def by_person(look: Look) -> Figures:
    """For deeds that go back to the last word of a person."""
    word = look.record.word
    return Figures(by=word.by if word else "")


def carries(look: Look, revision: Revision, action: str, why: str, figures: Figures | None = None) -> Move:
    """The write that gives a revision all traffic and makes it the stable one, without a guard."""
    old = look.record.serving
    record = look.record.with_(
        stable=revision.name,
        canary="",
        previous="",
        weights={revision.name: FULL},
        revisions={**look.record.revisions, revision.name: revision},
        former=old.name if old and old.name != revision.name else look.record.former,
        back="" if look.record.back == revision.name else look.record.back,
        since=look.time,
        course=Course(),
        last=deed(look, action, revision, why, figures),
    )
    if old and look.record.back == revision.name:
        # A person wants the old one no more, although the spec asks for it.
        record = record.refuse(old, f"a person went back to version {revision.version}", look.time)
        record = record.with_(last=deed(look, ROLLBACK, old, why, by_person(look)))
    return Move(record, False, reasons.COMPLETE, "no change is under way")


def promoted(look: Look, revision: Revision, action: str, why: str, figures: Figures | None = None) -> Move:
    """The write that makes a revision the stable one, with the old one beside it as the way back where there is one."""
    guard, old = look.guard, look.record.serving
    if guard is None or old is None or look.record.back or not look.stable.ready:
        return carries(look, revision, action, why, figures)
    record = look.record.with_(
        stable=revision.name,
        canary="",
        previous=old.name,
        weights={revision.name: FULL - guard.holdbackWeight, old.name: guard.holdbackWeight},
        revisions={**look.record.revisions, revision.name: revision},
        since=look.time,
        course=Course(origin=look.time, guarded=look.time),
        last=deed(look, action, revision, why, figures),
    )
    return Move(record, True, reasons.GUARDING, f"revision {revision.name} is guarded for {guard.seconds} s", POLL)


def accepted(look: Look, why: str, figures: Figures | None = None) -> Move:
    """The end of the guard: all traffic to the stable, and the previous one leaves."""
    record, stable = look.record, look.record.revisions[look.record.stable]
    record = record.with_(
        previous="",
        weights={record.stable: FULL},
        former=record.previous,
        since=look.time,
        course=Course(),
        last=deed(look, ACCEPT, stable, why, figures),
    )
    return Move(record, False, reasons.COMPLETE, "no change is under way")


def taken_back(look: Look, why: str, figures: Figures | None = None) -> Move:
    """The one write that takes the revision on trial out of the route, for good, and gives all to the one before."""
    record = look.record
    name, other = (record.stable, record.previous) if record.in_guard else (record.canary, record.stable)
    bad, action = record.revisions[name], GO_BACK if record.in_guard else ROLLBACK
    record = record.refuse(bad, why, look.time).with_(
        stable=other,
        canary="",
        previous="",
        weights={other: FULL},
        since=look.time,
        course=Course(),
        last=deed(look, action, bad, why, figures),
    )
    return Move(record, False, reasons.ROLLED_BACK, f"version {bad.version} (revision {name}): {why}")


def alone(look: Look, why: str = "it is requested no more") -> Record:
    """All traffic on the stable; a canary leaves the route, unless it is all that answers."""
    record = look.record
    if not record.canary:
        return record
    answers = not look.stable.ready and look.fleet.ready(record.canary) and record.weights[record.canary]
    if answers and not look.scaled_to_zero:
        return record
    return record.with_(
        canary="",
        weights={record.stable: FULL},
        since=look.time,
        course=Course(),
        last=deed(look, WITHDRAW, record.revisions[record.canary], why),
    )


def unless_observing(look: Look, move: Move) -> Move:
    """The move itself; with automation Observe the statement that it would be made, once."""
    done = move.record.last
    if look.acts or done is None:
        return move
    action, record = WOULD + done.action, look.record
    said = f"{action} {done.revision} {record.course.step} {done.figures.rule}"
    if record.course.would != said:
        record = record.on(would=said).with_(last=replace(done, action=action))
    return Move(record, False, reasons.OBSERVING, f"would {done.action} version {done.version}: {done.why}", POLL)
