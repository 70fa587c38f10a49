"""The Open Inference Protocol over gRPC, asked by Triton's own client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from tests.unit.serve import artifacts
from tests.unit.serve.process import ServerProcess, value


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return artifacts.make_classifier(tmp_path_factory.mktemp("grpc") / "model")


@pytest.fixture(scope="module")
def example(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "example.json").read_text())
    return found


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServerProcess]:
    with ServerProcess(folder, PINTLE_GRPC_PORT="0", PINTLE_MAX_BODY_BYTES="100000") as process:
        yield process.ready()


@pytest.fixture(scope="module")
def address(server: ServerProcess) -> str:
    return f"127.0.0.1:{server.wait_for('listening')['grpc']}"


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[triton.InferenceServerClient]:
    made = triton.InferenceServerClient(address)
    yield made
    made.close()


def inputs_of(rows: list[dict[str, Any]]) -> list[triton.InferInput]:
    """The rows as raw tensors: NaN and the empty string for what is missing."""
    columns = {
        "carrier": np.array([[row["carrier"] or ""] for row in rows], dtype=object),
        "hour": np.array([[row["hour"]] for row in rows], dtype=np.int64),
        "wind": np.array([[np.nan if row["wind"] is None else row["wind"]] for row in rows], dtype=np.float32),
        "gusts": np.array([[row["gusts"]] for row in rows], dtype=bool),
    }
    return [tensor(name, values) for name, values in columns.items()]


def tensor(name: str, values: np.ndarray) -> triton.InferInput:
    made = triton.InferInput(name, list(values.shape), np_to_triton_dtype(values.dtype))
    made.set_data_from_numpy(values)
    return made


def test_health_and_metadata(client: triton.InferenceServerClient) -> None:
    """What HTTP says, in the other protocol."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("delays", "3")
    assert not client.is_model_ready("other")
    assert client.get_server_metadata().name == "pintle"
    metadata = client.get_model_metadata("delays")
    assert (metadata.name, list(metadata.versions)) == ("delays", ["3"])
    assert [(item.name, item.datatype) for item in metadata.inputs][:2] == [("carrier", "BYTES"), ("hour", "INT64")]
    assert [(item.name, list(item.shape)) for item in metadata.outputs] == [("label", [-1]), ("probabilities", [-1, 2])]


def test_inference_is_that_of_http(
    server: ServerProcess, client: triton.InferenceServerClient, example: dict[str, Any]
) -> None:
    """The example's answers, labels, tokens and id; counted as a request and as rows."""
    before = value(server.metrics(), "model_predictions_total")
    result = client.infer("delays", inputs_of(example["rows"]), request_id="seven")
    assert result.as_numpy("probabilities")[:, 0] == pytest.approx(example["answers"], abs=1e-4)
    found = httpx.post(f"{server.url}/predict", json={"rows": example["rows"]}).json()
    assert result.as_numpy("label").tolist() == [item["label"].encode() for item in found["predictions"]]
    answer = result.get_response()
    assert (answer.id, answer.model_version) == ("seven", "3")
    assert len(answer.parameters["tokens"].string_param.split()) == len(example["rows"])
    assert value(server.metrics(), "model_predictions_total") == before + 2 * len(example["rows"])


def test_requested_outputs(client: triton.InferenceServerClient, example: dict[str, Any]) -> None:
    """Only those, in that order."""
    outputs = [triton.InferRequestedOutput("probabilities")]
    result = client.infer("delays", inputs_of(example["rows"][:1]), outputs=outputs)
    assert [item.name for item in result.get_response().outputs] == ["probabilities"]


def test_contributions_are_those_of_http(
    server: ServerProcess, client: triton.InferenceServerClient, example: dict[str, Any]
) -> None:
    """By parameter; the method stands beside them."""
    rows = example["rows"][:2]
    result = client.infer("delays", inputs_of(rows), parameters={"explain": True})
    found = httpx.post(f"{server.url}/predict", json={"rows": rows, "explain": True}).json()["predictions"]
    expected = [list(item["contributions"].values()) for item in found]
    assert result.as_numpy("contributions") == pytest.approx(np.array(expected), abs=1e-5)
    outputs = {item.name: item for item in result.get_response().outputs}
    assert outputs["contributions"].parameters["method"].string_param == found[0]["method"] == "Sampled"


