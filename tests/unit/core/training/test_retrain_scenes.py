"""Runs that something or somebody asks for, scene by scene: what starts, what waits and why, what is remembered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pintle.contract.run import NewRows, RunRequest
from pintle.core.plan import Plan
from pintle.resources.run_job import ANNOTATION_ANSWERS, request_of

from tests.builders import TrainingJobBuilder, digest, model_version, training_job
from tests.scenes import TrainingScene, result

REFUSED = {"metric": "auc", "verdict": "Fail", "value": 0.61, "low": 0.6, "high": 0.62, "bound": 0.7}
L1, L2, L3 = "1" * 16, "2" * 16, "3" * 16


def trained(builder: TrainingJobBuilder | None = None, **policy: Any) -> TrainingScene:
    """A TrainingJob whose first run has made delays-v1, two hours ago."""
    wanted: dict[str, Any] = {"cooldownSeconds": 3600, "maxPerDay": 4, "maxConsecutiveFailures": 3, **policy}
    scene = TrainingScene((builder or training_job()).spec(retrainPolicy=wanted))
    scene.settle()
    scene.succeeds("a", listing=L1, through="2013-02-28T23:00:00Z")
    scene.settle()
    for pod in scene.world.owned("Pod", scene.parent):
        scene.world.remove("Pod", pod["metadata"]["name"])
    scene.world.tick(7200)
    return scene


def polling(seconds: int = 600) -> TrainingJobBuilder:
    return training_job().spec(triggers={"onNewData": {"pollSeconds": seconds}})


def scheduled(schedule: str = "0 3 * * *", zone: str = "UTC") -> TrainingJobBuilder:
    return training_job().spec(triggers={"schedule": schedule, "timeZone": zone})


def request(scene: TrainingScene) -> RunRequest:
    found = request_of(scene.job)
    assert found is not None
    return found


def serves(scene: TrainingScene, version: int, *causes: tuple[str, str], **status: Any) -> None:
    """The deployment serves this version, and has found these causes."""
    scene.asks(*causes, stable={"revision": "aaaa", "version": version}, **status)


def defers(plan: Plan) -> list[str]:
    return [decision.rule for decision in plan.decisions if decision.action == "Defer"]


# What starts a run ----------------------------------------------------------------------------------------------------


def test_a_cause_starts_one_run_with_its_figures_in_the_lineage() -> None:
    """Kind, id, deployment and figures: in the request, on record, and in the version that comes of it."""
    scene = trained()
    serves(scene, 1, ("FeatureDrift", "d1"))
    plan = scene.look()
    assert [(made.action, made.rule, made.why) for made in plan.decisions] == [
        ("Train", "FeatureDrift", "FeatureDrift of web: FeatureDrift 0.31")
    ]
    assert scene.succeeded == ("Unknown", "Pending")
    scene.settle()
    trigger = {"kind": "FeatureDrift", "id": "d1", "source": "web", "message": "FeatureDrift 0.31"}
    assert request(scene).trigger == trigger
    assert scene.status["runs"][0]["trigger"] == trigger
    assert len(scene.jobs) == 2
    scene.succeeds("b")
    scene.settle()
    version = scene.world.get("ModelVersion", "delays-v2")
    assert version is not None
    assert version["spec"]["source"]["trigger"] == "FeatureDrift of web: FeatureDrift 0.31 (id d1)"


def test_drift_retrains_once_not_twice() -> None:
    """The finding stays until the new version is promoted; the next finding has another id and starts another run."""
    scene = trained()
    serves(scene, 1, ("FeatureDrift", "d1"))
    scene.settle()
    scene.succeeds("b")
    for _ in range(5):
        scene.settle()
        scene.world.tick(7200)
    assert len(scene.jobs) == 2
    serves(scene, 2)
    scene.settle()
    serves(scene, 2, ("FeatureDrift", "d2"))
    scene.settle()
    assert len(scene.jobs) == 3
    assert scene.triggers == ["FeatureDrift", "FeatureDrift", "Definition"]


def test_one_run_answers_all_that_waits() -> None:
    """Drift of features and of predictions, of two deployments, is one run; its Job notes what it answers."""
    scene = trained()
    serves(scene, 1, ("FeatureDrift", "d1"), ("PredictionDrift", "p1"))
    scene.asks(("FeatureDrift", "d1"), name="other")
    scene.settle()
    assert scene.triggers[0] == "PredictionDrift"
    assert len(scene.job["metadata"]["annotations"][ANNOTATION_ANSWERS].split(",")) == 3
    scene.succeeds("b")
    scene.settle()
    scene.world.tick(90_000)
    scene.settle()
    assert len(scene.jobs) == 2


def test_a_new_definition_answers_what_waits() -> None:
    """Its run is made after the finding: nothing is trained for it once more."""
    scene = trained(cooldownSeconds=100_000)
    scene.asks(("FeatureDrift", "d1"))
    scene.settle()
    assert scene.held == ("FeatureDrift", "Cooldown")
    scene.world.edit("TrainingJob", "delays", seed=1)
    scene.settle()
    assert scene.held is None
    scene.succeeds("b")
    scene.settle()
    scene.world.tick(100_000)
    scene.settle()
    assert scene.triggers == ["Definition", "Definition"]


@pytest.mark.parametrize(
    "edit",
    [
        {"automation": "Observe"},
        {"retrain": {"trainingJobRef": {"name": "delays"}, "causes": ["Rollback"]}},
        {"retrain": {"trainingJobRef": {"name": "another"}, "causes": ["FeatureDrift"]}},
        {"retrain": None},
    ],
    ids=["observes", "another cause", "another TrainingJob", "no retrain"],
)
def test_who_does_not_ask_is_not_answered(edit: dict[str, Any]) -> None:
    """Automation Observe, a cause that `on` lacks, a deployment that names somebody else or nobody."""
    scene = trained()
    scene.asks(("FeatureDrift", "d1"))
    scene.world.edit("ModelDeployment", "web", **edit)
    scene.settle()
    assert (len(scene.jobs), scene.held) == (1, None)


def test_a_person_starts_a_run_at_once() -> None:
    """Whatever cooldown, budget and mode say; once for each id; by whom is in the lineage."""
    scene = trained(mode="Off", cooldownSeconds=100_000)
    scene.word("w1")
    plan = scene.look()
    assert [(made.action, made.rule, made.by) for made in plan.decisions] == [("Train", "Person", "ann")]
    scene.settle()
    assert request(scene).trigger == {"kind": "Person", "id": "w1", "source": "ann"}
    scene.succeeds("b")
    scene.settle()
    scene.word("w1", by="bob")
    scene.settle()
    assert len(scene.jobs) == 2
    assert "triggeredTimes" not in scene.governor
    scene.word("w2")
    scene.settle()
    assert len(scene.jobs) == 3


def test_a_person_waits_for_the_run_that_goes_on() -> None:
    """One at a time; afterwards the wish is carried out."""
    scene = TrainingScene()
    scene.settle()
    scene.word("w1")
    scene.settle()
    assert (scene.held, len(scene.jobs)) == (("Person", "RunGoing"), 1)
    scene.succeeds("a")
    scene.settle()
    assert (scene.triggers, scene.held) == (["Person", "Definition"], None)


def test_a_word_that_was_there_before_the_first_look_is_stale() -> None:
    """A manifest that is applied anew, somewhere else, does not run twice."""
    builder = training_job().annotations({"pintle.dev/run": json.dumps({"id": "w1"})})
    scene = TrainingScene(builder)
    scene.settle()
    scene.succeeds("a")
    scene.settle()
    assert scene.triggers == ["Definition"]


@pytest.mark.parametrize("text", ["now!", "[]", '{"by": "ann"}', '{"id": ""}', '{"id": {"a": 1}}', '{"id": true}'])
def test_a_word_that_cannot_be_read_is_told(text: str) -> None:
    """Nothing is run, and the status says how it is written."""
    scene = trained()
    scene.parent["metadata"]["annotations"] = {"pintle.dev/run": text}
    plan = scene.look()
    assert [event.reason for event in plan.events] == ["SpecInvalid"]
    scene.settle()
    assert scene.held == ("Person", "SpecInvalid")
    assert '{"id": "...", "by": "..."}' in scene.governor["message"]
    assert len(scene.jobs) == 1


# What holds a run back ------------------------------------------------------------------------------------------------


def test_a_cause_waits_for_the_cooldown_and_is_told_once() -> None:
    """Status, event and decision, once; the run starts when the time has come, without anybody's doing."""
    scene = trained(cooldownSeconds=10_000)
    scene.asks(("FeatureDrift", "d1"))
    plan = scene.look()
    assert [(event.type, event.reason) for event in plan.events] == [("Normal", "Cooldown")]
    assert defers(plan) == ["Cooldown"]
    assert scene.held == ("FeatureDrift", "Cooldown")
    assert scene.governor["retryTime"] == "2026-01-05T14:46:40Z"
    assert scene.succeeded == ("True", "Trained")
    again = scene.look()
    assert (again.changes_nothing, again.events, again.decisions) == (True, (), ())
    assert again.requeue_after is not None
    scene.world.now += again.requeue_after
    while not scene.look().create:
        scene.world.tick(60)
        assert scene.world.now.hour < 15
    assert scene.triggers == ["Definition"]
    scene.settle()
    assert (scene.triggers[0], scene.held) == ("FeatureDrift", None)


