"""Replicas, autoscalers and budgets."""

from __future__ import annotations

from typing import Any

from tests.builders import model_deployment
from tests.serving_world import Serving
from tests.unit.core.rollout.canaries import at_step
from tests.unit.core.rollout.canaries import serving as canary


def started(**runtime: Any) -> Serving:
    serving = Serving(model_deployment().gateway().runtime(**runtime).obj(), versions=(1,))
    serving.converge()
    return serving


def replicas(serving: Serving, number: int) -> int:
    found = serving.deployment(number)
    assert found is not None
    return int(found["spec"]["replicas"])


def autoscaler(serving: Serving, number: int) -> dict[str, Any]:
    found = serving.deployment(number)
    assert found is not None
    made = serving.world.get("HorizontalPodAutoscaler", found["metadata"]["name"])
    assert made is not None
    return made["spec"]  # type: ignore[no-any-return]


def test_without_max_replicas_the_number_is_applied_and_kept() -> None:
    """kubectl scale does not last; the spec does."""
    serving = started(minReplicas=2)
    found = serving.deployment(1)
    assert found is not None
    serving.world.edit("Deployment", found["metadata"]["name"], replicas=5)
    serving.converge()
    assert replicas(serving, 1) == 2
    assert not serving.world.list("HorizontalPodAutoscaler")


def test_with_an_autoscaler_an_apply_changes_no_replicas() -> None:
    """What it has scaled to stays, whatever else is applied; a number scaled meanwhile makes the apply conflict."""
    serving = started(minReplicas=1, maxReplicas=5)
    found = serving.deployment(1)
    assert found is not None
    serving.world.edit("Deployment", found["metadata"]["name"], replicas=4)
    found = serving.deployment(1)
    assert found is not None
    found["spec"]["template"]["spec"]["containers"][0]["image"] = "evil:1"
    applied = [item for item in serving.look().apply if item["kind"] == "Deployment"]
    assert len(applied) == 1
    assert applied[0]["spec"]["replicas"] == 4
    assert applied[0]["metadata"]["resourceVersion"] == found["metadata"]["resourceVersion"]
    serving.converge()
    assert replicas(serving, 1) == 4


def test_a_successor_starts_with_as_many_pods_as_the_stable_has() -> None:
    """Four by the autoscaler: the new Deployment is created with four, and its autoscaler keeps at least four."""
    serving = started(minReplicas=1, maxReplicas=5)
    found = serving.deployment(1)
    assert found is not None
    serving.world.edit("Deployment", found["metadata"]["name"], replicas=4)
    serving.publish(2)
    serving.act()
    assert replicas(serving, 2) == 4
    assert autoscaler(serving, 2)["minReplicas"] == 4
    assert autoscaler(serving, 1)["minReplicas"] == 4, "and the stable cannot be shrunk meanwhile"
    serving.converge()
    assert autoscaler(serving, 2)["minReplicas"] == 4, "nor what has just taken over: its load is not measured yet"
    serving.world.tick(301)
    serving.converge()
    assert autoscaler(serving, 2)["minReplicas"] == 1


def test_a_stable_that_grows_takes_its_successor_with_it() -> None:
    """The autoscaler adds two pods mid-way; the successor needs as many before it takes over."""
    serving = started(minReplicas=1, maxReplicas=5)
    serving.publish(2)
    serving.act()
    serving.pods()
    found = serving.deployment(1)
    assert found is not None
    serving.world.edit("Deployment", found["metadata"]["name"], replicas=3)
    serving.act()
    assert autoscaler(serving, 2)["minReplicas"] == 3
    assert serving.weights()[found["metadata"]["name"]] == 100
    assert len(serving.weights()) == 1


def test_a_smaller_min_replicas_waits_until_the_successor_serves() -> None:
    """Changed together with the version: the old revision keeps its three pods until it has no traffic."""
    serving = started(minReplicas=3)
    serving.publish(2)
    serving.runtime(minReplicas=1)
    serving.act()
    assert replicas(serving, 1) == 3
    assert replicas(serving, 2) == 3
    serving.converge()
    assert replicas(serving, 2) == 1


def test_a_successor_that_failed_holds_the_stable_no_longer() -> None:
    """After the deadline the autoscaler of what serves is free again."""
    serving = started(minReplicas=1, maxReplicas=5)
    found = serving.deployment(1)
    assert found is not None
    serving.world.edit("Deployment", found["metadata"]["name"], replicas=4)
    serving.broken.add(2)
    serving.publish(2)
    serving.converge()
    assert autoscaler(serving, 1)["minReplicas"] == 4
    serving.world.tick(601)
    serving.converge()
    assert autoscaler(serving, 1)["minReplicas"] == 1


