"""Tests of the user's own: what an answer means, and what several in a row mean."""

from __future__ import annotations

from typing import Any

import pytest
from pintle.api.rollout import Metric
from pintle.core.judgement.samples import Sample
from pintle.core.judgement.verdict import FAIL, NEED_MORE_DATA, PASS, SOURCE_ERROR
from pintle.core.own_metrics import Answer, OwnMetric, answer_of


def metric(**fields: Any) -> OwnMetric:
    return OwnMetric(Metric.model_validate({"name": "mine", "query": "x", "failureLimit": 2, **fields}))


def values(*numbers: float) -> list[Sample]:
    return [Sample({}, number, 0.0) for number in numbers]


def test_before_it_is_asked_it_needs_more_data() -> None:
    """A rollout is not promoted past a test that has not spoken."""
    assert metric(max="1").result.verdict == NEED_MORE_DATA  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("bounds", "tested", "control", "verdict"),
    [
        ({"max": "0.5"}, 0.5, None, PASS),
        ({"max": "0.5"}, 0.51, None, FAIL),
        ({"min": "0.5"}, 0.5, None, PASS),
        ({"min": "0.5"}, 0.49, None, FAIL),
        ({"min": "-1", "max": "1"}, -2.0, None, FAIL),
        ({"maxIncrease": "0.1"}, 0.35, 0.25, PASS),
        ({"maxIncrease": "0.1"}, 0.36, 0.25, FAIL),
        ({"maxIncrease": "0.1", "max": "0.3"}, 0.35, 0.34, FAIL),
        ({"maxIncrease": "0"}, 0.1, 0.9, PASS),
    ],
)
def test_bounds(bounds: dict[str, str], tested: float, control: float | None, verdict: str) -> None:
    """Each bound by itself; being better than the control is within bounds."""
    own = metric(failureLimit=1, **bounds)
    assert own.take(Answer(tested), None if control is None else Answer(control)).verdict == verdict


def test_it_fails_only_after_so_many_in_a_row() -> None:
    """One answer within bounds begins the count anew."""
    own = metric(max="1")
    verdicts = [own.take(Answer(value), None).verdict for value in (2, 0, 2, 2, 0)]
    assert verdicts == [NEED_MORE_DATA, PASS, NEED_MORE_DATA, FAIL, PASS]


def test_an_outage_neither_fails_a_canary_nor_saves_it() -> None:
    """Without a number nothing is counted and nothing forgotten."""
    own = metric(max="1")
    verdicts = [own.take(answer, None).verdict for answer in (Answer(2), Answer(error="down"), Answer(), Answer(2))]
    assert verdicts == [NEED_MORE_DATA, SOURCE_ERROR, NEED_MORE_DATA, FAIL]
    assert own.take(Answer(error="down"), None).verdict == FAIL


def test_a_control_without_a_number_is_no_comparison() -> None:
    """It waits."""
    own = metric(maxIncrease="0.1", failureLimit=1)
    assert own.take(Answer(5), Answer()).verdict == NEED_MORE_DATA
    assert own.take(Answer(5), Answer(error="down")).verdict == SOURCE_ERROR


def test_figures_for_people() -> None:
    """Value, the stable's value, the difference, and how many of how many in a row."""
    result = metric(max="1", maxIncrease="5").take(Answer(3), Answer(2))
    assert (result.tested.share, result.control.share, result.difference) == (3, 2, 1)
    assert (result.fail_evidence, result.fail_threshold) == (1, 2)
    assert result.message == "3 is above 1; 1 of 2 times in a row"


@pytest.mark.parametrize(
    ("samples", "answer"),
    [
        (values(0.5), Answer(0.5)),
        (values(float("nan")), Answer()),
        (values(float("inf")), Answer()),
        (values(), Answer(error="the query gives no series")),
    ],
)
def test_what_an_answer_is(samples: list[Sample], answer: Answer) -> None:
    """0/0 before there was traffic is no number yet; no series at all is an error."""
    assert answer_of(samples) == answer


def test_more_than_one_series_is_an_error() -> None:
    """Which of them would count?"""
    assert "more than one series" in answer_of(values(1, 2)).error


def test_dry_run_is_carried_on() -> None:
    """Judged and shown, never acted upon."""
    assert metric(max="1", dryRun=True, failureLimit=1).take(Answer(2), None).dry_run
