"""The smallest valid object of each kind, and a way to say what is different."""

from __future__ import annotations

import copy
from typing import Any

from pintle.contract.names import API_VERSION

DIGEST = "sha256:" + "0123456789abcdef" * 4
GONE = object()
"""As a value in `altered`: without this field."""


def training_job(name: str = "delays", **changes: Any) -> dict[str, Any]:
    spec = {
        "trainer": {"image": "example/trainer:1"},
        "datasets": [{"name": "train", "role": "Train", "storageUri": "pvc://data/flights/train"}],
        "schema": {"target": "late"},
        "output": {"storageUri": "s3://models/delays"},
    }
    return altered(_object("TrainingJob", name, spec), **changes)


def model_version(model: str = "delays", version: int = 1, **changes: Any) -> dict[str, Any]:
    spec = {
        "modelName": model,
        "version": version,
        "modelFormat": "ONNX",
        "storageUri": f"s3://models/{model}/run-{version}",
        "digest": DIGEST,
    }
    return altered(_object("ModelVersion", f"{model}-v{version}", spec), **changes)


def model_deployment(name: str = "delays", **changes: Any) -> dict[str, Any]:
    return altered(_object("ModelDeployment", name, {"modelName": "delays", "version": 1}), **changes)


def altered(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A copy with other values at paths below spec: `schema__timeColumn="time"`, `datasets__0__digest=GONE`."""
    body = copy.deepcopy(body)
    for path, value in changes.items():
        *parents, last = [int(step) if step.isdigit() else step for step in path.split("__")]
        node: Any = body["spec"]
        for step in parents:
            node = node[step] if isinstance(step, int) else node.setdefault(step, {})
        if value is GONE:
            node.pop(last, None)
        else:
            node[last] = value
    return body


def _object(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
