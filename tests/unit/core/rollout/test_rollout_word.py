"""A person's word: what each verb does, that it does it once, and what a word for another moment does: nothing."""

from __future__ import annotations

import json

import pytest
from pintle.core.rollout.word import VERBS, NotSaid, parse

from tests.serving_world import POLICY, Serving
from tests.unit.core.rollout.canaries import at_step, in_guard, rolled_back, serving


def answer(made: Serving) -> tuple[str, str]:
    """Result and verb of the last word."""
    action = made.status["action"]
    return action["result"], action["verb"]


def test_promote_takes_one_step_without_waiting_for_evidence() -> None:
    """And the next promote the next; the last one promotes."""
    made = at_step(1)
    made.world.tick(0.1)
    made.say("promote")
    made.act()
    assert made.shares() == {1: 50, 2: 50}
    assert answer(made) == ("Done", "promote")
    assert made.status["history"][0]["by"] == "ann"
    made.say("promote")
    made.act()
    assert made.shares() == {1: 5, 2: 95}
    made.say("promote")
    made.act()
    assert made.shares() == {2: 100}, "in the guard it ends the guard"


@pytest.mark.parametrize("metrics", ["there", "down", "not given"])
def test_promote_fully_promotes_now(metrics: str) -> None:
    """A person may go on where nothing can be judged; the guard follows as ever."""
    made = at_step(1)
    if metrics == "down":
        made.metrics_error = "connection refused"
    elif metrics == "not given":
        made.policy = POLICY
    made.say("promote-fully")
    made.act()
    assert made.shares() == {1: 5, 2: 95}
    assert made.status["rollout"]["state"] == "Guard"


def test_promote_fully_waits_for_the_pods_that_all_traffic_needs() -> None:
    """One pod of four is there for 10 percent; the word is done when the other three are ready."""
    made = at_step(1, runtime={"minReplicas": 4})
    made.say("promote-fully")
    made.act()
    assert made.shares() == {1: 90, 2: 10}
    made.act()
    found = made.deployment(2)
    assert found is not None
    assert found["spec"]["replicas"] == 4
    made.pods()
    made.act()
    assert made.shares() == {1: 5, 2: 95}


def test_promote_fully_promotes_what_stands_in_for_a_stable_that_does_not_come_back() -> None:
    """No guard: there would be no way back."""
    made = at_step(1)
    made.broken.add(1)
    made.pods()
    made.act()
    made.say("promote-fully")
    made.act()
    assert made.shares() == {2: 100}
    assert made.status["stable"]["version"] == 2


def test_what_fails_is_not_promoted_by_a_word() -> None:
    """It is taken back in the same look."""
    made = at_step(1)
    made.judge("Fail")
    made.say("promote-fully")
    made.act()
    assert made.shares() == {1: 100}
    assert answer(made) == ("Refused", "promote-fully")


def test_pause_holds_every_step_and_resume_lets_it_go_on() -> None:
    """A paused canary that fails is taken back all the same."""
    made = at_step(1)
    made.judge("Pass", rows=5000)
    made.say("pause")
    made.pass_time(300, every=20)
    assert made.shares() == {1: 90, 2: 10}
    assert made.conditions()["Progressing"] == ("False", "Paused")
    assert made.status["rollout"]["paused"] == "paused by ann"
    made.say("resume")
    made.act()
    assert made.shares() == {1: 50, 2: 50}
    made.say("pause")
    made.act()
    made.judge("Fail")
    made.act()
    assert made.shares() == {1: 100}


def test_pause_in_the_guard_keeps_the_way_back_open() -> None:
    """Until it is resumed."""
    made = in_guard()
    made.say("pause")
    made.pass_time(300, every=20)
    assert made.shares() == {1: 5, 2: 95}
    made.say("resume")
    made.act()
    assert made.shares() == {2: 100}


