"""What is known of the cluster: objects by address, with indexes so that a look costs as much as its own children.

Three writers feed it: the watches, our own writes (the object that the API server returned) and the periodic re-list.
They come in any order, so an object is only ever replaced by a newer one, and one that is gone stays gone.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pintle.contract import names
from pintle.ports.kinds import MODEL_DEPLOYMENT, MODEL_VERSION, TRAINING_JOB, WATCHED, Kind

Obj = Mapping[str, Any]
Address = tuple[str, str]
"""Namespace and name."""

INDEXED_LABELS = (names.LABEL_TRAINING_JOB, names.LABEL_DEPLOYMENT)
_REMEMBERED_DELETIONS = 20_000


def uid_of(obj: Obj) -> str:
    """The identity of an object: a namesake that is made later has another."""
    return str(obj["metadata"]["uid"])


def version_of(obj: Obj) -> int:
    """resourceVersion as a number; a higher one is later."""
    return int(obj["metadata"]["resourceVersion"])


def address_of(obj: Obj) -> Address:
    """Namespace and name of an object."""
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def model_of(obj: Obj) -> str | None:
    """The model that a TrainingJob, ModelVersion or ModelDeployment is about."""
    if obj["kind"] == TRAINING_JOB.name:
        return str(obj.get("spec", {}).get("modelName") or obj["metadata"]["name"])
    if obj["kind"] in (MODEL_VERSION.name, MODEL_DEPLOYMENT.name):
        return str(obj.get("spec", {}).get("modelName") or "") or None
    return None


def retrained_by(obj: Obj) -> str | None:
    """The TrainingJob that a ModelDeployment asks for new versions."""
    if obj["kind"] != MODEL_DEPLOYMENT.name:
        return None
    retrain = obj.get("spec", {}).get("retrain") or {}
    return str((retrain.get("trainingJobRef") or {}).get("name") or "") or None


def _tokens(obj: Obj) -> Iterator[str]:
    """Under which words an object can be found."""
    metadata = obj["metadata"]
    for owner in metadata.get("ownerReferences") or ():
        yield f"owner:{owner['uid']}"
    labels = metadata.get("labels") or {}
    for label in INDEXED_LABELS:
        if label in labels:
            yield f"{label}:{labels[label]}"
    model = model_of(obj)
    if model:
        yield f"model:{model}"
    retrained = retrained_by(obj)
    if retrained:
        yield f"retrain:{retrained}"


def _slim(obj: Obj) -> dict[str, Any]:
    """Without managedFields: half of the bytes of many objects, and nobody here reads them."""
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    return {**obj, "metadata": metadata}


class Store:
    """Objects of the watched kinds. Not thread-safe: one event loop."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[Address, dict[str, Any]]] = {kind.name: {} for kind in WATCHED}
        self._index: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        self._gone: OrderedDict[str, None] = OrderedDict()

    def put(self, obj: Obj) -> bool:
        """Take an object unless a newer state of it is known or it is known to be gone. True if it was taken."""
        uid, address = uid_of(obj), address_of(obj)
        if uid in self._gone:
            return False
        objects = self._objects[obj["kind"]]
        known = objects.get(address)
        if known is not None:
            if version_of(known) >= version_of(obj):
                return False
            self._unindex(known)
        slim = _slim(obj)
        objects[address] = slim
        for token in _tokens(slim):
            self._index[slim["kind"], address[0], token].add(address[1])
        return True

    def remove(self, obj: Obj) -> bool:
        """Forget an object for good; a namesake with another uid stays. True if it was known."""
        uid, address = uid_of(obj), address_of(obj)
        self._gone[uid] = None
        while len(self._gone) > _REMEMBERED_DELETIONS:
            self._gone.popitem(last=False)
        objects = self._objects[obj["kind"]]
        known = objects.get(address)
        if known is None or uid_of(known) != uid:
            return False
        self._unindex(known)
        del objects[address]
        return True

    def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        """The object, or None. Read it, never change it."""
        return self._objects[kind.name].get((namespace, name))

    def all(self, kind: Kind) -> Iterable[dict[str, Any]]:
        """All objects of a kind, as they are now."""
        return tuple(self._objects[kind.name].values())

    def owned(self, kind: Kind, owner: Obj) -> tuple[dict[str, Any], ...]:
        """Objects of a kind whose ownerReferences name this very owner, by name."""
        return self._found(kind, owner["metadata"]["namespace"], f"owner:{uid_of(owner)}")

    def labelled(self, kind: Kind, namespace: str, label: str, value: str) -> tuple[dict[str, Any], ...]:
        """Objects of a kind with one of INDEXED_LABELS, by name."""
        return self._found(kind, namespace, f"{label}:{value}")

    def of_model(self, kind: Kind, namespace: str, model: str) -> tuple[dict[str, Any], ...]:
        """TrainingJobs, ModelVersions or ModelDeployments of a model, by name."""
        return self._found(kind, namespace, f"model:{model}")

    def retrained_by(self, training_job: Obj) -> tuple[dict[str, Any], ...]:
        """ModelDeployments whose spec.retrain names this TrainingJob, by name."""
        metadata = training_job["metadata"]
        return self._found(MODEL_DEPLOYMENT, metadata["namespace"], f"retrain:{metadata['name']}")

    def counts(self) -> dict[str, int]:
        """How many objects of each kind are held."""
        return {kind: len(objects) for kind, objects in self._objects.items()}

    def _found(self, kind: Kind, namespace: str, token: str) -> tuple[dict[str, Any], ...]:
        found = self._index.get((kind.name, namespace, token), ())
        return tuple(self._objects[kind.name][namespace, name] for name in sorted(found))

    def _unindex(self, obj: Obj) -> None:
        namespace, name = address_of(obj)
        for token in _tokens(obj):
            place = (obj["kind"], namespace, token)
            self._index[place].discard(name)
            if not self._index[place]:
                del self._index[place]
