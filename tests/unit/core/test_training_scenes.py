"""What becomes of a TrainingJob, scene by scene."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pintle.contract.run import RunRequest
from pintle.core.training.history import Entry, in_order
from pintle.core.training.plan import plan as plan_training
from pintle.resources.run_job import request_of

from tests.builders import PodBuilder, config_map, digest, model_version, stamp, training_job
from tests.scenes import POLICY, TrainingScene, result
from tests.world import World


def going() -> TrainingScene:
    """A TrainingJob whose Job has been made and seen."""
    scene = TrainingScene()
    scene.settle()
    return scene


def request(scene: TrainingScene) -> RunRequest:
    found = request_of(scene.job)
    assert found is not None
    return found


def test_the_first_visit_makes_one_job_and_says_so() -> None:
    """There is a condition from the very first visit, and one Job."""
    scene = TrainingScene()
    scene.look()
    assert scene.succeeded == ("Unknown", "Pending")
    scene.settle()
    assert len(scene.jobs) == 1
    assert scene.runs == [("Running", "Running")]
    assert scene.status["definition"].startswith("sha256:")


@pytest.mark.parametrize(
    ("state", "expected", "words"),
    [
        (lambda pod: pod, "Pending", "Starting"),
        (lambda pod: pod.unscheduled('persistentvolumeclaim "data" not found'), "Pending", 'claim "data" not found'),
        (lambda pod: pod.running("record"), "Pending", "Starting"),
        (lambda pod: pod.running("record").running("fetch"), "Running", "Fetching"),
        (lambda pod: pod.ended("fetch", 0), "Running", "Training"),
        (lambda pod: pod.ended("fetch", 0).running("train"), "Running", "Training"),
        (lambda pod: pod.ended("fetch", 0).ended("train", 0).running("evaluate"), "Running", "Evaluating"),
        (
            lambda pod: pod.ended("fetch", 0).ended("train", 0).ended("evaluate", 0).running("upload"),
            "Running",
            "Uploading",
        ),
        (lambda pod: pod.waiting("fetch", "ImagePullBackOff"), "Pending", "fetch:1 cannot be pulled"),
        (lambda pod: pod.waiting("fetch", "PodInitializing"), "Pending", "Starting"),
    ],
)
def test_a_run_that_goes_on_says_what_it_does(
    state: Callable[[PodBuilder], PodBuilder], expected: str, words: str
) -> None:
    """The message names the phase, or why there is none yet."""
    scene = going()
    scene.pod(state)
    scene.settle()
    assert scene.succeeded == ("Unknown", expected)
    assert words in scene.says


def test_a_run_that_ends_well_registers_a_version_with_its_lineage() -> None:
    """Digest, figures, data, code, image and record of the run are in the version; the TrainingJob names it."""
    scene = TrainingScene(training_job().gate("auc", min="0.7").parameter("c", "1").output("pvc://models", "key"))
    scene.settle()
    scene.succeeds("a", gates=[{"metric": "auc", "verdict": "Pass", "value": 0.71, "low": 0.7, "high": 0.72}])
    scene.settle()
    assert scene.succeeded == ("True", "Trained")
    assert "delays-v1" in scene.says
    assert (scene.status["latestVersion"], scene.status["highestVersion"]) == (1, 1)
    version = scene.world.get("ModelVersion", "delays-v1")
    assert version is not None
    assert "ownerReferences" not in version["metadata"]
    spec = version["spec"]
    assert (spec["digest"], spec["storageUri"], spec["storage"]) == (
        digest("a"),
        "pvc://models/x/a",
        {"secretRef": {"name": "key"}},
    )
    assert spec["metrics"] == [{"name": "auc", "value": "0.712345679"}, {"name": "rows", "value": "100"}]
    assert spec["gates"] == [{"metric": "auc", "verdict": "Pass", "message": "auc = 0.71 (0.7 to 0.72)"}]
    assert spec["datasets"] == [
        {
            "name": "train",
            "role": "Train",
            "storageUri": "pvc://data/months",
            "digest": digest("d"),
            "rows": 10,
            "from": "2013-01",
            "through": "2013-02",
        }
    ]
    run = scene.job["metadata"]["name"]
    assert spec["source"] == {
        "trainingJob": "delays",
        "run": run,
        "identity": digest("a"),
        "definition": scene.status["definition"],
        "codeDigest": request(scene).code["digest"],
        "image": "pintle-runner:1",
        "imageID": f"train@{digest('a')}",
        "parameters": [{"name": "c", "value": "1"}],
        "seed": 0,
        "trigger": "Definition",
        "recordUri": f"pvc://models/delays/runs/{run}/run.json",
    }


REFUSED = {
    "metric": "auc",
    "verdict": "Fail",
    "value": 0.61,
    "low": 0.6,
    "high": 0.62,
    "bound": 0.7,
    "why": "below min",
}


def test_a_refused_model_is_registered_and_the_run_has_failed() -> None:
    """A loser stays on record: version with its failing gate, run Failed/GatesFailed with the figures."""
    scene = going()
    scene.succeeds("b", code=66, gates=[REFUSED])
    scene.settle()
    assert scene.succeeded == ("False", "GatesFailed")
    assert "delays-v1 is registered as refused" in scene.says
    assert "auc = 0.61 (0.6 to 0.62), bound 0.7: below min" in scene.says
    assert "latestVersion" not in scene.status
    version = scene.world.get("ModelVersion", "delays-v1")
    assert version is not None
    assert version["spec"]["gates"][0]["verdict"] == "Fail"


def test_a_refusal_that_did_not_fit_into_the_message_stays_a_refusal() -> None:
    """Only gates that passed were told: the version still carries the verdict of them all."""
    scene = going()
    scene.succeeds("b", code=66, gates=[{**REFUSED, "verdict": "Pass"}])
    scene.settle()
    version = scene.world.get("ModelVersion", "delays-v1")
    assert version is not None
    assert [gate["verdict"] for gate in version["spec"]["gates"]] == ["Pass", "Fail"]


def test_data_with_a_shortened_digest_are_left_to_the_record() -> None:
    """The API takes full digests only; a version must not fail for lack of room in a message."""
    scene = going()
    brief = [{"name": "train", "digest": "d" * 12, "rows": 10}]

    def build(pod: PodBuilder) -> PodBuilder:
        pod.ended("fetch", 0, result("fetch", identity=digest("1"), datasets=brief)).ended("evaluate", 0)
        return pod.ended("upload", 0, result("upload", digest=digest("a"), verdict="Pass")).phase("Succeeded")

    scene.pod(build)
    scene.job_ends("Complete")
    scene.settle()
    version = scene.world.get("ModelVersion", "delays-v1")
    assert version is not None
    assert "datasets" not in version["spec"]
    assert version["spec"]["storageUri"] == f"pvc://models/delays/{scene.job['metadata']['name']}"


def test_a_sidecar_that_was_stopped_is_not_the_failure() -> None:
    """record ends with whatever code after the others; the reason is theirs."""
    scene = going()
    scene.pod(lambda pod: pod.ended("record", 143).ended("fetch", 0).ended("train", 1, "oh").phase("Failed"))
    scene.job_ends("Failed", "BackoffLimitExceeded", failed=1)
    scene.settle()
    assert scene.succeeded == ("False", "TrainFailed")
    assert "oh" in scene.says


def test_a_model_whose_gates_lack_rows_is_registered_too() -> None:
    """68 from upload: the version exists with the verdict, although no single gate fitted into the message."""
    scene = going()
    scene.succeeds("b", code=68)
    scene.settle()
    assert scene.succeeded == ("False", "NeedMoreData")
    version = scene.world.get("ModelVersion", "delays-v1")
    assert version is not None
    assert [gate["verdict"] for gate in version["spec"]["gates"]] == ["NeedMoreData"]


ENDS: list[Any] = [
    ("fetch", 65, result("fetch", reason="DataInvalid", message="wind: 3 rows: gale"), "DataInvalid", "wind: 3 rows"),
    ("fetch", 68, result("fetch", reason="NeedMoreData", message="no partition"), "NeedMoreData", "no partition"),
    ("fetch", 78, result("fetch", reason="RequestInvalid", message="no role"), "RequestInvalid", "no role"),
    ("fetch", 75, result("fetch", reason="StorageUnavailable", message="403"), "StorageUnavailable", "403"),
    ("fetch", 1, "Traceback ...", "FetchFailed", "exit code 1: Traceback"),
    ("fetch", 65, "cut off", "DataInvalid", "cut off"),
    ("train", 1, "no column named colour\n", "TrainFailed", "exit code 1: no column named colour"),
    ("train", 66, "", "TrainFailed", "exit code 66 and said nothing"),
    ("train", 65, result("fetch", reason="DataInvalid", message="a lie"), "TrainFailed", "a lie"),
    ("evaluate", 66, result("evaluate", reason="ParityFailed", message="0.3"), "ParityFailed", "0.3"),
    ("evaluate", 66, result("evaluate", reason="ModelInvalid", message="no file"), "ModelInvalid", "no file"),
    ("evaluate", 137, "", "EvaluateFailed", "exit code 137"),
    ("upload", 75, result("upload", reason="StorageUnavailable", message="503"), "StorageUnavailable", "503"),
    ("upload", 2, "boom", "UploadFailed", "boom"),
]


@pytest.mark.parametrize(("container", "code", "message", "reason", "words"), ENDS)
def test_a_run_that_fails_says_why(container: str, code: int, message: str, reason: str, words: str) -> None:
    """Reason by container and exit code, the container's own words in the message; no version comes of it."""
    scene = going()
    scene.fails_in(container, code, message)
    scene.settle()
    assert scene.succeeded == ("False", reason)
    assert words in scene.says
    assert scene.runs == [("Failed", reason)]
    assert scene.world.list("ModelVersion") == ()


