"""The rules of others, on streams whose answer is known by counting on one's fingers."""

from __future__ import annotations

import numpy as np
import pytest

from bench.judgement.peers import RepeatedZ, Stepwise, Threshold
from bench.judgement.streams import Arms


def minutes(*pairs: tuple[int, int]) -> Arms:
    """One rollout, from (bad, rows) per minute; all in the minute's last second."""
    rows, bad = np.zeros((60 * len(pairs), 1)), np.zeros((60 * len(pairs), 1))
    for place, (wrong, every) in enumerate(pairs):
        rows[60 * place + 59], bad[60 * place + 59] = every, wrong
    return Arms(rows, bad)


NOBODY = minutes((0, 0))


def test_three_failed_measurements_are_allowed_and_the_fourth_aborts() -> None:
    """`failureLimit: 3` is how many may fail; good minutes between them change nothing."""
    spared = Threshold(0.95).judge(minutes((6, 100), (0, 100), (6, 100), (6, 100)), NOBODY)
    assert np.isinf(spared.failed).all()
    assert spared.passed.tolist() == [240.0]
    found = Threshold(0.95).judge(minutes((6, 100), (0, 100), (6, 100), (6, 100), (6, 100), (0, 100)), NOBODY)
    assert (found.failed.tolist(), found.failed_rows.tolist()) == ([300.0], [500.0])
    assert np.isinf(found.passed).all()


def test_the_success_rate_may_be_the_limit() -> None:
    """`>=`: 95 of 100 is a success, and so it is where floats are not exact (97 % of 100)."""
    for success, bad in ((0.95, 5), (0.97, 3), (0.99, 1)):
        assert np.isinf(Threshold(success, failure_limit=0).judge(minutes((bad, 100)), NOBODY).failed).all()
        assert Threshold(success, failure_limit=0).judge(minutes((bad + 1, 100)), NOBODY).failed.tolist() == [60.0]


def test_minutes_without_requests_count_as_failed() -> None:
    """NaN >= 0.95 is not true: four quiet minutes abort a healthy canary, and halt the stepwise one."""
    quiet = minutes((0, 0), (0, 0), (0, 0), (0, 0))
    assert Threshold(0.95).judge(quiet, NOBODY).failed.tolist() == [240.0]
    assert Stepwise(threshold=4).judge(quiet, NOBODY).failed.tolist() == [240.0]


def test_stepwise_promotes_after_its_steps() -> None:
    """maxWeight / stepWeight good checks; failed ones in between only delay it."""
    rule = Stepwise(threshold=2, max_weight=50, step_weight=10)
    found = rule.judge(minutes(*[(0, 100)] * 5, (0, 100)), NOBODY)
    assert (found.passed.tolist(), found.passed_rows.tolist()) == ([300.0], [500.0])
    found = rule.judge(minutes((0, 100), (2, 100), *[(0, 100)] * 4), NOBODY)
    assert found.passed.tolist() == [360.0]
    assert np.isinf(found.failed).all()


def test_stepwise_rolls_back_at_its_threshold_unless_promoted_before() -> None:
    """The threshold is reached, not exceeded; what comes first counts."""
    rule = Stepwise(threshold=2, max_weight=50, step_weight=25)
    found = rule.judge(minutes((2, 100), (0, 100), (2, 100), (0, 100)), NOBODY)
    assert found.failed.tolist() == [180.0]
    assert np.isinf(found.passed).all()
    found = rule.judge(minutes((2, 100), (0, 100), (0, 100), (2, 100)), NOBODY)
    assert found.passed.tolist() == [180.0]
    assert np.isinf(found.failed).all()


def test_the_z_test_is_that_of_two_shares() -> None:
    """20 of 200 beside 50 of 1,000: pooled 70/1200, z = 2.7541; found at that level and not beyond it."""
    canary, stable = minutes((20, 200)), minutes((50, 1000))
    pooled = 70 / 1200
    z = (0.1 - 0.05) / np.sqrt(pooled * (1 - pooled) * (1 / 200 + 1 / 1000))
    assert z == pytest.approx(2.7541, abs=1e-4)
    assert RepeatedZ(interval=60, z=2.754).judge(canary, stable).failed.tolist() == [60.0]
    assert np.isinf(RepeatedZ(interval=60, z=2.755).judge(canary, stable).failed).all()


def test_the_z_test_adds_up_what_came_before() -> None:
    """Two minutes that show nothing alone are enough together; a better canary is never found."""
    rule = RepeatedZ(interval=60, z=2.0)
    found = rule.judge(minutes((10, 100), (10, 100)), minutes((25, 500), (25, 500)))
    assert found.failed.tolist() == [120.0]
    assert np.isinf(rule.judge(minutes((0, 100)), minutes((50, 500))).failed).all()


@pytest.mark.parametrize("rule", [Threshold(), Stepwise(), RepeatedZ()])
def test_rollouts_are_judged_each_for_itself(rule: Threshold | Stepwise | RepeatedZ) -> None:
    """Many at once are the same as one by one."""
    rng = np.random.default_rng(4)
    arms = []
    for rate in (3.0, 30.0):
        rows = rng.poisson(rate, (1200, 40))
        arms.append(Arms(rows.astype(float), rng.binomial(rows, 0.04).astype(float)))
    whole = rule.judge(*arms)
    for place in range(40):
        alone = rule.judge(*(Arms(arm.rows[:, [place]], arm.bad[:, [place]]) for arm in arms))
        assert alone.failed[0] == whole.failed[place]
        assert alone.failed_rows[0] == whole.failed_rows[place]
        assert alone.passed[0] == whole.passed[place]
    assert np.isfinite(whole.failed).sum() > 0
