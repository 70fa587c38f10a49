"""The operator under the shipped ServiceAccount: the verbs in the audit log are those that the chart grants."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pintle.contract.names import API_VERSION

from tests.integration import rights
from tests.integration.kube import Space, eventually, serving
from tests.integration.objects import model_deployment, training_job
from tests.integration.operator_fixture import OperatorProcess, StandIn

SCOPES = pytest.mark.parametrize("namespaces", [(), ("team",)], ids=["cluster-wide", "named namespace"])

# Answers to what happens rarely: an Event that is repeated after minutes, an object changed between look and write.
RARE: set[rights.Right] = {
    ("patch", "events"),
}


@pytest.fixture
def world(namespaces: tuple[str, ...], tmp_path: Path) -> Iterator[tuple[Space, OperatorProcess]]:
    """An audited server with the operator under the chart's account."""
    with serving(gateway=True, audit=True) as (server, rest):
        for name in ("team", "other"):
            rest.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        kubeconfig = rights.install_account(server, namespaces)
        env = {"PINTLE_DRAIN_SECONDS": "1"}
        with OperatorProcess(
            kubeconfig, tmp_path, namespaces=namespaces, lease_namespace=rights.SYSTEM, env=env
        ) as operator:
            operator.wait_leading()
            yield Space(server, rest, "team"), operator


def is_true(space: Space, kind: str, name: str, condition: str) -> bool:
    body = space.get(API_VERSION, kind, name) or {}
    found = (body.get("status") or {}).get("conditions") or ()
    return any(item["type"] == condition and item["status"] == "True" for item in found)


def whole_life(space: Space) -> None:
    """Everything that a user does with the three kinds, one after the other; each line makes the operator act."""
    stand_in = StandIn(space.rest, space.name)
    space.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "code"}, "data": {"train.py": ""}})
    job = training_job(source={"configMapRef": {"name": "code"}}, runsHistoryLimit=1)
    gateway = {"parentRefs": [{"name": "edge"}]}
    serving = model_deployment(runtime={"minReplicas": 2, "maxReplicas": 4}, traffic__gateway=gateway)
    with stand_in.at_work():
        space.create(job)
        eventually(lambda: is_true(space, "ModelVersion", "delays-v1", "Ready"))
        space.create(serving)
        eventually(lambda: is_true(space, "ModelDeployment", "delays", "Ready"))
        change(space, job, seed=2)
        eventually(lambda: is_true(space, "ModelVersion", "delays-v2", "Ready"))
        eventually(lambda: len(space.list("batch/v1", "Job")) == 1)
        change(space, serving, version=2)
        eventually(lambda: serves(space, 2) and len(space.list("apps/v1", "Deployment")) == 1, 40)
        change(space, serving, runtime={"minReplicas": 3, "maxReplicas": 5})
        eventually(lambda: [hpa["spec"]["maxReplicas"] for hpa in autoscalers(space)] == [5])
        change(space, serving, runtime={"minReplicas": 4, "maxReplicas": None})
        eventually(lambda: not autoscalers(space))
        eventually(lambda: [item["spec"]["replicas"] for item in space.list("apps/v1", "Deployment")] == [4])
        (budget,) = space.list("policy/v1", "PodDisruptionBudget")
        change(space, budget, maxUnavailable=2)
        eventually(lambda: space.list("policy/v1", "PodDisruptionBudget")[0]["spec"]["maxUnavailable"] == 1)
        change(space, serving, runtime={"minReplicas": 1})
        eventually(lambda: not space.list("policy/v1", "PodDisruptionBudget"))
        change(space, serving, traffic={"gateway": None})
        eventually(lambda: not space.list("gateway.networking.k8s.io/v1", "HTTPRoute"))
    change(space, job, seed=3)
    eventually(lambda: [item for item in space.list("batch/v1", "Job") if not item.get("status")])
    change(space, job, suspend=True)
    eventually(lambda: [item for item in space.list("batch/v1", "Job") if item["spec"].get("suspend")])


def change(space: Space, body: dict[str, Any], **spec: Any) -> None:
    space.rest.merge(space.placed(body), {"spec": spec})


def autoscalers(space: Space) -> list[dict[str, Any]]:
    return space.list("autoscaling/v2", "HorizontalPodAutoscaler")


def serves(space: Space, version: int) -> bool:
    body = space.get(API_VERSION, "ModelDeployment", "delays") or {}
    return bool(((body.get("status") or {}).get("stable") or {}).get("version") == version)


@SCOPES
def test_verbs_used_are_those_granted(world: tuple[Space, OperatorProcess], namespaces: tuple[str, ...]) -> None:
    """Nothing it tries is forbidden, and nothing is granted that it does not use."""
    space, operator = world
    whole_life(space)
    assert operator.terminate() == 0
    options = ["--set", "watchNamespaces={team}"] if namespaces else []
    granted, used = rights.granted(rights.chart(*options)), rights.used(space.server)
    assert rights.denied(space.server) == []
    assert used - granted == set()
    assert granted - used - RARE == set()
