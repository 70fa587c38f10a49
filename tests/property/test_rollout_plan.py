"""Whatever people and the cluster do to a ModelDeployment: it comes to rest, traffic has pods, a kill loses nothing."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pintle.contract import names
from pintle.core.plan import Obj, Plan

from tests.builders import model_deployment
from tests.serving_world import Serving

Act = Callable[[Serving], None]
VERSIONS = range(1, 5)


def _publish(number: int, ready: bool) -> Act:
    return lambda serving: serving.publish(number, ready)


def _unpublish(number: int) -> Act:
    def act(serving: Serving) -> None:
        if serving.world.get("ModelVersion", f"delays-v{number}"):
            serving.world.remove("ModelVersion", f"delays-v{number}")

    return act


def _replicas(least: int, more: int | None) -> Act:
    most = None if more is None or least == 0 else least + more
    return lambda serving: serving.edit(runtime=_without_none({"minReplicas": least, "maxReplicas": most}, serving))


def _without_none(fields: dict[str, Any], serving: Serving) -> dict[str, Any]:
    runtime = {**serving.parent["spec"]["runtime"], **fields}
    return {key: value for key, value in runtime.items() if value is not None}


def _load(replicas: int) -> Act:
    """Load makes the autoscaler ask for more pods."""

    def act(serving: Serving) -> None:
        for autoscaler in serving.world.list("HorizontalPodAutoscaler"):
            name = autoscaler["metadata"]["name"]
            if serving.world.get("Deployment", name):
                serving.world.edit("Deployment", name, replicas=replicas)

    return act


def _lose(kind: str) -> Act:
    def act(serving: Serving) -> None:
        if kind == "Status":
            serving.parent.pop("status", None)
        elif kind == "Annotation" and serving.route is not None:
            serving.route["metadata"].pop("annotations", None)
        elif kind in ("HTTPRoute", "Service") and serving.world.get(kind, "delays"):
            serving.world.remove(kind, "delays")

    return act


# A version that takes over, and another number of pods meanwhile, are what matters most: they come up more often.
_SUCCESSORS = st.builds(_publish, st.integers(2, 4), st.just(True))
_SCALES = st.builds(_replicas, st.integers(0, 3), st.none() | st.integers(0, 3))
ACTS = st.one_of(
    _SUCCESSORS,
    _SUCCESSORS,
    _SCALES,
    st.builds(_publish, st.sampled_from(VERSIONS), st.booleans()),
    st.builds(_unpublish, st.sampled_from(VERSIONS)),
    st.builds(lambda number: lambda serving: serving.pin(number), st.sampled_from(VERSIONS)),
    st.just(lambda serving: serving.edit(version=None, follow="Latest")),
    st.builds(
        lambda value: lambda serving: serving.runtime(env=[{"name": "THREADS", "value": value}]), st.sampled_from("12")
    ),
    _SCALES,
    st.builds(_load, st.integers(1, 5)),
    st.builds(lambda number: lambda serving: serving.broken.add(number), st.sampled_from(VERSIONS)),
    st.just(lambda serving: serving.broken.clear()),
    st.just(lambda serving: serving.upgrade("pintle/server:2")),
    st.just(lambda serving: serving.edit(traffic={})),
    st.just(lambda serving: serving.edit(traffic={"gateway": {"parentRefs": [{"name": "pintle"}], "path": "/p"}})),
    st.builds(lambda name: lambda serving: serving.edit(onPromoted=name and {"alias": name}), st.none() | st.just("x")),
)
LOSSES = st.builds(_lose, st.sampled_from(("Status", "Annotation", "HTTPRoute", "Service")))
# An act, how many looks follow it, and how much time lies between them.
STEPS = st.tuples(ACTS, st.integers(0, 4), st.sampled_from((0.2, 1.5, 12.0)))
PARENTS = st.builds(
    lambda least, most, gateway: _parent(least, most, gateway), st.integers(1, 3), st.integers(0, 2), st.booleans()
)


def _parent(least: int, more: int, gateway: bool) -> dict[str, Any]:
    built = model_deployment().runtime(minReplicas=least, maxReplicas=least + more).on_promoted("champion")
    return (built.gateway() if gateway else built).obj()


@settings(max_examples=120)
@given(PARENTS, st.lists(st.tuples(ACTS | LOSSES, st.integers(0, 4), st.sampled_from((0.2, 1.5, 12.0))), max_size=8))
def test_every_world_comes_to_rest(parent: dict[str, Any], steps: list[tuple[Act, int, float]]) -> None:
    """After any sequence of acts and losses a look changes nothing, and the same look gives the same plan."""
    serving = Serving(parent)
    for act, looks, seconds in steps:
        act(serving)
        _looks(serving, looks, seconds)
    serving.converge()
    assert serving.look() == serving.look()
    assert serving.look().changes_nothing
    serving.upgrade("pintle/server:3")
    assert serving.look().changes_nothing, "another default image is no reason to write"


@settings(max_examples=200)
@given(PARENTS, st.lists(STEPS, min_size=3, max_size=10))
def test_traffic_has_pods_and_what_serves_is_neither_deleted_nor_shrunk(
    parent: dict[str, Any], steps: list[tuple[Act, int, float]]
) -> None:
    """In every single plan: weights are 100 in all, they move to ready pods only, and their owner stays whole."""
    serving = Serving(parent)
    serving.converge()
    for act, looks, seconds in steps:
        act(serving)
        _looks(serving, looks, seconds, _check)


@settings(max_examples=40)
@given(PARENTS, st.lists(STEPS, min_size=1, max_size=4))
def test_killed_after_any_effect_ends_in_the_same_state(
    parent: dict[str, Any], steps: list[tuple[Act, int, float]]
) -> None:
    """The next process goes on from what the API server has, and ends where the unkilled one does."""
    serving = Serving(parent)
    for act, looks, seconds in steps:
        act(serving)
        for _ in range(looks + 1):
            _kill_everywhere(serving)
            serving.act()
            serving.pods()
            serving.world.tick(seconds)


def _kill_everywhere(serving: Serving) -> None:
    """This look, killed after each of its effects, against the same look carried out in full."""
    decided = serving.look()
    effects = serving.copy().world.execute("ModelDeployment", "delays", decided)
    if effects < 2:
        return
    expected = _final(serving.copy(), None)
    for done in range(effects):
        assert _final(serving.copy(), done) == expected, (done, decided.why)


def _final(serving: Serving, only: int | None) -> dict[str, Any]:
    serving.act(only)
    serving.converge()
    return _timeless(serving)


def _timeless(serving: Serving) -> dict[str, Any]:
    """What matters at rest: specs, weights, conditions, aliases; no times, no uids, no numbers of writes."""
    world, status = serving.world, copy.deepcopy(dict(serving.status))
    status.pop("sequence", None)  # How often the route was written; the claim on an alias has one of its own.
    for entry in (*status.get("conditions", ()), *status.get("history", ())):
        entry.pop("lastTransitionTime", None)
        entry.pop("time", None)
    for name in ("stable", "canary"):
        status.get(name, {}).pop("createdTime", None)
    kinds = ("Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget", "HTTPRoute")
    specs = {(kind, item["metadata"]["name"]): item["spec"] for kind in kinds for item in world.list(kind)}
    return {"specs": specs, "status": status}


def _looks(serving: Serving, count: int, seconds: float, check: Callable[[Serving, Plan], None] | None = None) -> None:
    for _ in range(count):
        decided = serving.look()
        if check:
            check(serving, decided)
        serving.act()
        serving.pods()
        serving.world.tick(seconds)


def _check(serving: Serving, decided: Plan) -> None:
    if serving.parent["spec"]["runtime"]["minReplicas"] == 0 or serving.record is None:
        return
    before = serving.record.weights
    after = _weights(decided.traffic) if decided.traffic is not None else before
    assert sum(after.values()) == 100
    for name, weight in after.items():
        if weight > before.get(name, 0):
            assert _ready(serving, name), f"{name} gets {weight} % without a ready pod"
    kept = {name for shares in (before, after) for name, weight in shares.items() if weight}
    deleted = {target.name for target in decided.delete if target.kind in ("Deployment", "Service")}
    assert not deleted & {f"delays-{name}" for name in kept}, "what has traffic is deleted"
    assert "delays" not in deleted
    successor = decided.status and "canary" in decided.status
    if successor and not _stalled(decided):
        _check_not_shrunk(serving, decided, kept)


def _check_not_shrunk(serving: Serving, decided: Plan, kept: set[str]) -> None:
    for item in decided.apply:
        name = item["metadata"]["name"].removeprefix("delays-")
        found = serving.world.get("Deployment", item["metadata"]["name"])
        if name not in kept or found is None or name not in (serving.record.weights if serving.record else {}):
            continue
        now = found["spec"].get("replicas", 1)
        if item["kind"] == "Deployment":
            assert item["spec"].get("replicas", now) >= now
        if item["kind"] == "HorizontalPodAutoscaler":
            assert item["spec"]["minReplicas"] >= now
            assert item["spec"]["maxReplicas"] >= now


def _stalled(decided: Plan) -> bool:
    conditions = (decided.status or {}).get("conditions", ())
    return any(c["type"] == "Progressing" and c["status"] == "False" for c in conditions)


def _weights(traffic: Obj) -> dict[str, int]:
    if traffic["kind"] == "Service":
        return {traffic["spec"]["selector"][names.LABEL_REVISION]: 100}
    refs = traffic["spec"]["rules"][0]["backendRefs"]
    return {ref["name"].removeprefix("delays-"): ref["weight"] for ref in refs}


def _ready(serving: Serving, name: str) -> bool:
    found = serving.world.get("Deployment", f"delays-{name}")
    return bool(found and (found.get("status") or {}).get("readyReplicas"))
