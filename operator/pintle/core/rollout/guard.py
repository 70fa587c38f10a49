"""After promotion: the revision before keeps a share to compare with, stays warm, and is the way back.

the spec asks for the one before      return_      one write brings it back; nothing is refused
the new one has no ready pod          carried      the one before takes all; too often, and the new one is refused
shares are not those of the spec      shared       or the one before has no pods to compare with
a test fails that may not act         warned       without a holdback there is nothing to compare with
a person promotes                     ended
paused                                held
not over                              lasting      time in which nothing can be judged does not count (twice at most)
otherwise                             over         all traffic to the new one, the one before leaves
"""

from __future__ import annotations

from collections.abc import Callable

from pintle.api import reasons
from pintle.core.rollout.course import LOSSES, judged_seconds
from pintle.core.rollout.deeds import ADJUST, LOSE, REGAIN, RETURN, WARN, Figures
from pintle.core.rollout.look import Look
from pintle.core.rollout.move import Move, accepted, by_person, carries, deed, stay, taken_back, unless_observing
from pintle.core.rollout.record import FULL
from pintle.core.rollout.rollback import PODS
from pintle.core.rollout.sight import failing, figures_of, in_words
from pintle.resources.revision import Revision

LONGEST = 2
"""A guard in which nothing can be judged ends after so many times its seconds."""


def guarding(look: Look) -> Move | None:
    """The next thing to do in a guard; None where there is none."""
    if not look.record.in_guard:
        return None
    for check in GUARD_CHECKS:
        move = check(look)
        if move is not None:
            return move
    raise AssertionError("over always speaks")


def return_(look: Look) -> Move | None:
    target = look.request.target
    if target is None or target.name != look.record.previous or not look.fleet.ready(target.name):
        return None
    return carries(look, target, RETURN, "it was requested again during the guard")


def carried(look: Look) -> Move | None:
    record, course = look.record, look.record.course
    if look.stable.ready or look.scaled_to_zero or not look.fleet.ready(record.previous):
        return None
    if not record.weights[record.stable]:
        if look.since(record.since) >= look.allowed:
            why = f"it has had no ready pod for {look.allowed.total_seconds():.0f} s"
            return unless_observing(look, taken_back(look, why, Figures(rule=PODS, value=0)))
        message = f"revision {record.stable} has no ready pod; the one before it carries the traffic"
        return stay(look, False, reasons.REVISION_NOT_READY, message, look.allowed - look.since(record.since))
    losses = course.losses + 1
    figures = Figures(rule=PODS, value=losses)
    if losses >= LOSSES and look.acts:
        return taken_back(look, f"it lost all its pods {losses} times", figures)
    record = record.on(losses=losses).with_(
        weights={record.stable: 0, record.previous: FULL},
        since=look.time,
        last=deed(look, LOSE, _stable(look), "it has no ready pod", figures),
    )
    return Move(record, False, reasons.REVISION_NOT_READY, f"revision {record.stable} has no ready pod")


def shared(look: Look) -> Move | None:
    record = look.record
    if look.guard is None or not look.stable.ready:
        return None
    holdback = look.guard.holdbackWeight if look.fleet.ready(record.previous) else 0
    if record.weights[record.previous] == holdback:
        return None
    regained = not record.weights[record.stable]
    why = "its pods are ready again" if regained else f"the one before has {holdback} %"
    record = record.with_(
        weights={record.stable: FULL - holdback, record.previous: holdback},
        since=look.time,
        last=deed(look, REGAIN if regained else ADJUST, _stable(look), why),
    )
    return Move(record, True, reasons.GUARDING, f"revision {record.stable} is guarded")


def warned(look: Look) -> Move | None:
    """A test fails that may not act, because the one before has no traffic to compare with: it is told, once."""
    test, course = failing(look.sight), look.record.course
    if test is None or not look.acts or course.would == f"{WARN} {test.name}":
        return None
    last = deed(look, WARN, _stable(look), f"{in_words(test)}; without a holdback this does not act", figures_of(test))
    record = look.record.on(would=f"{WARN} {test.name}").with_(last=last)
    return Move(record, True, reasons.GUARDING, last.why)


def ended(look: Look) -> Move | None:
    if not look.record.course.asked or not look.stable.ready:
        return None
    return accepted(look, "a person ended the guard", by_person(look))


def held(look: Look) -> Move | None:
    why = look.record.course.paused
    return stay(look, False, reasons.PAUSED, f"guard of revision {look.record.stable}: {why}") if why else None


def lasting(look: Look) -> Move | None:
    seconds, course = look.guard.seconds if look.guard else 0, look.record.course
    left = seconds - judged_seconds(look, course.guarded)
    longest = LONGEST * seconds - look.since(course.guarded).total_seconds()
    if min(left, longest) <= 0 and (look.stable.ready or look.scaled_to_zero):
        return None
    message = f"revision {look.record.stable} is guarded for {seconds} s beside {look.record.previous}"
    if look.sight.blind:
        return stay(look, False, reasons.METRICS_UNAVAILABLE, f"{message}; {look.sight.blind}")
    return stay(look, True, reasons.GUARDING, message)


def over(look: Look) -> Move | None:
    seconds = look.guard.seconds if look.guard else 0
    return unless_observing(look, accepted(look, f"nothing failed in the guard of {seconds} s"))


GUARD_CHECKS: tuple[Callable[[Look], Move | None], ...] = (
    return_,
    carried,
    shared,
    warned,
    ended,
    held,
    lasting,
    over,
)


def _stable(look: Look) -> Revision:
    return look.record.revisions[look.record.stable]
