"""Drift over arrays: equal to the formula for one pair of counts, and to what watching makes of it."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
import pytest
from pintle.api.watching import Window
from pintle.contract.psi import psi
from pintle.core.judgement.drift import (
    design_effect,
    drifts,
    estimated_accuracy,
    feature_drift,
    prediction_shift,
    psi_low,
    share_low,
)
from pintle.core.judgement.verdict import FAIL, NEED_MORE_DATA, PASS
from pintle.core.watching.drift import Limits, compare, wilson_low
from pintle.core.watching.reference import Bins

REFERENCE = np.array([500.0, 1500, 3000, 1500, 500, 0])


def test_psi_low_by_hand() -> None:
    """60 and 40 of 100 against 50 and 50 of 1,000: k = 1, q = 60.5/101, s = .011, df = 1."""
    found, low = psi_low(np.array([60.0, 40.0]), np.array([500.0, 500.0]))
    q = 60.5 / 101
    expected = (q - 0.5) * log(q / 0.5) + (0.5 - q) * log((1 - q) / 0.5)
    difference = expected - 0.011
    assert found == pytest.approx(expected)
    assert low == pytest.approx(difference - 3 * 0.011 * sqrt(2 + 4 * difference / 0.011))


def test_psi_low_is_the_contracts() -> None:
    """Over arrays and one by one: the same to the last digits, empty windows and empty bins included."""
    counts = np.random.default_rng(11).poisson(REFERENCE / 60, (20, 4, 6)).astype(float)
    counts[3, 2] = 0
    found, low = psi_low(counts, REFERENCE)
    for place in np.ndindex(20, 4):
        one = psi(list(counts[place]), list(REFERENCE))
        assert (found[place], low[place]) == pytest.approx((one.psi, one.low))


def test_drift_is_decided_as_watching_decides_it() -> None:
    """For any window, floor and design effect the operator's rule and this one agree."""
    rng = np.random.default_rng(12)
    shifted = REFERENCE * np.array([0.2, 0.4, 0.8, 1.6, 2.8, 1])
    bins = [f"{place:02d}" for place in range(6)]
    seen = set()
    for rows in (30, 200, 1000, 5000):
        for expected in (REFERENCE, shifted):
            counts = rng.multinomial(rows, expected / expected.sum()).astype(float)
            for floor in (0.0, 0.05, 0.15, 0.4):
                for effect in (1.0, 5.0):
                    reference = Bins(dict(zip(bins, REFERENCE, strict=True)), {"1h": floor})
                    live = dict(zip(bins, counts, strict=True))
                    theirs = compare("a", Window(seconds=3600), live, reference, Limits(0.1, 50), effect)
                    ours = feature_drift("a", 3600, list(counts), list(REFERENCE), floor, 0.1, 50, effect)
                    assert (ours.verdict, ours.low, ours.threshold) == pytest.approx(
                        (theirs.verdict, theirs.low, theirs.threshold)
                    )
                    assert bool(drifts(counts, REFERENCE, floor, 0.1, 50, effect)) == (ours.verdict == FAIL)
                    seen.add(ours.verdict)
    assert seen == {FAIL, PASS, NEED_MORE_DATA}


def test_a_better_model_may_score_differently() -> None:
    """Scores of canary and stable are compared with the noise of both: few rows on one side say nothing."""
    tested, control = np.array([10.0, 40, 50]), np.array([500.0, 400, 100])
    assert prediction_shift(tested, control).verdict == FAIL
    assert prediction_shift(control, control).verdict == PASS
    assert prediction_shift(tested, np.array([5.0, 4, 1])).verdict == NEED_MORE_DATA
    assert prediction_shift(np.array([1.0, 4, 5]), control).verdict == NEED_MORE_DATA


def test_rows_of_one_request_may_all_be_alike() -> None:
    """A hundred rows that came in requests of fifty say as much as two."""
    tested, control = np.array([10.0, 40, 50]), np.array([500.0, 400, 100])
    assert prediction_shift(tested, control, effect=50).verdict == PASS


def test_design_effect_is_the_size_of_the_bursts() -> None:
    """Rows that come eight alike at a time count for one; independent ones for themselves."""
    p = REFERENCE[:5] / REFERENCE.sum()
    rng = np.random.default_rng(6)
    alone = rng.multinomial(40, p, 2000).astype(float)
    bursts = 8.0 * rng.multinomial(5, p, 2000)
    assert design_effect(alone, (1, 10)) == pytest.approx(1, abs=0.15)
    assert design_effect(bursts, (1,)) == pytest.approx(8, rel=0.1)


def test_bursts_longer_than_a_block_are_seen_in_longer_blocks() -> None:
    """Alike rows spread over ten short blocks: only the long blocks show all of it."""
    p = REFERENCE[:5] / REFERENCE.sum()
    spread = np.repeat(np.random.default_rng(6).multinomial(2, p, 60) * 1.0, 10, axis=0)
    assert design_effect(spread, (10,)) > 5 * design_effect(spread, (1,))
    assert design_effect(spread, (1, 10)) == design_effect(spread, (10,))


def test_share_low_is_wilsons() -> None:
    """Lower end of a share, over arrays; 0 where there are no rows."""
    bad, rows = np.array([0.0, 3, 30, 0]), np.array([20.0, 20, 40, 0])
    expected = [wilson_low(a, b) for a, b in zip(bad, rows, strict=True)]
    assert share_low(bad, rows) == pytest.approx(expected)


def test_estimated_accuracy_by_hand() -> None:
    """60 rows of a bin that is right in .9, 40 of one in .6: .78; a bin without accuracy is left out."""
    counts, accuracy = np.array([[60.0, 40, 0], [60, 40, 100]]), np.array([0.9, 0.6, np.nan])
    assert estimated_accuracy(counts, accuracy) == pytest.approx([0.78, 0.78])
    assert np.isnan(estimated_accuracy(np.zeros(3), accuracy))
