"""What Kubernetes knows about the pods of both revisions: containers that ended, readiness that was lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class PodFacts:
    """Counts since the origin of the rollout, summed over the pods of a revision, gone ones included."""

    tested_restarts: float = 0.0
    control_restarts: float = 0.0
    tested_unready: float = 0.0
    """How often a pod that was ready stopped being so."""
    control_unready: float = 0.0
    tested_pod_seconds: float = 0.0
    """Sum over the pods of the seconds since they were first ready."""
    control_pod_seconds: float = 0.0
    ready: Mapping[str, float] = field(default_factory=dict)
    """Pods of both revisions that are ready now, and since when (unix seconds)."""

    @property
    def tested_events(self) -> float:
        """A container that ends also loses its readiness: that is one event, not two."""
        return max(self.tested_restarts, self.tested_unready)

    @property
    def control_events(self) -> float:
        return max(self.control_restarts, self.control_unready)
