"""What people and the audit trail are told of a deed: once, by the look that finds it not yet in status.history."""

from __future__ import annotations

from collections.abc import Iterable

from pintle.api import reasons
from pintle.core.plan import Decision, Event, Notice
from pintle.core.rollout.deeds import (
    ASK,
    GO_BACK,
    LOSE,
    PAUSE,
    REFUSE,
    RESTORE,
    ROLLBACK,
    STAND_IN,
    TELL,
    WARN,
    WOULD,
    Deed,
)
from pintle.core.rollout.look import Look
from pintle.core.rollout.record import Record
from pintle.core.rollout.status import entry_of
from pintle.core.rollout.steps import DEADLINE

NOTIFIED = {
    ROLLBACK: reasons.ROLLED_BACK,
    GO_BACK: reasons.ROLLED_BACK,
    REFUSE: reasons.ROLLED_BACK,
    WARN: reasons.GUARDING,
    TELL: reasons.SCORES_DIFFER,
    WOULD + ROLLBACK: reasons.OBSERVING,
    WOULD + GO_BACK: reasons.OBSERVING,
}
WARNINGS = frozenset((ROLLBACK, GO_BACK, REFUSE, WARN, LOSE, STAND_IN, RESTORE, WOULD + ROLLBACK, WOULD + GO_BACK))


def untold(look: Look, record: Record) -> tuple[Deed, ...]:
    """The deeds of the record that was read and of the one to be written that the status does not have yet."""
    old = {_key(entry) for entry in look.status.get("history") or ()}
    deeds = [item for item in (look.record.last, record.last) if item is not None]
    new = [item for item in dict.fromkeys(deeds) if _key(entry_of(item)) not in old]
    return tuple(new)


def decisions(deeds: Iterable[Deed]) -> tuple[Decision, ...]:
    """A line of the audit trail for each."""
    return tuple(_decision(item) for item in deeds)


def notices(look: Look, deeds: Iterable[Deed]) -> tuple[Notice, ...]:
    """What people want to be told at once: something was taken back, or a rollout waits for them."""
    receivers = tuple(item.receiver for item in look.spec.notifications or ())
    owner = look.spec.owner.model_dump(exclude_none=True) if look.spec.owner else {}
    found = []
    for item in deeds:
        reason = reasons.PAUSED if _inconclusive(item) else NOTIFIED.get(item.action)
        if reason is not None:
            id_ = f"{look.owner.uid}:{item.action}:{item.revision}:{item.time}"
            message = f"{look.owner.name}: {item.action} version {item.version} ({item.revision}): {item.why}"
            found.append(Notice(id_, reason, message, receivers, owner))
    return tuple(found)


def events(deeds: Iterable[Deed]) -> tuple[Event, ...]:
    """What was just done to the traffic."""
    return tuple(
        Event(
            "Warning" if item.action in WARNINGS or _inconclusive(item) else "Normal",
            NOTIFIED.get(item.action, reasons.SERVING),
            f"{item.action} version {item.version} ({item.revision}): {item.why}",
        )
        for item in deeds
        if item.action != ASK
    )


def _decision(item: Deed) -> Decision:
    figures = item.figures
    return Decision(
        action=item.action,
        subject=item.revision,
        why=item.why,
        rule=figures.rule,
        query=figures.query,
        value=figures.value,
        stable_value=figures.stable_value,
        rows=figures.rows,
        stable_rows=figures.stable_rows,
        evidence=figures.evidence,
        threshold=figures.threshold,
        by=figures.by,
    )


def _inconclusive(item: Deed) -> bool:
    return item.action.removeprefix(WOULD) == PAUSE and item.figures.rule == DEADLINE


def _key(entry: dict[str, object]) -> tuple[object, ...]:
    return entry.get("time"), entry.get("action"), entry.get("revision")
