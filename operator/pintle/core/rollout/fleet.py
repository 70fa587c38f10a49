"""The observed children, sorted by revision. What belongs to somebody else, or is going away, is not among them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pintle.contract import names
from pintle.core.plan import Delete, Obj
from pintle.core.rollout.observed import DeploymentObserved
from pintle.resources.revision import Owner, Revision
from pintle.resources.serving import ANNOTATION_MADE_OF

KINDS = ("HorizontalPodAutoscaler", "PodDisruptionBudget", "Service", "Deployment")
"""The children of one revision, in the order they are deleted: the Deployment last, it stands for the revision."""
API_VERSIONS = {
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "PodDisruptionBudget": "policy/v1",
    "Service": "v1",
    "Deployment": "apps/v1",
    "HTTPRoute": "gateway.networking.k8s.io/v1",
}


@dataclass(frozen=True)
class Member:
    """One revision as it runs."""

    name: str
    objects: Mapping[str, Obj] = field(default_factory=dict)
    """By kind."""
    pods: tuple[Obj, ...] = ()

    @property
    def deployment(self) -> Obj | None:
        return self.objects.get("Deployment")

    @property
    def replicas(self) -> int:
        """How many pods the Deployment is asked for."""
        return int(self.deployment["spec"].get("replicas", 1)) if self.deployment else 0

    @property
    def ready(self) -> int:
        """Pods that have answered their own example rows, and may get traffic."""
        return int(_status(self.deployment).get("readyReplicas") or 0)

    def all_ready(self, wanted: int) -> bool:
        """At least `wanted` pods of the present template are ready."""
        if self.deployment is None:
            return False
        status = _status(self.deployment)
        seen = int(status.get("observedGeneration") or 0) >= int(self.deployment["metadata"].get("generation") or 0)
        return seen and self.ready >= wanted and int(status.get("updatedReplicas") or 0) >= wanted

    @property
    def created(self) -> str:
        return str(self.deployment["metadata"].get("creationTimestamp", "")) if self.deployment else ""

    @property
    def made_of(self) -> Revision | None:
        """What the Deployment says it was made of; from its pods' template where the annotation is lost."""
        if self.deployment is None:
            return None
        try:
            facts = json.loads((self.deployment["metadata"].get("annotations") or {}).get(ANNOTATION_MADE_OF) or "")
            return Revision.from_dict(self.name, facts)
        except (ValueError, KeyError, TypeError):
            return _from_template(self.name, self.deployment)

    @property
    def template_digest(self) -> str | None:
        """Digest of the template as the operator of that time made it, or None when that is lost."""
        try:
            annotations = self.deployment["metadata"].get("annotations") or {} if self.deployment else {}
            return str(json.loads(annotations.get(ANNOTATION_MADE_OF) or "")["template"])
        except (ValueError, KeyError, TypeError):
            return None

    def deletes(self) -> tuple[Delete, ...]:
        return tuple(delete(self.objects[kind]) for kind in KINDS if kind in self.objects)


@dataclass(frozen=True)
class Fleet:
    """All children of a ModelDeployment."""

    members: Mapping[str, Member]
    route: Obj | None
    root: Obj | None
    foreign: frozenset[tuple[str, str]]
    """(kind, name) that we did not make, or that are going away: the name is taken."""
    stranger: str | None
    """One of them that will not go away by itself, in words."""

    def member(self, name: str) -> Member:
        return self.members.get(name) or Member(name)

    def ready(self, name: str) -> int:
        return self.member(name).ready


def fleet_of(observed: DeploymentObserved, owner: Owner) -> Fleet:
    """Sorts the observed children by revision label."""
    found: dict[str, dict[str, Obj]] = {}
    root: Obj | None = None
    route: Obj | None = None
    foreign: set[tuple[str, str]] = set()
    stranger: str | None = None
    for kind, item in _children(observed):
        meta = item["metadata"]
        if not _owned(item, owner) or "deletionTimestamp" in meta:
            foreign.add((kind, meta["name"]))
            if not _owned(item, owner) and not _of_a_namesake(item, owner):
                stranger = stranger or f"{kind} {meta['name']} was not made by this ModelDeployment"
        elif kind == "HTTPRoute":
            route = item
        elif kind == "Service" and meta["name"] == owner.name:
            root = item
        else:
            revision = (meta.get("labels") or {}).get(names.LABEL_REVISION)
            if revision:
                found.setdefault(revision, {})[kind] = item
    members = {name: Member(name, objects, _pods(observed.pods, name)) for name, objects in sorted(found.items())}
    return Fleet(members, route, root, frozenset(foreign), stranger)


def delete(item: Obj) -> Delete:
    """Deletion of this very object."""
    meta = item["metadata"]
    kind = item["kind"]
    return Delete(API_VERSIONS[kind], kind, meta["namespace"], meta["name"], meta["uid"])


def _children(observed: DeploymentObserved) -> Iterable[tuple[str, Obj]]:
    by_kind = {
        "Deployment": observed.deployments,
        "Service": observed.services,
        "HorizontalPodAutoscaler": observed.autoscalers,
        "PodDisruptionBudget": observed.budgets,
        "HTTPRoute": (observed.route,) if observed.route else (),
    }
    for kind, items in by_kind.items():
        for item in items:
            # Objects out of a list carry neither of their own.
            yield kind, {"apiVersion": API_VERSIONS[kind], "kind": kind, **item}


def _owned(item: Obj, owner: Owner) -> bool:
    return any(ref.get("uid") == owner.uid for ref in item["metadata"].get("ownerReferences") or ())


def _of_a_namesake(item: Obj, owner: Owner) -> bool:
    """Left over from a deleted ModelDeployment of the same name; the garbage collector is on its way."""
    return any(
        ref.get("kind") == "ModelDeployment" and ref.get("name") == owner.name
        for ref in item["metadata"].get("ownerReferences") or ()
    )


def _pods(pods: Iterable[Obj], revision: str) -> tuple[Obj, ...]:
    return tuple(pod for pod in pods if (pod["metadata"].get("labels") or {}).get(names.LABEL_REVISION) == revision)


def _status(item: Obj | None) -> Mapping[str, Any]:
    return (item or {}).get("status") or {}


def _from_template(name: str, deployment: Obj) -> Revision | None:
    try:
        template = deployment["spec"]["template"]
        fetch = next(c for c in template["spec"]["initContainers"] if c["name"] == names.CONTAINER_FETCH)
        env = {item["name"]: item.get("value", "") for item in fetch["env"]}
        server = next(c for c in template["spec"]["containers"] if c["name"] == names.CONTAINER_SERVER)
        key = next((v["secret"]["secretName"] for v in template["spec"]["volumes"] if v["name"] == "key"), None)
        return Revision(
            name=name,
            version=int(template["metadata"]["labels"][names.LABEL_VERSION]),
            digest=env[names.ENV_MODEL_DIGEST],
            storage_uri=env[names.ENV_MODEL_URI],
            image=server["image"],
            secret=key,
            created=str(deployment["metadata"].get("creationTimestamp", "")),
        )
    except (KeyError, TypeError, ValueError, StopIteration):
        return None