def test_a_cause_that_goes_away_is_dropped() -> None:
    """Nothing is run for what is no longer so."""
    scene = trained(cooldownSeconds=10_000)
    scene.asks(("FeatureDrift", "d1"))
    scene.settle()
    scene.asks()
    scene.settle()
    assert scene.held is None
    scene.world.tick(10_000)
    scene.settle()
    assert len(scene.jobs) == 1


def test_no_more_than_the_budget_of_a_day() -> None:
    """Four causes in a row, two runs; the third waits until the first is a day old."""
    scene = trained(maxPerDay=2, cooldownSeconds=0)
    for number in range(4):
        scene.asks(("FeatureDrift", f"d{number}"))
        scene.settle()
        if scene.runs[0][0] == "Running":
            scene.succeeds("bcde"[number])
            scene.settle()
        scene.world.tick(3600)
    assert len(scene.jobs) == 3
    assert scene.held == ("FeatureDrift", "DailyBudget")
    assert scene.governor["retryTime"] == "2026-01-06T14:00:00Z"
    scene.world.tick(86_400 - 4 * 3600)
    scene.settle()
    assert len(scene.jobs) == 4
    assert len(scene.governor["triggeredTimes"]) == 2


def test_failures_in_a_row_hold_until_a_person() -> None:
    """RetrainHeld is a condition with a Warning; the word of a person begins anew, also when it fails again."""
    scene = trained(maxConsecutiveFailures=2, cooldownSeconds=0)
    for number in range(2):
        scene.asks(("FeatureDrift", f"d{number}"))
        scene.settle()
        scene.fails_in("train", 1, "boom")
        scene.settle()
        scene.world.tick(60)
    scene.asks(("FeatureDrift", "d3"))
    plan = scene.look()
    assert [(event.type, event.reason) for event in plan.events] == [("Warning", "ConsecutiveFailures")]
    assert scene.condition("RetrainHeld") == ("True", "ConsecutiveFailures")
    scene.world.tick(1_000_000)
    scene.settle()
    assert len(scene.jobs) == 3
    scene.word("w1")
    scene.settle()
    assert len(scene.jobs) == 4
    scene.fails_in("train", 1, "boom")
    scene.settle()
    assert [c["type"] for c in scene.status["conditions"]] == ["Succeeded"]
    assert scene.governor["consecutiveFailures"] == 1
    scene.asks(("FeatureDrift", "d4"))
    scene.settle()
    assert len(scene.jobs) == 5


