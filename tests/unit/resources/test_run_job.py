"""Who sees what in a run and in a check: the promises of the table in decision 0001, read from the built pods."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pintle.api.trainingjob import TrainingJobSpec
from pintle.contract.exits import FINAL
from pintle.resources.model_version import _trigger, decimal, gate_message
from pintle.resources.pods import USER

from tests.builders import TrainingJobBuilder, model_version, training_job
from tests.scenes import TrainingScene, VersionScene

KEY = {"secretRef": {"name": "data-key"}}
OURS = ("record", "fetch", "evaluate", "upload")
ALL = ("record", "fetch", "train", "evaluate", "upload")


def pod_of(builder: TrainingJobBuilder) -> dict[str, Any]:
    """The pod of the Job that is made for a TrainingJob."""
    scene = TrainingScene(builder)
    scene.look()
    return dict(scene.job["spec"]["template"]["spec"])


def containers(pod: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in (*pod.get("initContainers", ()), *pod["containers"])}


def secretive() -> TrainingJobBuilder:
    """Keys for data and output, and a claim for each."""
    job = training_job().dataset("train", "Train", "s3://lake/a", storage=KEY)
    job.dataset("more", "Validate", "pvc://data/b").output("pvc://models/c", "output-key")
    return job


def sources(pod: dict[str, Any], container: str) -> dict[str, tuple[str, bool]]:
    """Mount path -> (what is mounted, writable) of a container, without its /tmp."""
    volumes = {}
    for volume in pod["volumes"]:
        kind = next(key for key in volume if key != "name")
        what = volume[kind]
        volumes[volume["name"]] = what.get("secretName") or what.get("claimName") or what.get("name") or volume["name"]
    mounts = containers(pod)[container]["volumeMounts"]
    return {
        mount["mountPath"]: (volumes[mount["name"]], not mount.get("readOnly"))
        for mount in mounts
        if mount["mountPath"] != "/tmp"
    }


def test_the_containers_come_in_their_order() -> None:
    """record as a native sidecar, fetch, train and evaluate before upload, the main container."""
    pod = pod_of(training_job())
    assert [item["name"] for item in pod["initContainers"]] == ["record", "fetch", "train", "evaluate"]
    assert [item["name"] for item in pod["initContainers"] if item.get("restartPolicy") == "Always"] == ["record"]
    assert [item["name"] for item in pod["containers"]] == ["upload"]


SEEN = {
    "record": {
        "/pintle/record": ("record", True),
        "/pintle/record/train": ("record-train", False),
        "/pintle/secrets/output": ("output-key", False),
        "/pintle/volumes/models": ("models", True),
    },
    "fetch": {
        "/pintle/data": ("data", True),
        "/pintle/held": ("held", True),
        "/pintle/record": ("record", True),
        "/pintle/secrets/data-train": ("data-key", False),
        "/pintle/volumes/data": ("data", False),
    },
    "train": {
        "/pintle/code": ("code", False),
        "/pintle/data": ("data", False),
        "/pintle/model": ("model", True),
        "/pintle/record/train": ("record-train", True),
    },
    "evaluate": {
        "/pintle/data": ("data", False),
        "/pintle/held": ("held", False),
        "/pintle/model": ("model", False),
        "/pintle/artifact": ("artifact", True),
        "/pintle/record": ("record", True),
        "/pintle/record/train": ("record-train", False),
    },
    "upload": {
        "/pintle/artifact": ("artifact", False),
        "/pintle/record": ("record", True),
        "/pintle/record/train": ("record-train", False),
        "/pintle/secrets/output": ("output-key", False),
        "/pintle/volumes/models": ("models", True),
    },
}


@pytest.mark.parametrize("container", ALL)
def test_a_container_sees_this_and_nothing_else(container: str) -> None:
    """Every mount of every container, with its source and whether it can be written."""
    assert sources(pod_of(secretive()), container) == SEEN[container]


def test_train_gets_no_request_and_no_shared_tmp() -> None:
    """The run request names the held-back data; /tmp would pass files from fetch to train."""
    pod = pod_of(secretive())
    found = containers(pod)
    assert "PINTLE_RUN" not in {item["name"] for item in found["train"]["env"]}
    assert all("PINTLE_RUN" in {item["name"] for item in found[name]["env"]} for name in OURS)
    tmp = {m["name"] for item in found.values() for m in item["volumeMounts"] if m["mountPath"] == "/tmp"}
    assert len(tmp) == len(ALL)


@pytest.mark.parametrize("pod", [pod_of(secretive())], ids=["run"])
def test_every_container_is_restricted(pod: dict[str, Any]) -> None:
    """Non-root, no token, nothing writable but mounts, the log's tail as message."""
    assert pod["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in pod
    security = pod["securityContext"]
    assert (security["runAsNonRoot"], security["runAsUser"], security["fsGroup"]) == (True, USER, USER)
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    for item in containers(pod).values():
        assert item["securityContext"]["readOnlyRootFilesystem"] is True
        assert item["securityContext"]["allowPrivilegeEscalation"] is False
        assert item["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert item["terminationMessagePolicy"] == "FallbackToLogsOnError"


def test_data_and_models_on_one_claim_work_together() -> None:
    """One volume: read-only where it is read, writable where it is written."""
    pod = pod_of(training_job().dataset("train", "Train", "pvc://work/data").output("pvc://work/models"))
    assert sources(pod, "fetch")["/pintle/volumes/work"] == ("work", False)
    assert sources(pod, "upload")["/pintle/volumes/work"] == ("work", True)
    claims = [volume for volume in pod["volumes"] if "persistentVolumeClaim" in volume]
    assert [claim["persistentVolumeClaim"] for claim in claims] == [{"claimName": "work"}]


def test_a_claim_that_is_only_read_is_read_only_as_a_whole() -> None:
    """So the kubelet does not change the group of the user's files."""
    pod = pod_of(secretive())
    claims = {
        volume["persistentVolumeClaim"]["claimName"]: volume["persistentVolumeClaim"].get("readOnly", False)
        for volume in pod["volumes"]
        if "persistentVolumeClaim" in volume
    }
    assert claims == {"data": True, "models": False}


def test_final_exit_codes_of_our_containers_end_the_job_and_those_of_train_do_not() -> None:
    """A user's sys.exit(66) is a crash like any other; disruptions are not counted."""
    scene = TrainingScene()
    scene.look()
    rules = scene.job["spec"]["podFailurePolicy"]["rules"]
    ended = {rule["onExitCodes"]["containerName"]: rule["onExitCodes"]["values"] for rule in rules[:-1]}
    assert ended == {name: [int(code) for code in FINAL] for name in ("fetch", "evaluate", "upload")}
    assert rules[-1] == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    assert scene.job["spec"]["activeDeadlineSeconds"] > 0


@pytest.mark.parametrize(
    ("job", "command", "pull"),
    [
        (training_job(), ["python", "/pintle/code/train.py"], "IfNotPresent"),
        (training_job().trainer(command=["sh"]), ["sh"], "IfNotPresent"),
        (training_job().trainer(image="mine"), ["python", "/pintle/code/train.py"], None),
        (training_job().spec(source=None).trainer(image="mine"), None, None),
    ],
    ids=["code", "command", "code in another image", "image alone"],
)
def test_what_train_starts(job: TrainingJobBuilder, command: list[str] | None, pull: str | None) -> None:
    """train.py of the ConfigMap, the user's command, or what the image starts; its pull policy is Kubernetes' own."""
    train = containers(pod_of(job))["train"]
    assert (train.get("command"), train.get("imagePullPolicy")) == (command, pull)


def test_parents_labels_and_annotations_are_not_copied() -> None:
    """A tool that tracks the parent by them would claim the child."""
    marked = training_job().labels({"argocd": "x"}).annotations({"argocd": "y"})
    scene = TrainingScene(marked)
    scene.look()
    assert "argocd" not in json.dumps(scene.job)


def test_the_spec_of_the_builders_is_a_valid_one() -> None:
    """The tests talk about objects that the API knows."""
    assert TrainingJobSpec.model_validate(secretive().obj()["spec"]).datasets


def test_a_check_holds_the_key_where_it_fetches_and_not_where_it_loads() -> None:
    """fetch sees key and claim, check sees the verified files only."""
    version = model_version().spec(storageUri="pvc://models/x", storage={"secretRef": {"name": "key"}})
    scene = VersionScene(version)
    scene.look()
    pod = scene.world.list("Pod")[0]["spec"]
    assert sources(pod, "fetch") == {
        "/pintle/model": ("model", True),
        "/pintle/volumes/models": ("models", False),
        "/pintle/secrets/model": ("key", False),
    }
    assert sources(pod, "check") == {"/pintle/model": ("model", False)}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (1e-12, "0"),
        (-1e-12, "0"),
        (1234567.5, "1234567.5"),
        (100, "100"),
        (1e11, "100000000000"),
        (1e12, None),
        (float("nan"), None),
        (float("inf"), None),
        (True, None),
        ("0.5", None),
        (1 / 3, "0.333333333"),
    ],
)
def test_figures_become_decimals_or_nothing(value: Any, text: str | None) -> None:
    """No exponent, nine decimals, no NaN: what the API takes."""
    assert decimal(value) == text


