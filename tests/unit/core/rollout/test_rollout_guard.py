"""After promotion: the revision before stays warm, is compared with, and is the way back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.serving_world import POLICY, Serving
from tests.unit.core.rollout.canaries import GUARD, at_step, in_guard, serving


def replicas(made: Serving, number: int) -> int:
    found = made.deployment(number)
    assert found is not None
    return int(found["spec"]["replicas"])


def least(made: Serving, number: int) -> int:
    found = made.deployment(number)
    assert found is not None
    made_one = made.world.get("HorizontalPodAutoscaler", found["metadata"]["name"])
    assert made_one is not None
    return int(made_one["spec"]["minReplicas"])


def scale_up(made: Serving, number: int, pods: int) -> None:
    found = made.deployment(number)
    assert found is not None
    made.world.edit("Deployment", found["metadata"]["name"], replicas=pods)


def test_a_promoted_revision_that_fails_goes_back_by_one_write() -> None:
    """The one before has its pods and takes all; the new one is refused; nothing is created for it."""
    made = in_guard(onPromoted={"alias": "champion"})
    assert made.shares() == {1: 5, 2: 95}
    assert made.conditions()["Ready"] == ("False", "Guarding")
    made.judge("Fail", rows=900)
    decided = made.look()
    assert not decided.create
    made.act()
    assert made.shares() == {1: 100}
    assert made.actions()[0] == "GoBack"
    assert made.status["refused"][0]["version"] == 2
    assert made.status["alias"]["version"] == 1, "the alias has not moved yet, and does not"
    assert made.summary() == "Available=True/Serving  Progressing=False/RolledBack  Ready=False/RolledBack"
    made.converge()
    assert made.deployment(2) is None
    assert made.shares() == {1: 100}


def test_in_cluster_clients_follow_the_promotion_and_the_way_back() -> None:
    """The root Service selects the stable revision, in the look after the route."""
    made = in_guard()
    made.act()
    root = made.world.get("Service", "delays")
    assert root is not None
    assert root["spec"]["selector"]["pintle.dev/revision"] == made.revision(2)
    made.judge("Fail")
    made.act()
    made.judge(None)
    made.act()
    root = made.world.get("Service", "delays")
    assert root is not None
    assert root["spec"]["selector"]["pintle.dev/revision"] == made.revision(1)


def test_scaled_to_four_by_the_autoscaler_the_way_back_still_has_four_pods() -> None:
    """From the start of the rollout to the end of the guard neither autoscaler nor spec takes one away."""
    runtime = {"minReplicas": 1, "maxReplicas": 6}
    made = serving(runtime=runtime)
    scale_up(made, 1, 4)
    made.pods()
    made = in_guard(made)
    assert replicas(made, 2) == 4, "promoted with as many"
    made.pass_time(30, every=5)
    assert least(made, 1) == 4
    assert replicas(made, 1) == 4
    assert least(made, 2) == 4, "nor the new one: its autoscaler has not seen this load yet"
    made.judge("Fail")
    made.act()
    assert made.shares() == {1: 100}
    assert replicas(made, 1) == 4
    made.judge(None)
    made.act()
    assert least(made, 1) == 4, "what comes back is not let down in the same breath"
    made.world.tick(301)
    made.converge()
    assert least(made, 1) == 1


def test_without_an_autoscaler_a_smaller_min_replicas_waits_for_the_end_of_the_guard() -> None:
    """Both keep their three pods."""
    made = in_guard(runtime={"minReplicas": 3})
    made.runtime(minReplicas=1)
    made.pass_time(20, every=5)
    assert (replicas(made, 1), replicas(made, 2)) == (3, 3)
    made.converge()
    assert replicas(made, 2) == 1
    assert made.deployment(1) is None


def test_the_stable_grows_with_all_traffic_not_with_its_share() -> None:
    """Three pods at 60 percent CPU and three at 80, aimed at 70: six are needed where one revision is to carry it."""
    made = at_step(2, runtime={"minReplicas": 3, "maxReplicas": 8, "targetCPUUtilizationPercentage": 70})
    for number, used in ((1, 60), (2, 80)):
        found = made.deployment(number)
        assert found is not None
        metric = {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": used}}}
        status = {"currentReplicas": 3, "currentMetrics": [metric]}
        made.world.set_status("HorizontalPodAutoscaler", found["metadata"]["name"], status)
    made.act()
    assert least(made, 1) == 6


def test_the_end_of_the_guard_gives_all_to_the_new_one_and_moves_the_alias() -> None:
    """Then the one before drains and goes."""
    made = in_guard(onPromoted={"alias": "champion"})
    made.pass_time(50, every=5)
    assert made.shares() == {1: 5, 2: 95}
    made.pass_time(12, every=2)
    assert made.shares() == {2: 100}
    assert made.status["alias"]["version"] == 2
    assert made.conditions()["Ready"] == ("True", "Ready")
    assert made.conditions()["Progressing"] == ("True", "Draining")
    made.converge()
    assert made.deployment(1) is None


@pytest.mark.parametrize("outage", [50, 500])
def test_time_in_which_nothing_can_be_judged_does_not_count_twice_the_seconds_at_most(outage: int) -> None:
    """60 seconds of guard: an outage of 50 makes it 110, one that does not end makes it 120."""
    made = in_guard()
    made.judge("NeedMoreData", rows=10)
    made.pass_time(10, every=2)
    began = made.world.now
    made.metrics_error = "connection refused"
    made.pass_time(min(outage, 100), every=2)
    if outage == 50:
        made.metrics_error = None
        assert made.shares() == {1: 5, 2: 95}
    made.until(lambda s: s.shares() == {2: 100}, seconds=2)
    lasted = 10 + (made.world.now - began).total_seconds()
    assert lasted == pytest.approx(110 if outage == 50 else 120, abs=4)


def test_a_silent_source_in_the_guard_is_said_and_takes_nothing_back() -> None:
    """Progressing says MetricsUnavailable; the shares stay."""
    made = in_guard()
    made.metrics_error = "connection refused"
    made.pass_time(30, every=5)
    assert made.shares() == {1: 5, 2: 95}
    assert made.conditions()["Progressing"] == ("False", "MetricsUnavailable")


def test_a_new_revision_without_a_ready_pod_gives_all_to_the_one_before_and_comes_back() -> None:
    """At once and without Prometheus; it is refused the third time."""
    made = in_guard()
    made.metrics_error = "connection refused"
    for loss in range(3):
        made.broken.add(2)
        made.pods()
        made.act()
        if loss < 2:
            assert made.shares() == {1: 100, 2: 0}
            made.broken.clear()
            made.pods()
            made.act()
            assert made.shares() == {1: 5, 2: 95}
    assert made.shares() == {1: 100}
    assert made.actions()[0] == "GoBack"


def test_a_new_revision_that_does_not_come_back_is_refused() -> None:
    """After progressDeadlineSeconds, and the guard does not end before."""
    made = in_guard()
    made.broken.add(2)
    made.pass_time(500, every=50)
    assert made.shares() == {1: 100, 2: 0}
    made.pass_time(200, every=50)
    assert made.shares() == {1: 100}
    assert made.status["refused"][0]["version"] == 2


@pytest.mark.parametrize("kind", ["Service", "Deployment", "HorizontalPodAutoscaler"])
def test_the_way_back_is_mended_like_everything_else(kind: str) -> None:
    """A share whose Service is gone is answered with errors; a way back without pods is none."""
    made = in_guard(runtime={"minReplicas": 1, "maxReplicas": 3})
    name = f"delays-{made.revision(1)}"
    made.world.remove(kind, name)
    made.act()
    assert made.world.get(kind, name) is not None


def test_a_guard_does_not_end_while_nothing_answers() -> None:
    """A cluster without nodes for an hour accepts nobody."""
    made = in_guard()
    made.broken |= {1, 2}
    made.pass_time(3600, every=300)
    assert "previous" in made.status
    assert made.conditions()["Available"] == ("False", "NoReadyPods")
    made.broken.clear()
    made.converge()
    assert made.shares() == {2: 100}


def test_a_failure_with_no_pods_to_go_back_to_waits_for_them() -> None:
    """What answers badly is better than nothing."""
    made = in_guard()
    made.broken.add(1)
    made.pods()
    made.act()
    assert made.shares() == {1: 0, 2: 100}
    made.judge("Fail", test="restarts")
    made.act()
    assert made.shares() == {1: 0, 2: 100}
    made.broken.clear()
    made.pods()
    made.act()
    assert made.shares() == {1: 100}


@pytest.mark.parametrize("test", ["errors", "restarts"])
def test_without_a_holdback_only_gross_failure_acts_and_the_rest_is_told_once(test: str) -> None:
    """There is no concurrent control: a comparison with the past would punish every shared incident."""
    made = in_guard(guard={**GUARD, "holdbackWeight": 0}, notifications=[{"receiver": "team"}])
    assert made.shares() == {1: 0, 2: 100}
    made.judge("Fail", test=test)
    told = made.act()
    if test == "restarts":
        assert made.shares() == {1: 100}
        return
    assert made.shares() == {1: 0, 2: 100}
    assert [notice.reason for notice in told.notify] == ["Guarding"]
    assert made.actions()[0] == "Warn"
    made.pods()
    assert made.act().notify == ()
    assert made.look().changes_nothing


def test_a_newer_revision_waits_for_the_end_of_the_guard() -> None:
    """Three at once would be one too many: version 3 is not even started before."""
    made = in_guard()
    made.publish(3)
    made.pass_time(30, every=5)
    assert made.deployment(3) is None
    assert made.shares() == {1: 5, 2: 95}
    made.until(lambda s: s.shares().get(3) == 10)
    assert made.shares() == {2: 90, 3: 10}


def test_the_spec_goes_back_to_the_version_before_in_the_guard() -> None:
    """One write, nobody refused: it is what is asked for."""
    made = in_guard()
    made.pin(1)
    made.act()
    assert made.shares() == {1: 100}
    assert made.actions()[0] == "Return"
    assert "refused" not in made.status
    made.converge()
    assert made.conditions()["Ready"] == ("True", "Ready")


@pytest.mark.parametrize(
    ("what", "spec", "shares"),
    [
        ("a larger holdback", {"guard": {"seconds": 60, "holdbackWeight": 20}}, {1: 20, 2: 80}),
        ("no holdback", {"guard": {"seconds": 60, "holdbackWeight": 0}}, {1: 0, 2: 100}),
        ("no guard", {"guard": {"seconds": 0}}, {2: 100}),
        ("no gateway", {"traffic": {}}, {1: 0, 2: 100}),
    ],
)
def test_the_spec_of_the_guard_may_change_in_it(what: str, spec: dict[str, Any], shares: dict[int, int]) -> None:
    """The shares follow in the next look."""
    made = in_guard()
    made.edit(**spec)
    made.act()
    assert made.shares() == shares, what


def test_a_revision_that_replaces_at_once_has_a_guard_where_the_spec_gives_one() -> None:
    """Also without Prometheus: then only pods are watched, and time counts."""
    made = serving(rollout={"sensitivity": None, "steps": None})
    made.policy = POLICY
    made.publish(2)
    made.until(lambda s: s.shares() == {1: 5, 2: 95})
    made.pass_time(50, every=5)
    assert made.shares() == {1: 5, 2: 95}
    made.pass_time(20, every=5)
    assert made.shares() == {2: 100}


def test_without_steps_and_without_a_guard_nothing_is_held_back() -> None:
    """As it was before there were guards."""
    made = serving(rollout={"sensitivity": None, "steps": None}, guard=None)
    made.publish(2)
    made.until(lambda s: s.shares() == {2: 100})


def test_a_canary_has_a_guard_of_ten_minutes_unless_the_spec_says_otherwise() -> None:
    """5 percent stay with the one before."""
    made = in_guard(guard=None)
    assert made.shares() == {1: 5, 2: 95}
    assert made.look().traffic is None
    made.pass_time(500, every=50)
    assert made.shares() == {1: 5, 2: 95}
    made.pass_time(150, every=50)
    assert made.shares() == {2: 100}
