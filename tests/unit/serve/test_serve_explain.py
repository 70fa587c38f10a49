"""Contributions of columns, in every protocol that can ask for them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pintle.serve import pack

from tests.unit.serve.artifacts import make_classifier
from tests.unit.serve.test_serve_binary import body_of, split
from tests.unit.serve.test_serve_formats import BINARY, CASES, NUMBERS, ROWS, asked, boosted, describe, make, save
from tests.unit.serve.test_serve_handler import INFER, client_of, tensor
from tests.unit.serve.test_serve_tasks import detector, two_outputs

EXPLAIN = "/v1/models/delays:explain"


def sums(predictions: list[dict[str, Any]]) -> np.ndarray:
    return np.array([sum(item["contributions"].values()) + item["base"] for item in predictions])


@pytest.mark.parametrize(("kind", "what"), list(CASES))
async def test_contributions_and_base_add_up_to_the_margin(tmp_path: Path, kind: str, what: str) -> None:
    """The value, or the log-odds of P(positive); of several classes those of the label, up to what all have alike."""
    folder, booster = make(tmp_path / "m", kind, what)
    client = client_of(folder)
    _, found = await client.post("/predict", {"rows": ROWS, "explain": True})
    predictions, expected = found["predictions"], np.asarray(asked(booster), dtype=float)
    assert [list(item["contributions"]) for item in predictions] == [["a", "b", "c"]] * 3
    if what == "value":
        assert sums(predictions) == pytest.approx(expected, abs=1e-4)
    elif what == "binary":
        assert sums(predictions) == pytest.approx(np.log(expected / (1 - expected)), abs=1e-4)
    else:
        labels = [item["label"] for item in predictions]
        assert labels == [("low", "middle", "high")[index] for index in expected.argmax(axis=1)]
    _, plain = await client.post("/predict", {"rows": ROWS, "explain": False})
    for item, other in zip(predictions, plain["predictions"], strict=True):
        assert {name: item[name] for name in other} == other, "the answer is the same, explained or not"
    assert len(found["tokens"]) == 3
    assert client.metric("model_predictions_total") == 6
    client.handler.close()


@pytest.mark.parametrize("labels", [("late", "on time"), ("a", "late", "on time")])
async def test_classifiers_in_onnx_are_explained_by_predictions(tmp_path: Path, labels: tuple[str, ...]) -> None:
    """Strings, booleans and missing values included: the sum is the log-odds of P(positive), or of the label's."""
    client = client_of(make_classifier(tmp_path / "m", labels))
    rows = [{"carrier": "AA", "hour": 7, "wind": 3.5, "gusts": True}, {"carrier": "??", "hour": 22}]
    _, found = await client.post("/predict", {"rows": rows, "explain": True})
    for item in found["predictions"]:
        assert set(item["contributions"]) == {"carrier", "hour", "wind", "gusts"}
        share = item["probabilities"]["late" if len(labels) == 2 else item["label"]]
        assert item["method"] == "Sampled"
        total = sum(item["contributions"].values()) + item["base"]
        assert total == pytest.approx(np.log(share / (1 - share)), abs=1e-3)
    _, again = await client.post("/predict", {"rows": rows[1:], "explain": True})
    assert again["predictions"][0]["contributions"] == found["predictions"][1]["contributions"]
    client.handler.close()


async def test_values_and_scores_in_onnx_are_explained_by_predictions(tmp_path: Path, regressor: Path) -> None:
    """The sum is the value, or the detector's score: a row far away is an outlier for both of its columns."""
    client = client_of(regressor)
    _, found = await client.post("/predict", {"rows": [{"carrier": "AA", "hour": 7, "wind": 3.5}], "explain": True})
    assert sums(found["predictions"]) == pytest.approx([found["predictions"][0]["value"]], abs=1e-3)
    assert abs(found["predictions"][0]["contributions"]["carrier"]) < 0.1
    client.handler.close()
    client = client_of(detector(tmp_path))
    _, found = await client.post(EXPLAIN, {"instances": [{"a": 9, "b": 9}, {"a": 0, "b": 0}]})
    far, near = found["explanations"]
    assert sums([far, near]) == pytest.approx(found["scores"], abs=1e-4)
    assert max(far["contributions"].values()) < 0 < min(near["contributions"].values())
    client.handler.close()


async def test_rows_to_explain_are_bounded_by_what_they_cost(classifier: Path) -> None:
    """Sampling asks the model many times a row, so that fewer rows are taken; the refusal says how many."""
    client = client_of(classifier)
    status, found = await client.post("/predict", {"columns": {"hour": [5] * 1_000}, "explain": True})
    assert status == 413
    most = int(found["error"].split("at most ")[1].split()[0])
    assert 100 < most < 1_000
    assert (await client.post("/predict", {"columns": {"hour": [5] * most}, "explain": True}))[0] == 200
    client.handler.close()


async def test_the_sign_is_that_of_the_positive_class(tmp_path: Path) -> None:
    """Where the positive class is the library's first one, a contribution speaks for that."""
    booster = boosted("XGBoost", *reversed(CASES["XGBoost", "binary"][:2]))
    task = {**BINARY, "outputs": {"labels": ["late", "on time"], "positive": "late"}}
    save(booster, describe(tmp_path / "m", "XGBoost", task))
    pack.pack(tmp_path / "m")
    client = client_of(tmp_path / "m")
    _, found = await client.post("/predict", {"rows": ROWS, "explain": True})
    late = np.array([item["probabilities"]["late"] for item in found["predictions"]])
    assert sums(found["predictions"]) == pytest.approx(np.log(late / (1 - late)), abs=1e-4)
    client.handler.close()


