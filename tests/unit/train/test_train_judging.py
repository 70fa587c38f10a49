"""Metrics, the block bootstrap and gates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pintle.contract.manifest import BINARY, MULTICLASS, REGRESSION
from pintle.train.bootstrap import blocks_of, interval, resample
from pintle.train.gates import Evidence, judge, overall
from pintle.train.metrics import METRICS, all_metrics
from pintle.train.outcome import Refusal
from pintle.train.truth import Floats, Truth
from sklearn import metrics as sk


def binary(rows: int = 2000, seed: int = 0) -> tuple[Truth, Floats]:
    """A truth, and probabilities that know something about it; rounded, so that there are ties."""
    rng = np.random.default_rng(seed)
    chance = rng.random(rows)
    truth = (rng.random(rows) < chance).astype(np.int64)
    chance = np.round(chance, 2)
    return Truth(BINARY, (0, 1), truth), np.stack([1 - chance, chance], axis=1)


def test_metrics_of_two_classes_are_those_of_scikit_learn() -> None:
    """AUC with ties, Brier score and accuracy agree with scikit-learn."""
    truth, prediction = binary()
    found = all_metrics(truth, prediction)
    assert found["auc"] == pytest.approx(sk.roc_auc_score(truth.values, prediction[:, 1]))
    assert found["brier"] == pytest.approx(sk.brier_score_loss(truth.values, prediction[:, 1]))
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(truth.values, prediction[:, 1] >= 0.5))


def test_metrics_of_a_regression_are_those_of_scikit_learn() -> None:
    """RMSE, mean absolute error and r2 agree with scikit-learn, far from zero too."""
    rng = np.random.default_rng(0)
    values = 1e6 + rng.normal(size=500)
    prediction = values + rng.normal(size=500) / 2
    found = all_metrics(Truth(REGRESSION, (), values), prediction)
    assert found["rmse"] == pytest.approx(sk.root_mean_squared_error(values, prediction))
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(values, prediction))
    assert found["r2"] == pytest.approx(sk.r2_score(values, prediction))


def test_one_sure_mistake_does_not_cost_everything() -> None:
    """The log loss of a probability of 0 for the true class is bounded."""
    truth = Truth(MULTICLASS, ("a", "b", "c"), np.array([0, 1]))
    found = all_metrics(truth, np.array([[0.0, 0.5, 0.5], [0.0, 1.0, 0.0]]))
    assert found["logLoss"] == pytest.approx((-np.log(1e-4) - np.log(1 - 1e-4)) / 2)


@pytest.mark.parametrize("name", ["auc", "brier", "logLoss", "accuracy"])
def test_resampling_equals_repeating_rows(name: str) -> None:
    """A resample by block counts is the metric over rows repeated that often."""
    truth, prediction = binary(300)
    block = np.arange(300) % 10
    counts = resample(10, seed=1, resamples=3)
    found = METRICS[name].estimate(truth, prediction, block, counts)
    for value, times in zip(found, counts, strict=True):
        rows = np.repeat(np.arange(300), times[block].astype(int))
        assert value == pytest.approx(METRICS[name].value(truth.rows(rows), prediction[rows]))


def test_intervals_hold_what_they_promise() -> None:
    """Over 300 data sets with 20 dependent days each, the 95 % interval of a mean holds the true one in 92 to 99 %."""
    rng = np.random.default_rng(0)
    held = 0
    block = np.repeat(np.arange(20), 30)
    for number in range(300):
        values = rng.normal(size=20)[block] + rng.normal(size=600)
        truth = Truth(REGRESSION, (), np.zeros(600))
        counts = resample(20, seed=number, resamples=400)
        metric = METRICS["mae"]
        shifted = np.abs(values + 100)  # an absolute error whose mean is 100
        found = interval(metric.value(truth, shifted), metric.estimate(truth, shifted, block, counts), 20)
        held += found.low <= 100 <= found.high
    assert 0.92 <= held / 300 <= 0.99


def test_rows_as_blocks_would_be_too_sure() -> None:
    """With rows that depend on their day, an interval by row is several times narrower than the one by day."""
    rng = np.random.default_rng(0)
    values = np.abs(rng.normal(size=30)[np.repeat(np.arange(30), 100)] + 100 + rng.normal(size=3000))
    truth = Truth(REGRESSION, (), np.zeros(3000))
    widths = []
    for block in (np.arange(3000), np.repeat(np.arange(30), 100)):
        counts = resample(int(block.max()) + 1, seed=0, resamples=300)
        found = interval(100.0, METRICS["mae"].estimate(truth, values, block, counts), counts.shape[1])
        widths.append(found.high - found.low)
    assert widths[1] > 4 * widths[0]


def test_weeks_begin_on_monday() -> None:
    """Sunday and the Monday after it are in different weeks; Monday to Sunday are one."""
    days = pd.Series(pd.date_range("2026-01-04", periods=9, freq="D", tz="UTC"))  # a Sunday first
    assert blocks_of(days, 9, "Week").tolist() == [0, 1, 1, 1, 1, 1, 1, 1, 2]


def evidence(rows: int = 2000, days: int = 20, better: float = 0.0, seed: int = 0) -> Evidence:
    """A candidate that is the baseline's probability, moved towards the truth by the share `better`."""
    truth, base = binary(rows, seed)
    hot = np.eye(2)[truth.values]
    times = pd.Series(pd.Timestamp("2013-01-01", tz="UTC") + pd.to_timedelta(np.arange(rows) * days / rows, unit="D"))
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 0.02, rows)
    candidate = np.clip(base + better * (hot - base) + np.stack([-noise, noise], axis=1), 0, 1)
    frame = pd.DataFrame({"place": rng.choice(["big", "huge", "tiny"], rows, p=[0.5, 0.49, 0.01])})
    return Evidence(truth, candidate, {"linear": base}, frame, times, seed)


