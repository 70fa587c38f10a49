"""Figures of the flights example: AUC, means and intervals by day."""

from __future__ import annotations

import math

import figures
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score


def test_auc_is_that_of_scikit_learn_ties_included() -> None:
    """On scores with many ties, weighted or not, the AUC equals scikit-learn's."""
    random = np.random.default_rng(1)
    truth, scores = random.random(500) < 0.3, random.integers(0, 12, 500) / 12
    weights = random.integers(0, 4, 500).astype(float)
    assert figures.auc(truth, scores) == pytest.approx(roc_auc_score(truth, scores))
    assert figures.auc(truth, scores, weights) == pytest.approx(roc_auc_score(truth, scores, sample_weight=weights))


def test_one_class_alone_has_no_auc() -> None:
    """Without late flights the AUC is unknown, not a half."""
    assert math.isnan(figures.auc([0, 0], [0.1, 0.9]))


def test_rows_of_one_day_are_not_independent() -> None:
    """Where whole days are alike, the interval by day is wider than the one by row, and holds the value."""
    random = np.random.default_rng(2)
    day = np.repeat(np.arange(30), 100)
    losses = random.normal(size=30)[day] + random.normal(scale=0.1, size=3000)
    by_day, by_row = figures.mean_by_day(losses, day), figures.mean_by_day(losses, np.arange(3000))
    assert by_day.value == pytest.approx(losses.mean()) == by_row.value
    assert by_day.error > 5 * by_row.error
    assert by_day.low < by_day.value < by_day.high


def test_the_interval_is_the_same_every_time() -> None:
    """A seed gives one interval: two people print the same figure."""
    truth, chances, day = [0, 1, 0, 1, 1, 0], [0.1, 0.8, 0.6, 0.5, 0.9, 0.3], [1, 1, 2, 2, 3, 3]
    assert figures.auc_by_day(truth, chances, day) == figures.auc_by_day(truth, chances, day)
    assert figures.squared_error([1], [0.25]).tolist() == [0.5625]
