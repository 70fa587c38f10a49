"""Tests of the user's own: a number per revision, against bounds or against the control, several times in a row."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pintle.api.rollout import Metric
from pintle.core.judgement.samples import Sample
from pintle.core.judgement.verdict import FAIL, NEED_MORE_DATA, PASS, SOURCE_ERROR, Arm, TestResult


@dataclass(frozen=True)
class Answer:
    """What the query gave for a revision: a number, or none yet (`value` None), or why it cannot be had."""

    value: float | None = None
    error: str = ""


def answer_of(samples: list[Sample]) -> Answer:
    """A query has to give one series. NaN and infinity are what a ratio gives without traffic: no number yet."""
    if not samples:
        return Answer(error="the query gives no series")
    if len(samples) > 1:
        return Answer(error="the query gives more than one series: sum or otherwise join them to one")
    value = samples[0].value
    return Answer(value if math.isfinite(value) else None)


def out_of_bounds(metric: Metric, value: float, control: float | None) -> str:
    """Which bound is broken, in words; empty where none is."""
    if metric.max is not None and value > float(metric.max):
        return f"{value:.6g} is above {metric.max}"
    if metric.min is not None and value < float(metric.min):
        return f"{value:.6g} is below {metric.min}"
    if metric.maxIncrease is not None and control is not None and value - control > float(metric.maxIncrease):
        return f"{value:.6g} is more than {metric.maxIncrease} above the control's {control:.6g}"
    return ""


@dataclass
class OwnMetric:
    """One such test in the course of a rollout. `failures` counts answers out of bounds without one within between."""

    metric: Metric
    failures: int = 0
    result: TestResult | None = None

    def __post_init__(self) -> None:
        self.result = self.result or self._result(NEED_MORE_DATA, Answer(), Answer(), "not asked yet")

    def take(self, tested: Answer, control: Answer | None) -> TestResult:
        """One answer more; `control` where `maxIncrease` asks for it.

        Without a number nothing is counted and nothing is forgotten: an outage neither fails a canary nor saves it.
        """
        other = control or Answer()
        error = tested.error or other.error
        if error:
            return self._keep(SOURCE_ERROR, tested, other, error)
        if tested.value is None or (self.metric.maxIncrease is not None and other.value is None):
            return self._keep(NEED_MORE_DATA, tested, other, "no number yet")
        broken = out_of_bounds(self.metric, tested.value, other.value)
        self.failures = self.failures + 1 if broken else 0
        if not broken:
            return self._keep(PASS, tested, other, f"{tested.value:.6g} is within bounds")
        limit = self.metric.failureLimit
        words = f"{broken}; {min(self.failures, limit)} of {limit} times in a row"
        return self._keep(FAIL if self.failures >= limit else NEED_MORE_DATA, tested, other, words)

    def refuse(self, error: str) -> TestResult:
        """The query itself is wrong."""
        return self._keep(SOURCE_ERROR, Answer(), Answer(), error)

    def _keep(self, verdict: str, tested: Answer, control: Answer, message: str) -> TestResult:
        # What has failed stays failed until an answer is within bounds again.
        if verdict in (SOURCE_ERROR, NEED_MORE_DATA) and self.failures >= self.metric.failureLimit:
            verdict = FAIL
        self.result = self._result(verdict, tested, control, message)
        return self.result

    def _result(self, verdict: str, tested: Answer, control: Answer, message: str) -> TestResult:
        metric = self.metric
        known = tested.value is not None and control.value is not None
        return TestResult(
            name=metric.name,
            verdict=verdict,
            tested=_arm(tested),
            control=_arm(control),
            difference=tested.value - control.value if known else None,  # type: ignore[operator]
            fail_evidence=float(self.failures),
            fail_threshold=float(metric.failureLimit),
            pass_evidence=1.0 if verdict == PASS else 0.0,
            pass_threshold=1.0,
            dry_run=metric.dryRun,
            query=metric.query or "",
            message=message,
        )


def _arm(answer: Answer) -> Arm:
    """A number is shown as a share of one."""
    return Arm(1.0, answer.value) if answer.value is not None else Arm()
