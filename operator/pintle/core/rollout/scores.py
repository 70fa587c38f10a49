"""Scores of a canary that lie otherwise than the stable's: told once in a trial, and a reason to pause where asked.

Nothing else is decided by it: a better model may score differently. That it was told stands in status.history.
"""

from __future__ import annotations

from pintle.contract.metrics import SCORE_LEVEL
from pintle.core.judgement.verdict import FAIL, ScoreShift
from pintle.core.rollout.deeds import TELL, Deed, Figures
from pintle.core.rollout.look import Look
from pintle.core.rollout.progress import figure
from pintle.core.rollout.record import Record
from pintle.core.rollout.trial import same_trial

SCORES = "scores"
"""The rule of what is said or done because of them."""
QUERY = f"{SCORE_LEVEL} of both revisions since the start"


def news(look: Look, record: Record) -> ScoreShift | None:
    """How far they lie, if they do and it has not been told in this trial of the canary."""
    judgement = look.sight.judgement
    shift = judgement.shift if judgement is not None else None
    if judgement is None or shift is None or shift.verdict != FAIL:
        return None
    if record.canary != judgement.tested or not same_trial(look.record, record):
        return None
    known = [item for item in look.status.get("history") or () if item["action"] == TELL]
    if any(item["revision"] == judgement.tested and item["time"] >= record.course.origin for item in known):
        return None
    return shift


def figures_of(shift: ScoreShift) -> Figures:
    """PSI of the canary's scores, and the rows behind it."""
    return Figures(SCORES, QUERY, shift.psi, None, shift.rows, shift.control_rows, threshold=shift.threshold)


def telling(look: Look, record: Record) -> tuple[Deed, ...]:
    """What people are told of it; it moves no traffic, and so is in no record."""
    shift = news(look, record)
    if shift is None:
        return ()
    why = f"scores: PSI {figure(shift.psi)} to the stable's, at least {figure(shift.low)}; decides nothing"
    return (Deed(look.time, TELL, record.canary, record.revisions[record.canary].version, why, figures_of(shift)),)
