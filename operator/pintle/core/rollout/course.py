"""Where a rollout stands: positions, the share and the pods that belong to each.

position   0                1 ... N              N + 1
           in the route     step 1 ... step N    promoted
           with weight 0
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from pintle.api.rollout import Step
from pintle.core.judgement.settings import settings_for
from pintle.core.rollout.look import Look
from pintle.core.rollout.record import Record

LOSSES = 3
"""A revision that has lost all its pods under traffic so often is refused."""


def position(record: Record, steps: Sequence[Step]) -> int:
    """Steps taken so far. Where steps were taken out of the spec, the last one."""
    return min(record.course.step, len(steps) - 1) + 1 if record.course.stepped and steps else 0


def weight_at(steps: Sequence[Step], at: int) -> int:
    """Percent that belongs to a position; a pause keeps that of the step before it."""
    weights = [step.weight for step in steps[:at] if step.weight is not None]
    return weights[-1] if weights else 0


def next_position(record: Record, steps: Sequence[Step]) -> int:
    """The position that comes next, or the one that a person has asked for."""
    return min(max(position(record, steps) + 1, record.course.asked), len(steps) + 1)


def pods_at(look: Look, at: int) -> int:
    """Pods that the canary needs before it gets the share of a position: as large a part of the stable's pods."""
    if at > len(look.steps) or not look.record.stable:
        wanted = max(look.spec.runtime.minReplicas, look.stable.replicas)
    else:
        wanted = max(1, ceil(weight_at(look.steps, at) * look.stable.replicas / 100))
    return min(wanted, look.most) if look.most else wanted


def rows_per_step(look: Look) -> int:
    """Requests that the canary must have answered in one step: its part of minRows."""
    rollout = look.spec.rollout
    advanced = rollout.advanced.model_dump(exclude_none=True) if rollout.advanced else None
    shares = [step for step in look.steps if step.weight is not None]
    return ceil(settings_for(rollout.sensitivity, advanced).min_rows / max(len(shares), 1))


def judged_seconds(look: Look, since: str) -> float:
    """Seconds since then for which something could be judged."""
    course = look.record.course
    blind = course.blind + look.since(course.blinded).total_seconds()
    return look.since(since).total_seconds() - blind
