"""Who wakes a look: from an object that changed to the keys that must be looked at.

TrainingJob, ModelVersion, ModelDeployment   itself
child                                        its owner among ours, and the parent that its label names
ModelVersion                                 TrainingJobs and ModelDeployments of its model
ModelDeployment                              the TrainingJob that its spec.retrain names; and, where that has changed
                                             which they read, ModelVersions and other ModelDeployments of its model
                                             (aliases, usedBy)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pintle.contract import names
from pintle.controller.store import Store, model_of, retrained_by
from pintle.core.plan import Key
from pintle.ports.kinds import MODEL_DEPLOYMENT, MODEL_VERSION, PARENTS, TRAINING_JOB

Obj = Mapping[str, Any]

_PARENT_NAMES = {kind.name for kind in PARENTS}
_LABELLED = {names.LABEL_TRAINING_JOB: TRAINING_JOB.name, names.LABEL_DEPLOYMENT: MODEL_DEPLOYMENT.name}
_READERS = {
    MODEL_VERSION.name: (TRAINING_JOB, MODEL_DEPLOYMENT),
    MODEL_DEPLOYMENT.name: (MODEL_VERSION, MODEL_DEPLOYMENT),
}


def key_of(parent: Obj) -> Key:
    """The key of a parent."""
    return Key(parent["kind"], parent["metadata"]["namespace"], parent["metadata"]["name"])


def woken_by(obj: Obj, store: Store, other: Obj | None = None) -> set[Key]:
    """Keys to look at when this object was made, changed or went away.

    `other`: what it was before, or has become. A change that those of the same model do not read wakes none of them:
    the figures of a rollout or of drift, which come often, would else wake every deployment of a model for each.
    """
    if obj["kind"] not in _PARENT_NAMES:
        return set(_parents_of_child(obj))
    keys = {key_of(obj)}
    if retrained := retrained_by(obj):
        keys.add(Key(TRAINING_JOB.name, obj["metadata"]["namespace"], retrained))
    if other is None or obj["kind"] != MODEL_DEPLOYMENT.name or _read_by_others(obj) != _read_by_others(other):
        keys.update(_readers(obj, store))
    return keys


def _read_by_others(deployment: Obj) -> tuple[Any, ...]:
    """All that looks at versions and deployments of its model read of a ModelDeployment."""
    metadata, status = deployment["metadata"], deployment.get("status") or {}
    served = tuple((status.get(role) or {}).get("version") for role in ("stable", "canary"))
    return deployment["spec"], metadata.get("deletionTimestamp"), status.get("alias"), served


def _readers(obj: Obj, store: Store) -> Iterator[Key]:
    model = model_of(obj)
    if model:
        for kind in _READERS.get(obj["kind"], ()):
            for reader in store.of_model(kind, obj["metadata"]["namespace"], model):
                yield key_of(reader)


def _parents_of_child(obj: Obj) -> Iterator[Key]:
    metadata = obj["metadata"]
    for owner in metadata.get("ownerReferences") or ():
        if owner["apiVersion"] == names.API_VERSION and owner["kind"] in _PARENT_NAMES:
            yield Key(owner["kind"], metadata["namespace"], owner["name"])
    # Pods are owned by Jobs and ReplicaSets; the label says whose they are in the end.
    labels = metadata.get("labels") or {}
    for label, kind in _LABELLED.items():
        if label in labels:
            yield Key(kind, metadata["namespace"], labels[label])