def test_a_container_that_ran_out_of_memory_is_said_to_have() -> None:
    """OOMKilled appears in words."""
    scene = going()
    scene.fails_in("train", 137, reason="OOMKilled")
    scene.settle()
    assert scene.succeeded == ("False", "TrainFailed")
    assert "more memory than its limit" in scene.says


def test_the_end_of_a_long_log_survives() -> None:
    """Of a log that is too long the last lines are kept: there stands the error."""
    scene = going()
    scene.fails_in("train", 1, "noise\n" * 400 + "ValueError: the end")
    scene.settle()
    assert scene.says.endswith("ValueError: the end")


def test_unchanged_names_the_version_that_was_made_of_the_same() -> None:
    """67 is a success that made nothing, and the version is named by its identity."""
    world = World()
    world.add(model_version("delays", 3).made_by("delays", "delays-old", digest("7")).obj())
    world.add(model_version("delays", 4).made_by("delays", "delays-new", digest("8")).obj())
    scene = TrainingScene(world=world)
    scene.settle()
    assert set(request(scene).known) == {digest("7"), digest("8")}
    scene.fails_in("fetch", 67, result("fetch", reason="Unchanged", message="same", identity=digest("7")))
    scene.settle()
    assert scene.succeeded == ("True", "Unchanged")
    assert "delays-v3" in scene.says
    assert len(world.list("ModelVersion")) == 2


def test_refused_and_lost_versions_need_another_training() -> None:
    """Their identities are not among the known ones: looser gates or restored storage must not end as Unchanged."""
    world = World()
    world.add(model_version("delays", 1).made_by("delays", "r1", digest("1")).gate("auc", "Fail").obj())
    lost = model_version("delays", 2).made_by("delays", "r2", digest("2"))
    world.add(lost.condition("Verified", "False", "DigestMismatch").obj())
    world.add(model_version("delays", 3).made_by("delays", "r3", digest("3")).gate("auc", "Pass").obj())
    world.add(model_version("other", 4).made_by("delays", "r4", digest("4")).obj())
    scene = TrainingScene(world=world)
    scene.settle()
    assert request(scene).known == (digest("3"),)


def test_a_version_number_is_never_used_again() -> None:
    """Not below the highest that exists, and not below the highest that ever existed."""
    world = World()
    world.add(model_version("delays", 7).obj())
    scene = TrainingScene(world=world)
    scene.settle()
    world.remove("ModelVersion", "delays-v7")
    scene.succeeds("a")
    scene.settle()
    assert scene.status["latestVersion"] == 8
    assert world.get("ModelVersion", "delays-v8") is not None


