"""Routes and bodies, through the handler alone: no server, no sockets."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import math
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pintle.serve.artifact import open_artifact
from pintle.serve.handler import Handler
from pintle.serve.http import Answer, Request
from pintle.serve.metrics import Metrics
from pintle.serve.models import load_model
from pintle.serve.settings import Identity, Settings
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

from tests.unit.serve import artifacts
from tests.unit.serve.process import samples, value

IDENTITY = Identity("late", "0a1b2c3d", "delays", "3")
INFER = "/v2/models/delays/infer"
V1 = "/v1/models/delays:predict"
ROW = {"carrier": "AA", "hour": 3, "wind": 5.5, "gusts": True}


class Client:
    """Sends requests to a handler and waits for the answers."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler

    async def send(self, method: str, path: str, body: bytes = b"", **head: Any) -> Answer:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.handler.handle(Request(method, path, body, time.perf_counter(), **head), answer.set_result)
        return await asyncio.wait_for(answer, 10)

    async def post(self, path: str, value: Any, **head: Any) -> tuple[int, Any]:
        answer = await self.send("POST", path, json.dumps(value).encode(), **head)
        return answer.status, json.loads(answer.body)

    def metric(self, name: str, **labels: str) -> float:
        if self.handler.monitor is not None:
            self.handler.monitor.flush()
        return value(samples(self.handler.metrics.render().decode()), name, **labels)


def client_of(folder: Path, *, identity: Identity = IDENTITY, **settings: Any) -> Client:
    artifact = open_artifact(folder)
    handler = Handler(Settings(identity=identity, **settings), Metrics(identity))
    handler.serve(artifact, load_model(artifact))
    return Client(handler)


@pytest.fixture
async def client(classifier: Path) -> AsyncIterator[Client]:
    made = client_of(classifier)
    yield made
    made.handler.close()


def tensor(name: str, data: list[Any], datatype: str = "FP32", shape: list[int] | None = None) -> dict[str, Any]:
    return {"name": name, "shape": shape or [len(data), 1], "datatype": datatype, "data": data}


async def test_rows_columns_and_tensors_get_the_same_answer(client: Client, classifier: Path) -> None:
    """Three ways to ask, one answer: the one of the example."""
    example = open_artifact(classifier).example
    rows = [dict(row) for row in example.rows]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    status, by_rows = await client.post("/predict", {"rows": rows})
    assert status == 200
    assert {key: by_rows[key] for key in ("model", "version", "revision")} == {
        "model": "delays",
        "version": "3",
        "revision": "0a1b2c3d",
    }
    for prediction, expected in zip(by_rows["predictions"], example.answers, strict=True):
        assert math.isclose(prediction["probabilities"]["late"], expected, abs_tol=1e-5)
        likely = max(prediction["probabilities"], key=prediction["probabilities"].get)
        assert prediction["label"] == likely
    _, by_columns = await client.post("/predict", {"columns": columns})
    assert by_columns["predictions"] == by_rows["predictions"]
    inputs = [tensor(name, data, "BYTES" if name == "carrier" else "FP64") for name, data in columns.items()]
    for path in (INFER, "/v2/models/delays/versions/3/infer"):
        status, by_tensor = await client.post(path, {"id": "x", "inputs": inputs})
        assert status == 200
        assert (by_tensor["model_name"], by_tensor["model_version"], by_tensor["id"]) == ("delays", "3", "x")
        label, probabilities = by_tensor["outputs"]
        assert (label["datatype"], label["shape"]) == ("BYTES", [len(rows)])
        assert label["data"] == [prediction["label"] for prediction in by_rows["predictions"]]
        assert probabilities["shape"] == [len(rows), 2]
        assert probabilities["data"][::2] == [item["probabilities"]["late"] for item in by_rows["predictions"]]