@pytest.mark.parametrize("where", ["warming", "step 1", "guard"])
def test_abort_takes_it_back_and_refuses_it(where: str) -> None:
    """Wherever it is; also before it had a share."""
    if where == "warming":
        made = serving()
        made.broken.add(2)
        made.publish(2)
        made.act()
        made.say("abort", revision=made.revision(2))
    else:
        made = at_step(1) if where == "step 1" else in_guard()
        made.say("abort")
    made.act()
    assert made.shares() == {1: 100}
    assert answer(made) == ("Done", "abort")
    assert made.status["refused"][0]["why"] == "aborted by ann"
    assert made.actions()[0] == {"warming": "Refuse", "step 1": "Rollback", "guard": "GoBack"}[where]
    assert made.status["history"][0]["by"] == "ann"
    made.broken.clear()
    made.converge()
    assert made.deployment(2) is None


@pytest.mark.parametrize("verb", ["retry", "clear"])
def test_retry_and_clear_try_a_refused_revision_again(verb: str) -> None:
    """From the first step, judged like any other."""
    made = rolled_back()
    made.converge()
    (name,) = made.record.refused  # type: ignore[union-attr]
    made.say(verb, revision=name)
    made.until(lambda s: s.shares().get(2) == 10)
    assert answer(made) == ("Done", verb)
    assert "refused" not in made.status
    made.judge("Fail")
    made.act()
    assert made.shares() == {1: 100}


def test_clear_forgets_a_refusal_that_the_spec_does_not_ask_for_any_more() -> None:
    """Retry is for the requested one only."""
    made = rolled_back()
    made.pin(1)
    made.converge()
    (name,) = made.record.refused  # type: ignore[union-attr]
    made.say("retry", revision=name)
    made.act()
    assert answer(made) == ("Stale", "retry")
    made.say("clear", revision=name)
    made.converge()
    assert answer(made) == ("Done", "clear")
    assert made.shares() == {1: 100}


def accepted() -> Serving:
    """Version 2 serves, its guard is over, nothing of version 1 is left."""
    made = in_guard(onPromoted={"alias": "champion"})
    made.converge()
    assert made.deployment(1) is None
    return made


@pytest.mark.parametrize("version", [None, 1])
def test_rollback_brings_the_version_before_up_and_it_takes_over_at_once(version: int | None) -> None:
    """With all its pods first, without steps; what it replaces is refused although the spec asks for it."""
    made = accepted()
    made.say("rollback", revision="", **({"version": version} if version else {}))
    made.act()
    assert made.shares() == {2: 100}, "not before its pods are ready"
    assert made.conditions()["Progressing"] == ("True", "Replacing")
    made.converge()
    assert made.shares() == {1: 100}
    assert made.summary() == "Available=True/Serving  Progressing=False/RolledBack  Ready=False/RolledBack"
    assert made.status["refused"][0]["version"] == 2
    assert made.actions()[0] == "Rollback"
    assert made.status["alias"]["version"] == 1, "taken back"
    assert made.status["alias"]["sequence"] == 3


def test_rollback_in_the_guard_or_while_the_old_pods_drain_is_one_write() -> None:
    """Nothing is created."""
    guarded = in_guard()
    guarded.say("rollback", revision="")
    guarded.act()
    assert guarded.shares() == {1: 100}
    draining = in_guard()
    draining.until(lambda s: s.shares() == {2: 100}, seconds=3)
    draining.say("rollback", revision="")
    draining.act()
    assert draining.shares() == {1: 100}
    assert draining.status["refused"][0]["version"] == 2
    assert not [entry for entry in draining.world.log if entry.startswith("create Deployment")]


def test_rollback_of_a_canary_is_an_abort() -> None:
    """What served before the change is the stable."""
    made = at_step(1)
    made.say("rollback", revision="")
    made.act()
    assert made.shares() == {1: 100}
    assert made.status["refused"][0]["version"] == 2


