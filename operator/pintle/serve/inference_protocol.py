"""The Open Inference Protocol v2 of one model: metadata, and `infer` in JSON with the binary tensor extension.

A model takes one input per column, [N] or [N, 1]; a Matrix model also takes its one input of [N, K]. What is read
and answered is defined here once: `rows_of` and `outputs_of` know tensors, `read` and `write` the bodies of HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from pintle.contract.manifest import Manifest
from pintle.serve import VERSION
from pintle.serve.explain import Explainer
from pintle.serve.http import Answer, BadRequest, BadSchema, json_answer, parse_json
from pintle.serve.metadata import LABEL, OUTLIER, PROBABILITIES, label_datatype, model_metadata
from pintle.serve.models import Model, Prediction
from pintle.serve.outcome import label_key
from pintle.serve.rows import RowReader, Rows, Values
from pintle.serve.settings import Identity
from pintle.serve.share import Share
from pintle.serve.tensors import BYTES, InputTensor, OutputTensor, check_head, flat, from_bytes
from pintle.serve.tokens import TokenWriter
from pintle.serve.usual import UsualInfer

EXTENSIONS = ("binary_tensor_data",)
OCTETS = b"application/octet-stream"
HEADER_LENGTH = b"inference-header-content-length"
REFUSED_PARAMETERS = ("shared_memory_region", "classification")
"""Parameters that ask for another answer than the one we have; what else we do not know changes nothing."""
CONTRIBUTIONS, BASE = "contributions", "base"
EXPLAINED = (CONTRIBUTIONS, BASE)
"""Outputs beside those of the metadata, for who asks for them or with the parameter `explain`."""


@dataclass(slots=True)
class InferRequest:
    """The rows of an `infer` request, and what its answer has to repeat."""

    rows: Rows
    id: str | None
    outputs: Sequence[str]
    binary: frozenset[str] = frozenset()
    """Outputs that are to follow the JSON as bytes."""


class InferenceProtocol:
    """Reads and writes what one model is asked and answers."""

    def __init__(
        self, manifest: Manifest, model: Model, reader: RowReader, explainer: Explainer, identity: Identity
    ) -> None:
        self._explainer = explainer
        self._identity = identity
        self._reader = reader
        self._features = model.inputs.features
        self._by_name = {feature.name: feature for feature in model.inputs.features}
        self._matrix_input = model.matrix_input
        self._labels = list(manifest.labels)
        self._label_datatype = label_datatype(manifest)
        self._values = manifest.output_names
        self.metadata = model_metadata(manifest, model.inputs, self._matrix_input, identity)
        self.model_metadata = json_answer(self.metadata)
        outputs = self.metadata["outputs"]
        self.output_names = tuple(str(output["name"]) for output in outputs)
        self._usual = UsualInfer(self._matrix_input, len(self._features), reader, identity, outputs, self._labels)
        self.model_ready = json_answer({"name": identity.model, "ready": True})

    # --- tensors

    def rows_of(self, tensors: Mapping[str, InputTensor]) -> Rows:
        """The rows that the inputs hold. Raises BadRequest, BadSchema."""
        if self._matrix_input is not None and tensors.keys() == {self._matrix_input}:
            return self._matrix(tensors[self._matrix_input])
        if unknown := sorted(tensors.keys() - self._by_name.keys()):
            expected = ", ".join(([self._matrix_input] if self._matrix_input else []) + list(self._by_name)[:20])
            raise BadSchema(
                f"unknown input {', '.join(name[:100] for name in unknown[:5])}; this model takes {expected}"
            )
        columns: dict[str, Values] = {}
        counts = set()
        for name, tensor in tensors.items():
            feature = self._by_name[name]
            data = flat(tensor, feature.is_string or feature.is_time)
            shape = tensor.shape
            if len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
                raise BadSchema(f"input {name} has the shape {shape}, expected [rows, 1] or [rows]")
            columns[name] = data
            counts.add(shape[0])
        if len(counts) != 1:
            raise BadRequest(f"inputs have different numbers of rows: {sorted(counts)[:5]}")
        return self._reader.from_lists(columns, counts.pop())

    def _matrix(self, tensor: InputTensor) -> Rows:
        data, shape, width = flat(tensor, False), tensor.shape, len(self._features)
        if len(shape) != 2 or shape[1] != width:
            raise BadSchema(f"input {tensor.name} has the shape {shape}, expected [rows, {width}]")
        return self._reader.from_matrix(data, shape[0])

    def outputs_of(self, prediction: Prediction, wanted: Sequence[str]) -> list[OutputTensor]:
        """The wanted outputs, in that order."""
        count = len(prediction.score)
        made: list[OutputTensor] = []
        for name in wanted:
            if name == LABEL and prediction.probabilities is not None:
                made.append(
                    OutputTensor(name, self._label_datatype, [count], self._label_data(prediction.labels or []))
                )
            elif name == PROBABILITIES and prediction.probabilities is not None:
                flat_data = prediction.probabilities.reshape(-1)
                made.append(OutputTensor(name, "FP32", [count, len(self._labels)], flat_data))
            elif name in EXPLAINED and prediction.contributions is not None:
                found = prediction.contributions
                found = np.ascontiguousarray(found[:, :-1] if name == CONTRIBUTIONS else found[:, -1:])
                method = {"method": self._explainer.method}
                made.append(OutputTensor(name, "FP32", list(found.shape), found.reshape(-1), method))
            elif name == OUTLIER and prediction.values is None:
                made.append(OutputTensor(name, "BOOL", [count], prediction.labels or []))
            else:
                score = prediction.score
                if prediction.values is not None:
                    score = prediction.values[:, self._values.index(name)]
                made.append(OutputTensor(name, "FP32", [count, 1], np.ascontiguousarray(score)))
        return made

    def _label_data(self, labels: list[Any]) -> list[Any]:
        return labels if self._label_datatype != BYTES else [label_key(label) for label in labels]

    def wanted(self, names: Sequence[Any] | None, explain: bool) -> Sequence[str]:
        """The outputs to answer with: those named or all, and what explains them. Raises BadSchema, BadRequest."""
        if names is None:
            return (*self.output_names, *EXPLAINED) if explain else self.output_names
        self._check_outputs(names)
        return [*names, *(name for name in EXPLAINED if explain and name not in names)]

    def _check_outputs(self, names: Sequence[Any]) -> None:
        """Raises BadSchema, BadRequest for outputs that there are not, or that are named twice."""
        known = (*self.output_names, *EXPLAINED) if self._explainer.able else self.output_names
        if unknown := [name for name in names if name not in known]:
            raise BadSchema(f"unknown output {str(unknown[0])[:100]}; this model has {', '.join(known)}")
        if len(set(names)) != len(names):
            raise BadRequest("an output is asked for twice")

    # --- HTTP

    def read(self, body: bytes, header_length: bytes = b"") -> InferRequest:
        """`header_length` is the value of Inference-Header-Content-Length. Raises BadRequest, BadSchema."""
        binary = memoryview(b"")
        if header_length:
            body, binary = _split(body, header_length)
        value = parse_json(body)
        if type(value) is not dict or type(value.get("inputs")) is not list or not value["inputs"]:
            raise BadRequest('the body must be {"inputs": [{"name", "shape", "datatype", "data"}]}')
        usual = self._usual.read(value) if not header_length else None
        if usual is not None:
            return InferRequest(usual, value.get("id"), self.output_names)
        request_id = value.get("id")
        if request_id is not None and type(request_id) is not str:
            raise BadRequest('"id" must be a string')
        outputs, as_bytes = self._requested(value.get("outputs"), _parameters(value, "the request"))
        tensors: dict[str, InputTensor] = {}
        at = 0
        for item in value["inputs"]:
            tensor, at = _input(item, binary, at)
            if tensor.name in tensors:
                raise BadRequest(f"input {tensor.name[:100]} is given twice")
            tensors[tensor.name] = tensor
        if at != len(binary):
            raise BadRequest(f"{len(binary) - at} bytes after the JSON belong to no input")
        return InferRequest(self.asked_rows(tensors, outputs), request_id, outputs, as_bytes)

    def asked_rows(self, tensors: Mapping[str, InputTensor], outputs: Sequence[str]) -> Rows:
        """The rows, explained where an output asks for that. Raises BadRequest, BadSchema."""
        rows = self.rows_of(tensors)
        if outputs is self.output_names or not set(outputs) & set(EXPLAINED):
            return rows
        return self._explainer.ask(rows)

    def _requested(self, outputs: Any, parameters: Mapping[str, Any]) -> tuple[Sequence[str], frozenset[str]]:
        """Names of the outputs in the wanted order, and which of them in binary."""
        binary = _switch(parameters, "binary_data_output", False)
        explain = _switch(parameters, "explain", False)
        if outputs is None or outputs == []:
            every = self.wanted(None, explain)
            return every, frozenset(every if binary else ())
        if type(outputs) is not list or any(type(item) is not dict for item in outputs):
            raise BadRequest('"outputs" must be a list of objects with a name')
        names = [item.get("name") for item in outputs]
        wanted = self.wanted(names, explain)
        as_bytes = {
            item["name"]
            for item in outputs
            if _switch(_parameters(item, f"output {item['name']}"), "binary_data", binary)
        }
        return wanted, frozenset(as_bytes.union(wanted[len(names) :] if binary else ()))

    def is_plain(self, request: InferRequest) -> bool:
        """Whether the answer has nothing to repeat of the request."""
        return request.id is None and request.outputs is self.output_names and not request.binary and self._usual.writes

    def write_plain(self, share: Share, tokens: TokenWriter | None = None) -> Answer:
        """The answer to a request that is plain, as `write` would have it."""
        return self._usual.write(None, share, tokens)

    def write(self, request: InferRequest, share: Share, tokens: TokenWriter | None = None) -> Answer:
        """The answer, its tensors in row-major order.

        The tokens are one string with spaces between, because the protocol allows no lists as parameters.
        """
        if request.outputs is self.output_names and not request.binary and self._usual.writes:
            return self._usual.write(request.id, share, tokens)
        answer: dict[str, Any] = {"model_name": self._identity.model, "model_version": self._identity.version}
        if request.id is not None:
            answer["id"] = request.id
        listed: list[dict[str, Any]] = []
        blobs: list[bytes] = []
        for tensor in self.outputs_of(share.prediction, request.outputs):
            head: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}
            parameters: dict[str, Any] = dict(tensor.parameters)
            if tensor.name in request.binary:
                blobs.append(tensor.to_bytes())
                parameters["binary_data_size"] = len(blobs[-1])
            else:
                head["data"] = tensor.data
            if parameters:
                head["parameters"] = parameters
            listed.append(head)
        parts = [orjson.dumps(answer)[:-1]]
        if tokens is not None:  # put in by hand: to look for what JSON has to escape costs more than to write them
            parts += (b',"parameters":{"tokens":"', share.tokens(tokens, b" "), b'"}')
        parts += (b',"outputs":', orjson.dumps(listed, option=orjson.OPT_SERIALIZE_NUMPY), b"}")
        text = b"".join(parts)
        if not request.binary:
            return Answer(200, text)
        return Answer(200, b"".join([text, *blobs]), OCTETS, ((HEADER_LENGTH, b"%d" % len(text)),))


def server_metadata() -> Answer:
    """`GET /v2`."""
    return json_answer({"name": "pintle", "version": VERSION, "extensions": EXTENSIONS})


def _split(body: bytes, header_length: bytes) -> tuple[bytes, memoryview]:
    """The JSON and the bytes that follow it. Raises BadRequest."""
    if not header_length.isdigit() or not 0 < int(header_length[:20]) <= len(body):
        found = header_length[:30].decode("latin-1")
        raise BadRequest(f"Inference-Header-Content-Length is {found!r}, the body has {len(body)} bytes")
    length = int(header_length[:20])
    return body[:length], memoryview(body)[length:]


def _input(item: Any, binary: memoryview, at: int) -> tuple[InputTensor, int]:
    """One input of the JSON, and where the next one's bytes begin. Raises BadRequest."""
    if type(item) is not dict:
        raise BadRequest("every input must be an object with a name")
    name, datatype, shape = item.get("name"), item.get("datatype"), item.get("shape")
    check_head(name, datatype, shape)
    assert isinstance(name, str)
    assert isinstance(datatype, str)
    assert isinstance(shape, list)
    size = _parameters(item, f"input {name[:100]}").get("binary_data_size")
    if size is None:
        if "data" not in item:
            raise BadRequest(
                f"input {name[:100]} has no data: give data, or binary_data_size and the bytes after the JSON"
            )
        if type(item["data"]) is not list:
            raise BadRequest(f"input {name[:100]}: data must be a list")
        return InputTensor(name, datatype, shape, item["data"]), at
    if type(size) is not int or size < 0 or at + size > len(binary):
        raise BadRequest(
            f"input {name[:100]} has a binary_data_size of {str(size)[:20]}, {len(binary) - at} bytes are there"
        )
    if "data" in item:
        raise BadRequest(f"input {name[:100]} has both data and binary_data_size")
    return from_bytes(name, datatype, shape, binary[at : at + size]), at + size


def _parameters(item: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    """Raises BadRequest for what is no object, and for parameters that cannot be passed over."""
    found = item.get("parameters")
    if found is None:
        return {}
    if type(found) is not dict:
        raise BadRequest(f'"parameters" of {what} must be an object')
    for name in REFUSED_PARAMETERS:
        if name in found:
            raise BadRequest(f"{what}: the extension behind the parameter {name} is not supported")
    return found


def _switch(parameters: Mapping[str, Any], name: str, default: bool) -> bool:
    value = parameters.get(name, default)
    if type(value) is not bool:
        raise BadRequest(f"the parameter {name} must be true or false")
    return value
