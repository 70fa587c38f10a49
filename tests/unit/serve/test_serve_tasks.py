"""Columns of every type, and every kind of answer: what a client sends and gets in each protocol."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pintle.contract.times import days_of
from pintle.serve.artifact import open_artifact
from pintle.serve.internal import InternalApp
from pintle.serve.models import load_model
from pintle.serve.report import Refusal
from pintle.serve.warmup import prove
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LinearRegression

from tests.unit.serve import artifacts
from tests.unit.serve.test_serve_handler import INFER, V1, Client, client_of, json_values, tensor

NAMES = ("eta", "fuel")


def two_outputs(folder: Path, names: Sequence[str] | None = NAMES) -> Path:
    """A regression with two outputs in one tensor [N, 2]: a + b, and a - b."""
    values = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    model = LinearRegression().fit(values, np.stack([values.sum(axis=1), values[:, 0] - values[:, 1]], axis=1))
    return artifacts.write(
        folder,
        {"model.onnx": to_onnx(model, values[:1], target_opset=18).SerializeToString()},
        task="Regression",
        outputs={"names": list(names)} if names else {},
        inputs="Matrix",
        features=[{"name": "a"}, {"name": "b"}],
        example={"rows": [{"a": 3, "b": 1}], "answers": [[4.0, 2.0]]},
        profile=None,
    )


def detector(folder: Path) -> Path:
    """An isolation forest over two numbers around 0."""
    values = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    model = IsolationForest(n_estimators=20, random_state=0, contamination=0.05).fit(values)
    ask = np.array([[0, 0], [9, 9]], dtype=np.float32)
    onnx = to_onnx(model, values[:1], target_opset={"": 18, "ai.onnx.ml": 3}).SerializeToString()
    return artifacts.write(
        folder,
        {"model.onnx": onnx},
        task="OutlierDetection",
        outputs={},
        inputs="Matrix",
        features=[{"name": "a"}, {"name": "b"}],
        example={
            "rows": [{"a": 0, "b": 0}, {"a": 9, "b": 9}],
            "answers": model.decision_function(ask).astype(float).tolist(),
        },
        profile=None,
    )


def dated(folder: Path) -> Path:
    """A regression over a time and a required integer: it answers the days."""
    values = np.array([[0, 0], [100, 5], [20000, 9], [20500, 1]], dtype=np.float32)
    model = LinearRegression().fit(values, values[:, 0])
    types = [(name, FloatTensorType([None, 1])) for name in ("day", "hour")]
    return artifacts.write(
        folder,
        {"model.onnx": to_onnx(_columns(model), initial_types=types, target_opset=18).SerializeToString()},
        task="Regression",
        outputs={},
        features=[{"name": "day", "type": "Timestamp"}, {"name": "hour", "type": "Integer", "required": True}],
        example={"rows": [{"day": "1970-04-11", "hour": 3}], "answers": [100.0]},
        profile=None,
    )


def _columns(model: Any) -> Any:
    """The model behind columns instead of a matrix."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    both = ColumnTransformer([("both", "passthrough", [0, 1])]).fit(np.zeros((2, 2), dtype=np.float32))
    return Pipeline([("columns", both), ("model", model)])


async def test_several_outputs_have_their_names_in_every_protocol(tmp_path: Path) -> None:
    """The first one is the score; each is a tensor of its own, and may be asked for alone."""
    client = client_of(two_outputs(tmp_path))
    rows = [{"a": 3, "b": 1}, {"a": 1, "b": 1}]
    _, found = await client.post("/predict", {"rows": rows})
    assert [list(item["values"]) for item in found["predictions"]] == [["eta", "fuel"]] * 2
    assert [list(item["values"].values()) for item in found["predictions"]] == [
        pytest.approx([4, 2], abs=1e-4),
        pytest.approx([2, 0], abs=1e-4),
    ]
    assert len(found["tokens"]) == 2
    _, found = await client.post(V1, {"instances": rows})
    assert found["predictions"][0] == pytest.approx([4, 2], abs=1e-4)
    inputs = [tensor("a", [3, 1]), tensor("b", [1, 1])]
    _, found = await client.post(INFER, {"inputs": inputs})
    assert [(item["name"], item["shape"]) for item in found["outputs"]] == [("eta", [2, 1]), ("fuel", [2, 1])]
    assert found["outputs"][1]["data"] == pytest.approx([2, 0], abs=1e-4)
    _, found = await client.post(INFER, {"inputs": inputs, "outputs": [{"name": "fuel"}]})
    assert [item["name"] for item in found["outputs"]] == ["fuel"]
    client.handler.close()


def test_outputs_that_are_not_named_are_refused(tmp_path: Path) -> None:
    """A model with two outputs and a manifest with one: refused before it gets traffic, not cut down to one."""
    artifact = open_artifact(two_outputs(tmp_path, names=None))
    with pytest.raises(Refusal, match="values have the shape"):
        prove(load_model(artifact), artifact.example)


