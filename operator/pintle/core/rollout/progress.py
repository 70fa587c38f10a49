"""status.rollout: how far a rollout or guard is and what its tests say, in figures that come to rest.

Figures are rounded text. They are taken anew when a verdict, a step or a pause changes, and else every ten seconds: a
status that follows every scrape would be a write per deployment and second.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from math import ceil
from typing import Any

from pintle.core.conditions import parse_time as status_time
from pintle.core.conditions import timestamp
from pintle.core.judgement.settings import settings_for
from pintle.core.judgement.verdict import PASS, Judgement, TestResult
from pintle.core.rollout.course import position
from pintle.core.rollout.look import Look
from pintle.core.rollout.record import Record, parse_time
from pintle.core.rollout.sight import Sight, seen_at
from pintle.core.rollout.trial import CANARY, GUARD, same_trial

AFRESH = timedelta(seconds=10)


def rollout_status(look: Look, record: Record) -> dict[str, Any] | None:
    """What goes on after this look; None where nothing does."""
    new = _where(look, record)
    if new is None:
        return None
    sight = look.sight if same_trial(look.record, record) else Sight()
    if record.course.origin and look.policy.has_metrics:
        new["verdict"] = sight.verdict
    if sight.judgement is not None:
        new |= _figures(look, sight.judgement)
    old: Mapping[str, Any] = look.status.get("rollout") or {}
    if not _is_news(old, new):
        new |= {key: old.get(key) for key in _SHOWN}
    return new


def figure(value: float | None) -> str | None:
    """A number in four digits at most, as text; None for none."""
    if value is None:
        return None
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


_SHOWN = ("asOfTime", "tests", "expectedSeconds")


def _where(look: Look, record: Record) -> dict[str, Any] | None:
    course = record.course
    if record.in_guard:
        seconds = look.guard.seconds if look.guard else 0
        end = _later(course.guarded, seconds + course.blind)
        return {"state": GUARD, "startTime": _at(course.guarded), "endTime": end, "paused": course.paused or None}
    if not record.canary or not look.steps:
        return None
    return {
        "state": CANARY,
        "step": position(record, look.steps),
        "steps": len(look.steps),
        "paused": course.paused or None,
        "startTime": _at(course.origin),
        "stepTime": _at(course.stepped),
        "endTime": _later(course.due, look.spec.rollout.deadlineSeconds + course.blind),
    }


def _figures(look: Look, judgement: Judgement) -> dict[str, Any]:
    return {
        "asOfTime": timestamp(seen_at(judgement)),
        "tests": [_test(test) for test in judgement.tests],
        "expectedSeconds": expected_seconds(look, judgement),
    }


def _test(test: TestResult) -> dict[str, Any]:
    return {
        "name": test.name,
        "verdict": test.verdict,
        "value": figure(test.tested.share) if test.tested.rows else None,
        "stableValue": figure(test.control.share) if test.control.rows else None,
        "rows": int(test.tested.rows),
        "stableRows": int(test.control.rows),
        "evidence": figure(test.fail_evidence),
        "threshold": figure(test.fail_threshold),
        "passEvidence": figure(test.pass_evidence),
        "passThreshold": figure(test.pass_threshold),
        "dryRun": True if test.dry_run else None,
        "message": test.message or None,
    }


def expected_seconds(look: Look, judgement: Judgement) -> int | None:
    """Until all tests have passed, if rows and evidence come in as they have so far; None where nobody can say."""
    seconds = judgement.at - judgement.origin
    rollout = look.spec.rollout
    advanced = rollout.advanced.model_dump(exclude_none=True) if rollout.advanced else None
    behind = [test for test in judgement.tests if test.required and not test.dry_run and test.verdict != PASS]
    waits = [_wait(judgement.rows, settings_for(rollout.sensitivity, advanced).min_rows, seconds)]
    waits += [_wait(test.pass_evidence, test.pass_threshold, seconds) for test in behind]
    known = [wait for wait in waits if wait is not None]
    if judgement.leaning or judgement.verdict == PASS or len(known) < len(waits):
        return None
    # Two digits: more would be a promise.
    wait = max(known)
    return int(float(f"{ceil(wait):.2g}"))


def _wait(have: float, needed: float, seconds: float) -> float | None:
    if have >= needed:
        return 0.0
    return (needed - have) * seconds / have if have > 0 and seconds > 0 else None


def _is_news(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    if _gist(old) != _gist(new):
        return True
    before, after = status_time(old.get("asOfTime")), status_time(new.get("asOfTime"))
    if before is None or after is None:
        return True
    return after - before >= AFRESH or after < before


def _gist(status: Mapping[str, Any]) -> tuple[Any, ...]:
    tests = tuple((test["name"], test["verdict"]) for test in status.get("tests") or ())
    return (*(status.get(key) for key in ("state", "step", "paused", "verdict", "startTime")), tests)


def _at(text: str) -> str | None:
    return timestamp(parse_time(text)) if text else None


def _later(text: str, seconds: float) -> str | None:
    return timestamp(parse_time(text) + timedelta(seconds=seconds)) if text else None
