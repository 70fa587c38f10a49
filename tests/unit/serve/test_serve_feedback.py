"""Labels that come late: who may send them, what they count as, how often."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from pintle.contract.token import Kind, Signer, Token
from pintle.serve.feedback import Memory
from pintle.serve.internal import InternalApp
from pintle.serve.report import Refusal
from pintle.serve.settings import Identity, Settings

from tests.unit.serve.process import labelled
from tests.unit.serve.test_serve_handler import IDENTITY, INFER, ROW, Client, client_of, tensor

SECRET = b"a key of sixteen bytes or more"
OTHER = Identity("late", "deadbeef", "delays", "2")


class Replica(Client):
    """A server without sockets: predictions by its handler, labels and metrics by its internal port."""

    def __init__(self, folder: Path, identity: Identity = IDENTITY, **settings: Any) -> None:
        super().__init__(client_of(folder, identity=identity, token_secrets=(SECRET,), **settings).handler)
        self._internal = httpx.AsyncClient(
            transport=httpx.ASGITransport(InternalApp(self.handler)), base_url="http://internal"
        )

    async def tokens(self, count: int = 1) -> list[str]:
        """Of so many predicted rows."""
        found: list[str] = (await self.post("/predict", {"rows": [ROW] * count}))[1]["tokens"]
        return found

    async def tell(self, labels: Sequence[tuple[str, Any]], path: str = "/feedback") -> dict[str, Any]:
        answer = await self.raw({"feedback": [{"token": token, "truth": truth} for token, truth in labels]}, path)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def raw(self, body: Any, path: str = "/feedback") -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self._internal.post(path, content=content, headers={"content-type": "application/json"})

    async def scrape(self, name: str) -> list[tuple[dict[str, str], float]]:
        return labelled((await self._internal.get("/metrics")).text, name)

    async def total(self, name: str, **labels: str) -> float:
        return sum(value for found, value in await self.scrape(name) if labels.items() <= found.items())


def tally(**counts: int) -> dict[str, int]:
    return {"accepted": 0, "otherRevision": 0, "duplicate": 0, "unknown": 0, "invalid": 0} | counts


@pytest.fixture
async def replica(classifier: Path) -> Replica:
    return Replica(classifier)


async def test_a_label_counts_under_the_bin_and_the_window_of_its_prediction(replica: Replica) -> None:
    """Cells, loss, squares and number; all series are there with 0 before."""
    before = await replica.scrape("model_feedback_total")
    assert len(before) == 6 * 2
    assert {value for _, value in before} == {0}
    late = (await replica.post("/predict", {"rows": [ROW]}))[1]["predictions"][0]["probabilities"]["late"]
    tokens = await replica.tokens(3)
    labels = [(tokens[0], "late"), (tokens[1], "late"), (tokens[2], "on time")]
    assert await replica.tell(labels, "/v2/models/delays/feedback") == tally(accepted=3)
    counted = {tuple(sorted(found.items())): value for found, value in await replica.scrape("model_feedback_total")}
    assert counted.keys() == {tuple(sorted(found.items())) for found, _ in before}
    assert sum(counted.values()) == 3
    assert await replica.total("model_feedback_total", truth="positive") == 2
    assert len({found["cohort"] for found, _ in before}) == 1
    losses = [(1 - late) ** 2] * 2 + [late**2]
    assert await replica.total("model_feedback_loss_count") == 3
    assert await replica.total("model_feedback_loss_sum") == pytest.approx(sum(losses), abs=1e-5)
    assert await replica.total("model_feedback_loss_squares_sum") == pytest.approx(sum(x * x for x in losses), abs=1e-5)
    assert await replica.total("model_feedback_loss_scale") == 1


async def test_the_tokens_of_infer_are_a_parameter(replica: Replica) -> None:
    """One string, because the protocol allows no list there; each word is a token."""
    _, found = await replica.post(INFER, {"inputs": [tensor("hour", [3, 4, 5])]})
    tokens = found["parameters"]["tokens"].split(" ")
    assert await replica.tell([(token, "late") for token in tokens]) == tally(accepted=3)


async def test_a_label_that_comes_twice_counts_once(replica: Replica) -> None:
    """In one request or in two, with the same truth or another: the first one counts."""
    (token,) = await replica.tokens()
    await replica.scrape("model_feedback_total")
    assert await replica.tell([(token, "late"), (token, "late")]) == tally(accepted=1, duplicate=1)
    assert await replica.tell([(token, "on time")]) == tally(duplicate=1)
    assert await replica.total("model_feedback_total") == 1
    assert await replica.total("model_feedback_labels_total", result="duplicate") == 2


async def test_a_forged_token_counts_nothing(replica: Replica) -> None:
    """Signed with another key, changed, or no token at all: unknown, with its place in the request."""
    (token,) = await replica.tokens()
    forged = Signer(b"a key that somebody guessed", "late")
    opened = Signer(SECRET, "late").open(token)
    assert opened is not None
    wanted = forged.encode(dataclasses.replace(opened[0], figures=(1.0,)))
    changed = token[:-1] + ("A" if token[-1] != "A" else "B")
    found = await replica.tell([(token, "late"), (wanted, "late"), (changed, "late"), ("", "late")])
    errors = found.pop("errors")
    assert found == tally(accepted=1, unknown=3)
    assert [error.partition(":")[0] for error in errors] == ["feedback 1", "feedback 2", "feedback 3"]
    await replica.scrape("model_feedback_total")
    assert await replica.total("model_feedback_total") == 1


async def test_a_replica_of_another_revision_counts_for_the_one_that_answered(classifier: Path) -> None:
    """Under revision and version of the token, without that revision's replica knowing; also after it is deleted."""
    other, own = Replica(classifier, OTHER), Replica(classifier)
    tokens = await other.tokens(2)
    other.handler.close()
    del other
    assert await own.tell([(token, "late") for token in tokens]) == tally(accepted=2, otherRevision=2)
    assert await own.tell([(tokens[0], "late")]) == tally(duplicate=1)
    assert await own.total("model_feedback_total", revision="deadbeef") == 0, "a new series begins with 0"
    labels = {"revision": "deadbeef", "version": "2", "deployment": "late", "model": "delays"}
    assert await own.total("model_feedback_total", truth="positive", **labels) == 2
    assert await own.total("model_feedback_loss_count", **labels) == 2
    assert await own.total("model_feedback_total", revision="0a1b2c3d") == 0
    assert await own.total("model_feedback_labels_total", result="other_revision") == 2


