"""The watcher of rollouts on a real Prometheus that scrapes the servers' real counters."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pintle.adapters.clock import ExponentialBackoff, SystemClock
from pintle.adapters.prometheus import Access, Prometheus
from pintle.api.rollout import Rollout
from pintle.controller.queue import KeyedQueue
from pintle.controller.telemetry import Metrics
from pintle.controller.watching import trials
from pintle.controller.watching.trials import TrialWatcher
from pintle.core.judgement.verdict import FAIL, NEED_MORE_DATA, Judgement
from pintle.core.plan import Key, Policy
from pintle.core.promql import QueryInvalid, check_namespace
from pintle.core.rollout.trial import CANARY, PodState, TrialSpec
from pintle.ports.metrics import QueryRefused

from tests.integration.kube import eventually
from tests.integration.scraped import SCRAPE_SECONDS, Exporter, ScrapedPod, ScrapingPrometheus, traffic

KEY = Key("ModelDeployment", "team", "web")
STABLE, NEW = "aaaaaaaa", "bbbbbbbb"
POLICY = Policy("server:1", "runner:1", has_metrics=True, scrape=timedelta(seconds=SCRAPE_SECONDS))


class World:
    """A stable and a canary, scraped; `bad` is what the canary gets wrong of its ten requests."""

    def __init__(self, exporter: Exporter, prometheus: ScrapingPrometheus) -> None:
        self.exporter = exporter
        self.prometheus = prometheus
        self.bad = 0
        self.stable = exporter.pod("team", "web", STABLE)
        self.canary = exporter.pod("team", "web", NEW)
        self.origin = 0.0

    def answer(self) -> None:
        self.stable.answer(ok=5)
        self.canary.answer(ok=1 if not self.bad or time.monotonic() % 1 > self.bad / 10 else 0, bad=int(self.bad > 0))

    def begin(self) -> None:
        """Both are scraped; the rollout begins now."""
        eventually(lambda: len(self.prometheus.query("model_predictions_total")) == 2)
        self.origin = time.time()

    def spec(self) -> TrialSpec:
        pods = tuple(PodState(pod.name, name, self.origin - 1, 0) for pod, name in self.pods())
        rollout = Rollout(sensitivity="Balanced")
        return TrialSpec("team", "web", NEW, STABLE, self.origin, CANARY, rollout, True, pods)

    def pods(self) -> list[tuple[ScrapedPod, str]]:
        return [(self.stable, STABLE), (self.canary, NEW)]


class Watching:
    """One process's watcher."""

    def __init__(self, world: World) -> None:
        self.source = Prometheus(Access(world.prometheus.url), timeout=2)
        self.clock = SystemClock()
        self.queue = KeyedQueue(self.clock, ExponentialBackoff())
        self.metrics = Metrics()
        self.watcher = TrialWatcher(self.source, self.clock, self.queue, POLICY, self.metrics, 0.25)
        self._world = world

    @asynccontextmanager
    async def running(self) -> AsyncIterator[TrialWatcher]:
        stop = asyncio.Event()
        task = asyncio.create_task(self.watcher.run(stop))
        await asyncio.sleep(0)
        seen: Any = type("Seen", (), {"pods": (), "spec": self._world.spec()})
        self.watcher.observe(KEY, seen, self.clock.now())
        try:
            yield self.watcher
        finally:
            stop.set()
            await asyncio.wait([task], timeout=5)
            await self.source.close()

    def judgement(self) -> Judgement:
        found = self.watcher.judgement(KEY)
        assert found is not None
        return found

    def verdict(self) -> str:
        found = self.watcher.judgement(KEY)
        return found.verdict if found is not None else ""


@pytest.fixture(autouse=True)
def _the_spec_that_the_test_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "trial_of", lambda observed, now, policy: observed.spec)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two servers with traffic, and a rollout that has just begun."""
    with Exporter() as exporter, ScrapingPrometheus(tmp_path / "prometheus", exporter) as prometheus:
        made = World(exporter, prometheus)
        with traffic(made.answer):
            made.begin()
            yield made


async def until(condition: Callable[[], bool], patience: float = 30.0) -> float:
    """Seconds until it was true."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < patience, "not in time"
        await asyncio.sleep(0.02)
    return time.monotonic() - began