def test_two_jobs_of_one_model_share_the_numbers() -> None:
    """The one that comes second to a number takes the next, and neither claims the other's version."""
    world = World()
    one = TrainingScene(training_job("one").spec(modelName="delays"), world=world)
    two = TrainingScene(training_job("two").spec(modelName="delays"), world=world)
    for scene, letter in ((one, "1"), (two, "2")):
        scene.settle()
        scene.succeeds(letter)
    plans = one.plan(), two.plan()
    one.world.execute("TrainingJob", "one", plans[0])
    two.world.execute("TrainingJob", "two", plans[1])
    one.settle()
    two.settle()
    assert (one.status["latestVersion"], two.status["latestVersion"]) == (1, 2)
    assert {v["spec"]["digest"]: v["spec"]["version"] for v in world.list("ModelVersion")} == {
        digest("1"): 1,
        digest("2"): 2,
    }


# What a person changes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"backoffLimit": 5},
        {"activeDeadlineSeconds": 60},
        {"runsHistoryLimit": 1},
        {"gates": [{"metric": "auc", "min": "0.9"}]},
        {"trainer": {"resources": {"requests": {"cpu": "2"}}, "nodeSelector": {"gpu": "yes"}}},
        {"trainer": {"tolerations": [{"operator": "Exists"}]}},
        {"output": {"storageUri": "pvc://elsewhere", "modelFormat": "ONNX"}},
        {
            "datasets": [
                {
                    "name": "train",
                    "role": "Train",
                    "storageUri": "pvc://data/months",
                    "storage": {"secretRef": {"name": "key"}},
                }
            ]
        },
    ],
    ids=lambda change: "-".join(change),
)
def test_what_makes_no_other_model_trains_nothing(change: dict[str, Any]) -> None:
    """Policies, places and keys lie outside the definition."""
    scene = going()
    scene.succeeds()
    scene.settle()
    scene.world.edit("TrainingJob", "delays", **change)
    scene.settle()
    assert scene.succeeded == ("True", "Trained")
    assert scene.status["observedGeneration"] == 2
    assert len(scene.jobs) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"hyperparameters": [{"name": "c", "value": "2"}]},
        {"trainer": {"image": "mine:1"}},
        {"trainer": {"command": ["python", "other.py"]}},
        {"trainer": {"args": ["--fast"]}},
        {"trainer": {"env": [{"name": "A", "value": "1"}]}},
        {"schema": {"target": "late", "timeColumn": "time"}},
        {"datasets": [{"name": "train", "role": "Train", "storageUri": "pvc://data/other"}]},
        {
            "datasets": [
                {
                    "name": "train",
                    "role": "Train",
                    "storageUri": "pvc://data/months",
                    "select": {"partition": "{yyyy}", "latest": 1},
                }
            ]
        },
        {"output": {"storageUri": "pvc://models", "modelFormat": "Skops"}},
    ],
    ids=lambda change: "-".join(change),
)
def test_what_makes_another_model_runs_again(change: dict[str, Any]) -> None:
    """Each part of the definition does."""
    scene = going()
    scene.succeeds()
    scene.settle()
    scene.world.edit("TrainingJob", "delays", **change)
    scene.settle()
    assert scene.succeeded == ("Unknown", "Pending")
    assert len(scene.jobs) == 2


MORE_MEMORY = {"trainer": {"resources": {"limits": {"memory": "1Gi"}}}}


def failed() -> TrainingScene:
    """A TrainingJob whose first run has failed: its training needed more memory than it had."""
    scene = going()
    scene.fails_in("train", 137, reason="OOMKilled")
    scene.settle()
    assert scene.runs == [("Failed", "TrainFailed")]
    return scene


def refusal(reason: str) -> Callable[[TrainingScene], None]:
    """`fetch` ends the run for this reason."""
    code = {"DataInvalid": 65, "NeedMoreData": 68, "StorageUnavailable": 75}[reason]
    return lambda scene: scene.fails_in("fetch", code, result("fetch", reason=reason, message="why"))


def deleted(scene: TrainingScene) -> None:
    """A person deletes the Job of the run."""
    scene.world.remove("Job", scene.job["metadata"]["name"])
    scene.settle()
    scene.world.tick(10)


KEYED = {"name": "train", "role": "Train", "storageUri": "pvc://data/months", "storage": {"secretRef": {"name": "key"}}}
ELSEWHERE = {"output": {"storageUri": "pvc://elsewhere", "modelFormat": "ONNX"}}
LOOSER = {"gates": [{"metric": "auc", "min": "0.5"}]}
MENDED: list[Any] = [
    ("TrainFailed", lambda scene: scene.fails_in("train", 137, reason="OOMKilled"), MORE_MEMORY),
    ("DeadlineExceeded", lambda s: s.job_ends("Failed", "DeadlineExceeded"), {"activeDeadlineSeconds": 9000}),
    ("ImagePullFailed", lambda s: s.pod(lambda pod: pod.waiting("train", "InvalidImageName")), {"backoffLimit": 1}),
    ("GatesFailed", lambda scene: scene.succeeds("b", code=66, gates=[REFUSED]), LOOSER),
    ("NeedMoreData", lambda scene: scene.succeeds("b", code=68), LOOSER),
    ("NeedMoreData", refusal("NeedMoreData"), {"backoffLimit": 1}),
    ("DataInvalid", refusal("DataInvalid"), {"backoffLimit": 1}),
    ("StorageUnavailable", refusal("StorageUnavailable"), ELSEWHERE),
    ("StorageUnavailable", refusal("StorageUnavailable"), {"datasets": [KEYED]}),
    ("RunDeleted", deleted, {"backoffLimit": 1}),
]