def test_failures_in_a_row_are_over_with_a_new_definition() -> None:
    """It starts a run by itself, and the count begins with it."""
    scene = trained(maxConsecutiveFailures=1)
    scene.asks(("FeatureDrift", "d0"))
    scene.settle()
    scene.fails_in("train", 1, "boom")
    scene.settle()
    assert scene.condition("RetrainHeld") == ("True", "ConsecutiveFailures")
    scene.world.edit("TrainingJob", "delays", seed=3)
    scene.settle()
    scene.succeeds("b")
    scene.settle()
    assert "consecutiveFailures" not in scene.governor
    assert [c["type"] for c in scene.status["conditions"]] == ["Succeeded"]


def test_each_refused_candidate_doubles_the_cooldown() -> None:
    """Losers stay registered; the next may try after 1, 2, 4 cooldowns; a winner sets it back."""
    scene = trained(cooldownSeconds=1000, maxConsecutiveFailures=10, maxPerDay=48)
    waits = []
    for number in range(3):
        scene.asks(("FeatureDrift", f"d{number}"))
        start, count = scene.world.now, len(scene.jobs)
        while len(scene.jobs) == count:
            scene.settle()
            scene.world.tick(100)
        waits.append(int((scene.world.now - start).total_seconds()) // 100 * 100)
        scene.succeeds("bcd"[number], code=66, gates=[REFUSED])
        scene.settle()
    assert waits == [100, 2100, 4100]
    assert scene.governor["consecutiveRefusals"] == 3
    assert [version["spec"]["version"] for version in scene.world.list("ModelVersion")] == [1, 2, 3, 4]
    scene.word("w")
    scene.settle()
    scene.succeeds("e")
    scene.settle()
    assert "consecutiveRefusals" not in scene.governor


def test_after_a_refusal_the_next_by_itself_needs_rows_that_were_not_used() -> None:
    """fetch is told the latest row of earlier runs; a person's run is not asked for new rows."""
    scene = trained(cooldownSeconds=0, minNewRows=0)
    scene.asks(("FeatureDrift", "d1"))
    scene.settle()
    assert request(scene).newRows is None
    scene.succeeds("b", code=66, gates=[REFUSED], through="2013-03-31T23:00:00Z")
    scene.settle()
    scene.asks(("FeatureDrift", "d2"))
    scene.settle()
    assert request(scene).newRows == NewRows("2013-03-31T23:00:00Z", 1)
    scene.fails_in("fetch", 68, result("fetch", reason="NeedMoreData", message="0 rows are later"))
    scene.settle()
    assert scene.governor["consecutiveFailures"] == 1
    scene.word("w")
    scene.settle()
    assert request(scene).newRows is None


def test_min_new_rows_are_asked_for_by_fetch() -> None:
    """Later than all that was used; rows of a run that broke before a model was judged are not used up."""
    scene = trained(cooldownSeconds=0, minNewRows=500)
    scene.asks(("FeatureDrift", "d1"))
    scene.settle()
    assert request(scene).newRows == NewRows("2013-02-28T23:00:00Z", 500)
    broke = result("fetch", identity=digest("7"), datasets=[], through="2013-04-30T00:00:00Z", listing=L2)
    scene.pod(lambda pod: pod.ended("fetch", 0, broke).ended("train", 1, "boom").phase("Failed"))
    scene.job_ends("Failed", "BackoffLimitExceeded", failed=1)
    scene.settle()
    assert scene.governor["through"] == "2013-02-28T23:00:00Z"
    assert scene.governor["read"] == L2


def test_what_was_refused_is_known_to_a_run_by_itself() -> None:
    """The same data would be refused again: Unchanged, without training. A person may see it again."""
    scene = trained(cooldownSeconds=0)
    scene.asks(("FeatureDrift", "d1"))
    scene.settle()
    scene.succeeds("b", identity=digest("9"), code=66, gates=[REFUSED])
    scene.settle()
    scene.asks(("FeatureDrift", "d2"))
    scene.settle()
    assert set(request(scene).known) == {digest("a"), digest("9")}
    scene.fails_in("fetch", 67, result("fetch", reason="Unchanged", message="same", identity=digest("9")))
    scene.settle()
    scene.word("w")
    scene.settle()
    assert set(request(scene).known) == {digest("a")}


def test_unchanged_counts_for_the_cooldown_and_for_nothing_else() -> None:
    """It is neither failure nor success: what failed before it still counts."""
    scene = trained(cooldownSeconds=1000)
    scene.asks(("FeatureDrift", "d1"))
    scene.settle()
    scene.fails_in("train", 1, "boom")
    scene.settle()
    scene.world.tick(2000)
    scene.asks(("FeatureDrift", "d2"))
    scene.settle()
    scene.fails_in("fetch", 67, result("fetch", reason="Unchanged", message="same", identity=digest("a")))
    scene.settle()
    assert scene.succeeded == ("True", "Unchanged")
    assert scene.governor["consecutiveFailures"] == 1
    scene.asks(("FeatureDrift", "d3"))
    scene.settle()
    assert scene.held == ("FeatureDrift", "Cooldown")
    assert len(scene.world.list("ModelVersion")) == 1


def test_a_suggestion_is_a_condition_until_a_person_runs_it() -> None:
    """No run by itself; the condition has the figures and goes away with the answer."""
    scene = trained(mode="Suggest")
    scene.asks(("FeatureDrift", "d1"))
    scene.settle()
    assert scene.condition("RetrainSuggested") == ("True", "Suggested")
    assert "FeatureDrift of web: FeatureDrift 0.31" in scene.message("RetrainSuggested")
    assert len(scene.jobs) == 1
    scene.word("w1")
    scene.settle()
    assert [c["type"] for c in scene.status["conditions"]] == ["Succeeded"]
    scene.succeeds("b")
    scene.settle()
    assert (scene.triggers, scene.held) == (["Person", "Definition"], None)


def test_suspend_holds_persons_and_causes() -> None:
    """And lets them go when it is taken back."""
    scene = trained()
    scene.world.edit("TrainingJob", "delays", suspend=True)
    scene.asks(("FeatureDrift", "d1"))
    scene.settle()
    assert scene.held == ("FeatureDrift", "Suspended")
    scene.word("w")
    scene.settle()
    assert (scene.held, len(scene.jobs)) == (("Person", "Suspended"), 1)
    scene.world.edit("TrainingJob", "delays", suspend=False)
    scene.settle()
    assert (scene.triggers, scene.held) == (["Person", "Definition"], None)


def test_missing_code_holds_with_its_own_reason() -> None:
    """There is nothing that could be run."""
    scene = trained()
    scene.world.remove("ConfigMap", "code")
    scene.asks(("FeatureDrift", "d1"))
    scene.settle()
    assert scene.held == ("FeatureDrift", "SourceNotFound")
    assert len(scene.jobs) == 1


def test_a_cause_waits_while_a_candidate_is_on_its_way() -> None:
    """Trained, not served yet: another finding of the same deployment starts nothing; once refused there it does."""
    scene = trained(cooldownSeconds=0)
    serves(scene, 1, ("FeatureDrift", "d1"))
    scene.settle()
    scene.succeeds("b")
    scene.settle()
    serves(scene, 1, ("FeatureDrift", "d1"), ("PredictionDrift", "p1"))
    scene.settle()
    assert scene.held == ("PredictionDrift", "CandidateWaiting")
    refused = [{"revision": "bbbb", "version": 2, "why": "errors"}]
    serves(scene, 1, ("Rollback", "r1"), refused=refused)
    scene.settle()
    assert scene.triggers == ["Rollback", "FeatureDrift", "Definition"]


def test_versions_refused_in_production_count_like_refused_candidates() -> None:
    """Two that went back in a row double the cooldown twice, and hold at the limit."""
    scene = trained(cooldownSeconds=1000, maxConsecutiveFailures=2)
    refused: list[dict[str, Any]] = []
    for number in (2, 3):
        serves(scene, 1, ("Rollback", f"r{number}"), refused=refused)
        scene.world.tick(4000)
        scene.settle()
        assert len(scene.jobs) == number
        scene.succeeds("abcd"[number])
        scene.settle()
        refused = [*refused, {"revision": "x", "version": number, "why": "errors"}]
        serves(scene, 1, ("Rollback", f"r{number}"), refused=refused)
        scene.settle()
    serves(scene, 1, ("Rollback", "r9"), refused=refused)
    scene.settle()
    assert scene.held == ("Rollback", "ConsecutiveFailures")
    scene.world.edit("TrainingJob", "delays", retrainPolicy={"cooldownSeconds": 1000, "maxConsecutiveFailures": 9})
    scene.settle()
    assert scene.held == ("Rollback", "Cooldown")
    assert "4000 s" in scene.governor["message"]


# Policies train nothing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"retrainPolicy": {"cooldownSeconds": 7, "maxPerDay": 9}},
        {"triggers": {"schedule": "0 3 * * *"}},
        {"triggers": {"onNewData": {"pollSeconds": 100}}},
    ],
    ids=["policy", "schedule", "new data"],
)
@pytest.mark.parametrize("failed", [False, True])
def test_an_edit_of_triggers_or_policy_trains_nothing(change: dict[str, Any], failed: bool) -> None:
    """Neither after a success nor after a failure, where other changes of the spec run it again."""
    scene = TrainingScene()
    scene.settle()
    if failed:
        scene.fails_in("train", 1, "boom")
    else:
        scene.succeeds("a", listing=L1)
    scene.settle()
    before = scene.succeeded
    scene.world.edit("TrainingJob", "delays", **change)
    scene.settle()
    assert (scene.succeeded, len(scene.jobs)) == (before, 1)


