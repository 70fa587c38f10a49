"""The score test's formulas, each against a figure worked out by hand or by brute force."""

from __future__ import annotations

from itertools import combinations
from math import log

import numpy as np
import pytest
from pintle.core.judgement.score import (
    RHO,
    A,
    F,
    S,
    W,
    bound_block,
    control_dispersion,
    dispersion_lengths,
    log_evidence,
    mean_block,
    passing,
    share_block,
    variance,
)
from pintle.core.judgement.weighing import Scores


def arrays(*values: float) -> list[np.ndarray]:
    return [np.array(value, dtype=float) for value in values]


def test_share_block() -> None:
    """1 bad of 2 tested, 1 bad of 8 control rows: p = .2, S = 1 - 2 p = .6, W = 16/10, V(0) = 16 (.16) / 9."""
    terms = share_block(*arrays(1, 2, 1, 8))
    assert terms[[S, W, A]] == pytest.approx([0.6, 1.6, 16 * 0.16 / 9])


def test_share_variance_under_a_difference() -> None:
    """d = .1: p0 = .18, p1 = .28, V = 16 (8 p1 q1 + 2 p0 q0) / (10 9)."""
    terms = share_block(*arrays(1, 2, 1, 8))
    assert variance(terms, 0.1) == pytest.approx(16 * (8 * 0.28 * 0.72 + 2 * 0.18 * 0.82) / 90)


def test_share_variance_without_anything_bad() -> None:
    """Nothing bad in a block of 5 and 5: a difference of d still has the variance it has where the control is at 0."""
    terms = share_block(*arrays(0, 5, 0, 5))
    assert variance(terms, 0.1) == pytest.approx(25 * 5 * 0.1 * 0.9 / 90)
    assert variance(terms, 0.0) == 0


def test_when_a_pass_stands() -> None:
    """By test: never shown; shown now; shown, too few rows; shown before; shown before and better now; contradicted."""
    shown, close = arrays([0, 0, 0, 4, 4, 4], [2, 3, 9, 1, 5, 0])
    enough = np.array([True, True, False, True, True, True])
    difference = np.array([0.0, 0.0, 0.0, 0.009, 0.0, 0.01])
    assert passing(shown, close, 3.0, enough, difference, 0.01).tolist() == [0, 3, 0, 4, 4, 0]


def test_passes_are_found_in_any_shape() -> None:
    """Rollouts along the leading axis have each their own Pass: what the simulation runs is what the operator runs."""
    rng = np.random.default_rng(3)
    shown, close, difference = rng.random((3, 50, 4)) * 6
    enough = rng.random((50, 4)) < 0.5
    together = passing(shown, close, 3.0, enough, difference, np.full(4, 2.0))
    alone = [passing(*parts[:2], 3.0, *parts[2:], 2.0) for parts in zip(shown, close, enough, difference, strict=True)]
    assert (together == np.array(alone)).all()


@pytest.mark.parametrize("counts", [(1, 1, 0, 0), (0, 0, 3, 9), (0, 0, 0, 0)])
def test_a_block_with_an_empty_arm_tells_nothing(counts: tuple[float, ...]) -> None:
    """Without both revisions there is nothing to compare: all terms are 0."""
    assert not share_block(*arrays(*counts)).any()
    x1, n1, x0, n0 = counts
    assert not mean_block(*arrays(n1, x1, x1, n0, x0, x0)).any()


def test_bound_block_is_a_control_with_endless_rows() -> None:
    """Against a control of 10^9 rows with the same share all terms are those of the bound."""
    against_many = share_block(*arrays(3, 40, 2e8, 1e9))
    against_bound = bound_block(*arrays(3, 40), 0.2)
    for difference in (0.0, 0.05, 0.3):
        assert variance(against_many, difference) == pytest.approx(variance(against_bound, difference), rel=1e-5)
    assert against_many[[S, W, F]] == pytest.approx(against_bound[[S, W, F]], rel=1e-5)


def test_mean_block_is_the_permutation_variance() -> None:
    """V(d) equals the variance of s over every way to deal the block's rows to the arms, d taken off the tested."""
    tested, control, shift = np.array([0.9, 0.4]), np.array([0.1, 0.3, 0.2]), 0.15
    rows = np.concatenate([tested - shift, control])
    dealt = [rows[list(chosen)].sum() - 2 * rows.mean() for chosen in combinations(range(5), 2)]
    squares = (tested**2).sum(), (control**2).sum()
    terms = mean_block(*arrays(2, tested.sum(), squares[0], 3, control.sum(), squares[1]))
    assert variance(terms, shift) == pytest.approx(np.var(dealt))
    assert terms[S] - shift * terms[W] == pytest.approx((tested - shift).sum() - 2 * rows.mean())


def test_mean_of_zeros_and_ones_is_the_share() -> None:
    """For losses that are 0 or 1 both forms agree where there is no difference."""
    share, mean = share_block(*arrays(2, 5, 3, 20)), mean_block(*arrays(5, 2, 2, 20, 3, 3))
    assert mean[[S, W, A]] == pytest.approx(share[[S, W, A]])


def test_log_evidence() -> None:
    """S = 10, V = 3, rho = 5, D = 2: log 2 + log(5/8)/2 + 100/(2 2 8); nothing for a score that is not positive."""
    found = log_evidence(np.array([10.0, 0.0, -10.0]), np.array(3.0), np.array(2.0), RHO)
    assert found == pytest.approx([log(2) + 0.5 * log(5 / 8) + 100 / 32, 0.0, 0.0])


