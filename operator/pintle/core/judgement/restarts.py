"""The test of restarts and lost readiness: exact for counts that are small, valid at every look.

A container that is killed exports no errors, so this has to be seen from outside. Events are few: the score test, made
for many rows, would wait for a dozen. Evidence is the logarithm of a mean of likelihood ratios over some ways to be
worse, which no healthy revision pushes above 1/alpha more often than alpha, however often one looks.
"""

from __future__ import annotations

from math import exp, inf, log

from pintle.core.judgement.facts import PodFacts
from pintle.core.judgement.settings import RESTARTS, Settings
from pintle.core.judgement.verdict import FAIL, NEED_MORE_DATA, PASS, Arm, TestResult

WORSE = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""So many times the rate of the control (or of what is tolerated) a bad revision may have."""
BETTER = (0.0, 0.25, 0.5)
"""Parts of the margin that a good revision may have."""
CLEARLY = 4.0
"""Without a control's own events to compare with, a rate counts only if it is so many times the control's."""


def log_mean_exp(values: list[float]) -> float:
    """log of the mean of exp, without overflow; -inf for nothing but -inf."""
    top = max(values)
    return top if top == -inf else top + log(sum(exp(value - top) for value in values) / len(values))


def relative_evidence(events: float, seconds: float, control_events: float, control_seconds: float) -> float:
    """Nats against "no more events per pod-second than the control": of all events, the tested's part is binomial.

    At a ratio r of the rates that part is p_r = r t / (r t + t0), and the likelihood ratio (p_r/p_1)^x (q_r/q_1)^x0.
    """
    if seconds <= 0 or control_seconds <= 0:
        return 0.0
    part = seconds / (seconds + control_seconds)
    terms = []
    for ratio in WORSE:
        p = ratio * seconds / (ratio * seconds + control_seconds)
        terms.append(events * log(p / part) + control_events * log((1 - p) / (1 - part)))
    return max(log_mean_exp(terms), 0.0)


def absolute_evidence(events: float, seconds: float, rate: float) -> float:
    """Nats against "at most `rate` events per pod-second": Poisson, at multiples of the rate."""
    if seconds <= 0:
        return 0.0
    terms = [events * log(ratio) - (ratio - 1) * rate * seconds for ratio in WORSE]
    return max(log_mean_exp(terms), 0.0)


def below_evidence(events: float, seconds: float, rate: float) -> float:
    """Nats against "at least `rate` events per pod-second"."""
    terms = [
        (events * log(part) if part else (0.0 if not events else -inf)) + (1 - part) * rate * seconds for part in BETTER
    ]
    return max(log_mean_exp(terms), 0.0)


def restarts_result(facts: PodFacts, has_control: bool, settings: Settings) -> TestResult:
    """Fails on events clearly more frequent than the control's, or than `tolerated` where the control has next to none.

    The second takes it that a healthy pod restarts less often than `tolerated`, unless something befalls both. Alpha is
    halved between the two.
    """
    tested = Arm(facts.tested_pod_seconds, facts.tested_events)
    control = Arm(facts.control_pod_seconds, facts.control_events)
    relative = relative_evidence(tested.bad, tested.rows, control.bad, control.rows) if has_control else 0.0
    beside = CLEARLY * (control.bad + 1) / control.rows if control.rows > 0 else 0.0
    alone = tested.share >= beside or not has_control
    absolute = absolute_evidence(tested.bad, tested.rows, settings.restarts.tolerated) if alone else 0.0
    threshold = settings.fail_threshold(RESTARTS) + log(2)
    evidence = max(relative, absolute)
    below = below_evidence(tested.bad, tested.rows, settings.restarts.margin)
    verdict = FAIL if evidence >= threshold else PASS if below >= settings.pass_threshold else NEED_MORE_DATA
    return TestResult(
        name=RESTARTS,
        verdict=verdict,
        tested=tested,
        control=control,
        difference=tested.share - control.share if tested.rows and control.rows else None,
        fail_evidence=evidence,
        fail_threshold=threshold,
        pass_evidence=below,
        pass_threshold=settings.pass_threshold,
        dry_run=RESTARTS in settings.dry_run,
        message=f"{tested.bad:g} in {tested.rows:.0f} pod-seconds; control {control.bad:g} in {control.rows:.0f}",
    )
