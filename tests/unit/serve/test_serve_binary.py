"""Binary tensors and compressed bodies, through the handler alone."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pintle.serve.http import Answer
from pintle.serve.tensors import NUMBER_DTYPES, OutputTensor, flat, from_bytes

from tests.unit.serve.test_serve_handler import INFER, ROW, client_of, tensor

BINARY = {"binary_data_output": True}


def body_of(head: dict[str, Any], *blobs: bytes) -> tuple[bytes, dict[str, Any]]:
    """A body with bytes after its JSON, and what its head says."""
    text = json.dumps(head).encode()
    return b"".join((text, *blobs)), {"binary_header": str(len(text)).encode()}


def binary(name: str, data: bytes, datatype: str, shape: list[int]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": len(data)}}


def strings(*values: str) -> bytes:
    return b"".join(struct.pack("<I", len(value.encode())) + value.encode() for value in values)


def split(answer: Answer) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The JSON of an answer, and the bytes of its outputs by name."""
    length = int(dict(answer.headers)[b"inference-header-content-length"])
    head, at, found = json.loads(answer.body[:length]), length, {}
    for output in head["outputs"]:
        if size := output.get("parameters", {}).get("binary_data_size"):
            found[output["name"]] = answer.body[at : at + size]
            at += size
    assert at == len(answer.body)
    return head, found


async def test_binary_tensors_get_the_answer_that_json_gets(classifier: Path) -> None:
    """Numbers and strings in, both outputs out; NaN is a missing value as null is; the tokens are in the JSON."""
    client = client_of(classifier)
    columns = {"hour": [3, 21], "wind": [5.5, None], "gusts": [True, False], "carrier": ["AA", "Zürich"]}
    inputs = [tensor(name, data, "BYTES" if name == "carrier" else "FP32") for name, data in columns.items()]
    _, expected = await client.post(INFER, {"inputs": inputs})
    blobs = {
        "hour": np.array([3, 21], dtype="<i8").tobytes(),
        "wind": np.array([5.5, np.nan], dtype="<f4").tobytes(),
        "gusts": np.array([True, False]).tobytes(),
        "carrier": strings("AA", "Zürich"),
    }
    types = {"hour": "INT64", "wind": "FP32", "gusts": "BOOL", "carrier": "BYTES"}
    inputs = [binary(name, data, types[name], [2, 1]) for name, data in blobs.items()]
    body, head = body_of({"id": "7", "inputs": inputs, "parameters": BINARY}, *blobs.values())
    answer = await client.send("POST", INFER, body, **head)
    assert answer.content_type == b"application/octet-stream"
    found, data = split(answer)
    assert found["id"] == "7"
    assert len(found["parameters"]["tokens"].split()) == 2
    assert data["label"] == strings(*expected["outputs"][0]["data"])
    assert np.frombuffer(data["probabilities"], dtype="<f4").tolist() == pytest.approx(expected["outputs"][1]["data"])
    assert [output["shape"] for output in found["outputs"]] == [output["shape"] for output in expected["outputs"]]
    client.handler.close()


async def test_json_and_binary_may_be_mixed(classifier: Path) -> None:
    """Each input and each output by itself."""
    client = client_of(classifier)
    wind = np.array([5.5], dtype="<f8").tobytes()
    inputs = [tensor("hour", [3]), binary("wind", wind, "FP64", [1])]
    outputs = [{"name": "probabilities", "parameters": {"binary_data": True}}, {"name": "label"}]
    body, head = body_of({"inputs": inputs, "outputs": outputs}, wind)
    found, data = split(await client.send("POST", INFER, body, **head))
    assert list(data) == ["probabilities"]
    assert found["outputs"][1]["data"][0] in ("late", "on time")
    overruled = [{"name": "label", "parameters": {"binary_data": False}}]
    _, plain = await client.post(INFER, {"inputs": [tensor("hour", [3])], "outputs": overruled, "parameters": BINARY})
    assert plain["outputs"][0]["data"][0] in ("late", "on time")
    client.handler.close()


async def test_a_matrix_in_binary(matrix: Path) -> None:
    """One FP32 tensor of all columns; integer labels come as INT64."""
    client = client_of(matrix)
    values = np.random.default_rng(0).normal(size=(5, 4)).astype("<f4")
    name = json.loads((await client.send("GET", "/v2/models/delays")).body)["inputs"][0]["name"]
    _, expected = await client.post(INFER, {"inputs": [tensor(name, values.ravel().tolist(), shape=[5, 4])]})
    body, head = body_of(
        {"inputs": [binary(name, values.tobytes(), "FP32", [5, 4])], "parameters": BINARY}, values.tobytes()
    )
    found, data = split(await client.send("POST", INFER, body, **head))
    assert found["outputs"][0]["datatype"] == "INT64"
    assert np.frombuffer(data["label"], dtype="<i8").tolist() == expected["outputs"][0]["data"]
    client.handler.close()