def test_an_autoscaler_comes_and_goes_with_max_replicas() -> None:
    """Without it the number is the spec's again, but only once the autoscaler is gone."""
    serving = started(minReplicas=2)
    serving.runtime(maxReplicas=4)
    serving.converge()
    assert autoscaler(serving, 1)["maxReplicas"] == 4
    scaled = serving.deployment(1)
    assert scaled is not None
    serving.world.edit("Deployment", scaled["metadata"]["name"], replicas=4)
    serving.runtime(maxReplicas=2)
    first = serving.look()
    assert [target.kind for target in first.delete] == ["HorizontalPodAutoscaler"]
    assert first.apply == ()
    serving.converge()
    assert not serving.world.list("HorizontalPodAutoscaler")
    assert replicas(serving, 1) == 2


def test_a_budget_exists_only_where_a_pod_can_be_spared() -> None:
    """For one pod it would block every node drain."""
    serving = started(minReplicas=1)
    assert not serving.world.list("PodDisruptionBudget")
    serving.runtime(minReplicas=2)
    serving.converge()
    assert len(serving.world.list("PodDisruptionBudget")) == 1
    serving.runtime(minReplicas=1)
    serving.converge()
    assert not serving.world.list("PodDisruptionBudget")


def test_scaling_to_zero_and_back() -> None:
    """Available and Ready say ScaledToZero; the route stays; a new version takes over without pods, too."""
    serving = started()
    serving.runtime(minReplicas=0)
    serving.converge()
    assert replicas(serving, 1) == 0
    assert serving.conditions()["Available"] == ("False", "ScaledToZero")
    assert serving.conditions()["Ready"] == ("False", "ScaledToZero")
    serving.publish(2)
    serving.converge()
    assert serving.status["stable"]["version"] == 2
    serving.runtime(minReplicas=2)
    serving.converge()
    assert replicas(serving, 2) == 2
    assert serving.conditions()["Ready"] == ("True", "Ready")


def test_a_deployment_may_begin_at_zero() -> None:
    """Everything is made, with no pods, and nothing waits for one."""
    serving = started(minReplicas=0)
    assert replicas(serving, 1) == 0
    assert len(serving.weights()) == 1
    assert serving.conditions()["Progressing"] == ("False", "Complete")


def test_a_canary_has_the_part_of_the_pods_that_its_next_step_needs() -> None:
    """10, 50, 100 percent of four pods: one, two, four, each before the share is raised."""
    made = at_step(1, runtime={"minReplicas": 4})
    made.act()
    assert replicas(made, 2) == 2, "one was enough for 10 percent; two come for 50"
    found = made.deployment(2)
    assert found is not None
    made.judge("Pass", rows=5000)
    made.world.tick(60)
    made.act()
    assert made.shares() == {1: 90, 2: 10}, "the second pod is not ready"
    made.pods()
    made.act()
    assert made.shares() == {1: 50, 2: 50}
    made.act()
    assert replicas(made, 2) == 4
    assert replicas(made, 1) == 4


def test_the_first_share_needs_one_pod() -> None:
    """Created with one of four."""
    made = canary(runtime={"minReplicas": 4})
    made.publish(2)
    made.act()
    assert replicas(made, 2) == 1
    assert replicas(made, 1) == 4


def test_with_an_autoscaler_the_canary_has_its_part_as_lower_end() -> None:
    """And the user's own upper end."""
    made = canary(runtime={"minReplicas": 2, "maxReplicas": 6})
    found = made.deployment(1)
    assert found is not None
    made.world.edit("Deployment", found["metadata"]["name"], replicas=6)
    made = at_step(1, made)
    made.act()
    assert (autoscaler(made, 2)["minReplicas"], autoscaler(made, 2)["maxReplicas"]) == (3, 6)
    assert autoscaler(made, 1)["minReplicas"] == 6


def test_after_a_rollback_the_autoscaler_of_the_stable_is_let_down_later() -> None:
    """It measured half of the traffic until now; five minutes are its own window."""
    made = canary(runtime={"minReplicas": 1, "maxReplicas": 6})
    found = made.deployment(1)
    assert found is not None
    made.world.edit("Deployment", found["metadata"]["name"], replicas=4)
    made.pods()
    made = at_step(2, made)
    made.judge("Fail")
    made.act()
    made.judge(None)
    made.pass_time(200, every=20)
    assert autoscaler(made, 1)["minReplicas"] == 4
    assert made.look().requeue_after is not None
    made.pass_time(120, every=20)
    assert autoscaler(made, 1)["minReplicas"] == 1