@pytest.mark.parametrize(("reason", "fails", "mended"), MENDED, ids=[f"{m[0]}-{next(iter(m[2]))}" for m in MENDED])
def test_a_spec_that_is_changed_after_a_failure_is_run(
    reason: str, fails: Callable[[TrainingScene], None], mended: dict[str, Any]
) -> None:
    """Also outside the definition: the cause may lie there. One run, of its own name, with the new spec."""
    scene = going()
    names = {scene.job["metadata"]["name"]}
    fails(scene)
    scene.settle()
    assert scene.succeeded == ("False", reason)
    definition = scene.status["definition"]
    scene.world.tick(60)
    scene.world.edit("TrainingJob", "delays", **mended)
    scene.settle()
    assert scene.succeeded == ("Unknown", "Pending")
    assert scene.runs == [("Running", "Running"), ("Failed", reason)]
    assert scene.job["metadata"]["name"] not in names
    assert scene.status["definition"] == definition
    assert request(scene).trigger == {"kind": "Spec", "generation": 2}
    numbers = [version["spec"]["version"] for version in scene.world.list("ModelVersion")]
    scene.succeeds("c")
    scene.settle()
    assert scene.succeeded == ("True", "Trained")
    assert scene.status["latestVersion"] == max(numbers, default=0) + 1
    assert request(scene).outputUri == mended.get("output", {}).get("storageUri", "pvc://models")


@pytest.mark.parametrize(
    "change", [{"runsHistoryLimit": 2}, {"suspend": True}, {"seed": 0}], ids=["history", "suspend", "the same again"]
)
def test_what_says_nothing_new_does_not_run_a_failure_again(change: dict[str, Any]) -> None:
    """The same spec, a longer memory, or holding back what has ended: none of them mends anything."""
    scene = failed()
    scene.world.edit("TrainingJob", "delays", **change)
    scene.settle()
    assert scene.succeeded == ("False", "TrainFailed")
    scene.world.edit("TrainingJob", "delays", suspend=False)
    scene.settle()
    assert scene.succeeded == ("False", "TrainFailed")
    assert len(scene.jobs) == 1


def test_another_look_operator_or_image_does_not_run_a_failure_again() -> None:
    """Only a person's change of the spec does."""
    scene = failed()
    scene.policy = type(POLICY)(server_image="s:2", runner_image="r:2")
    for _ in range(10):
        scene.world.tick(3600)
        assert scene.look().changes_nothing


def test_each_change_after_a_failure_runs_once() -> None:
    """The second attempt fails as well: it is as final as the first, until the spec is changed again."""
    scene = failed()
    for count, limit in enumerate(["1Gi", "2Gi", "1Gi"], start=2):
        scene.world.edit("TrainingJob", "delays", trainer={"resources": {"limits": {"memory": limit}}})
        scene.settle()
        assert len(scene.jobs) == count
        scene.fails_in("train", 137, reason="OOMKilled")
        scene.settle()
        scene.world.tick(3600)
        assert scene.look().changes_nothing
        assert scene.succeeded == ("False", "TrainFailed")
    assert len({job["metadata"]["name"] for job in scene.jobs}) == 4


def test_after_the_second_attempt_succeeded_the_spec_starts_nothing() -> None:
    """The failure before it is history."""
    scene = failed()
    scene.world.edit("TrainingJob", "delays", **MORE_MEMORY)
    scene.settle()
    scene.succeeds()
    scene.settle()
    scene.world.edit("TrainingJob", "delays", trainer={}, backoffLimit=2)
    scene.settle()
    assert scene.succeeded == ("True", "Trained")
    assert len(scene.jobs) == 2


def test_a_change_while_the_run_goes_on_is_tried_only_if_it_fails() -> None:
    """More memory disturbs no run that is going; the run that failed without it is followed by one that has it."""
    for fails in (False, True):
        scene = going()
        name = scene.job["metadata"]["name"]
        scene.world.edit("TrainingJob", "delays", **MORE_MEMORY)
        scene.settle()
        assert [job["metadata"]["name"] for job in scene.jobs] == [name]
        if fails:
            scene.fails_in("train", 137, reason="OOMKilled")
        else:
            scene.succeeds()
        scene.settle()
        assert len(scene.jobs) == (2 if fails else 1)


def test_suspend_and_resume_of_a_run_that_then_fails_does_not_run_it_again() -> None:
    """To hold a run back is no wish for another one."""
    scene = going()
    for suspend in (True, False):
        scene.world.edit("TrainingJob", "delays", suspend=suspend)
        scene.settle()
    scene.fails_in("train", 1)
    scene.settle()
    assert scene.succeeded == ("False", "TrainFailed")
    assert len(scene.jobs) == 1


def test_a_change_after_a_failure_waits_while_suspended() -> None:
    """And is run when suspend is taken back, under the generation of that."""
    scene = failed()
    scene.world.edit("TrainingJob", "delays", suspend=True, **MORE_MEMORY)
    scene.settle()
    assert (scene.succeeded, len(scene.jobs)) == (("Unknown", "Suspended"), 1)
    scene.world.edit("TrainingJob", "delays", suspend=False)
    scene.settle()
    assert len(scene.jobs) == 2
    assert scene.status["runs"][0]["generation"] == 3


def test_the_way_back_to_a_definition_that_failed_runs_it() -> None:
    """The spec was changed after the failure, and another run was made of it: this one is asked for again."""
    scene = failed()
    scene.world.edit("TrainingJob", "delays", seed=1)
    scene.settle()
    scene.succeeds("b")
    scene.settle()
    scene.world.tick(60)
    scene.world.edit("TrainingJob", "delays", seed=0)
    scene.settle()
    assert [reason for _, reason in scene.runs] == ["Running", "Trained", "TrainFailed"]


def test_the_second_attempt_that_other_code_cut_short_is_made_anew() -> None:
    """Superseded is no result for it either; its name is not used twice."""
    scene = TrainingScene(code=config_map(train_py="one"))
    scene.settle()
    scene.fails_in("train", 1)
    scene.settle()
    scene.world.edit("TrainingJob", "delays", **MORE_MEMORY)
    scene.settle()
    name = scene.job["metadata"]["name"]
    for code in ("two", "one"):
        scene.world.add(config_map(train_py=code))
        scene.settle()
    assert scene.job["metadata"]["name"] != name
    assert request(scene).trigger == {"kind": "Spec", "generation": 2, "attempt": 2}


