"""When a revision on trial is taken back, and what happens to its share while it has no pods.

Only Fail, a person, or pods that are lost again and again refuse a revision. It needs somebody who takes the traffic:
as long as the other revision has no ready pod, one that answers badly is better than none.
"""

from __future__ import annotations

from pintle.api import reasons
from pintle.core.rollout.course import LOSSES, position
from pintle.core.rollout.deeds import LOSE, Figures
from pintle.core.rollout.look import Look
from pintle.core.rollout.move import Move, by_person, deed, stay, taken_back, unless_observing
from pintle.core.rollout.record import FULL
from pintle.core.rollout.sight import failing, figures_of, gross, in_words

PODS = "pods"
"""The rule of what is decided by pods alone."""


def out(look: Look) -> Move | None:
    """What is refused has no share, whoever refused it."""
    record = look.record
    if record.canary in record.refused:
        refusal = record.refused[record.canary]
    elif record.in_guard and record.stable in record.refused:
        refusal = record.refused[record.stable]
    else:
        return None
    said_now = record.word is not None and record.word.time == look.time
    return taken_back(look, refusal.why, by_person(look) if said_now else None)


def fails(look: Look) -> Move | None:
    """A test says Fail."""
    record, sight = look.record, look.sight
    if not record.canary and not record.in_guard:
        return None
    test, other = failing(sight), record.previous or record.stable
    if record.in_guard and not record.weights[other]:
        test = gross(sight, other)
    if test is None:
        return None
    if not look.acts and record.course.asked > position(record, look.steps):
        # With automation Observe it is the person who decides.
        return None
    if not look.fleet.ready(other):
        message = f"{in_words(test)}; but revision {other} has no ready pod to take its traffic"
        return stay(look, False, reasons.NO_READY_PODS, message)
    return unless_observing(look, taken_back(look, in_words(test), figures_of(test)))


def lost(look: Look) -> Move | None:
    """The canary has no ready pod left: no share at once; it is refused when that happens again and again."""
    record = look.record
    if not record.canary or look.scaled_to_zero or look.fleet.ready(record.canary) or not look.stable.ready:
        return None
    canary, losses = record.revisions[record.canary], record.course.losses
    if record.weights[record.canary]:
        if losses + 1 >= LOSSES and look.acts:
            why = f"it lost all its pods {losses + 1} times"
            return taken_back(look, why, Figures(rule=PODS, value=losses + 1))
        record = record.on(losses=losses + 1).with_(
            weights={record.stable: FULL, record.canary: 0},
            since=look.time,
            last=deed(look, LOSE, canary, "it has no ready pod", Figures(rule=PODS, value=losses + 1)),
        )
        return Move(record, False, reasons.REVISION_NOT_READY, f"revision {canary.name} has no ready pod")
    if not losses or look.since(record.since) < look.allowed:
        return None
    why = f"it has had no ready pod for {look.allowed.total_seconds():.0f} s"
    return unless_observing(look, taken_back(look, why, Figures(rule=PODS, value=0)))
