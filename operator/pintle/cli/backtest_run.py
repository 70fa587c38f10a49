"""A recording replayed by the operator's own code, as data. The one module of the plugin that needs packages.

Those of the extra `backtest`: numpy and pydantic. `backtest.py` imports this only when it is asked for a replay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from pintle.api.rollout import Guard
from pintle.cli.errors import USAGE, CliError
from pintle.cli.facts import kept
from pintle.core.backtest.recording import Recording
from pintle.core.backtest.replay import Replay, Seen, deed_seconds, replay
from pintle.core.backtest.writing import time_text
from pintle.core.judgement.settings import SENSITIVITIES
from pintle.core.judgement.verdict import TestResult
from pintle.core.rollout.deeds import Deed
from pintle.core.rollout.progress import figure

Changes = Mapping[str, Any]
ENDS = ("Promote", "Rollback", "GoBack", "Accept", "Return")
AS_RECORDED, AS_SET = "as recorded", "as set"


def backtest(recording: Recording, changes: Changes, compare: bool) -> dict[str, Any]:
    """What the recorded settings, with `changes`, make of it look by look; with `compare` others beside it.

    `changes`: {"rollout": {...}, "guard": {...}} to be laid over what was recorded. Raises CliError.
    """
    setup = recording.setup
    rollout, guard = changed(setup.rollout, changes.get("rollout")), _guard(recording, changes)
    found = _replayed(recording, rollout, guard)
    _check_known(changes, found)
    return {
        "of": kept(
            namespace=setup.namespace,
            deployment=setup.deployment,
            phase=setup.phase,
            tested=setup.tested,
            control=setup.control,
            versions=dict(setup.versions),
            originTime=time_text(setup.origin),
            untilTime=time_text(found.until),
            rows=recording.rows,
        ),
        "settings": _settings(found, guard),
        "outcome": found.outcome,
        "decided": _deed(found.decided, setup.origin) if found.decided else {},
        "deeds": [_deed(deed, setup.origin) for deed in found.deeds],
        "recorded": [dict(entry) for entry in setup.decided],
        "agrees": agrees(found, setup.decided),
        "looks": [_look(look, setup.origin) for look in found.looks],
        "compared": _compared(recording, changes, found) if compare else [],
        "notes": _notes(found),
    }


def changed(recorded: Mapping[str, Any], changes: Any) -> dict[str, Any]:
    """The recorded settings with others laid over them, at any depth."""
    made = dict(recorded)
    for key, value in dict(changes or {}).items():
        inner = made.get(key)
        made[key] = changed(inner, value) if isinstance(inner, Mapping) and isinstance(value, Mapping) else value
    return made


def _check_known(changes: Changes, found: Replay) -> None:
    """A field that the API does not have would be left out silently. Raises CliError."""
    rollout = found.rollout.model_dump(exclude_unset=True)
    guard = Guard.model_validate(changes.get("guard") or {}).model_dump(exclude_unset=True)
    path = _missing(changes.get("rollout") or {}, rollout) or _missing(changes.get("guard") or {}, guard)
    if path:
        raise CliError(f"--set {path}: there is no such field. docs/reference/api.md has the fields.", USAGE)


def _missing(given: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    for key, value in given.items():
        if key not in known:
            return key
        inner = known[key]
        if isinstance(value, Mapping) and isinstance(inner, Mapping) and (path := _missing(value, inner)):
            return f"{key}.{path}"
    return ""


def agrees(found: Replay, recorded: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether the operator, too, promoted or took back; None where the recording does not say what it did."""
    said = [str(entry["action"]) for entry in recorded if entry.get("action") in ENDS]
    if not said:
        return None
    # The replay may see more of a guard than had been decided when it was recorded.
    return [deed.action for deed in found.deeds if deed.action in ENDS][: len(said)] == said


def _guard(recording: Recording, changes: Changes) -> Mapping[str, Any] | None:
    given = changes.get("guard")
    return changed(recording.setup.guard or {}, given) if given else recording.setup.guard


def _replayed(recording: Recording, rollout: Mapping[str, Any], guard: Mapping[str, Any] | None) -> Replay:
    try:
        return replay(recording, rollout, guard)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CliError(f"{where}: {first['msg']}. docs/reference/api.md has the fields.", USAGE) from error
    except ValueError as error:
        raise CliError(f"These settings do not go together: {error}.", USAGE) from error