async def test_a_detector_answers_whether_and_how_much(tmp_path: Path) -> None:
    """`outlier` and its score, in every protocol; no tokens, because there is no label of a score."""
    client = client_of(detector(tmp_path))
    rows = [{"a": 0, "b": 0}, {"a": 9, "b": 9}]
    _, found = await client.post("/predict", {"rows": rows})
    assert [item["outlier"] for item in found["predictions"]] == [False, True]
    scores = [item["score"] for item in found["predictions"]]
    assert scores[0] > 0 > scores[1]
    assert "tokens" not in found
    _, found = await client.post(V1, {"instances": rows})
    assert (found["predictions"], found["scores"]) == ([False, True], scores)
    _, found = await client.post(INFER, {"inputs": [tensor("a", [0, 9]), tensor("b", [0, 9])]})
    assert [(item["name"], item["datatype"]) for item in found["outputs"]] == [("outlier", "BOOL"), ("score", "FP32")]
    assert [item["data"] for item in found["outputs"]] == [[False, True], scores]
    status, found = await feedback(client)
    assert (status, "outlier" in found["error"]) == (400, True)
    client.handler.close()


async def feedback(client: Client) -> tuple[int, Any]:
    """Sends a label to the internal port."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b'{"feedback": []}', "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/feedback", "method": "POST", "headers": []}
    await InternalApp(client.handler)(scope, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("1970-01-01", 0.0),
        ("1970-01-02T12:00:00Z", 1.5),
        ("1970-01-02T12:00:00+06:00", 1.25),
        ("1970-01-02 06:00", 1.25),
        ("1969-12-31", -1.0),
    ],
)
def test_a_time_is_days_in_utc(text: str, days: float) -> None:
    """ISO 8601, with a zone or without."""
    assert days_of(text) == days


async def test_times_are_sent_as_text(tmp_path: Path) -> None:
    """By row, by column, as V1 lists and as BYTES; the same answer."""
    client = client_of(dated(tmp_path))
    metadata = json.loads((await client.send("GET", "/v2/models/delays")).body)
    assert [item["datatype"] for item in metadata["inputs"]] == ["BYTES", "INT64"]
    text = "2024-02-29T12:00:00Z"
    _, by_row = await client.post("/predict", {"rows": [{"day": text, "hour": 3}]})
    assert by_row["predictions"][0]["value"] == pytest.approx(19782.5, abs=0.1)
    _, by_column = await client.post("/predict", {"columns": {"day": [text], "hour": [3]}})
    _, by_v1 = await client.post(V1, {"instances": [[text, 3]]})
    _, by_tensor = await client.post(INFER, {"inputs": [tensor("day", [text], "BYTES"), tensor("hour", [3])]})
    value = by_row["predictions"][0]["value"]
    assert (
        by_column["predictions"][0]["value"] == by_v1["predictions"][0] == by_tensor["outputs"][0]["data"][0] == value
    )
    client.handler.close()


@pytest.mark.parametrize("value", ["yesterday", "2024-13-01", 17, True, ["2024-01-01"]])
async def test_what_is_no_time_is_refused(tmp_path: Path, value: Any) -> None:
    """A number too: nobody knows whether it means days, seconds or milliseconds."""
    client = client_of(dated(tmp_path))
    for body in ({"rows": [{"day": value, "hour": 3}]}, {"columns": {"day": [value], "hour": [3]}}):
        status, found = await client.post("/predict", body)
        assert (status, "day must be a date or time (ISO 8601)" in found["error"]) == (400, True), found
    client.handler.close()


async def test_a_time_may_be_missing(tmp_path: Path) -> None:
    """null, left out, or the empty string of a string tensor: this linear model then has no answer, and says why."""
    client = client_of(dated(tmp_path))
    inputs = [tensor("day", [""], "BYTES"), tensor("hour", [3])]
    for path, body in (("/predict", {"rows": [{"day": None, "hour": 3}]}), (INFER, {"inputs": inputs})):
        status, found = await client.post(path, body)
        assert (status, "day is missing" in found["error"]) == (422, True)
    client.handler.close()


strange = json_values | st.sampled_from(["2024-02-29", "0001-01-01T00:00+23:59", "9999-12-31T23:59-23:59"])
strange_rows = st.lists(st.dictionaries(st.sampled_from(["a", "b", "day", "hour", "x"]), strange), max_size=3)


@pytest.mark.parametrize("make", [two_outputs, pytest.param(detector, marks=pytest.mark.slow), dated])
@given(st.lists(strange_rows, min_size=1, max_size=4))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_row_is_an_internal_error(tmp_path: Path, make: Any, requests: list[Any]) -> None:
    """Of any kind of model: an answer for each row, or a 4xx that says why there is none; never NaN."""
    folder = tmp_path / "m"
    client = client_of(folder if folder.exists() else make(folder))
    asked = [(path, {key: rows}) for rows in requests for path, key in (("/predict", "rows"), (V1, "instances"))]
    for (path, body), (status, found) in zip(
        asked, await asyncio.gather(*(client.post(path, body) for path, body in asked)), strict=True
    ):
        assert status in (200, 400, 422), (path, body, found)
        if status == 200:
            assert len(found["predictions"]) == len(next(iter(body.values())))
            assert "null" not in json.dumps(found["predictions"])
    client.handler.close()
