"""Labels: loss, AUC, their errors, coverage; and accuracy estimated without labels."""

from __future__ import annotations

import pytest
from pintle.core.watching.counts import LabelCounts
from pintle.core.watching.estimate import estimated_accuracy
from pintle.core.watching.labels import Estimate, auc, coverage, judge, loss, selective


def test_loss_is_the_mean_with_its_standard_error() -> None:
    """100 rows, sum 20, squares 8: mean .2, variance .08 - .04 = .04, error sqrt(.04 / 100) = .02."""
    estimate = loss(LabelCounts(loss_sum=20, loss_squares=8, loss_count=100))
    assert estimate == Estimate(pytest.approx(0.2), pytest.approx(0.02))
    assert loss(LabelCounts()) is None


def test_auc_from_score_bins() -> None:
    """Negatives 3, 1 and positives 1, 3 in two bins: (1 x 1.5 + 3 x 3.5) / 16 = .75; missing scores have no place."""
    truths = {"negative": {"00": 3.0, "01": 1.0, "missing": 9.0}, "positive": {"00": 1.0, "01": 3.0}}
    estimate = auc(LabelCounts(truths=truths))
    assert estimate is not None
    assert estimate.value == pytest.approx(0.75)


def test_auc_error_is_hanleys() -> None:
    """AUC .75 of 4 and 4: Q1 = .6, Q2 = .642857; (.1875 + 3 x .0375 + 3 x .080357) / 16 = .033817, root .18390."""
    truths = {"negative": {"00": 3.0, "01": 1.0}, "positive": {"00": 1.0, "01": 3.0}}
    estimate = auc(LabelCounts(truths=truths))
    assert estimate is not None
    assert estimate.error == pytest.approx(0.18390, abs=1e-5)


@pytest.mark.parametrize("truths", [{"negative": {"00": 5.0}}, {"right": {"00": 5.0}, "wrong": {"00": 5.0}}, {}])
def test_no_auc_without_two_classes(truths: dict[str, dict[str, float]]) -> None:
    """One class only, or the truths of another task, have none."""
    assert auc(LabelCounts(truths=truths)) is None


@pytest.mark.parametrize(
    ("value", "rows", "verdict"),
    [(0.25, 1000, "Pass"), (0.27, 1000, "Fail"), (0.27, 999, "NeedMoreData"), (0.1, 1000, "Pass")],
)
def test_a_bound_is_broken_when_it_is_shown(value: float, rows: float, verdict: str) -> None:
    """Above .2 by three standard errors of .02, and from minRows on."""
    assert judge(Estimate(value, 0.02), rows, 1000, high=0.2) == verdict


def test_a_lower_bound_is_broken_from_above_its_error() -> None:
    """AUC .6 with an error of .01 is below .7; .68 may be .71."""
    assert judge(Estimate(0.6, 0.01), 1000, 1000, low=0.7) == "Fail"
    assert judge(Estimate(0.68, 0.01), 1000, 1000, low=0.7) == "Pass"


def labelled(low: float, high: float, predicted: float = 1000) -> LabelCounts:
    return LabelCounts(
        truths={"negative": {"00": low}, "positive": {"01": high}}, predicted={"00": predicted, "01": predicted}
    )


def test_labels_of_all_scores_alike_are_a_fair_sample() -> None:
    """Half of either bin is labelled."""
    assert coverage(labelled(500, 500)) == 0.5
    assert selective(labelled(500, 500)) == ""


def test_labels_of_approved_cases_only_are_selective() -> None:
    """Only what scored low was let through, and so got a label."""
    assert "0% of score bin 01" in selective(labelled(900, 0))


def test_few_labels_are_selective() -> None:
    """With 5 % labelled nobody knows which."""
    assert "5.0% of the predictions" in selective(labelled(50, 50))


def test_small_bins_do_not_decide() -> None:
    """None of 60 predictions is labelled: too few to tell. Labels of a catch-up may outnumber predictions."""
    counts = LabelCounts(truths={"negative": {"00": 900.0}}, predicted={"00": 1000.0, "01": 60.0})
    assert selective(counts) == ""
    assert selective(labelled(3000, 3100)) == ""


def test_estimated_accuracy_is_the_mean_over_live_scores() -> None:
    """A quarter of the rows lie where 60 % were right, the rest where 90 % were: .825, error sqrt(.016875 / 400)."""
    estimate = estimated_accuracy({"00": 100.0, "01": 300.0}, {"00": 0.6, "01": 0.9})
    assert estimate == Estimate(pytest.approx(0.825), pytest.approx((0.016875 / 400) ** 0.5))


def test_no_estimate_where_the_scores_were_not_seen_at_evaluation() -> None:
    """With a fifth of the rows in bins of unknown accuracy there is none; with a twentieth there is."""
    assert estimated_accuracy({"00": 80.0, "01": 20.0}, {"00": 0.9}) is None
    assert estimated_accuracy({"00": 95.0, "01": 5.0}, {"00": 0.9}) == Estimate(pytest.approx(0.9), pytest.approx(0))
    assert estimated_accuracy({}, {"00": 0.9}) is None
