"""How many pods each revision has. The stable is never shrunk while a successor is on its way."""

from __future__ import annotations

from dataclasses import dataclass

from pintle.core.rollout.fleet import Member
from pintle.core.rollout.look import Look


@dataclass(frozen=True)
class Scale:
    """`least` pods; with `most`, an autoscaler decides between the two."""

    least: int
    most: int | None = None

    @property
    def may_be_many(self) -> bool:
        return max(self.least, self.most or 0) > 1


def scale_of(look: Look, revision: str) -> Scale:
    """The scale of the stable, of its successor, or of the first revision."""
    runtime = look.spec.runtime
    least, most = runtime.minReplicas, _most(look)
    if least == 0:
        return Scale(0)
    if revision == look.record.stable and holds(look):
        # What it has now, so that neither autoscaler nor a smaller minReplicas takes pods away from it.
        least = max(least, look.stable.replicas, _lifted(look.stable))
        return Scale(least, max(most, least) if most else None)
    if revision != look.record.stable:
        # As many as carry the traffic today; the user's own upper bound stands.
        least = max(least, look.stable.replicas)
        return Scale(min(least, most) if most else least, most)
    return Scale(least, most)


def holds(look: Look) -> bool:
    """A successor is on its way, and it is not one that has failed to become ready in time."""
    successor = look.successor
    if successor is None:
        return False
    return successor.name in look.record.weights or look.deadline.total_seconds() > 0 or successor.ready > 0


def _most(look: Look) -> int | None:
    runtime = look.spec.runtime
    return runtime.maxReplicas if runtime.maxReplicas and runtime.maxReplicas > runtime.minReplicas else None


def _lifted(member: Member) -> int:
    autoscaler = member.objects.get("HorizontalPodAutoscaler")
    return int(autoscaler["spec"].get("minReplicas") or 0) if autoscaler else 0
