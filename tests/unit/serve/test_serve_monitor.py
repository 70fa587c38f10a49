"""Counting into bins."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pintle.contract.manifest import Feature
from pintle.contract.profile import FeatureProfile, OutputProfile, Profile, bin_of, number_bins, string_bins
from pintle.serve.artifact import open_artifact
from pintle.serve.metrics import Metrics
from pintle.serve.models import Batch, Inputs, Prediction
from pintle.serve.monitor import SLICE_ROWS, Monitor
from pintle.serve.settings import Identity

from tests.unit.serve.process import samples, value

IDENTITY = Identity("late", "0a1b2c3d", "delays", "3")
EDGES = (-1.5, 0.1, 0.3, 0.7, 1e30)
NUMBER = FeatureProfile("x", "Number", number_bins(EDGES), (1,) * 8, EDGES)
TEXT = FeatureProfile("c", "String", string_bins(("a", "missing")), (5, 1, 1, 0, 2), (), ("a", "missing"), ("r",))
SCORE = OutputProfile("score", (0.5,), number_bins((0.5,)), (4, 4, 0, 0), (0.9, 0.8), {"1d": 0.125})
PROFILE = Profile("0badcafe", (TEXT, NUMBER), (SCORE,))
INPUTS = Inputs((Feature("x"), Feature("c", "String")))
numbers = st.one_of(st.floats(width=64), st.sampled_from([*EDGES, math.nan, math.inf, -math.inf, 0.0]))
texts = st.sampled_from(["a", "missing", "r", "new", ""])


def monitor(max_rows: int = 1_000) -> tuple[Monitor, Metrics]:
    metrics = Metrics(IDENTITY)
    return Monitor(PROFILE, INPUTS, metrics, max_rows), metrics


@given(st.lists(st.tuples(numbers, texts, numbers), min_size=1, max_size=30))
@settings(max_examples=200, deadline=None)
async def test_arrays_count_as_the_contract_defines(rows: list[tuple[float, str, float]]) -> None:
    """Every value lands in the bin that `bin_of` names, whatever it is."""
    watched, metrics = monitor()
    with np.errstate(over="ignore"):
        batch = Batch(np.array([[x] for x, _, _ in rows], dtype=np.float32), [[c for _, c, _ in rows]])
        score = np.array([s for _, _, s in rows], dtype=np.float32)
    watched.add(batch, Prediction(score))
    watched.flush()
    expected = np.zeros(len(TEXT.bins) + len(NUMBER.bins) + len(SCORE.bins), dtype=np.int64)
    for (_, c, _), x, s in zip(rows, batch.numbers[:, 0].tolist(), score.tolist(), strict=True):
        expected[bin_of(TEXT, c)] += 1
        expected[len(TEXT.bins) + bin_of(NUMBER, x)] += 1
        expected[len(TEXT.bins) + len(NUMBER.bins) + bin_of(SCORE, s)] += 1
    np.testing.assert_array_equal(metrics.bins, expected)


def test_all_series_exist_before_the_first_row() -> None:
    """A bin that appears with its first hit would lose it: all are 0 from the start, references included."""
    found = samples(monitor()[1].render().decode())
    labels = {"profile": "0badcafe", "feature": "c"}
    assert value(found, "model_feature_bin_total", bin="=missing", **labels) == 0
    assert len(found["model_feature_bin_total"]) == len(TEXT.bins) + len(NUMBER.bins)
    assert set(found["model_feature_bin_total"]) == set(found["model_feature_reference_ratio"])
    assert value(found, "model_feature_reference_ratio", bin="a", **labels) == 5.5 / 11.5
    assert value(found, "model_feature_reference_samples", **labels) == 9
    score = {"profile": "0badcafe", "output": "score"}
    assert len(found["model_prediction_reference_ratio"]) == len(found["model_prediction_bin_total"])
    assert value(found, "model_prediction_reference_samples", **score) == sum(SCORE.counts)
    assert value(found, "model_prediction_drift_floor", window="1d", **score) == 0.125
    assert value(found, "model_prediction_bin_limit", bin="00", **score) == 0.5
    assert len(found["model_prediction_bin_limit"]) == 1
    assert value(found, "model_score_bin_accuracy_ratio", profile="0badcafe", output="score", bin="00") == 0.9
    assert len(found["model_requests_total"]) == 8
    assert set(found["model_requests_total"].values()) == {0}


async def test_probabilities_are_counted_by_levels_that_all_versions_share() -> None:
    """Two versions have quantiles of their own, and the same levels; a score that is no probability has none."""
    found = []
    for edge in (0.2, 0.7):
        output = OutputProfile("probability", (edge,), number_bins((edge,)), (4, 4, 0, 0))
        metrics = Metrics(IDENTITY)
        watched = Monitor(Profile("p", (NUMBER,), (output,)), Inputs((Feature("x"),)), metrics, 10)
        scores = np.array([0.0, 0.35, 0.9995], dtype=np.float32)
        watched.add(Batch(np.zeros((3, 1), dtype=np.float32), []), Prediction(scores))
        watched.flush()
        assert metrics.bins.sum() == 9
        found.append(samples(metrics.render().decode())["model_score_level_total"])
    assert found[0] == found[1]
    assert len(found[0]) == 20
    assert [dict(labels)["level"] for labels, rows in found[0].items() if rows] == ["00", "07", "17"]
    assert "model_score_level_total" not in samples(monitor()[1].render().decode())


async def test_rows_beyond_the_queue_are_counted_as_dropped() -> None:
    """Nothing is lost silently: what cannot wait to be counted is in model_monitor_dropped_rows_total."""
    watched, metrics = monitor(max_rows=3)
    batch = Batch(np.zeros((2, 1), dtype=np.float32), [["a", "a"]])
    for _ in range(2):
        watched.add(batch, Prediction(np.zeros(2, dtype=np.float32)))
    watched.flush()
    found = samples(metrics.render().decode())
    assert value(found, "model_monitor_dropped_rows_total", reason="queue_full") == 2
    assert value(found, "model_feature_bin_total", profile="0badcafe", feature="c", bin="a") == 2


async def test_a_fault_in_counting_is_counted_and_stops_nothing() -> None:
    """Rows that cannot be counted are dropped by name, and the next ones are counted."""
    watched, metrics = monitor()
    score = Prediction(np.zeros(1, dtype=np.float32))
    watched.add(Batch(np.zeros((1, 1), dtype=np.float32), []), score)
    watched.flush()
    watched.add(Batch(np.zeros((1, 1), dtype=np.float32), [["r"]]), score)
    watched.flush()
    found = samples(metrics.render().decode())
    assert value(found, "model_monitor_dropped_rows_total", reason="error") == 1
    assert value(found, "model_feature_bin_total", profile="0badcafe", feature="c", bin="rare") == 1
    assert value(found, "model_prediction_bin_total", profile="0badcafe", output="score", bin="00") == 1


def test_label_values_are_escaped() -> None:
    """A category with quotes, a backslash or a line break leaves the exposition readable."""
    names = ('say "hi"', "back\\slash", "two\nlines")
    feature = FeatureProfile("c", "String", string_bins(names), (1,) * 6, (), names)
    metrics = Metrics(IDENTITY)
    Monitor(Profile("p", (feature,), ()), INPUTS, metrics, 10)
    found = samples(metrics.render().decode())
    assert {dict(labels)["bin"] for labels in found["model_feature_bin_total"]} == {*names, "rare", "unseen", "missing"}


def test_a_duration_on_a_limit_belongs_to_its_bucket() -> None:
    """`le` means less or equal, and the buckets are cumulative."""
    metrics = Metrics(IDENTITY)
    for seconds in (0.0005, 0.0006, 100.0):
        metrics.request("ok", "default", seconds)
    found = samples(metrics.render().decode())
    buckets = {dict(labels)["le"]: count for labels, count in found["model_request_duration_seconds_bucket"].items()}
    assert (buckets["0.0005"], buckets["0.001"], buckets["10"], buckets["+Inf"]) == (1, 2, 2, 3)
    assert value(found, "model_request_duration_seconds_count") == 3


def test_the_profile_of_an_artifact_has_its_training_rows(classifier: Path) -> None:
    """Counting the training rows gives the reference counts again: both sides bin alike."""
    from tests.unit.serve.artifacts import flight_rows

    artifact = open_artifact(classifier)
    assert artifact.profile is not None
    frame = flight_rows(600)
    metrics = Metrics(IDENTITY)
    inputs = Inputs(artifact.manifest.features)
    watched = Monitor(artifact.profile, inputs, metrics, 1_000)
    batch = Batch(frame[["hour", "wind", "gusts"]].to_numpy(dtype=np.float32), [frame["carrier"].tolist()])
    watched._count([batch], [np.zeros(600, dtype=np.float32)])
    expected = [count for feature in artifact.profile.features for count in feature.counts]
    assert metrics.bins[: len(expected)].tolist() == expected


async def test_a_scrape_counts_what_was_answered_before_it_and_lets_requests_in_between() -> None:
    """One slice a turn of the loop: of a request with many rows, too; what comes meanwhile may wait."""
    watched, metrics = monitor(max_rows=100_000)
    rows = 5 * SLICE_ROWS
    watched.add(Batch(np.zeros((rows, 1), dtype=np.float32), [["a"] * rows]), Prediction(np.zeros(rows, np.float32)))
    turns = 0
    scrape = asyncio.ensure_future(watched.catch_up())
    while not scrape.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 5
    found = samples(metrics.render().decode())
    assert value(found, "model_feature_bin_total", profile="0badcafe", feature="c", bin="a") == rows
