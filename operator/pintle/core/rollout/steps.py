"""A canary in the route goes by the steps of the spec: an ordered chain of small checks; the first that speaks decides.

more share than the step has     lower        at once: steps were changed, or the stable is back
less share than the step has     regain       its pods are back; not while nothing can be judged
a person asked for more          asked        as soon as the pods for it are ready
paused                           paused       until a person resumes
the step is a pause              pause        until a person promotes or resumes
its scores differ, and the spec  differs      paused until a person resumes, once in a trial
  asks for a pause then
no Prometheus was given          unmeasured   nothing could ever be judged
minSeconds are not over          dwell
nothing can be judged            blind        holds, aborts nothing, resumes by itself
too few requests in this step    too_few      until the deadline
last step, not yet Pass          unproven     until the deadline
promotion: Manual                manual
otherwise                        advance      the next step, or promotion, once its pods are ready
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from math import ceil

from pintle.api import reasons
from pintle.core.judgement.verdict import NEED_MORE_DATA, PASS
from pintle.core.rollout import scores
from pintle.core.rollout.course import judged_seconds, next_position, pods_at, position, rows_per_step, weight_at
from pintle.core.rollout.deeds import ADJUST, PAUSE, PROMOTE, REGAIN, STEP, Figures
from pintle.core.rollout.fleet import Member
from pintle.core.rollout.look import Look
from pintle.core.rollout.move import POLL, Move, by_person, deed, promoted, stay, taken_back, unless_observing
from pintle.core.rollout.record import FULL, Record
from pintle.core.rollout.sight import figures_of, undecided, weakest
from pintle.core.rollout.trouble import trouble
from pintle.resources.revision import Revision

DEADLINE = "deadline"
"""The rule of what is decided because evidence did not come in time."""


def go_on(look: Look) -> Move | None:
    """The next thing to do for the canary; None where the spec has no steps."""
    if not look.steps:
        return None
    for check in STEP_CHECKS:
        move = check(look)
        if move is not None:
            return move
    raise AssertionError("advance always speaks")


def lower(look: Look) -> Move | None:
    due = weight_at(look.steps, _at(look))
    if look.record.weights[look.record.canary] <= due:
        return None
    return _weighs(look, due, ADJUST, f"step {_at(look)} has {due} %")


def regain(look: Look) -> Move | None:
    due, at = weight_at(look.steps, _at(look)), _at(look)
    if look.record.weights[look.record.canary] >= due:
        return None
    short = _short_of_pods(look, at)
    if short is not None:
        return short
    if look.sight.blind and look.record.course.asked <= at:
        return _blind(look)
    return _weighs(look, due, REGAIN, f"its pods are ready; step {at} has {due} %")


def asked(look: Look) -> Move | None:
    wanted = next_position(look.record, look.steps)
    if look.record.course.asked <= _at(look):
        return None
    return _short_of_pods(look, wanted) or _take(look, wanted, "a person asked for it", by_person(look))


def paused(look: Look) -> Move | None:
    why = look.record.course.paused
    return stay(look, False, reasons.PAUSED, f"{_where(look)}: {why}") if why else None


def pause(look: Look) -> Move | None:
    at = _at(look)
    if not at or not look.steps[at - 1].pause or look.record.course.released == at:
        return None
    return stay(look, False, reasons.PAUSED, f"{_where(look)} is a pause: it waits for promote or resume")


def differs(look: Look) -> Move | None:
    shift = scores.news(look, look.record) if look.spec.rollout.onScoreShift == "Pause" else None
    if shift is None:
        return None
    why = "its scores lie otherwise than the stable's"
    last = deed(look, PAUSE, _canary(look), why, scores.figures_of(shift))
    move = Move(look.record.on(paused=why).with_(last=last), False, reasons.PAUSED, f"{_where(look)}: {why}", POLL)
    return unless_observing(look, move)


def unmeasured(look: Look) -> Move | None:
    if look.policy.has_metrics:
        return None
    message = f"{_where(look)}: the operator has no Prometheus (chart value prometheus.url), so nothing can be judged"
    return stay(look, False, reasons.METRICS_NOT_CONFIGURED, message)


def dwell(look: Look) -> Move | None:
    at = _at(look)
    if not at or look.steps[at - 1].pause:
        return None
    left = timedelta(seconds=look.steps[at - 1].minSeconds) - look.since(look.record.course.stepped)
    if left <= timedelta(0):
        return None
    return stay(look, True, reasons.STEPPING, f"{_where(look)}: at least {look.steps[at - 1].minSeconds} s", left)


def blind(look: Look) -> Move | None:
    return _blind(look) if look.sight.blind else None


def too_few(look: Look) -> Move | None:
    at, needed = _at(look), rows_per_step(look)
    if not at or at == len(look.steps) or look.steps[at - 1].pause:
        return None
    rows = look.sight.rows - look.record.course.counted
    if rows >= needed:
        return None
    # No running figures in a condition: it would be another one at every look.
    return _overdue(look) or _awaits(look, f"{_where(look)}: fewer than {needed} requests so far")


def unproven(look: Look) -> Move | None:
    if _at(look) < len(look.steps) or look.sight.verdict == PASS:
        return None
    judgement = look.sight.judgement
    tests = judgement.tests if judgement else ()
    open_tests = [test.name for test in tests if not test.dry_run and test.verdict == NEED_MORE_DATA]
    missing = f"not enough evidence yet for {', '.join(open_tests)}" if open_tests else "not judged yet"
    return _overdue(look) or _awaits(look, f"{_where(look)}: {missing}")


def manual(look: Look) -> Move | None:
    if _at(look) < len(look.steps) or look.spec.rollout.promotion != "Manual":
        return None
    return stay(look, False, reasons.PAUSED, f"{_where(look)}: it has passed and waits for a person to promote it")


def advance(look: Look) -> Move | None:
    wanted = _at(look) + 1
    short = _short_of_pods(look, wanted)
    if short is not None:
        return short
    if wanted > len(look.steps):
        judgement = look.sight.judgement
        test = weakest(judgement) if judgement else None
        still_open = f"; {', '.join(names)} open" if judgement and (names := undecided(judgement)) else ""
        why = f"all tests pass after {look.sight.rows} requests{still_open}"
        move = _take(look, wanted, why, figures_of(test, passes=True))
    elif wanted == 1:
        move = _take(look, wanted, "its pods are ready and warmed", Figures())
    else:
        rows = look.sight.rows - look.record.course.counted
        why = f"no test fails after {rows} requests in step {wanted - 1}"
        move = _take(look, wanted, why, Figures(rule="step", rows=rows, threshold=rows_per_step(look)))
    return unless_observing(look, move)


STEP_CHECKS: tuple[Callable[[Look], Move | None], ...] = (
    lower,
    regain,
    asked,
    paused,
    pause,
    differs,
    unmeasured,
    dwell,
    blind,
    too_few,
    unproven,
    manual,
    advance,
)


def _at(look: Look) -> int:
    return position(look.record, look.steps)


def _canary(look: Look) -> Revision:
    return look.record.revisions[look.record.canary]


def _where(look: Look) -> str:
    at = _at(look)
    name, weight = look.record.canary, look.record.weights[look.record.canary]
    return f"revision {name} at {weight} %, step {at} of {len(look.steps)}" if at else f"revision {name} in the route"


def _take(look: Look, wanted: int, why: str, figures: Figures) -> Move:
    """The next step, or promotion."""
    canary = _canary(look)
    if wanted > len(look.steps):
        return promoted(look, canary, PROMOTE, why, figures)
    weight = weight_at(look.steps, wanted)
    record = look.record.on(
        step=wanted - 1, stepped=look.time, counted=look.sight.rows, asked=0, released=0, paused="", would=""
    )
    record = _with_weight(look, record, weight)
    what = f"{weight} %" if look.steps[wanted - 1].weight else "a pause"
    last = deed(look, STEP, canary, f"step {wanted} of {len(look.steps)}, {what}: {why}", figures)
    message = f"revision {canary.name} at {weight} %, step {wanted} of {len(look.steps)}"
    return Move(record.with_(last=last), True, reasons.STEPPING, message, POLL)


def _weighs(look: Look, weight: int, action: str, why: str) -> Move:
    record = _with_weight(look, look.record, weight).with_(last=deed(look, action, _canary(look), why))
    return Move(record, True, reasons.STEPPING, f"{_where(look)}: {why}", POLL)


def _with_weight(look: Look, record: Record, weight: int) -> Record:
    """The canary's share; its first one is where the trial begins."""
    course = record.course
    if weight:
        course = replace(course, origin=course.origin or look.time, due=course.due or look.time)
    weights = {record.stable: FULL - weight, record.canary: weight}
    return record.with_(weights=weights, since=look.time, course=course)