def test_evidence_of_a_gross_failure() -> None:
    """25 % against 1 % errors: ten blocks of 5 and 45 rows are enough at alpha .01 (four are not)."""
    scores = Scores.zeros((), (1, 5))
    found = []
    for index in range(10):
        scores.add(share_block(*arrays(1.25, 5, 0.45, 45)), index)
        found.append(float(scores.evidence(0.0, 0.01, 1.0)[0]))
    assert found[3] < log(100) < found[9]
    assert scores.difference() == pytest.approx(0.24)


def test_equal_revisions_pass() -> None:
    """1 % errors on both sides: 2,000 canary rows are evidence enough (nats > log 20) that it is not 1 point worse."""
    scores = Scores.zeros((), (1,))
    for index in range(400):
        scores.add(share_block(*arrays(0.05, 5, 0.45, 45)), index)
    worse, close, *_ = scores.evidence(0.0, 0.01, 1.0)
    assert worse == 0
    assert close > log(20)


def test_dispersion_of_the_past_slows_the_test_down() -> None:
    """The square term is divided by D = 1.2 H."""
    scores = Scores.zeros((), (1,))
    scores.add(share_block(*arrays(5, 10, 1, 90)), 0)
    calm, bursty = (float(scores.evidence(0.0, 0.01, history)[0]) for history in (1.0, 4.0))
    total = variance(scores.total, 0.0) + RHO
    assert calm - bursty == pytest.approx(scores.total[S] ** 2 / (2 * total) * (1 / 1.2 - 1 / 4.8))


def test_a_steady_difference_is_no_dispersion() -> None:
    """Blocks that all show the same difference are centred by it; one burst among many blocks is not."""
    steady, burst = Scores.zeros((), (1,)), Scores.zeros((), (1,))
    for index in range(100):
        steady.add(share_block(*arrays(5, 10, 1, 90)), index)
        burst.add(share_block(*arrays(8 if index == 50 else 0, 10, 1, 90)), index)
    assert steady.dispersion() < 0.1
    assert burst.dispersion() > 3


def test_dispersion_needs_blocks() -> None:
    """With nine blocks the lower end 1 - 2 sqrt(2/8) of the ratio is 0: noise must not slow a test down."""
    scores = Scores.zeros((), (1,))
    for index in range(9):
        scores.add(share_block(*arrays(8 if index == 4 else 0, 10, 1, 90)), index)
    assert scores.dispersion() == 0


def test_blocks_of_a_length_end_on_the_grid() -> None:
    """Length 3 closes after blocks 2, 5, ...; blocks without data count for the time they took."""
    scores = Scores.zeros((), (3,))
    for index in range(7):
        if index == 4:
            scores.turn(index)
        else:
            scores.add(share_block(*arrays(1, 2, 1, 8)), index)
    assert scores.sums.count[0] == 2
    assert scores.sums.closed[0, W] == pytest.approx(5 * 1.6)
    assert scores.open[0, W] == pytest.approx(1.6)
    assert scores.sums.moments[0, 2] == pytest.approx((3 * 1.6) ** 2 + (2 * 1.6) ** 2)


def test_rollouts_on_the_leading_axis_are_judged_like_each_alone() -> None:
    """What the simulation does to thousands at once is what the operator does to one."""
    rng = np.random.default_rng(3)
    counts = rng.poisson(8, (40, 4, 5)).astype(float)
    counts[:30, 1, :3], counts[30:, 1, :3] = 1, 30  # late, so that an onset has more to say than the whole
    together = Scores.of_grid((5,), 15.0)
    alone = [Scores.of_grid((), 15.0) for _ in range(5)]
    for index, (n1, x1, n0, x0) in enumerate(counts):
        parts = np.minimum(x1, n1), n1, np.minimum(x0, 4 * n0), 4 * n0
        together.add(share_block(*parts), index)
        for place, scores in enumerate(alone):
            scores.add(share_block(*(part[place] for part in parts)), index)
    both = together.evidence(0.0, 0.05, 1.5)
    assert set(both.onset > 0) == {True, False}
    for place, scores in enumerate(alone):
        for one, of_all in zip(scores.evidence(0.0, 0.05, 1.5), both, strict=True):
            assert one == pytest.approx(of_all[place])


def test_control_dispersion_by_hand() -> None:
    """Bad 4, 0, 4, 0 of 10 each: p = .2, sum (x - 2)^2 = 16, sum n p q = 6.4, times 4/3; pairs do not vary at all."""
    bad, rows = np.array([4.0, 0, 4, 0]), np.full(4, 10.0)
    assert control_dispersion(bad, rows, (1,)) == pytest.approx(4 / 3 * 16 / 6.4)
    assert control_dispersion(bad, rows, (2,)) == 0
    assert control_dispersion(bad, rows, (1, 2)) == pytest.approx(4 / 3 * 16 / 6.4)


def test_control_dispersion_without_events_is_unknown() -> None:
    """Where nothing is bad there is no variance to compare with: NaN, not 0."""
    assert np.isnan(control_dispersion(np.zeros(8), np.full(8, 10.0), (1, 2)))


@pytest.mark.parametrize(
    ("grid", "expected"), [(1, (1, 5, 30, 60)), (5, (1, 6, 12)), (15, (1, 2, 4)), (60, (1,)), (0.5, (2, 10, 60, 120))]
)
def test_lengths_are_multiples_of_the_grid(grid: float, expected: tuple[int, ...]) -> None:
    """1, 5, 30 and 60 seconds in blocks of the grid, each length once."""
    assert dispersion_lengths(grid) == expected