def test_rollback_to_an_older_version_in_the_middle_of_a_rollout() -> None:
    """The canary goes at once, the stable when the older one is ready; both are refused."""
    made = accepted()
    made.publish(3)
    made.until(lambda s: s.shares().get(3) == 10)
    made.say("rollback", revision="", version=1)
    made.act()
    assert made.shares() == {2: 100}
    made.converge()
    assert made.shares() == {1: 100}
    assert {item["version"] for item in made.status["refused"]} == {2, 3}


def test_rollback_may_be_called_off_while_its_pods_start() -> None:
    """By abort of the revision that comes, or by going back to what serves."""
    for off in ("abort", "rollback"):
        made = accepted()
        made.broken.add(1)
        made.say("rollback", revision="", version=1)
        made.act()
        if off == "abort":
            made.say("abort", revision=made.revision(1))
        else:
            made.say("rollback", revision="", version=2)
        made.act()
        made.converge()
        assert made.shares() == {2: 100}
        assert made.conditions()["Ready"] == ("True", "Ready")
        assert "refused" not in made.status


def test_rollback_to_a_refused_version_is_a_persons_right() -> None:
    """Who names it wants it."""
    made = rolled_back()
    made.converge()
    made.say("rollback", revision="", version=2)
    made.converge()
    assert made.shares() == {2: 100}
    assert [item["version"] for item in made.status["refused"]] == [1]


def test_rollback_to_what_is_guarded_is_refused() -> None:
    """It serves already."""
    made = in_guard()
    made.say("rollback", revision="", version=2)
    made.act()
    assert answer(made)[0] == "Refused"
    assert made.shares() == {1: 5, 2: 95}


@pytest.mark.parametrize(
    ("what", "version", "message"),
    [
        ("no such version", 9, "no Ready ModelVersion delays-v9"),
        ("what serves already", 2, "version 2 serves already"),
    ],
)
def test_a_rollback_that_cannot_be_is_refused(what: str, version: int, message: str) -> None:
    """Nothing changes."""
    made = accepted()
    made.say("rollback", revision="", version=version)
    made.converge()
    assert answer(made)[0] == "Refused", what
    assert message in made.status["action"]["message"]
    assert made.shares() == {2: 100}


def test_a_revision_whose_runtime_nobody_knows_any_more_cannot_come_back() -> None:
    """Its Deployment is gone, and the spec says another runtime: refused in words, not half done."""
    made = serving()
    made.runtime(env=[{"name": "THREADS", "value": "2"}])
    made.judge("Pass", rows=5000)
    made.until(lambda s: s.record is not None and s.record.in_guard)
    made.judge(None)
    made.converge()
    made.say("rollback", revision="")
    made.act()
    assert answer(made)[0] == "Refused"
    assert "its runtime is not that of the spec" in made.status["action"]["message"]


def test_a_word_runs_once() -> None:
    """However often it is seen, and by whom: its id is in the record, written with what it did."""
    made = at_step(1)
    made.say("promote")
    made.act()
    made.parent["metadata"]["annotations"].pop("x", None)
    for _ in range(5):
        made.pods()
        made.act()
    assert made.shares() == {1: 50, 2: 50}
    assert made.look().changes_nothing


@pytest.mark.parametrize("lost", ["status", "annotation"])
def test_a_word_is_not_heard_again_when_one_of_its_two_records_is_lost(lost: str) -> None:
    """status.action has it, and so has the annotation of the route."""
    made = at_step(1)
    made.say("abort")
    made.act()
    (name,) = made.record.refused  # type: ignore[union-attr]
    made.say("retry", revision=name)
    made.until(lambda s: s.shares().get(2) == 10)
    made.say("abort")
    made.act()
    made.say("clear", revision=name)
    made.act()
    if lost == "status":
        made.parent.pop("status")
    else:
        assert made.route is not None
        made.route["metadata"].pop("annotations")
    made.judge("Fail")
    made.until(lambda s: "refused" in s.status)
    made.converge()
    assert [item["version"] for item in made.status["refused"]] == [2], "the old clear does not clear it"