FOUR = b"\0" * 4


@pytest.mark.parametrize(
    ("inputs", "blob", "header", "word"),
    [
        ([binary("hour", FOUR, "FP32", [1])], FOUR, b"0", "Inference-Header-Content-Length"),
        ([binary("hour", FOUR, "FP32", [1])], FOUR, b"9999", "Inference-Header-Content-Length"),
        ([binary("hour", FOUR, "FP32", [1])], FOUR, b"-1", "Inference-Header-Content-Length"),
        ([binary("hour", FOUR, "FP32", [1])], b"\0\0", None, "2 bytes are there"),
        ([binary("hour", FOUR, "FP32", [1])], FOUR + b"\0", None, "1 bytes after the JSON belong to no input"),
        ([binary("hour", FOUR, "FP64", [1])], FOUR, None, "has 4 bytes, its shape [1] of FP64 asks for 8"),
        ([{**binary("hour", FOUR, "FP32", [1]), "data": [1]}], FOUR, None, "both data and binary_data_size"),
        ([tensor("hour", [1]), binary("carrier", FOUR, "FP32", [1])], FOUR, None, "must be BYTES"),
        ([tensor("hour", [1]), binary("carrier", strings("a"), "BYTES", [2])], strings("a"), None, "2 elements"),
        ([tensor("hour", [1]), binary("carrier", FOUR + b"\0", "BYTES", [1])], FOUR + b"\0", None, "1 elements"),
        ([tensor("hour", [1]), binary("carrier", b"\xff" * 4, "BYTES", [1])], b"\xff" * 4, None, "1 elements"),
        ([tensor("hour", [1]), binary("carrier", b"\1\0\0\0\xff", "BYTES", [1])], b"\1\0\0\0\xff", None, "not UTF-8"),
        ([binary("hour", struct.pack("<f", np.nan), "FP32", [1])], struct.pack("<f", np.nan), None, "hour is required"),
        ([{"name": "hour", "datatype": "FP32", "shape": [1], "parameters": {"shared_memory_region": "a"}}], b"", None,
         "shared_memory_region"),
    ],
)  # fmt: skip
async def test_bytes_that_do_not_fit_are_refused(
    classifier: Path, inputs: list[Any], blob: bytes, header: bytes | None, word: str
) -> None:
    """400 with what does not fit."""
    client = client_of(classifier)
    body, head = body_of({"inputs": inputs}, blob)
    answer = await client.send("POST", INFER, body, binary_header=header or head["binary_header"])
    assert answer.status == 400
    assert word in json.loads(answer.body)["error"]
    client.handler.close()


@pytest.mark.parametrize("parameters", [3, {"binary_data_output": "yes"}, {"classification": 2}])
async def test_parameters_that_cannot_be_passed_over(classifier: Path, parameters: Any) -> None:
    """What would change the answer is refused; a priority or a sequence is not ours, and does no harm."""
    client = client_of(classifier)
    inputs = [tensor("hour", [3])]
    assert (await client.post(INFER, {"inputs": inputs, "parameters": parameters}))[0] == 400
    assert (await client.post(INFER, {"inputs": inputs, "parameters": {"priority": 1, "sequence_id": 4}}))[0] == 200
    client.handler.close()


@pytest.mark.parametrize("datatype", list(NUMBER_DTYPES))
def test_every_datatype_keeps_its_values(datatype: str) -> None:
    """From an array to bytes and back."""
    values = np.array([0, 1, 1], dtype=NUMBER_DTYPES[datatype])
    data = OutputTensor("x", datatype, [3], values).to_bytes()
    assert flat(from_bytes("x", datatype, [3], data), False).tolist() == values.tolist()  # type: ignore[union-attr]


def test_bf16_is_the_upper_half_of_a_float() -> None:
    """As Triton's clients send it."""
    data = np.array([1.5, -2.0], dtype="<f4").view("<u2")[1::2].tobytes()
    assert flat(from_bytes("x", "BF16", [2], data), False).tolist() == [1.5, -2.0]  # type: ignore[union-attr]


@pytest.mark.parametrize(("encoding", "pack"), [(b"gzip", gzip.compress), (b"deflate", zlib.compress)])
async def test_compressed_bodies_are_bounded(classifier: Path, encoding: bytes, pack: Any) -> None:
    """Read as what they were; a small body that swells over the limit is stopped there."""
    client = client_of(classifier, max_body_bytes=10_000)
    good = json.dumps({"rows": [ROW]}).encode()
    for body, status in ((pack(good), 200), (pack(b" " * 10**7), 413), (good, 400), (pack(good)[:-1], 400)):
        assert (await client.send("POST", "/predict", body, content_encoding=encoding)).status == status
    client.handler.close()