async def test_every_protocol_gives_the_same_contributions(tmp_path: Path) -> None:
    """By parameter and by output, in JSON and in binary, and by V1's :explain."""
    folder, _ = make(tmp_path / "m", "LightGBM", "binary")
    client = client_of(folder)
    _, found = await client.post("/predict", {"rows": ROWS, "explain": True})
    expected = [list(item["contributions"].values()) for item in found["predictions"]]
    _, v1 = await client.post(EXPLAIN, {"instances": ROWS})
    assert [list(item["contributions"].values()) for item in v1["explanations"]] == expected
    assert v1["predictions"] == [item["label"] for item in found["predictions"]]
    assert [item["method"] for item in (*found["predictions"], *v1["explanations"])] == ["Library"] * 6
    inputs = [tensor(name, [row[name] for row in ROWS]) for name in "abc"]
    _, by_parameter = await client.post(INFER, {"inputs": inputs, "parameters": {"explain": True}})
    outputs = {item["name"]: item for item in by_parameter["outputs"]}
    assert list(outputs) == ["label", "probabilities", "contributions", "base"]
    assert (outputs["contributions"]["shape"], outputs["base"]["shape"]) == ([3, 3], [3, 1])
    assert outputs["contributions"]["parameters"] == {"method": "Library"}
    assert outputs["contributions"]["data"] == pytest.approx(np.ravel(expected).tolist())
    asks = {"inputs": inputs, "outputs": [{"name": "contributions", "parameters": {"binary_data": True}}]}
    body, head = body_of(asks)
    head_only, data = split(await client.send("POST", INFER, body, **head))
    assert [item["name"] for item in head_only["outputs"]] == ["contributions"]
    assert head_only["outputs"][0]["parameters"] == {"method": "Library", "binary_data_size": len(expected) * 3 * 4}
    assert np.frombuffer(data["contributions"], dtype="<f4").tolist() == pytest.approx(np.ravel(expected).tolist())
    client.handler.close()


async def test_requests_that_are_explained_share_no_batch(tmp_path: Path) -> None:
    """Neither with each other nor with plain ones, and everybody gets the own rows' answers."""
    folder, _ = make(tmp_path / "m", "XGBoost", "value")
    client = client_of(folder)
    _, alone = await client.post("/predict", {"rows": ROWS, "explain": True})
    answers = await asyncio.gather(
        *(client.post("/predict", {"rows": [row], "explain": explain}) for explain in (True, False) for row in ROWS)
    )
    found = [item["predictions"][0] for _, item in answers]
    assert [item["value"] for item in found] == [item["value"] for item in alone["predictions"]] * 2
    assert [item.get("contributions") for item in found[:3]] == [item["contributions"] for item in alone["predictions"]]
    assert not any("contributions" in item for item in found[3:])
    client.handler.close()


async def test_the_page_tells_of_explanations_where_there_are_some(tmp_path: Path, classifier: Path) -> None:
    """Its example of :explain is answered; a model that tells none has no such path there."""
    boosted_trees, _ = make(tmp_path / "m", "XGBoost", "binary")
    for folder, able in ((boosted_trees, True), (classifier, True), (two_outputs(tmp_path / "two"), False)):
        client = client_of(folder)
        document = json.loads((await client.send("GET", "/openapi.json")).body)
        assert (EXPLAIN in document["paths"]) is able
        assert ("explanations" in document["components"]["schemas"]["V1Answer"]["properties"]) is able
        if able:
            body = document["paths"][EXPLAIN]["post"]["requestBody"]["content"]["application/json"]["example"]
            assert (await client.post(EXPLAIN, body))[0] == 200
        client.handler.close()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict", {"rows": [{"a": 3, "b": 1}], "explain": True}),
        (EXPLAIN, {"instances": [{"a": 3, "b": 1}]}),
        (INFER, {"inputs": [tensor("a", [3]), tensor("b", [1])], "parameters": {"explain": True}}),
        (INFER, {"inputs": [tensor("a", [3]), tensor("b", [1])], "outputs": [{"name": "contributions"}]}),
    ],
)
async def test_a_model_that_tells_none_says_so(tmp_path: Path, path: str, body: Any) -> None:
    """Several outputs have no one answer that contributions add up to: 400, not an answer without them."""
    client = client_of(two_outputs(tmp_path))
    status, found = await client.post(path, body)
    assert status == 400
    assert "contributions" in found["error"]
    client.handler.close()


async def test_sampled_explanations_can_be_turned_off(classifier: Path) -> None:
    """Where other requests must not wait for them."""
    client = client_of(classifier, explain_rows=0)
    status, found = await client.post("/predict", {"rows": [{"hour": 3}], "explain": True})
    assert (status, "PINTLE_EXPLAIN_ROWS is 0" in found["error"]) == (400, True)
    client.handler.close()


async def test_explanations_are_bounded(tmp_path: Path) -> None:
    """They cost many times a prediction; and the parameter is a boolean."""
    folder, _ = make(tmp_path / "m", "XGBoost", "value")
    client = client_of(folder)
    columns = {item["name"]: [0.5] * 1_001 for item in NUMBERS}
    assert (await client.post("/predict", {"columns": columns, "explain": True}))[0] == 413
    assert (await client.post("/predict", {"columns": columns}))[0] == 200
    status, found = await client.post("/predict", {"rows": ROWS, "explain": "yes"})
    assert (status, "explain" in found["error"]) == (400, True)
    assert json.loads((await client.send("GET", "/v2/models/delays")).body)["outputs"][0]["name"] == "variable"
    client.handler.close()
