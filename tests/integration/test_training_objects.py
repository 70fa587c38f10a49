"""Jobs, check pods and versions on a real API server: it takes them, in a namespace that enforces "restricted"."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from pintle.contract import names
from pintle.core.plan import Plan, Policy
from pintle.core.training.observed import TrainingObserved
from pintle.core.training.plan import plan as plan_training
from pintle.core.versions.observed import VersionObserved
from pintle.core.versions.plan import plan as plan_version
from pintle.resources.collect_pod import collect_pod

from tests.builders import PodBuilder, config_map, digest, model_deployment, model_version, run_pod, training_job
from tests.integration.kube import Refused, Space
from tests.scenes import result

POLICY = Policy(server_image="pintle/server:1", runner_image="pintle/runner:1", trusted_types=("a.B", "c.D"))
KEY = {"secretRef": {"name": "key"}}
PARENTS = {"TrainingJob": names.API_VERSION, "ModelVersion": names.API_VERSION}


class Live:
    """Looks at parents of a namespace whose pods must be "restricted", and does what is decided."""

    def __init__(self, space: Space) -> None:
        self.space = space
        label = {"pod-security.kubernetes.io/enforce": "restricted"}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space.name}}
        space.rest.merge(namespace, {"metadata": {"labels": label}})

    def add(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object as its author wrote it."""
        own = ("name", "labels", "annotations")
        metadata = {key: value for key, value in body["metadata"].items() if key in own}
        return self.space.create({**body, "metadata": metadata})

    def find(self, kind: str, name: str) -> dict[str, Any]:
        found = self.space.get(PARENTS[kind], kind, name)
        assert found is not None
        return found

    def look(self, kind: str, name: str) -> Plan:
        parent, now = self.find(kind, name), datetime.now(UTC)
        if kind == "ModelVersion":
            return plan_version(VersionObserved(parent, tuple(self.space.list("v1", "Pod"))), now, POLICY)
        observed = TrainingObserved(
            parent,
            self.space.get("v1", "ConfigMap", "code"),
            tuple(self.space.list("batch/v1", "Job")),
            tuple(self.space.list("v1", "Pod")),
            tuple(self.space.list(names.API_VERSION, "ModelVersion")),
            tuple(self.space.list(names.API_VERSION, "ModelDeployment")),
        )
        return plan_training(observed, now, POLICY)

    def act(self, kind: str, name: str) -> Plan:
        decided = self.look(kind, name)
        for body in decided.create:
            self.space.create(body)
        for body in decided.apply:
            self.space.apply(body, names.FIELD_MANAGER)
        if decided.status is not None:
            self.space.set_status(self.find(kind, name), decided.status)
        for target in decided.delete:
            if found := self.space.get(target.api_version, target.kind, target.name):
                self.space.rest.delete(found)
        return decided

    def settle(self, kind: str, name: str) -> None:
        """Until nothing is left to do, and what the API server reads back is no difference."""
        for _ in range(5):
            if self.act(kind, name).changes_nothing:
                return
        raise AssertionError(f"does not settle: {self.look(kind, name)}")


@pytest.fixture
def live(space: Space) -> Live:
    return Live(space)


def everything() -> dict[str, Any]:
    """A TrainingJob that uses every field there is."""
    job = training_job().dataset("train", "Train", "s3://lake/a", storage=KEY, select={"partition": "{yyyy}"})
    job.dataset("late", "Evaluate", "pvc://work/data").output("pvc://work/models", "key").gate("auc", min="0.6")
    job.trainer(env=[{"name": "A", "value": "1"}], args=["--x"], nodeSelector={"a": "b"})
    job.trainer(resources={"limits": {"memory": "1Gi"}}, tolerations=[{"key": "gpu", "operator": "Exists"}])
    return job.spec(schema={"target": "late", "timeColumn": "time"}, activeDeadlineSeconds=60).obj()


