"""One write is the truth; what is lost comes back from the rest, and the old revision is kept where they disagree."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable

import pytest
from pintle.contract import names
from pintle.core.rollout.deeds import Claim, Deed, Figures, Refusal, Word
from pintle.core.rollout.record import Course, Record
from pintle.resources.revision import Revision

from tests.builders import model_deployment
from tests.serving_world import Serving
from tests.unit.core.rollout.canaries import at_step, in_guard, rolled_back
from tests.world import Conflict

REVISION = Revision(
    "aaaaaaaa", 3, "sha256:" + "a" * 64, "s3://models/a", "pintle/server:1", "key", "2026-01-05T12:00:00Z"
)
RECORD = Record(
    stable="aaaaaaaa",
    canary="bbbbbbbb",
    weights={"aaaaaaaa": 100, "bbbbbbbb": 0},
    revisions={"aaaaaaaa": REVISION, "bbbbbbbb": Revision("bbbbbbbb", 4, "sha256:" + "b" * 64, "s3://models/b", "x:1")},
    retiring={"cccccccc": "2026-01-05T12:00:00.000Z"},
    refused={"dddddddd": Refusal(5, "5 % errors", "2026-01-05T11:00:00.000Z")},
    since="2026-01-05T12:00:00.500Z",
    former="aaaaaaaa",
    back="bbbbbbbb",
    course=Course(
        step=1,
        stepped="2026-01-05T12:00:00.500Z",
        origin="2026-01-05T11:58:00.000Z",
        due="2026-01-05T11:59:00.000Z",
        counted=34,
        asked=2,
        paused="a person said so",
        losses=1,
        blinded="2026-01-05T12:00:00.000Z",
        blind=12.5,
        would="Step 2",
    ),
    word=Word("a1", "promote", "Done", "", "ann", "2026-01-05T12:00:00.500Z"),
    alias=Claim("champion", 3, 7),
    last=Deed(
        "2026-01-05T12:00:00.500Z", "Step", "bbbbbbbb", 4, "a person asked", Figures("errors", value=0.01, by="ann")
    ),
    sequence=12,
)


def replacing(gateway: bool = True) -> Serving:
    """Version 1 serves, version 2 is in the route with weight 0."""
    parent = model_deployment()
    serving = Serving((parent.gateway() if gateway else parent).obj())
    serving.converge()
    serving.publish(2)
    serving.act()
    serving.pods()
    serving.act()
    return serving


def wipe_annotation(serving: Serving) -> None:
    route = serving.route
    assert route is not None
    del route["metadata"]["annotations"]


def wipe_status(serving: Serving) -> None:
    serving.parent.pop("status")


def wipe_route(serving: Serving) -> None:
    serving.world.remove("HTTPRoute", "delays")


def wipe_root(serving: Serving) -> None:
    serving.world.remove("Service", "delays")


LOST = {
    "the annotation": (wipe_annotation,),
    "the status": (wipe_status,),
    "the route": (wipe_route,),
    "annotation and status": (wipe_annotation, wipe_status),
    "route and status": (wipe_route, wipe_status),
    "route, status and root Service": (wipe_route, wipe_status, wipe_root),
}


def test_a_record_comes_back_as_it_was_written() -> None:
    """Every field survives the annotation."""
    assert Record.from_json(RECORD.to_json()) == RECORD


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("nothing", ""),
        ("no JSON", "{"),
        ("another shape", "[]"),
        ("weights that are not 100 in all", RECORD.with_(weights={"aaaaaaaa": 90, "bbbbbbbb": 0}).to_json()),
        ("a negative weight", RECORD.with_(weights={"aaaaaaaa": 110, "bbbbbbbb": -10}).to_json()),
        ("a stable it knows nothing of", RECORD.with_(revisions={"bbbbbbbb": REVISION}).to_json()),
        ("a stable without weight", RECORD.with_(weights={"bbbbbbbb": 100}).to_json()),
        ("no time", RECORD.to_json().replace("2026-01-05T12:00:00.500Z", "yesterday")),
    ],
)
def test_a_record_that_contradicts_itself_is_none(what: str, text: str) -> None:
    """It is restored then, instead of being believed."""
    assert Record.from_json(text) is None, what


@pytest.mark.parametrize("lost", LOST)
def test_what_is_lost_mid_replacement_is_restored_and_the_old_revision_serves(lost: str) -> None:
    """The next look writes the record back with all traffic on the old stable, then the replacement goes on."""
    serving = replacing()
    old = serving.deployment(1)
    assert old is not None
    for wipe in LOST[lost]:
        wipe(serving)
    serving.act()
    assert serving.weights().get(old["metadata"]["name"]) == 100
    assert serving.record is not None
    assert serving.record.stable == old["metadata"]["labels"][names.LABEL_REVISION]
    serving.converge()
    assert serving.status["stable"]["version"] == 2
    assert serving.conditions()["Ready"] == ("True", "Ready")


@pytest.mark.parametrize("lost", LOST)
def test_what_is_lost_at_rest_is_restored_without_a_restart(lost: str) -> None:
    """The same revision serves on; no Deployment is made or deleted."""
    serving = Serving(model_deployment().gateway().obj())
    serving.converge()
    before = serving.weights()
    serving.world.log.clear()
    for wipe in LOST[lost]:
        wipe(serving)
    serving.converge()
    assert serving.weights() == before
    assert serving.conditions()["Ready"] == ("True", "Ready")
    assert not [entry for entry in serving.world.log if "Deployment delays-" in entry]


def test_where_status_and_route_disagree_the_one_that_keeps_the_old_stable_wins() -> None:
    """Promotion was written, the status not yet, and then the annotation was lost: the old one, still ready, serves."""
    serving = replacing()
    serving.world.tick(5)
    decided = serving.look()
    assert decided.traffic is not None
    effects = len(decided.create) + len(decided.apply) + 1
    serving.act(only=effects)
    assert serving.status["stable"]["version"] == 1
    wipe_annotation(serving)
    serving.act()
    assert serving.record is not None
    assert serving.record.serving is not None
    assert serving.record.serving.version == 1


@pytest.mark.parametrize("left", ["status", "route", "root Service"])
def test_any_one_source_is_enough_to_know_what_serves(left: str) -> None:
    """While the old revision drains, each of the three alone still says that the new one is stable."""
    serving = replacing()
    serving.world.tick(5)
    serving.act()
    serving.act()
    new = serving.weights()
    wipe_annotation(serving)
    if left != "status":
        wipe_status(serving)
    if left != "route":
        wipe_route(serving)
    if left != "root Service":
        wipe_root(serving)
    serving.act()
    assert serving.weights() == new


def test_of_two_records_the_later_one_counts() -> None:
    """A gateway was taken away and given back before the old route was gone: the Service had the last word."""
    serving = Serving(model_deployment().gateway().obj())
    serving.converge()
    traffic = serving.parent["spec"]["traffic"]
    route = serving.route
    serving.publish(2)
    serving.edit(traffic={})
    serving.converge()
    before = serving.record
    assert route is not None
    assert before is not None
    serving.world.add(route)
    serving.edit(traffic=traffic)
    serving.act()
    assert serving.record is not None
    assert serving.record.same_as(before)


def test_no_deed_is_lost_between_two_writes() -> None:
    """Killed after the promotion was written, and the next look goes back at once: history has both."""
    serving = replacing()
    serving.world.tick(5)
    decided = serving.look()
    serving.act(only=len(decided.create) + len(decided.apply) + 1)
    serving.pin(1)
    serving.act()
    assert [entry["action"] for entry in serving.status["history"]] == ["Return", "Promote", "Serve"]


def test_the_annotation_is_believed_against_a_late_status() -> None:
    """Killed between the traffic write and the status: the new revision stays, nothing flaps."""
    serving = replacing()
    serving.world.tick(5)
    decided = serving.look()
    serving.act(only=len(decided.create) + len(decided.apply) + 1)
    new = serving.weights()
    serving.converge()
    assert serving.weights() == new
    assert [entry["action"] for entry in serving.status["history"]] == ["Promote", "Serve"]


def test_weights_that_somebody_else_changed_are_put_back() -> None:
    """The record and the weights are one write; a hand in the route is no promotion."""
    serving = replacing()
    route = serving.route
    assert route is not None
    for ref in route["spec"]["rules"][0]["backendRefs"]:
        ref["weight"] = 100 - ref["weight"]
    serving.act()
    old = serving.deployment(1)
    assert old is not None
    assert serving.weights()[old["metadata"]["name"]] == 100


def test_after_a_lost_record_nothing_is_deleted_before_it_has_drained() -> None:
    """A revision that nobody remembers may have had traffic a second ago."""
    serving = replacing()
    serving.pin(1)
    wipe_annotation(serving)
    serving.act()
    assert serving.deployment(2) is not None
    serving.world.tick(9)
    serving.act()
    assert serving.deployment(2) is not None
    serving.converge()
    assert serving.deployment(2) is None


def test_without_a_gateway_the_root_service_is_the_truth() -> None:
    """It carries record and selector, and flips in one write."""
    serving = replacing(gateway=False)
    root = serving.world.get("Service", "delays")
    assert root is not None
    assert json.loads(root["metadata"]["annotations"][names.ANNOTATION_ROLLOUT])["stable"]
    assert root["spec"]["selector"][names.LABEL_REVISION] == _revision(serving, 1)
    serving.world.tick(1.5)
    serving.act()
    root = serving.world.get("Service", "delays")
    assert root is not None
    assert root["spec"]["selector"][names.LABEL_REVISION] == _revision(serving, 2)
    assert serving.converge().changes_nothing
    assert not serving.world.list("HTTPRoute")


def _revision(serving: Serving, number: int) -> str:
    found = serving.deployment(number)
    assert found is not None
    return str(found["metadata"]["labels"][names.LABEL_REVISION])


def _older(serving: Serving, change: Callable[[], None]) -> None:
    """Somebody puts the route back as it was before `change`."""
    old = copy.deepcopy(serving.route)
    change()
    assert old is not None
    assert serving.route is not None
    serving.route["spec"] = old["spec"]
    serving.route["metadata"]["annotations"] = old["metadata"]["annotations"]


def test_an_older_record_that_is_put_back_brings_no_refused_revision_back() -> None:
    """A backup of the route from the middle of the rollout, restored after the rollback: the status remembers."""
    serving = at_step(2)

    def fail() -> None:
        serving.judge("Fail")
        serving.act()
        serving.judge(None)

    _older(serving, fail)
    assert serving.shares() == {1: 50, 2: 50}, "this is what somebody has done"
    serving.act()
    assert serving.shares() == {1: 100}
    assert [item["version"] for item in serving.status["refused"]] == [2]
    serving.converge()
    assert serving.shares() == {1: 100}


def test_an_older_record_from_before_a_going_back_does_not_make_the_refused_one_stable() -> None:
    """The guard went back to version 1; a route from the guard is put back."""
    serving = in_guard()

    def fail() -> None:
        serving.judge("Fail")
        serving.act()
        serving.judge(None)

    _older(serving, fail)
    serving.act()
    assert serving.shares() == {1: 100}
    assert serving.record is not None
    assert serving.revision(2) in serving.record.refused
    serving.converge()
    assert serving.shares() == {1: 100}


def test_an_older_record_gives_a_canary_no_share_before_it_has_earned_it_again() -> None:
    """The status is newer, so nobody knows what was found since: it begins at weight 0."""
    serving = at_step(1)
    old = copy.deepcopy(serving.route)
    serving.judge("NeedMoreData", rows=500)
    serving.until(lambda s: s.shares().get(2) == 50)
    serving.judge(None)
    assert old is not None
    assert serving.route is not None
    serving.route["spec"], serving.route["metadata"]["annotations"] = old["spec"], old["metadata"]["annotations"]
    serving.act()
    assert serving.shares() == {1: 100, 2: 0}
    serving.until(lambda s: s.shares().get(2) == 10)


@pytest.mark.parametrize("lost", LOST)
def test_whatever_is_lost_of_a_rollout_all_traffic_goes_to_the_stable(lost: str) -> None:
    """With the record lost it begins anew; with the status lost alone nothing happens at all."""
    serving = at_step(2)
    for wipe in LOST[lost]:
        wipe(serving)
    serving.act()
    if lost == "the status":
        assert serving.shares() == {1: 50, 2: 50}
    else:
        assert serving.shares()[1] == 100
    serving.until(lambda s: s.shares().get(2) in (10, 50))


@pytest.mark.parametrize("lost", ["the annotation", "the status", "the route"])
def test_a_refusal_outlives_the_loss_of_either_of_its_records(lost: str) -> None:
    """Time and reason, too."""
    serving = rolled_back()
    serving.converge()
    before = dict(serving.status["refused"][0])
    for wipe in LOST[lost]:
        wipe(serving)
    serving.converge()
    assert serving.shares() == {1: 100}
    assert serving.status["refused"] == [before]


@pytest.mark.parametrize("lost", ["the annotation", "the route"])
def test_a_guard_whose_record_is_lost_begins_again(lost: str) -> None:
    """The way back has its pods still: it keeps its share, and the new one is not accepted by accident."""
    serving = in_guard()
    serving.pass_time(50, every=10)
    for wipe in LOST[lost]:
        wipe(serving)
    serving.act()
    serving.act()
    assert serving.shares() == {1: 5, 2: 95}
    serving.pass_time(30, every=5)
    assert serving.shares() == {1: 5, 2: 95}
    serving.judge("Fail")
    serving.act()
    assert serving.shares() == {1: 100}


def test_weights_of_a_canary_edited_by_hand_are_put_back() -> None:
    """90 percent by kubectl edit is no step."""
    serving = at_step(1)
    assert serving.route is not None
    for ref in serving.route["spec"]["rules"][0]["backendRefs"]:
        ref["weight"] = 100 - ref["weight"]
    serving.act()
    assert serving.weights() == {f"delays-{serving.revision(1)}": 90, f"delays-{serving.revision(2)}": 10}


def test_a_leader_that_slept_past_its_lease_conflicts() -> None:
    """It decided a step before the other one rolled back; its write is upon an older route."""
    serving = at_step(1)
    serving.judge("Pass", rows=5000)
    serving.world.tick(60)
    slept = serving.look()
    assert slept.traffic is not None
    serving.judge("Fail")
    serving.act()
    with pytest.raises(Conflict):
        serving.world.execute("ModelDeployment", "delays", slept)
    assert serving.shares() == {1: 100}


def test_an_older_record_does_not_undo_what_a_person_took_back_after_its_guard() -> None:
    """Version 2 was stable in it and is refused since: the status says who serves."""
    serving = in_guard()
    serving.converge()
    old = copy.deepcopy(serving.route)
    serving.say("rollback", revision="", version=1)
    serving.converge()
    assert serving.shares() == {1: 100}
    assert old is not None
    assert serving.route is not None
    serving.route["spec"], serving.route["metadata"]["annotations"] = old["spec"], old["metadata"]["annotations"]
    serving.act()
    assert serving.shares() == {1: 100}
    serving.converge()
    assert serving.shares() == {1: 100}


def test_a_refused_revision_is_not_what_serves_because_it_is_all_that_is_ready() -> None:
    """The annotation is wiped, somebody has given it the route, and the stable has lost its pods: still not."""
    serving = rolled_back()
    assert serving.route is not None
    serving.route["spec"]["rules"][0]["backendRefs"][0]["name"] = f"delays-{serving.revision(2)}"
    serving.broken.add(1)
    serving.pods()
    wipe_annotation(serving)
    serving.act()
    assert serving.shares() == {1: 100}
