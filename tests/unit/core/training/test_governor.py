"""The governor: every brake holds, says so, and is released; a person is asked two things only."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pintle.api.trainingjob import RetrainPolicy
from pintle.core.training.governor import (
    BY_ITSELF,
    LISTING,
    NEW,
    SAME,
    UNKNOWN,
    Brake,
    Facts,
    brake_of,
    cooldown_of,
    decide,
    until,
)
from pintle.core.training.triggers import Trigger

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
DRIFT = Trigger("FeatureDrift", "d1", "web", "wind 0.31")
SCHEDULE = Trigger("Schedule", "2026-01-05T12:00:00Z")
WORD = Trigger("Person", "w1", "ann")


def ago(**time: float) -> datetime:
    return NOW - timedelta(**time)


def policy(**fields: Any) -> RetrainPolicy:
    return RetrainPolicy(**{"cooldownSeconds": 3600, "maxPerDay": 2, "maxConsecutiveFailures": 3, **fields})


def facts(**fields: Any) -> Facts:
    made: dict[str, Any] = {"policy": policy(), "now": NOW, **fields}
    return Facts(**made)


HELD: list[tuple[str, Facts, str, str, datetime | None]] = [
    ("suspended", facts(blocked=Brake("Suspended", "spec.suspend is true.")), "Suspended", "suspend", None),
    ("a run goes on", facts(going="delays-1"), "RunGoing", "delays-1", None),
    ("mode Off", facts(policy=policy(mode="Off")), "TurnedOff", "Off", None),
    ("failures in a row", facts(failures=3), "ConsecutiveFailures", "3 runs in a row", None),
    ("cooldown", facts(ended=ago(minutes=59)), "Cooldown", "3600 s", NOW + timedelta(minutes=1)),
    ("cooldown, doubled", facts(ended=ago(minutes=61), refusals=1), "Cooldown", "7200 s", NOW + timedelta(minutes=59)),
    ("budget", facts(times=(ago(hours=23), ago(hours=2))), "DailyBudget", "2 triggered", NOW + timedelta(hours=1)),
    (
        "budget was lowered",
        facts(times=(ago(hours=20), ago(hours=9), ago(hours=2))),
        "DailyBudget",
        "2 triggered",
        NOW + timedelta(hours=15),
    ),
    ("candidate waits", facts(waiting={"web": "delays-v4"}), "CandidateWaiting", "web does not serve delays-v4", None),
    ("data are listed", facts(data=LISTING), "ListingData", "being listed", None),
    ("nothing new", facts(data=SAME), "NothingNew", "that the last run read", None),
    ("mode Suggest", facts(policy=policy(mode="Suggest")), "Suggested", "pintle.dev/run", None),
]


@pytest.mark.parametrize(("name", "given", "reason", "words", "retry"), HELD, ids=[case[0] for case in HELD])
def test_a_brake_holds_and_says_why(name: str, given: Facts, reason: str, words: str, retry: datetime | None) -> None:
    """With its reason, in words, with the time of its release where that is a question of time."""
    answer = decide([DRIFT], given)
    assert answer.start is None
    assert answer.held == DRIFT
    assert answer.brake is not None
    assert (answer.brake.reason, answer.brake.retry) == (reason, retry)
    assert words in answer.brake.message
    assert answer.retries == ((retry,) if retry else ())


def test_every_brake_has_its_case() -> None:
    """None of the chain is left out of the table above."""
    assert {case[2] for case in HELD} == {
        brake.reason for case in HELD if (brake := brake_of(DRIFT, case[1])) is not None
    }
    assert len({case[2] for case in HELD}) == len(BY_ITSELF)


FREE: list[tuple[str, Facts]] = [
    ("nothing holds", facts()),
    ("cooldown is over", facts(ended=ago(minutes=60))),
    ("cooldown is over, doubled", facts(ended=ago(hours=2), refusals=1)),
    ("budget of yesterday", facts(times=(ago(hours=24), ago(hours=2)))),
    ("two failures", facts(failures=2)),
    ("a candidate waits elsewhere", facts(waiting={"other": "delays-v4"})),
    ("new data", facts(data=NEW)),
    ("data that are not listed", facts(data=UNKNOWN)),
    ("no cooldown", facts(policy=policy(cooldownSeconds=0), ended=NOW, refusals=9)),
]


@pytest.mark.parametrize(("name", "given"), FREE, ids=[case[0] for case in FREE])
def test_what_is_not_held_starts(name: str, given: Facts) -> None:
    """At the very limit the brake is released."""
    assert decide([DRIFT], given).start == DRIFT


@pytest.mark.parametrize(("name", "given", "reason", "words", "retry"), HELD, ids=[case[0] for case in HELD])
def test_a_person_is_held_by_the_first_two_only(
    name: str, given: Facts, reason: str, words: str, retry: datetime | None
) -> None:
    """Neither cooldown nor budget nor mode are asked; still one run at a time, and none while suspended."""
    answer = decide([WORD], given)
    held = reason in ("Suspended", "RunGoing")
    assert (answer.start is None, answer.held is not None) == (held, held)


def test_the_schedule_does_not_wait_for_a_candidate() -> None:
    """It was asked for at this time, whatever is on its way."""
    assert decide([SCHEDULE], facts(waiting={"web": "delays-v4"})).start == SCHEDULE


def test_of_several_the_first_that_is_free_starts() -> None:
    """A cause that waits for its candidate holds up no schedule; both are answered by the run."""
    assert decide([SCHEDULE, DRIFT], facts(waiting={"web": "delays-v4"})).start == SCHEDULE
    assert decide([SCHEDULE, DRIFT, WORD], facts()).start == WORD
    assert decide([SCHEDULE, DRIFT], facts()).start == DRIFT


def test_of_several_that_are_held_the_first_is_told() -> None:
    """And when any of them may be released."""
    answer = decide([SCHEDULE, DRIFT], facts(waiting={"web": "delays-v4"}, times=(ago(hours=1),) * 2))
    assert answer.held == DRIFT
    assert answer.retries == (NOW + timedelta(hours=23),) * 2


def test_nothing_that_waits_is_nothing() -> None:
    """No trigger, no answer."""
    assert decide([], facts(failures=9)) == decide([], facts())


def test_the_back_off_is_bounded() -> None:
    """Sixteen times the cooldown, however many were refused."""
    assert [cooldown_of(policy(), n).total_seconds() / 3600 for n in (0, 1, 2, 3, 4, 5, 99)] == [1, 2, 4, 8, 16, 16, 16]


def test_brakes_come_in_the_order_in_which_people_ask() -> None:
    """A suggestion is made only when nothing else holds; what is off is off before anything is counted."""
    suggested = facts(policy=policy(mode="Suggest"), ended=ago(minutes=1))
    assert decide([DRIFT], suggested).brake == replace(
        decide([DRIFT], facts(ended=ago(minutes=1))).brake or Brake("", "")
    )
    off = decide([DRIFT], facts(policy=policy(mode="Off"), failures=9, ended=NOW)).brake
    assert off is not None
    assert off.reason == "TurnedOff"


def test_the_time_of_release_is_never_early() -> None:
    """Rounded up to the second that Kubernetes can write."""
    assert until(Brake("Cooldown", "", NOW + timedelta(milliseconds=1))) == "2026-01-05T12:00:01Z"
    assert until(Brake("Cooldown", "", NOW)) == "2026-01-05T12:00:00Z"
    assert until(Brake("NothingNew", "")) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (DRIFT, replace(DRIFT, message="wind 0.44"), True),
        (DRIFT, replace(DRIFT, id="d2"), False),
        (DRIFT, replace(DRIFT, source="other"), False),
        (DRIFT, replace(DRIFT, kind="PredictionDrift"), False),
        (WORD, replace(WORD, source="bob"), True),
    ],
)
def test_a_cause_is_known_by_its_id(one: Trigger, other: Trigger, same: bool) -> None:
    """Figures may change while it waits; the same id of another deployment is another cause."""
    assert (one.key == other.key) is same
