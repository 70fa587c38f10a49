"""Labels over HTTP, between real server processes of two revisions of one deployment."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.serve import artifacts
from tests.unit.serve.process import ServerProcess, labelled

ROW = {"carrier": "AA", "hour": 3, "wind": 5.5}
CANARY = {"PINTLE_REVISION": "deadbeef", "PINTLE_VERSION": "4"}
KEY = "a-key-of-sixteen-bytes-or-more"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return artifacts.make_classifier(tmp_path_factory.mktemp("feedback") / "model")


@pytest.fixture(scope="module")
def stable(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    file = tmp_path_factory.mktemp("key") / "key"
    file.write_text(KEY + "\n")
    with ServerProcess(folder, PINTLE_TOKEN_KEY_FILE=str(file)) as process:
        yield process.ready()


def predict(server: ServerProcess, rows: int, **headers: str) -> dict[str, Any]:
    answer = httpx.post(server.url + "/predict", json={"rows": [ROW] * rows}, headers=headers)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def tell(server: ServerProcess, tokens: list[str], truth: str, path: str = "/feedback") -> httpx.Response:
    body = {"feedback": [{"token": token, "truth": truth} for token in tokens]}
    return httpx.post(server.metrics_url.replace("/metrics", path), json=body)


def count(server: ServerProcess, name: str, **labels: str) -> float:
    found = labelled(httpx.get(server.metrics_url).text, name)
    return sum(value for series, value in found if labels.items() <= series.items())


def test_labels_are_taken_by_any_revision_and_survive_the_one_that_answered(
    folder: Path, stable: ServerProcess
) -> None:
    """The canary's labels count as the canary's at a stable replica, after the canary is gone."""
    with ServerProcess(folder, PINTLE_TOKEN_KEY=KEY, **CANARY) as canary:
        tokens = predict(canary.ready(), 5)["tokens"]
    assert tell(stable, tokens, "late").json() == {
        "accepted": 5, "otherRevision": 5, "duplicate": 0, "unknown": 0, "invalid": 0,
    }  # fmt: skip
    own = predict(stable, 2)["tokens"]
    assert tell(stable, [*own, own[0], "x" * 44], "on time", "/v2/models/delays/feedback").json() == {
        "accepted": 2, "otherRevision": 0, "duplicate": 1, "unknown": 1, "invalid": 0,
        "errors": ["feedback 3: the token was not given by this deployment"],
    }  # fmt: skip
    assert count(stable, "model_feedback_loss_count", revision="deadbeef") == 0, "begins with 0"
    assert count(stable, "model_feedback_loss_count", revision="deadbeef", version="4", deployment="late") == 5
    assert count(stable, "model_feedback_loss_count", revision="0a1b2c3d", version="3") == 2
    assert count(stable, "model_feedback_total", revision="0a1b2c3d", truth="negative") == 2
    assert count(stable, "model_feedback_labels_total", result="unknown") == 1


def test_a_restarted_replica_takes_labels_of_its_earlier_self(folder: Path, stable: ServerProcess) -> None:
    """Nothing is kept between answer and label."""
    tokens = predict(stable, 1)["tokens"]
    with ServerProcess(folder, PINTLE_TOKEN_KEY=KEY) as again:
        assert tell(again.ready(), tokens, "late").json()["accepted"] == 1


def test_labels_go_to_the_internal_port_only(stable: ServerProcess) -> None:
    """What is open to clients takes none, and a key of another deployment opens nothing."""
    (token,) = predict(stable, 1)["tokens"]
    body = {"feedback": [{"token": token, "truth": "late"}]}
    assert httpx.post(stable.url + "/feedback", json=body).status_code == 404
    answer = httpx.post(stable.metrics_url.replace("/metrics", "/feedback"), content=b"{", headers={"x": "y"})
    assert answer.status_code == 400
    assert "tokens" not in predict(stable, 1, **{"pintle-route": "direct"})


def test_predictions_are_answered_while_many_labels_are_counted(stable: ServerProcess) -> None:
    """Labels are counted a slice at a time: no prediction waits for the whole of them."""
    tokens = predict(stable, 15_000)["tokens"]
    begin = time.perf_counter()
    with httpx.Client() as http, httpx.Client(base_url=stable.url) as other:
        done = threading.Event()

        def send() -> None:
            body = {"feedback": [{"token": token, "truth": "late"} for token in tokens]}
            assert (
                http.post(stable.metrics_url.replace("/metrics", "/feedback"), json=body).json()["accepted"] == 15_000
            )
            done.set()

        sender = threading.Thread(target=send)
        sender.start()
        answered = 0
        while not done.is_set() and time.perf_counter() - begin < 30:
            assert other.post("/predict", json={"rows": [ROW]}).status_code == 200
            answered += 1
        sender.join(30)
    assert done.is_set()
    assert answered > 1