def test_a_word_found_at_the_first_visit_is_stale() -> None:
    """It came with the manifest, or with a backup: nobody meant this moment."""
    made = serving(version=1, follow=None)
    made.publish(2)
    made.say("rollback", revision="", version=2)
    made.parent.pop("status")
    assert made.route is not None
    made.route["metadata"].pop("annotations")
    made.converge()
    assert answer(made) == ("Stale", "rollback")
    assert made.shares() == {1: 100}


def test_a_word_given_before_anything_serves_is_stale_and_stays_heard() -> None:
    """Also after the first revision serves and the status is lost."""
    made = serving()
    fresh = Serving({**made.parent, "status": {}}, versions=())
    fresh.act()
    fresh.say("rollback", revision="", version=1)
    fresh.act()
    assert answer(fresh) == ("Stale", "rollback")
    fresh.publish(1)
    fresh.converge()
    fresh.parent.pop("status")
    fresh.converge()
    assert answer(fresh) == ("Stale", "rollback")


@pytest.mark.parametrize("verb", ["promote", "promote-fully", "pause", "resume", "abort"])
def test_a_word_for_another_revision_is_stale(verb: str) -> None:
    """The canary it was meant for has been replaced meanwhile."""
    made = at_step(1)
    old = made.revision(2)
    made.publish(3)
    made.until(lambda s: s.shares().get(3) == 10)
    made.say(verb, revision=old)
    made.act()
    assert answer(made) == ("Stale", verb)
    assert made.shares() == {1: 90, 3: 10}


def test_a_word_without_its_revision_is_refused_and_told_which_one_it_would_be() -> None:
    """A guess could be about the next canary."""
    made = at_step(1)
    made.say("promote", revision="")
    made.act()
    assert answer(made) == ("Refused", "promote")
    assert made.revision(2) in made.status["action"]["message"]


UNREADABLE = {
    "no JSON": "promote",
    "no object": "[1]",
    "no verb": json.dumps({"id": "a"}),
    "an unknown verb": json.dumps({"id": "a", "verb": "push"}),
    "no id": json.dumps({"verb": "promote"}),
    "an id that is no text": json.dumps({"verb": "promote", "id": 1}),
    "an endless id": json.dumps({"verb": "promote", "id": "x" * 64}),
    "a revision that is none": json.dumps({"verb": "abort", "id": "a", "revision": "delays-v2"}),
    "a version that is none": json.dumps({"verb": "rollback", "id": "a", "version": "2"}),
    "true for a version": json.dumps({"verb": "rollback", "id": "a", "version": True}),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_word_that_cannot_be_read_is_refused_once_per_text(what: str) -> None:
    """With what is wrong; the rollout goes on as if nothing had been said."""
    made = at_step(1)
    made.annotate(UNREADABLE[what])
    made.act()
    assert answer(made)[0] == "Refused"
    assert made.status["action"]["message"]
    assert made.look().changes_nothing
    made.judge("NeedMoreData", rows=500)
    made.until(lambda s: s.shares().get(2) == 50)


def test_every_verb_can_be_read() -> None:
    """The names of the API."""
    for verb in VERBS:
        assert parse(json.dumps({"verb": verb, "id": "1"})).verb == verb
    with pytest.raises(NotSaid, match="verb is none of promote"):
        parse(json.dumps({"verb": "Promote", "id": "1"}))


def test_pausing_what_is_not_there_is_refused() -> None:
    """Resume without a pause, too."""
    made = at_step(1)
    made.say("resume")
    made.act()
    assert answer(made) == ("Refused", "resume")
    made = serving()
    made.say("pause", revision="aaaaaaaa")
    made.act()
    assert answer(made) == ("Stale", "pause")