async def test_a_regression_answers_values(regressor: Path) -> None:
    """`value` per row, and a `variable` tensor."""
    client = client_of(regressor)
    example = open_artifact(regressor).example
    _, found = await client.post("/predict", {"rows": list(example.rows)})
    values = [prediction["value"] for prediction in found["predictions"]]
    assert values == pytest.approx(list(example.answers), rel=1e-4)
    _, found = await client.post(INFER, {"inputs": [tensor("hour", [3]), tensor("wind", [None])]})
    assert [(output["name"], output["shape"]) for output in found["outputs"]] == [("variable", [1, 1])]
    client.handler.close()


async def test_a_matrix_model_takes_its_matrix_and_named_columns(matrix: Path) -> None:
    """One [N, K] tensor, flat or nested, and the same by column names; integer labels stay integers."""
    client = client_of(matrix)
    row = [0.1, -0.2, 0.3, 0.4]
    status, metadata = 200, json.loads((await client.send("GET", "/v2/models/delays")).body)
    name = metadata["inputs"][0]["name"]
    assert metadata["inputs"] == [{"name": name, "datatype": "FP32", "shape": [-1, 4]}]
    answers = []
    for data in (row + row, [row, row]):
        status, found = await client.post(INFER, {"inputs": [tensor(name, data, shape=[2, 4])]})
        assert status == 200
        answers.append(found["outputs"])
    by_name = [tensor(f"f{index}", [number, number]) for index, number in enumerate(row)]
    answers.append((await client.post(INFER, {"inputs": by_name}))[1]["outputs"])
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0]["datatype"] == "INT64"
    _, found = await client.post("/predict", {"rows": [{"f0": 0.1}]})
    assert found["predictions"][0]["label"] in (0, 1)
    assert set(found["predictions"][0]["probabilities"]) == {"0", "1"}
    client.handler.close()


async def test_requested_outputs_only(client: Client) -> None:
    """`outputs` chooses and orders; one that does not exist is named."""
    inputs = [tensor("hour", [3])]
    _, found = await client.post(INFER, {"inputs": inputs, "outputs": [{"name": "probabilities"}]})
    assert [output["name"] for output in found["outputs"]] == ["probabilities"]
    status, found = await client.post(INFER, {"inputs": inputs, "outputs": [{"name": "shap"}]})
    assert status == 400
    assert "shap" in found["error"]


@pytest.mark.parametrize(
    ("path", "body", "word"),
    [
        ("/predict", {}, "rows"),
        ("/predict", [], "rows"),
        ("/predict", {"rows": [ROW], "columns": {}}, "rows"),
        ("/predict", {"rows": [{**ROW, "wind": "gale"}]}, "wind"),
        ("/predict", {"rows": [{"carrier": "AA"}]}, "hour"),
        (INFER, {}, "inputs"),
        (INFER, {"inputs": []}, "inputs"),
        (INFER, {"inputs": [3]}, "object"),
        (INFER, {"inputs": [{"shape": [1]}]}, "name"),
        (INFER, {"inputs": [tensor("hour", [1]), tensor("hour", [1])]}, "twice"),
        (INFER, {"inputs": [tensor("hours", [1])]}, "hours"),
        (INFER, {"inputs": [tensor("hour", [1], shape=[2, 1])]}, "asks for 2"),
        (INFER, {"inputs": [tensor("hour", [1, 2], shape=[1, 2])]}, "expected [rows, 1]"),
        (INFER, {"inputs": [tensor("hour", [1], shape=[-1])]}, "shape"),
        (INFER, {"inputs": [tensor("hour", [1], shape=[True])]}, "shape"),
        (INFER, {"inputs": [tensor("hour", [], shape=[0])]}, "no rows"),
        (INFER, {"inputs": [tensor("hour", [1], "FP31")]}, "FP31"),
        (INFER, {"inputs": [tensor("hour", ["1"], "BYTES")]}, "number"),
        (INFER, {"inputs": [tensor("carrier", ["AA"]), tensor("hour", [1])]}, "BYTES"),
        (INFER, {"inputs": [tensor("hour", [[1], 2])]}, "mixes"),
        (INFER, {"inputs": [tensor("hour", [1]), tensor("wind", [1, 2])]}, "different numbers"),
        (INFER, {"inputs": [{"name": "hour", "shape": [1], "datatype": "FP32"}]}, "no data"),
        (INFER, {"inputs": [tensor("hour", [1])], "id": 7}, "id"),
        (INFER, {"inputs": [tensor("hour", [1])], "outputs": [7]}, "outputs"),
    ],
)
async def test_a_wrong_body_is_refused_with_what_is_wrong(client: Client, path: str, body: Any, word: str) -> None:
    """400 and {"error": ...} with the word that matters."""
    status, found = await client.post(path, body)
    assert status == 400
    assert word in found["error"]


