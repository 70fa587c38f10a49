"""A Prometheus in memory over a world of servers that count: real selectors, made-up seconds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import promql_parser
from pintle.contract import metrics as names
from pintle.core.judgement.samples import RawSeries, Sample
from pintle.ports.metrics import MetricsUnavailable, QueryRefused

Labels = tuple[tuple[str, str], ...]


@dataclass
class Server:
    """One serving pod: its counters, and what was scraped of them."""

    deployment: str
    revision: str
    namespace: str = "team"
    features: tuple[str, ...] = ()
    counters: dict[Labels, float] = field(default_factory=dict)
    samples: dict[Labels, list[tuple[float, float]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.answer(0, 0)

    @property
    def pod(self) -> str:
        return f"{self.deployment}-{self.revision}-0"

    def answer(self, ok: int, bad: int, missing: int = 0) -> None:
        """Requests of one row each; `missing` of them without any feature."""
        for result, amount in (("ok", ok), ("server_error", bad), ("schema_rejected", 0), ("client_rejected", 0)):
            self._count(amount, names.REQUESTS, result=result, route="default")
        for limit in (*(format(limit, "g") for limit in names.DURATION_BUCKETS), "+Inf"):
            self._count(ok + bad, names.REQUEST_DURATION + "_bucket", le=limit)
        self._count(ok, names.PREDICTIONS)
        self._count(0, names.MONITOR_DROPPED, reason="queue_full")
        for feature in self.features:
            self._count(missing, names.FEATURE_BIN, feature=feature, bin="missing", profile="p")
            self._count(ok - missing, names.FEATURE_BIN, feature=feature, bin="00", profile="p")

    def scrape(self, at: float) -> None:
        for series, value in self.counters.items():
            self.samples.setdefault(series, []).append((at, value))

    def _count(self, amount: int, metric: str, **labels: str) -> None:
        place = {"deployment": self.deployment, "revision": self.revision, "namespace": self.namespace}
        series = tuple(sorted({"__name__": metric, "pod": self.pod, "instance": self.pod, **place, **labels}.items()))
        self.counters[series] = self.counters.get(series, 0.0) + amount


class World:
    """Servers that are scraped every second, and `MetricSource` of it. `down`: what it says instead of an answer."""

    def __init__(self, *servers: Server) -> None:
        self.servers = list(servers)
        self.asked: list[str] = []
        self.down = ""
        self.most_seconds = float("inf")
        self.values: dict[str, list[float] | str] = {}
        self.moments: list[tuple[str, float]] = []

    def live(self, since: float, until: float, traffic: Mapping[str, tuple[int, int]], phase: float = 0.0) -> None:
        """Each second in (since, until] every server answers (ok, bad) of its revision and is scraped."""
        second = since
        while second < until:
            second += 1
            for server in self.servers:
                server.answer(*traffic.get(server.revision, (0, 0)))
                server.scrape(second + phase)

    async def raw(self, selector: str, seconds: float, at: float) -> list[RawSeries]:
        self.asked.append(selector)
        self._complain(seconds)
        return list(self._found(promql_parser.parse(selector).matchers.matchers, at - seconds, at))

    async def instant(self, query: str, at: float | None = None, *, limit: int | None = None) -> list[Sample]:
        self.asked.append(query)
        self.moments.append((query, at or 0.0))
        self._complain(0.0)
        answer = self.values.get(query, [])
        if isinstance(answer, str):
            raise MetricsUnavailable(answer)
        return [Sample({"n": str(number)}, value, at or 0.0) for number, value in enumerate(answer)][:limit]

    def _complain(self, seconds: float) -> None:
        if self.down:
            raise MetricsUnavailable(self.down)
        if seconds > self.most_seconds:
            raise QueryRefused("too many samples")

    def _found(self, matchers: Iterable[object], after: float, until: float) -> Iterable[RawSeries]:
        for server in self.servers:
            for series, samples in server.samples.items():
                labels = dict(series)
                kept = [sample for sample in samples if after < sample[0] <= until]
                if kept and all(_matches(matcher, labels) for matcher in matchers):
                    times, values = np.array(kept, dtype=float).T
                    yield RawSeries(labels.pop("__name__"), labels, times, values)


def _matches(matcher: object, labels: Mapping[str, str]) -> bool:
    name, wanted, op = matcher.name, matcher.value, matcher.op  # type: ignore[attr-defined]
    value = labels.get(name, "")
    kinds = promql_parser.MatchOp
    if op in (kinds.Equal, kinds.NotEqual):
        return (value == wanted) == (op == kinds.Equal)
    return bool(re.fullmatch(wanted, value)) == (op == kinds.Re)
