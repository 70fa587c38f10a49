"""What a model says of its inputs and outputs in the Open Inference Protocol."""

from __future__ import annotations

from typing import Any

from pintle.contract.manifest import OUTLIERS, Manifest
from pintle.serve.models import Inputs
from pintle.serve.settings import Identity
from pintle.serve.tensors import BYTES

LABEL, PROBABILITIES, VARIABLE = "label", "probabilities", "variable"
OUTLIER, SCORE = "outlier", "score"
DATATYPES = {
    (kind, required): datatype
    for kind, often, always in (
        ("Number", "FP32", "FP32"),
        ("Integer", "FP32", "INT64"),
        ("Boolean", "FP32", "BOOL"),
        ("String", BYTES, BYTES),
        ("Timestamp", BYTES, BYTES),
    )
    for required, datatype in ((False, often), (True, always))
}
"""What is said of a column by type and `required`: integers and booleans have no missing value, FP32 has NaN."""


def model_metadata(manifest: Manifest, inputs: Inputs, matrix_input: str | None, identity: Identity) -> dict[str, Any]:
    """The answer to a question for the model's metadata."""
    features = inputs.features
    columns = [
        {"name": item.name, "datatype": DATATYPES[item.type, item.required], "shape": [-1, 1]} for item in features
    ]
    matrix = {"name": matrix_input, "datatype": "FP32", "shape": [-1, len(features)]}
    return {
        "name": identity.model,
        "versions": [identity.version],
        "platform": f"pintle_{manifest.model_format.lower()}",
        "inputs": columns if matrix_input is None else [matrix],
        "outputs": _outputs(manifest),
    }


def label_datatype(manifest: Manifest) -> str:
    """Of the classes: INT64 or BOOL where all are that, else BYTES."""
    kinds = {type(label) for label in manifest.labels}
    return {frozenset({int}): "INT64", frozenset({bool}): "BOOL"}.get(frozenset(kinds), BYTES)


def _outputs(manifest: Manifest) -> list[dict[str, Any]]:
    if manifest.labels:
        return [
            {"name": LABEL, "datatype": label_datatype(manifest), "shape": [-1]},
            {"name": PROBABILITIES, "datatype": "FP32", "shape": [-1, len(manifest.labels)]},
        ]
    if manifest.task == OUTLIERS:
        return [
            {"name": OUTLIER, "datatype": "BOOL", "shape": [-1]},
            {"name": SCORE, "datatype": "FP32", "shape": [-1, 1]},
        ]
    names = manifest.output_names or (VARIABLE,)
    return [{"name": name, "datatype": "FP32", "shape": [-1, 1]} for name in names]