async def test_the_metrics_tell_schema_from_client_faults(client: Client) -> None:
    """A column the version does not know may be the version's fault and counts as such; broken JSON is the client's."""
    await client.post("/predict", {"rows": [ROW, ROW]})
    await client.post("/predict", {"rows": [{**ROW, "wind": "gale"}]}, direct=True)
    await client.send("POST", "/predict", b"{")
    await client.send("GET", "/nowhere")
    await client.send("GET", "/v2/health/ready")
    counted = {
        (result, route): client.metric("model_requests_total", result=result, route=route)
        for result in ("ok", "schema_rejected", "client_rejected", "server_error")
        for route in ("default", "direct")
    }
    assert {key: count for key, count in counted.items() if count} == {
        ("ok", "default"): 1,
        ("schema_rejected", "direct"): 1,
        ("client_rejected", "default"): 1,
    }
    assert client.metric("model_predictions_total") == 2
    assert client.metric("model_request_duration_seconds_count") == 2, "direct requests are judged never"


def shares(client: Client, feature: str) -> dict[str, float]:
    """Share of the rows in each bin of a feature."""
    assert client.handler.monitor is not None
    client.handler.monitor.flush()
    found = samples(client.handler.metrics.render().decode())["model_feature_bin_total"]
    counts = {dict(key)["bin"]: count for key, count in found.items() if dict(key)["feature"] == feature}
    return {name: count / sum(counts.values()) for name, count in counts.items()}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict", {"rows": [{"hour": 3}, {"hour": 4, "wind": None, "carrier": None}]}),
        ("/predict", {"columns": {"hour": [3, 4]}}),
        (INFER, {"inputs": [tensor("hour", [3, 4])]}),
        (
            INFER,
            {"inputs": [tensor("hour", [3, 4]), tensor("wind", [None, None]), tensor("carrier", [None, ""], "BYTES")]},
        ),
    ],
)
async def test_a_column_that_live_rows_lack_is_missing_in_all_of_them(client: Client, path: str, body: Any) -> None:
    """A version trained with columns that are never there live: answered, and its missing share says 1."""
    assert (await client.post(path, body))[0] == 200
    for feature in ("wind", "carrier", "gusts"):
        assert shares(client, feature)["missing"] == 1.0
    assert shares(client, "hour")["missing"] == 0.0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict", {"rows": [{"carrier": "AA", "wind": 3}]}),
        ("/predict", {"rows": [{**ROW, "hour": None}]}),
        ("/predict", {"columns": {"wind": [3]}}),
        (INFER, {"inputs": [tensor("wind", [3])]}),
        (INFER, {"inputs": [tensor("hour", [None])]}),
    ],
)
async def test_a_required_column_that_live_rows_lack_rejects_them(client: Client, path: str, body: Any) -> None:
    """400, counted as schema_rejected: the version cannot take rows that another can; no bin counts them."""
    status, found = await client.post(path, body)
    assert status == 400
    assert "hour" in found["error"]
    assert client.metric("model_requests_total", result="schema_rejected", route="default") == 1
    assert client.metric("model_predictions_total") == 0
    assert client.handler.metrics.bins.sum() == 0


