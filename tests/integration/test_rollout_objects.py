"""The rollout's objects on a real API server: what it adds and rewrites must not look like a difference to us.

There are no controllers here, so the test says which pods are ready.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pintle.contract import names
from pintle.core.judgement.verdict import Arm, Judgement, TestResult
from pintle.core.plan import Plan, Policy
from pintle.core.rollout.fleet import API_VERSIONS
from pintle.core.rollout.observed import DeploymentObserved
from pintle.core.rollout.plan import plan
from pintle.core.rollout.record import Record
from pintle.core.rollout.trial import origin_of, pair_of
from pintle.resources.routes import weights_in

from tests.integration.kube import Space
from tests.integration.objects import model_deployment, model_version

POLICY = Policy(
    server_image="pintle/server:1", runner_image="pintle/runner:1", drain=timedelta(seconds=10), has_metrics=True
)
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
CANARY: dict[str, Any] = {
    "traffic": GATEWAY,
    "runtime": {"minReplicas": 2, "maxReplicas": 4},
    "rollout": {"sensitivity": "Fast", "steps": [{"weight": 20, "minSeconds": 6}, {"weight": 50, "minSeconds": 6}]},
    "guard": {"seconds": 30, "holdbackWeight": 10},
    "onPromoted": {"alias": "champion"},
}
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
        self.verdict: str | None = None
        self.word: dict[str, Any] | None = None

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
        if self.word is not None:
            parent["metadata"]["annotations"] = {names.ANNOTATION_ACTION: json.dumps(self.word)}
        route = next(iter(children["HTTPRoute"]), None)
        observed = DeploymentObserved(
            parent=parent,
            versions=tuple(space.list(names.API_VERSION, "ModelVersion")),
            model_deployments=(parent,),
            deployments=children["Deployment"],
            services=children["Service"],
            autoscalers=children["HorizontalPodAutoscaler"],
            budgets=children["PodDisruptionBudget"],
            route=route,
            judgement=_judgement(route, self.verdict, self.now),
        )
        return plan(observed, self.now, POLICY)

    def until(self, met: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Looks, pods and time until the status is so; every status is taken by the API server as it was decided."""
        for _ in range(40):
            decided = self.act()
            status = self.status()
            if decided.status is not None:
                assert status == decided.status, "the API server has cut something off"
            if met(status):
                return status
            self.pods()
            self.now += timedelta(seconds=3)
        pytest.fail(f"never: {self.status()}")

    def status(self) -> dict[str, Any]:
        parent = self.space.get(names.API_VERSION, "ModelDeployment", "delays")
        assert parent is not None
        return dict(parent.get("status") or {})

    def weights(self) -> dict[str, int]:
        """By revision, as the route says."""
        (route,) = self.space.list("gateway.networking.k8s.io/v1", "HTTPRoute")
        return {name.removeprefix("delays-"): weight for name, weight in weights_in(route).items()}

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
        """The autoscaler keeps its lower end, and every pod that is asked for is ready."""
        least = {
            item["spec"]["scaleTargetRef"]["name"]: item["spec"]["minReplicas"]
            for item in self.space.list("autoscaling/v2", "HorizontalPodAutoscaler")
        }
        for found in self.space.list("apps/v1", "Deployment"):
            if found["spec"]["replicas"] < least.get(found["metadata"]["name"], 0):
                self.space.rest.merge(found, {"spec": {"replicas": least[found["metadata"]["name"]]}})
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


def at_half(space: Space) -> Rollout:
    """Version 1 serves, version 2 has half of the traffic."""
    rollout = started(space, CANARY)
    rollout.publish(2)
    _change(space, {**CANARY, "version": 2})
    rollout.verdict = "NeedMoreData"
    rollout.until(lambda status: status.get("canary", {}).get("weight") == 50)
    return rollout