@pytest.mark.parametrize("ends", [None, "Failed", "Succeeded"])
def test_what_a_second_attempt_follows_is_known_after_the_status_is_lost(ends: str | None) -> None:
    """Generation and spec stand on the Jobs, whose times may be the same second: nothing is run once more."""
    scene = failed()
    scene.world.edit("TrainingJob", "delays", **MORE_MEMORY)
    scene.settle()
    if ends == "Failed":
        scene.fails_in("train", 1)
    elif ends:
        scene.succeeds()
    scene.settle()
    before = dict(scene.status)
    scene.world.set_status("TrainingJob", "delays", {})
    scene.settle()
    assert scene.status["runs"] == before["runs"]
    assert scene.succeeded[0] == {None: "Unknown", "Failed": "False", "Succeeded": "True"}[ends]
    assert len(scene.jobs) == 2


def test_an_old_view_of_the_spec_starts_nothing() -> None:
    """A look whose TrainingJob is older than the run that failed does not go back to the spec before it."""
    scene = failed()
    old = scene.parent
    scene.world.edit("TrainingJob", "delays", **MORE_MEMORY)
    scene.settle()
    scene.fails_in("train", 1)
    scene.settle()
    observed = replace(scene.observed(), parent={**old, "status": scene.status})
    assert plan_training(observed, scene.world.now, scene.policy).create == ()


def test_the_failure_that_is_followed_stays_on_record_until_its_successor_is_seen() -> None:
    """Forgotten too early, the definition would count as never run, and be run under a second name."""
    scene = failed()
    scene.world.tick(60)
    scene.world.edit("TrainingJob", "delays", seed=1)
    scene.settle()
    scene.succeeds("b")
    scene.settle()
    scene.world.tick(60)
    scene.world.edit("TrainingJob", "delays", seed=0, runsHistoryLimit=1)
    before = scene.observed()
    made = {body["metadata"]["name"] for body in scene.look().create}
    assert made == {scene.job["metadata"]["name"]}
    unseen = replace(before, parent=scene.parent, jobs=tuple(job for job in before.jobs if job in scene.jobs))
    again = plan_training(unseen, scene.world.now, scene.policy)
    assert {body["metadata"]["name"] for body in again.create} == made
    scene.settle()
    assert scene.runs == [("Running", "Running")]


def test_of_two_runs_of_one_second_the_later_generation_is_the_newer() -> None:
    """Whatever their names: a second attempt must not be taken for the first when the status is lost."""
    older = Entry("delays-a", digest("d"), "Failed", "TrainFailed", start=stamp(World().now), generation=1)
    newer = replace(older, name="delays-b", generation=2)
    assert in_order([older, newer], []) == [newer, older]


def test_the_way_code_is_called_is_part_of_the_identity() -> None:
    """Other arguments with the same files must not end as Unchanged: they change the code digest `fetch` goes by."""
    digests = set()
    for trainer in ({}, {"args": ["--fast"]}, {"command": ["python", "x.py"]}, {"env": [{"name": "A", "value": "1"}]}):
        scene = TrainingScene(training_job().trainer(**trainer))
        scene.settle()
        digests.add(request(scene).code["digest"])
    assert len(digests) == 4


def test_other_code_runs_again() -> None:
    """One byte in the ConfigMap is another definition; the same bytes as binary data are not."""
    scene = TrainingScene(code=config_map(train_py="one"))
    scene.settle()
    scene.succeeds()
    scene.settle()
    same = {key: value for key, value in config_map().items() if key != "data"} | {"binaryData": {"train.py": "b25l"}}
    scene.world.add(same)
    scene.settle()
    assert len(scene.jobs) == 1
    scene.world.add(config_map(train_py="two"))
    scene.settle()
    assert len(scene.jobs) == 2


def test_an_operator_with_another_runner_image_trains_nothing_again() -> None:
    """The default image is outside the definition."""
    scene = going()
    scene.succeeds()
    scene.settle()
    scene.policy = type(POLICY)(server_image="s:2", runner_image="r:2")
    assert scene.look().changes_nothing


def test_a_new_definition_replaces_the_run_that_is_going() -> None:
    """The old run is stopped and recorded first; only when its Job is gone the new one starts."""
    scene = going()
    scene.pod(lambda pod: pod.running("train"))
    old = scene.job["metadata"]["name"]
    scene.world.edit("TrainingJob", "delays", seed=1)
    first = scene.look()
    assert (first.create, [item.name for item in first.delete]) == ((), [old])
    assert scene.runs == [("Failed", "Superseded")]
    assert "Waits until" in scene.says
    scene.settle()
    assert [job["metadata"]["name"] for job in scene.jobs] != [old]
    assert scene.runs == [("Running", "Running"), ("Failed", "Superseded")]


def test_the_way_back_to_a_definition_that_was_cut_short_runs_it() -> None:
    """Superseded is no result: the definition gets a run of another name."""
    scene = going()
    name = scene.job["metadata"]["name"]
    scene.world.edit("TrainingJob", "delays", seed=1)
    scene.settle()
    scene.world.edit("TrainingJob", "delays", seed=0)
    scene.settle()
    assert scene.job["metadata"]["name"] != name
    scene.succeeds()
    scene.settle()
    assert scene.succeeded == ("True", "Trained")
    assert [reason for _, reason in scene.runs] == ["Trained", "Superseded", "Superseded"]


def test_the_way_back_to_a_definition_that_was_trained_is_unchanged() -> None:
    """Nothing is trained, and the condition names the run and its version."""
    scene = going()
    scene.succeeds("a")
    scene.settle()
    scene.world.tick(60)
    scene.world.edit("TrainingJob", "delays", seed=1)
    scene.settle()
    scene.succeeds("b")
    scene.settle()
    assert scene.status["latestVersion"] == 2
    scene.world.edit("TrainingJob", "delays", seed=0)
    scene.settle()
    assert scene.succeeded == ("True", "Unchanged")
    assert "delays-v1" in scene.says
    assert len(scene.jobs) == 2
    assert scene.status["latestVersion"] == 2


def test_a_result_that_came_before_the_change_is_still_registered() -> None:
    """The run of the old definition had ended: its version is made, and the new definition runs."""
    scene = going()
    scene.succeeds("a")
    scene.world.edit("TrainingJob", "delays", seed=1)
    scene.settle()
    assert scene.world.get("ModelVersion", "delays-v1") is not None
    assert [reason for _, reason in scene.runs] == ["Running", "Trained"]


