"""Training on the real cluster: what a run pod can see, what it leaves, and how it fails."""

from __future__ import annotations

import json
from typing import Any

import pytest

from e2e.kubectl import Kubectl, condition
from e2e.tests.objects import TRAIN, config_map, load_claim, months, restricted_pod, training_job

# Runs as the user's code and fails where it finds anything that it must not have.
SPY = (
    """
import os, pathlib, sys
KEY = b"CANARY-" + b"KEY-7c1f"  # in two, or the spy would find itself
found = []
for path in ("/var/run/secrets/kubernetes.io/serviceaccount", "/run/secrets/kubernetes.io/serviceaccount",
             "/pintle/held", "/pintle/secrets", "/pintle/volumes", "/pintle/artifact"):
    if os.path.exists(path):
        found.append(path)
found += [name for name in os.environ if name.startswith(("AWS_", "PINTLE_RUN_SPEC")) or name == "PINTLE_RUN"]
for root in ("/pintle", "/tmp", "/etc", "/home", "/root"):
    for path in pathlib.Path(root).rglob("*"):
        try:
            if path.is_file() and path.stat().st_size < 2_000_000 and KEY in path.read_bytes():
                found.append(str(path))
        except OSError:
            pass
import pandas
for path in pathlib.Path("/pintle").rglob("*.parquet"):
    rows = pandas.read_parquet(path)
    late = pandas.to_datetime(rows["time"], utc=True).max()
    if late >= pandas.Timestamp("2013-04-01", tz="UTC"):
        found.append(f"{path} holds a row of {late}")
try:
    (pathlib.Path("/pintle/data") / "x").write_text("x")
    found.append("/pintle/data is writable")
except OSError:
    pass
if found:
    sys.exit("the training code can see: " + ", ".join(found))
"""
    + TRAIN
)


@pytest.fixture
def ready(kube: Kubectl, runner_image: str) -> Kubectl:
    """A namespace with four months of data, an empty claim for models and the training code."""
    load_claim(kube, runner_image, months())
    kube.apply(config_map("code", train_py=TRAIN))
    return kube


def record(kube: Kubectl, image: str) -> dict[str, Any]:
    """The record (run.json) of the only run on the claim `models`, read by a pod."""
    script = "import pathlib; [found] = pathlib.Path('/models').glob('*/runs/*/run.json'); print(found.read_text())"
    pod = restricted_pod(
        "read", image, ["python", "-c", script], {"/models": {"persistentVolumeClaim": {"claimName": "models"}}}
    )
    kube.apply(pod)
    kube.run("wait", "pod/read", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s", timeout=70)
    found: dict[str, Any] = json.loads(kube.run("logs", "read"))
    return found


def jobs(kube: Kubectl, name: str = "late") -> list[dict[str, Any]]:
    return kube.list("jobs", f"pintle.dev/training-job={name}")


def test_a_run_ends_in_an_immutable_version_with_lineage(ready: Kubectl) -> None:
    """kubectl apply of a TrainingJob is enough to get a Ready ModelVersion that says where it comes from."""
    ready.apply(training_job())
    ready.wait("trainingjob", "late", "Succeeded", timeout=240)
    version = ready.wait("modelversion", "late-v1", "Ready", timeout=120)
    spec = version["spec"]
    assert spec["digest"].startswith("sha256:")
    assert {item["role"] for item in spec["datasets"]} == {"Train", "Evaluate"}
    assert spec["source"]["codeDigest"].startswith("sha256:")
    assert spec["source"]["imageID"]
    assert {"name": "c", "value": "1"} in spec["source"]["parameters"]
    assert 0.55 < float(next(item["value"] for item in spec["metrics"] if item["name"] == "auc")) < 0.95
    with pytest.raises(Exception, match=r"immutable|cannot be changed"):
        ready.run("patch", "mver", "late-v1", "--type=merge", "-p", '{"spec":{"version":2}}')


def test_the_training_code_sees_no_key_no_token_and_no_evaluation_row(kube: Kubectl, runner_image: str) -> None:
    """A spy in the place of the training code finds nothing that it must not have."""
    load_claim(kube, runner_image, months())
    secret = {"AWS_ACCESS_KEY_ID": "CANARY-KEY-7c1f", "AWS_SECRET_ACCESS_KEY": "CANARY-KEY-7c1f"}
    kube.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": secret},
        config_map("code", train_py=SPY),
    )
    job = training_job()
    storage = {"secretRef": {"name": "key"}}
    for dataset in job["spec"]["datasets"]:
        dataset["storage"] = storage
    job["spec"]["output"]["storage"] = storage
    kube.apply(job)
    kube.wait("trainingjob", "late", "Succeeded", timeout=240)


