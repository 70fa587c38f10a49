"""What takes a canary back, how, and that it stays back until a person says otherwise."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.serving_world import Serving
from tests.unit.core.rollout.canaries import at_step, rolled_back, serving


def test_a_canary_that_fails_goes_back_by_one_write() -> None:
    """All traffic on the stable, the revision refused with its figures, in the same annotation."""
    made = at_step(2)
    made.judge("Fail", rows=400)
    decided = made.look()
    assert not decided.create
    assert not decided.delete
    made.act()
    assert made.shares() == {1: 100}
    assert made.record is not None
    (refusal,) = made.record.refused.values()
    assert (refusal.version, refusal.why) == (2, "errors: 0.05 of 400 against 0.01 of 8000")
    assert made.summary() == "Available=True/Serving  Progressing=False/RolledBack  Ready=False/RolledBack"


def test_a_rollback_needs_no_status() -> None:
    """The status is written after the route; where its write is refused for ever, the traffic is on the stable."""
    made = at_step(2)
    made.judge("Fail")
    for _ in range(3):
        decided = made.look()
        made.world.execute("ModelDeployment", "delays", decided, len(decided.create) + len(decided.apply) + 1)
    assert made.shares() == {1: 100}


def test_what_was_decided_stands_in_history_with_its_figures() -> None:
    """Rule, both values, rows, evidence, threshold."""
    made = at_step(1)
    made.judge("Fail", rows=400)
    made.act()
    entry = made.status["history"][0]
    assert entry["action"] == "Rollback"
    assert {key: entry[key] for key in ("rule", "value", "stableValue", "rows", "stableRows")} == {
        "rule": "errors",
        "value": "0.05",
        "stableValue": "0.01",
        "rows": 400,
        "stableRows": 8000,
    }
    assert (entry["evidence"], entry["threshold"]) == ("9.1", "5.3")


def test_a_refused_revision_drains_and_is_deleted() -> None:
    """Its open requests have their seconds; then nothing is left of it but the refusal."""
    made = rolled_back()
    assert made.deployment(2) is not None
    made.converge()
    assert made.deployment(2) is None
    assert [item["version"] for item in made.status["refused"]] == [2]


AGAIN: dict[str, Any] = {
    "the same spec applied again": lambda made: made.world.add(copy.deepcopy(made.parent)),
    "another generation without a change": lambda made: made.edit(),
    "steps, owner and notifications changed": lambda made: made.edit(owner={"team": "a"}, guard={"seconds": 5}),
    "replicas changed": lambda made: made.runtime(minReplicas=2),
    "the version published again": lambda made: made.publish(2),
    "an hour": lambda made: made.world.tick(3600),
    "another default image": lambda made: made.upgrade("pintle/server:9"),
    "the status wiped": lambda made: made.parent.pop("status"),
    "the route's annotation wiped": lambda made: made.route["metadata"].pop("annotations"),
    "the route deleted": lambda made: made.world.remove("HTTPRoute", "delays"),
}


@pytest.mark.parametrize("what", AGAIN)
def test_a_refused_revision_is_not_tried_again(what: str) -> None:
    """Not by a re-sync, a restart or a loss: by a person only."""
    made = rolled_back()
    made.converge()
    made.world.log.clear()
    AGAIN[what](made)
    made.converge()
    assert made.deployment(2) is None
    assert made.shares() == {1: 100}
    assert made.conditions()["Ready"] == ("False", "RolledBack")
    assert [item["version"] for item in made.status["refused"]] == [2]


def test_a_newer_version_is_tried_although_the_one_before_was_refused() -> None:
    """Refusal is of one revision; there is no falling back to versions in between either."""
    made = serving()
    made.publish(3)
    made.until(lambda s: s.shares().get(3) == 10)
    made.judge("Fail")
    made.act()
    made.judge(None)
    made.publish(2)
    made.converge()
    assert made.shares() == {1: 100}, "2 is older than the refused 3"
    made.publish(4)
    made.until(lambda s: s.shares().get(4) == 10)


def test_another_runtime_of_the_same_version_is_another_revision() -> None:
    """What failed with one thread may do with two."""
    made = rolled_back()
    made.runtime(env=[{"name": "THREADS", "value": "2"}])
    made.until(lambda s: s.shares().get(2) == 10)
    assert len(made.status["refused"]) == 1


def test_the_same_bytes_under_another_number_stay_refused() -> None:
    """A revision is its bytes and its runtime."""
    made = rolled_back()
    twin = copy.deepcopy(made.world.objects["ModelVersion", "delays-v2"])
    twin["metadata"]["name"] = "delays-v3"
    twin["spec"]["version"] = 3
    made.world.add(twin)
    made.converge()
    assert made.shares() == {1: 100}


def test_a_canary_without_a_ready_pod_has_no_share_at_once() -> None:
    """Without asking Prometheus, which is down as well; it regains the share of its step when its pods are back."""
    made = at_step(2)
    made.metrics_error = "connection refused"
    made.broken.add(2)
    made.pods()
    made.act()
    assert made.shares() == {1: 100, 2: 0}
    assert made.actions()[0] == "Lose"
    made.broken.clear()
    made.pods()
    made.act()
    assert made.shares() == {1: 100, 2: 0}, "nothing rises while nothing can be judged"
    made.metrics_error = None
    made.act()
    assert made.shares() == {1: 50, 2: 50}
    assert made.status["rollout"]["step"] == 2


def test_a_canary_that_loses_its_pods_again_and_again_is_refused() -> None:
    """The third time; nobody has to wait for evidence."""
    made = at_step(1)
    for loss in range(3):
        made.broken.add(2)
        made.pods()
        made.act()
        assert made.shares().get(2, 0) == 0
        if loss < 2:
            made.broken.clear()
            made.until(lambda s: s.shares().get(2) == 10)
    assert made.shares() == {1: 100}
    assert made.status["refused"][0]["why"] == "it lost all its pods 3 times"


def test_a_canary_that_lost_its_pods_and_does_not_come_back_is_refused() -> None:
    """After progressDeadlineSeconds."""
    made = at_step(1)
    made.broken.add(2)
    made.pass_time(590, every=60)
    assert "refused" not in made.status
    made.pass_time(120, every=60)
    assert made.status["refused"][0]["why"] == "it has had no ready pod for 600 s"


def test_a_canary_that_loses_some_of_its_pods_keeps_its_share() -> None:
    """The rest of them answers; no weight moves because a node is drained."""
    made = at_step(2, runtime={"minReplicas": 4})
    found = made.deployment(2)
    assert found is not None
    made.world.set_status("Deployment", found["metadata"]["name"], {**found["status"], "readyReplicas": 1})
    made.judge("Pass", rows=5000)
    made.world.tick(60)
    made.act()
    assert made.shares() == {1: 50, 2: 50}, "but it is not promoted with one pod of four"
    assert made.conditions()["Progressing"] == ("True", "Stepping")


def _lose_stable(made: Serving) -> None:
    made.broken.add(1)
    made.pods()
    made.act()


def test_a_canary_stands_in_for_a_stable_without_pods_and_is_not_promoted_by_it() -> None:
    """All traffic to what answers, at once, in-cluster clients too; back to its step when the stable is back."""
    made = at_step(1)
    _lose_stable(made)
    assert made.shares() == {1: 0, 2: 100}
    assert made.conditions()["Available"] == ("True", "Serving")
    made.act()
    root = made.world.get("Service", "delays")
    assert root is not None
    assert root["spec"]["selector"]["pintle.dev/revision"] == made.revision(2)
    made.judge("Pass", rows=100_000)
    made.pass_time(100, every=10)
    assert made.shares() == {1: 0, 2: 100}
    assert made.status["stable"]["version"] == 1
    made.broken.clear()
    made.pods()
    made.act()
    assert made.shares() == {1: 90, 2: 10}


def test_a_failing_canary_does_not_stand_in() -> None:
    """It keeps what it has until the stable has a pod again: what answers badly is better than nothing."""
    made = at_step(1)
    made.broken.add(1)
    made.pods()
    made.judge("Fail")
    made.act()
    assert made.shares() == {1: 90, 2: 10}
    made.broken.clear()
    made.pods()
    made.act()
    assert made.shares() == {1: 100}
    assert made.actions()[0] == "Rollback"


def test_the_stable_killed_in_the_middle_of_a_rollback_gets_no_refused_revision_in_its_place() -> None:
    """Nothing else is ready, and still a refused revision has no share."""
    made = at_step(2)
    made.judge("Fail")
    decided = made.look()
    made.act(only=len(decided.create) + len(decided.apply) + 1)
    _lose_stable(made)
    made.pass_time(20)
    assert made.shares() == {1: 100}
    made.broken.clear()
    made.converge()
    assert made.summary() == "Available=True/Serving  Progressing=False/RolledBack  Ready=False/RolledBack"


def test_the_canary_withdrawn_while_it_is_all_that_answers_stays_until_the_stable_is_back() -> None:
    """The spec goes back to version 1, whose pods are gone for the moment."""
    made = at_step(1)
    _lose_stable(made)
    made.pin(1)
    made.act()
    assert made.shares() == {1: 0, 2: 100}
    made.world.remove("Service", f"delays-{made.revision(2)}")
    made.act()
    assert made.world.get("Service", f"delays-{made.revision(2)}"), "and is mended like everything that has traffic"
    made.broken.clear()
    made.pods()
    made.act()
    assert made.shares() == {1: 100}


def test_of_many_refusals_the_newest_eight_are_kept() -> None:
    """The status has room for eight, and the record is to come back from it."""
    made = serving(rollout={"steps": [{"weight": 10, "minSeconds": 0}]})
    for number in range(2, 12):
        made.publish(number)
        made.until(lambda s, number=number: s.shares().get(number) == 10)  # type: ignore[misc]
        made.judge("Fail")
        made.act()
        made.judge(None)
    assert [item["version"] for item in made.status["refused"]] == [11, 10, 9, 8, 7, 6, 5, 4]
