"""Late onsets: what is kept of the past, what it costs, and what is found with it."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log

import numpy as np
import pytest
from pintle.core.judgement.onsets import LIFETIME, MAIN_COST, cost, forgotten
from pintle.core.judgement.score import N0, N1, X0, X1, share_block
from pintle.core.judgement.weighing import Scores, Weighed

GRID = 15
ALPHA = log(100)
DAY = 1440


def test_alpha_is_shared_by_the_whole_rollout_and_all_onsets() -> None:
    """Evidence is exp(nats) in expectation at most 1 each, so the weights must not add up to more than 1."""
    assert 0.999 < exp(-MAIN_COST) + sum(exp(-cost(number)) for number in range(1, 1_000_000)) <= 1


def kept(now: int) -> list[int]:
    """Numbers that are there when it is the turn of `now`."""
    return [number for number in range(1, now + 1) if number == now or not forgotten(number, now)]


@pytest.mark.parametrize("now", [7, 60, 61, 255, 256, DAY, 7 * DAY])
def test_any_age_has_an_onset_that_is_at_most_two_thirds_older(now: int) -> None:
    """A change at any moment has an onset before it that has few good rows of its own; a day needs about twenty."""
    ages = [now - number for number in kept(now)]
    for age in range(LIFETIME, now):
        assert any(age <= known <= age * 5 / 3 + 1 for known in [*ages, now])
    assert len(ages) <= LIFETIME * (1 + np.log2(now))


def test_an_onset_is_kept_until_it_is_forgotten_for_good() -> None:
    """Sums that were dropped do not come back: who is forgotten once stays so."""
    gone: set[int] = set()
    for now in range(1, 600):
        there = set(kept(now))
        assert not there & gone
        gone |= set(range(1, now + 1)) - there


@dataclass
class Rollout:
    """A canary with 150 rows beside 1,350 in each block, the mean of what would come."""

    scores: Scores
    blocks: int = 0

    @classmethod
    def begun(cls, late: bool = True) -> Rollout:
        return cls(Scores.of_grid((), GRID, late))

    def go(self, minutes: float, canary: float, stable: float) -> Weighed:
        for _ in range(round(minutes * 60 / GRID)):
            block = share_block(*(np.array(part) for part in (150 * canary, 150.0, 1350 * stable, 1350.0)))
            self.scores.add(block, self.blocks)
            self.blocks += 1
        return self.scores.evidence(0.0, 0.01, 1.0)


def test_a_canary_that_fails_after_hours_is_found_at_once() -> None:
    """A quarter of the answers for three blocks, after four good hours; the whole has nothing to show by then."""
    with_onsets, whole = Rollout.begun(), Rollout.begun(late=False)
    for rollout in (with_onsets, whole):
        rollout.go(240, 0.01, 0.01)
    assert whole.go(0.75, 0.25, 0.01).worse < ALPHA / 2
    found = with_onsets.go(0.75, 0.25, 0.01)
    assert found.worse > ALPHA
    assert found.onset == 240 * 60 / GRID
    assert found.since[[X1, N1, X0, N0]] == pytest.approx([112.5, 450, 40.5, 4050])


def test_a_canary_that_fails_from_the_beginning_is_found_by_the_whole() -> None:
    """Onsets cost it MAIN_COST and no more."""
    with_onsets, whole = Rollout.begun(), Rollout.begun(late=False)
    found, plain = (rollout.go(0.5, 0.05, 0.01) for rollout in (with_onsets, whole))
    assert found.worse == pytest.approx(plain.worse - MAIN_COST)
    assert found.onset == 0
    assert found.close == plain.close


def test_one_burst_is_no_onset() -> None:
    """All answers of a block, after an hour without the like: it counts in the sums of the whole, and no more."""
    rollout = Rollout.begun()
    rollout.go(60, 0.01, 0.01)
    assert rollout.go(0.25, 1.0, 0.01).onset == 0
    assert rollout.go(0.75, 0.01, 0.01).onset == 0


@pytest.mark.parametrize("late_seconds", [15, 60])
def test_the_ends_of_an_incident_felt_at_different_times_are_no_onset(late_seconds: int) -> None:
    """A shared incident that the canary feels a little later: when it is over for the stable alone, nothing fails."""
    rollout, late = Rollout.begun(), late_seconds / 60
    rollout.go(30, 0.01, 0.01)
    rollout.go(late, 0.01, 0.10)
    rollout.go(5 - late, 0.10, 0.10)
    assert rollout.go(late, 0.10, 0.01).worse < ALPHA


def test_where_no_onsets_are_asked_for_the_whole_rollout_decides() -> None:
    """By place: `late` is about single tests."""
    scores = Scores.of_grid((2,), GRID)
    for block in range(243):
        bad = 75.0 if block >= 240 else 1.5
        scores.add(share_block(np.full(2, bad), np.full(2, 150.0), np.full(2, 13.5), np.full(2, 1350.0)), block)
    found = scores.evidence(0.0, 0.01, 1.0, late=np.array([True, False]))
    assert found.onset.tolist() == [240, 0]
    assert found.worse[0] > ALPHA > found.worse[1]


def test_what_turns_up_late_has_onsets_too() -> None:
    """A feature that is first seen in the third minute is judged like one that was there with nothing to say."""
    grown, whole = Scores.of_grid((1,), GRID), Scores.of_grid((2,), GRID)
    for block in range(60):
        first = share_block(*(np.array([part]) for part in (1.5, 150.0, 13.5, 1350.0)))
        bad = 60.0 if block > 56 else 1.5
        second = share_block(*(np.array([part]) for part in (bad, 150.0, 13.5, 1350.0)))
        if block == 10:
            grown = grown.resized(2)
        whole.add(np.concatenate([first, second if block >= 10 else 0 * second]), block)
        grown.add(np.concatenate([first, second]) if block >= 10 else first, block)
    for one, other in zip(grown.evidence(0.0, 0.01, 1.0), whole.evidence(0.0, 0.01, 1.0), strict=True):
        assert one == pytest.approx(other)
    assert grown.evidence(0.0, 0.01, 1.0).onset[1] > 0
