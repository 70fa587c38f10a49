"""Streams that rollouts are simulated with: their rates, what moves them, and the way of counts into blocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pintle.contract import metrics as names
from pintle.core.judgement.counters import Blocks
from pintle.core.judgement.samples import RawSeries

from bench.judgement.scrapes import Mishap, grown, scraped
from bench.judgement.streams import DAY, Arms, Scene, blocks, past, rollouts, traffic

COUNT = 60


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.mark.parametrize("burst", [1, 5, 50])
@pytest.mark.parametrize("spread", [1, 20])
def test_rates_are_as_asked_for(burst: int, spread: int) -> None:
    """Rows and errors of both revisions, however they come in bursts."""
    canary, stable = rollouts(Scene(20, 0.05, 0.02, burst=burst, spread=spread), COUNT, rng())
    # Four standard errors of the canary's bad bursts.
    near = 4 / np.sqrt(COUNT * 1800 * 2 / burst * 0.05)
    assert canary.rows.sum() / (COUNT * 1800) == pytest.approx(2, rel=0.05)
    assert stable.rows.sum() / (COUNT * 1800) == pytest.approx(18, rel=0.05)
    assert canary.bad.sum() / canary.rows.sum() == pytest.approx(0.05, rel=near)
    assert stable.bad.sum() / stable.rows.sum() == pytest.approx(0.02, rel=near)


def test_bursts_scatter_as_much_as_they_have_rows() -> None:
    """The variance of bad rows per second is the burst's size times that of independent ones."""
    for burst in (1, 8):
        _, stable = rollouts(Scene(20, burst=burst), COUNT, rng())
        assert stable.bad.var() / stable.bad.mean() == pytest.approx(burst, rel=0.05)


def test_an_incident_hits_both_and_nobody_else() -> None:
    """Ten per cent between its seconds, one per cent before and after."""
    for arm in rollouts(replace(Scene(200), incident=(500, 800)), 20, rng()):
        assert arm.bad[500:800].sum() / arm.rows[500:800].sum() == pytest.approx(0.1, rel=0.05)
        for outside in (slice(0, 500), slice(800, 1800)):
            assert arm.bad[outside].sum() / arm.rows[outside].sum() == pytest.approx(0.01, rel=0.1)


def test_weights_change_by_equal_parts_of_the_time() -> None:
    canary, stable = rollouts(Scene(200, weights=(0.05, 0.25, 0.5)), 20, rng())
    for part, weight in enumerate((0.05, 0.25, 0.5)):
        third = slice(600 * part, 600 * (part + 1))
        rows = canary.rows[third].sum()
        assert rows / (rows + stable.rows[third].sum()) == pytest.approx(weight, rel=0.02)


def test_a_gap_has_no_rows() -> None:
    canary, stable = rollouts(Scene(100, gap=(600, 1200)), 10, rng())
    for arm in (canary, stable):
        assert arm.rows[600:1200].sum() == 0
        assert arm.rows[:600].sum() > 0
        assert arm.rows[1200:].sum() > 0


def test_days_and_weeks_move_traffic_and_errors() -> None:
    """At night half of the rows and twice the error rate; on days 6 and 7 a third of the rows."""
    scene = Scene(100, daily=0.5, seconds=DAY, step=60)
    canary, _ = rollouts(scene, 50, rng())
    noon, night = slice(350, 370), slice(1070, 1090)
    assert canary.rows[night].mean() / canary.rows[noon].mean() == pytest.approx(0.5 / 1.5, rel=0.02)
    share = [canary.bad[part].sum() / canary.rows[part].sum() for part in (noon, night)]
    assert share[1] / share[0] == pytest.approx(3, rel=0.1)
    week = traffic(Scene(1, weekend=1 / 3, step=60), 0, 7 * 1440)
    assert week.tolist() == [1.0] * 5 * 1440 + [1 / 3] * 2 * 1440


