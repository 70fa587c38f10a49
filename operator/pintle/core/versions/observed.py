"""Everything one look at a ModelVersion has to go by: dicts as the API server gave them, gathered by the controller."""

from __future__ import annotations

from dataclasses import dataclass

from pintle.core.plan import Obj


@dataclass(frozen=True)
class VersionObserved:
    """The facts of one look."""

    parent: Obj
    """The ModelVersion, status included."""
    pods: tuple[Obj, ...] = ()
    """Its check pods: same namespace, labels `pintle.dev/component: check` and `pintle.dev/version: <name>`."""
    model_deployments: tuple[Obj, ...] = ()
    """ModelDeployments of the namespace; those of other models are ignored."""
    write_error: str | None = None
    """What the API server answered when it refused one of our last writes, None when none was refused."""