def linear(folder: Path) -> Path:
    """A linear model without an imputer: it has no answer where a value is missing."""
    values = np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 1.0], [3.0, 3.0]], dtype=np.float32)
    model = LogisticRegression().fit(values, [0, 0, 1, 1])
    return artifacts.write(
        folder,
        {"model.onnx": to_onnx(model, values[:1], options={"zipmap": False}, target_opset=18).SerializeToString()},
        task="BinaryClassification",
        outputs={"labels": [0, 1], "positive": 1},
        inputs="Matrix",
        features=[{"name": "a", "type": "Number"}, {"name": "b", "type": "Number"}],
        example={"rows": [{"a": 1.0, "b": 2.0}], "answers": model.predict_proba(values[1:2])[:, 1].tolist()},
        profile=None,
    )


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict", {"rows": [{"a": 1, "b": 2}, {"a": 1, "b": None}]}),
        (INFER, {"inputs": [tensor("a", [1, 1]), tensor("b", [2, None])]}),
    ],
)
async def test_no_label_is_made_of_an_answer_that_is_no_number(tmp_path: Path, path: str, body: Any) -> None:
    """422 with row and column, counted as schema_rejected; it was 200 with a label that meant nothing."""
    client = client_of(linear(tmp_path))
    status, found = await client.post(path, body)
    assert status == 422
    assert found["error"].startswith("row 1: the model answers no number where b is missing")
    assert client.metric("model_requests_total", result="schema_rejected", route="default") == 1
    assert client.metric("model_predictions_total") == 0
    client.handler.close()


async def test_direct_requests_are_answered_and_leave_nothing_to_judge_by(client: Client) -> None:
    """Also where they share a batch with others: no bin, no row, no time, but a request of route="direct"."""
    strange = {"carrier": "ZZ", "hour": 3, "wind": 99.0}
    answers = await asyncio.gather(
        client.post("/predict", {"rows": [ROW]}),
        client.post("/predict", {"rows": [strange] * 3}, direct=True),
        client.post("/predict", {"rows": [ROW]}),
    )
    assert [(status, len(found["predictions"])) for status, found in answers] == [(200, 1), (200, 3), (200, 1)]
    assert shares(client, "carrier")["unseen"] == 0
    assert client.metric("model_predictions_total") == 2
    assert client.metric("model_request_duration_seconds_count") == 2
    assert client.metric("model_requests_total", result="ok", route="direct") == 1
    found = samples(client.handler.metrics.render().decode())
    assert sum(found["model_prediction_bin_total"].values()) == 2


async def test_the_series_are_there_before_the_first_request_and_stay_the_same(client: Client) -> None:
    """Every name and label set of the exposition, with 0; requests add none."""

    def scrape() -> dict[str, dict[frozenset[tuple[str, str]], float]]:
        assert client.handler.monitor is not None
        client.handler.monitor.flush()
        return samples(client.handler.metrics.render().decode())

    before = scrape()
    counters = ("_total", "_count", "_sum", "_bucket")
    assert {count for name in before if name.endswith(counters) for count in before[name].values()} == {0}
    await client.post("/predict", {"rows": [ROW, {"hour": 3, "carrier": "ZZ"}]})
    await client.post("/predict", {"rows": [{**ROW, "wind": "gale"}]}, direct=True)
    assert {name: set(found) for name, found in scrape().items()} == {
        name: set(found) for name, found in before.items()
    }


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ({"content_type": b"application/json; charset=utf-8"}, 200),
        ({"content_type": b"application/vnd.me+json"}, 200),
        ({"content_type": b"text/csv"}, 415),
        ({"content_type": b"\xff\xfe"}, 415),
        ({"content_encoding": b"br"}, 415),
        ({"content_encoding": b"identity"}, 200),
        ({"binary_header": b"10"}, 415),
    ],
)
async def test_media_types(client: Client, head: dict[str, Any], status: int) -> None:
    """JSON, or none named; else 415."""
    assert (await client.post("/predict", {"rows": [ROW]}, **head))[0] == status


async def test_the_server_says_its_version(client: Client) -> None:
    """The one of the distribution, without package metadata in the image."""
    found = json.loads((await client.send("GET", "/v2")).body)
    assert found == {
        "name": "pintle",
        "version": importlib.metadata.version("pintle"),
        "extensions": ["binary_tensor_data"],
    }


