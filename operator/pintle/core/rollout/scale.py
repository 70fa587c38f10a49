"""How many pods each revision has. The stable is not shrunk while a successor comes, nor before the guard has ended.

a successor comes, or a guard lasts    stable (and previous): what they have now, and what all traffic needs
a canary goes by steps                 canary: enough for the next step, before that step is taken
something replaces the other at once   successor: as many as carry the traffic today
for five minutes after weights moved   an autoscaler's lower end is not let down: it has not seen the new load yet
else                                   what the spec says
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from pintle.core.plan import Obj
from pintle.core.rollout.course import next_position, pods_at
from pintle.core.rollout.fleet import Member
from pintle.core.rollout.look import Look

LETTING_DOWN = timedelta(minutes=5)
"""The autoscaler's own default window for scaling down."""


@dataclass(frozen=True)
class Scale:
    """`least` pods; with `most`, an autoscaler decides between the two."""

    least: int
    most: int | None = None

    @property
    def may_be_many(self) -> bool:
        return max(self.least, self.most or 0) > 1


def scale_of(look: Look, revision: str) -> Scale:
    """The scale of the stable, of the previous one, of a successor, or of the first revision."""
    runtime = look.spec.runtime
    least, most = runtime.minReplicas, look.most
    if least == 0:
        return Scale(0)
    member, record = look.fleet.member(revision), look.record
    serves = revision in (record.stable, record.previous)
    if serves and holds(look):
        # What it has now, so that neither autoscaler nor a smaller minReplicas takes pods away from it.
        least = max(least, member.replicas, _lifted(member), min(_needed(look), most or 0))
        return Scale(least, max(most, least) if most else None)
    if not serves:
        return Scale(pods_at(look, next_position(record, look.steps)), most)
    if most and letting_down(look) > timedelta(0):
        least = max(least, min(_lifted(member), most))
    return Scale(least, most)


def holds(look: Look) -> bool:
    """Two revisions are in the route, or a successor is on its way and has not failed to become ready in time."""
    if look.record.canary or look.record.in_guard:
        return True
    successor = look.successor
    return successor is not None and (look.deadline > timedelta(0) or successor.ready > 0)


def letting_down(look: Look) -> timedelta:
    """How long the autoscaler of what serves is still kept up; nothing where there is none, or nothing to keep."""
    most, record = look.most, look.record
    if not most or not record.stable or _lifted(look.stable) <= look.spec.runtime.minReplicas:
        return timedelta(0)
    return LETTING_DOWN - look.since(record.since)


def _autoscaler(member: Member) -> Obj:
    return member.objects.get("HorizontalPodAutoscaler") or {}


def _lifted(member: Member) -> int:
    return int((_autoscaler(member).get("spec") or {}).get("minReplicas") or 0)


def _needed(look: Look) -> int:
    """Pods that all traffic together would need, by what the autoscalers measure; 0 where they measure nothing."""
    load = sum(_load(look.fleet.member(name)) for name in look.record.weights)
    return ceil(load / look.spec.runtime.targetCPUUtilizationPercentage)


def _load(member: Member) -> float:
    """CPU in percent of one pod's request."""
    status = _autoscaler(member).get("status") or {}
    metrics = [metric.get("resource") or {} for metric in status.get("currentMetrics") or ()]
    used = [(item.get("current") or {}).get("averageUtilization") for item in metrics if item.get("name") == "cpu"]
    return float(used[0]) * int(status.get("currentReplicas") or 0) if used and used[0] else 0.0
