"""What asks for a new version, and who is told: causes of the status, decisions, notices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pintle.api import reasons
from pintle.core.conditions import TRUE, Condition, clip, parse_time, timestamp
from pintle.core.judgement.findings import Finding, Findings
from pintle.core.plan import Decision, Notice, Obj
from pintle.core.watching import causes as names
from pintle.core.watching import figures
from pintle.core.watching.find import for_periods, lasting
from pintle.core.watching.state import TYPE_OF, Watching

ASK, WOULD_ASK = "AskRetrain", "WouldAskRetrain"
"""Actions of decisions: the TrainingJob's governor decides what comes of it."""
_WOULD = " would be asked for a new version (automation: Observe): "
MAX_MESSAGE = 96
"""Bytes of a cause's message: the strongest finding."""


def telling(watching: Watching, condition: Condition) -> Condition:
    """With automation: Observe, what is found says what it would do."""
    cause = next((cause for cause, type_ in TYPE_OF.items() if type_ == condition.type), None)
    retrain = watching.spec.retrain
    if watching.spec.automation == "Act" or retrain is None or cause is None or condition.status != TRUE:
        return condition
    if not watching.asks_for(cause) or not _may_act(watching, cause):
        return condition
    return replace(condition, message=f"{retrain.trainingJobRef.name}{_WOULD}{condition.message}")


def without_telling(message: str) -> str:
    """The message as it was before `telling`."""
    return message.partition(_WOULD)[2] or message


def selective(watching: Watching) -> str:
    """Why the labels are no fair sample; the last word stands while there is no new one."""
    findings, before = watching.findings, watching.before.get(reasons.LABELS_SELECTIVE) or {}
    if not watching.spec.monitoring.labelled:
        return ""
    if findings is None or findings.error or findings.labelled is None:
        return str(before.get("message", "")) if before.get("status") == TRUE else ""
    return findings.labelled.selective


def causes(watching: Watching, said: Sequence[Condition]) -> tuple[dict[str, Any], ...]:
    """What asks for a new version now; one that stands in the status already keeps its id and its beginning."""
    holding = {condition.type: condition for condition in said if condition.status == TRUE}
    made = [
        _cause(watching, cause, watching.revision, holding[type_].message, timestamp(watching.now))
        for cause, type_ in TYPE_OF.items()
        if watching.asks_for(cause) and type_ in holding and _may_act(watching, cause)
    ]
    lost = watching.lost
    if lost is not None and watching.asks_for(names.ROLLBACK):
        at = parse_time(lost.time) or watching.now
        message = f"version {lost.version} ({lost.revision}) was refused: {lost.why}"
        made.append(_cause(watching, names.ROLLBACK, lost.revision, message, timestamp(at)))
    return tuple(made)


def _cause(watching: Watching, cause: str, revision: str, message: str, since: str) -> dict[str, Any]:
    known = _known(watching, cause, revision)
    since = str(known["since"]) if known is not None else since
    strongest = clip(message.split("; ")[0], MAX_MESSAGE)
    return {"cause": cause, "id": names.cause_id(cause, revision, since), "since": since, "message": strongest}


def is_asking(parent: Obj, cause: str, revision: str) -> bool:
    """The status of the deployment has this cause about this revision."""
    return _entry(parent, cause, revision) is not None


def _known(watching: Watching, cause: str, revision: str) -> Mapping[str, Any] | None:
    return _entry(watching.parent, cause, revision)


def _entry(parent: Obj, cause: str, revision: str) -> Mapping[str, Any] | None:
    """The entry of the status about the same cause and revision."""
    return next(
        (
            item
            for item in (parent.get("status") or {}).get("causes") or ()
            if item["cause"] == cause and item["id"] == names.cause_id(cause, revision, item["since"])
        ),
        None,
    )


def _may_act(watching: Watching, cause: str) -> bool:
    """Whether what was found may ask for a run: not from labels that are no fair sample, nor without a floor."""
    findings = watching.findings
    if cause == names.LABELLED_METRIC and selective(watching):
        return False
    if _known(watching, cause, watching.revision) is not None:
        return True
    if findings is None:
        return False
    about = _about(findings, cause)
    if about is None:
        return True
    return any(not item.tells_only for item in lasting(about, for_periods(watching.spec.monitoring)))


def _about(findings: Findings, cause: str) -> tuple[Finding, ...] | None:
    """The findings behind a cause that has such."""
    if cause == names.FEATURE_DRIFT:
        return findings.features
    if cause == names.PREDICTION_DRIFT:
        return (findings.score,) if findings.score is not None else ()
    return None


def decisions(watching: Watching, causes: Sequence[Mapping[str, Any]]) -> tuple[Decision, ...]:
    """A cause that is new asks, once; with automation: Observe it is told when its condition turns True."""
    retrain = watching.spec.retrain
    if retrain is None:
        return ()
    made = []
    observes = watching.spec.automation != "Act"
    for cause in causes:
        name = cause["cause"]
        if _is_new(watching, name, observes=observes):
            why = f"TrainingJob {retrain.trainingJobRef.name} is asked for a new version: {cause['message']}"
            action = WOULD_ASK if observes else ASK
            made.append(figures.decision(action, watching.revision, name, why, watching.findings, watching.parent))
    return tuple(made)


def _is_new(watching: Watching, cause: str, *, observes: bool) -> bool:
    """With automation: Observe no cause is in the status: there the condition tells."""
    if observes:
        type_ = TYPE_OF.get(cause)
        return type_ is not None and watching.before.get(type_, {}).get("status") != TRUE
    revision = watching.lost.revision if cause == names.ROLLBACK and watching.lost is not None else watching.revision
    return _known(watching, cause, revision) is None


def notices(watching: Watching, said: Sequence[Condition]) -> tuple[Notice, ...]:
    """One for each condition that has just become True."""
    receivers = tuple(item.receiver for item in watching.spec.notifications or ())
    owner = watching.spec.owner.model_dump(exclude_none=True) if watching.spec.owner is not None else {}
    if not receivers:
        return ()
    return tuple(
        Notice(
            names.cause_id(condition.type, watching.revision, timestamp(watching.now)),
            condition.reason,
            condition.message,
            receivers,
            owner,
        )
        for condition in said
        if condition.status == TRUE and watching.before.get(condition.type, {}).get("status") != TRUE
    )
