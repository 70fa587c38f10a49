"""What the operator's own metrics say about rollouts at the moment of a scrape."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pintle.controller import gauges
from pintle.controller.gauges import Gauges
from pintle.controller.store import Store
from pintle.controller.watching.watch import Watch
from pintle.core.judgement.findings import Finding, Findings, Labelled
from pintle.core.judgement.verdict import FAIL, Arm, Judgement, ScoreShift, TestResult
from pintle.core.plan import Key
from pintle.ports.kinds import MODEL_DEPLOYMENT
from prometheus_client import CollectorRegistry, generate_latest

from tests.unit.controller.fakes import obj, stored

KEY = Key("ModelDeployment", "team", "web")


class Known(Watch):
    """A watch that knows what the test gives."""

    def __init__(self, judgements: dict[Key, Judgement], findings: dict[Key, Findings]) -> None:
        super().__init__()
        self._known = (judgements, findings)

    def judgements(self) -> dict[Key, Judgement]:
        return self._known[0]

    def findings(self) -> dict[Key, Findings]:
        return self._known[1]


def lines(
    store: Store, judgements: dict[Key, Judgement] | None = None, findings: dict[Key, Findings] | None = None
) -> set[str]:
    registry = CollectorRegistry()
    registry.register(Gauges(store, Known(judgements or {}, findings or {})))
    return {line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")}


def test_weights_are_those_of_the_status() -> None:
    """Every revision in the route has its share; a deployment that serves nothing yet has no series."""
    store = Store()
    status = {
        "stable": {"revision": "aaaaaaaa", "version": 1, "weight": 95},
        "canary": {"revision": "bbbbbbbb", "version": 2, "weight": 5},
    }
    store.put(stored(obj(MODEL_DEPLOYMENT, "web", spec={}, status=status), 1))
    store.put(stored(obj(MODEL_DEPLOYMENT, "new", spec={}), 2))
    assert lines(store) == {
        'pintle_traffic_weight_ratio{deployment="web",namespace="team",revision="aaaaaaaa",version="1"} 0.95',
        'pintle_traffic_weight_ratio{deployment="web",namespace="team",revision="bbbbbbbb",version="2"} 0.05',
    }


def test_a_judgement_is_shown_per_test_and_ends_with_its_trial() -> None:
    """Difference where there is one, evidence for both verdicts."""
    errors = TestResult("errors", FAIL, Arm(40, 10), Arm(400, 4), 0.24, 6.5, 5.3, 0.0, 3.0)
    slow = TestResult("slow", "NeedMoreData", Arm(), Arm(), None, 0.0, 5.3, 0.0, 3.0)
    judgement = Judgement("bbbbbbbb", "aaaaaaaa", 0.0, 60.0, (errors, slow), 40)
    found = lines(Store(), {KEY: judgement})
    head = 'deployment="web",namespace="team",revision="bbbbbbbb"'
    assert f'pintle_canary_difference_ratio{{{head},test="errors"}} 0.24' in found
    assert f'pintle_canary_evidence_nats{{{head},test="errors",verdict="Fail"}} 6.5' in found
    assert not [line for line in found if "difference" in line and "slow" in line]
    assert lines(Store()) == set()


def test_scores_beside_the_stables_are_shown() -> None:
    """PSI and its lower end, by canary; nothing where there are no rows of both, or no levels."""
    shift = ScoreShift(FAIL, 500, 4500, psi=0.22, low=0.17, threshold=0.1)
    judgement = Judgement("bbbbbbbb", "aaaaaaaa", 0.0, 60.0, (), 40, shift=shift)
    head = 'deployment="web",namespace="team",revision="bbbbbbbb"'
    assert lines(Store(), {KEY: judgement}) == {
        f"pintle_canary_score_psi{{{head}}} 0.22",
        f"pintle_canary_score_psi_low{{{head}}} 0.17",
    }
    early = replace(judgement, shift=ScoreShift("NeedMoreData", 0, 0, psi=0.0, low=float("-inf"), threshold=0.1))
    assert lines(Store(), {KEY: early}) == set()


def test_what_labels_say_is_shown_by_metric_and_window() -> None:
    """With the accuracy that was estimated without them."""
    said = Labelled(5000, figures={("recall", "604800s offset 86400s"): 0.6})
    found = lines(Store(), None, {KEY: Findings("aaaaaaaa", 0.0, labelled=said, estimated_accuracy=0.8)})
    head = 'pintle_accuracy{deployment="web",metric="%s",namespace="team",revision="aaaaaaaa",window="%s"} %s'
    assert found == {head % ("recall", "604800s offset 86400s", 0.6), head % ("estimated", "", 0.8)}


def finding(feature: str, bin: str = "") -> Finding:
    return Finding(feature, 3600, 100.0, 0.3, 0.2, 0.1, FAIL, bin)


def test_drift_is_shown_per_feature_and_for_the_predictions() -> None:
    """Shares of unseen or missing values are no PSI and are left out."""
    findings = Findings("aaaaaaaa", 0.0, (finding("temp"), finding("carrier", "unseen")), score=finding("score"))
    found = lines(Store(), None, {KEY: findings})
    head = 'deployment="web",feature="%s",namespace="team",revision="aaaaaaaa",window="3600s"'
    assert found == {
        f"{name}{{{head % feature}}} {value}"
        for feature in ("temp", "score")
        for name, value in (("pintle_drift_psi", 0.3), ("pintle_drift_psi_low", 0.2))
    }


def test_of_very_many_features_the_strongest_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """They come first."""
    monkeypatch.setattr(gauges, "MANY_FEATURES", 4)
    findings = Findings("aaaaaaaa", 0.0, tuple(finding(name) for name in "abcde"))
    found = lines(Store(), None, {KEY: findings})
    assert {line.split('feature="')[1][0] for line in found} == {"a", "b", "c"}
