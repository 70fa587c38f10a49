"""Carries a plan out, in the one order that survives being killed between any two effects:

    create ─> apply ─> traffic ─> status ─> delete
       └ parent read live ┘ └ again ┘         └ again

Additions harm nobody; traffic moves only once what it needs is there; status says what is; then something goes away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pintle.controller.effects import Effects, Stale
from pintle.core.plan import Plan
from pintle.ports.cluster import Refused

Obj = Mapping[str, Any]


@dataclass(frozen=True)
class Refusal:
    """A write that the API server refuses; it goes to the user as a condition, by way of the next look."""

    target: str
    """Kind and name."""
    message: str


@dataclass
class Outcome:
    """What became of a plan."""

    effects: int = 0
    refusal: Refusal | None = None
    stale: str | None = None
    """Why the look must be repeated before anything else is done."""


async def execute(
    plan: Plan,
    parent: Obj,
    known: Refusal | None,
    effects: Effects,
    decided: Callable[[Refusal | None], None] = lambda refusal: None,
) -> Outcome:
    """Carry out a plan that was made knowing of the refusal `known`.

    Raises Unavailable and NotLeader, and Refused where a status or a deletion is refused.
    `decided` is called once what was decided is done: after the traffic write, or after the status where nothing else
    was written or something (its argument) was refused. A status that cannot be written must not hide that a canary was
    rolled back.

    A refusal that the plan did not know of ends it there, so that the next look can say so in a condition; one that it
    did know of lets the status through, but neither traffic nor deletions, which may count on what was refused.
    """
    outcome = Outcome()
    try:
        await _additions(plan, parent, effects, outcome)
        await _traffic(plan, parent, effects, outcome)
        if outcome.refusal and (known is None or known.target != outcome.refusal.target):
            return outcome
        acted = outcome.effects > 0 and not outcome.refusal
        if acted:
            decided(None)
        if plan.status is not None:
            outcome.effects += await effects.status(parent, plan.status)
        if not acted:
            decided(outcome.refusal)
        if plan.delete and not outcome.refusal:
            await effects.confirm(parent)
            for target in plan.delete:
                outcome.effects += await effects.delete(target)
    except Stale as reason:
        outcome.stale = str(reason)
    return outcome


async def _additions(plan: Plan, parent: Obj, effects: Effects, outcome: Outcome) -> None:
    if plan.create:
        await effects.confirm(parent)
    for write, bodies in ((effects.create, plan.create), (effects.apply, plan.apply)):
        for body in bodies:
            try:
                outcome.effects += await write(body)
            except Refused as error:
                outcome.refusal = outcome.refusal or _refusal(body, error)


async def _traffic(plan: Plan, parent: Obj, effects: Effects, outcome: Outcome) -> None:
    if plan.traffic is None or outcome.refusal:
        return
    await effects.confirm(parent)
    try:
        outcome.effects += await effects.traffic(plan.traffic)
    except Refused as error:
        outcome.refusal = _refusal(plan.traffic, error)


def _refusal(body: Obj, error: Refused) -> Refusal:
    return Refusal(f"{body['kind']} {body['metadata']['name']}", error.message)
