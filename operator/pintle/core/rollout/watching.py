"""What watching says about the revision that serves, as a part of the rollout's plan."""

from __future__ import annotations

from collections.abc import Iterable

from pintle.core.plan import Decision, Obj
from pintle.core.rollout.conditions import State
from pintle.core.rollout.deeds import GO_BACK, ROLLBACK, Deed, Figures
from pintle.core.watching.asking import is_asking
from pintle.core.watching.causes import ROLLBACK as CAUSE
from pintle.core.watching.conditions import watch
from pintle.core.watching.state import Lost, Watched, Watching


def watched(state: State) -> Watched:
    """Conditions, figures, causes, decisions and notices of what is watched."""
    look, record = state.look, state.record
    observed = look.observed
    return watch(
        Watching(
            parent=observed.parent,
            spec=look.spec,
            revision=record.stable,
            version=_version(state),
            findings=observed.findings,
            now=look.now,
            metrics_error=observed.metrics_error if observed.findings is None else None,
            lost=_lost(state),
        )
    )


def deeds_of(state: State, decisions: Iterable[Decision]) -> tuple[Deed, ...]:
    """Decisions of watching as entries of the history; they are not in the record, for they move no traffic."""
    serving = state.record.serving
    version = serving.version if serving is not None else 0
    return tuple(
        Deed(
            state.look.time,
            item.action,
            item.subject,
            version,
            item.why,
            Figures(rule=item.rule, query=item.query, value=item.value, rows=item.rows, threshold=item.threshold),
        )
        for item in decisions
    )


def _version(state: State) -> Obj | None:
    serving = state.record.serving
    if serving is None:
        return None
    model = state.look.spec.modelName
    return next(
        (
            version
            for version in state.look.observed.versions
            if version["spec"]["modelName"] == model and int(version["spec"]["version"]) == serving.version
        ),
        None,
    )


def _lost(state: State) -> Lost | None:
    """The newest revision that did worse by what was measured, while it is refused and nothing newer serves."""
    record = state.record
    serving = record.serving
    found = [
        Lost(name, refusal.version, refusal.why, refusal.time)
        for name, refusal in record.refused.items()
        if (serving is None or refusal.version > serving.version) and _measured(state, name)
    ]
    return max(found, key=lambda lost: lost.time, default=None)


def _measured(state: State, revision: str) -> bool:
    """It was taken back by the operator, not by a person; the status remembers what the history no longer does."""
    history = state.look.status.get("history") or ()
    if any(
        entry["action"] in (ROLLBACK, GO_BACK) and entry["revision"] == revision and not entry.get("by")
        for entry in history
    ):
        return True
    deeds = (state.look.record.last, state.record.last)
    if any(d and d.action in (ROLLBACK, GO_BACK) and d.revision == revision and not d.figures.by for d in deeds):
        return True
    return is_asking(state.look.observed.parent, CAUSE, revision)
