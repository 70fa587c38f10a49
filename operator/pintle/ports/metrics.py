"""What the operator asks of Prometheus: raw samples of counters, and values of now."""

from __future__ import annotations

from typing import Protocol

from pintle.core.judgement.samples import RawSeries, Sample


class MetricsUnavailable(Exception):
    """Prometheus did not answer with numbers. `message` says where, why and what to check; it never has a secret in it.

    The same fault gives the same message, so that a condition which holds it comes to rest.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class QueryRefused(MetricsUnavailable):
    """Prometheus is there and says that this very query is wrong, or asks too much of it."""


class MetricSource(Protocol):
    """Prometheus, or what speaks its HTTP API. Every call raises MetricsUnavailable."""

    async def raw(self, selector: str, seconds: float, at: float) -> list[RawSeries]:
        """The samples of all series that `selector` matches, as they were scraped, in (at - seconds, at].

        `at` in unix seconds. Series without a sample in that time are left out.
        """
        ...

    async def instant(self, query: str, at: float | None = None, *, limit: int | None = None) -> list[Sample]:
        """The value of `query` at a moment (default: now) for each of its series; of more than `limit` series any."""
        ...
