"""Whatever people and the cluster do to a ModelVersion: it comes to rest, a verdict stands, kills lose nothing."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import DIGEST, PodBuilder, model_deployment, model_version, stamp
from tests.scenes import VersionScene, result

Act = Callable[[VersionScene], None]


def _pod(build: Callable[[PodBuilder], PodBuilder]) -> Act:
    """The newest check pod gets into a state, where there is one that has not ended."""

    def act(scene: VersionScene) -> None:
        pods = [pod for pod in scene.pods if not _ended(scene, pod)]
        if pods:
            scene.pod(build, max(int(name.rpartition("-")[2]) for name in pods))

    return act


def _ended(scene: VersionScene, name: str) -> bool:
    pod = scene.world.get("Pod", name)
    assert pod is not None
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _ends(fetch: int, check: int | None) -> Act:
    def build(pod: PodBuilder) -> PodBuilder:
        pod.ended("fetch", fetch, result("verify", digest=DIGEST) if fetch == 0 else "tail")
        if fetch == 0 and check is not None:
            pod.ended("check", check, "tail")
        return pod.phase("Failed" if fetch or check else "Succeeded")

    return _pod(build)


def _delete_pods(gently: bool) -> Act:
    def act(scene: VersionScene) -> None:
        for name in scene.pods:
            pod = scene.world.get("Pod", name)
            if gently and pod is not None:
                pod["metadata"]["deletionTimestamp"] = stamp(scene.world.now)
            else:
                scene.world.remove("Pod", name)

    return act


def _forget(scene: VersionScene) -> None:
    scene.parent.pop("status", None)


def _annotate(text: str) -> Act:
    return lambda scene: scene.parent["metadata"].update(annotations={"pintle.dev/alias": text})


def _deployment(name: str, version: int, sequence: int) -> Act:
    def act(scene: VersionScene) -> None:
        built = model_deployment(name).owns_alias("champion", version, sequence).status(stable={"version": version})
        scene.world.add(built.obj())

    return act


ACTS: st.SearchStrategy[list[Act]] = st.lists(
    st.one_of(
        st.builds(_ends, st.sampled_from([0, 0, 1, 65, 75, 78]), st.sampled_from([0, 0, 1, 65, 66, 137])),
        st.just(_pod(lambda pod: pod.disrupted())),
        st.just(_pod(lambda pod: pod.running("fetch"))),
        st.sampled_from(["ImagePullBackOff", "InvalidImageName"]).map(
            lambda w: _pod(lambda pod: pod.waiting("fetch", w))
        ),
        st.booleans().map(_delete_pods),
        st.just(_forget),
        st.sampled_from(["", "champion", "golden,champion"]).map(_annotate),
        st.builds(_deployment, st.sampled_from(["a", "b"]), st.integers(1, 2), st.integers(1, 3)),
        st.sampled_from([1.0, 11.0, 301.0]).map(lambda seconds: lambda scene: scene.world.tick(seconds)),
    ),
    max_size=12,
)
SCENES = st.sampled_from([None, "Pass", "Fail"])


def started(gate: str | None) -> VersionScene:
    version = model_version()
    return VersionScene(version.gate("auc", gate) if gate else version)


def rest(scene: VersionScene) -> None:
    """Look until nothing is left to do; a pod that waits to be made gets its time, and goes well."""
    for _ in range(8):
        scene.settle()
        for name in scene.pods:
            if (scene.world.get("Pod", name) or {})["metadata"].get("deletionTimestamp"):
                scene.world.remove("Pod", name)
        _ends(0, 0)(scene)
        scene.world.tick(700)
    scene.settle()


def verdicts(scene: VersionScene) -> dict[str, Any]:
    """All that counts in the end."""
    aliases = scene.status.get("aliases")
    return {**scene.verdicts, "aliases": aliases, "usedBy": scene.status.get("usedBy"), "pods": scene.pods}


@given(SCENES, ACTS)
@settings(max_examples=200)
def test_every_world_comes_to_rest_with_a_verdict_and_without_pods(gate: str | None, acts: list[Act]) -> None:
    """And a look changes nothing it is given, and decides the same twice."""
    scene = started(gate)
    for act in acts:
        scene.look()
        act(scene)
        before = copy.deepcopy(scene.observed())
        assert scene.plan() == scene.plan()
        assert scene.observed() == before
    rest(scene)
    assert scene.look().changes_nothing
    assert scene.verdicts["Ready"][0] in ("True", "False")
    assert scene.pods == []


@given(SCENES, ACTS)
@settings(max_examples=200)
def test_a_verdict_stands(gate: str | None, acts: list[Act]) -> None:
    """Once Ready is True or False it stays so and no pod looks again, unless the status is lost."""
    scene = started(gate)
    for act in acts:
        scene.settle()
        before = scene.verdicts
        decided = "Unknown" not in [status for status, _ in before.values()]
        if act is not _forget:
            act(scene)
        plan = scene.settle()
        if decided:
            assert scene.verdicts == before
            assert plan.create == ()


@given(SCENES, ACTS)
@settings(max_examples=200)
def test_no_more_pods_than_attempts_and_one_at_a_time(gate: str | None, acts: list[Act]) -> None:
    """Numbers grow and stay within policy.check_attempts as long as nobody loses the status."""
    scene = started(gate)
    for act in acts:
        scene.settle()
        if act is not _forget:
            act(scene)
        scene.look()
        numbers = [int(name.rpartition("-")[2]) for name in scene.pods]
        going = [n for n in scene.pods if not (scene.world.get("Pod", n) or {})["metadata"].get("deletionTimestamp")]
        assert max(numbers, default=0) <= scene.policy.check_attempts
        assert len(going) <= 1


@given(SCENES, ACTS, st.data())
@settings(max_examples=300)
def test_killed_after_any_effect_the_end_is_the_same(gate: str | None, acts: list[Act], data: st.DataObject) -> None:
    """The operator dies after some effect of its plan; the next one comes to the same verdict."""
    scene = started(gate)
    for act in acts:
        scene.settle()
        act(scene)
    killed = copy.deepcopy(scene)
    total = scene.world.copy().execute("ModelVersion", scene.name, scene.plan())
    only = data.draw(st.integers(0, total), label="effects before the kill")
    killed.world.execute("ModelVersion", killed.name, killed.plan(), only=only)
    rest(scene)
    rest(killed)
    assert verdicts(killed) == verdicts(scene)
