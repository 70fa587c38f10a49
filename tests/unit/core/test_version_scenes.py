"""What becomes of a ModelVersion, scene by scene."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pintle.core.versions.plan import pause

from tests.builders import DIGEST, PodBuilder, model_deployment, model_version, stamp
from tests.scenes import VersionScene, result
from tests.world import World

UNKNOWN, TRUE, FALSE = "Unknown", "True", "False"


def well(pod: PodBuilder) -> PodBuilder:
    """A check that went well."""
    pod.ended("fetch", 0, result("verify", digest=DIGEST))
    return pod.ended("check", 0, result("check", rows=20, maxDifference=0.0)).phase("Succeeded")


def checking() -> VersionScene:
    """A version whose first check pod is there."""
    scene = VersionScene()
    scene.settle()
    return scene


def test_the_first_visit_makes_a_pod_and_all_conditions() -> None:
    """Verified, Validated and Ready exist from the start."""
    scene = VersionScene()
    scene.look()
    assert scene.verdicts == dict.fromkeys(("Verified", "Validated", "Ready"), (UNKNOWN, "Checking"))
    scene.settle()
    assert scene.pods == ["delays-v1-check-1"]


def test_a_check_that_goes_well_makes_the_version_ready_and_leaves_no_pod() -> None:
    """Three times True; the pod is deleted after its word is in the status."""
    scene = checking()
    scene.pod(well)
    plan = scene.look()
    assert plan.status is not None
    assert [target.name for target in plan.delete] == ["delays-v1-check-1"]
    assert scene.verdicts == {kind: (TRUE, kind) for kind in ("Verified", "Validated", "Ready")}
    assert "20 example rows" in scene.message("Validated")
    scene.settle()
    assert scene.pods == []
    assert scene.status["checkAttempts"] == 1


FINAL: list[Any] = [
    ("fetch", 65, "DigestMismatch", (FALSE, "DigestMismatch"), (FALSE, "DigestMismatch")),
    ("fetch", 65, "ManifestInvalid", (FALSE, "ManifestInvalid"), (FALSE, "ManifestInvalid")),
    ("fetch", 78, "RequestInvalid", (FALSE, "CheckFailed"), (FALSE, "CheckFailed")),
    ("check", 66, "LoadFailed", (TRUE, "Verified"), (FALSE, "LoadFailed")),
    ("check", 66, "AnswersDiffer", (TRUE, "Verified"), (FALSE, "AnswersDiffer")),
    ("check", 66, "", (TRUE, "Verified"), (FALSE, "LoadFailed")),
    ("check", 65, "ManifestInvalid", (TRUE, "Verified"), (FALSE, "ManifestInvalid")),
]


def ends(container: str, code: int, reason: str, message: str = "so it is") -> Callable[[PodBuilder], PodBuilder]:
    """A pod in which this container ends badly."""

    def build(pod: PodBuilder) -> PodBuilder:
        if container == "check":
            pod.ended("fetch", 0, result("verify", digest=DIGEST))
        said = result(container, reason=reason, message=message) if reason else message
        return pod.ended(container, code, said).phase("Failed")

    return build


@pytest.mark.parametrize(("container", "code", "said", "verified", "validated"), FINAL)
def test_a_refusal_is_final(
    container: str, code: int, said: str, verified: tuple[str, str], validated: tuple[str, str]
) -> None:
    """Wrong bytes and wrong answers do not get better by asking again."""
    scene = checking()
    scene.pod(ends(container, code, said))
    scene.settle()
    worst = next(verdict for verdict in (verified, validated) if verdict[0] == FALSE)
    assert scene.verdicts == {"Verified": verified, "Validated": validated, "Ready": worst}
    assert "so it is" in scene.message("Ready")
    scene.world.tick(86400)
    assert scene.settle().requeue_after is None
    assert scene.pods == []


def test_gates_that_lack_data_keep_a_version_from_being_ready() -> None:
    """What is not shown is not passed: GatesFailed, with the verdict and the figures in the words."""
    why = "brier against Baseline = 0.001 (-0.002 to 0.004), bound 0: is not shown yet to be good enough"
    scene = VersionScene(model_version().gate("brier", "NeedMoreData", why))
    scene.settle()
    assert scene.verdicts["Validated"] == scene.verdicts["Ready"] == (FALSE, "GatesFailed")
    assert scene.message("Ready") == f"NeedMoreData: {why}"


def test_refused_gates_need_no_loading() -> None:
    """Ready is False at once; the bytes are still verified, by a pod that does nothing else."""
    scene = VersionScene(model_version().gate("auc", "Fail", "auc = 0.6, bound 0.7"))
    scene.settle()
    assert scene.verdicts["Validated"] == scene.verdicts["Ready"] == (FALSE, "GatesFailed")
    assert "auc = 0.6" in scene.message("Ready")
    pod = scene.world.get("Pod", "delays-v1-check-1")
    assert pod is not None
    assert [item["name"] for item in pod["spec"]["containers"]] == ["fetch"]
    assert "initContainers" not in pod["spec"]
    scene.pod(lambda pod: pod.ended("fetch", 0, result("verify", digest=DIGEST)).phase("Succeeded"))
    scene.settle()
    assert scene.verdicts == {
        "Verified": (TRUE, "Verified"),
        "Validated": (FALSE, "GatesFailed"),
        "Ready": (FALSE, "GatesFailed"),
    }
    assert scene.pods == []


PASSING: list[Any] = [
    (ends("fetch", 75, "StorageUnavailable"), "StorageUnavailable", "Verified"),
    (ends("fetch", 1, "", "Traceback"), "CheckFailed", "Verified"),
    (ends("check", 137, ""), "CheckFailed", "Validated"),
    (lambda pod: pod.disrupted(), "CheckFailed", "Verified"),
    (lambda pod: pod.phase("Failed", "DeadlineExceeded"), "CheckFailed", "Verified"),
    (lambda pod: pod.waiting("fetch", "InvalidImageName"), "ImagePullFailed", "Verified"),
]


@pytest.mark.parametrize(("state", "reason", "open_"), PASSING)
def test_what_may_pass_is_asked_again_with_pauses_and_not_for_ever(
    state: Callable[[PodBuilder], PodBuilder], reason: str, open_: str
) -> None:
    """Each pod has the next number, the pause doubles, and after check_attempts the answer is no."""
    scene = checking()
    for number in (1, 2, 3):
        assert scene.pods == [f"delays-v1-check-{number}"]
        scene.pod(state, number)
        plan = scene.settle()
        assert scene.pods == []
        if number < 3:
            assert scene.verdicts[open_] == (UNKNOWN, reason)
            assert scene.verdicts["Ready"] == (UNKNOWN, reason)
            assert plan.requeue_after == pause(number)
            scene.world.tick(pause(number).total_seconds() - 1)
            assert scene.settle().create == ()
            scene.world.tick(1)
            scene.settle()
    assert scene.verdicts[open_] == (FALSE, reason)
    assert scene.verdicts["Ready"] == (FALSE, reason)
    assert "not tried again" in scene.message("Ready")
    scene.world.tick(86400)
    assert scene.look().changes_nothing


def test_bytes_that_were_verified_stay_so_when_storage_fails_later() -> None:
    """The second pod cannot read: that leaves the loading open, not the bytes."""
    scene = checking()
    scene.pod(ends("check", 137, ""))
    scene.settle()
    scene.world.tick(10)
    scene.settle()
    scene.pod(ends("fetch", 75, "StorageUnavailable"), 2)
    scene.settle()
    assert scene.verdicts["Verified"] == (TRUE, "Verified")
    assert scene.verdicts["Validated"] == (UNKNOWN, "StorageUnavailable")


def test_an_image_that_cannot_be_pulled_has_its_time() -> None:
    """Until the start deadline the pod waits; then the attempt has failed."""
    scene = checking()
    scene.pod(lambda pod: pod.waiting("fetch", "ImagePullBackOff", "no such tag"))
    scene.world.tick(299)
    assert scene.settle().requeue_after == timedelta(seconds=1)
    assert scene.verdicts["Ready"] == (UNKNOWN, "Checking")
    scene.world.tick(1)
    scene.settle()
    assert scene.verdicts["Ready"] == (UNKNOWN, "ImagePullFailed")
    assert "no such tag" in scene.message("Ready")


def test_a_pod_that_a_person_deletes_is_replaced() -> None:
    """By one of the same number if its deletion was not seen, of the next if it was."""
    scene = checking()
    scene.world.remove("Pod", "delays-v1-check-1")
    scene.settle()
    assert scene.pods == ["delays-v1-check-1"]
    pod = scene.world.get("Pod", "delays-v1-check-1")
    assert pod is not None
    pod["metadata"]["deletionTimestamp"] = stamp(scene.world.now)
    scene.settle()
    scene.world.tick(10)
    scene.settle()
    assert "delays-v1-check-2" in scene.pods


def test_a_status_that_is_wiped_is_checked_again() -> None:
    """The pod of any number that is still there speaks; without one a new check is made."""
    scene = checking()
    scene.pod(well)
    scene.world.set_status("ModelVersion", "delays-v1", {})
    scene.settle()
    assert scene.verdicts["Ready"] == (TRUE, "Ready")
    scene.world.set_status("ModelVersion", "delays-v1", {})
    scene.settle()
    assert scene.pods == ["delays-v1-check-1"]


def test_attempts_go_on_from_the_number_of_the_pod() -> None:
    """A status that was lost in between does not make the counting, or the names, begin anew."""
    scene = checking()
    scene.pod(ends("fetch", 75, "StorageUnavailable"))
    scene.settle()
    scene.world.tick(10)
    scene.settle()
    scene.world.set_status("ModelVersion", "delays-v1", {})
    scene.pod(ends("fetch", 75, "StorageUnavailable"), 2)
    scene.settle()
    assert scene.status["checkAttempts"] == 2
    scene.world.tick(20)
    scene.settle()
    assert scene.pods == ["delays-v1-check-3"]


def test_what_the_api_server_refuses_is_shown() -> None:
    """Its message is in Ready, which is False until it takes the pod."""
    scene = VersionScene()
    scene.world.execute("ModelVersion", "delays-v1", scene.plan(write_error="violates PodSecurity"))
    assert scene.verdicts["Ready"] == (FALSE, "SpecInvalid")
    assert scene.message("Ready") == "violates PodSecurity"
    scene.settle()
    assert scene.verdicts["Ready"] == (UNKNOWN, "Checking")


# Aliases --------------------------------------------------------------------------------------------------------------


def ready_in(*deployments: Any, annotation: str | None = None, number: int = 1) -> VersionScene:
    """A ready version among these deployments."""
    world = World()
    for builder in deployments:
        world.add(builder.obj())
    version = model_version("delays", number).ready()
    if annotation is not None:
        version.annotations({"pintle.dev/alias": annotation})
    scene = VersionScene(version, world=world)
    scene.settle()
    return scene


def owners(scene: VersionScene) -> dict[str, str]:
    return {alias["name"]: alias["owner"] for alias in scene.status.get("aliases") or ()}


def test_the_version_a_deployment_promoted_last_has_the_alias() -> None:
    """Of several claims the highest sequence number is the latest word; of equal ones the older deployment's."""
    old = model_deployment("prod").owns_alias("champion", 1, 3)
    new = model_deployment("next").owns_alias("champion", 2, 4)
    assert owners(ready_in(old)) == {"champion": "ModelDeployment/prod"}
    assert owners(ready_in(old, new)) == {}
    assert owners(ready_in(old, new, number=2)) == {"champion": "ModelDeployment/next"}
    younger = model_deployment("a").owns_alias("champion", 2, 3)
    younger.metadata(creationTimestamp="2026-02-01T00:00:00Z")
    assert owners(ready_in(old, younger)) == {"champion": "ModelDeployment/prod"}
    assert owners(ready_in(old, younger, number=2)) == {}


