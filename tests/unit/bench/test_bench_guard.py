"""The guard with and without a holdback, and the counting of flights by block."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.judgement.flights import HOUR, WEEK, counted, with_holdback
from bench.judgement.guard import BEFORE, GROSS, HOLDBACK, INCIDENT, SCENE, before_and_after, guarded
from bench.judgement.streams import Arms


def test_an_incident_of_both_rolls_back_only_without_a_control() -> None:
    """Before and after cannot tell it from a bad version; with a holdback, and for gross failure, it is nothing."""
    found = guarded(INCIDENT, 10, np.random.default_rng(1))
    assert np.isinf(found[HOLDBACK][0]).all()
    assert np.isinf(found[GROSS][0]).all()
    assert np.isfinite(found[BEFORE][0]).all()


def test_a_bad_version_is_found_by_its_holdback() -> None:
    """Five times the errors: with a holdback, not as gross failure; every other request failing: as that, too."""
    found = guarded(replace(SCENE, canary_errors=0.05), 10, np.random.default_rng(1))
    assert np.isfinite(found[HOLDBACK][0]).all()
    assert np.isinf(found[GROSS][0]).all()
    gross = guarded(replace(SCENE, canary_errors=0.5), 10, np.random.default_rng(1))
    assert np.isfinite(gross[GROSS][0]).all()


def test_before_and_after_is_a_z_test_of_two_shares() -> None:
    """1.0 and 2.0 % of 10,000: z = 5.8; the same share: nothing; better: nothing."""
    rows = np.full((1, 3), 10_000.0)
    after, before = np.array([[200.0, 100.0, 50.0]]), np.array([[100.0, 100.0, 100.0]])
    assert before_and_after(Arms(rows, after), Arms(rows, before), 0.01).tolist() == [True, False, False]


def test_rows_are_counted_by_block_and_bin() -> None:
    """Rows of no block are left out; a block without rows is there."""
    found = counted(np.array([0, 1, 1, 2, 0]), 3, np.array([0, 0, 2, 2, -1]))
    assert found.tolist() == [[1, 1, 0], [0, 0, 0], [0, 1, 1]]


def test_a_weeks_guard_of_losses_finds_a_model_that_is_much_worse() -> None:
    """Of 20,000 flights one in twenty is held back; equal losses never fail, twice the loss does."""
    rng = np.random.default_rng(2)
    hour = np.sort(rng.integers(0, WEEK // HOUR, 20_000))
    loss = rng.beta(1, 5, 20_000)
    assert not with_holdback(loss, loss, hour, rng)
    assert with_holdback(np.minimum(2 * loss, 1.0), loss, hour, rng)
