"""Rollouts are judged from Prometheus: what reaches the queue, what an outage does, what a take-over finds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pintle.api.rollout import Rollout
from pintle.controller.queue import KeyedQueue
from pintle.controller.telemetry import Metrics
from pintle.controller.watching import trials
from pintle.controller.watching.trials import SAY_SECONDS, SLOW_SECONDS, TrialWatcher
from pintle.core.judgement.verdict import FAIL, NEED_MORE_DATA, PASS, SOURCE_ERROR, Judgement
from pintle.core.plan import Key, Policy
from pintle.core.rollout.trial import CANARY, PodState, TrialSpec
from pintle.core.trials.pair import Pair

from tests.unit.controller.fakes import VirtualClock, settle
from tests.unit.controller.prometheus_world import Server, World

STABLE, CANARY_REVISION = "aaaaaaaa", "bbbbbbbb"
POLICY = Policy("server:1", "runner:1", has_metrics=True, scrape=timedelta(seconds=1))
GOOD = {STABLE: (50, 0), CANARY_REVISION: (10, 0)}
BAD = {STABLE: (50, 0), CANARY_REVISION: (6, 4)}


class Seen:
    """As much of a DeploymentObserved as the watcher reads."""

    pods = ()

    def __init__(self, spec: TrialSpec | None) -> None:
        self.spec = spec


@pytest.fixture(autouse=True)
def _the_spec_that_the_test_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "trial_of", lambda observed, now, policy: observed.spec)


def key(name: str = "web", namespace: str = "team") -> Key:
    return Key("ModelDeployment", namespace, name)


class Bench:
    """A watcher on a world with virtual time. Servers of both revisions of each name exist before the origin."""

    def __init__(
        self, *names: str, features: tuple[str, ...] = (), rollout: Rollout | None = None, scrape: float = 1.0
    ) -> None:
        self.clock = VirtualClock()
        self.policy = replace(POLICY, scrape=timedelta(seconds=scrape))
        self.names = names or ("web",)
        servers = [
            Server(name, revision, features=features) for name in self.names for revision in (STABLE, CANARY_REVISION)
        ]
        self.world = World(*servers)
        self.queue = KeyedQueue(self.clock, lambda failures: 1.0)
        self.metrics = Metrics()
        self.rollout = rollout or Rollout(sensitivity="Balanced")
        self.watcher = self.new_watcher()
        self.origin = self.now
        self.world.live(self.now - 20, self.now, {STABLE: (50, 0)})

    @property
    def now(self) -> float:
        return self.clock.now().timestamp()

    def new_watcher(self) -> TrialWatcher:
        return TrialWatcher(self.world, self.clock, self.queue, self.policy, self.metrics, 0.5)

    def spec(self, name: str = "web", namespace: str = "team", **changes: Any) -> TrialSpec:
        pods = tuple(
            PodState(f"{name}-{revision}-0", revision, self.origin - 10, 0) for revision in (STABLE, CANARY_REVISION)
        )
        made = TrialSpec(namespace, name, CANARY_REVISION, STABLE, self.origin, CANARY, self.rollout, True, pods)
        return replace(made, **changes)

    def observe(self, name: str = "web", watcher: TrialWatcher | None = None, **changes: Any) -> None:
        seen: Any = Seen(self.spec(name, **changes))
        (watcher or self.watcher).observe(key(name), seen, self.clock.now())

    @asynccontextmanager
    async def running(self, watcher: TrialWatcher | None = None) -> AsyncIterator[None]:
        stop = asyncio.Event()
        task = asyncio.create_task((watcher or self.watcher).run(stop))
        await settle()
        yield
        task.cancel()
        await asyncio.wait([task])

    async def begin(self, watcher: TrialWatcher | None = None) -> None:
        """Every deployment is observed, and its past is read."""
        watcher = watcher or self.watcher
        for name in self.names:
            self.observe(name, watcher)
        await self.until(lambda: all(watcher.judgement(key(name)) is not None for name in self.names))
        self.drain()

    async def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(2000):
            if condition():
                return
            # The past is read beside the event loop, in real time.
            await asyncio.sleep(0.001)
        raise AssertionError("not within 2 s")

    async def live(self, seconds: float, traffic: dict[str, tuple[int, int]]) -> None:
        """Traffic and time go on together, a second at a time."""
        for _ in range(round(seconds)):
            self.world.live(self.now, self.now + 1, traffic)
            await self.clock.advance(1)

    def drain(self) -> set[Key]:
        """The keys that wait for a look, taken."""
        found = set()
        while self.queue.depth():
            _, _, taken = self.queue._line.get_nowait()
            assert taken is not None
            self.queue._waiting.pop(taken, None)
            found.add(taken)
        return found

    def judgement(self, name: str = "web", watcher: TrialWatcher | None = None) -> Judgement:
        found = (watcher or self.watcher).judgement(key(name))
        assert found is not None
        return found


async def test_a_bad_canary_is_queued_by_the_look_that_sees_it() -> None:
    """Four of ten requests fail: within seconds the verdict is Fail, and the deployment waits for its look."""
    bench = Bench()
    async with bench.running():
        await bench.begin()
        seconds = 0
        while bench.judgement().verdict != FAIL and seconds < 20:
            bench.drain()
            await bench.live(1, BAD)
            seconds += 1
        bench.queue.add(key("api"))
        assert await bench.queue.take() == key(), "and before those for which nothing has changed"
        assert seconds <= 10
        (errors,) = bench.judgement().failing
    assert (errors.name, errors.control.bad) == ("errors", 0)


async def test_a_good_canary_passes() -> None:
    """And is told so at once."""
    bench = Bench(rollout=Rollout(sensitivity="Fast"))
    async with bench.running():
        await bench.begin()
        await bench.live(150, GOOD)
        assert bench.judgement().verdict == PASS, bench.judgement()


async def test_a_judgement_that_goes_on_as_it_was_is_told_now_and_then() -> None:
    """Its figures move on in the status, and a look at Prometheus is not a look at the cluster."""
    bench = Bench()
    async with bench.running():
        await bench.begin()
        await bench.live(10, GOOD)
        bench.drain()
        told = 0
        for _ in range(30):
            await bench.live(1, {STABLE: (5, 0), CANARY_REVISION: (1, 0)})
            told += len(bench.drain())
    assert 30 / SAY_SECONDS - 1 <= told <= 30 / SAY_SECONDS + 1


async def test_queries_do_not_grow_with_deployments() -> None:
    """One query a look for all of them, and one every two seconds for rows and labels."""
    counts = []
    for names in (("web",), tuple(f"web-{number}" for number in range(10))):
        bench = Bench(*names)
        async with bench.running():
            await bench.begin()
            bench.world.asked.clear()
            await bench.live(10, GOOD)
        counts.append(len(bench.world.asked))
    assert counts[0] == counts[1]
    assert counts[0] <= 10 / 0.5 + 10 / SLOW_SECONDS + 2


async def test_a_look_asks_for_what_came_since_the_last_one() -> None:
    """Bytes per look do not grow with the age of a rollout."""
    bench = Bench()
    lengths: list[float] = []
    ask = bench.world.raw

    async def raw(selector: str, seconds: float, at: float) -> Any:
        lengths.append(seconds)
        return await ask(selector, seconds, at)

    async with bench.running():
        await bench.begin()
        bench.watcher._sources["fast"]._source = type("Source", (), {"raw": staticmethod(raw)})()  # type: ignore[assignment]
        await bench.live(120, GOOD)
    assert max(lengths) <= 4


async def test_two_namespaces_with_the_same_names_are_two_trials() -> None:
    """The same deployment, model and revision in another namespace: breaking that one fails only that one."""
    bench = Bench()
    for revision in (STABLE, CANARY_REVISION):
        bench.world.servers.append(Server("web", revision, namespace="other"))
    bench.world.live(bench.now - 20, bench.now, {})
    async with bench.running():
        await bench.begin()
        other: Any = Seen(bench.spec(namespace="other"))
        bench.watcher.observe(key(namespace="other"), other, bench.clock.now())
        await bench.until(lambda: bench.watcher.judgement(key(namespace="other")) is not None)
        for _ in range(20):
            for server in bench.world.servers:
                bad = server.namespace == "other" and server.revision == CANARY_REVISION
                server.answer(6 if bad else 10, 4 if bad else 0)
                server.scrape(bench.now + 1)
            await bench.clock.advance(1)
        broken = bench.watcher.judgement(key(namespace="other"))
        assert broken is not None
        assert broken.verdict == FAIL
        assert bench.judgement().verdict != FAIL


async def test_without_prometheus_nothing_is_judged_and_afterwards_it_goes_on() -> None:
    """Every deployment on trial is told, both times; what was counted meanwhile is not lost."""
    bench = Bench("web", "api")
    async with bench.running():
        await bench.begin()
        await bench.live(10, GOOD)
        before = bench.judgement()
        bench.world.down = "Prometheus at http://p cannot be reached (connection refused)"
        bench.drain()
        await bench.live(2, GOOD)
        assert bench.watcher.metrics_error(key()) is None, "one lost look is no outage"
        await bench.live(100, GOOD)
        assert bench.drain() == {key("web"), key("api")}
        assert "connection refused" in (bench.watcher.metrics_error(key()) or "")
        assert bench.judgement().tests == before.tests, "what is known stays known"
        bench.world.down = ""
        await bench.live(3, GOOD)
        assert bench.drain() == {key("web"), key("api")}
        assert bench.watcher.metrics_error(key()) is None
        assert bench.judgement().verdict == NEED_MORE_DATA
        assert bench.judgement().rows == pytest.approx(115 * 10, abs=20)


async def test_servers_that_are_scraped_no_more_are_a_source_error() -> None:
    """Prometheus answers, with nothing new in it: it holds."""
    bench = Bench()
    async with bench.running():
        await bench.begin()
        await bench.live(20, GOOD)
        await bench.clock.advance(6)
        assert bench.judgement().verdict == SOURCE_ERROR
        assert "newest sample" in bench.judgement().source_error
        assert bench.watcher.metrics_error(key()) is None


async def test_a_take_over_finds_the_same_verdict() -> None:
    """A new process knows nothing and reads everything: the same tests with the same figures."""
    bench = Bench(features=("temp",))
    async with bench.running():
        await bench.begin()
        # A whole number of slow looks: both watchers then look at the same moments.
        await bench.live(76, GOOD)
        await bench.live(8, BAD)
        first = bench.judgement()
        second = bench.new_watcher()
        async with bench.running(second):
            await bench.begin(second)
            await bench.live(2, BAD)
            assert bench.judgement(watcher=second) == bench.judgement()
    assert first.verdict == FAIL


async def test_a_trial_that_breaks_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours with one rollout: the other is judged on, the broken one begins anew and is judged again."""
    feed = Pair.feed_fast
    broken: list[Pair] = []

    def feed_fast(self: Pair, series: Any, until: float) -> None:
        if self in broken:
            raise ZeroDivisionError("a fault of ours")
        feed(self, series, until)

    monkeypatch.setattr(Pair, "feed_fast", feed_fast)
    bench = Bench("web", "api")
    async with bench.running():
        await bench.begin()
        pair = bench.watcher._cases[key("api")].pair
        assert pair is not None
        broken.append(pair)
        await bench.live(8, BAD)
        assert bench.judgement("web").verdict == FAIL
        assert bench.watcher.metrics_error(key("api")) == trials.FAULT
        assert bench.watcher.metrics_error(key("web")) is None
        await bench.live(4, BAD)
        await bench.until(lambda: bench.watcher.metrics_error(key("api")) is None)
        await bench.live(2, BAD)
        assert bench.judgement("api").verdict == FAIL


