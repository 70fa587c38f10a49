"""The operator as it is installed: two replicas, upgrades, restarts."""

from __future__ import annotations

import json

import pytest

from e2e.kubectl import Kubectl
from e2e.tests.conftest import World
from e2e.tests.objects import TRAIN, config_map, load_claim, months, training_job

OPERATOR = "pintle-system"


@pytest.fixture
def system(world: World) -> Kubectl:
    return Kubectl(world.kubeconfig, OPERATOR)


def test_the_installed_operator_passes_restricted(system: Kubectl) -> None:
    """The operator's namespace enforces Pod Security "restricted" and its pods run there."""
    namespace = system.get("namespace", OPERATOR)
    assert namespace is not None
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    pods = system.list("pods", "app.kubernetes.io/name=pintle")
    assert pods
    assert all(pod["status"]["phase"] == "Running" for pod in pods)


def test_a_run_survives_the_loss_of_the_leader(kube: Kubectl, system: Kubectl, runner_image: str) -> None:
    """The Lease holder's pod is deleted while a run trains: another goes on, and there is one Job and one version."""
    load_claim(kube, runner_image, months())
    kube.apply(config_map("code", train_py=TRAIN), training_job())
    kube.wait_reason("tj", "late", "Succeeded", "Running", timeout=60)
    leases = [item for item in system.list("leases") if item["metadata"]["name"].startswith("pintle")]
    holder = leases[0]["spec"]["holderIdentity"]
    pods = system.list("pods", "app.kubernetes.io/name=pintle")
    leader = next(pod["metadata"]["name"] for pod in pods if pod["metadata"]["uid"] in holder)
    system.run("delete", "pod", leader, "--wait=false")
    kube.wait("tj", "late", "Succeeded", timeout=300)
    assert len(kube.list("jobs")) == 1
    assert [item["metadata"]["name"] for item in kube.list("mver")] == ["late-v1"]
    assert "late-v1" in json.dumps(kube.get("mver", "late-v1"))
