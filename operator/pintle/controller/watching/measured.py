"""Counts the queries that one part of the operator asks."""

from __future__ import annotations

from pintle.controller.telemetry import Metrics
from pintle.core.judgement.samples import RawSeries, Sample
from pintle.ports.metrics import MetricSource, MetricsUnavailable


class Measured:
    """`pintle.ports.metrics.MetricSource` that counts, by the purpose of its queries."""

    def __init__(self, source: MetricSource, metrics: Metrics, purpose: str) -> None:
        self._source = source
        self._ok = metrics.queries.labels(purpose, "ok")
        self._error = metrics.queries.labels(purpose, "error")

    async def raw(self, selector: str, seconds: float, at: float) -> list[RawSeries]:
        try:
            answer = await self._source.raw(selector, seconds, at)
        except MetricsUnavailable:
            self._error.inc()
            raise
        self._ok.inc()
        return answer

    async def instant(self, query: str, at: float | None = None, *, limit: int | None = None) -> list[Sample]:
        try:
            answer = await self._source.instant(query, at, limit=limit)
        except MetricsUnavailable:
            self._error.inc()
            raise
        self._ok.inc()
        return answer
