"""Asks the queries that users have written, each at its own pace, apart from everything else.

They are asked at fixed moments since the origin of the trial, so that a process that takes over asks for the same ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import floor

from pintle.controller.watching.case import Case
from pintle.core.own_metrics import Answer, OwnMetric, answer_of
from pintle.core.promql import QueryInvalid, check_namespace, filled_in
from pintle.ports.clock import Clock
from pintle.ports.metrics import MetricSource, MetricsUnavailable

TIMEOUT = 5.0
"""Seconds for one query of a user."""
AT_ONCE = 8
"""Queries of users that Prometheus has at the same time from us."""
SETTLE_SECONDS = 1.0
"""A scrape carries the time of its start; what is asked lies so far back that it is over."""


class OwnMetrics:
    """Asks for the metrics of cases; one `run` per case."""

    def __init__(self, source: MetricSource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._line = asyncio.Semaphore(AT_ONCE)

    async def run(self, case: Case, news: Callable[[Case], None]) -> None:
        """Ask until cancelled; `news` hears of every answer."""
        queries = {}
        for own in case.own:
            try:
                queries[own.metric.name] = _queries(own, case)
            except QueryInvalid as error:
                own.refuse(str(error))
        asked = [own for own in case.own if own.metric.name in queries]
        done = dict.fromkeys(queries, 0)
        never = asyncio.Event()
        while asked:
            now = self._clock.now().timestamp() - SETTLE_SECONDS
            turns = {own.metric.name: _turn(own, done[own.metric.name], now - case.spec.origin) for own in asked}
            own = min(asked, key=lambda item: turns[item.metric.name] * item.metric.intervalSeconds)
            at = case.spec.origin + turns[own.metric.name] * own.metric.intervalSeconds
            if at > now:
                await self._clock.wait(never, at - now)
                continue
            tested, control = queries[own.metric.name]
            own.take(await self._ask(tested, at), await self._ask(control, at) if control else None)
            done[own.metric.name] = turns[own.metric.name]
            news(case)

    async def _ask(self, query: str, at: float) -> Answer:
        try:
            # The time in our own line is not Prometheus's.
            async with self._line, asyncio.timeout(TIMEOUT):
                # One series is wanted; two are enough to see that there are more.
                return answer_of(await self._source.instant(query, at, limit=2))
        except TimeoutError:
            return Answer(error=f"no answer within {TIMEOUT:g} s")
        except MetricsUnavailable as error:
            return Answer(error=error.message)


def _turn(own: OwnMetric, done: int, elapsed: float) -> int:
    """Which moment is next; so many as could make the test fail are made up for, older ones are passed over."""
    newest = floor(elapsed / own.metric.intervalSeconds)
    return max(done + 1, newest - own.metric.failureLimit + 1)


def _queries(own: OwnMetric, case: Case) -> tuple[str, str | None]:
    """The queries for the tested and, where it is compared with, the control revision. Raises QueryInvalid."""
    spec = case.spec
    place = {"namespace": spec.namespace, "deployment": spec.deployment}
    tested = filled_in(own.metric.query or "", {**place, "revision": spec.tested})
    check_namespace(tested, spec.namespace)
    if own.metric.maxIncrease is None or not case.control:
        return tested, None
    return tested, filled_in(own.metric.query or "", {**place, "revision": case.control})