def test_typed_contents(address: str) -> None:
    """What clients other than Triton's send: values instead of bytes; NaN is missing there, too."""
    import grpc

    request = service_pb2.ModelInferRequest(model_name="delays")
    for name, datatype, field, values in (
        ("carrier", "BYTES", "bytes_contents", [b"AA"]),
        ("hour", "INT64", "int64_contents", [3]),
        ("wind", "FP32", "fp32_contents", [float("nan")]),
        ("gusts", "BOOL", "bool_contents", [True]),
    ):
        item = request.inputs.add(name=name, datatype=datatype, shape=[1, 1])
        getattr(item.contents, field).extend(values)
    with grpc.insecure_channel(address) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        answer = stub.ModelInfer(request)
        assert np.frombuffer(answer.raw_output_contents[1], dtype="<f4").sum() == pytest.approx(1)
        del request.inputs[1].contents.int64_contents[:]
        with pytest.raises(grpc.RpcError, match="has 0 int64_contents, its shape"):
            stub.ModelInfer(request)
        request.raw_input_contents.append(b"x")
        with pytest.raises(grpc.RpcError, match="1 raw contents for 4 inputs"):
            stub.ModelInfer(request)


@pytest.mark.parametrize(
    ("model", "inputs", "code", "word"),
    [
        ("other", {"hour": np.array([[1]])}, "NOT_FOUND", "only"),
        ("delays", {"wind": np.array([[1.0]])}, "INVALID_ARGUMENT", "hour is required"),
        ("delays", {"hour": np.array([[np.nan]])}, "INVALID_ARGUMENT", "hour is required"),
        ("delays", {"hour": np.array([[1]]), "speed": np.array([[1]])}, "INVALID_ARGUMENT", "unknown input speed"),
        ("delays", {"hour": np.zeros((40_000, 1))}, "RESOURCE_EXHAUSTED", "larger than max"),
    ],
)
def test_errors_have_a_code_and_the_message_of_http(
    client: triton.InferenceServerClient, model: str, inputs: dict[str, np.ndarray], code: str, word: str
) -> None:
    """What a client may repeat and what it may not is told by the code."""
    with pytest.raises(InferenceServerException, match=word) as refused:
        client.infer(model, [tensor(name, values) for name, values in inputs.items()])
    assert code in str(refused.value.status())


def test_errors_are_counted(server: ServerProcess, client: triton.InferenceServerClient) -> None:
    """By the same results as those of HTTP."""
    before = value(server.metrics(), "model_requests_total", result="schema_rejected", route="default")
    with pytest.raises(InferenceServerException):
        client.infer("delays", [tensor("wind", np.array([[1.0]]))])
    assert value(server.metrics(), "model_requests_total", result="schema_rejected", route="default") == before + 1


def test_direct_calls_are_not_judged(
    server: ServerProcess, client: triton.InferenceServerClient, example: dict[str, Any]
) -> None:
    """The header of the route is metadata here: no token, no row counted."""
    before = value(server.metrics(), "model_predictions_total")
    result = client.infer("delays", inputs_of(example["rows"]), headers={"pintle-route": "direct"})
    assert not result.get_response().parameters
    assert value(server.metrics(), "model_predictions_total") == before
    assert value(server.metrics(), "model_requests_total", result="ok", route="direct") == 1


def test_the_messages_are_the_protocols() -> None:
    """Every field has the name, number and type that the client's generated code has."""
    from pintle.serve.grpc_messages import MESSAGES

    for name, message in MESSAGES.items():
        outer, _, inner = name.partition(".")
        theirs = service_pb2.DESCRIPTOR.message_types_by_name[outer]
        theirs = theirs.nested_types_by_name[inner] if inner else theirs
        ours = {(field.name, field.number, field.type) for field in message.DESCRIPTOR.fields}
        assert ours == {(field.name, field.number, field.type) for field in theirs.fields}, name


def test_an_open_call_is_finished_before_the_exit(folder: Path, example: dict[str, Any]) -> None:
    """SIGTERM: not ready, still answering, then gone with exit code 0."""
    with ServerProcess(folder, PINTLE_GRPC_PORT="0", PINTLE_DRAIN_SECONDS="1") as server:
        server.ready()
        client = triton.InferenceServerClient(f"127.0.0.1:{server.wait_for('listening')['grpc']}")
        assert client.is_server_ready()
        server.terminate()
        server.wait_for("draining")
        assert not client.is_server_ready()
        result = client.infer("delays", inputs_of(example["rows"]))
        assert result.as_numpy("probabilities")[:, 0] == pytest.approx(example["answers"], abs=1e-4)
        assert server.exit_code() == 0
        client.close()


def test_without_grpc_in_the_image_the_setting_is_refused(folder: Path, tmp_path: Path) -> None:
    """The shipped image has none: the message names the one that has."""
    (tmp_path / "grpc.py").write_text("raise ImportError('no grpc', name='grpc')\n")
    log = tmp_path / "log"
    environment = {"PYTHONPATH": str(tmp_path), "PINTLE_TERMINATION_LOG": str(log)}
    with ServerProcess(folder, PINTLE_GRPC_PORT="0", **environment) as server:
        assert server.exit_code() == 78
    assert "has no grpc" in json.loads(log.read_text())["message"]