def test_a_canary_is_promoted_guarded_and_accepted(space: Space) -> None:
    """Every object and every status on the way is taken by the API server; at rest nothing is written."""
    rollout = at_half(space)
    rollout.verdict = "Pass"
    status = rollout.until(lambda status: "previous" in status)
    assert status["rollout"]["state"] == "Guard"
    assert sorted(rollout.weights().values()) == [10, 90]
    assert status["alias"]["version"] == 1
    rollout.verdict = None
    status = rollout.until(lambda status: "previous" not in status)
    assert list(rollout.weights().values()) == [100]
    assert status["alias"]["version"] == 2
    for _ in range(10):
        rollout.act()
        rollout.pods()
        rollout.now += timedelta(seconds=60)
    before = rollout.versions()
    rollout.act()
    assert rollout.versions() == before


def test_a_rollback_is_one_write_of_the_route(space: Space) -> None:
    """Weights and refusal change together, in one resourceVersion; a second look has nothing to add."""
    rollout = at_half(space)
    rollout.verdict = "Fail"
    decided = rollout.look()
    assert (decided.create, decided.delete) == ((), ())
    assert decided.traffic is not None
    made = space.apply(decided.traffic, names.FIELD_MANAGER)
    assert list(weights_in(made).values()) == [100]
    record = json.loads(made["metadata"]["annotations"][names.ANNOTATION_ROLLOUT])
    assert [refusal["version"] for refusal in record["refused"].values()] == [2]
    status = rollout.until(lambda status: bool(status.get("refused")))
    assert status["history"][0]["action"] == "Rollback"


def test_a_leader_that_slept_through_a_rollback_conflicts(space: Space) -> None:
    """It decided to promote; meanwhile the other one rolled back: 409, and the weights stay."""
    rollout = at_half(space)
    rollout.verdict = "Pass"
    for _ in range(3):
        rollout.now += timedelta(seconds=6)
        rollout.pods()
        slept = rollout.look()
        if slept.traffic is not None:
            break
        rollout.act()
    assert slept.traffic is not None
    rollout.verdict = "Fail"
    rollout.act()
    with pytest.raises(AssertionError, match="409"):
        space.apply(slept.traffic, names.FIELD_MANAGER)
    assert list(rollout.weights().values()) == [100]


def test_the_route_leads_testers_to_a_revision_by_header(space: Space) -> None:
    """Two values for each revision; the Gateway API's own rules take path, header and rewrite together."""
    at_half(space)
    (route,) = space.list("gateway.networking.k8s.io/v1", "HTTPRoute")
    headers = [match["headers"][0]["value"] for rule in route["spec"]["rules"][1:] for match in rule["matches"]]
    assert len(headers) == 4
    assert {"1", "2"} < set(headers)


def test_a_persons_word_is_answered_in_a_status_that_is_taken(space: Space) -> None:
    """Done, Stale and Refused with their messages; also one that cannot be read."""
    rollout = at_half(space)
    canary = next(name for name in rollout.weights() if name != rollout.status()["stable"]["revision"])
    for number, (verb, revision, result) in enumerate(
        (("pause", canary, "Done"), ("promote", "ffffffff", "Stale"), ("push", canary, "Refused"))
    ):
        rollout.word = {"verb": verb, "id": f"w{number}", "revision": revision, "by": "ann" * 20}
        status = rollout.until(lambda status: bool(status.get("action")))
        assert status["action"]["result"] == result
    rollout.word = {"verb": "abort", "id": "w9", "revision": canary, "by": "ann"}
    rollout.until(lambda status: bool(status.get("refused")))
    assert list(rollout.weights().values()) == [100]


def _judgement(route: Mapping[str, Any] | None, verdict: str | None, now: datetime) -> Judgement | None:
    """What a trial of the rollout that goes on would say."""
    annotations = (route or {}).get("metadata", {}).get("annotations") or {}
    record = Record.from_json(annotations.get(names.ANNOTATION_ROLLOUT))
    pair = pair_of(record) if record else None
    if record is None or pair is None or verdict is None:
        return None
    test = TestResult("errors", verdict, Arm(5000, 250), Arm(90000, 900), 0.04, 9.0, 5.3, 3.5, 3.0, message="a test")
    return Judgement(pair[0], pair[1], origin_of(record), now.timestamp(), (test,), 5000)


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