def test_an_unchanged_definition_never_trains_again(ready: Kubectl) -> None:
    """A re-apply and a change of resources start nothing; another parameter does; the old one again is Unchanged."""
    ready.apply(training_job())
    ready.wait("trainingjob", "late", "Succeeded", timeout=240)
    first = {item["metadata"]["uid"] for item in jobs(ready)}
    again = training_job(trainer={"resources": {"requests": {"cpu": "60m"}}}, backoffLimit=1, runsHistoryLimit=4)
    ready.apply(again)
    ready.run("wait", "tj/late", "--for=jsonpath={.status.observedGeneration}=2", "--timeout=60s")
    assert {item["metadata"]["uid"] for item in jobs(ready)} == first
    ready.apply(training_job(hyperparameters=[{"name": "c", "value": "0.1"}]))
    ready.run("wait", "tj/late", "--for=jsonpath={.status.latestVersion}=2", "--timeout=240s", timeout=250)
    ready.apply(training_job())
    ready.wait_reason("tj", "late", "Succeeded", "Unchanged", timeout=240)
    assert {item["metadata"]["name"] for item in ready.list("mver")} == {"late-v1", "late-v2"}


def test_data_that_breaks_the_schema_train_nothing_and_say_why(kube: Kubectl, runner_image: str) -> None:
    """Words in a number column: no training container starts, and the condition names column, rule and example."""
    load_claim(kube, runner_image, months(broken="2013-03"))
    kube.apply(config_map("code", train_py=TRAIN), training_job(backoffLimit=3))
    job = kube.wait_reason("tj", "late", "Succeeded", "DataInvalid", timeout=180)
    message = condition(job, "Succeeded")["message"]
    assert "wind" in message
    assert "gale" in message
    assert kube.list("mver") == []
    assert [item["status"].get("failed") for item in jobs(kube)] == [1]


def test_a_crash_of_the_training_code_shows_exit_code_and_log_tail(ready: Kubectl, runner_image: str) -> None:
    """The condition carries what the user would look for in the log, and the failed run leaves its record."""
    ready.apply(config_map("code", train_py="import sys\nprint('reading')\nsys.exit('no column named colour')\n"))
    ready.apply(training_job())
    job = ready.wait_reason("tj", "late", "Succeeded", "TrainFailed", timeout=180)
    message = condition(job, "Succeeded")["message"]
    assert "no column named colour" in message
    assert "exit code 1" in message
    left = record(ready, runner_image)
    assert left["run"] == job["status"]["runs"][0]["name"]
    assert left["phases"]["fetch"]["identity"].startswith("sha256:")
    assert left["digest"] is None


def test_a_refused_model_stays_registered_and_is_not_ready(ready: Kubectl) -> None:
    """A gate that cannot be met: the run fails with GatesFailed, the version exists with the figure, unserved."""
    ready.apply(training_job(gates=[{"metric": "auc", "min": "0.99"}]))
    ready.wait_reason("tj", "late", "Succeeded", "GatesFailed", timeout=240)
    version = ready.wait("mver", "late-v1", "Verified", timeout=120)
    assert condition(version, "Validated")["reason"] == "GatesFailed"
    assert condition(version, "Ready")["status"] == "False"


def test_a_suspended_job_starts_nothing_until_it_is_resumed(ready: Kubectl) -> None:
    """suspend: true before the first visit makes no pod; false runs it."""
    ready.apply(training_job(suspend=True))
    ready.wait_reason("tj", "late", "Succeeded", "Suspended", timeout=60)
    assert ready.list("pods", "pintle.dev/training-job=late") == []
    ready.apply(training_job(suspend=False))
    ready.wait("tj", "late", "Succeeded", timeout=240)