# The schedule ---------------------------------------------------------------------------------------------------------


def test_the_schedule_starts_a_run_at_its_time() -> None:
    """Not for times before it was written; the next look is due at the next time."""
    scene = trained(scheduled("0 15 * * *"))
    plan = scene.settle()
    assert len(scene.jobs) == 1
    assert plan.requeue_after is not None
    while len(scene.jobs) == 1:
        plan = scene.settle()
        assert plan.requeue_after is not None
        scene.world.now += plan.requeue_after
        assert scene.world.now.hour <= 15
    assert scene.status["runs"][0]["trigger"]["id"] == "2026-01-05T15:00:00Z"
    assert scene.governor["scheduleTime"] == "2026-01-05T15:00:00Z"


def test_times_that_were_missed_are_made_up_for_once() -> None:
    """The operator was down for a week: one run, for the latest time."""
    scene = trained(scheduled())
    scene.settle()
    scene.world.tick(7 * 86_400)
    scene.settle()
    assert scene.status["runs"][0]["trigger"]["id"] == "2026-01-12T03:00:00Z"
    scene.succeeds("b")
    scene.settle()
    scene.world.tick(7200)
    scene.settle()
    assert len(scene.jobs) == 2


def test_the_schedule_waits_for_a_brake_and_runs_once() -> None:
    """Three times pass during the cooldown: one run afterwards."""
    scene = trained(scheduled("0 * * * *"), cooldownSeconds=20_000)
    scene.settle()
    for _ in range(4):
        scene.world.tick(3600)
        scene.settle()
    assert scene.triggers == ["Schedule", "Definition"]


