"""What people and the audit trail are told: each deed once, with the figures that caused it, also after a crash."""

from __future__ import annotations

import pytest

from tests.serving_world import Serving
from tests.unit.core.rollout.canaries import at_step, in_guard, rolled_back, serving

PEOPLE = {
    "notifications": [{"receiver": "team"}, {"receiver": "audit"}],
    "owner": {"team": "flights", "contact": "#flights"},
}


def test_a_rollback_is_one_decision_and_one_notice() -> None:
    """Figures in the decision, receivers and owner in the notice; the next look repeats neither."""
    made = at_step(1, **PEOPLE)
    made.judge("Fail", rows=400)
    told = made.act()
    (decision,) = told.decisions
    assert (decision.action, decision.subject, decision.rule) == ("Rollback", made.revision(2), "errors")
    assert (decision.value, decision.stable_value, decision.rows) == (0.05, 0.01, 400)
    assert (decision.evidence, decision.threshold, decision.query) == (9.1, 5.3, "model_requests_total")
    (notice,) = told.notify
    assert notice.reason == "RolledBack"
    assert notice.receivers == ("team", "audit")
    assert notice.owner == {"team": "flights", "contact": "#flights"}
    assert "errors: 0.05 of 400 against 0.01 of 8000" in notice.message
    made.pods()
    again = made.act()
    assert (again.decisions, again.notify) == ((), ())


def test_killed_between_route_and_status_the_next_look_tells() -> None:
    """The deed stands in the record until the status has it; the notice has the same id both times."""
    made = at_step(1)
    made.judge("Fail")
    first = made.look()
    made.act(only=len(first.create) + len(first.apply) + 1)
    second = made.act()
    assert [notice.id for notice in second.notify] == [notice.id for notice in first.notify]
    assert [decision.action for decision in second.decisions] == ["Rollback"]
    assert made.look().notify == ()


@pytest.mark.parametrize(
    ("what", "reason"), [("rollback", "RolledBack"), ("going back", "RolledBack"), ("deadline", "Paused")]
)
def test_what_people_are_notified_of(what: str, reason: str) -> None:
    """Something was taken back, or a rollout waits for them because evidence did not come."""
    if what == "going back":
        made = in_guard(**PEOPLE)
        made.judge("Fail")
    elif what == "rollback":
        made = at_step(1, **PEOPLE)
        made.judge("Fail")
    else:
        made = at_step(1, rollout={"deadlineSeconds": 30}, **PEOPLE)
        made.world.tick(31)
    assert [notice.reason for notice in made.act().notify] == [reason]


def test_steps_and_promotions_are_decisions_and_nobody_is_woken_by_them() -> None:
    """An event each, Normal."""
    made = at_step(1, **PEOPLE)
    made.world.tick(30)
    made.judge("Pass", rows=500)
    told = made.act()
    (decision,) = told.decisions
    assert (decision.action, decision.rows, decision.threshold) == ("Step", 500, 50)
    assert told.notify == ()
    assert {event.type for event in told.events} == {"Normal"}
    made.world.tick(30)
    (decision,) = made.act().decisions
    assert (decision.action, decision.rule, decision.evidence, decision.threshold) == ("Promote", "errors", 3.5, 3.0)


def test_a_rollback_is_a_warning_event() -> None:
    """Reason RolledBack, in words."""
    made = at_step(1)
    made.judge("Fail")
    events = made.act().events
    assert ("Warning", "RolledBack") in {(event.type, event.reason) for event in events}


def test_who_asked_stands_in_decision_and_history() -> None:
    """As claimed by the annotation."""
    made = at_step(1)
    made.world.tick(1)
    made.say("promote", by="bob")
    (decision,) = made.act().decisions
    assert (decision.action, decision.by) == ("Step", "bob")
    assert made.status["history"][0]["by"] == "bob"
    made.world.tick(1)
    made.say("abort", by="eve")
    (decision,) = made.act().decisions
    assert (decision.action, decision.by) == ("Rollback", "eve")


def test_a_write_that_is_refused_is_not_told_as_done() -> None:
    """The API server refuses the route: the status keeps to what is, and no decision is written down."""
    made = at_step(1)
    made.judge("Fail")
    made.write_error = "HTTPRoute is invalid"
    decided = made.look()
    assert decided.decisions == ()
    assert decided.notify == ()
    assert decided.status is not None
    assert "refused" not in decided.status
    assert made.record is not None
    assert decided.status["sequence"] == made.record.sequence


def test_the_sequence_of_the_status_is_that_of_the_write_it_was_derived_from() -> None:
    """So that an older record can be told from the present one."""
    for made in (serving(), at_step(2), in_guard(), rolled_back()):
        assert made.record is not None
        assert made.status["sequence"] == made.record.sequence


