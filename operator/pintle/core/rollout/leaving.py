"""Revisions that leave: out of the route first, then some time for their open requests, then deleted.

Every deletion of a revision comes with a write of the record that proves, by its resourceVersion, that what was read
was the newest: a look at stale facts conflicts there and deletes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pintle.core.plan import Delete
from pintle.core.rollout.look import Look
from pintle.core.rollout.record import Record, parse_time


@dataclass(frozen=True)
class Leaving:
    record: Record
    deletes: tuple[Delete, ...] = ()
    wake: timedelta | None = None


def leave(look: Look, record: Record) -> Leaving:
    """The record with who is leaving, the objects of those whose time has come, and when to look again."""
    target = look.incoming
    kept = {record.stable, record.canary, record.previous, target.name if target else ""}
    others = [name for name in look.fleet.members if name not in kept]
    if not record.stable:
        return _before_the_first(look, record, others)
    since = {name: record.retiring.get(name, look.time) for name in others}
    left = {name: look.policy.drain - (look.now - parse_time(at)) for name, at in since.items()}
    waiting = {name: at for name, at in since.items() if left[name] > timedelta(0)}
    gone = [name for name in others if name not in waiting]
    return Leaving(
        record.with_(retiring=waiting),
        tuple(item for name in gone for item in look.fleet.member(name).deletes()),
        min((left[name] for name in waiting), default=None),
    )


def _before_the_first(look: Look, record: Record, others: list[str]) -> Leaving:
    """Nothing serves and nothing did: what is requested no more goes at once and makes room."""
    idle = [look.fleet.member(name) for name in others if not look.fleet.ready(name)]
    return Leaving(record, tuple(item for member in idle for item in member.deletes()))
