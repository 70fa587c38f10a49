"""Restarts and lost readiness: few events, exact evidence."""

from __future__ import annotations

from math import exp, log

import numpy as np
import pytest
from pintle.core.judgement.facts import PodFacts
from pintle.core.judgement.restarts import (
    BETTER,
    WORSE,
    absolute_evidence,
    below_evidence,
    relative_evidence,
    restarts_result,
)
from pintle.core.judgement.settings import Settings
from pintle.core.judgement.verdict import FAIL, NEED_MORE_DATA, PASS

SETTINGS = Settings()


def test_relative_evidence_by_hand() -> None:
    """Two events, both of the tested, half of the pod-seconds: mean of (2 r / (1 + r))^2 over the ratios."""
    expected = np.mean([(2 * ratio / (1 + ratio)) ** 2 for ratio in WORSE])
    assert relative_evidence(2, 50, 0, 50) == pytest.approx(log(expected))


def test_absolute_evidence_by_hand() -> None:
    """Three events where 0.5 are tolerated: mean of r^3 exp(-(r - 1) / 2)."""
    expected = np.mean([ratio**3 * exp(-(ratio - 1) / 2) for ratio in WORSE])
    assert absolute_evidence(3, 50, 0.01) == pytest.approx(log(expected))


def test_below_evidence_by_hand() -> None:
    """No event where 6 would be one too many: mean of exp(6 (1 - part))."""
    assert below_evidence(0, 600, 0.01) == pytest.approx(log(np.mean([exp(6 * (1 - part)) for part in BETTER])))
    assert below_evidence(1, 600, 0.01) == pytest.approx(
        log(np.mean([0, 0.25 * exp(6 * 0.75), 0.5 * exp(6 * 0.5)])), rel=1e-6
    )


def result(facts: PodFacts, control: bool = True) -> str:
    return restarts_result(facts, control, SETTINGS).verdict


def test_a_canary_that_is_killed_again_and_again_fails() -> None:
    """Four kills in three minutes, the stable without any: a single pod beside a single pod."""
    facts = PodFacts(tested_restarts=4, tested_unready=4, tested_pod_seconds=180, control_pod_seconds=180)
    assert result(facts) == FAIL


def test_alpha_is_halved_between_the_two_ways_to_fail() -> None:
    """Beside the control, and beside what is tolerated: each has half of the test's part."""
    assert restarts_result(PodFacts(), True, SETTINGS).fail_threshold == SETTINGS.fail_threshold("restarts") + log(2)


def test_a_kill_is_one_event() -> None:
    """A container that ends also loses its readiness."""
    facts = PodFacts(tested_restarts=3, tested_unready=2)
    assert (facts.tested_events, facts.control_events) == (3, 0)


@pytest.mark.parametrize("events", [1, 2])
def test_one_node_failure_is_no_verdict(events: int) -> None:
    """Both canary pods lost with their node say nothing about the revision."""
    facts = PodFacts(tested_unready=events, tested_pod_seconds=600, control_pod_seconds=900)
    assert result(facts) != FAIL


def test_restarts_that_befall_both_fail_nobody() -> None:
    """Six kills per pod on both sides: the cluster's trouble."""
    facts = PodFacts(tested_restarts=6, control_restarts=18, tested_pod_seconds=300, control_pod_seconds=900)
    assert result(facts) != FAIL


def test_a_quiet_canary_passes() -> None:
    """Five pod-minutes without an event: not one restart a minute more than the stable."""
    assert result(PodFacts(tested_pod_seconds=300, control_pod_seconds=900)) == PASS
    assert result(PodFacts(tested_pod_seconds=60, control_pod_seconds=900)) == NEED_MORE_DATA
    assert result(PodFacts()) == NEED_MORE_DATA


def test_without_control_a_crash_loop_is_gross() -> None:
    """Nothing to compare with: five kills in five minutes still act."""
    assert result(PodFacts(tested_restarts=5, tested_pod_seconds=300), control=False) == FAIL


@pytest.mark.slow
def test_false_rollbacks_stay_below_alpha() -> None:
    """2,000 rollouts of pods that restart alike (a tenth of what is tolerated), looked at after every event."""
    rng = np.random.default_rng(4)
    failed = 0
    for _ in range(2000):
        time, counts = 0.0, [0, 0]
        while True:
            time += rng.exponential(1 / (4 * SETTINGS.restarts.tolerated / 10))
            if time > 86_400:
                break
            counts[int(rng.random() < 0.75)] += 1
            facts = PodFacts(
                tested_restarts=counts[0],
                control_restarts=counts[1],
                tested_pod_seconds=time,
                control_pod_seconds=3 * time,
            )
            if result(facts) == FAIL:
                failed += 1
                break
    assert failed <= 2000 * SETTINGS.alpha / 8 + 3
