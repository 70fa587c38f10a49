"""A canary goes by steps: what lets it go on, what holds it, and what is never decided by missing evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pintle.core.judgement.verdict import Arm, TestResult
from pintle.core.rollout.plan import plan

from tests.serving_world import POLICY, Serving
from tests.unit.core.rollout.canaries import at_step, in_guard, serving

MIXED = [{"weight": 10, "minSeconds": 5}, {"pause": True}, {"weight": 50, "minSeconds": 5}]


def test_a_canary_that_passes_is_promoted_step_by_step_and_guarded() -> None:
    """0, 10, 50, 95, 100 percent, each by one write; the alias moves with the last one only."""
    made = serving(onPromoted={"alias": "champion"})
    made.publish(2)
    seen: list[dict[int, int]] = []
    aliases = []
    made.judge("Pass", rows=500)
    for look in range(80):
        made.judge("Pass", rows=500 + 50 * look)
        made.act()
        if not seen or seen[-1] != made.shares():
            seen.append(made.shares())
            aliases.append(made.status["alias"]["version"])
        made.pods()
        made.world.tick(2)
    assert seen == [{1: 100}, {1: 100, 2: 0}, {1: 90, 2: 10}, {1: 50, 2: 50}, {1: 5, 2: 95}, {2: 100}]
    assert aliases == [1, 1, 1, 1, 1, 2]
    assert made.actions() == ["Accept", "Promote", "Step", "Step", "Serve"]
    assert made.conditions()["Ready"] == ("True", "Ready")
    assert made.deployment(1) is None


def test_a_step_lasts_its_seconds_and_until_it_has_its_requests() -> None:
    """Balanced asks for 100 requests before promotion: 50 in each of two steps, counted from the step's own start."""
    made = at_step(1)
    made.judge("NeedMoreData", rows=49)
    made.pass_time(25, every=5)
    assert made.shares() == {1: 90, 2: 10}
    assert made.conditions()["Progressing"] == ("True", "AwaitingEvidence")
    made.judge("NeedMoreData", rows=50)
    made.act()
    assert made.shares() == {1: 50, 2: 50}
    assert made.record is not None
    assert made.record.course.counted == 50
    rollout = made.status["rollout"]
    assert rollout["startTime"] < rollout["stepTime"], "the trial is one, over all steps"


def test_requests_of_an_earlier_step_do_not_count_for_the_next() -> None:
    """Three steps need 34 each: 60 at the end of the first leave 34 to come."""
    steps = [{"weight": weight, "minSeconds": 20} for weight in (10, 50, 60)]
    made = at_step(1, rollout={"steps": steps})
    made.judge("NeedMoreData", rows=60)
    made.pass_time(60, every=10)
    assert made.shares() == {1: 50, 2: 50}
    made.judge("NeedMoreData", rows=94)
    made.act()
    assert made.shares() == {1: 40, 2: 60}


def test_a_quick_canary_still_waits_for_its_seconds() -> None:
    """A million requests in a second are no minute."""
    made = at_step(1)
    made.judge("Pass", rows=1_000_000)
    made.pass_time(15)
    assert made.shares() == {1: 90, 2: 10}
    assert made.look().requeue_after is not None


def test_missing_evidence_holds_at_the_last_step_and_says_how_long() -> None:
    """500 of at least 100 requests, evidence 1.5 of 3.0 after so many seconds: as long again."""
    made = at_step(2)
    made.judge("NeedMoreData", rows=5000)
    made.pass_time(3600, every=120)
    assert made.shares() == {1: 50, 2: 50}
    assert made.conditions()["Progressing"] == ("True", "AwaitingEvidence")
    rollout = made.status["rollout"]
    assert (rollout["step"], rollout["steps"], rollout["verdict"]) == (2, 2, "NeedMoreData")
    assert 3600 <= rollout["expectedSeconds"] <= 3900


def labels(evidence: float, rows: int = 400) -> TestResult:
    """Labels that promotion does not wait for, with so much of 6.7 nats against the canary."""
    tested, control = Arm(rows, 0.15 * rows), Arm(rows, 0.1 * rows)
    return TestResult("loss", "NeedMoreData", tested, control, 0.05, evidence, 6.7, 0.0, 3.0, required=False)


