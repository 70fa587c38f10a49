"""What the versions are worth in each month: AUC of what was answered live, and of versions on the same live rows."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pintle.train.models import OnnxModel

from e2e.demo.flights import features, figures
from e2e.kubectl import Kubectl
from e2e.story.stream import Asked, Flight

READER = "reader"


@dataclass(frozen=True)
class Model:
    """A version's model as it lies in storage."""

    onnx: OnnxModel
    schema: Mapping[str, Any]


@dataclass(frozen=True)
class Month:
    """One month: flights that were answered and have landed, the AUC of the live answers and of each version."""

    month: int
    flights: int
    late: float
    live: figures.Interval
    by_version: Mapping[int, figures.Interval]


def months(asked: Iterable[Asked], models: Mapping[int, Model]) -> list[Month]:
    """By month of local time; intervals are 95 % by whole days. Months without both outcomes are left out."""
    found: dict[int, list[Asked]] = {}
    for item in asked:
        if item.chance is not None and item.flight.late is not None:
            found.setdefault(item.flight.at.astimezone(features.NEW_YORK).month, []).append(item)
    return [_month(number, items, models) for number, items in sorted(found.items()) if _both(items)]


def _both(items: Sequence[Asked]) -> bool:
    return len({item.flight.late for item in items}) == 2


def _month(number: int, items: Sequence[Asked], models: Mapping[int, Model]) -> Month:
    truth = np.array([item.flight.late for item in items], dtype=int)
    days = [item.flight.at.astimezone(features.NEW_YORK).toordinal() for item in items]
    live = figures.auc_by_day(truth, [item.chance for item in items], days)
    flights = [item.flight for item in items]
    by_version = {
        version: figures.auc_by_day(truth, chances(model, flights), days) for version, model in models.items()
    }
    return Month(number, len(items), float(truth.mean()), live, by_version)


def chances(model: Model, flights: Sequence[Flight]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The chance of being late that the model gives; a column that live rows lack is missing in all of them."""
    frame = pd.DataFrame([flight.row for flight in flights])
    for item in model.schema["features"]:
        if item["name"] not in frame:
            frame[item["name"]] = np.nan
        if item["type"] != "String":
            frame[item["name"]] = frame[item["name"]].astype("float32")
    return np.asarray(model.onnx.predict(frame))[:, 1]


def read_models(kube: Kubectl, image: str, versions: Sequence[Mapping[str, Any]], claim: str) -> dict[int, Model]:
    """The models of these ModelVersions, read from the claim by a pod. Raises KubectlError."""
    kube.run("delete", "pod", READER, "--ignore-not-found", "--wait=true", timeout=120)
    kube.apply(_reader(image, claim))
    kube.run("wait", f"pod/{READER}", "--for=condition=Ready", "--timeout=120s", timeout=130)
    try:
        found = {}
        for version in versions:
            folder = "/models/" + version["spec"]["storageUri"].partition(f"pvc://{claim}/")[2].strip("/")
            script = f"import base64; print(base64.b64encode(open('{folder}/model.onnx','rb').read()).decode())"
            data = base64.b64decode(kube.run("exec", READER, "--", "python", "-c", script))
            manifest = json.loads(kube.run("exec", READER, "--", "cat", f"{folder}/manifest.json"))
            schema = manifest["schema"]
            found[int(version["spec"]["version"])] = Model(OnnxModel(data, schema), schema)
        return found
    finally:
        kube.run("delete", "pod", READER, "--ignore-not-found", "--wait=false")


def _reader(image: str, claim: str) -> dict[str, Any]:
    from e2e.demo import objects

    made = objects.loader(image)
    made["metadata"]["name"] = READER
    made["spec"]["containers"][0]["volumeMounts"] = [{"name": "models", "mountPath": "/models", "readOnly": True}]
    made["spec"]["volumes"] = [{"name": "models", "persistentVolumeClaim": {"claimName": claim}}]
    return made
