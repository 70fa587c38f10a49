"""The rollout's objects on a real API server: what it adds and rewrites must not look like a difference to us.

There are no controllers here, so the test says which pods are ready.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pintle.contract import names
from pintle.core.plan import Plan, Policy
from pintle.core.rollout.fleet import API_VERSIONS
from pintle.core.rollout.observed import DeploymentObserved
from pintle.core.rollout.plan import plan

from tests.integration.kube import Space
from tests.integration.objects import model_deployment, model_version

POLICY = Policy(server_image="pintle/server:1", runner_image="pintle/runner:1", drain=timedelta(seconds=10))
RUNTIME = {
    "minReplicas": 2,
    "maxReplicas": 4,
    "resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}, "limits": {"cpu": "1000m"}},
    "env": [
        {"name": "THREADS", "value": "1"},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
    ],
    "nodeSelector": {"pool": "serving"},
}
GATEWAY = {"gateway": {"parentRefs": [{"name": "pintle"}], "hostnames": ["a.example.com"], "path": "/delays"}}
SPECS: dict[str, dict[str, Any]] = {
    "everything said": {"runtime": RUNTIME, "traffic": GATEWAY, "onPromoted": {"alias": "champion"}},
    "nothing said": {},
    "another server": {"runtime": {"image": "mlserver:1.7.1"}, "traffic": GATEWAY},
}


class Rollout:
    """Looks at the ModelDeployment `delays` of a namespace, and does what is decided."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.now = datetime.now(UTC)

    def publish(self, number: int, **changes: Any) -> None:
        version = model_version(version=number, digest="sha256:" + str(number) * 64, **changes)
        self.space.create(version)
        time = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        ready = {"type": "Ready", "status": "True", "reason": "Ready", "message": "", "lastTransitionTime": time}
        self.space.set_status(version, {"conditions": [ready]})

    def look(self) -> Plan:
        space = self.space
        children = {kind: tuple(space.list(version, kind)) for kind, version in API_VERSIONS.items()}
        parent = space.get(names.API_VERSION, "ModelDeployment", "delays")
        assert parent is not None
        observed = DeploymentObserved(
            parent=parent,
            versions=tuple(space.list(names.API_VERSION, "ModelVersion")),
            model_deployments=(parent,),
            deployments=children["Deployment"],
            services=children["Service"],
            autoscalers=children["HorizontalPodAutoscaler"],
            budgets=children["PodDisruptionBudget"],
            route=next(iter(children["HTTPRoute"]), None),
        )
        return plan(observed, self.now, POLICY)

    def act(self) -> Plan:
        decided = self.look()
        for body in decided.create:
            self.space.create(body)
        for body in (*decided.apply, *([decided.traffic] if decided.traffic else [])):
            self.space.apply(body, names.FIELD_MANAGER)
        if decided.status is not None:
            self.space.set_status(model_deployment(), decided.status)
        for target in decided.delete:
            metadata = {"namespace": target.namespace, "name": target.name}
            self.space.rest.delete({"apiVersion": target.api_version, "kind": target.kind, "metadata": metadata})
        return decided

    def pods(self) -> None:
        """Every pod that is asked for is ready."""
        for found in self.space.list("apps/v1", "Deployment"):
            count = found["spec"]["replicas"]
            counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), count)
            status = {"observedGeneration": found["metadata"]["generation"], **counts}
            body = {"apiVersion": "apps/v1", "kind": "Deployment", **found}
            self.space.rest.merge(body, {"status": status}, "status")

    def converge(self) -> None:
        for _ in range(20):
            if self.act().changes_nothing and self.look().requeue_after is None:
                return
            self.pods()
            self.now += timedelta(seconds=6)
        pytest.fail(f"no rest: {self.look()}")

    def versions(self) -> dict[str, str]:
        """resourceVersion of everything."""
        kinds = {**API_VERSIONS, "ModelDeployment": names.API_VERSION}
        return {
            f"{kind} {item['metadata']['name']}": item["metadata"]["resourceVersion"]
            for kind, version in kinds.items()
            for item in self.space.list(version, kind)
        }


def started(space: Space, spec: Mapping[str, Any]) -> Rollout:
    rollout = Rollout(space)
    rollout.publish(1)
    body = model_deployment(version=1)
    space.create({**body, "spec": {**body["spec"], **spec}})
    rollout.converge()
    return rollout