def test_suspend_before_the_start_makes_no_job() -> None:
    """And no pod; taking it back starts the run."""
    scene = TrainingScene(training_job().spec(suspend=True))
    scene.settle()
    assert (scene.succeeded, scene.jobs) == (("Unknown", "Suspended"), [])
    scene.world.edit("TrainingJob", "delays", suspend=False)
    scene.settle()
    assert scene.job["spec"]["suspend"] is False


def test_suspend_stops_the_run_that_is_going_and_resumes_it() -> None:
    """The Job is suspended, not deleted; the same Job goes on afterwards."""
    scene = going()
    name = scene.job["metadata"]["name"]
    scene.world.edit("TrainingJob", "delays", suspend=True)
    scene.settle()
    assert scene.job["spec"]["suspend"] is True
    assert scene.succeeded == ("Unknown", "Suspended")
    scene.world.edit("TrainingJob", "delays", suspend=False)
    scene.settle()
    assert scene.job["spec"]["suspend"] is False
    assert scene.job["metadata"]["name"] == name
    assert scene.succeeded == ("Unknown", "Pending")


def test_suspend_after_the_end_changes_nothing() -> None:
    """A result stays a result."""
    scene = going()
    scene.succeeds()
    scene.settle()
    scene.world.edit("TrainingJob", "delays", suspend=True)
    scene.settle()
    assert scene.succeeded == ("True", "Trained")
    assert scene.job["spec"]["suspend"] is False


# What does not start --------------------------------------------------------------------------------------------------


def test_missing_code_is_named_and_waited_for() -> None:
    """SourceNotFound with the ConfigMap's name; the run starts when it appears."""
    scene = TrainingScene(with_code=False)
    plan = scene.settle()
    assert scene.succeeded == ("Unknown", "SourceNotFound")
    assert "code" in scene.says
    assert scene.jobs == []
    assert plan.requeue_after == timedelta(seconds=10)
    scene.world.add(config_map())
    scene.settle()
    assert len(scene.jobs) == 1


def test_code_without_train_py_is_said_before_anything_runs() -> None:
    """No Job is made to find out that there is nothing to start, unless a command names another file."""
    scene = TrainingScene(code=config_map(other_py="x"))
    scene.settle()
    assert scene.succeeded == ("Unknown", "SourceNotFound")
    assert "train.py" in scene.says
    scene.world.edit("TrainingJob", "delays", trainer={"command": ["python", "/pintle/code/other.py"]})
    scene.settle()
    assert len(scene.jobs) == 1


def test_code_that_is_deleted_later_takes_no_result_back() -> None:
    """A run goes on, a result stays; a spec that names another missing ConfigMap waits for it."""
    scene = going()
    scene.world.remove("ConfigMap", "code")
    scene.settle()
    assert scene.succeeded == ("Unknown", "Pending")
    scene.succeeds()
    scene.settle()
    assert scene.succeeded == ("True", "Trained")
    scene.world.edit("TrainingJob", "delays", source={"configMapRef": {"name": "other"}})
    scene.settle()
    assert scene.succeeded == ("Unknown", "SourceNotFound")


def test_a_job_without_code_and_image_has_nothing_to_run() -> None:
    """SpecInvalid names both ways out."""
    scene = TrainingScene(training_job().spec(source=None))
    scene.settle()
    assert scene.succeeded == ("False", "SpecInvalid")
    assert "trainer.image" in scene.says


@pytest.mark.parametrize(
    ("waits", "reason"),
    [
        ("ImagePullBackOff", "ImagePullFailed"),
        ("ErrImageNeverPull", "ImagePullFailed"),
        ("CreateContainerConfigError", "ContainerConfigInvalid"),
    ],
)
def test_a_container_that_cannot_start_has_its_time_and_no_more(waits: str, reason: str) -> None:
    """Until the deadline the run is Pending; then the Job is suspended for good and the run has failed."""
    scene = going()
    start = scene.world.now
    ended = start + timedelta(seconds=200)

    def build(pod: PodBuilder) -> PodBuilder:
        return pod.ended("fetch", 0, at=ended).waiting("train", waits, "why")

    scene.pod(build)
    scene.world.now = ended + timedelta(seconds=299)
    plan = scene.settle()
    assert scene.succeeded == ("Unknown", "Pending")
    assert plan.requeue_after == timedelta(seconds=1)
    scene.world.tick(1)
    scene.settle()
    assert scene.succeeded == ("False", reason)
    assert "why" in scene.says
    assert scene.job["spec"]["suspend"] is True
    for name in [pod["metadata"]["name"] for pod in scene.world.list("Pod")]:
        scene.world.remove("Pod", name)
    scene.settle()
    assert scene.succeeded == ("False", reason)
    assert scene.job["spec"]["suspend"] is True


def test_an_image_name_that_can_never_be_pulled_ends_the_run_at_once() -> None:
    """InvalidImageName does not mend itself."""
    scene = going()
    scene.pod(lambda pod: pod.waiting("train", "InvalidImageName", "bad"))
    scene.settle()
    assert scene.succeeded == ("False", "ImagePullFailed")


def test_what_the_api_server_refuses_is_shown() -> None:
    """Its message is the condition's, and the same is tried again at the next look."""
    scene = TrainingScene()
    plan = scene.plan(write_error="exceeded quota")
    assert plan.create
    scene.world.execute("TrainingJob", "delays", plan, only=None)
    assert scene.succeeded == ("False", "SpecInvalid")
    assert scene.says == "exceeded quota"
    scene.settle()
    assert scene.succeeded == ("Unknown", "Pending")


# What gets lost -------------------------------------------------------------------------------------------------------


def test_attempts_are_told_while_the_next_one_runs() -> None:
    """The message has the last failure."""
    scene = going()
    scene.pod(lambda pod: pod.ended("fetch", 75, result("fetch", message="timeout")).phase("Failed"))
    scene.world.tick(10)
    scene.pod(lambda pod: pod.running("fetch"), attempt=2)
    scene.settle()
    assert scene.succeeded == ("Unknown", "Running")
    assert "1 tried before; the last: timeout" in scene.says


def test_between_two_attempts_no_phase_is_claimed() -> None:
    """The pod has failed, the next one is not there yet, whether or not its sidecar has ended."""
    for phase in ("Running", "Failed"):
        scene = going()
        scene.pod(lambda pod, phase=phase: pod.ended("fetch", 0).ended("train", 1, "oh").phase(phase))  # type: ignore[misc]
        scene.settle()
        assert scene.succeeded == ("Unknown", "Pending")
        assert "next pod is being made" in scene.says
        assert "exit code 1: oh" in scene.says