async def test_a_bad_canary_fails_and_a_process_that_takes_over_finds_the_same(world: World) -> None:
    """Half of its requests fail: Fail within seconds, and again for a watcher that knows nothing."""
    first = Watching(world)
    async with first.running():
        await until(lambda: first.verdict() == NEED_MORE_DATA)
        world.bad = 5
        seconds = await until(lambda: first.verdict() == FAIL)
        assert first.queue.depth() == 1, "the deployment waits for its look"
        second = Watching(world)
        async with second.running():
            await until(lambda: second.verdict() == FAIL)
            await until(lambda: second.judgement().at == first.judgement().at)
            errors = [found.judgement().failing[0] for found in (first, second)]
            assert errors[0] == errors[1]
    print(f"\n{SCRAPE_SECONDS} s scrapes: Fail {seconds:.1f} s after the first bad answer")


async def test_prometheus_stops_and_comes_back(world: World) -> None:
    """Nothing is judged meanwhile, and that is told; then the counters go on from where they were."""
    watching = Watching(world)
    async with watching.running() as watcher:
        await until(lambda: watching.verdict() == NEED_MORE_DATA)
        await asyncio.to_thread(world.prometheus.stop)
        await until(lambda: watcher.metrics_error(KEY) is not None)
        assert "cannot be reached (connection refused)" in (watcher.metrics_error(KEY) or "")
        await asyncio.to_thread(world.prometheus.start)
        await until(lambda: watcher.metrics_error(KEY) is None and watching.verdict() == NEED_MORE_DATA)
        rows = watching.judgement().rows
        await until(lambda: watching.judgement().rows > rows)
        world.bad = 5
        await until(lambda: watching.verdict() == FAIL)


async def test_what_a_look_costs(world: World) -> None:
    """Queries and bytes of ten seconds; printed, and the queries bounded."""
    watching = Watching(world)
    read: list[int] = []
    watching.source._on_bytes = read.append
    async with watching.running():
        await until(lambda: watching.verdict() != "")
        read.clear()
        await asyncio.sleep(5)
    assert len(read) <= 5 / 0.25 + 5 / 2 + 2
    print(f"\none rollout, two pods: {len(read) / 5:.1f} queries/s, {sum(read) / 5 / 1000:.1f} kB/s")


# Strings in every notation, comments, and what only looks like a matcher.
QUERIES = (
    'a{namespace="team"}',
    "a{namespace='team'}",
    "a{namespace=`team`}",
    'a{`namespace`="team"}',
    r'a{namespace="te\x61m"}',
    r'a{namespace="\u0074eam"}',
    r'a{x="\"} or b{namespace=\"team\""}',
    r"a{x='\'} or b{namespace=\'team\''}",
    'a{x=`"} or b{namespace="team"`}',
    'a{x="`"} or b{namespace="team",y="`"}',
    'a{x="#"} or b{namespace="team"}',
    'a{x="y" # ,namespace="team"\n}',
    'a # {namespace="team"}\n',
    'a{namespace="team",}',
    'a {namespace="team"}',
    '{"a",namespace="team"}',
    '{__name__="a"}',
    'a{namespace="team",namespace=~".*"}',
    'a{namespace="team\\n"}',
    'a{namespace="TEAM"}',
    'a{Namespace="team"}',
    "a or on(namespace) b",
    'rate(a{namespace="team"}[5m:1s] offset -1m)',
    'a{namespace="team"} @ 0 + b',
    'count_values("namespace", a)',
    'label_replace(a, "namespace", "team", "", "")',
    'sort_by_label(a{namespace="team"}, "x")',
    'a{namespace=""}',
    'a{namespace="team"}\u00a0or b',
    'a{namespace="team"}\ror b',
)


def test_prometheus_reads_queries_as_we_do(world: World) -> None:
    """What passes our check has, by Prometheus's own parser, no selector without the namespace."""
    passed = 0
    for query in QUERIES:
        try:
            check_namespace(query, "team")
        except QueryInvalid:
            continue
        tree = world.prometheus.parsed(query)
        if tree is not None:
            passed += 1
            for matchers in selectors_in(tree):
                assert ("namespace", "=", "team") in matchers, query
    assert passed >= 8


def selectors_in(tree: Any) -> Iterator[set[tuple[str, str, str]]]:
    """Matchers of every selector of a parsed query."""
    if isinstance(tree, dict):
        if tree.get("type") in ("vectorSelector", "matrixSelector"):
            yield {(matcher["name"], matcher["type"], matcher["value"]) for matcher in tree["matchers"]}
        tree = list(tree.values())
    if isinstance(tree, list):
        for part in tree:
            yield from selectors_in(part)


async def test_a_query_that_is_wrong_is_told_apart_from_an_outage(world: World) -> None:
    """In Prometheus's own words."""
    source = Prometheus(Access(world.prometheus.url))
    with pytest.raises(QueryRefused, match=r"refuses the query: .*unclosed left parenthesis"):
        await source.instant("sum(")
    assert await source.instant("count(up)") != []
    await source.close()
