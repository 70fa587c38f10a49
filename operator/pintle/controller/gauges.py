"""What is so at the moment of a scrape: weights of the traffic, and the judgements. Made anew at every scrape.

Series of what is gone end by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pintle.controller.store import Store
from pintle.core.judgement.verdict import FAIL, PASS, Judgement
from pintle.core.plan import Key
from pintle.ports.kinds import MODEL_DEPLOYMENT

_PLACES = ("stable", "canary", "previous")
"""Revisions in the status of a ModelDeployment that may have traffic."""
_OF_A_TEST = ("namespace", "deployment", "revision", "test")


class Gauges(Collector):
    """Collects from the store and from the watch's newest judgements."""

    def __init__(self, store: Store, judgements: Callable[[], Mapping[Key, Judgement]]) -> None:
        self._store = store
        self._judgements = judgements

    def describe(self) -> Iterable[Metric]:
        return (_weights(), _differences(), _evidence())

    def collect(self) -> Iterable[Metric]:
        weights = _weights()
        for parent in self._store.all(MODEL_DEPLOYMENT):
            metadata, status = parent["metadata"], parent.get("status") or {}
            for place in _PLACES:
                revision = status.get(place)
                if revision:
                    labels = (metadata["namespace"], metadata["name"], revision["revision"], str(revision["version"]))
                    weights.add_metric(labels, revision.get("weight", 0) / 100)
        differences, evidence = _differences(), _evidence()
        for key, judgement in self._judgements().items():
            for test in judgement.tests:
                labels = (key.namespace, key.name, judgement.tested, test.name)
                if test.difference is not None:
                    differences.add_metric(labels, test.difference)
                evidence.add_metric((*labels, FAIL), test.fail_evidence)
                evidence.add_metric((*labels, PASS), test.pass_evidence)
        return weights, differences, evidence


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