def _short_of_pods(look: Look, wanted: int) -> Move | None:
    """What the canary still lacks for a position; None when it has all pods for it."""
    member: Member = look.fleet.member(look.record.canary)
    pods = pods_at(look, wanted)
    if member.all_ready(pods):
        return None
    found = trouble(member.pods)
    message = f"{_where(look)}: {member.ready} of {pods} pods ready" + (f"; {found}" if found else "")
    waits = look.since(max(look.record.course.stepped, look.record.since))
    late = waits > look.allowed + timedelta(seconds=look.steps[max(_at(look), 1) - 1].minSeconds)
    return stay(look, not late, reasons.REVISION_NOT_READY if late else reasons.STEPPING, message)


def _blind(look: Look) -> Move:
    return stay(look, False, reasons.METRICS_UNAVAILABLE, f"{_where(look)}: {look.sight.blind}")


def _awaits(look: Look, message: str) -> Move:
    return stay(look, True, reasons.AWAITING_EVIDENCE, message)


def _overdue(look: Look) -> Move | None:
    """What happens when the deadline has passed without enough evidence."""
    rollout, course = look.spec.rollout, look.record.course
    if not course.due or judged_seconds(look, course.due) < rollout.deadlineSeconds:
        return None
    why = f"not enough evidence after {ceil(rollout.deadlineSeconds)} s"
    figures = Figures(rule=DEADLINE, rows=look.sight.rows)
    if rollout.onInconclusive == "Rollback":
        return unless_observing(look, taken_back(look, why, figures))
    if rollout.onInconclusive == "Promote":
        wanted = len(look.steps) + 1
        return _short_of_pods(look, wanted) or unless_observing(look, _take(look, wanted, why, figures))
    record = look.record.on(paused=why).with_(last=deed(look, PAUSE, _canary(look), why, figures))
    return unless_observing(look, Move(record, False, reasons.PAUSED, f"{_where(look)}: {why}", POLL))
