"""The facts of one look, out of the store; only the user's ConfigMap is read from the API server, at every look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pintle.contract import names
from pintle.controller.store import Store, model_of, uid_of
from pintle.controller.watching.watch import NOTHING, Seen
from pintle.core.rollout.observed import DeploymentObserved
from pintle.core.training.observed import TrainingObserved
from pintle.core.versions.observed import VersionObserved
from pintle.ports.cluster import Cluster, NotFound, Refused
from pintle.ports.kinds import (
    AUTOSCALER,
    BUDGET,
    CONFIG_MAP,
    DEPLOYMENT,
    JOB,
    MODEL_DEPLOYMENT,
    MODEL_VERSION,
    POD,
    ROUTE,
    SERVICE,
    Kind,
)

Obj = Mapping[str, Any]
Objs = tuple[dict[str, Any], ...]


async def training(parent: Obj, store: Store, cluster: Cluster, write_error: str | None) -> TrainingObserved:
    """A TrainingJob with its Jobs, all their pods, the versions of its model, who asks for them, and its code."""
    namespace = parent["metadata"]["namespace"]
    jobs = store.owned(JOB, parent)
    uids = {uid_of(parent), *(uid_of(job) for job in jobs)}
    labelled = store.labelled(POD, namespace, names.LABEL_TRAINING_JOB, parent["metadata"]["name"])
    # The label alone is anybody's to write; a pod of ours is owned by the TrainingJob or by one of its Jobs.
    pods = tuple(pod for pod in labelled if uids & _owners(pod))
    return TrainingObserved(
        parent=parent,
        config_map=await _config_map(parent, cluster),
        jobs=jobs,
        pods=pods,
        versions=store.of_model(MODEL_VERSION, namespace, model_of(parent) or ""),
        model_deployments=store.retrained_by(parent),
        write_error=write_error,
    )


def version(parent: Obj, store: Store, write_error: str | None) -> VersionObserved:
    """A ModelVersion with its check pods and the deployments of its model."""
    namespace = parent["metadata"]["namespace"]
    return VersionObserved(
        parent=parent,
        pods=store.owned(POD, parent),
        model_deployments=store.of_model(MODEL_DEPLOYMENT, namespace, model_of(parent) or ""),
        write_error=write_error,
    )


def deployment(
    parent: Obj,
    store: Store,
    write_error: str | None,
    seen: Seen = NOTHING,
) -> DeploymentObserved:
    """A ModelDeployment with all that it owns, its pods, the versions and deployments of its model, what is seen."""
    namespace, name = parent["metadata"]["namespace"], parent["metadata"]["name"]
    model = model_of(parent) or ""
    routes = [route for route in _children(ROUTE, parent, store) if route["metadata"]["name"] == name]
    return DeploymentObserved(
        parent=parent,
        versions=store.of_model(MODEL_VERSION, namespace, model),
        model_deployments=store.of_model(MODEL_DEPLOYMENT, namespace, model),
        deployments=_children(DEPLOYMENT, parent, store),
        services=_children(SERVICE, parent, store),
        autoscalers=_children(AUTOSCALER, parent, store),
        budgets=_children(BUDGET, parent, store),
        route=routes[0] if routes else None,
        pods=store.labelled(POD, namespace, names.LABEL_DEPLOYMENT, name),
        write_error=write_error,
        judgement=seen.judgement,
        metrics_error=seen.metrics_error,
        findings=seen.findings,
    )


def _children(kind: Kind, parent: Obj, store: Store) -> Objs:
    """What the parent owns, and what carries its name as label: left by a namesake, or claimed by somebody."""
    metadata = parent["metadata"]
    labelled = store.labelled(kind, metadata["namespace"], names.LABEL_DEPLOYMENT, metadata["name"])
    found = {child["metadata"]["name"]: child for child in (*labelled, *store.owned(kind, parent))}
    return tuple(found[name] for name in sorted(found))


async def _config_map(parent: Obj, cluster: Cluster) -> Obj | None:
    source = parent.get("spec", {}).get("source") or {}
    name = (source.get("configMapRef") or {}).get("name")
    if not name:
        return None
    try:
        return await cluster.get(CONFIG_MAP, parent["metadata"]["namespace"], name)
    except (NotFound, Refused):
        # A name that cannot be read is the same to the user as one that is not there.
        return None


def _owners(obj: Obj) -> set[str]:
    return {owner["uid"] for owner in obj["metadata"].get("ownerReferences") or ()}
