"""From samples of Prometheus to references and counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from pintle.contract.profile import reference_ratios
from pintle.core.judgement.samples import Sample
from pintle.core.watching.counts import bin_counts, label_counts
from pintle.core.watching.reference import Identity, references

STAGING, PRODUCTION = Identity("staging", "delays", "ab12cd34"), Identity("production", "delays", "ab12cd34")


def sample(of: Identity, value: float, labels: Mapping[str, str]) -> Sample:
    identity = {"namespace": of.namespace, "deployment": of.deployment, "revision": of.revision}
    return Sample({**identity, "profile": "p1", **labels}, value, 0.0)


def gauge(of: Identity, name: str, value: float, **labels: str) -> Sample:
    return sample(of, value, {"__name__": name, **labels})


def test_reference_counts_come_back_exactly() -> None:
    """Exported are smoothed shares and the number of rows; bins that were empty in training are 0 again."""
    counts = (123, 0, 877)
    samples = [
        gauge(STAGING, "model_feature_reference_ratio", ratio, feature="x", bin=name)
        for name, ratio in zip(("00", "01", "missing"), reference_ratios(counts), strict=True)
    ]
    samples += [
        gauge(STAGING, "model_feature_reference_samples", 1000, feature="x"),
        gauge(STAGING, "model_feature_drift_floor", 0.25, feature="x", window="1d"),
        gauge(STAGING, "model_score_bin_accuracy_ratio", 0.9, output="probability", bin="00"),
    ]
    reference = references(samples)[STAGING]
    assert reference.features["x"].counts == {"00": 123.0, "01": 0.0, "missing": 877.0}
    assert reference.features["x"].floors == {"1d": 0.25}
    assert (reference.profile, reference.accuracy, reference.score) == ("p1", {"00": 0.9}, None)


def test_a_feature_called_score_is_not_the_score() -> None:
    """Predictions have the label output, features the label feature; both may be called score."""
    samples = [
        gauge(STAGING, "model_feature_reference_ratio", 1.0, feature="score", bin="00"),
        gauge(STAGING, "model_feature_reference_samples", 10, feature="score"),
        gauge(STAGING, "model_prediction_reference_ratio", 1.0, output="score", bin="07"),
        gauge(STAGING, "model_prediction_reference_samples", 10, output="score"),
    ]
    reference = references(samples)[STAGING]
    assert set(reference.features["score"].counts) == {"00"}
    assert reference.score is not None
    assert set(reference.score.counts) == {"07"}
    counts = bin_counts(
        [sample(STAGING, 3, {"feature": "score", "bin": "00"}), sample(STAGING, 5, {"output": "score", "bin": "07"})],
        {STAGING: "p1"},
    )[STAGING]
    assert (counts.features, counts.score) == ({"score": {"00": 3.0}}, {"07": 5.0})


def test_two_namespaces_are_never_added_up() -> None:
    """The same deployment and revision in staging and production are two."""
    samples = [sample(of, rows, {"feature": "x", "bin": "00"}) for of, rows in ((STAGING, 3.0), (PRODUCTION, 700.0))]
    found = bin_counts(samples, {STAGING: "p1", PRODUCTION: "p1"})
    assert (found[STAGING].features, found[PRODUCTION].features) == ({"x": {"00": 3.0}}, {"x": {"00": 700.0}})


def test_bins_of_another_profile_are_not_these_bins() -> None:
    """Unlike edges have like names: they are left out, not added."""
    samples = [sample(STAGING, 3, {"feature": "x", "bin": "00"})]
    samples.append(sample(STAGING, 50, {"feature": "x", "bin": "00", "profile": "p2"}))
    assert bin_counts(samples, {STAGING: "p1"})[STAGING].features == {"x": {"00": 3.0}}
    assert bin_counts(samples, {}) == {}


def test_limits_of_the_score_and_the_scale_of_losses_are_part_of_the_reference() -> None:
    """By bin; the last bin has no end. The scale has no profile, and takes none away."""
    samples = [
        gauge(STAGING, "model_prediction_reference_ratio", 0.5, output="probability", bin="00"),
        gauge(STAGING, "model_prediction_reference_ratio", 0.5, output="probability", bin="01"),
        gauge(STAGING, "model_prediction_reference_samples", 100, output="probability"),
        gauge(STAGING, "model_prediction_bin_limit", 0.25, output="probability", bin="00"),
        gauge(STAGING, "model_feedback_loss_scale", 8, profile=""),
    ]
    found = references(samples)[STAGING]
    assert (found.limits, found.loss_scale, found.profile) == ({"00": 0.25}, 8, "p1")


def test_labels_of_a_revision_that_is_gone_are_its_own() -> None:
    """They go on to come, at any replica, and are in no figure of the one that serves now."""
    gone = replace(STAGING, revision="00000000")
    samples = [sample(of, rows, {"counted": "count"}) for of, rows in ((STAGING, 3.0), (gone, 700.0))]
    found = label_counts(samples)
    assert (found[STAGING].loss_count, found[gone].loss_count) == (3.0, 700.0)


def test_labels_are_sorted_by_what_they_count() -> None:
    """Loss, truths by score bin, and predictions by score bin come in one answer."""
    samples = [
        sample(STAGING, 12.5, {"counted": "sum"}),
        sample(STAGING, 4.0, {"counted": "squares"}),
        sample(STAGING, 100.0, {"counted": "count"}),
        sample(STAGING, 60.0, {"counted": "truth", "truth": "negative", "score_bin": "00"}),
        sample(STAGING, 40.0, {"counted": "truth", "truth": "positive", "score_bin": "00"}),
        sample(STAGING, 250.0, {"counted": "score", "bin": "00"}),
    ]
    found = label_counts(samples)[STAGING]
    assert (found.loss_sum, found.loss_squares, found.loss_count) == (12.5, 4.0, 100.0)
    assert found.labelled == {"00": pytest.approx(100)}
    assert found.predicted == {"00": 250.0}