@pytest.mark.parametrize(
    ("gate", "better", "verdict"),
    [
        ({"metric": "auc", "min": "0.6"}, 0.0, "Pass"),
        ({"metric": "auc", "min": "0.99"}, 0.0, "Fail"),
        ({"metric": "brier", "max": "0.5"}, 0.0, "Pass"),
        ({"metric": "brier", "max": "0.01"}, 0.0, "Fail"),
        ({"metric": "brier", "comparedTo": "Baseline"}, 0.3, "Pass"),
        ({"metric": "brier", "comparedTo": "Baseline"}, 0.0, "NeedMoreData"),
        ({"metric": "brier", "comparedTo": "Baseline"}, -0.05, "Fail"),
        ({"metric": "brier", "comparedTo": "Baseline", "minImprovement": "0.083"}, 0.3, "NeedMoreData"),
        ({"metric": "brier", "comparedTo": "Baseline", "minImprovement": "0.2"}, 0.3, "Fail"),
        ({"metric": "brier", "comparedTo": "Baseline", "require": "NotWorse", "margin": "0.01"}, 0.0, "Pass"),
        (
            {"metric": "brier", "comparedTo": "Baseline", "require": "NotWorse", "margin": "0.0167"},
            -0.05,
            "NeedMoreData",
        ),
        ({"metric": "brier", "comparedTo": "Baseline", "require": "NotWorse", "margin": "0.01"}, -0.3, "Fail"),
        ({"metric": "auc", "comparedTo": "Baseline"}, 0.3, "Pass"),
        ({"metric": "auc", "comparedTo": "Baseline", "min": "0.999"}, 0.1, "Fail"),
        ({"metric": "auc", "min": "0.6", "blockBy": "Week"}, 0.0, "NeedMoreData"),
    ],
)
def test_gates_have_verdicts(gate: dict[str, Any], better: float, verdict: str) -> None:
    """min and max bound the value. An improvement passes above its bound and fails below it with its whole interval."""
    assert judge(gate, evidence(better=better))["verdict"] == verdict


def test_what_is_not_shown_says_so() -> None:
    """With the bound inside the interval the gate is open, and its words say that it is not shown yet."""
    found = judge({"metric": "brier", "comparedTo": "Baseline"}, evidence())
    assert found["low"] < found["bound"] < found["high"]
    assert found["why"] == "is not shown yet to be good enough against linear"


def test_small_slices_say_nothing_by_themselves() -> None:
    """A value with too few rows is NeedMoreData, the gate is judged by the others."""
    found = judge({"metric": "brier", "comparedTo": "Baseline", "slice": "place"}, evidence(better=0.3))
    verdicts = {name: item["verdict"] for name, item in found["slices"].items()}
    assert verdicts == {"big": "Pass", "huge": "Pass", "tiny": "NeedMoreData"}
    assert found["verdict"] == "Pass"


def test_one_bad_slice_fails_the_gate() -> None:
    """A model that is worse for one value of the feature fails, however good it is on the whole."""
    made = evidence(better=0.3)
    bad = (made.frame["place"] == "huge").to_numpy()
    made.candidate[bad] = 1 - made.candidate[bad]
    found = judge({"metric": "brier", "comparedTo": "Baseline", "slice": "place"}, made)
    assert (found["slices"]["huge"]["verdict"], found["verdict"]) == ("Fail", "Fail")


def test_an_open_slice_keeps_the_gate_open() -> None:
    """A value with enough rows whose improvement is not shown is not outvoted by one that passes."""
    made = evidence(better=0.3)
    open_ = (made.frame["place"] == "huge").to_numpy()
    made.candidate[open_] = evidence().candidate[open_]
    found = judge({"metric": "brier", "comparedTo": "Baseline", "slice": "place"}, made)
    verdicts = {name: item["verdict"] for name, item in found["slices"].items()}
    assert (verdicts["big"], verdicts["huge"], found["verdict"]) == ("Pass", "NeedMoreData", "NeedMoreData")


def test_class_without_rows_needs_more_data() -> None:
    """Where hardly any row is positive nothing is proven."""
    made = evidence()
    made.truth.values[:] = 0
    made.truth.values[:5] = 1
    assert judge({"metric": "auc", "min": "0.1"}, made)["verdict"] == "NeedMoreData"


def test_better_of_the_baselines_counts() -> None:
    """A candidate is compared with the best baseline, not with the easiest."""
    made = evidence(better=0.3)
    made.baselines["majority"] = np.full_like(made.candidate, 0.5)  # type: ignore[index]
    assert "linear" in judge({"metric": "brier", "comparedTo": "Baseline"}, made)["why"]


@pytest.mark.parametrize(
    "gate",
    [{"metric": "rmse", "max": "1"}, {"metric": "nonsense", "min": "1"}, {"metric": "auc", "min": "0", "slice": "x"}],
)
def test_gates_that_cannot_be_judged_are_refused(gate: dict[str, Any]) -> None:
    """A metric of another task, an unknown one and an unknown slice are errors of the request."""
    with pytest.raises(Refusal) as refused:
        judge(gate, evidence())
    assert refused.value.code == 78


def test_overall_verdict_is_the_worst() -> None:
    """Fail before NeedMoreData before Pass; without gates a model passes."""
    assert overall(["Pass", "NeedMoreData", "Fail"]) == "Fail"
    assert overall(["Pass", "NeedMoreData"]) == "NeedMoreData"
    assert overall([]) == "Pass"