def _compared(recording: Recording, changes: Changes, found: Replay) -> list[dict[str, Any]]:
    """The recorded settings, those that were set, and the three sensitivities without anything advanced."""
    setup = recording.setup
    variants: list[tuple[str, Replay]] = []
    if changes:
        variants = [(AS_RECORDED, _replayed(recording, setup.rollout, setup.guard)), (AS_SET, found)]
    else:
        variants = [(AS_RECORDED, found)]
    for name in SENSITIVITIES:
        plain = {key: value for key, value in setup.rollout.items() if key != "advanced"}
        variants.append((name, _replayed(recording, {**plain, "sensitivity": name}, setup.guard)))
    return [_variant(name, item, setup.origin) for name, item in variants]


def _variant(name: str, found: Replay, origin: float) -> dict[str, Any]:
    decided = found.decided
    look = _at(found, decided)
    return kept(
        name=name,
        outcome=found.outcome,
        decided=_deed(decided, origin) if decided else {},
        steps=[_deed(deed, origin) for deed in found.deeds if deed.action == "Step"],
        rows=int(look.rows) if look else 0,
        waitsFor=look.says if look and decided is None else None,
        tests=[_test(test) for test in look.tests] if look else [],
    )


def _at(found: Replay, decided: Deed | None) -> Seen | None:
    """The look that decided, else the last one."""
    last = found.looks[-1] if found.looks else None
    return next((look for look in found.looks if decided is not None and look.deed == decided), last)


def _settings(found: Replay, guard: Mapping[str, Any] | None) -> dict[str, Any]:
    settings = found.settings
    return kept(
        sensitivity=found.rollout.sensitivity or "Balanced",
        steps=[step.model_dump(exclude_none=True) for step in found.rollout.planned()],
        guard=dict(guard or {}),
        alpha=settings.alpha,
        beta=settings.beta,
        minRows=settings.min_rows,
        scrapeSeconds=settings.grid_seconds,
        limits={
            name: {"tolerated": settings.limits(name).tolerated, "margin": settings.limits(name).margin}
            for name in settings.tests
        },
        dryRun=sorted(settings.dry_run),
    )


def _look(look: Seen, origin: float) -> dict[str, Any]:
    return kept(
        time=time_text(look.at),
        seconds=round(look.at - origin, 3),
        phase=look.phase,
        step=look.step,
        weight=look.weight,
        verdict=look.verdict,
        rows=int(look.rows),
        tests=[_test(test) for test in look.tests],
        done=look.deed.action if look.deed else None,
        reason=look.reason,
        message=look.says,
        judgement=look.message,
    )


def _test(test: TestResult) -> dict[str, Any]:
    """As in status.rollout.tests."""
    return kept(
        name=test.name,
        verdict=test.verdict,
        value=figure(test.tested.share) if test.tested.rows else None,
        stableValue=figure(test.control.share) if test.control.rows else None,
        rows=int(test.tested.rows),
        stableRows=int(test.control.rows),
        evidence=figure(test.fail_evidence),
        threshold=figure(test.fail_threshold),
        passEvidence=figure(test.pass_evidence),
        passThreshold=figure(test.pass_threshold),
        dryRun=test.dry_run or None,
        message=test.message,
    )


def _deed(deed: Deed, origin: float) -> dict[str, Any]:
    figures = deed.figures
    return kept(
        time=deed.time,
        seconds=round(deed_seconds(deed) - origin, 3),
        action=deed.action,
        revision=deed.revision,
        version=deed.version or None,
        why=deed.why,
        rule=figures.rule,
        value=figure(figures.value),
        stableValue=figure(figures.stable_value),
        rows=None if figures.rows is None else int(figures.rows),
        stableRows=None if figures.stable_rows is None else int(figures.stable_rows),
        evidence=figure(figures.evidence),
        threshold=figure(figures.threshold),
    )


def _notes(found: Replay) -> list[str]:
    """What a reader has to know of how far this replay is the rollout."""
    notes = []
    if not found.restarts_told:
        notes.append("Restarts are those that counters show: the recording has no facts of Kubernetes about its pods.")
    if found.left_out:
        notes.append(f"Queries of your own are in no recording, and were left out: {', '.join(found.left_out)}.")
    if not found.looks:
        notes.append("The recording ends before the first block is over: there is nothing to judge.")
    return notes