def test_labels_that_speak_against_a_canary_hold_it_until_they_do_not() -> None:
    """Nobody asked to wait for labels; but with half of what a rollback takes it is not promoted. Nor taken back."""
    made = at_step(2)
    made.judge("Pass", rows=5000)
    made.beside = (labels(4.0),)
    made.pass_time(3600, every=120)
    assert made.shares() == {1: 50, 2: 50}
    assert made.conditions()["Progressing"] == ("True", "AwaitingEvidence")
    assert made.message("Progressing").endswith("not enough evidence yet for loss")
    assert "expectedSeconds" not in made.status["rollout"]
    made.beside = (labels(1.0),)
    made.pass_time(120, every=30)
    assert made.shares() == {2: 100}
    assert next(entry for entry in made.status["history"] if entry["action"] == "Promote")["why"].endswith(
        "; loss open"
    )


def test_no_traffic_holds_and_takes_nothing_back() -> None:
    """Not one request in an hour: step 1, nothing refused."""
    made = at_step(1)
    made.judge("NeedMoreData", rows=0)
    made.pass_time(3600, every=120)
    assert made.shares() == {1: 90, 2: 10}
    assert "refused" not in made.status


@pytest.mark.parametrize("how", ["no answer", "no samples"])
def test_a_source_that_fails_holds_says_so_and_goes_on_by_itself(how: str) -> None:
    """Longer than the deadline, too: only time in which something can be judged counts."""
    made = at_step(1, rollout={"deadlineSeconds": 120, "onInconclusive": "Rollback"})
    if how == "no answer":
        made.metrics_error = "prometheus: connection refused"
    else:
        made.judge("SourceError", rows=500)
    made.pass_time(600, every=20)
    assert made.shares() == {1: 90, 2: 10}
    assert made.conditions()["Progressing"] == ("False", "MetricsUnavailable")
    assert made.conditions()["Available"] == ("True", "Serving")
    assert made.status["rollout"]["verdict"] == "SourceError"
    made.metrics_error = None
    made.judge("NeedMoreData", rows=500)
    made.act()
    assert made.shares() == {1: 50, 2: 50}
    assert "refused" not in made.status


def test_a_single_failed_query_is_not_written_down() -> None:
    """It holds the step while it lasts, but no clock is stopped for it and the route is not touched."""
    made = at_step(2)
    made.judge("NeedMoreData", rows=500)
    made.act()
    made.metrics_error = "prometheus: timed out"
    assert made.look().traffic is None
    assert made.conditions()["Progressing"][1] in ("Stepping", "AwaitingEvidence")


def test_without_prometheus_a_canary_waits_in_the_route_and_says_what_to_set() -> None:
    """Weight 0: no request is risked on what nobody can judge."""
    made = serving()
    made.policy = POLICY
    made.publish(2)
    made.pass_time(30)
    assert made.shares() == {1: 100, 2: 0}
    assert made.conditions()["Progressing"] == ("False", "MetricsNotConfigured")
    assert "Prometheus" in made.message("Progressing")


@pytest.mark.parametrize("end", ["Pause", "Rollback", "Promote"])
def test_at_the_deadline_the_spec_decides(end: str) -> None:
    """Missing evidence for 300 seconds since the first traffic."""
    made = at_step(2, rollout={"deadlineSeconds": 300, "onInconclusive": end})
    made.judge("NeedMoreData", rows=500)
    made.pass_time(200, every=20)
    assert made.shares() == {1: 50, 2: 50}
    made.pass_time(120, every=20)
    if end == "Pause":
        assert made.shares() == {1: 50, 2: 50}
        assert made.conditions()["Progressing"] == ("False", "Paused")
        assert made.status["rollout"]["paused"] == "not enough evidence after 300 s"
    elif end == "Rollback":
        assert made.shares() == {1: 100}
        assert made.conditions()["Ready"] == ("False", "RolledBack")
    else:
        assert made.shares() == {1: 5, 2: 95}
        assert made.status["rollout"]["state"] == "Guard"


def test_the_deadline_counts_from_the_first_traffic_not_from_the_step() -> None:
    """90 of 100 seconds in the first step leave ten for the second."""
    made = at_step(1, rollout={"deadlineSeconds": 100})
    made.judge("NeedMoreData", rows=10)
    made.pass_time(90, every=15)
    made.judge("NeedMoreData", rows=500)
    made.act()
    assert made.shares() == {1: 50, 2: 50}
    made.pass_time(40, every=10)
    assert made.status["rollout"]["paused"] == "not enough evidence after 100 s"