def test_another_schedule_begins_with_itself() -> None:
    """A time of the new schedule that was earlier today is not due."""
    scene = trained(scheduled())
    scene.settle()
    scene.world.edit("TrainingJob", "delays", triggers={"schedule": "0 13 * * *", "timeZone": "UTC"})
    scene.settle()
    assert len(scene.jobs) == 1
    scene.world.tick(86_400)
    scene.settle()
    assert len(scene.jobs) == 2


@pytest.mark.parametrize(
    ("schedule", "zone", "words"),
    [("61 * * * *", "UTC", "Bad minute"), ("0 3 * * *", "Mars/Base", "Mars/Base"), ("0 0 30 2 *", "UTC", "Bad day")],
)
def test_a_schedule_that_cannot_be_read_is_told(schedule: str, zone: str, words: str) -> None:
    """The run of the definition is made all the same."""
    scene = TrainingScene(scheduled(schedule, zone))
    scene.settle()
    assert len(scene.jobs) == 1
    assert scene.held == ("Schedule", "SpecInvalid")
    assert words in scene.governor["message"]


# New data -------------------------------------------------------------------------------------------------------------


def listings(scene: TrainingScene) -> list[str]:
    return [pod["metadata"]["name"] for pod in scene.world.owned("Pod", scene.parent)]


