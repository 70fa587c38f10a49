"""Findings as text and as parts of the status: rounded, the strongest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pintle.contract import metrics
from pintle.core.judgement.findings import Finding, Findings
from pintle.core.judgement.verdict import FAIL, NEED_MORE_DATA
from pintle.core.plan import Decision, Obj
from pintle.core.watching import causes as names
from pintle.core.watching.find import lasting
from pintle.core.watching.reference import SCORE

SHOWN = 3
"""Features that a message and the status name."""


def figure(value: float) -> str:
    """A number as the status holds it."""
    return f"{value:.3g}"


def describe(finding: Finding) -> str:
    """One finding with its figures."""
    rows = f"{finding.rows:.0f} rows in {length(finding.window_seconds)}"
    told = "; told only, without a floor for this window" if finding.tells_only else ""
    if finding.bin:
        return (
            f"{finding.feature}: {finding.psi:.1%} {finding.bin} (at least {finding.low:.1%}, allowed "
            f"{finding.threshold:.1%}, {rows}{told})"
        )
    return (
        f"{finding.feature}: PSI {figure(finding.psi)}, at least {figure(finding.low)}, allowed "
        f"{figure(finding.threshold)} ({rows}{told})"
    )


def length(seconds: int) -> str:
    """3600 -> 1h."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def found(findings: Findings, cause: str, periods: int) -> str:
    """What makes a condition True; empty when this look has nothing new to say about it."""
    about = {names.FEATURE_DRIFT: findings.features, names.SKEW: findings.skew}.get(cause)
    if cause == names.PREDICTION_DRIFT:
        about = (findings.score,) if findings.score is not None else ()
    if about is None:
        return findings.messages.get(cause, "") if findings.verdicts.get(cause) == FAIL else ""
    lasted = lasting(about, periods)
    more = len(lasted) - SHOWN
    listed = "; ".join(describe(finding) for finding in lasted[:SHOWN])
    return listed + (f"; and {more} more" if more > 0 else "")


def quiet(findings: Findings, cause: str) -> str:
    """Why a condition is False; without figures, which would be others at every look."""
    if cause == names.FEATURE_DRIFT:
        return f"{findings.watched} features are watched, none drifts"
    if cause == names.SKEW:
        return "the first rows lie as in the training data"
    if cause == names.PREDICTION_DRIFT:
        return "the predictions lie as at evaluation"
    return "within its bounds" if cause == names.LABELLED_METRIC else "above its bound; blind to concept drift"


def missing(findings: Findings, cause: str) -> str:
    """Why a condition is Unknown."""
    if cause in (names.LABELLED_METRIC, names.ESTIMATED_METRIC):
        return "too few labelled rows" if cause == names.LABELLED_METRIC else "too few rows, or no accuracy to go by"
    return findings.messages.get(cause, "") or "too few rows in every window"


def monitoring(findings: Findings) -> dict[str, Any]:
    """status.monitoring but for its time."""
    labelled = findings.labelled
    made = {
        "features": findings.watched or None,
        "drift": [_entry(finding) for finding in _strongest(findings)],
        "rows": round(labelled.rows) if labelled is not None else None,
        "loss": _maybe(labelled.loss if labelled is not None else None),
        "auc": _maybe(labelled.auc if labelled is not None else None),
        "estimatedAccuracy": _maybe(findings.estimated_accuracy),
    }
    return {name: value for name, value in made.items() if value not in (None, [])}


def failing(status: Mapping[str, Any]) -> set[str]:
    """Features that a status.monitoring says drift."""
    return {entry["feature"] for entry in status.get("drift") or () if entry["verdict"] == FAIL}


def _strongest(findings: Findings) -> list[Finding]:
    score = (findings.score,) if findings.score is not None else ()
    judged = [item for item in (*findings.features, *score) if item.verdict != NEED_MORE_DATA]
    # `features` is sorted already; a score that drifts is not lost behind three features that do.
    judged.sort(key=lambda item: (item.verdict != FAIL, item.feature != SCORE))
    return judged[:SHOWN]


def _entry(finding: Finding) -> dict[str, Any]:
    feature = f"{finding.feature} ({finding.bin} share)" if finding.bin else finding.feature
    return {
        "feature": feature,
        "windowSeconds": finding.window_seconds,
        "rows": round(finding.rows),
        "psi": figure(finding.psi),
        "low": figure(finding.low),
        "threshold": figure(finding.threshold),
        "verdict": finding.verdict,
    }


def _maybe(value: float | None) -> str | None:
    return figure(value) if value is not None else None


def decision(action: str, revision: str, cause: str, why: str, findings: Findings | None, parent: Obj) -> Decision:
    """A cause that asks for a new version, with the figures behind it and a query that shows them."""
    about = _about(findings, cause)
    if about is None:
        return Decision(action, revision, why, rule=cause)
    meta = parent["metadata"]
    of = f'namespace="{meta["namespace"]}",deployment="{meta["name"]}",revision="{revision}"'
    if about is findings.score if findings is not None else False:
        series = f"{metrics.PREDICTION_BIN}{{{of}}}"
    else:
        series = f'{metrics.FEATURE_BIN}{{{of},feature="{about.feature}"}}'
    query = f"sum by (bin) (increase({series}[{about.window_seconds}s]))"
    return Decision(
        action, revision, why, rule=cause, query=query, value=about.low, rows=about.rows, threshold=about.threshold
    )


def _about(findings: Findings | None, cause: str) -> Finding | None:
    if findings is None:
        return None
    if cause == names.FEATURE_DRIFT:
        return findings.features[0] if findings.features else None
    return findings.score if cause == names.PREDICTION_DRIFT else None
