"""A new revision replaces the old one without a gap; whatever goes wrong, the old one serves on."""

from __future__ import annotations

from typing import Any

import pytest
from pintle.contract import names

from tests.builders import model_deployment
from tests.serving_world import Serving


def started(**runtime: Any) -> Serving:
    """Version 1 serves behind a gateway."""
    serving = Serving(model_deployment().gateway().runtime(**runtime).obj(), versions=(1,))
    serving.converge()
    serving.world.log.clear()
    return serving


def service_of(serving: Serving, number: int) -> str:
    found = serving.deployment(number)
    assert found is not None
    return str(found["metadata"]["name"])


def root_selects(serving: Serving) -> str:
    root = serving.world.get("Service", "delays")
    assert root is not None
    return "delays-" + root["spec"]["selector"][names.LABEL_REVISION]


def warm(serving: Serving) -> None:
    """As far as the successor's pods being ready."""
    serving.act()
    serving.pods()


def join(serving: Serving) -> None:
    """As far as the successor being in the route with weight 0."""
    warm(serving)
    serving.act()


def promote(serving: Serving) -> None:
    """As far as the successor carrying all traffic, the old one still there."""
    join(serving)
    serving.world.tick(1.5)
    serving.act()


def test_the_route_is_made_when_the_first_pod_is_ready() -> None:
    """No route leads to nothing."""
    serving = Serving(model_deployment().gateway().obj())
    serving.act()
    assert serving.route is None
    assert serving.conditions()["Progressing"] == ("True", "Starting")
    serving.pods()
    serving.act()
    assert serving.weights() == {service_of(serving, 1): 100}


def test_the_first_revision_serves_with_its_first_ready_pod() -> None:
    """Three replicas are asked for; the first that is warmed is enough to begin."""
    serving = Serving(model_deployment().gateway().runtime(minReplicas=3).obj())
    serving.act()
    found = serving.deployment(1)
    assert found is not None
    serving.world.set_status("Deployment", found["metadata"]["name"], {"readyReplicas": 1, "observedGeneration": 1})
    serving.act()
    assert serving.weights() == {service_of(serving, 1): 100}


def test_a_replacement_goes_step_by_step() -> None:
    """Warm beside the old one, weight 0, all traffic in one write, root Service, drain, delete."""
    serving = started()
    serving.publish(2)
    old = service_of(serving, 1)
    warm(serving)
    new = service_of(serving, 2)
    assert serving.weights() == {old: 100}
    serving.act()
    assert serving.weights() == {old: 100, new: 0}
    serving.act()
    assert serving.weights() == {old: 100, new: 0}, "gateways have had no time to learn its pods"
    assert root_selects(serving) == old
    serving.world.tick(1.5)
    serving.act()
    assert serving.weights() == {new: 100}
    assert root_selects(serving) == old
    serving.act()
    assert root_selects(serving) == new
    serving.world.tick(9)
    serving.act()
    assert serving.deployment(1) is not None, "open requests have 10 seconds"
    serving.world.tick(1.5)
    serving.act()
    assert serving.deployment(1) is None
    assert serving.world.get("Service", old) is None


def test_deleting_a_revision_is_guarded_by_a_write_of_the_record() -> None:
    """A look at stale facts would conflict in the traffic write before it deletes anything."""
    serving = started()
    serving.publish(2)
    promote(serving)
    serving.act()
    serving.world.tick(11)
    decided = serving.look()
    assert [target.kind for target in decided.delete] == ["Service", "Deployment"]
    assert decided.traffic is not None
    assert decided.traffic["metadata"]["resourceVersion"] == serving.route["metadata"]["resourceVersion"]  # type: ignore[index]


def test_every_traffic_write_carries_the_resource_version_it_was_decided_on() -> None:
    """Only the very first one has none, because nothing is there."""
    serving = Serving(model_deployment().gateway().obj())
    serving.act()
    serving.pods()
    first = serving.act().traffic
    assert first is not None
    assert "resourceVersion" not in first["metadata"]
    serving.publish(2)
    warm(serving)
    joined = serving.look().traffic
    assert joined is not None
    assert joined["metadata"]["resourceVersion"] == serving.route["metadata"]["resourceVersion"]  # type: ignore[index]


def test_all_pods_of_the_successor_must_be_ready() -> None:
    """Two of three are not enough to take the traffic of three."""
    serving = started(minReplicas=3)
    serving.publish(2)
    serving.act()
    found = serving.deployment(2)
    assert found is not None
    assert found["spec"]["replicas"] == 3
    status = {"observedGeneration": 1, "updatedReplicas": 3, "readyReplicas": 2}
    serving.world.set_status("Deployment", found["metadata"]["name"], status)
    serving.act()
    assert serving.weights() == {service_of(serving, 1): 100}


