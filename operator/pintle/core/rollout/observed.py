"""Everything one look at a ModelDeployment goes by: dicts as the API server gave them, gathered by the controller."""

from __future__ import annotations

from dataclasses import dataclass

from pintle.core.judgement.findings import Findings
from pintle.core.judgement.verdict import Judgement
from pintle.core.plan import Obj


@dataclass(frozen=True)
class DeploymentObserved:
    """The facts of one look. Children are those in the parent's namespace with its `pintle.dev/deployment` label."""

    parent: Obj
    """The ModelDeployment, status included."""
    versions: tuple[Obj, ...] = ()
    """All ModelVersions of the model in the namespace, in any state, those of other models left out or in."""
    model_deployments: tuple[Obj, ...] = ()
    """ModelDeployments of the namespace that serve the same model; the parent may be among them."""
    deployments: tuple[Obj, ...] = ()
    services: tuple[Obj, ...] = ()
    """The root Service and one per revision."""
    autoscalers: tuple[Obj, ...] = ()
    """HorizontalPodAutoscalers (autoscaling/v2)."""
    budgets: tuple[Obj, ...] = ()
    """PodDisruptionBudgets (policy/v1)."""
    route: Obj | None = None
    """The HTTPRoute (gateway.networking.k8s.io/v1) named like the parent."""
    pods: tuple[Obj, ...] = ()
    write_error: str | None = None
    """What the API server answered when it refused one of our last writes, None when none was refused."""
    judgement: Judgement | None = None
    """What the trial of the present rollout or guard says; None before its first look."""
    metrics_error: str | None = None
    """Why nothing can be judged: no Prometheus is set up, or it does not answer."""
    findings: Findings | None = None
    """What watching has found; None before its first look."""
