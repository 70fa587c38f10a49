"""The model server asked by Triton's own client, as it comes from the index."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from tests.unit.serve import artifacts
from tests.unit.serve.process import ServerProcess


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return artifacts.make_classifier(tmp_path_factory.mktemp("triton") / "model")


@pytest.fixture(scope="module")
def example(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "example.json").read_text())
    return found


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[triton.InferenceServerClient]:
    with ServerProcess(folder) as server:
        server.ready()
        made = triton.InferenceServerClient(server.url.removeprefix("http://"))
        yield made
        made.close()


def arrays(rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """The rows by column, as a client holds them: NaN and the empty string for what is missing."""
    return {
        "carrier": np.array([[row["carrier"] or ""] for row in rows], dtype=object),
        "hour": np.array([[row["hour"]] for row in rows], dtype=np.int64),
        "wind": np.array([[np.nan if row["wind"] is None else row["wind"]] for row in rows], dtype=np.float32),
        "gusts": np.array([[row["gusts"]] for row in rows], dtype=bool),
    }


def inputs_of(columns: dict[str, np.ndarray], binary: bool = True) -> list[triton.InferInput]:
    made = []
    for name, values in columns.items():
        item = triton.InferInput(name, list(values.shape), np_to_triton_dtype(values.dtype))
        item.set_data_from_numpy(values, binary_data=binary)
        made.append(item)
    return made


def test_health_and_metadata(client: triton.InferenceServerClient) -> None:
    """Live, ready, of the model too and by version; what the server is and what the model takes."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("delays")
    assert client.is_model_ready("delays", "3")
    assert not client.is_model_ready("delays", "4")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    metadata = client.get_model_metadata("delays", "3")
    assert (metadata["name"], metadata["versions"]) == ("delays", ["3"])
    assert [item["name"] for item in metadata["inputs"]] == ["carrier", "hour", "wind", "gusts"]


@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
def test_binary_tensors(client: triton.InferenceServerClient, example: dict[str, Any], compression: str | None) -> None:
    """The client's defaults: binary in, binary out; compressed where it is asked to."""
    result = client.infer(
        "delays",
        inputs_of(arrays(example["rows"])),
        request_id="seven",
        request_compression_algorithm=compression,
        response_compression_algorithm=compression,
    )
    assert result.get_response()["id"] == "seven"
    assert result.as_numpy("probabilities").shape == (20, 2)
    assert result.as_numpy("probabilities")[:, 0] == pytest.approx(example["answers"], abs=1e-4)
    assert set(result.as_numpy("label").tolist()) <= {b"late", b"on time"}


def test_requested_outputs_in_json_and_binary(client: triton.InferenceServerClient, example: dict[str, Any]) -> None:
    """Each in the order and form that was asked for; the same label either way."""
    columns = arrays(example["rows"])
    columns["wind"] = np.nan_to_num(columns["wind"])  # JSON has no NaN
    found = {}
    for binary in (True, False):
        outputs = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("probabilities", "label")]
        result = client.infer("delays", inputs_of(columns, binary), outputs=outputs)
        assert [output["name"] for output in result.get_response()["outputs"]] == ["probabilities", "label"]
        found[binary] = result.as_numpy("probabilities")
    assert found[True] == pytest.approx(found[False])


def test_several_requests_at_once(folder: Path, example: dict[str, Any]) -> None:
    """`async_infer` over several connections."""
    with ServerProcess(folder) as server:
        server.ready()
        client = triton.InferenceServerClient(server.url.removeprefix("http://"), concurrency=4)
        waiting = [client.async_infer("delays", inputs_of(arrays(example["rows"][i : i + 1]))) for i in range(20)]
        found = [item.get_result().as_numpy("probabilities")[0, 0] for item in waiting]
        assert found == pytest.approx(example["answers"], abs=1e-4)
        client.close()


@pytest.mark.parametrize(
    ("model", "columns", "word"),
    [
        ("other", {"hour": np.array([[1]])}, "only"),
        ("delays", {"wind": np.array([[1.0]], dtype=np.float32)}, "hour is required"),
        ("delays", {"hour": np.array([[1]]), "speed": np.array([[1]])}, "unknown input speed"),
        ("delays", {"hour": np.array([["a"]], dtype=object)}, "must be a number tensor"),
    ],
)
def test_errors_are_the_clients_own_exception(
    client: triton.InferenceServerClient, model: str, columns: dict[str, np.ndarray], word: str
) -> None:
    """With the message of the body."""
    with pytest.raises(InferenceServerException, match=word):
        client.infer(model, inputs_of(columns))