@pytest.mark.parametrize("job", [training_job().obj(), everything()], ids=["little said", "everything said"])
def test_the_api_server_takes_job_pod_and_status(live: Live, job: dict[str, Any]) -> None:
    """Strict validation takes the Job, Pod Security takes its pod, and the status settles."""
    live.add(config_map())
    live.add(job)
    live.settle("TrainingJob", "delays")
    made = live.space.list("batch/v1", "Job")
    assert len(made) == 1
    # There is no Job controller here: the pod is made of the template as it would be.
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": made[0]["spec"]["template"]["spec"]}
    live.space.create(pod)


def test_suspend_resume_and_giving_up_are_partial_applies(live: Live) -> None:
    """They change the one field, twice as well, and a Job that is gone is not made anew by them."""
    live.add(config_map())
    live.add(training_job().obj())
    live.settle("TrainingJob", "delays")
    for suspend in (True, False, True):
        live.space.rest.merge(live.find("TrainingJob", "delays"), {"spec": {"suspend": suspend}})
        decided = live.look("TrainingJob", "delays")
        live.settle("TrainingJob", "delays")
        assert live.space.list("batch/v1", "Job")[0]["spec"]["suspend"] is suspend
    live.space.rest.delete(live.space.list("batch/v1", "Job")[0])
    with pytest.raises(Refused) as refused:
        live.space.apply(decided.apply[0], names.FIELD_MANAGER)
    assert refused.value.code == 409


def trained(pod: PodBuilder) -> PodBuilder:
    """A pod whose run was refused by a gate."""
    data = [{"name": "train", "digest": digest("d"), "rows": 3, "from": "2013-01-01T00:00:00Z", "through": "2013-02"}]
    gate = {"metric": "auc", "verdict": "Fail", "value": 0.61234567891, "low": 1e-12, "high": 0.7, "bound": 0.7}
    uploaded = {"uri": "pvc://models/delays/x", "digest": digest("a"), "identity": digest("b"), "verdict": "Fail"}
    pod.ended("fetch", 0, result("fetch", identity=digest("b"), datasets=data)).ended("train", 0)
    pod.ended("evaluate", 0, result("evaluate", verdict="Fail", metrics={"auc": 1e-7, "loss": 123456.5}, gates=[gate]))
    return pod.ended("upload", 66, result("upload", **uploaded)).phase("Failed")


def test_the_api_server_takes_a_version_and_its_check(live: Live) -> None:
    """With all figures of a refused run; its status and the pod of its check are taken, too."""
    live.add(config_map())
    live.add(training_job().output("pvc://models", "key").obj())
    live.settle("TrainingJob", "delays")
    job = live.space.list("batch/v1", "Job")[0]
    run = job["metadata"]["name"]
    built = trained(run_pod(run).owned_by(job)).obj()
    observed = TrainingObserved(
        live.find("TrainingJob", "delays"), live.space.get("v1", "ConfigMap", "code"), (_failed(job),), (built,), ()
    )
    decided = plan_training(observed, datetime.now(UTC), POLICY)
    for body in decided.create:
        live.space.create(body)
    live.settle("ModelVersion", "delays-v1")
    assert [pod["metadata"]["name"] for pod in live.space.list("v1", "Pod")] == ["delays-v1-check-1"]


