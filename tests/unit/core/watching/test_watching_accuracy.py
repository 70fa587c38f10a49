"""Recall, precision, calibration and errors from labels by score bin; numbers of a label as a regular expression."""

from __future__ import annotations

import re
from itertools import product

import pytest
from pintle.core.watching.accuracy import calibration, cut, figures, precision, recall
from pintle.core.watching.counts import LabelCounts
from pintle.core.watching.numbers import between
from pintle.core.watching.queries import LabelWindow, labels

LIMITS = {"00": 0.2, "01": 0.6}
"""Three bins: below .2, to .6, above."""
COUNTS = LabelCounts(
    loss_sum=20,
    loss_squares=8,
    loss_count=100,
    truths={
        "negative": {"00": 36.0, "01": 12.0, "02": 4.0, "missing": 5.0},
        "positive": {"00": 4.0, "01": 24.0, "02": 16.0},
    },
    predicted={"00": 80.0, "01": 72.0, "02": 40.0},
)


def test_recall_and_precision_at_a_threshold() -> None:
    """From .6 on: 16 of 44 positives are found, and 16 of the 20 that are found are positive; missing has no place."""
    sides = cut(COUNTS, LIMITS, 0.55)
    assert sides is not None
    assert sides.at == 0.6
    found, exact = recall(sides), precision(sides)
    assert found is not None
    assert exact is not None
    assert (found.value, exact.value) == (pytest.approx(16 / 44), pytest.approx(16 / 20))
    assert exact.error == pytest.approx((0.8 * 0.2 / 20) ** 0.5)


def test_a_lower_threshold_finds_more() -> None:
    """From .2 on: 40 of 44 positives."""
    sides = cut(COUNTS, LIMITS, 0.0)
    assert sides is not None
    assert (sides.at, sides.true_positives, sides.false_positives) == (0.2, 40, 16)


@pytest.mark.parametrize("truths", [{"below": {"00": 5.0}}, {"wrong": {"00": 5.0}, "right": {}}, {}])
def test_other_tasks_have_no_threshold(truths: dict[str, dict[str, float]]) -> None:
    """A regression, several classes, no labels at all."""
    assert cut(LabelCounts(truths=truths), LIMITS, 0.5) is None


def test_without_limits_of_bins_nothing_is_said() -> None:
    """An older server does not tell them."""
    assert cut(COUNTS, {}, 0.5) is None
    assert calibration(COUNTS, {}) is None


def test_calibration_is_what_lies_outside_the_bins() -> None:
    """10 % positives below .2 are as they should be; 2/3 in .2 - .6 are .0667 too many, for 36 of 96 rows."""
    found = calibration(COUNTS, LIMITS)
    assert found is not None
    assert found.value == pytest.approx(36 / 96 * (24 / 36 - 0.6))


def test_figures_are_those_of_the_task() -> None:
    """Two classes have all of them; several have loss and accuracy; a regression its error in the target's unit."""
    assert set(figures(COUNTS, LIMITS, None)) == {
        "loss", "auc", "recall", "precision", "accuracy", "calibration", "coverage",
    }  # fmt: skip
    several = LabelCounts(20, 8, 100, {"wrong": {"00": 25.0}, "right": {"00": 75.0}})
    assert figures(several, LIMITS, None) == {"loss": 0.2, "accuracy": 0.75}
    regression = LabelCounts(4, 1, 100, {"below": {"00": 50.0}, "above": {"00": 50.0}})
    assert figures(regression, {}, 8.0) == {"loss": 0.04, "rmse": pytest.approx(1.6)}


@pytest.mark.parametrize(("low", "high"), [*product((0, 1, 7, 19, 100, 999), (999, 1000, 1005, 1999)), (5, 5)])
def test_numbers_between_two(low: int, high: int) -> None:
    """Exactly these, for every number around."""
    pattern = re.compile(between(low, high))
    assert [number for number in range(2100) if pattern.fullmatch(str(number))] == list(range(low, high + 1))


def test_a_week_of_cohorts_is_a_short_matcher() -> None:
    """Ten digits: the moments of a week in a few alternatives."""
    pattern = between(1_767_600_000, 1_767_600_000 + 604_799)
    assert len(pattern) < 400
    for number in (1_767_600_000, 1_768_000_123, 1_768_204_799):
        assert re.fullmatch(pattern, str(number))
    for number in (1_767_599_999, 1_768_204_800):
        assert not re.fullmatch(pattern, str(number))


def test_labels_of_one_age_are_asked_for_by_their_cohorts() -> None:
    """A week that ended a day ago: its cohorts, all their labels since, and the rows predicted in it."""
    query = labels(("ab12cd34",), LabelWindow(604_800, 86_400), 1_768_900_000.5)
    cohorts = between(1_768_900_000 - 86_400 - 604_800, 1_768_900_000 - 86_400 - 1)
    assert query.count(f'cohort=~"{cohorts}"') == query.count("model_feedback")
    assert 'model_prediction_bin_total",revision=~"ab12cd34"} offset 86400s' in query
    assert "cohort" not in labels(("ab12cd34",), LabelWindow(604_800), 1_768_900_000.5)