def test_a_rollout_that_ran_out_of_time_goes_on_from_now_when_it_is_resumed() -> None:
    """Else it would run out of time again at once."""
    made = at_step(2, rollout={"deadlineSeconds": 300})
    made.judge("NeedMoreData", rows=500)
    made.pass_time(400, every=20)
    made.say("resume")
    made.pass_time(200, every=20)
    assert made.conditions()["Progressing"] == ("True", "AwaitingEvidence")
    made.judge("Pass", rows=900)
    made.act()
    assert made.shares() == {1: 5, 2: 95}


def test_a_pause_step_waits_for_a_person_and_keeps_the_share() -> None:
    """The deadline does not run out on a person's desk."""
    made = at_step(1, rollout={"steps": MIXED, "deadlineSeconds": 30, "onInconclusive": "Rollback"})
    made.judge("NeedMoreData", rows=500)
    made.pass_time(300, every=20)
    assert made.shares() == {1: 90, 2: 10}
    assert made.status["rollout"]["step"] == 2
    assert made.conditions()["Progressing"] == ("False", "Paused")
    made.say("resume")
    made.act()
    made.act()
    assert made.shares() == {1: 50, 2: 50}


def test_manual_promotion_waits_for_a_person_after_pass() -> None:
    """Nothing but the word is missing."""
    made = at_step(2, rollout={"promotion": "Manual"})
    made.judge("Pass", rows=2000)
    made.pass_time(300, every=20)
    assert made.shares() == {1: 50, 2: 50}
    assert made.conditions()["Progressing"] == ("False", "Paused")
    made.say("promote")
    made.act()
    assert made.shares() == {1: 5, 2: 95}


@pytest.mark.parametrize(
    ("what", "steps", "before", "after"),
    [
        ("smaller", [{"weight": 5, "minSeconds": 20}, {"weight": 20, "minSeconds": 20}], 50, 20),
        ("one step less", [{"weight": 30, "minSeconds": 20}], 50, 30),
        ("larger", [{"weight": 10, "minSeconds": 20}, {"weight": 70, "minSeconds": 20}], 50, 70),
        ("one step more", [*MIXED, {"weight": 80, "minSeconds": 20}], 50, 10),
    ],
)
def test_changed_steps_give_the_step_its_new_share(what: str, steps: list[Any], before: int, after: int) -> None:
    """The step keeps its number, or becomes the last one; its share is the spec's."""
    made = at_step(2)
    made.judge("NeedMoreData", rows=500)
    made.act()
    assert made.shares()[2] == before
    made.edit(rollout={**made.parent["spec"]["rollout"], "steps": steps})
    made.act()
    assert made.shares()[2] == after, what


@pytest.mark.parametrize("verdict", ["Fail", "SourceError"])
def test_changed_steps_raise_no_share_that_may_not_rise(verdict: str) -> None:
    """A larger step in the spec is no way round a Fail or a source that is silent."""
    made = at_step(2)
    made.judge(verdict, rows=500)
    larger = [{"weight": 10, "minSeconds": 20}, {"weight": 70, "minSeconds": 20}]
    made.edit(rollout={**made.parent["spec"]["rollout"], "steps": larger})
    made.act()
    assert made.shares().get(2, 0) <= 50


def test_steps_taken_out_of_the_spec_mean_that_it_takes_over_at_once() -> None:
    """As the spec says then; the guard that it gives explicitly stays."""
    made = at_step(1)
    made.edit(rollout={"progressDeadlineSeconds": 600})
    made.pass_time(10)
    assert made.shares() == {1: 5, 2: 95}


def test_a_newer_revision_replaces_the_canary_never_the_stable() -> None:
    """Version 2 at 50 percent gives its share back in the look that finds version 3; 3 begins at step 1."""
    made = at_step(2)
    made.publish(3)
    made.act()
    assert made.shares() == {1: 100}
    assert made.actions()[0] == "Withdraw"
    made.until(lambda s: s.shares().get(3) == 10)
    assert made.shares() == {1: 90, 3: 10}
    assert "refused" not in made.status


def test_a_judgement_of_an_earlier_canary_is_no_judgement_of_this_one() -> None:
    """Version 2 failed; what was found of it says nothing of version 3."""
    made = at_step(1)
    made.judge("Fail")
    old = made.observe().judgement
    made.judge(None)
    made.publish(3)
    made.until(lambda s: s.shares().get(3) == 10)
    observed = made.observe()
    assert old is not None
    decided = plan(replace(observed, judgement=old), made.world.now, made.policy)
    assert decided.traffic is None


