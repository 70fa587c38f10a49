"""Serving on the real cluster, through the real gateway, under load."""

from __future__ import annotations

import math

import httpx
import pytest

from e2e.cluster.access import access
from e2e.kubectl import Kubectl, condition
from e2e.tests.conftest import World
from e2e.tests.load import Load
from e2e.tests.objects import ROW, TRAIN, config_map, load_claim, model_deployment, months, served, training_job


@pytest.fixture
def trained(kube: Kubectl, runner_image: str) -> Kubectl:
    """A namespace with the Ready version late-v1."""
    load_claim(kube, runner_image, months())
    kube.apply(config_map("code", train_py=TRAIN), training_job())
    kube.wait("tj", "late", "Succeeded", timeout=300)
    kube.wait("mver", "late-v1", "Ready", timeout=180)
    return kube


def serve(kube: Kubectl, **spec: object) -> str:
    """Applies the ModelDeployment, waits until it is Ready and the gateway has taken its route; returns the path."""
    path = f"/{kube.namespace}"
    kube.apply(model_deployment(path=path, **spec))
    kube.wait("mdep", "late", "Ready", timeout=180)
    with httpx.Client(timeout=5) as client:
        assert served(f"{access().gateway}{path}", client)
    return path


def log_odds(prediction: dict[str, dict[str, float]]) -> float:
    """Of the positive class."""
    share = prediction["probabilities"]["1"]
    return math.log(share / (1 - share))


def test_a_version_is_served_through_the_gateway(trained: Kubectl, world: World, http: httpx.Client) -> None:
    """A row posted to the gateway comes back with a probability and the version that gave it, explained on demand."""
    path = serve(trained)
    answer = http.post(f"{world.gateway}{path}/predict", json={"rows": [ROW], "explain": True})
    assert answer.status_code == 200, answer.text
    (found,) = answer.json()["predictions"]
    assert found["contributions"].keys() == ROW.keys()
    assert found["base"] + sum(found["contributions"].values()) == pytest.approx(log_odds(found), abs=1e-3)
    assert "v1" in answer.text or '"version":"1"' in answer.text.replace(" ", "")
    bad = http.post(f"{world.gateway}{path}/predict", json={"rows": [{**ROW, "wind": "gale"}]})
    assert bad.status_code == 400
    assert "wind" in bad.text


def test_a_new_version_replaces_the_old_one_without_a_failed_request(trained: Kubectl, world: World) -> None:
    """follow: Latest takes the next version up under an open-loop load; nothing is lost, both versions answer."""
    path = serve(trained)
    with Load(f"{world.gateway}{path}/predict", {"rows": [ROW]}, per_second=40) as load:
        load.wait_for_version("1")
        trained.apply(training_job(hyperparameters=[{"name": "c", "value": "0.1"}]))
        trained.run("wait", "tj/late", "--for=jsonpath={.status.latestVersion}=2", "--timeout=240s", timeout=250)
        trained.run("wait", "mdep/late", "--for=jsonpath={.status.stable.version}=2", "--timeout=240s", timeout=250)
        trained.wait("mdep", "late", "Ready", timeout=120)
        load.wait_for_version("2")
        trained.wait_gone("deployments", "pintle.dev/deployment=late,pintle.dev/version=1", timeout=120)
    assert load.failures == []
    assert load.sent == load.answered


def test_a_revision_that_cannot_start_never_gets_traffic(trained: Kubectl, world: World, http: httpx.Client) -> None:
    """A broken runtime is reported after the deadline; what serves goes on and Available stays True."""
    path = serve(trained)
    broken = {"image": "pintle.invalid/nothing:1"}
    trained.apply(model_deployment(path=path, runtime=broken, rollout={"progressDeadlineSeconds": 15}))
    found = trained.wait_reason("mdep", "late", "Progressing", "RevisionNotReady", timeout=120)
    assert condition(found, "Available")["status"] == "True"
    assert condition(found, "Ready")["status"] == "False"
    assert http.post(f"{world.gateway}{path}/predict", json={"rows": [ROW]}).status_code == 200


def test_a_hand_written_version_goes_through_the_same_door(trained: Kubectl) -> None:
    """The same bytes under another name are verified and validated; a wrong digest is refused with both digests."""
    spec = trained.get("mver", "late-v1")["spec"]  # type: ignore[index]
    base = {key: spec[key] for key in ("modelFormat", "storageUri", "digest")}
    for name, digest in (("good", base["digest"]), ("bad", "sha256:" + "0" * 64)):
        trained.apply(
            {
                "apiVersion": "pintle.dev/v1alpha1",
                "kind": "ModelVersion",
                "metadata": {"name": f"{name}-v7"},
                "spec": {**base, "modelName": name, "version": 7, "digest": digest},
            }
        )
    trained.wait("mver", "good-v7", "Ready", timeout=120)
    bad = trained.wait_reason("mver", "bad-v7", "Verified", "DigestMismatch", timeout=120)
    assert base["digest"][:20] in condition(bad, "Verified")["message"]


def test_deleting_a_model_deployment_leaves_nothing_behind(trained: Kubectl) -> None:
    """Deployments, Services, autoscalers, budgets, routes and pods are gone; version and data stay."""
    serve(trained, runtime={"minReplicas": 1, "maxReplicas": 2, "resources": {"requests": {"cpu": "50m"}}})
    scaler = trained.list("hpa", "pintle.dev/deployment=late")[0]["metadata"]["name"]
    # The autoscaler really sees its pods: it has figures of them.
    trained.wait("hpa", scaler, "ScalingActive", timeout=120)
    trained.run("delete", "mdep", "late")
    for kind in ("deployments", "services", "hpa", "pdb", "httproutes", "pods"):
        trained.wait_gone(kind, "pintle.dev/deployment=late")
    assert trained.get("mver", "late-v1") is not None


def test_prometheus_counts_what_was_sent(trained: Kubectl, world: World, http: httpx.Client) -> None:
    """The cluster's Prometheus finds the pods by itself, and its counter reaches exactly the requests sent."""
    path = serve(trained)
    for _ in range(20):
        assert http.post(f"{world.gateway}{path}/predict", json={"rows": [ROW, ROW]}).status_code == 200
    query = f'sum(model_predictions_total{{namespace="{trained.namespace}",deployment="late"}}) == 40'
    found = access().wait_for_query(query, seconds=30)
    assert float(found[0]["value"][1]) == 40