async def test_a_truth_that_cannot_be_read_may_be_sent_again(replica: Replica, matrix: Path) -> None:
    """A class that does not exist, or a token of a revision with other classes: told, and not remembered as used."""
    (token,) = await replica.tokens()
    (foreign,) = (await Replica(matrix, OTHER).post("/predict", {"rows": [{"f0": 1}]}))[1]["tokens"]
    found = await replica.tell([(token, "tomorrow"), (token, None), (token, ["late"]), (foreign, 1)])
    errors = found.pop("errors")
    assert found == tally(invalid=4)
    assert "late, on time" in errors[0]
    assert "deadbeef" in errors[3]
    assert await replica.tell([(token, "late")]) == tally(accepted=1)


async def test_numbers_and_booleans_are_read_where_classes_are_numbers(matrix: Path) -> None:
    """1, 1.0, "1" and true are the class 1."""
    replica = Replica(matrix)
    tokens = (await replica.post("/predict", {"rows": [{"f0": 1}] * 4}))[1]["tokens"]
    assert await replica.tell(list(zip(tokens, (1, 1.0, "1", True), strict=True))) == tally(accepted=4)
    await replica.scrape("model_feedback_total")
    assert await replica.total("model_feedback_total", truth="positive") == 4


async def test_a_regression_takes_numbers(regressor: Path) -> None:
    """The side on which the truth lay, and the clipped loss."""
    replica = Replica(regressor, loss_scale=100.0)
    _, answer = await replica.post("/predict", {"rows": [ROW, ROW]})
    value = answer["predictions"][0]["value"]
    low, high = answer["tokens"]
    found = await replica.tell([(low, "many"), (low, value - 50), (high, 1e9)])
    assert "number" in found.pop("errors")[0]
    assert found == tally(accepted=2, invalid=1)
    await replica.scrape("model_feedback_total")
    assert await replica.total("model_feedback_total", truth="below") == 1
    assert await replica.total("model_feedback_total", truth="above") == 1
    assert await replica.total("model_feedback_loss_sum") == pytest.approx(1.25)
    assert await replica.total("model_feedback_loss_scale") == 100


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"{", "JSON"),
        ([], "feedback"),
        ({"feedback": {}}, "feedback"),
        ({"feedback": [], "more": 1}, "feedback"),
        ({"feedback": [{"token": "x"}]}, "truth"),
        ({"feedback": [{"token": 3, "truth": 1}]}, "token"),
        ({"feedback": ["x"]}, "feedback 0"),
    ],
)
async def test_a_body_of_another_shape_is_refused_whole(replica: Replica, body: Any, word: str) -> None:
    """400, and nothing of it is counted."""
    answer = await replica.raw(body)
    assert answer.status_code == 400
    assert word in answer.json()["error"]


async def test_labels_of_one_request_are_bounded(classifier: Path) -> None:
    """413 above PINTLE_MAX_ROWS and PINTLE_MAX_BODY_BYTES."""
    replica = Replica(classifier, max_rows=2, max_body_bytes=1_000)
    label = {"token": "x", "truth": 1}
    assert (await replica.raw({"feedback": [label] * 3})).status_code == 413
    assert (await replica.raw(b" " * 1_001)).status_code == 413
    assert (await replica.raw({"feedback": [label] * 2})).json()["unknown"] == 2


async def test_many_labels_are_counted_in_slices(replica: Replica) -> None:
    """More than one turn of the event loop takes: all are counted."""
    tokens = await replica.tokens(1_000)
    assert await replica.tell([(token, "late") for token in tokens]) == tally(accepted=1_000)