async def test_a_trial_that_has_ended_is_forgotten() -> None:
    """With its tasks; and one of another rollout begins from nothing."""
    bench = Bench()
    async with bench.running():
        await bench.begin()
        await bench.live(8, BAD)
        assert bench.judgement().verdict == FAIL
        bench.origin = bench.now
        bench.observe()
        assert bench.watcher.judgement(key()) is None, "what was said of the rollout before is not said of this one"
        await bench.until(lambda: bench.watcher.judgement(key()) is not None)
        nothing: Any = Seen(None)
        bench.watcher.observe(key(), nothing, bench.clock.now())
        assert (bench.watcher.judgement(key()), bench.watcher.metrics_error(key())) == (None, None)
        assert bench.watcher.judgements() == {}
        bench.world.asked.clear()
        await bench.live(3, GOOD)
        assert bench.world.asked == [], "nothing is asked while nothing is on trial"


async def test_prometheus_is_read_in_smaller_pieces_where_it_refuses_large_ones() -> None:
    """A limit on samples of theirs delays the beginning and prevents nothing."""
    bench = Bench()
    bench.world.most_seconds = 100
    async with bench.running():
        await bench.begin()
        await bench.live(5, GOOD)
        assert bench.judgement().rows > 0


async def test_a_past_that_cannot_be_read_is_told_and_tried_again() -> None:
    """The rollout holds until it can be."""
    bench = Bench()
    bench.world.down = "Prometheus is being restarted"
    async with bench.running():
        bench.observe()
        await bench.until(lambda: bench.watcher.metrics_error(key()) is not None)
        assert bench.drain() == {key()}
        bench.world.down = ""
        await bench.clock.advance(5)
        await bench.until(lambda: bench.watcher.judgement(key()) is not None)
        assert bench.watcher.metrics_error(key()) is None