def test_data_are_listed_every_poll_and_the_pods_go() -> None:
    """One throw-away pod at a time, the first when the run has ended; a lasting object is never made."""
    scene = trained(polling(600))
    scene.settle()
    assert listings(scene) == ["delays-listing-1"]
    scene.lists(L1, "train: 2013-01")
    plan = scene.settle()
    assert listings(scene) == []
    assert (scene.governor["listing"], scene.governor["listingMessage"]) == (L1, "train: 2013-01")
    assert plan.requeue_after is not None
    scene.world.tick(599)
    scene.settle()
    assert listings(scene) == []
    scene.world.tick(1)
    scene.settle()
    assert listings(scene) == ["delays-listing-2"]
    assert len(scene.jobs) == 1


def test_other_data_start_a_run_once() -> None:
    """Its trigger has the partitions; when it has read them nothing is new any more."""
    scene = trained(polling(600))
    scene.settle()
    scene.lists(L2, "train: 2 partitions to 2013-04")
    scene.settle()
    assert scene.status["runs"][0]["trigger"] == {
        "kind": "NewData",
        "id": L2,
        "message": "train: 2 partitions to 2013-04",
    }
    scene.succeeds("b", listing=L2)
    scene.settle()
    for _ in range(3):
        if listings(scene):
            scene.lists(L2)
        scene.settle()
        scene.world.tick(7200)
    assert scene.triggers == ["NewData", "Definition"]


def test_data_that_came_while_the_run_went_on_start_the_next() -> None:
    """fetch tells the listing of what it read; what is there afterwards is compared with that."""
    scene = trained(polling(600), cooldownSeconds=0)
    scene.settle()
    scene.lists(L2)
    scene.settle()
    scene.succeeds("b", listing=L2)
    scene.settle()
    scene.lists(L3)
    scene.settle()
    assert scene.triggers == ["NewData", "NewData", "Definition"]


def test_no_listing_while_a_run_goes_on() -> None:
    """It would speak of other data than the run reads; one that is at work is thrown away."""
    scene = trained(polling(600))
    scene.settle()
    assert listings(scene)
    scene.word("w")
    scene.settle()
    assert listings(scene) == []
    scene.world.tick(10_000)
    scene.settle()
    assert listings(scene) == []


def test_drift_with_nothing_new_trains_nothing_until_data_come() -> None:
    """NothingNew, told once; the partition that lands starts the run, which answers the drift as well."""
    scene = trained(polling(600))
    scene.settle()
    scene.asks(("FeatureDrift", "d1"))
    scene.settle()
    assert scene.held == ("FeatureDrift", "ListingData")
    scene.lists(L1)
    scene.settle()
    assert (scene.held, len(scene.jobs)) == (("FeatureDrift", "NothingNew"), 1)
    scene.world.tick(600)
    scene.settle()
    scene.lists(L2)
    scene.settle()
    assert (scene.triggers, scene.held) == (["FeatureDrift", "Definition"], None)
    scene.succeeds("b", listing=L2)
    scene.settle()
    scene.lists(L2)
    scene.settle()
    assert len(scene.jobs) == 2


def test_a_listing_that_fails_holds_nothing_back() -> None:
    """What is not known is no reason: drift retrains, and the status says why there is no listing."""
    scene = trained(polling(600))
    scene.settle()
    scene.lists(None)
    scene.settle()
    assert "listing" not in scene.governor
    assert "no such bucket" in scene.governor["listingMessage"]
    scene.asks(("FeatureDrift", "d1"))
    scene.settle()
    assert scene.triggers == ["FeatureDrift", "Definition"]