def test_an_image_that_cannot_be_pulled_ends_the_run_with_its_name(ready: Kubectl) -> None:
    """Within the start deadline the run is over, and the message names the image."""
    ready.apply(training_job(trainer={"image": "pintle.invalid/nothing:1"}))
    job = ready.wait_reason("tj", "late", "Succeeded", "ImagePullFailed", timeout=240)
    assert "pintle.invalid/nothing:1" in condition(job, "Succeeded")["message"]


def test_missing_code_waits_and_says_what_is_missing(kube: Kubectl, runner_image: str) -> None:
    """A TrainingJob whose ConfigMap does not exist names it, and runs when it appears."""
    load_claim(kube, runner_image, months())
    kube.apply(training_job())
    job = kube.wait_reason("tj", "late", "Succeeded", "SourceNotFound", timeout=60)
    assert "code" in condition(job, "Succeeded")["message"]
    kube.apply(config_map("code", train_py=TRAIN))
    kube.wait("tj", "late", "Succeeded", timeout=300)


def test_deleting_a_training_job_keeps_its_versions(ready: Kubectl) -> None:
    """Jobs and pods go with the TrainingJob, versions stay."""
    ready.apply(training_job())
    ready.wait("mver", "late-v1", "Ready", timeout=300) if ready.list("mver") else None
    ready.wait("tj", "late", "Succeeded", timeout=240)
    ready.run("delete", "tj", "late")
    ready.wait_gone("jobs", "pintle.dev/training-job=late")
    assert ready.get("mver", "late-v1") is not None


def test_a_run_that_hangs_ends_at_its_deadline(ready: Kubectl) -> None:
    """activeDeadlineSeconds bounds a run whose code never ends."""
    ready.apply(config_map("code", train_py="import threading\nthreading.Event().wait(600)\n"))
    ready.apply(training_job(activeDeadlineSeconds=15))
    ready.wait_reason("tj", "late", "Succeeded", "DeadlineExceeded", timeout=150)


def test_a_run_that_needs_too_much_memory_says_so(ready: Kubectl) -> None:
    """A training container over its memory limit: the condition says OOMKilled instead of an exit code alone."""
    ready.apply(config_map("code", train_py="hoard = [bytearray(1_000_000) for _ in range(2_000)]\n"))
    ready.apply(training_job(trainer={"resources": {"limits": {"memory": "96Mi"}}}))
    job = ready.wait_reason("tj", "late", "Succeeded", "TrainFailed", timeout=150)
    assert "OOMKilled" in condition(job, "Succeeded")["message"]


def test_more_memory_after_oom_runs_again(ready: Kubectl) -> None:
    """The same code with a larger limit is run once more and makes the first version; a re-apply runs nothing."""
    hungry = "hoard = [bytes([7]) * 1_000_000 for _ in range(200)]\n" + TRAIN
    limits = [{"resources": {"limits": {"memory": memory}}} for memory in ("96Mi", "1Gi")]
    ready.apply(config_map("code", train_py=hungry), training_job(trainer=limits[0]))
    ready.wait_reason("tj", "late", "Succeeded", "TrainFailed", timeout=150)
    ready.apply(training_job(trainer=limits[0]))
    ready.apply(training_job(trainer=limits[1]))
    job = ready.wait("tj", "late", "Succeeded", timeout=240)
    assert [(run["reason"], run["generation"]) for run in job["status"]["runs"]] == [("Trained", 2), ("TrainFailed", 1)]
    assert len({run["definition"] for run in job["status"]["runs"]}) == 1
    assert [item["metadata"]["name"] for item in ready.list("mver")] == ["late-v1"]


def test_an_eviction_is_no_failure_of_the_run(ready: Kubectl) -> None:
    """A pod that is evicted is replaced although backoffLimit is 0."""
    ready.apply(training_job())
    ready.wait_reason("tj", "late", "Succeeded", "Running", timeout=60)
    pod = ready.list("pods", "pintle.dev/training-job=late")[0]["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": ready.namespace}}
    path = f"/api/v1/namespaces/{ready.namespace}/pods/{pod}/eviction"
    ready.run("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))
    ready.wait("tj", "late", "Succeeded", timeout=240)
    assert [item["metadata"]["name"] for item in ready.list("mver")] == ["late-v1"]
    assert ready.get("pod", pod) is None
