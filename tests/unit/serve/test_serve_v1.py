"""The V1 protocol, and the page that says what a model takes."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from pintle.serve.artifact import open_artifact

from tests.unit.serve.test_serve_handler import INFER, ROW, client_of

PREDICT = "/v1/models/delays:predict"


async def test_v1_answers_labels_with_their_probabilities(classifier: Path) -> None:
    """As objects and as lists in the order of the schema: the answers of /predict."""
    client = client_of(classifier)
    rows = [dict(row) for row in open_artifact(classifier).example.rows]
    _, expected = await client.post("/predict", {"rows": rows})
    lists = [[row[name] for name in ("carrier", "hour", "wind", "gusts")] for row in rows]
    for instances in (rows, lists):
        status, found = await client.post(PREDICT, {"instances": instances})
        assert status == 200
        assert found["predictions"] == [item["label"] for item in expected["predictions"]]
        assert found["classes"] == ["late", "on time"]
        shares = [list(item["probabilities"].values()) for item in expected["predictions"]]
        assert found["probabilities"] == shares
        assert len(found["tokens"]) == len(rows)
    assert client.metric("model_requests_total", result="ok", route="default") == 3
    client.handler.close()


async def test_v1_answers_values(regressor: Path) -> None:
    """A regression's predictions are numbers."""
    client = client_of(regressor, tokens=False)
    example = open_artifact(regressor).example
    _, found = await client.post(PREDICT, {"instances": [dict(row) for row in example.rows]})
    assert found.pop("predictions") == pytest.approx(list(example.answers), rel=1e-4)
    assert found == {"model_name": "delays", "model_version": "3"}
    client.handler.close()


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"instances": []}, "the body must be"),
        ({"rows": [ROW]}, "the body must be"),
        ([ROW], "the body must be"),
        ({"instances": [ROW, 3]}, "row 1 must be an object"),
        ({"instances": [["AA", 3, 5.5]]}, "instance 0 has 3 values, this model takes 4: carrier, hour"),
        ({"instances": [["AA", 3, 5.5, True], ROW]}, "instance 1 must be a list"),
        ({"instances": [["AA", None, 5.5, True]]}, "hour is required"),
        ({"instances": [3]}, "instance 0 must be a list"),
    ],
)
async def test_what_v1_does_not_take(classifier: Path, body: Any, word: str) -> None:
    """400 with row and column, as everywhere."""
    client = client_of(classifier)
    status, found = await client.post(PREDICT, body)
    assert (status, word in found["error"]) == (400, True), found
    client.handler.close()


async def test_v1_says_who_is_there(classifier: Path) -> None:
    """The list of models, the readiness of one; another one is 404."""
    client = client_of(classifier)
    assert json.loads((await client.send("GET", "/v1/models")).body) == {"models": ["delays"]}
    assert json.loads((await client.send("GET", "/v1/models/delays")).body) == {"name": "delays", "ready": True}
    client.handler.draining = True
    assert (await client.send("GET", "/v1/models/delays")).status == 503
    assert (await client.send("GET", "/v1/models/other")).status == 404
    client.handler.close()


def refs(value: Any) -> set[str]:
    """All references in a document."""
    if isinstance(value, dict):
        own = {value["$ref"]} if "$ref" in value else set()
        return own.union(*map(refs, value.values()))
    return set().union(*map(refs, value)) if isinstance(value, list) else set()


async def test_the_document_names_the_columns_and_its_examples_are_answered(classifier: Path, matrix: Path) -> None:
    """Every example of the document is a request that gets 200; every reference leads somewhere."""
    for folder in (classifier, matrix):
        client = client_of(folder)
        document = json.loads((await client.send("GET", "/openapi.json")).body)
        assert document["openapi"].startswith("3.1")
        schemas = document["components"]["schemas"]
        assert refs(document) <= {f"#/components/schemas/{name}" for name in schemas}
        assert set(document["paths"]) >= {"/predict", INFER, PREDICT, "/v2/health/ready"}
        for path, methods in document["paths"].items():
            if "get" in methods:
                assert (await client.send("GET", path)).status == 200, path
            else:
                example = methods["post"]["requestBody"]["content"]["application/json"]["example"]
                assert (await client.post(path, example))[0] == 200, path
        client.handler.close()
    row = json.loads((await client_of(classifier).send("GET", "/openapi.json")).body)["components"]["schemas"]["Row"]
    assert row["required"] == ["hour"]
    assert row["properties"]["wind"]["type"] == ["number", "null"]


class Links(HTMLParser):
    """What a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href")]
        assert tag != "script"


async def test_the_page_loads_nothing_from_elsewhere(classifier: Path) -> None:
    """No script, no other host: it works where clusters have no way out."""
    client = client_of(classifier)
    answer = await client.send("GET", "/docs")
    assert answer.content_type.startswith(b"text/html")
    links = Links()
    links.feed(answer.body.decode())
    assert links.found == ["openapi.json"]
    for word in ("carrier", "/predict", "delays", "422"):
        assert word in answer.body.decode()
    client.handler.close()