async def test_a_server_that_is_not_in_service_sends_labels_elsewhere(replica: Replica) -> None:
    """While it drains nothing that it counted might be scraped any more: 503 with Retry-After."""
    (token,) = await replica.tokens()
    replica.handler.draining = True
    answer = await replica.raw({"feedback": [{"token": token, "truth": "late"}]})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_tokens_can_be_switched_off(classifier: Path) -> None:
    """No field, no series of this revision's cohorts; labels of others are taken all the same."""
    replica = Replica(classifier, tokens=False)
    assert "tokens" not in (await replica.post("/predict", {"rows": [ROW]}))[1]
    assert "parameters" not in (await replica.post(INFER, {"inputs": [tensor("hour", [3])]}))[1]
    assert await replica.scrape("model_feedback_total") == []
    tokens = await Replica(classifier, OTHER).tokens()
    assert await replica.tell([(tokens[0], "late")]) == tally(accepted=1, otherRevision=1)


async def test_direct_requests_get_no_tokens(replica: Replica) -> None:
    """They are judged never, and no label can change that."""
    for path, body in (("/predict", {"rows": [ROW]}), (INFER, {"inputs": [tensor("hour", [3])]})):
        status, found = await replica.post(path, body, direct=True)
        assert status == 200
        assert "tokens" not in found
        assert "parameters" not in found


async def test_an_identity_that_no_token_can_hold_serves_without(classifier: Path) -> None:
    """A server on a laptop, without a revision."""
    replica = Replica(classifier, Identity())
    assert "tokens" not in (await replica.post("/predict", {"rows": [ROW]}))[1]


async def test_a_key_can_be_replaced(classifier: Path) -> None:
    """The first one signs, tokens of the ones behind it are still taken."""
    (old,) = await Replica(classifier).tokens()
    handler = client_of(classifier, token_secrets=(b"the next key, long enough", SECRET)).handler
    replica = Replica(classifier)
    replica.handler = handler
    assert handler.feedback is not None
    assert handler.feedback._open(old) is not None
    new = (await replica.tokens())[0]
    assert Signer(SECRET, "late").open(new) is None
    assert handler.feedback._open(new) is not None


async def test_without_a_key_all_replicas_of_a_deployment_derive_the_same(classifier: Path) -> None:
    """So that labels find their way without any set-up."""
    one, two = (client_of(classifier, identity=identity).handler for identity in (IDENTITY, OTHER))
    (token,) = (await Client(one).post("/predict", {"rows": [ROW]}))[1]["tokens"]
    assert two.feedback is not None
    assert two.feedback._open(token) is not None
    elsewhere = client_of(classifier, identity=dataclasses.replace(IDENTITY, deployment="early")).handler
    assert elsewhere.feedback is not None
    assert elsewhere.feedback._open(token) is None


def test_the_memory_is_bounded_and_keeps_the_last() -> None:
    """At least `size` of the last marks, at most twice as many."""
    memory = Memory(100)
    for mark in range(1_000):
        memory.add(mark)
        assert all(kept in memory for kept in range(max(0, mark - 99), mark + 1))
    assert 0 not in memory
    assert len(memory._new) + len(memory._old) <= 200


def test_the_key_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    """Words, the one that signs first; never in the settings' text."""
    (tmp_path / "key").write_bytes(SECRET.replace(b" ", b"-") + b"\nthe-older-key-of-before\n")
    found = Settings.from_environment({"PINTLE_TOKEN_KEY_FILE": str(tmp_path / "key")})
    assert found.token_secrets == (SECRET.replace(b" ", b"-"), b"the-older-key-of-before")
    assert "older" not in repr(found)
    assert Settings.from_environment({"PINTLE_TOKEN_KEY": "0123456789abcdef"}).token_secrets == (b"0123456789abcdef",)
    assert Settings.from_environment({}).token_secrets == ()
    assert Settings.from_environment({"PINTLE_TOKENS": "off"}).tokens is False


@pytest.mark.parametrize(
    "environment",
    [
        {"PINTLE_TOKEN_KEY": "tooshort"},
        {"PINTLE_TOKEN_KEY_FILE": "/nowhere/key"},
        {"PINTLE_TOKEN_KEY_FILE": "/dev/null"},
        {"PINTLE_TOKENS": "maybe"},
        {"PINTLE_COHORT_SECONDS": "0"},
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(environment: dict[str, str]) -> None:
    """By name, and without the key."""
    with pytest.raises(Refusal, match=next(iter(environment))) as refused:
        Settings.from_environment(environment)
    assert "tooshort" not in refused.value.message


async def test_a_token_of_another_kind_of_answer_is_not_misread(replica: Replica) -> None:
    """Signed, for this revision, but not of its task: invalid, not an error."""
    token = Signer(SECRET, "late").encode(Token(Kind.VALUE, "0a1b2c3d", 3, 0, 3_600, "00", (1, 2), (0.5, 1.0)))
    found = await replica.tell([(token, "late")])
    assert found.pop("errors")
    assert found == tally(invalid=1)
