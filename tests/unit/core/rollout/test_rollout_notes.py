"""What a judgement tells beside its tests: said to people, and never acted upon."""

from __future__ import annotations

from pintle.core.conditions import conditions_of
from pintle.core.judgement.verdict import FAIL, PASS, ScoreShift

from tests.serving_world import Serving
from tests.unit.core.rollout.canaries import at_step, in_guard

SHIFT = ScoreShift(FAIL, 500, 4500, psi=0.224, low=0.171, threshold=0.1)
UNLIKE = "losses are not compared: model_feedback_loss_scale differs, set PINTLE_LOSS_SCALE for both"


def progressing(serving: Serving) -> str:
    """The condition's message."""
    return str(conditions_of(serving.parent)["Progressing"]["message"])


def test_a_canary_that_scores_otherwise_is_told_once() -> None:
    """One entry of the trail with its figures, one Event and one notice; the condition says so without figures."""
    serving = at_step(1, notifications=[{"receiver": "ops"}])
    serving.judge("NeedMoreData", rows=500)
    serving.shift = SHIFT
    plan = serving.act()
    (decision,) = plan.decisions
    assert (decision.action, decision.rule, decision.value, decision.stable_rows) == ("Tell", "scores", 0.224, 4500)
    assert [(event.type, event.reason) for event in plan.events if "PSI 0.224" in event.message] == [
        ("Normal", "ScoresDiffer")
    ]
    assert [notice.receivers for notice in plan.notify] == [("ops",)]
    assert serving.status["history"][0]["why"] == "scores: PSI 0.224 to the stable's, at least 0.171; decides nothing"
    assert "its scores lie otherwise" in progressing(serving)
    assert not serving.act().decisions


def test_a_canary_that_scores_otherwise_is_promoted_all_the_same() -> None:
    """A better model may score differently: every move is as it would have been."""
    serving = at_step(1)
    serving.judge("NeedMoreData", rows=500)
    serving.shift = SHIFT
    serving.until(lambda s: s.shares().get(2) == 50, seconds=60)
    serving.judge("Pass", rows=2000)
    serving.until(lambda s: s.shares().get(2) == 95, seconds=60)
    told = [entry for entry in serving.status["history"] if entry["action"] == "Tell"]
    assert len(told) == 1, "in the guard it is not told again"


def test_a_rollout_that_is_to_pause_then_does_so_once() -> None:
    """onScoreShift: Pause. A person looks, resumes, and it goes on although the scores are as they were."""
    serving = at_step(1, rollout={"onScoreShift": "Pause"})
    serving.judge("NeedMoreData", rows=500)
    serving.shift = SHIFT
    serving.pass_time(60)
    assert serving.shares()[2] == 10
    assert serving.conditions()["Progressing"] == ("False", "Paused")
    assert [entry["action"] for entry in serving.status["history"][:2]] == ["Tell", "Pause"]
    serving.say("resume")
    serving.until(lambda s: s.shares().get(2) == 50, seconds=60)


def test_a_rollout_that_observes_says_that_it_would_pause() -> None:
    """automation: Observe: nothing is paused by the operator."""
    serving = at_step(1, rollout={"onScoreShift": "Pause"})
    serving.edit(automation="Observe")
    serving.judge("NeedMoreData", rows=500)
    serving.shift = SHIFT
    serving.act()
    assert serving.conditions()["Progressing"][1] != "Paused"
    assert serving.record is not None
    assert not serving.record.course.paused


def test_scores_that_lie_as_the_stables_are_not_told() -> None:
    """Nor are those of too few rows."""
    serving = at_step(1)
    serving.judge("NeedMoreData", rows=500)
    serving.shift = ScoreShift(PASS, 500, 4500, psi=0.01, low=-0.02, threshold=0.1)
    assert not serving.act().decisions
    assert "scores" not in progressing(serving)


def test_what_a_judgement_says_of_itself_is_in_the_condition() -> None:
    """Losses of unlike scale are not compared: `kubectl describe` shows why there is no test of them."""
    serving = at_step(1)
    serving.judge("NeedMoreData", rows=500)
    serving.judgement_message = UNLIKE
    serving.act()
    assert progressing(serving).endswith(UNLIKE)


def test_words_about_a_trial_end_with_it() -> None:
    """The guard is a trial, too; once it is over there is nothing to say of it."""
    serving = in_guard()
    serving.judge("NeedMoreData", rows=500)
    serving.judgement_message = UNLIKE
    serving.act()
    assert UNLIKE in progressing(serving)
    serving.converge()
    assert progressing(serving) == "no change is under way"
