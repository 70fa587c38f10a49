"""From Findings to what a ModelDeployment says of itself: conditions, figures, and what asks for a new version.

    watched = watch(Watching(parent, spec, revision, version, ...))

A condition becomes True after `forPeriods` looks in a row that found it, and False after as many that did not: too few
rows, a Prometheus that is silent and a restarted operator change nothing about one that is True.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from pintle.api import reasons
from pintle.core.conditions import FALSE, TRUE, UNKNOWN, Condition, parse_time, timestamp
from pintle.core.judgement.findings import Findings
from pintle.core.judgement.verdict import FAIL, NEED_MORE_DATA, PASS, SOURCE_ERROR
from pintle.core.watching import asking, figures
from pintle.core.watching import causes as names
from pintle.core.watching.find import for_periods
from pintle.core.watching.freshness import trained_through
from pintle.core.watching.state import TYPE_OF, Watched, Watching

REFRESH = timedelta(seconds=60)
"""Figures in a status are written anew after this long, or when a verdict changes."""


def watch(watching: Watching) -> Watched:
    """Everything that watching says about this deployment now."""
    if not watching.revision:
        return Watched()
    findings = watching.findings
    if findings is None or findings.revision != watching.revision:
        findings = None
    watching = replace(watching, findings=findings)
    found = [condition for cause in _asked(watching) if (condition := _condition(watching, cause)) is not None]
    stale, wake = _stale(watching)
    found = [*found, *stale, *_selective(watching)]
    monitoring, fresh = _monitoring(watching, found)
    said = [_steady(watching, condition, fresh) for condition in found]
    causes = asking.causes(watching, said)
    return Watched(
        conditions=tuple(asking.telling(watching, condition) for condition in said),
        monitoring=monitoring,
        causes=causes if watching.spec.automation == "Act" else (),
        decisions=asking.decisions(watching, causes),
        notices=asking.notices(watching, said),
        wake=wake,
    )


def _asked(watching: Watching) -> list[str]:
    monitoring = watching.spec.monitoring
    asked = {
        names.FEATURE_DRIFT: monitoring.drift,
        names.PREDICTION_DRIFT: monitoring.drift,
        names.SKEW: monitoring.drift,
        names.LABELLED_METRIC: monitoring.labelled,
        names.ESTIMATED_METRIC: monitoring.minEstimatedAccuracy,
    }
    return [cause for cause, wanted in asked.items() if wanted]


def _condition(watching: Watching, cause: str) -> Condition | None:
    """One cause as a condition; see the head of this module for when it changes. None: nothing is known."""
    type_, findings = TYPE_OF[cause], watching.findings
    before = watching.before.get(type_)
    was = before is not None and before.get("status") == TRUE
    verdict = findings.verdicts.get(cause) if findings is not None else None
    if findings is not None and _holds(findings, cause, verdict, was, for_periods(watching.spec.monitoring)):
        message = figures.found(findings, cause, for_periods(watching.spec.monitoring))
        return Condition(type_, TRUE, type_, message or str((before or {}).get("message", "")))
    error = watching.metrics_error or (findings.error if findings is not None else "")
    if before is not None and verdict is None and (was or not error):
        if findings is not None and before["status"] == UNKNOWN:
            return None
        return Condition(type_, before["status"], before["reason"], before.get("message", ""))
    if error or verdict == SOURCE_ERROR:
        return Condition(type_, UNKNOWN, reasons.METRICS_UNAVAILABLE, error or _message(findings, cause))
    if findings is not None and verdict is None:
        return None
    if findings is None:
        # A process that takes over has found nothing yet; what it does not know is not said anew.
        known = any((watching.before.get(other) or {}).get("status", UNKNOWN) != UNKNOWN for other in TYPE_OF.values())
        return None if known else Condition(type_, UNKNOWN, reasons.LOOKING, "no look yet since this revision serves")
    if verdict == NEED_MORE_DATA:
        return Condition(type_, UNKNOWN, reasons.NEED_MORE_DATA, figures.missing(findings, cause))
    return Condition(type_, FALSE, reasons.QUIET, figures.quiet(findings, cause))


def _holds(findings: Findings, cause: str, verdict: str | None, was: bool, periods: int) -> bool:
    if verdict == FAIL:
        return was or findings.periods.get(cause, 0) >= periods
    if verdict == PASS:
        return was and findings.quiet.get(cause, 0) < periods
    return was


def _message(findings: Findings | None, cause: str) -> str:
    return findings.messages.get(cause, "") if findings is not None else ""


def _stale(watching: Watching) -> tuple[list[Condition], timedelta | None]:
    """DataStale, and when it will be."""
    limit = watching.spec.monitoring.maxDataAgeSeconds
    if limit is None:
        return [], None
    through = trained_through(watching.version) if watching.version is not None else None
    if through is None:
        why = "the ModelVersion is gone" if watching.version is None else "`through` of its data sets says no date"
        return [Condition(reasons.DATA_STALE, UNKNOWN, reasons.DATA_AGE_UNKNOWN, why)], None
    end = through + timedelta(seconds=limit)
    # The age itself would be another one at every look.
    message = f"trained on rows through {timestamp(through)}"
    if watching.now >= end:
        since = f"{message}, which is longer than {limit} s ago since {timestamp(end)}"
        return [Condition(reasons.DATA_STALE, TRUE, reasons.DATA_STALE, since)], None
    return [Condition(reasons.DATA_STALE, FALSE, reasons.QUIET, message)], end - watching.now


def _selective(watching: Watching) -> list[Condition]:
    """Only said when it is so."""
    why = asking.selective(watching)
    return [Condition(reasons.LABELS_SELECTIVE, TRUE, reasons.LABELS_SELECTIVE, why)] if why else []


def _monitoring(watching: Watching, found: Sequence[Condition]) -> tuple[dict[str, Any] | None, bool]:
    """status.monitoring, and whether its figures (and those of messages) are new: else the old ones stay."""
    findings, old = watching.findings, dict(watching.monitoring)
    if not _asked(watching):
        return None, False
    if findings is None or findings.error or watching.metrics_error:
        return old or None, False
    new = figures.monitoring(findings)
    states = {(condition.type, condition.status, condition.reason) for condition in found}
    known = {(type_, item["status"], item["reason"]) for type_, item in watching.before.items()}
    matters = not states <= known or figures.failing(new) != figures.failing(old)
    written = parse_time(old.get("asOfTime"))
    differs = {**old, "asOfTime": None} != {**new, "asOfTime": None}
    if written is not None and not matters and not (differs and watching.now - written >= REFRESH):
        return old, False
    return {**new, "asOfTime": timestamp(watching.now)}, True


def _steady(watching: Watching, condition: Condition, fresh: bool) -> Condition:
    """With the message as it was, unless status or reason are others or the figures are written anew."""
    before = watching.before.get(condition.type)
    same = before is not None and (before["status"], before["reason"]) == (condition.status, condition.reason)
    # What is Unknown, or about dates, has no figures that change at every look.
    figured = condition.status != UNKNOWN and condition.type != reasons.DATA_STALE
    if before is None or fresh or not same or not figured:
        return condition
    return replace(condition, message=asking.without_telling(before.get("message", "")))
