"""The operator as it is installed: two replicas, upgrades, restarts."""

from __future__ import annotations

import json

import pytest

from e2e import images
from e2e.cluster import node, provider
from e2e.cluster.access import access
from e2e.install import helm
from e2e.kubectl import Kubectl
from e2e.tests.conftest import World
from e2e.tests.objects import TRAIN, config_map, load_claim, model_deployment, months, training_job

OPERATOR = images.NAMESPACE


@pytest.fixture
def system(world: World) -> Kubectl:
    return Kubectl(world.kubeconfig, OPERATOR)


def test_the_installed_operator_passes_restricted(system: Kubectl) -> None:
    """The operator's namespace enforces Pod Security "restricted" and its pods run there."""
    namespace = system.get("namespace", OPERATOR)
    assert namespace is not None
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    # Tests beside this one take a pod away: its successor has to come to run, too.
    said = system.run("rollout", "status", "deployment/pintle", "--timeout=120s", timeout=130)
    assert "successfully rolled out" in said


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


@pytest.fixture
def other_server_image() -> str:
    """The server image under another name, known to the node."""
    if provider.choose().name != "source":
        pytest.skip("gives an image a second name in the containerd of the cluster from source")
    other = f"{images.server_image().rpartition(':')[0]}:another-default"
    node.ctr("images", "tag", "--force", images.server_image(), other)
    return other


def test_an_upgrade_with_another_default_image_restarts_no_pod(
    kube: Kubectl, runner_image: str, other_server_image: str
) -> None:
    """Revisions keep the image they were made with; only a revision made after the upgrade has the new default."""
    load_claim(kube, runner_image, months())
    kube.apply(config_map("code", train_py=TRAIN), training_job(), model_deployment())
    kube.wait("mdep", "late", "Ready", timeout=300)
    before = {pod["metadata"]["uid"] for pod in kube.list("pods", "pintle.dev/deployment=late")}
    chart = ("upgrade", "pintle", "charts/pintle", f"--namespace={OPERATOR}", "--reuse-values", "--wait")
    helm(access(), *chart, f"--set=image.server={other_server_image}")
    try:
        kube.apply(model_deployment("after"))
        kube.wait("mdep", "after", "Ready", timeout=180)
        assert images_of(kube, "after") == {other_server_image}
        assert {pod["metadata"]["uid"] for pod in kube.list("pods", "pintle.dev/deployment=late")} == before
        assert images_of(kube, "late") == {images.server_image()}
    finally:
        helm(access(), *chart, f"--set=image.server={images.server_image()}")


def images_of(kube: Kubectl, name: str) -> set[str]:
    """Images of the containers that a ModelDeployment's pods run."""
    pods = kube.list("pods", f"pintle.dev/deployment={name}")
    return {container["image"] for pod in pods for container in pod["spec"]["containers"]}