def test_a_canary_whose_version_is_deleted_goes_on_where_it_is_pinned() -> None:
    """The revision carries URI and digest. Followed, it is withdrawn: the version is not the newest any more."""
    made = serving(version=1, follow=None)
    made.publish(2)
    made.pin(2)
    made.until(lambda s: s.shares().get(2) == 10)
    made.world.remove("ModelVersion", "delays-v2")
    made.judge("NeedMoreData", rows=500)
    made.until(lambda s: s.shares().get(2) == 50)
    followed = at_step(1)
    followed.world.remove("ModelVersion", "delays-v2")
    followed.act()
    assert followed.shares() == {1: 100}
    assert "refused" not in followed.status


def test_a_version_that_stops_being_ready_mid_rollout_is_withdrawn() -> None:
    """It may be tried again when it is Ready again; nobody refused it."""
    made = _pinned_at_step_1()
    made.publish(2, ready=False)
    made.act()
    assert made.shares() == {1: 100}
    assert made.conditions()["Ready"] == ("False", "VersionNotReady")
    made.publish(2)
    made.until(lambda s: s.shares().get(2) == 10)


def _pinned_at_step_1() -> Serving:
    made = serving(version=1, follow=None)
    made.publish(2)
    made.pin(2)
    made.until(lambda s: s.shares().get(2) == 10)
    return made


def test_scaled_to_zero_mid_rollout_the_canary_begins_anew() -> None:
    """Nothing can be judged without pods, so nothing is promoted by their absence."""
    made = at_step(2)
    made.runtime(minReplicas=0)
    made.converge()
    assert made.shares() == {1: 100}
    assert made.conditions()["Available"] == ("False", "ScaledToZero")
    made.runtime(minReplicas=1)
    made.judge(None)
    made.until(lambda s: s.shares().get(2) == 10)
    assert made.status["stable"]["version"] == 1


def test_two_deployments_of_one_model_are_judged_each_by_itself() -> None:
    """The second one neither waits for the first nor follows its refusals."""
    made = at_step(1)
    other = serving()
    made.judge("Fail")
    made.act()
    other.publish(2)
    other.until(lambda s: s.shares().get(2) == 10)
    assert made.shares() == {1: 100}


def test_the_first_revision_needs_no_steps() -> None:
    """There is nothing to compare it with."""
    made = serving()
    assert made.shares() == {1: 100}
    assert "rollout" not in made.status


def test_without_a_gateway_a_revision_replaces_the_other_at_once_and_is_guarded() -> None:
    """Weights need a route; the way back does not."""
    made = serving(traffic={})
    made.publish(2)
    made.pass_time(10)
    assert made.shares() == {1: 0, 2: 100}
    assert made.status["rollout"]["state"] == "Guard"


def test_the_figures_of_a_status_come_to_rest() -> None:
    """Between two looks a second apart nothing is written but what changed; the figures are renewed every ten."""
    made = at_step(1)
    writes = 0
    for rows in range(1, 41):
        made.judge("NeedMoreData", rows=rows)
        writes += made.act().status is not None
        made.world.tick(1)
    assert 3 <= writes <= 6
    made.judge("Pass", rows=41)
    assert made.look().status is not None, "a verdict is news at once"


def test_the_status_of_a_canary_says_what_its_tests_say() -> None:
    """Values of both, evidence and what is needed, as text."""
    made = at_step(1)
    made.judge("NeedMoreData", rows=30)
    made.act()
    rollout = made.status["rollout"]
    assert rollout["tests"] == [
        {
            "name": "errors",
            "verdict": "NeedMoreData",
            "value": "0.01",
            "stableValue": "0.01",
            "rows": 30,
            "stableRows": 600,
            "evidence": "0",
            "threshold": "5.3",
            "passEvidence": "1.5",
            "passThreshold": "3",
        }
    ]
    assert rollout["startTime"] == rollout["stepTime"]
    assert made.status["canary"]["weight"] == 10


def test_a_finished_guard_leaves_nothing_of_the_rollout_in_the_status() -> None:
    """rollout, canary and previous are gone; history has it all."""
    made = in_guard()
    made.converge()
    assert not {"rollout", "canary", "previous", "refused"} & set(made.status)
