"""ONNX models by onnxruntime: one thread, because a pod scales by its replicas and not by its threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

# onnxruntime's Linux wheels report usage to Microsoft unless this is set before they are loaded; a model server
# tells nobody what it serves.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

from pintle.contract.manifest import MATRIX, OUTLIERS, REGRESSION, Feature, Manifest
from pintle.serve.models import Batch, Inputs, Prediction
from pintle.serve.predictions import PredictionMaker

NUMBER_TENSORS: dict[str, npt.DTypeLike] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
}
# Tensors without NaN: a missing value cannot reach the model, so the server asks for these columns.
NO_MISSING = ("tensor(int64)", "tensor(int32)", "tensor(bool)")
STRING_TENSOR = "tensor(string)"
Feed = dict[str, npt.NDArray[Any]]


class OnnxModel:
    """A session and how a batch becomes its inputs. Raises ValueError where model and manifest do not fit."""

    def __init__(self, data: bytes, manifest: Manifest) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(data, sess_options=options, providers=["CPUExecutionProvider"])
        inputs = {item.name: item for item in self._session.get_inputs()}
        self.matrix_input: str | None = None
        self._feed: Callable[[Batch], Feed]
        if manifest.inputs == MATRIX:
            self.inputs = Inputs(manifest.features)
            self.matrix_input, self._feed = _matrix_feed(inputs, self.inputs)
        else:
            self.inputs, self._feed = _column_feed(inputs, manifest.features)
        self._task = manifest.task
        self._make = PredictionMaker(manifest)
        self._outputs, self._label_first = _outputs(self._session.get_outputs(), manifest)

    def predict(self, batch: Batch) -> Prediction:
        found = self._session.run(self._outputs, self._feed(batch))
        rows = len(batch)
        if self._task == REGRESSION:
            if len(found) == 1:
                return self._make.values(found[0], rows)
            return self._make.values(np.stack([tensor.reshape(rows) for tensor in found], axis=1), rows)
        if self._task == OUTLIERS:
            return self._make.outliers(found[0], found[1], rows)
        return self._make.classes(found[-1], rows, found[0].reshape(-1).tolist() if self._label_first else None)


def _column_feed(inputs: dict[str, Any], features: tuple[Feature, ...]) -> tuple[Inputs, Callable[[Batch], Feed]]:
    """One [rows, 1] tensor per feature; features that the graph does not use are accepted and left out."""
    by_name = {feature.name: feature for feature in features}
    if unknown := sorted(set(inputs) - set(by_name)):
        raise ValueError(f"the model asks for {', '.join(unknown[:5])}, which the manifest's schema does not name")
    checked = []
    for feature in features:
        kind = inputs[feature.name].type if feature.name in inputs else None
        if kind is not None and (kind == STRING_TENSOR) != feature.is_string:
            raise ValueError(f"feature {feature.name} is a {feature.type}, the model's input a {kind}")
        if kind is not None and kind != STRING_TENSOR and kind not in NUMBER_TENSORS:
            raise ValueError(f"input {feature.name}: a {kind} is not supported")
        required = feature.required or kind in NO_MISSING
        checked.append(Feature(feature.name, feature.type, required))
    all_inputs = Inputs(tuple(checked))
    numbers = [
        (index, feature.name, NUMBER_TENSORS[inputs[feature.name].type])
        for index, feature in enumerate(all_inputs.numbers)
        if feature.name in inputs
    ]
    strings = [(i, feature.name) for i, feature in enumerate(all_inputs.strings) if feature.name in inputs]

    def feed(batch: Batch) -> Feed:
        rows = len(batch)
        columns = np.ascontiguousarray(batch.numbers.T)
        tensors: Feed = {}
        for index, name, dtype in numbers:
            tensors[name] = columns[index].astype(dtype, copy=False).reshape(rows, 1)
        for index, name in strings:
            tensors[name] = np.array(batch.strings[index], dtype=object).reshape(rows, 1)
        return tensors

    return all_inputs, feed


def _matrix_feed(inputs: dict[str, Any], model_inputs: Inputs) -> tuple[str, Callable[[Batch], Feed]]:
    """One [rows, features] tensor in schema order."""
    if len(inputs) != 1 or model_inputs.strings:
        raise ValueError(f"a Matrix model has one input and number columns only; this one has {', '.join(inputs)}")
    name, tensor = next(iter(inputs.items()))
    width = tensor.shape[1] if len(tensor.shape) == 2 else 0
    if isinstance(width, int) and width != len(model_inputs.features):
        raise ValueError(f"input {name} has {width} columns, the schema {len(model_inputs.features)} features")
    if tensor.type not in ("tensor(float)", "tensor(double)"):
        raise ValueError(f"input {name}: a Matrix of {tensor.type} is not supported")
    dtype = NUMBER_TENSORS[tensor.type]

    def feed(batch: Batch) -> Feed:
        return {name: np.ascontiguousarray(batch.numbers, dtype=dtype)}

    return name, feed


def _outputs(outputs: list[Any], manifest: Manifest) -> tuple[list[str], bool]:
    """Names to ask for, probabilities, values or score last; and whether the label comes first."""
    if listed := [item.name for item in outputs if not item.type.startswith("tensor(")]:
        raise ValueError(f"output {listed[0]} is no tensor: convert the model without ZipMap")
    floats = [item.name for item in outputs if item.type in ("tensor(float)", "tensor(double)")]
    if manifest.task == REGRESSION:
        if not floats:
            raise ValueError("a regression needs a float output")
        if manifest.output_names and set(manifest.output_names) <= set(floats):
            return list(manifest.output_names), False
        return ["variable" if "variable" in floats else floats[0]], False
    others = [item.name for item in outputs if item.name not in floats]
    label = "label" if "label" in others else (others[0] if others else None)
    if manifest.task == OUTLIERS:
        if label is None or not floats:
            raise ValueError("an outlier detector needs a label (-1 = outlier) and a float output with its score")
        return [label, "scores" if "scores" in floats else floats[0]], True
    probabilities = "probabilities" if "probabilities" in floats else (floats[-1] if floats else None)
    if probabilities is None:
        raise ValueError("a classification needs a float output with one column per class")
    return ([label, probabilities], True) if label else ([probabilities], False)
