"""What is so at the moment of a scrape: weights of the traffic, and the judgements. Made anew at every scrape.

Series of what is gone end by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pintle.controller.store import Store
from pintle.controller.watching.watch import Watch
from pintle.core.judgement.verdict import FAIL, PASS
from pintle.ports.kinds import MODEL_DEPLOYMENT

_PLACES = ("stable", "canary", "previous")
"""Revisions in the status of a ModelDeployment that may have traffic."""
MANY_FEATURES = 10_000
STRONGEST = 3
"""Of more features than MANY_FEATURES in all, so many of each deployment are shown: a scrape must not take long."""
_OF_A_TEST = ("namespace", "deployment", "revision", "test")


class Gauges(Collector):
    """Collects from the store and from what watching has found."""

    def __init__(self, store: Store, watch: Watch) -> None:
        self._store = store
        self._watch = watch

    def describe(self) -> Iterable[Metric]:
        return (_weights(), _differences(), _evidence(), *_shifts(), *_drift(), _accuracy())

    def collect(self) -> Iterable[Metric]:
        return (self._collect_weights(), *self._collect_judgements(), *self._collect_drift(), *self._collect_accuracy())

    def _collect_weights(self) -> Metric:
        weights = _weights()
        for parent in self._store.all(MODEL_DEPLOYMENT):
            metadata, status = parent["metadata"], parent.get("status") or {}
            for place in _PLACES:
                revision = status.get(place)
                if revision:
                    labels = (metadata["namespace"], metadata["name"], revision["revision"], str(revision["version"]))
                    weights.add_metric(labels, revision.get("weight", 0) / 100)
        return weights

    def _collect_judgements(self) -> Iterable[Metric]:
        differences, evidence = _differences(), _evidence()
        psi, low = _shifts()
        for key, judgement in self._watch.judgements().items():
            for test in judgement.tests:
                labels = (key.namespace, key.name, judgement.tested, test.name)
                if test.difference is not None:
                    differences.add_metric(labels, test.difference)
                evidence.add_metric((*labels, FAIL), test.fail_evidence)
                evidence.add_metric((*labels, PASS), test.pass_evidence)
            if judgement.shift is not None and isfinite(judgement.shift.low):
                psi.add_metric((key.namespace, key.name, judgement.tested), judgement.shift.psi)
                low.add_metric((key.namespace, key.name, judgement.tested), judgement.shift.low)
        return differences, evidence, psi, low

    def _collect_drift(self) -> Iterable[Metric]:
        psi, low = _drift()
        found = self._watch.findings()
        features = sum(len(findings.features) for findings in found.values())
        for key, findings in found.items():
            # The strongest come first.
            shown = findings.features if features <= MANY_FEATURES else findings.features[:STRONGEST]
            for finding in (*shown, findings.score):
                if finding is not None and not finding.bin:
                    place = (key.namespace, key.name, findings.revision, finding.feature, f"{finding.window_seconds}s")
                    psi.add_metric(place, finding.psi)
                    low.add_metric(place, finding.low)
        return psi, low

    def _collect_accuracy(self) -> Iterable[Metric]:
        accuracy = _accuracy()
        for key, findings in self._watch.findings().items():
            place = (key.namespace, key.name, findings.revision)
            for (metric, window), value in (findings.labelled.figures if findings.labelled else {}).items():
                accuracy.add_metric((*place, metric, window), value)
            if findings.estimated_accuracy is not None:
                accuracy.add_metric((*place, "estimated", ""), findings.estimated_accuracy)
        return (accuracy,)


def _weights() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "pintle_traffic_weight_ratio",
        "Share of the traffic that a revision gets.",
        labels=("namespace", "deployment", "revision", "version"),
    )


def _differences() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "pintle_canary_difference_ratio",
        "Tested revision's share of what is bad minus the control's, in a rollout or guard.",
        labels=_OF_A_TEST,
    )


def _evidence() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "pintle_canary_evidence_nats",
        "Evidence that the tested revision is worse (Fail), and that it is good enough (Pass).",
        labels=(*_OF_A_TEST, "verdict"),
    )


def _shifts() -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
    labels = ("namespace", "deployment", "revision")
    return (
        GaugeMetricFamily("pintle_canary_score_psi", "PSI of the canary's scores to the stable's.", labels=labels),
        GaugeMetricFamily("pintle_canary_score_psi_low", "Lower end of that PSI; it decides nothing.", labels=labels),
    )


def _drift() -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
    labels = ("namespace", "deployment", "revision", "feature", "window")
    return (
        GaugeMetricFamily("pintle_drift_psi", "PSI of a feature against the training data.", labels=labels),
        GaugeMetricFamily("pintle_drift_psi_low", "Lower end of that PSI, by which drift is judged.", labels=labels),
    )


def _accuracy() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "pintle_accuracy",
        "What labels say of the revision that serves, and the accuracy estimated without them.",
        labels=("namespace", "deployment", "revision", "metric", "window"),
    )
