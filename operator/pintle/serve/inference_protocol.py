"""The Open Inference Protocol v2 over HTTP: metadata, and the bodies of `infer` in JSON.

A model takes one input per column, [N] or [N, 1]; a Matrix model also takes its one input of [N, K].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from pintle.contract.manifest import Manifest
from pintle.serve import VERSION
from pintle.serve.http import Answer, BadRequest, BadSchema, json_answer, parse_json
from pintle.serve.models import Model, Prediction
from pintle.serve.rows import RowReader, Rows
from pintle.serve.settings import Identity
from pintle.serve.tokens import TokenWriter

NUMBER_DATATYPES = frozenset(
    "BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 FP32 FP64".split()  # noqa: SIM905
)
STRING_DATATYPE = "BYTES"


@dataclass(slots=True)
class InferRequest:
    """The rows of an `infer` request, and what its answer has to repeat."""

    rows: Rows
    id: str | None
    outputs: list[str] | None


class InferenceProtocol:
    """Reads and writes OIP bodies of one model."""

    def __init__(self, manifest: Manifest, model: Model, reader: RowReader, identity: Identity) -> None:
        self._identity = identity
        self._reader = reader
        self._features = model.inputs.features
        self._by_name = {feature.name: feature for feature in model.inputs.features}
        self._matrix_input = model.matrix_input
        self._labels = list(manifest.labels)
        self._label_datatype = STRING_DATATYPE
        if self._labels and all(type(label) is int for label in self._labels):
            self._label_datatype = "INT64"
        elif self._labels and all(type(label) is bool for label in self._labels):
            self._label_datatype = "BOOL"
        self.model_metadata = json_answer(self._metadata(manifest))
        self.model_ready = json_answer({"name": identity.model, "ready": True})

    def _metadata(self, manifest: Manifest) -> dict[str, Any]:
        if self._matrix_input is not None:
            inputs = [{"name": self._matrix_input, "datatype": "FP32", "shape": [-1, len(self._features)]}]
        else:
            inputs = [
                {"name": item.name, "datatype": STRING_DATATYPE if item.is_string else "FP32", "shape": [-1, 1]}
                for item in self._features
            ]
        outputs: list[dict[str, Any]] = [{"name": "variable", "datatype": "FP32", "shape": [-1, 1]}]
        if self._labels:
            outputs = [
                {"name": "label", "datatype": self._label_datatype, "shape": [-1]},
                {"name": "probabilities", "datatype": "FP32", "shape": [-1, len(self._labels)]},
            ]
        self._output_names = [str(output["name"]) for output in outputs]
        return {
            "name": self._identity.model,
            "versions": [self._identity.version],
            "platform": f"pintle_{manifest.model_format.lower()}",
            "inputs": inputs,
            "outputs": outputs,
        }

    def read(self, body: bytes) -> InferRequest:
        """Raises BadRequest, BadSchema."""
        value = parse_json(body)
        if type(value) is not dict or type(value.get("inputs")) is not list or not value["inputs"]:
            raise BadRequest('the body must be {"inputs": [{"name", "shape", "datatype", "data"}]}')
        request_id = value.get("id")
        if request_id is not None and type(request_id) is not str:
            raise BadRequest('"id" must be a string')
        outputs = self._requested(value.get("outputs"))
        tensors: dict[str, dict[str, Any]] = {}
        for tensor in value["inputs"]:
            if type(tensor) is not dict or type(tensor.get("name")) is not str:
                raise BadRequest("every input must be an object with a name")
            if tensor["name"] in tensors:
                raise BadRequest(f"input {tensor['name']} is given twice")
            tensors[tensor["name"]] = tensor
        return InferRequest(self._rows(tensors), request_id, outputs)

    def _rows(self, tensors: dict[str, dict[str, Any]]) -> Rows:
        if self._matrix_input is not None and set(tensors) == {self._matrix_input}:
            return self._matrix(tensors[self._matrix_input])
        if unknown := sorted(tensors.keys() - self._by_name.keys()):
            expected = ", ".join(([self._matrix_input] if self._matrix_input else []) + list(self._by_name)[:20])
            raise BadSchema(
                f"unknown input {', '.join(name[:100] for name in unknown[:5])}; this model takes {expected}"
            )
        columns: dict[str, list[Any]] = {}
        counts = set()
        for name, tensor in tensors.items():
            shape, data = _read_tensor(tensor, self._by_name[name].is_string)
            if len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
                raise BadSchema(f"input {name} has the shape {shape}, expected [rows, 1] or [rows]")
            columns[name] = data
            counts.add(shape[0])
        if len(counts) != 1:
            raise BadRequest(f"inputs have different numbers of rows: {sorted(counts)[:5]}")
        return self._reader.from_lists(columns, counts.pop())

    def _matrix(self, tensor: dict[str, Any]) -> Rows:
        shape, data = _read_tensor(tensor, False)
        width = len(self._features)
        if len(shape) != 2 or shape[1] != width:
            raise BadSchema(f"input {tensor['name']} has the shape {shape}, expected [rows, {width}]")
        return self._reader.from_matrix(data, shape[0])

    def _requested(self, outputs: Any) -> list[str] | None:
        if outputs is None or outputs == []:
            return None
        if type(outputs) is not list or any(type(item) is not dict for item in outputs):
            raise BadRequest('"outputs" must be a list of objects with a name')
        names = [item.get("name") for item in outputs]
        if unknown := [name for name in names if name not in self._output_names]:
            raise BadSchema(f"unknown output {str(unknown[0])[:100]}; this model has {', '.join(self._output_names)}")
        if len(set(names)) != len(names):
            raise BadRequest("an output is asked for twice")
        return names

    def write(self, request: InferRequest, prediction: Prediction, tokens: TokenWriter | None = None) -> Answer:
        """The answer, its tensors in row-major order.

        The tokens are one string with spaces between, because the protocol allows no lists as parameters.
        """
        count = len(prediction.score)
        made: dict[str, dict[str, Any]] = {}
        if prediction.probabilities is None:
            made["variable"] = _tensor("variable", "FP32", [count, 1], np.ascontiguousarray(prediction.score))
        else:
            made["label"] = _tensor("label", self._label_datatype, [count], self._label_data(prediction.labels or []))
            flat = prediction.probabilities.reshape(-1)
            made["probabilities"] = _tensor("probabilities", "FP32", [count, len(self._labels)], flat)
        answer: dict[str, Any] = {"model_name": self._identity.model, "model_version": self._identity.version}
        if request.id is not None:
            answer["id"] = request.id
        if tokens is not None:
            answer["parameters"] = {"tokens": tokens.write(prediction, b" ").decode()}
        answer["outputs"] = [made[name] for name in request.outputs or self._output_names]
        return Answer(200, orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY))

    def _label_data(self, labels: list[Any]) -> list[Any]:
        if self._label_datatype != STRING_DATATYPE:
            return labels
        return [label if type(label) is str else orjson.dumps(label).decode() for label in labels]


def server_metadata() -> Answer:
    """`GET /v2`."""
    return json_answer({"name": "pintle", "version": VERSION, "extensions": []})


def _tensor(name: str, datatype: str, shape: list[int], data: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def _read_tensor(tensor: dict[str, Any], is_string: bool) -> tuple[list[int], list[Any]]:
    """Shape and flat data of an input tensor. Raises BadRequest, BadSchema."""
    name, shape, datatype = tensor["name"], tensor.get("shape"), tensor.get("datatype")
    if type(shape) is not list or not 1 <= len(shape) <= 8 or any(type(size) is not int or size < 0 for size in shape):
        raise BadRequest(f"input {name} needs a shape: a list of sizes")
    if datatype != STRING_DATATYPE and datatype not in NUMBER_DATATYPES:
        raise BadRequest(f"input {name} has the datatype {str(datatype)[:20]!r}, which the protocol does not name")
    if (datatype == STRING_DATATYPE) != is_string:
        raise BadSchema(f"input {name} must be {'BYTES' if is_string else 'a number tensor'}, not {datatype}")
    if "data" not in tensor:
        raise BadRequest(f"input {name} has no data (shared memory and binary tensors are not supported)")
    data = tensor["data"]
    if type(data) is not list:
        raise BadRequest(f"input {name}: data must be a list")
    while data and type(data[0]) is list:
        if not all(type(item) is list for item in data):
            raise BadRequest(f"input {name}: data mixes lists and values")
        data = [value for item in data for value in item]
    size = 1
    for length in shape:
        size *= length
    if size != len(data):
        raise BadRequest(f"input {name} has {len(data)} values, its shape {shape} asks for {size}")
    if shape[0] == 0:
        raise BadRequest(f"input {name} has no rows")
    return shape, data
