"""A replay is what the operator would have seen and done: its trial, its moves, look by look."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from pintle.api.rollout import Rollout
from pintle.controller.watching.case import new_case
from pintle.controller.watching.loading import load
from pintle.core.backtest.recording import GUARD, POD_READY, POD_RESTARTS, Recording, Shares
from pintle.core.backtest.replay import Replay, ends, replay
from pintle.core.backtest.writing import time_text
from pintle.core.judgement.facts import PodFacts
from pintle.core.judgement.samples import RawSeries
from pintle.core.judgement.verdict import FAIL, NEED_MORE_DATA, SOURCE_ERROR, TestResult
from pintle.core.plan import Key
from pintle.core.rollout.trial import CANARY, TrialSpec
from pintle.core.trials.settings import settings_of

from tests.unit.controller.fakes import VirtualClock
from tests.unit.core.backtest.worlds import NEW, OLD, ORIGIN, SCRAPE, SETUP, lived
from tests.unit.core.judgement.counter_world import Pod


class Stored:
    """What Prometheus answers to the operator of the samples that a world has left."""

    def __init__(self, series: Iterable[RawSeries]) -> None:
        self._series = list(series)

    async def raw(self, selector: str, seconds: float, at: float) -> list[RawSeries]:
        found = []
        for item in self._series:
            if item.labels["revision"] in selector:
                kept = (item.times > at - seconds) & (item.times <= at)
                found.append(replace(item, times=item.times[kept], values=item.values[kept]))
        return [item for item in found if len(item.times)]


class Stopped(VirtualClock):
    """A clock that stands at a moment (unix seconds)."""

    def __init__(self, at: float) -> None:
        super().__init__()
        self._at = datetime.fromtimestamp(at, tz=UTC)

    def now(self) -> datetime:
        return self._at


def by_the_operator(series: Iterable[RawSeries], at: float) -> tuple[TestResult, ...]:
    """Tests of the operator's own trial, read from its Prometheus at that moment."""
    clock = Stopped(at)
    rollout = Rollout.model_validate(SETUP.rollout)
    spec = TrialSpec("n", "d", NEW, OLD, ORIGIN, CANARY, rollout, True)
    case = new_case(Key("ModelDeployment", "n", "d"), spec, settings_of(rollout, float(SCRAPE)), None)
    pair = asyncio.run(load(case, Stored(series), clock))  # type: ignore[arg-type]
    return pair.judgement(at, PodFacts()).tests


def without_restarts(tests: Iterable[TestResult]) -> list[TestResult]:
    return [test for test in tests if test.name != "restarts"]


def nothing(pods: dict[str, Pod], second: int) -> None:
    pass


def begins_again(pods: dict[str, Pod], second: int) -> None:
    """The canary's process and one of the stable's are started anew."""
    if second in (33, 63):
        pods[f"{NEW}-0"].restart()
    if second == 40:
        pods[f"{OLD}-1"].restart()


def goes(pods: dict[str, Pod], second: int) -> None:
    """A pod of the stable is gone, another one comes."""
    if second == 45:
        del pods[f"{OLD}-1"]
        pods[f"{OLD}-2"] = Pod(OLD, f"{OLD}-2")