def test_an_evicted_pod_is_no_failure_of_the_run() -> None:
    """The run goes on, and the message says who took the pod."""
    scene = going()
    scene.pod(lambda pod: pod.disrupted("TerminationByKubelet"))
    scene.settle()
    assert scene.succeeded == ("Unknown", "Pending")
    scene.world.tick(5)
    scene.pod(lambda pod: pod.running("fetch"), attempt=2)
    scene.settle()
    assert scene.succeeded == ("Unknown", "Running")
    assert "TerminationByKubelet" in scene.says


def test_what_an_eviction_killed_is_not_taken_for_the_failure() -> None:
    """The pod that failed by itself tells the reason, not the one that was taken away after it."""
    scene = going()
    scene.pod(lambda pod: pod.ended("fetch", 0).ended("train", 1, "the reason").phase("Failed"))
    scene.world.tick(10)
    scene.pod(lambda pod: pod.ended("fetch", 137).disrupted(), attempt=2)
    scene.job_ends("Failed", "BackoffLimitExceeded", failed=1)
    scene.settle()
    assert scene.succeeded == ("False", "TrainFailed")
    assert "the reason" in scene.says


def test_a_pod_that_does_not_get_on_is_told_with_where_to_look() -> None:
    """What the kubelet says in Events only (a Secret that is missing) is hinted at after a minute, once."""
    scene = going()
    scene.pod(lambda pod: pod.waiting("fetch", "PodInitializing"))
    scene.settle()
    assert "describe pod" not in scene.says
    scene.world.tick(61)
    scene.settle()
    assert scene.succeeded == ("Unknown", "Pending")
    assert "a Secret is missing; `kubectl describe pod " in scene.says
    said = scene.says
    scene.world.tick(600)
    assert scene.look().changes_nothing
    assert scene.says == said


def test_a_run_that_failed_is_not_told_to_begin_while_its_pod_ends() -> None:
    """A Job that its deadline ends has no pod that goes on, for as long as the old one takes to end."""
    scene = going()
    gone = stamp(scene.world.now)
    scene.pod(lambda pod: pod.ended("fetch", 0).running("train").metadata(deletionTimestamp=gone))
    scene.job_ends("FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline")
    scene.settle()
    assert scene.succeeded == ("Unknown", "Running")
    assert "active longer than specified deadline" in scene.says
    assert "its pod is ending" in scene.says
    scene.job_ends("Failed", "DeadlineExceeded")
    scene.settle()
    assert scene.succeeded == ("False", "DeadlineExceeded")


@pytest.mark.parametrize(
    ("why", "message", "reason", "words"),
    [
        ("DeadlineExceeded", "", "DeadlineExceeded", "took longer than"),
        (
            "BackoffLimitExceeded",
            "Job has reached the specified backoff limit",
            "BackoffLimitExceeded",
            "backoff limit",
        ),
        (
            "PodFailurePolicy",
            "Container fetch for pod team/x failed with exit code 65 matching FailJob rule at index 0",
            "DataInvalid",
            "exit code 65",
        ),
    ],
)
def test_a_failed_job_without_pods_tells_what_the_job_knows(why: str, message: str, reason: str, words: str) -> None:
    """After a moment for the pods to appear, the Job's own words must do."""
    scene = going()
    scene.job_ends("Failed", why, message)
    scene.settle()
    scene.world.tick(31)
    scene.settle()
    assert scene.succeeded == ("False", reason)
    assert words in scene.says


def lost(message: str = "") -> TrainingScene:
    """A run that has ended, and nothing but its Job is left: it completed, or failed with this message."""
    scene = going()
    if message:
        scene.job_ends("Failed", "PodFailurePolicy", message)
    else:
        scene.job_ends("Complete")
    scene.settle()
    assert scene.succeeded == ("Unknown", "Running")
    assert scene.world.list("Pod") == ()
    scene.world.tick(30)
    scene.settle()
    return scene


REFUSED_UPLOAD = "Container upload for pod team/x failed with exit code 66 matching FailJob rule at index 2"


@pytest.mark.parametrize(
    ("message", "expected"), [("", ("True", "Trained")), (REFUSED_UPLOAD, ("False", "GatesFailed"))]
)
def test_a_result_that_went_with_its_pod_is_read_from_the_record(message: str, expected: tuple[str, str]) -> None:
    """A pod with the output key reads it, the version is registered as if nothing had been lost, the pod goes."""
    scene = lost(message)
    assert scene.succeeded == ("Unknown", "Running")
    verdict = "Fail" if message else "Pass"
    told = {"digest": digest("a"), "identity": digest("b"), "verdict": verdict, "metrics": {"auc": 0.7}}
    scene.collector(0, result("collect", uri="pvc://models/x", **told))
    scene.settle()
    assert scene.succeeded == expected
    version = scene.world.get("ModelVersion", "delays-v1")
    assert version is not None
    assert version["spec"]["metrics"] == [{"name": "auc", "value": "0.7"}]
    assert bool(version["spec"].get("gates")) is bool(message)
    assert scene.world.list("Pod") == ()


def test_a_record_that_does_not_exist_ends_as_result_lost() -> None:
    """At once, because it will not come to be; nothing is trained again."""
    scene = lost()
    scene.collector(66, result("collect", reason="RecordMissing", message="run.json tells of no model"))
    scene.settle()
    assert scene.succeeded == ("False", "ResultLost")
    assert "run.json tells of no model" in scene.says
    assert (len(scene.jobs), scene.world.list("Pod"), scene.world.list("ModelVersion")) == (1, (), ())


def test_a_record_that_cannot_be_read_is_tried_again_and_not_for_ever() -> None:
    """Three pods with a pause; then the result counts as lost."""
    scene = lost()
    for number in (1, 2, 3):
        scene.collector(75, result("collect", message="403"), number)
        scene.settle()
        assert len(scene.world.list("Pod")) == (number if number < 3 else 0)
        scene.world.tick(30)
        scene.settle()
    assert scene.succeeded == ("False", "ResultLost")
    assert "403" in scene.says