def test_a_gate_in_words_has_all_its_figures() -> None:
    """Metric, slice, rival, value, interval, bound and why."""
    gate = {"metric": "auc", "slice": "carrier", "comparedTo": "Baseline", "value": 0.6, "low": 0.5, "high": 0.7}
    words = gate_message({**gate, "bound": 0.0, "why": "is worse than linear"})
    assert words == "auc by carrier against Baseline = 0.6 (0.5 to 0.7), bound 0: is worse than linear"


def test_a_listing_holds_the_keys_of_its_data_and_nothing_else() -> None:
    """No output, no code, no token; the claims read-only; it goes where the run may go."""
    job = secretive().spec(triggers={"onNewData": {"pollSeconds": 60}}).trainer(nodeSelector={"zone": "a"})
    scene = TrainingScene(job)
    scene.settle()
    scene.succeeds("a")
    scene.settle()
    made = next(pod for pod in scene.world.list("Pod") if pod["metadata"]["name"] == "delays-listing-1")
    pod = made["spec"]
    assert sources(pod, "listing") == {
        "/pintle/record": ("record", True),
        "/pintle/secrets/data-train": ("data-key", False),
        "/pintle/volumes/data": ("data", False),
    }
    test_every_container_is_restricted(pod)
    assert pod["nodeSelector"] == {"zone": "a"}
    assert pod["containers"][0]["command"] == ["python", "-m", "pintle.train.listing"]
    assert made["metadata"]["labels"]["pintle.dev/component"] == "listing"
    assert made["metadata"]["ownerReferences"][0]["uid"] == scene.parent["metadata"]["uid"]