def test_a_successor_that_loses_its_pods_at_weight_0_waits() -> None:
    """Ready once is not ready now."""
    serving = started()
    serving.publish(2)
    join(serving)
    serving.broken.add(2)
    serving.pods()
    serving.world.tick(5)
    serving.act()
    assert serving.weights() == {service_of(serving, 1): 100, service_of(serving, 2): 0}


def test_a_newer_revision_replaces_the_successor_never_the_stable() -> None:
    """Version 3 arrives while version 2 warms up: 2 leaves the route, 1 keeps all traffic until 3 is ready."""
    serving = started()
    serving.publish(2)
    join(serving)
    serving.publish(3)
    warm(serving)
    assert serving.weights() == {service_of(serving, 1): 100}
    serving.converge()
    assert serving.weights() == {service_of(serving, 3): 100}
    assert serving.deployment(1) is None
    assert serving.deployment(2) is None


def test_going_back_while_the_old_pods_are_there_is_one_route_write() -> None:
    """Nothing is created: the next look after the spec went back has moved the traffic."""
    serving = started()
    serving.publish(2)
    promote(serving)
    serving.world.log.clear()
    serving.pin(1)
    serving.act()
    assert serving.weights() == {service_of(serving, 1): 100}
    assert [entry for entry in serving.world.log if entry.startswith("create")] == []
    assert serving.status["history"][0]["action"] == "Return"
    serving.converge()
    assert serving.deployment(2) is None
    assert serving.deployment(1) is not None


def test_a_revision_that_never_becomes_ready_is_reported_and_the_old_one_serves_on() -> None:
    """After progressDeadlineSeconds Progressing is False/RevisionNotReady with the kubelet's own words."""
    serving = started()
    serving.broken.add(2)
    serving.publish(2)
    serving.act()
    serving.pods()
    serving.act()
    assert serving.conditions()["Progressing"] == ("True", "Replacing")
    serving.world.tick(601)
    serving.converge()
    assert serving.conditions()["Progressing"] == ("False", "RevisionNotReady")
    assert serving.conditions()["Ready"] == ("False", "RevisionNotReady")
    assert serving.conditions()["Available"] == ("True", "Serving")
    assert "no such image" in serving.status["conditions"][1]["message"]
    assert serving.weights() == {service_of(serving, 1): 100}


@pytest.mark.parametrize("cure", ["another runtime", "the old version", "a newer version", "the pods come up"])
def test_what_gets_a_deployment_out_of_revision_not_ready(cure: str) -> None:
    """A changed spec resolves it, and so does a cause that goes away by itself."""
    serving = started()
    serving.broken.add(2)
    serving.publish(2)
    serving.converge()
    serving.world.tick(601)
    serving.converge()
    if cure == "another runtime":
        serving.broken.clear()
        serving.runtime(env=[{"name": "THREADS", "value": "1"}])
    elif cure == "the old version":
        serving.pin(1)
    elif cure == "a newer version":
        serving.publish(3)
    else:
        serving.broken.clear()
    serving.converge()
    assert serving.conditions()["Ready"] == ("True", "Ready")
    assert len(serving.world.list("Deployment")) == 1


def test_a_first_revision_that_cannot_start_makes_room_for_the_next() -> None:
    """Nothing serves, so the broken one is deleted at once and not after a drain."""
    serving = Serving(model_deployment().gateway().obj())
    serving.broken.add(1)
    serving.converge()
    serving.publish(2)
    serving.act()
    assert serving.deployment(1) is None
    serving.converge()
    assert serving.conditions()["Ready"] == ("True", "Ready")


def test_a_stable_without_pods_hands_over_to_the_first_pod_that_answers() -> None:
    """Waiting for all of the successor's pods would help nobody."""
    serving = started(minReplicas=3)
    serving.publish(2)
    serving.act()
    serving.pods(become=lambda found: found["metadata"]["labels"][names.LABEL_VERSION] == "2")
    found = serving.deployment(2)
    assert found is not None
    serving.world.set_status("Deployment", found["metadata"]["name"], {**found["status"], "readyReplicas": 1})
    serving.act()
    assert serving.weights() == {service_of(serving, 2): 100}


def test_a_stable_that_lost_all_pods_says_so_and_recovers() -> None:
    """Available False/NoReadyPods, with the route left as it is."""
    serving = started()
    serving.broken.add(1)
    serving.pods()
    serving.act()
    assert serving.conditions()["Available"] == ("False", "NoReadyPods")
    assert serving.conditions()["Ready"] == ("False", "NoReadyPods")
    assert serving.weights() == {service_of(serving, 1): 100}
    serving.broken.clear()
    serving.converge()
    assert serving.conditions()["Ready"] == ("True", "Ready")