def test_a_listing_pod_that_cannot_start_is_given_up() -> None:
    """After the start deadline, like a run's; the next is made at the next poll."""
    scene = trained(polling(600))
    scene.settle()
    waiting = {"name": "listing", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    status = {"phase": "Pending", "startTime": "2026-01-05T14:00:00Z", "containerStatuses": [waiting]}
    scene.world.set_status("Pod", "delays-listing-1", status)
    plan = scene.settle()
    assert plan.requeue_after is not None
    assert plan.requeue_after.total_seconds() <= 300
    scene.world.tick(300)
    scene.settle()
    assert listings(scene) == []
    assert "cannot be pulled" in scene.governor["listingMessage"]


def test_a_listing_pod_that_no_node_takes_is_given_up() -> None:
    """Nor one whose Secret is missing: after start deadline and its own, what waits for the listing may go on."""
    scene = trained(polling(600))
    scene.settle()
    scene.world.set_status("Pod", "delays-listing-1", {"phase": "Pending"})
    scene.asks(("FeatureDrift", "d1"))
    scene.world.tick(899)
    scene.settle()
    assert scene.held == ("FeatureDrift", "ListingData")
    scene.world.tick(1)
    scene.settle()
    assert scene.triggers == ["FeatureDrift", "Definition"]
    assert "did not get to its end" in scene.governor["listingMessage"]


def test_new_data_that_fail_are_not_tried_again_by_themselves() -> None:
    """The run has read them: the next is made of the next data."""
    scene = trained(polling(600), cooldownSeconds=0)
    scene.settle()
    scene.lists(L2)
    scene.settle()
    scene.fails_in("fetch", 65, result("fetch", reason="DataInvalid", message="wind: 3 rows", listing=L2))
    scene.settle()
    scene.lists(L2)
    scene.settle()
    assert scene.succeeded == ("False", "DataInvalid")
    assert len(scene.jobs) == 2
    scene.world.tick(600)
    scene.settle()
    scene.lists(L3)
    scene.settle()
    assert scene.triggers == ["NewData", "NewData", "Definition"]


def test_without_on_new_data_nothing_is_listed() -> None:
    """Taken out of the spec, the last pod goes, and what it knew."""
    scene = trained(polling(600))
    scene.settle()
    scene.lists(L1)
    scene.settle()
    scene.world.tick(600)
    scene.settle()
    scene.world.edit("TrainingJob", "delays", triggers={})
    scene.settle()
    assert listings(scene) == []
    assert "listing" not in scene.governor


def test_a_listing_pod_that_the_api_server_refuses_breaks_nothing() -> None:
    """A full quota is no fault of the run that made the model."""
    scene = trained(polling(600))
    plan = scene.look(write_error="exceeded quota")
    assert [body["kind"] for body in plan.create] == ["Pod"]
    assert scene.succeeded == ("True", "Trained")
    assert scene.governor["listingMessage"] == "exceeded quota"


# What gets lost -------------------------------------------------------------------------------------------------------


def test_killed_between_job_and_status_no_cause_is_answered_twice() -> None:
    """The Job tells which triggers it answers, and counts against the budget."""
    scene = trained(cooldownSeconds=0)
    scene.asks(("FeatureDrift", "d1"), ("PredictionDrift", "p1"))
    scene.world.execute("TrainingJob", "delays", scene.plan(), only=1)
    scene.settle()
    assert len(scene.jobs) == 2
    scene.succeeds("b")
    scene.settle()
    scene.world.tick(7200)
    scene.settle()
    assert len(scene.jobs) == 2
    assert scene.governor["triggeredTimes"] == ["2026-01-05T14:00:00Z"]


def test_a_lost_status_answers_nothing_twice() -> None:
    """Runs, counts and answered triggers come back from the Jobs."""
    scene = trained(cooldownSeconds=0)
    scene.asks(("FeatureDrift", "d1"))
    scene.settle()
    scene.fails_in("train", 1, "boom")
    scene.settle()
    before = dict(scene.governor)
    scene.world.set_status("TrainingJob", "delays", {})
    scene.settle()
    assert {key: scene.governor[key] for key in ("seen", "triggeredTimes", "consecutiveFailures")} == {
        key: before[key] for key in ("seen", "triggeredTimes", "consecutiveFailures")
    }
    assert len(scene.jobs) == 2


def test_a_run_that_the_api_server_refused_is_still_wanted() -> None:
    """Its trigger is not taken for answered before a Job exists."""
    scene = trained()
    scene.asks(("FeatureDrift", "d1"))
    plan = scene.plan(write_error="exceeded quota")
    assert plan.status is not None
    assert "seen" not in plan.status["governor"]
    assert plan.status["conditions"][0]["reason"] == "SpecInvalid"
    scene.settle()
    assert scene.triggers == ["FeatureDrift", "Definition"]


def test_many_causes_are_all_remembered() -> None:
    """Forty at a time, and those that are still there are never forgotten for newer ones."""
    scene = trained(cooldownSeconds=0, maxPerDay=48)
    kinds = ("FeatureDrift", "PredictionDrift", "EstimatedMetric", "LabelledMetric", "Rollback")
    for number in range(7):
        scene.asks(*((kind, f"{number}") for kind in kinds), name=f"web-{number}")
    scene.settle()
    scene.succeeds("b")
    scene.settle()
    for number in range(8):
        scene.asks(("FeatureDrift", f"next-{number}"), name="late")
        scene.settle()
        scene.succeeds("cdef0123"[number])
        scene.settle()
    assert len(scene.jobs) <= 10
    runs = len(scene.world.list("ModelVersion"))
    scene.world.tick(1000)
    scene.settle()
    assert (len(scene.world.list("ModelVersion")), runs) == (10, 10)
    assert len(scene.governor["seen"]) <= 64


# Champions ------------------------------------------------------------------------------------------------------------


def test_a_run_is_told_which_champion_to_beat() -> None:
    """Where it lies, its digest, and its Secret in fetch only."""
    scene = TrainingScene(training_job().gate("auc", comparedTo="Champion"))
    version = model_version("delays", 4).ready().alias("champion", "ModelDeployment/web")
    scene.world.add(version.spec(storageUri="s3://models/4", storage={"secretRef": {"name": "key"}}).obj())
    scene.world.add(model_version("delays", 5).ready().obj())
    scene.settle()
    champion = request(scene).champion
    assert champion is not None
    assert (champion.name, champion.version, champion.storageUri, champion.hasSecret) == (
        "Champion",
        4,
        "s3://models/4",
        True,
    )
    pod = scene.job["spec"]["template"]["spec"]
    containers = {item["name"]: item for item in (*pod["initContainers"], *pod["containers"])}
    holders = [n for n, c in containers.items() if any(m["name"] == "key-champion" for m in c["volumeMounts"])]
    assert holders == ["fetch"]
    seen = {
        n: not m.get("readOnly")
        for n, c in containers.items()
        for m in c["volumeMounts"]
        if m["mountPath"] == "/pintle/champion"
    }
    assert seen == {"fetch": True, "evaluate": False}


CHOICES: list[tuple[str, list[Any], str, int | None]] = [
    ("none yet", [], "Champion", None),
    ("the newest that is ready", [model_version("delays", n).ready() for n in (1, 2)], "Champion", 2),
    ("not one that is not ready", [model_version("delays", 1).ready(), model_version("delays", 2)], "Champion", 1),
    (
        "not one that a gate refused",
        [model_version("delays", 1).ready(), model_version("delays", 2).gate("auc", "Fail").ready()],
        "Champion",
        1,
    ),
    (
        "the alias before the newest",
        [model_version("delays", 1).ready().alias("champion", "Annotation"), model_version("delays", 2).ready()],
        "Champion",
        1,
    ),
    ("not another model's", [model_version("other", 1).ready()], "Champion", None),
    ("the version that is named", [model_version("delays", n).ready() for n in (1, 2, 3)], "v2", 2),
    ("the baseline is none", [model_version("delays", 1).ready()], "Baseline", None),
]


@pytest.mark.parametrize(("name", "versions", "rival", "expected"), CHOICES, ids=[case[0] for case in CHOICES])
def test_which_version_is_the_champion(name: str, versions: list[Any], rival: str, expected: int | None) -> None:
    """The alias, else the newest that is Ready and that no gate refused."""
    scene = TrainingScene(training_job().gate("auc", comparedTo=rival))
    for version in versions:
        scene.world.add(version.obj())
    scene.settle()
    champion = request(scene).champion
    assert (champion.version if champion else None) == expected


def test_a_gate_against_a_version_that_is_not_there_waits_for_it() -> None:
    """Unlike a champion, which may be missing: a typing error must not weaken the gate."""
    scene = TrainingScene(training_job().gate("auc", comparedTo="v7"))
    scene.settle()
    assert scene.succeeded == ("Unknown", "VersionNotFound")
    assert "delays-v7" in scene.says
    scene.world.add(model_version("delays", 7).ready().obj())
    scene.settle()
    assert len(scene.jobs) == 1


def test_figures_of_both_models_are_in_the_gates_words() -> None:
    """Difference, interval, and what each has on the same rows."""
    scene = TrainingScene(training_job().gate("auc", comparedTo="Champion"))
    scene.settle()
    gate = {"metric": "auc", "comparedTo": "Champion", "verdict": "Fail", "value": -0.034, "low": -0.05, "high": -0.01}
    scene.succeeds("b", code=66, gates=[{**gate, "candidate": 0.68, "other": 0.714, "bound": 0.0, "why": "is worse"}])
    scene.settle()
    assert "auc against Champion = -0.034 (-0.05 to -0.01), 0.68 against 0.714, bound 0: is worse" in scene.says
