"""A person's word: whom it is about, and what is said where it would be in vain."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from pintle.cli import asking, errors
from pintle.cli.errors import CliError
from pintle.cli.kubectl import Kubectl

from tests.story import DELAYS, FARES, JOB, LOST


class Cluster(Kubectl):
    """A cluster that writes down what is asked, and answers with the statuses that it is given."""

    asked: list[tuple[str, ...]]
    answers: list[dict[str, Any]]

    def annotate(self, kind: str, namespace: str, name: str, key: str, value: str) -> None:
        self.asked.append((kind, namespace, name, key, value))

    def object(self, kind: str, namespace: str, name: str) -> dict[str, Any]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def cluster(*answers: dict[str, Any]) -> Cluster:
    made = Cluster()
    object.__setattr__(made, "asked", [])
    object.__setattr__(made, "answers", list(answers))
    return made


@pytest.mark.parametrize(
    ("deployment", "revision", "version"),
    [(DELAYS, "9f8e7d6c", 4), (FARES, "aaaaaaaa", 1)],
    ids=["the canary", "in a guard the stable"],
)
@pytest.mark.parametrize("verb", ["promote", "promote-fully", "pause", "resume", "abort"])
def test_a_word_about_a_rollout_names_its_revision(
    deployment: dict[str, Any], revision: str, version: int, verb: str
) -> None:
    """So that it is stale when the rollout that the person saw is over."""
    word = asking.about_rollout(deployment, verb, "ann")
    identity = word.content["id"]
    expected = {"verb": verb, "id": identity, "revision": revision, "version": version, "by": "ann"}
    assert dict(word.content) == expected
    assert identity != asking.about_rollout(deployment, verb, "ann").content["id"]


def test_without_a_rollout_there_is_nothing_to_promote() -> None:
    """The person is told, and nothing is written."""
    with pytest.raises(CliError, match=r"nothing to promote\. `kubectl pintle why fares-next`"):
        asking.about_rollout(LOST, "promote", "ann")


@pytest.mark.parametrize("chosen", ["", "5d5d5d5d", "v2"])
def test_a_refusal_is_named_by_revision_or_version(chosen: str) -> None:
    """The only one needs no name."""
    assert asking.about_refused(DELAYS, "clear", "ann", chosen).content["revision"] == "5d5d5d5d"


def test_a_refusal_that_is_not_there() -> None:
    """What is refused is listed; several need a choice."""
    with pytest.raises(CliError, match="delays has not refused v3; name one of 5d5d5d5d"):
        asking.about_refused(DELAYS, "clear", "ann", "v3")
    two = copy.deepcopy(DELAYS)
    two["status"]["refused"].append({"revision": "6e6e6e6e", "version": 1})
    with pytest.raises(CliError, match="several revisions; name one of"):
        asking.about_refused(two, "retry", "ann", "")
    with pytest.raises(CliError, match="fares has refused no revision"):
        asking.about_refused(FARES, "retry", "ann", "")


def test_a_word_is_written_as_decision_0009_says() -> None:
    """One annotation with JSON; rollback without a version means the one before; a long name is cut."""
    api = cluster(DELAYS)
    word = asking.about_rollback(DELAYS, "a" * 60, None)
    asking.say(api, word)
    ((kind, namespace, name, key, value),) = api.asked
    assert (kind, namespace, name, key) == ("ModelDeployment", "demo", "delays", "pintle.dev/action")
    assert json.loads(value) == {"verb": "rollback", "id": word.id, "by": "a" * 40}
    assert asking.about_rollback(DELAYS, "ann", 3).content["version"] == 3


def test_waiting_ends_with_the_answer_to_this_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """An older word's result is none."""
    monkeypatch.setattr(asking, "POLL_SECONDS", 0)
    word = asking.about_rollout(DELAYS, "pause", "ann")
    answered = copy.deepcopy(DELAYS)
    answered["status"]["action"] = {"id": word.id, "verb": "pause", "result": "Stale", "message": "too late"}
    found = asking.wait(cluster(DELAYS, DELAYS, answered), word, 10)
    assert found["result"] == "Stale"
    assert asking.lines(word.view(found))[-1] == "Stale: too late"


def test_a_run_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """train waits until the run is over, and tells when it is held back."""
    monkeypatch.setattr(asking, "POLL_SECONDS", 0)
    word = asking.about_training(JOB, "ann")
    assert (word.annotation, set(word.content)) == ("pintle.dev/run", {"id", "by"})
    going = copy.deepcopy(JOB)
    run = going["status"]["runs"][0]
    run |= {"result": "Running", "reason": "Running", "trigger": {"kind": "Person", "id": word.id}}
    over = copy.deepcopy(going)
    over["status"]["runs"][0] |= {"result": "Failed", "reason": "GatesFailed"}
    found = asking.wait(cluster(JOB, going, over), word, 10)
    assert (found["result"], found["run"]) == ("Refused", "delays-00000000a4")
    held = copy.deepcopy(JOB)
    held["status"]["governor"]["refused"] = {"kind": "Person", "id": word.id}
    with pytest.raises(CliError, match="held back: Cooldown") as over_time:
        asking.wait(cluster(held), word, 0)
    assert over_time.value.code == errors.TIME_IS_OVER
