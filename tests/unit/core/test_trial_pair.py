"""The two halves of a trial give one judgement."""

from __future__ import annotations

from pintle.contract import metrics as names
from pintle.core.judgement.counters import LOOKBACK_SCRAPES
from pintle.core.judgement.facts import PodFacts
from pintle.core.judgement.history import History
from pintle.core.judgement.verdict import FAIL
from pintle.core.trials.pair import Pair

from tests.unit.core.judgement.counter_world import Pod, steady, stored
from tests.unit.core.judgement.test_judgement_trial import CALM, ORIGIN, SECOND, scale, scoring

SECONDS = 60


def pair(history: History, **scales: float) -> Pair:
    """Fed with a canary whose scores differ, and with these loss scales by revision."""
    world = Pod("new", "new-1"), Pod("old", "old-1")
    steady(world, SECONDS + LOOKBACK_SCRAPES, scoring(("00",)), ORIGIN - LOOKBACK_SCRAPES)
    made = Pair("new", "old", ORIGIN, SECOND, history)
    series = [*stored(world), *(scale(revision, value) for revision, value in scales.items())]
    made.feed(series, ORIGIN + SECONDS + 0.5)
    return made


def test_what_both_halves_say_is_said_once() -> None:
    """That the past is unknown both know; that losses are not comparable only the slow half does."""
    judgement = pair(History(), new=8, old=16).judgement(ORIGIN + SECONDS, PodFacts())
    assert judgement.message.count("dispersion 4") == 1
    assert names.FEEDBACK_LOSS_SCALE in judgement.message


def test_losses_of_one_scale_need_no_words() -> None:
    """Nothing is amiss, nothing is said."""
    assert pair(CALM, new=8, old=8).judgement(ORIGIN + SECONDS, PodFacts()).message == ""


def test_scores_come_with_the_slow_half() -> None:
    """They are among what is fetched at its pace."""
    shift = pair(CALM).judgement(ORIGIN + SECONDS, PodFacts()).shift
    assert shift is not None
    assert shift.verdict == FAIL
