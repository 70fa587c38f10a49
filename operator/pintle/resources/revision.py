"""A revision of a ModelDeployment: what it is made of, and the metadata that all its objects share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pintle.api.modeldeployment import Runtime
from pintle.contract import names
from pintle.contract.digest import digest_value, short

# How often and how much runs is no part of a pod. Everything else in `runtime` is, so a new field there is in the hash
# by itself; it must default to None, or an upgrade of the operator would give every deployment a new revision.
SCALING_FIELDS = {"minReplicas", "maxReplicas", "targetCPUUtilizationPercentage"}


@dataclass(frozen=True)
class Revision:
    """A model and the pod that serves it. Made once; carries what it needs when its ModelVersion is gone."""

    name: str
    """8 hex digits; names are `<deployment>-<name>`."""
    version: int
    digest: str
    storage_uri: str
    image: str
    """The server's image as it was resolved when the revision was made."""
    secret: str | None = None
    """Secret with the key of the store."""
    created: str = ""
    """When it was first seen, RFC 3339."""

    def at(self, created: str) -> Revision:
        """The same, first seen at that time."""
        return replace(self, created=created)

    def to_dict(self) -> dict[str, Any]:
        """For an annotation; the name is the key it is stored under."""
        facts: dict[str, Any] = {
            "version": self.version,
            "digest": self.digest,
            "storageUri": self.storage_uri,
            "image": self.image,
            "created": self.created,
        }
        return facts | ({"secret": self.secret} if self.secret else {})

    @classmethod
    def from_dict(cls, name: str, facts: Mapping[str, Any]) -> Revision:
        """Raises KeyError, TypeError or ValueError when the facts are not those of a revision."""
        return cls(
            name=name,
            version=int(facts["version"]),
            digest=str(facts["digest"]),
            storage_uri=str(facts["storageUri"]),
            image=str(facts["image"]),
            secret=facts.get("secret"),
            created=str(facts.get("created", "")),
        )


def revision_name(model_digest: str, runtime: Runtime) -> str:
    """8 hex digits over the model and what the user declared about the pod; defaults and replicas are outside."""
    declared = runtime.model_dump(mode="json", exclude_none=True, exclude=SCALING_FIELDS)
    return short(digest_value({"model": model_digest, "runtime": declared}))


@dataclass(frozen=True)
class Owner:
    """The ModelDeployment that owns the objects."""

    name: str
    namespace: str
    uid: str
    model: str

    def child_name(self, revision: str) -> str:
        return f"{self.name}-{revision}"

    def metadata(
        self, name: str, revision: Revision | None = None, annotations: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Metadata of a child. The parent's own labels and annotations are never copied: Argo CD would claim them."""
        meta: dict[str, Any] = {
            "name": name,
            "namespace": self.namespace,
            "labels": self.labels(revision),
            "ownerReferences": [
                {
                    "apiVersion": names.API_VERSION,
                    "kind": "ModelDeployment",
                    "name": self.name,
                    "uid": self.uid,
                    "controller": True,
                }
            ],
        }
        return meta | ({"annotations": dict(annotations)} if annotations else {})

    def labels(self, revision: Revision | None = None) -> dict[str, str]:
        labels = {
            names.LABEL_MANAGED_BY: names.MANAGED_BY,
            names.LABEL_COMPONENT: names.COMPONENT_SERVER,
            names.LABEL_DEPLOYMENT: self.name,
            names.LABEL_MODEL: self.model,
        }
        if revision is not None:
            labels |= {names.LABEL_REVISION: revision.name, names.LABEL_VERSION: str(revision.version)}
        return labels

    def selector(self, revision: str) -> dict[str, str]:
        """Labels that pick exactly this revision's pods."""
        return {names.LABEL_DEPLOYMENT: self.name, names.LABEL_REVISION: revision}