async def test_a_limit_that_makes_no_sense_is_named() -> None:
    """The deployment is told, and nothing is judged by a rule of our own."""
    rollout = Rollout.model_validate({"advanced": {"slowSeconds": "0"}, "steps": [{"weight": 5}]})
    bench = Bench(rollout=rollout)
    async with bench.running():
        bench.observe()
        assert bench.watcher.metrics_error(key()) == "rollout.advanced: slowSeconds must be above 0"
        assert bench.watcher.judgement(key()) is None


def own(**fields: Any) -> Rollout:
    return Rollout.model_validate({"sensitivity": "Balanced", "metrics": [{"name": "mine", **fields}]})


QUERY = 'sum(x{namespace="$namespace",revision="$revision"})'


def filled(revision: str) -> str:
    return QUERY.replace("$namespace", "team").replace("$revision", revision)


async def test_a_query_of_the_users_own_fails_after_several_answers_in_a_row() -> None:
    """Asked at fixed moments of the rollout, as often as it says."""
    bench = Bench(rollout=own(query=QUERY, max="0.5", intervalSeconds=5, failureLimit=3))
    bench.world.values[filled(CANARY_REVISION)] = [0.7]
    async with bench.running():
        await bench.begin()
        await bench.live(12, GOOD)
        assert bench.judgement().verdict == NEED_MORE_DATA
        await bench.live(5, GOOD)
        (failing,) = bench.judgement().failing
    assert failing.name == "mine"
    assert "0.7 is above 0.5; 3 of 3 times in a row" in failing.message
    assert [at - bench.origin for _, at in bench.world.moments] == [5, 10, 15]