def test_a_pod_that_reads_a_record_is_taken(live: Live) -> None:
    """It goes with the Job and passes Pod Security, although it is made of what the API server made of the Job."""
    live.add(config_map())
    live.add(everything())
    live.settle("TrainingJob", "delays")
    job = live.space.list("batch/v1", "Job")[0]
    made = live.space.create(collect_pod(job, 1))
    assert made["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]
    assert "batch.kubernetes.io/controller-uid" not in made["metadata"]["labels"]


def test_a_version_written_by_hand_is_checked_like_any_other(live: Live) -> None:
    """The full pod, with trusted types and a key, passes Pod Security."""
    version = model_version().spec(storageUri="s3://models/x", storage=KEY)
    live.add(version.obj())
    live.settle("ModelVersion", "delays-v1")
    pod = live.space.list("v1", "Pod")[0]
    assert [item["name"] for item in pod["spec"]["initContainers"]] == ["fetch"]


WANTS = {"trainingJobRef": {"name": "delays"}, "causes": ["FeatureDrift"]}


def test_a_run_that_a_deployment_asks_for(live: Live) -> None:
    """The Job with what it notes, the status with what is remembered, the pod that lists the data: all are taken."""
    live.add(config_map())
    triggers = {"schedule": "0 3 * * 1", "timeZone": "Europe/Berlin", "onNewData": {"pollSeconds": 60}}
    policy = {"cooldownSeconds": 0, "maxConsecutiveFailures": 1}
    live.add({**everything(), "spec": {**everything()["spec"], "triggers": triggers, "retrainPolicy": policy}})
    live.settle("TrainingJob", "delays")
    ended(live, 65, "fetch", result("fetch", reason="DataInvalid", message="bad", listing="1" * 16))
    live.settle("TrainingJob", "delays")
    assert "delays-listing-1" in {pod["metadata"]["name"] for pod in live.space.list("v1", "Pod")}
    lists(live, "delays-listing-1", "sha256:" + "1" * 64)
    web = live.add(model_deployment("web").version(1).spec(retrain=WANTS, runtime={}).obj())
    found = {"cause": "FeatureDrift", "id": "d1", "since": "2026-01-05T12:00:00Z", "message": "wind 0.31"}
    live.space.set_status(web, {"causes": [found]})
    live.settle("TrainingJob", "delays")
    governor = live.find("TrainingJob", "delays")["status"]["governor"]
    assert (governor["refused"]["kind"], governor["reason"]) == ("FeatureDrift", "ConsecutiveFailures")
    assert governor["listing"] == governor["read"] == "1" * 16
    conditions = {c["type"]: c["reason"] for c in live.find("TrainingJob", "delays")["status"]["conditions"]}
    assert conditions == {"Succeeded": "DataInvalid", "RetrainHeld": "ConsecutiveFailures"}
    live.space.rest.merge(
        live.find("TrainingJob", "delays"),
        {"metadata": {"annotations": {names.ANNOTATION_RUN: '{"id": "w", "by": "a"}'}}},
    )
    live.settle("TrainingJob", "delays")
    jobs = sorted(live.space.list("batch/v1", "Job"), key=lambda job: str(job["metadata"]["creationTimestamp"]))
    assert len(jobs) == 2
    status = live.find("TrainingJob", "delays")["status"]
    assert [run["trigger"]["kind"] for run in status["runs"]] == ["Person", "Definition"]
    assert len(status["governor"]["seen"]) == 2


def ended(live: Live, code: int, container: str, message: str) -> None:
    """The only Job fails, and its pod says why. There is no Job controller here."""
    job = live.space.list("batch/v1", "Job")[0]
    run = job["metadata"]["name"]
    over = _failed(job)["status"]["conditions"][0]
    conditions = [{**over, "type": type_} for type_ in ("FailureTarget", "Failed")]
    live.space.set_status(job, {"conditions": conditions, "startTime": "2026-01-05T12:00:00Z"})
    built = run_pod(run).owned_by(job).ended(container, code, message).phase("Failed").obj()
    template = job["spec"]["template"]["spec"]
    metadata = {key: built["metadata"][key] for key in ("name", "labels", "ownerReferences")}
    pod = live.space.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template})
    live.space.set_status(pod, built["status"])


def lists(live: Live, name: str, digest: str) -> None:
    """The listing pod ends well."""
    pod = live.space.get("v1", "Pod", name)
    assert pod is not None
    message = result("listing", listing=digest, message="train: 2013")
    terminated = {
        "exitCode": 0,
        "message": message,
        "finishedAt": "2026-01-05T12:00:00Z",
        "startedAt": "2026-01-05T12:00:00Z",
    }
    state = {"name": "listing", "state": {"terminated": terminated}, "image": "r", "imageID": "", "ready": False}
    live.space.set_status(pod, {"phase": "Succeeded", "containerStatuses": [{**state, "restartCount": 0}]})


def _failed(job: dict[str, Any]) -> dict[str, Any]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    condition = {"type": "Failed", "status": "True", "reason": "PodFailurePolicy", "lastTransitionTime": now}
    return {**job, "status": {"conditions": [condition]}}
