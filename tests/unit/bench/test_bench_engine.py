"""Thousands of rollouts at once are judged as the operator judges one."""

from __future__ import annotations

import numpy as np
import pytest
from pintle.core.judgement.history import stable_dispersion

from bench.judgement.engine import Rule, judge, past_dispersion
from bench.judgement.raw import through_trial
from bench.judgement.scrapes import Mishap
from bench.judgement.streams import Arms, Scene, past, rollouts


@pytest.mark.parametrize("scene", [Scene(20, 0.1, seconds=400), Scene(20, 0.2, burst=8, spread=5, seconds=400)])
def test_a_trial_from_raw_samples_fails_at_the_same_second(scene: Scene) -> None:
    """Pods, scrapes, history and `Trial` of the operator against the sums that the tables are made with."""
    rng = np.random.default_rng(6)
    before = past(scene, 3, rng)
    canary, stable = rollouts(scene, 3, rng)
    found = judge(canary, stable, before, Rule())
    for place in range(3):
        alone = (Arms(arm.rows[:, [place]], arm.bad[:, [place]]) for arm in (before, canary, stable))
        when, rows = through_trial(*alone, Mishap(), rng)
        assert when == found.failed[place]
        assert rows == found.failed_rows[place]
    assert np.isfinite(found.failed).any()


@pytest.mark.parametrize("grid", [1, 15])
def test_the_past_is_read_as_the_operator_reads_it(grid: int) -> None:
    """H of each rollout is that of `stable_dispersion`, calm pasts included."""
    rng = np.random.default_rng(7)
    rows = rng.poisson(20.0 * grid, (3600 // grid, 20)).astype(float)
    bad = rng.binomial(rows.astype(int), 0.01).astype(float)
    bad[:, 0] = 0.0
    found = past_dispersion(Arms(rows, bad), grid)
    for place in range(20):
        alone = stable_dispersion(bad[:, place], rows[:, place], float(grid), nothing=1.0)
        assert found[place] == pytest.approx(alone, rel=1e-12)