@pytest.mark.parametrize("happens", [nothing, begins_again, goes])
@pytest.mark.parametrize("bad", [0.01, 0.08])
def test_every_look_is_that_of_the_operator(happens: Any, bad: float) -> None:
    """The same samples give the same tests to the last bit, through counters that begin again and pods that go."""
    recording, series = lived(150, bad, happens)
    looks = [look for look in replay(recording).looks if look.phase == CANARY]
    assert len(looks) > 8
    for look in (looks[0], looks[len(looks) // 2], looks[-1]):
        assert without_restarts(look.tests) == without_restarts(by_the_operator(series, look.at))


def test_looks_lie_on_the_grid() -> None:
    """One for each block, when the operator would close it."""
    recording, _ = lived(30)
    assert [look.at - ORIGIN for look in replay(recording).looks] == [6, 11, 16, 21, 26]


def actions(found: Replay) -> list[str]:
    return [deed.action for deed in found.deeds]


def test_a_bad_canary_is_taken_back() -> None:
    """By the errors, with the figures of the test that decided, and then nothing more is looked at."""
    found = replay(lived(300, bad=0.2)[0])
    assert (found.outcome, actions(found)) == ("RolledBack", ["Rollback"])
    assert found.looks[-1].verdict == FAIL
    deed = found.deeds[-1]
    assert (deed.figures.rule, deed.revision) == ("errors", NEW)
    assert (deed.figures.evidence or 0) >= (deed.figures.threshold or math.inf)


def test_a_good_canary_takes_its_steps_is_promoted_and_guarded() -> None:
    """The guard begins with the promotion: a trial of its own, the other way round."""
    found = replay(lived(900)[0])
    assert actions(found) == ["Step", "Promote", "Accept"]
    assert found.outcome == "Promoted"
    guard = [look for look in found.looks if look.phase == GUARD]
    assert guard[0].rows < 50 < guard[-1].rows
    assert 60 <= guard[-1].at - found.looks[-len(guard) - 1].at < 60 + 2 * SCRAPE


def test_a_recording_that_ends_in_the_guard_says_so() -> None:
    """Promoted, but not for good."""
    promoted = next(look.at for look in replay(lived(900)[0]).looks if look.deed and look.deed.action == "Promote")
    assert replay(lived(900, until=promoted + 20)[0]).outcome == "InGuard"


def test_a_guard_can_be_recorded_by_itself() -> None:
    """The tested revision serves already; a Fail goes back."""
    recording, _ = lived(120, bad=0.2, phase=GUARD)
    found = replay(recording)
    assert (found.outcome, actions(found)) == ("RolledBack", ["GoBack"])


def test_a_guard_without_holdback_has_no_control() -> None:
    """Only gross failure may act then, as in the operator."""
    recording, _ = lived(120, bad=0.1, phase=GUARD, guard={"seconds": 60, "holdbackWeight": 0})
    found = replay(recording)
    assert found.outcome == "Promoted"
    assert {test.control.rows for look in found.looks for test in look.tests if test.name == "errors"} == {0.0}
    gross, _ = lived(120, bad=0.9, phase=GUARD, guard={"seconds": 60, "holdbackWeight": 0})
    assert actions(replay(gross)) == ["GoBack"]


def test_other_settings_decide_otherwise() -> None:
    """Careful waits where Fast promotes, on the same samples."""
    recording, _ = lived(300)
    fast, careful = (replay(recording, {**SETUP.rollout, "sensitivity": name}) for name in ("Fast", "Careful"))
    assert "Promote" in actions(fast)
    assert careful.outcome == "Undecided"
    assert "not enough evidence yet" in careful.looks[-1].says


@pytest.mark.parametrize(
    ("changes", "outcome"), [("Pause", "Undecided"), ("Rollback", "RolledBack"), ("Promote", "Promoted")]
)
def test_the_deadline_decides_as_the_spec_says(changes: str, outcome: str) -> None:
    """By the operator's own moves, not by rules of the replay."""
    rollout = {**SETUP.rollout, "sensitivity": "Careful", "deadlineSeconds": 90, "onInconclusive": changes}
    found = replay(lived(300)[0], rollout, {"seconds": 0})
    assert found.outcome == outcome
    assert found.deeds[-1].figures.rule == "deadline"


def test_it_ends_where_one_of_the_two_really_left() -> None:
    """What comes after the real end compares nothing."""
    weights = (Shares(ORIGIN, {OLD: 80, NEW: 20}), Shares(ORIGIN + 50, {OLD: 100}))
    recording, _ = lived(100, weights=weights)
    assert ends(recording, SCRAPE) == ORIGIN + 50 + SCRAPE
    assert replay(recording).looks[-1].at <= ORIGIN + 50 + SCRAPE


def test_a_canary_that_loses_all_its_pods_loses_its_share() -> None:
    """Its counters end, those of the stable go on: as if Kubernetes had said so."""

    def dies(pods: dict[str, Pod], second: int) -> None:
        if second == 40:
            del pods[f"{NEW}-0"]

    found = replay(lived(80, happens=dies)[0])
    assert "Lose" in actions(found)
    assert found.looks[-1].weight == 0


@pytest.mark.parametrize("dies", [NEW, OLD, ""])
def test_time_does_not_turn_back_where_a_trial_loses_its_control(dies: str) -> None:
    """A stable without pods has no share, and the canary goes on alone; it comes to an end, block by block."""

    def happens(pods: dict[str, Pod], second: int) -> None:
        if second == 40:
            for name in [name for name in pods if dies in name]:
                del pods[name]

    looks = replay(lived(60, happens=happens, until=ORIGIN + 200)[0]).looks
    assert all(after.at >= before.at + SCRAPE for before, after in pairwise(looks))


def test_a_gap_of_all_samples_is_an_outage_and_nobodys_fault() -> None:
    """SourceError in it, and it goes on by itself."""
    recording, _ = lived(150)
    for key, (times, values) in list(recording.series.items()):
        kept = [(t, v) for t, v in zip(times, values, strict=True) if not ORIGIN + 40 < t < ORIGIN + 95]
        del recording.series[key]
        recording.add(key, kept)
    looks = replay(recording).looks
    assert {look.verdict for look in looks if ORIGIN + 60 < look.at < ORIGIN + 94} == {SOURCE_ERROR}
    assert looks[-1].verdict == NEED_MORE_DATA


def test_what_kubernetes_told_of_pods_counts() -> None:
    """Readiness that was lost, and restarts of containers, as kube-state-metrics names them."""
    recording, _ = lived(60)
    assert not replay(recording).restarts_told
    where = NEW, f"{NEW}-0"
    recording.add((*where, POD_READY, "condition=true"), [(ORIGIN - 5, 1.0), (ORIGIN + 59, 1.0)])
    recording.add((*where, POD_RESTARTS, "instance=server"), [(ORIGIN - 5, 0.0), (ORIGIN + 20, 6.0), (ORIGIN + 59, 6)])
    found = replay(recording)
    assert found.restarts_told
    assert (found.outcome, found.deeds[-1].figures.rule) == ("RolledBack", "restarts")


def said(action: str, why: str, after: float) -> dict[str, Any]:
    """An entry of status.history."""
    return {"time": time_text(ORIGIN + after), "action": action, "revision": NEW, "why": why, "by": "ann"}


@pytest.mark.parametrize(
    ("action", "why"),
    [("Ask", "promote: step 3 of 3"), ("Ask", "promote-fully: it is promoted"), ("Resume", "resumed")],
)
def test_a_persons_go_ahead_is_said_again_at_its_time(action: str, why: str) -> None:
    """At a step that is a pause: not before it was said, and not at all where nobody said it."""
    steps = [{"weight": 20, "minSeconds": 10}, {"pause": True}, {"weight": 50, "minSeconds": 10}]
    rollout = {**SETUP.rollout, "steps": steps}
    waits = replay(lived(200, rollout=rollout)[0])
    assert (waits.looks[-1].step, waits.looks[-1].reason) == (2, "Paused")
    goes_on = replay(lived(200, rollout=rollout, decided=(said(action, why, 120.0),))[0])
    went = next(look for look in goes_on.looks if look.deed and look.at > ORIGIN + 60)
    assert 120 <= went.at - ORIGIN < 120 + 2 * SCRAPE


def test_a_manual_promotion_waits_for_its_word() -> None:
    """It has passed, and is promoted when the person really said so."""
    rollout = {**SETUP.rollout, "sensitivity": "Fast", "promotion": "Manual"}
    assert replay(lived(400, rollout=rollout)[0]).looks[-1].says.endswith("waits for a person to promote it")
    decided = (said("Ask", "promote: it is promoted", 350.0), said("Rollback", "aborted", 390.0))
    found = replay(lived(400, rollout=rollout, decided=decided)[0])
    assert actions(found) == ["Step", "Promote"]
    assert found.deeds[-1].figures.by == "ann"


def test_settings_without_steps_are_refused() -> None:
    """There is no canary then."""
    for rollout in ({}, {"steps": [{"pause": True}]}):
        with pytest.raises(ValueError, match="give sensitivity or steps"):
            replay(lived(5)[0], rollout)


def test_a_recording_that_ends_at_once_has_no_look() -> None:
    """And no error."""
    found = replay(Recording(replace(SETUP, until=ORIGIN), lived(2)[0].series))
    assert (found.looks, found.outcome) == ((), "Undecided")