@pytest.mark.parametrize("said", SPECS)
def test_after_convergence_nothing_is_written_and_a_replacement_converges_too(space: Space, said: str) -> None:
    """Defaults, "0.5" read back as "500m" and dropped empty lists are no differences; strict validation accepts all."""
    rollout = started(space, SPECS[said])
    before = rollout.versions()
    for _ in range(10):
        rollout.act()
    assert rollout.versions() == before
    rollout.publish(2)
    _change(space, {**SPECS[said], "version": 2})
    rollout.converge()
    found = space.list("apps/v1", "Deployment")
    assert [item["metadata"]["labels"][names.LABEL_VERSION] for item in found] == ["2"]
    parent = space.get(names.API_VERSION, "ModelDeployment", "delays")
    assert parent is not None
    assert parent["status"]["stable"]["version"] == 2
    before = rollout.versions()
    rollout.act()
    assert rollout.versions() == before


def test_an_autoscaler_added_later_does_not_take_pods_away(space: Space) -> None:
    """A number that we applied once is not reset to one by a later apply (measured: it would be)."""
    rollout = started(space, {"runtime": {"minReplicas": 2}})
    _change(space, {"runtime": {"minReplicas": 3}})
    rollout.converge()
    _change(space, {"runtime": {"minReplicas": 3, "maxReplicas": 5}})
    rollout.converge()
    (found,) = space.list("apps/v1", "Deployment")
    assert found["spec"]["replicas"] == 3
    assert len(space.list("autoscaling/v2", "HorizontalPodAutoscaler")) == 1
    _heal(space, rollout, found)
    (found,) = space.list("apps/v1", "Deployment")
    assert found["spec"]["replicas"] == 3


def test_removed_hosts_and_paths_leave_the_route(space: Space) -> None:
    """What the user no longer says is no longer in the route."""
    rollout = started(space, {"traffic": GATEWAY})
    _change(space, {"traffic": {"gateway": {"parentRefs": [{"name": "pintle"}]}}})
    rollout.converge()
    (route,) = space.list("gateway.networking.k8s.io/v1", "HTTPRoute")
    assert not route["spec"].get("hostnames")
    assert not [item for rule in route["spec"]["rules"] for item in rule["filters"] if item["type"] == "URLRewrite"]
    _change(space, {"traffic": {}})
    rollout.converge()
    assert space.list("gateway.networking.k8s.io/v1", "HTTPRoute") == []
    (root,) = [item for item in space.list("v1", "Service") if item["metadata"]["name"] == "delays"]
    assert root["metadata"]["annotations"][names.ANNOTATION_ROLLOUT]


def test_a_stale_traffic_write_conflicts(space: Space) -> None:
    """What was decided upon an older route does not move traffic."""
    rollout = started(space, {"traffic": GATEWAY})
    _change(space, {"traffic": {"gateway": {**GATEWAY["gateway"], "path": "/other"}}})
    decided = rollout.look()
    assert decided.traffic is not None
    route = space.get("gateway.networking.k8s.io/v1", "HTTPRoute", "delays")
    assert route is not None
    space.rest.merge(route, {"metadata": {"labels": {"someone": "else"}}})
    with pytest.raises(AssertionError, match="409"):
        space.apply(decided.traffic, names.FIELD_MANAGER)


@pytest.mark.parametrize("said", SPECS)
def test_pods_pass_pod_security_restricted(space: Space, said: str) -> None:
    """A pod of the template is admitted in a namespace that enforces "restricted"."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    space.rest.merge(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space.name}}, {"metadata": {"labels": labels}}
    )
    space.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}})
    started(space, SPECS[said])
    (found,) = space.list("apps/v1", "Deployment")
    template = found["spec"]["template"]
    metadata = {"name": "pod", "labels": template["metadata"]["labels"]}
    made = space.create(
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}, dry_run=True
    )
    mounts = [m["mountPath"] for c in made["spec"]["containers"] for m in c["volumeMounts"]]
    assert not [mount for mount in mounts if "serviceaccount" in mount or "secrets" in mount]


def _change(space: Space, spec: Mapping[str, Any]) -> None:
    """The user's spec as a whole, as `kubectl replace` does it."""
    parent = space.get(names.API_VERSION, "ModelDeployment", "delays")
    assert parent is not None
    space.rest.replace({**parent, "spec": {"modelName": "delays", "version": 1, **spec}})


def _heal(space: Space, rollout: Rollout, found: dict[str, Any]) -> None:
    """Somebody removes a label of our Deployment; it comes back."""
    body = {"apiVersion": "apps/v1", "kind": "Deployment", **found}
    space.rest.merge(body, {"metadata": {"labels": {names.LABEL_MODEL: "other"}}})
    rollout.converge()
    (healed,) = space.list("apps/v1", "Deployment")
    assert healed["metadata"]["labels"][names.LABEL_MODEL] == "delays"