def test_the_past_is_all_the_stables_own() -> None:
    """An hour of all the traffic, with its own incident only."""
    arm = past(Scene(50, incident=(0, 1800), past_incident=(1500, 1800)), 20, rng())
    assert arm.rows.shape == (3600, 20)
    assert arm.rows.mean() == pytest.approx(50, rel=0.01)
    assert arm.bad[1500:1800].sum() / arm.rows[1500:1800].sum() == pytest.approx(0.1, rel=0.05)
    assert arm.bad[1800:].sum() / arm.rows[1800:].sum() == pytest.approx(0.01, rel=0.05)


def test_blocks_add_up_moments() -> None:
    arm = Arms(np.arange(14.0).reshape(7, 2), np.ones((7, 2)))
    made = blocks(arm, 3)
    assert made.rows.tolist() == [[6.0, 9.0], [24.0, 27.0]]
    assert made.bad.tolist() == [[3.0, 3.0], [3.0, 3.0]]


def counted(good: np.ndarray, bad: np.ndarray, kept: np.ndarray, restarts: np.ndarray) -> np.ndarray:
    """The same pod through the operator's own blocks: [T, (good, bad)]."""
    values = np.zeros((len(good), 2))
    total = np.zeros(2)
    for second in range(len(good)):
        total = (0 if restarts[second] else total) + np.array([good[second], bad[second]])
        values[second] = total
    # The pod is there with 0 before it is given traffic.
    times = 1000.0 + np.concatenate([[-0.5], np.arange(len(good))[kept] + 0.5])
    series = [
        RawSeries(
            names.REQUESTS,
            {"revision": "r", "pod": "p", "result": result},
            times,
            np.concatenate([[0.0], values[kept, place]]),
        )
        for place, result in enumerate(("ok", "server_error"))
    ]
    made = Blocks(("r",), 1000.0, 1.0)
    made.feed(series)
    taken = [made.take(block) for block in range(len(good))]
    return np.array([np.zeros(2) if cell is None else cell[0, :2] for cell in taken])


@pytest.mark.parametrize(("lost", "restart"), [(0.0, 0.0), (0.3, 0.0), (0.0, 0.05), (0.3, 0.05)])
def test_scrapes_are_counted_as_the_operator_counts_them(lost: float, restart: float) -> None:
    """All rollouts at once show the growth that `Blocks` finds for each pod, lost scrapes and restarts included."""
    source = rng()
    shape = (300, 20)
    good, bad = source.poisson(2.0, shape), source.poisson(0.3, shape)
    kept, restarts = source.random(shape) >= lost, source.random(shape) < restart
    found = np.stack(grown(good, bad, kept, restarts), axis=-1)
    for place in range(shape[1]):
        own = (part[:, place] for part in (good, bad, kept, restarts))
        assert (found[:, place] == counted(*own)).all()


def test_lost_scrapes_lose_nothing_and_restarts_what_was_not_seen() -> None:
    """Rows of all seconds up to the last scrape are there, later; a restart costs about half an interval."""
    arm = Arms(np.full((1800, 20), 10.0), np.ones((1800, 20)))
    whole = scraped(arm, "stable", Mishap(lost=0.2), rng())
    assert whole.rows.sum() == pytest.approx(arm.rows.sum(), rel=1e-3)
    less = scraped(arm, "stable", Mishap(interval=15, restart_seconds=300), rng())
    assert 0.95 < less.rows.sum() / arm.rows.sum() < 0.99


def test_a_pod_that_lies_hides_its_errors_only() -> None:
    """As many requests as ever, of three pods the errors of two."""
    arm = Arms(np.full((1800, 20), 10.0), np.ones((1800, 20)))
    told = scraped(arm, "stable", Mishap(liar="stable"), rng())
    assert told.rows.sum() == arm.rows.sum()
    assert told.bad.sum() / arm.bad.sum() == pytest.approx(2 / 3, rel=0.02)
    assert scraped(arm, "canary", Mishap(liar="stable"), rng()).bad.sum() == arm.bad.sum()