def test_a_job_that_a_person_deletes_is_not_made_again() -> None:
    """Not while it runs (RunDeleted), not when it is over."""
    scene = going()
    scene.world.remove("Job", scene.job["metadata"]["name"])
    scene.settle()
    scene.world.tick(10)
    scene.settle()
    assert (scene.succeeded, scene.jobs) == (("False", "RunDeleted"), [])
    scene = going()
    scene.succeeds()
    scene.settle()
    scene.world.remove("Job", scene.job["metadata"]["name"])
    scene.settle()
    assert (scene.succeeded, scene.jobs) == (("True", "Trained"), [])


def test_a_job_that_is_missed_for_a_moment_is_not_given_up() -> None:
    """News that come late must not end a run: it is looked for, and found again it goes on."""
    scene = going()
    job = scene.job
    scene.world.remove("Job", job["metadata"]["name"])
    plan = scene.settle()
    assert scene.succeeded == ("Unknown", "Pending")
    assert plan.requeue_after == timedelta(seconds=10)
    scene.world.tick(5)
    scene.world.add(job)
    scene.settle()
    assert scene.runs == [("Running", "Running")]
    scene.world.tick(60)
    scene.world.remove("Job", job["metadata"]["name"])
    scene.settle()
    assert scene.succeeded == ("Unknown", "Pending")


def test_a_namesake_made_later_has_runs_of_its_own() -> None:
    """Artifacts lie below the run's name: neither a new TrainingJob nor a lost status may lead to the same one."""
    scene = going()
    scene.succeeds()
    scene.settle()
    names = {scene.job["metadata"]["name"]}
    scene.world.remove("Job", scene.job["metadata"]["name"])
    scene.world.set_status("TrainingJob", "delays", {})
    scene.settle()
    names.add(scene.job["metadata"]["name"])
    world = scene.world
    world.remove("TrainingJob", "delays")
    for version in world.list("ModelVersion"):
        world.remove("ModelVersion", version["metadata"]["name"])
    again = TrainingScene(training_job().metadata(uid="another"), world=world)
    again.settle()
    names.add(again.job["metadata"]["name"])
    assert len(names) == 3


@pytest.mark.parametrize("code", [0, 66])
def test_a_status_that_is_wiped_comes_back_from_the_children(code: int) -> None:
    """Result, version, definition and conditions are derived again; nothing is run or registered twice."""
    scene = going()
    scene.succeeds(code=code)
    scene.settle()
    before = dict(scene.status)
    scene.world.set_status("TrainingJob", "delays", {})
    scene.settle()
    assert scene.status == before
    assert len(scene.jobs) == 1
    assert len(scene.world.list("ModelVersion")) == 1


def test_a_training_job_that_is_being_deleted_is_left_alone() -> None:
    """Garbage collection does the rest."""
    scene = TrainingScene(training_job().metadata(deletionTimestamp=stamp(World().now)))
    assert scene.plan().changes_nothing


# History --------------------------------------------------------------------------------------------------------------


def test_history_keeps_as_many_runs_as_asked_for() -> None:
    """Older runs leave the status, then their Jobs are deleted, oldest first; versions stay."""
    scene = TrainingScene(training_job().spec(runsHistoryLimit=2))
    for seed in range(4):
        scene.world.edit("TrainingJob", "delays", seed=seed)
        scene.settle()
        scene.succeeds("abcd"[seed])
        scene.settle()
        scene.world.tick(60)
    assert len(scene.status["runs"]) == 2
    assert {job["metadata"]["name"] for job in scene.jobs} == {run["name"] for run in scene.status["runs"]}
    assert [run["version"] for run in scene.status["runs"]] == [4, 3]
    assert len(scene.world.list("ModelVersion")) == 4


def test_the_run_of_the_present_definition_is_remembered_however_old() -> None:
    """Forgotten, it would be run again."""
    scene = going()
    scene.succeeds("a")
    scene.settle()
    scene.world.tick(60)
    scene.world.edit("TrainingJob", "delays", seed=1)
    scene.settle()
    scene.succeeds("b")
    scene.settle()
    scene.world.edit("TrainingJob", "delays", seed=0, runsHistoryLimit=1)
    scene.settle()
    assert [run["version"] for run in scene.status["runs"]] == [2, 1]
    assert scene.succeeded == ("True", "Unchanged")


def test_a_run_whose_version_is_not_registered_yet_is_not_forgotten() -> None:
    """Its Job holds the result until the API server takes the version."""
    scene = TrainingScene(training_job().spec(runsHistoryLimit=1))
    scene.settle()
    scene.succeeds("a")
    first = scene.job["metadata"]["name"]
    scene.world.tick(60)
    scene.world.edit("TrainingJob", "delays", seed=1)
    for _ in range(3):
        plan = scene.plan(write_error="refused")
        refused = tuple(body for body in plan.create if body["kind"] != "ModelVersion")
        scene.world.execute("TrainingJob", "delays", replace(plan, create=refused))
    assert scene.job["metadata"]["name"] != first
    scene.settle()
    version = scene.world.get("ModelVersion", "delays-v1")
    assert version is not None
    assert version["spec"]["source"]["run"] == first


def test_the_longest_status_stays_below_20_kilobytes() -> None:
    """Ten runs with the longest messages that anybody can cause, in letters of several bytes."""
    scene = TrainingScene(training_job("a" * 50).spec(runsHistoryLimit=10, modelName="m" * 50))
    for seed in range(12):
        scene.world.edit("TrainingJob", "a" * 50, seed=seed)
        scene.settle()
        scene.fails_in("train", 1, "€" * 4000)
        scene.settle()
        scene.world.tick(60)
    assert len(scene.status["runs"]) == 10
    assert len(json.dumps(scene.status, ensure_ascii=False).encode()) < 12_000
    assert len(json.dumps(scene.parent, ensure_ascii=False).encode()) < 20_000


def test_events_tell_transitions_once() -> None:
    """One event when reason or status changes, none when only time goes by."""
    scene = going()
    scene.fails_in("train", 1, "boom")
    plan = scene.look()
    assert [(event.type, event.reason) for event in plan.events] == [("Warning", "TrainFailed")]
    assert scene.look().events == ()