async def test_another_method_or_path_is_refused(client: Client) -> None:
    """405 with Allow, 404 with what exists."""
    answer = await client.send("GET", "/predict")
    assert (answer.status, answer.headers) == (405, ((b"allow", b"POST"),))
    for path in ("/", "/v2/models/other/infer", "/v2/models/delays/versions/4/infer", "/metrics"):
        answer = await client.send("POST", path)
        assert answer.status == 404
        assert "delays" in json.loads(answer.body)["error"]


async def test_before_the_model_is_proven_the_server_lives_but_is_not_ready() -> None:
    """Loading: live 200, ready 503, predictions 503 with Retry-After."""
    client = Client(Handler(Settings(identity=IDENTITY), Metrics(IDENTITY)))
    assert (await client.send("GET", "/v2/health/live")).status == 200
    for path in ("/v2/health/ready", "/v2/models/delays/ready"):
        assert (await client.send("GET", path)).status == 503
    answer = await client.send("POST", "/predict", b"{}")
    assert (answer.status, answer.headers) == (503, ((b"retry-after", b"1"),))


async def test_while_draining_predictions_are_answered_and_readiness_is_not(client: Client) -> None:
    """The load balancer hears no, who still comes is served."""
    assert (await client.send("GET", "/v2/models/delays/ready")).status == 200
    client.handler.draining = True
    for path in ("/v2/health/ready", "/v2/models/delays/ready"):
        assert (await client.send("GET", path)).status == 503
    assert (await client.post("/predict", {"rows": [ROW]}))[0] == 200


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["carrier", "hour", "FP32", "BYTES", "AA"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["carrier", "hour", "wind", "name", "data", "shape", "x"]), inner, max_size=3)
    ),
    max_leaves=12,
)
rows = st.lists(st.fixed_dictionaries({"hour": json_values}, optional={"carrier": json_values, "wind": json_values}))
tensors = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(["hour", "carrier", "wind", "x"]) | json_values,
            "shape": st.lists(st.integers(-1, 3), max_size=3) | json_values,
            "datatype": st.sampled_from(["FP32", "BYTES", "INT64", "BOOL"]) | json_values,
            "data": st.lists(json_values, max_size=3) | json_values,
        },
        optional={"parameters": json_values | st.just({"binary_data_size": 4})},
    )
)
instances = rows | st.lists(st.lists(json_values, min_size=4, max_size=4)) | json_values
parameters = json_values | st.sampled_from([{"binary_data_output": True}, {"explain": True}, {"classification": 1}])
bodies = st.one_of(
    st.binary(max_size=40),
    json_values.map(lambda found: json.dumps(found).encode()),
    rows.map(lambda found: json.dumps({"rows": found}).encode()),
    st.dictionaries(st.sampled_from(["hour", "carrier", "wind"]), st.lists(json_values, max_size=3)).map(
        lambda found: json.dumps({"columns": found}).encode()
    ),
    tensors.map(lambda found: json.dumps({"inputs": found}).encode()),
    st.tuples(tensors, parameters).map(
        lambda found: json.dumps({"inputs": found[0], "parameters": found[1], "outputs": []}).encode()
    ),
    instances.map(lambda found: json.dumps({"instances": found}).encode()),
)


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.sampled_from(["/predict", INFER, V1, f"{V1[:-7]}explain"]), bodies), min_size=1, max_size=5)
)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_body_is_an_internal_error(client: Client, requests: list[tuple[str, bytes]]) -> None:
    """Whatever is sent, alone or together with others: 200 or a 4xx with an error, and a 200 has as many answers."""
    answers = await asyncio.gather(*(client.send("POST", path, body) for path, body in requests))
    for answer in answers:
        found = json.loads(answer.body[: int(dict(answer.headers).get(b"inference-header-content-length", 10**9))])
        assert answer.status in (200, 400, 413), found
        assert (answer.status == 200) == ("error" not in found)