def test_a_deployment_of_another_model_has_no_say() -> None:
    """Its version 1 is not ours."""
    other = model_deployment("prod", "other").owns_alias("champion", 1, 3).status(stable={"version": 1})
    scene = ready_in(other)
    assert (owners(scene), scene.status.get("usedBy")) == ({}, None)


def test_a_person_gives_an_alias_that_nobody_owns() -> None:
    """By annotation; several are separated by commas, and taking it away takes them away."""
    scene = ready_in(annotation="golden, audited")
    assert owners(scene) == {"audited": "Annotation", "golden": "Annotation"}
    scene.parent["metadata"]["annotations"] = {}
    scene.settle()
    assert owners(scene) == {}


def test_a_person_cannot_take_the_alias_of_a_deployment() -> None:
    """It keeps its owner, and the version says so."""
    scene = ready_in(model_deployment("prod").owns_alias("champion", 2, 1), annotation="champion,Not A Name")
    assert owners(scene) == {}
    assert "alias champion belongs to ModelDeployment/prod" in scene.message("Ready")
    assert "'Not A Name' in the annotation" in scene.message("Ready")
    assert scene.verdicts["Ready"] == (TRUE, "Ready")


def test_used_by_names_the_deployments_that_have_a_revision_of_it() -> None:
    """As stable or as canary."""
    scene = ready_in(
        model_deployment("b").status(stable={"version": 1}),
        model_deployment("a").status(stable={"version": 2}, canary={"version": 1}),
        model_deployment("c").status(stable={"version": 2}),
    )
    assert scene.status["usedBy"] == ["a", "b"]


def test_the_longest_status_stays_below_20_kilobytes() -> None:
    """With as many aliases and users as there may be and the longest message."""
    users = [model_deployment(f"{n:02d}" + "d" * 48).status(stable={"version": 1}) for n in range(40)]
    scene = ready_in(*users, annotation=",".join(f"{n:02d}" + "a" * 61 for n in range(30)))
    assert (len(scene.status["usedBy"]), len(scene.status["aliases"])) == (32, 16)
    scene = checking()
    scene.pod(ends("fetch", 1, "", "€" * 4000))
    scene.settle()
    assert len(json.dumps(scene.parent, ensure_ascii=False).encode()) < 10_000
