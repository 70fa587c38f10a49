"""Which version is asked for, as a table that reads as sentences."""

from __future__ import annotations

import pytest

from tests.builders import digest, model_deployment
from tests.serving_world import Serving


def serving_on(number: int, *others: int) -> Serving:
    """A deployment pinned to a version that serves, with other versions registered too."""
    serving = Serving(model_deployment().gateway().version(number).obj(), versions=(number, *others))
    serving.converge()
    return serving


def serves(serving: Serving) -> int:
    return int(serving.status["stable"]["version"])


ASKED = {
    "Latest is the highest version that is Ready": ("Latest", {1: True, 2: True, 3: False}, 2),
    "Latest counts, it does not sort text": ("Latest", {9: True, 10: True}, 10),
    "an alias is the version that has it": ("champion", {1: True, 2: "champion", 3: True}, 2),
    "an alias that two versions have belongs to the later claim": ("champion", {1: "champion", 2: "champion"}, 2),
    "a number is that version": (1, {1: True, 2: True}, 1),
}


@pytest.mark.parametrize("sentence", ASKED)
def test_the_version_that_is_asked_for_serves(sentence: str) -> None:
    """Pinned, Latest and alias each resolve to one version, and that version ends up stable."""
    asked, registered, expected = ASKED[sentence]
    parent = model_deployment().gateway()
    parent = parent.version(asked) if isinstance(asked, int) else parent.follow(asked)
    serving = Serving(parent.obj(), versions=())
    for number, state in registered.items():
        serving.publish(number, ready=bool(state), alias=state if isinstance(state, str) else None)
    serving.converge()
    assert serves(serving) == expected


REFUSED = {
    "a version that is not there is not found": ({"version": 7, "follow": None}, "VersionNotFound"),
    "a version that is not Ready is never started": ({"version": 3, "follow": None}, "VersionNotReady"),
    "an alias that nobody has is waited for": ({"version": None, "follow": "champion"}, "WaitingForVersion"),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_may_not_start_leaves_what_serves_alone(sentence: str) -> None:
    """No Deployment is made for it, traffic stays, Available stays True and Ready says why."""
    spec, reason = REFUSED[sentence]
    serving = serving_on(1)
    serving.publish(3, ready=False)
    serving.edit(**spec)
    serving.converge()
    assert serving.conditions()["Ready"] == ("False", reason)
    assert serving.conditions()["Progressing"] == ("False", reason)
    assert serving.conditions()["Available"] == ("True", "Serving")
    assert len(serving.world.list("Deployment")) == 1
    assert serves(serving) == 1


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_may_not_start_is_said_before_anything_serves(sentence: str) -> None:
    """Conditions stand from the first visit, and nothing is created."""
    spec, reason = REFUSED[sentence]
    serving = Serving(model_deployment().gateway().obj(), versions=())
    serving.publish(3, ready=False)
    serving.edit(**spec)
    serving.converge()
    assert serving.conditions()["Ready"] == ("False", reason)
    assert serving.conditions()["Available"] == ("False", "NotServing")
    assert not serving.world.list("Deployment")


def test_latest_never_goes_backwards_by_itself() -> None:
    """The newest version serves on after its ModelVersion was deleted, although an older one is Ready."""
    serving = Serving(model_deployment().gateway().obj(), versions=(1, 2))
    serving.converge()
    serving.world.remove("ModelVersion", "delays-v2")
    serving.converge()
    assert serves(serving) == 2
    assert serving.conditions()["Ready"] == ("True", "Ready")


def test_a_person_may_go_backwards() -> None:
    """Pinning an older version is a request like any other."""
    serving = Serving(model_deployment().gateway().obj(), versions=(1, 2))
    serving.converge()
    serving.pin(1)
    serving.converge()
    assert serves(serving) == 1


def test_a_version_that_serves_needs_its_model_version_no_more() -> None:
    """A pinned version whose ModelVersion is gone, or no longer Ready, stays Ready as a deployment."""
    serving = serving_on(1)
    serving.world.remove("ModelVersion", "delays-v1")
    serving.converge()
    assert serving.conditions()["Ready"] == ("True", "Ready")
    serving.publish(1, ready=False)
    serving.converge()
    assert serving.conditions()["Ready"] == ("True", "Ready")


@pytest.mark.parametrize("asked", ["pinned", "followed"])
def test_a_successor_whose_version_is_deleted_goes_on_where_it_is_pinned(asked: str) -> None:
    """In the route it carries URI and digest itself. Followed, the version is simply not the newest any more."""
    serving = serving_on(1, 2)
    if asked == "pinned":
        serving.pin(2)
    else:
        serving.edit(version=None, follow="Latest")
    serving.act()
    serving.pods()
    serving.act()
    assert serving.weights() == {_service(serving, 1): 100, _service(serving, 2): 0}
    serving.world.remove("ModelVersion", "delays-v2")
    serving.converge()
    left = 2 if asked == "pinned" else 1
    assert serving.weights() == {_service(serving, left): 100}
    assert serving.conditions()["Ready"] == ("True", "Ready")


def test_a_successor_whose_version_is_deleted_before_it_is_ready_is_withdrawn() -> None:
    """Not in the route yet, it is remembered by nobody; the stable keeps all traffic."""
    serving = serving_on(1, 2)
    serving.pin(2)
    serving.act()
    serving.world.remove("ModelVersion", "delays-v2")
    serving.converge()
    assert serving.weights() == {_service(serving, 1): 100}
    assert serving.deployment(2) is None
    assert serving.conditions()["Ready"] == ("False", "VersionNotFound")


def test_versions_of_another_model_are_not_ours() -> None:
    """A ModelVersion of another model does not count, whatever its number."""
    serving = serving_on(1)
    other = serving.world.get("ModelVersion", "delays-v1")
    assert other is not None
    spec = {**other["spec"], "modelName": "other", "version": 9, "digest": digest("9")}
    serving.world.add({**other, "metadata": {"name": "other-v9"}, "spec": spec})
    serving.edit(version=None, follow="Latest")
    serving.converge()
    assert serves(serving) == 1


def _service(serving: Serving, number: int) -> str:
    found = serving.deployment(number)
    assert found is not None
    return str(found["metadata"]["name"])