def test_champion_and_data_on_the_output_claim_are_read_only_where_they_are_read() -> None:
    """One volume, written by upload alone; fetch sees the champion on it, evaluate only its verified copy."""
    job = training_job().dataset("train", "Train", "pvc://work/data").output("pvc://work/models")
    scene = TrainingScene(job.gate("auc", comparedTo="Champion"))
    scene.world.add(model_version("delays", 1).spec(storageUri="pvc://work/models/delays/x").ready().obj())
    scene.look()
    pod = dict(scene.job["spec"]["template"]["spec"])
    assert sources(pod, "fetch")["/pintle/volumes/work"] == ("work", False)
    assert sources(pod, "fetch")["/pintle/champion"] == ("champion", True)
    assert sources(pod, "evaluate")["/pintle/champion"] == ("champion", False)
    assert "/pintle/volumes/work" not in sources(pod, "evaluate")
    assert "/pintle/champion" not in sources(pod, "train")


@pytest.mark.parametrize(
    ("trigger", "text"),
    [
        ({"kind": "Definition"}, "Definition"),
        ({"kind": "Person", "id": "7", "source": "ann"}, "Person by ann (id 7)"),
        ({"kind": "FeatureDrift", "id": "d", "source": "web", "message": "x"}, "FeatureDrift of web: x (id d)"),
        ({"kind": "NewData", "id": "1", "message": "m" * 300}, "NewData: " + "m" * 247),
    ],
)
def test_what_started_a_run_in_one_line(trigger: dict[str, str], text: str) -> None:
    """As the lineage of a version has it, within its bound."""
    assert _trigger(trigger) == text
