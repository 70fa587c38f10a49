"""Status and words for people."""

from __future__ import annotations

import json

import pytest
from pintle.api.deploymentstatus import ModelDeploymentStatus
from pintle.contract.result import encode
from pintle.core.rollout.trouble import LONGEST, trouble

from tests.builders import PodBuilder, model_deployment
from tests.serving_world import Serving


def pod() -> PodBuilder:
    return PodBuilder("delays-aaaaaaaa-x", ("fetch",), "server")


TROUBLES = {
    "an image that cannot be pulled": (
        pod().waiting("server", "ImagePullBackOff", "not found"),
        "server: ImagePullBackOff, not found",
    ),
    "a container that crashes": (
        pod().ended("server", 139, reason="OOMKilled"),
        "server ended with exit code 139 (OOMKilled)",
    ),
    "a digest that does not match, in the result's own words": (
        pod().ended(
            "fetch", 65, encode({"phase": "verify", "reason": "DigestMismatch", "message": "other bytes"}).decode()
        ),
        "fetch ended with exit code 65 (DigestMismatch: other bytes)",
    ),
    "no node": (
        pod().unscheduled("0/3 nodes: Insufficient cpu"),
        "pod cannot be scheduled: 0/3 nodes: Insufficient cpu",
    ),
    "a pod that is starting": (pod().waiting("server", "PodInitializing"), ""),
    "a container that has done its work": (pod().ended("fetch", 0), ""),
}


@pytest.mark.parametrize("what", TROUBLES)
def test_a_pod_in_trouble_is_put_into_words(what: str) -> None:
    """The kubelet's, the scheduler's or the container's own."""
    built, words = TROUBLES[what]
    assert trouble([built.obj()]) == words


def test_a_crash_before_the_present_restart_is_told() -> None:
    """CrashLoopBackOff alone says nothing; how the container ended does."""
    state = {"name": "server", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    state["lastState"] = {"terminated": {"exitCode": 1, "message": "ValueError: no such column"}}
    found = trouble([pod().status(containerStatuses=[state]).obj()])
    assert found == "server ended with exit code 1 (ValueError: no such column)"


def test_of_a_long_log_the_end_is_told() -> None:
    """What broke stands at the end, and the message stays bounded."""
    found = trouble([pod().ended("server", 1, "x" * 3000 + "the last line").obj()])
    assert "the last line" in found
    assert len(found) <= LONGEST


def test_the_longest_status_stays_below_20_kb() -> None:
    """Long names, URIs, images and messages, a full history, two revisions, four conditions."""
    image = "registry.example.com/" + "i" * 299
    parent = model_deployment("d" * 50).on_promoted("a" * 63).runtime(image=image)
    parent.gateway(hostnames=["h" * 253], path="/" + "p" * 127)
    serving = Serving(parent.obj())
    serving.world.add(
        model_deployment("e" * 50).on_promoted("a" * 63).metadata(creationTimestamp="2020-01-01T00:00:00Z").obj()
    )
    for number in range(1, 14):
        serving.publish(number)
        version = serving.world.objects["ModelVersion", f"delays-v{number}"]
        version["spec"]["storageUri"] = "s3://b/" + "u" * 313
        serving.converge()
    serving.write_error = "é" * 5000
    serving.publish(14)
    serving.act()
    ModelDeploymentStatus.model_validate(serving.status)
    assert len(serving.status["history"]) == 10
    assert len(serving.status["conditions"]) == 4
    assert "canary" in serving.status
    assert len(json.dumps(serving.status, ensure_ascii=False).encode()) < 20_000


def test_events_tell_of_deeds_and_of_changes_once() -> None:
    """A promotion and what it changes in the conditions; a look that changes nothing has none."""
    serving = Serving(model_deployment().gateway().obj())
    serving.act()
    serving.pods()
    told = [event.message for event in serving.act().events]
    assert any(message.startswith("Serve version 1") for message in told)
    serving.converge()
    assert serving.look().events == ()