def test_the_longest_history_keeps_ten() -> None:
    """The newest; an object stays small."""
    made = serving(rollout={"steps": [{"weight": 10, "minSeconds": 0}]}, guard={"seconds": 0})
    for number in range(2, 7):
        made.publish(number)
        made.judge("Pass", rows=5000)
        made.until(lambda s, number=number: s.shares() == {number: 100})  # type: ignore[misc]
    assert len(made.status["history"]) == 10
    assert made.actions()[:2] == ["Promote", "Step"]


def observing(**options: object) -> Serving:
    return at_step_by_word(serving(automation="Observe", **options))  # type: ignore[arg-type]


def at_step_by_word(made: Serving) -> Serving:
    made.publish(2)
    made.until(lambda s: s.shares() == {1: 100, 2: 0} and s.actions()[0] == "WouldStep")
    made.say("promote")
    made.act()
    assert made.shares() == {1: 90, 2: 10}
    return made


def test_observe_brings_a_canary_up_and_leaves_every_move_to_a_person() -> None:
    """It is in the route with weight 0, and the status says what would be done; said once."""
    made = serving(automation="Observe")
    made.publish(2)
    made.pass_time(60, every=5)
    assert made.shares() == {1: 100, 2: 0}
    assert made.conditions()["Progressing"] == ("False", "Observing")
    assert made.message("Progressing").startswith("would Step version 2: step 1 of 2, 10 %")
    assert made.actions().count("WouldStep") == 1
    assert made.look().changes_nothing


def test_observe_judges_and_tells_a_failure_and_does_nothing() -> None:
    """The share stays; people are notified once; what they say is done."""
    made = observing(**PEOPLE)
    made.world.tick(1)
    made.judge("Fail", rows=400)
    told = made.act()
    assert made.shares() == {1: 90, 2: 10}
    assert [notice.reason for notice in told.notify] == ["Observing"]
    (decision,) = told.decisions
    assert (decision.action, decision.rule, decision.value) == ("WouldRollback", "errors", 0.05)
    made.pass_time(60, every=10)
    assert made.shares() == {1: 90, 2: 10}
    assert made.actions().count("WouldRollback") == 1
    assert made.status["rollout"]["verdict"] == "Fail"
    made.say("abort")
    made.act()
    assert made.shares() == {1: 100}


def test_observe_lets_a_person_promote_what_it_would_take_back() -> None:
    """There it is the person who decides."""
    made = observing()
    made.judge("Fail", rows=400)
    made.world.tick(1)
    made.act()
    made.say("promote-fully")
    made.act()
    assert made.shares() == {1: 5, 2: 95}


@pytest.mark.parametrize("end", ["Rollback", "Promote", "Pause"])
def test_observe_does_not_act_at_the_deadline(end: str) -> None:
    """It says what would be done."""
    made = observing(rollout={"deadlineSeconds": 60, "onInconclusive": end})
    made.pass_time(120, every=10)
    assert made.shares() == {1: 90, 2: 10}
    assert made.actions()[0] == f"Would{end}"


def test_observe_promotes_nothing_that_passes_and_ends_no_guard() -> None:
    """A person takes the steps, promotes, and ends the guard."""
    made = observing()
    made.say("promote")
    made.act()
    made.judge("Pass", rows=5000)
    made.pass_time(60, every=10)
    assert made.shares() == {1: 50, 2: 50}
    assert made.actions()[0] == "WouldPromote"
    made.say("promote")
    made.act()
    made.judge(None)
    made.pass_time(120, every=10)
    assert made.shares() == {1: 5, 2: 95}
    assert made.actions()[0] == "WouldAccept"
    made.say("promote")
    made.act()
    assert made.shares() == {2: 100}


def test_observe_keeps_requests_answered_all_the_same() -> None:
    """A share without a pod behind it is no matter of judgement."""
    made = observing()
    made.broken.add(2)
    made.pods()
    made.act()
    assert made.shares() == {1: 100, 2: 0}
    made.broken.clear()
    made.pods()
    made.act()
    assert made.shares() == {1: 90, 2: 10}


def test_observe_replaces_nothing_at_once_either() -> None:
    """Without steps a new revision waits in the route for its promote."""
    made = serving(automation="Observe", rollout={"sensitivity": None, "steps": None}, guard=None)
    made.publish(2)
    made.pass_time(30, every=5)
    assert made.shares() == {1: 100, 2: 0}
    made.say("promote")
    made.act()
    assert made.shares() == {2: 100}


def test_observe_serves_the_first_revision() -> None:
    """Nobody has anything to lose."""
    made = serving(automation="Observe")
    assert made.conditions()["Ready"] == ("True", "Ready")
