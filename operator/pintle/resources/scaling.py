"""How many pods a revision has, and how many of them may be away at once."""

from __future__ import annotations

from typing import Any

from pintle.resources.revision import Owner, Revision


def autoscaler(
    owner: Owner, revision: Revision, min_replicas: int, max_replicas: int, cpu_percentage: int
) -> dict[str, Any]:
    """HorizontalPodAutoscaler on CPU, relative to the pods' request."""
    name = owner.child_name(revision.name)
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": owner.metadata(name, revision),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": min_replicas,
            "maxReplicas": max_replicas,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": "cpu",
                        "target": {"type": "Utilization", "averageUtilization": cpu_percentage},
                    },
                }
            ],
        },
    }


def disruption_budget(owner: Owner, revision: Revision) -> dict[str, Any]:
    """One pod at a time may be evicted. For one pod alone there is no budget: it would block every node drain."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": owner.metadata(owner.child_name(revision.name), revision),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": owner.selector(revision.name)}},
    }