def test_a_stable_whose_deployment_somebody_deleted_is_made_again() -> None:
    """With the model and image it had, also when its ModelVersion is gone and the default image is another."""
    serving = started()
    serving.world.remove("ModelVersion", "delays-v1")
    serving.upgrade("pintle/server:2")
    name = service_of(serving, 1)
    serving.world.remove("Deployment", name)
    serving.converge()
    made = serving.world.get("Deployment", name)
    assert made is not None
    assert made["spec"]["template"]["spec"]["containers"][0]["image"] == "pintle/server:1"
    assert serving.conditions()["Ready"] == ("True", "Ready")


def test_another_default_image_restarts_no_pod() -> None:
    """An upgraded operator writes nothing at all; only the next revision gets its image."""
    serving = started()
    serving.upgrade("pintle/server:2")
    assert serving.look().changes_nothing
    serving.publish(2)
    serving.converge()
    found = serving.deployment(2)
    assert found is not None
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "pintle/server:2"


def test_a_hand_edited_pod_template_is_put_right() -> None:
    """Somebody else's image in our Deployment does not stay."""
    serving = started()
    name = service_of(serving, 1)
    found = serving.world.get("Deployment", name)
    assert found is not None
    found["spec"]["template"]["spec"]["containers"][0]["image"] = "evil:1"
    serving.converge()
    healed = serving.world.get("Deployment", name)
    assert healed is not None
    assert healed["spec"]["template"]["spec"]["containers"][0]["image"] == "pintle/server:1"


def test_the_same_bytes_in_the_same_runtime_are_the_same_revision() -> None:
    """A version registered twice restarts no pod; a changed runtime is a new revision; replicas are neither."""
    serving = started()
    twin = serving.world.get("ModelVersion", "delays-v1")
    assert twin is not None
    metadata = {**twin["metadata"], "name": "delays-v2"}
    serving.world.add({**twin, "metadata": metadata, "spec": {**twin["spec"], "version": 2}})
    serving.converge()
    serving.runtime(minReplicas=2)
    serving.converge()
    assert len(serving.world.list("Deployment")) == 1
    assert serving.world.log.count("create Deployment " + service_of(serving, 1)) == 0
    serving.runtime(env=[{"name": "THREADS", "value": "1"}])
    serving.act()
    assert len(serving.world.list("Deployment")) == 2


def test_a_deployment_that_is_being_deleted_is_left_to_the_garbage_collector() -> None:
    """Nothing is written, and everything made is owned by it."""
    serving = started()
    kinds = ("Deployment", "Service", "HTTPRoute")
    made = [item for kind in kinds for item in serving.world.list(kind)]
    assert len(made) == 4
    uid = serving.parent["metadata"]["uid"]
    assert all(item["metadata"]["ownerReferences"][0]["uid"] == uid for item in made)
    serving.parent["metadata"]["deletionTimestamp"] = "2026-01-05T12:00:00Z"
    assert serving.look().changes_nothing


def test_a_refused_write_is_said_and_stops_nothing_that_serves() -> None:
    """The API server's own words, as SpecInvalid; another owner's object, as RouteConflict."""
    serving = started()
    serving.write_error = 'Deployment.apps "delays-1" is invalid: spec...limits[cpu]: must be positive'
    serving.act()
    assert serving.conditions()["Ready"] == ("False", "SpecInvalid")
    assert serving.conditions()["Available"] == ("True", "Serving")
    serving.write_error = "Service delays exists and belongs to another owner"
    serving.act()
    assert serving.conditions()["Progressing"] == ("False", "RouteConflict")
    serving.write_error = None
    serving.converge()
    assert serving.conditions()["Ready"] == ("True", "Ready")


def test_while_a_write_is_refused_the_status_tells_of_no_traffic_that_was_not_moved() -> None:
    """The executor holds the traffic write back then, so the old revision is still the stable one."""
    serving = started()
    serving.publish(2)
    join(serving)
    serving.world.tick(5)
    serving.write_error = "forbidden"
    decided = serving.look()
    assert decided.status is not None
    assert decided.status["stable"]["version"] == 1
    assert decided.status["history"][0]["action"] == "Serve"


def test_history_holds_the_ten_newest_deeds() -> None:
    """Newest first, one entry a deed."""
    serving = started()
    for number in range(2, 14):
        serving.publish(number)
        serving.converge()
    history = serving.status["history"]
    assert [entry["version"] for entry in history] == list(range(13, 3, -1))
    assert {entry["action"] for entry in history} == {"Promote"}