async def test_a_query_that_leaves_its_namespace_is_not_asked() -> None:
    """The test is a SourceError that says what to add; it holds the rollout and fails nothing."""
    bench = Bench(rollout=own(query='sum(x{revision="$revision"})', max="0.5", intervalSeconds=1))
    async with bench.running():
        await bench.begin()
        await bench.live(5, GOOD)
        mine = {test.name: test for test in bench.judgement().tests}["mine"]
    assert mine.verdict == SOURCE_ERROR
    assert 'needs the matcher namespace="$namespace"' in mine.message
    assert bench.world.moments == []


async def test_a_query_is_compared_with_the_stables() -> None:
    """maxIncrease: 0.3 beside 0.1 is 0.2 more."""
    bench = Bench(rollout=own(query=QUERY, maxIncrease="0.15", intervalSeconds=1, failureLimit=1))
    bench.world.values = {filled(CANARY_REVISION): [0.3], filled(STABLE): [0.1]}
    async with bench.running():
        await bench.begin()
        await bench.live(4, GOOD)
        (failing,) = bench.judgement().failing
    assert failing.difference == pytest.approx(0.2)


async def test_a_process_that_takes_over_asks_a_query_for_what_made_it_fail() -> None:
    """Three moments back, and not for an hour of them."""
    bench = Bench(rollout=own(query=QUERY, max="0.5", intervalSeconds=5, failureLimit=3))
    bench.world.values[filled(CANARY_REVISION)] = [0.7]
    await bench.live(100, GOOD)
    async with bench.running():
        await bench.begin()
        await bench.live(1, GOOD)
        assert bench.judgement().verdict == FAIL
    assert [at - bench.origin for _, at in bench.world.moments] == [85, 90, 95, 100][-len(bench.world.moments) :]


async def test_only_what_is_due_is_asked_for() -> None:
    """Looks every half second, scrapes every ten: each trial is fetched once a scrape, and judged no later."""
    bench = Bench("web", "api", scrape=10.0)
    async with bench.running():
        await bench.begin()
        bench.world.asked.clear()
        await bench.live(60, GOOD)
        fast = [selector for selector in bench.world.asked if "duration" in selector]
        assert 5 <= len(fast) <= 7
        assert bench.judgement().at >= bench.now - 20


async def test_pods_that_fail_are_judged_before_the_next_scrape() -> None:
    """A restart is seen by the watch of pods: nobody waits for counters."""
    bench = Bench(scrape=30.0)
    async with bench.running():
        await bench.begin()
        await bench.live(31, GOOD)
        bench.world.asked.clear()
        restarted = tuple(replace(pod, restarts=40) for pod in bench.spec().pods if pod.revision == CANARY_REVISION)
        bench.observe(pods=restarted)
        await bench.live(1, GOOD)
        assert [selector for selector in bench.world.asked if "duration" in selector] == []
        assert [test.name for test in bench.judgement().failing] == ["restarts"]


async def test_gauges_that_hardly_change_are_asked_for_again() -> None:
    """Also where a trial is due in the same looks as ever."""
    bench = Bench(features=("temp",), scrape=30.0)
    async with bench.running():
        await bench.begin()
        await bench.live(120, GOOD)
        bench.world.asked.clear()
        await bench.live(90, GOOD)
        assert sum("reference" in selector for selector in bench.world.asked) >= 2
