"""The kinds the operator reads and writes, with their addresses in the API."""

from __future__ import annotations

from dataclasses import dataclass

from pintle.contract import names


@dataclass(frozen=True)
class Kind:
    """A kind as the API server addresses it. `name` is the `kind` of the objects, `plural` the word in the path."""

    api_version: str
    name: str
    plural: str

    @property
    def group(self) -> str:
        """API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """Version without the group."""
        return self.api_version.rpartition("/")[2]

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """URL path of a collection, of an object in it, or of a subresource of that."""
        parts = [f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"]
        if namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part]
        return "/".join(parts)


TRAINING_JOB = Kind(names.API_VERSION, "TrainingJob", "trainingjobs")
MODEL_VERSION = Kind(names.API_VERSION, "ModelVersion", "modelversions")
MODEL_DEPLOYMENT = Kind(names.API_VERSION, "ModelDeployment", "modeldeployments")
JOB = Kind("batch/v1", "Job", "jobs")
POD = Kind("v1", "Pod", "pods")
SERVICE = Kind("v1", "Service", "services")
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
AUTOSCALER = Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
BUDGET = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
ROUTE = Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes")
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
EVENT = Kind("v1", "Event", "events")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")

PARENTS = (TRAINING_JOB, MODEL_VERSION, MODEL_DEPLOYMENT)
CHILDREN = (JOB, POD, SERVICE, DEPLOYMENT, AUTOSCALER, BUDGET, ROUTE)
WATCHED = PARENTS + CHILDREN
"""What the store holds: all parents, and children that carry our label."""

CHILD_SELECTOR = f"{names.LABEL_MANAGED_BY}={names.MANAGED_BY}"

_BY_ADDRESS = {(kind.api_version, kind.name): kind for kind in (*WATCHED, CONFIG_MAP, EVENT, LEASE)}
_PARENT_BY_NAME = {kind.name: kind for kind in PARENTS}


def of(api_version: str, name: str) -> Kind:
    """The kind of an object; raises KeyError for one the operator has no business with."""
    return _BY_ADDRESS[api_version, name]


def parent(name: str) -> Kind:
    """The kind of a parent by its name; raises KeyError for any other."""
    return _PARENT_BY_NAME[name]


def selector(kind: Kind) -> str | None:
    """The label selector that lists and watches of this kind carry; None for all objects."""
    return CHILD_SELECTOR if kind in CHILDREN else None
