"""Everything one look at a TrainingJob has to go by: dicts as the API server gave them, gathered by the controller."""

from __future__ import annotations

from dataclasses import dataclass

from pintle.core.plan import Obj


@dataclass(frozen=True)
class TrainingObserved:
    """The facts of one look. Jobs and pods are those of the namespace with our `pintle.dev/training-job` label."""

    parent: Obj
    """The TrainingJob, status included."""
    config_map: Obj | None = None
    """The ConfigMap of spec.source.configMapRef, None where it does not exist or none is named."""
    jobs: tuple[Obj, ...] = ()
    """batch/v1 Jobs of this TrainingJob, in any state."""
    pods: tuple[Obj, ...] = ()
    """Pods of those Jobs, and of the TrainingJob itself: those that list its data."""
    versions: tuple[Obj, ...] = ()
    """ModelVersions of the namespace; those of other models are ignored."""
    model_deployments: tuple[Obj, ...] = ()
    """ModelDeployments of the namespace; those whose spec.retrain names another TrainingJob are ignored."""
    write_error: str | None = None
    """What the API server answered when it refused one of our last writes, None when none was refused."""
