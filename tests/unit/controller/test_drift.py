"""The loop that watches for drift, with a Prometheus in memory: when it asks, what it asks, what it tells."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from pintle.adapters.clock import ExponentialBackoff
from pintle.contract.profile import reference_ratios
from pintle.controller.queue import KeyedQueue
from pintle.controller.store import Store
from pintle.controller.telemetry import Metrics
from pintle.controller.watching import drift
from pintle.controller.watching.drift import DriftWatcher
from pintle.core.judgement.findings import Findings
from pintle.core.judgement.samples import RawSeries, Sample
from pintle.core.plan import Key, Policy
from pintle.ports.kinds import MODEL_DEPLOYMENT
from pintle.ports.metrics import MetricsUnavailable, QueryRefused

from tests.builders import model_deployment, stamp
from tests.unit.controller.fakes import VirtualClock, settle

REVISION = "ab12cd34"
DRIFT = {"drift": {"windows": [{"seconds": 3600}], "periodSeconds": 60}}


class FakePrometheus:
    """Answers every query for the deployments that it knows: `x` has moved where `moved` says so."""

    def __init__(self) -> None:
        self.queries: list[str] = []
        self.deployments: set[tuple[str, str]] = set()
        self.moved: set[str] = set()
        self.recorded: set[str] = set()
        self.restarted: set[str] = set()
        self.bursts = 1.0
        self.refused = ""
        self.error: MetricsUnavailable | None = None
        self.limit = math.inf

    async def raw(self, selector: str, seconds: float, at: float) -> list[RawSeries]:
        raise AssertionError("raw samples are for trials")

    async def instant(self, query: str, at: float | None = None, *, limit: int | None = None) -> list[Sample]:
        self.queries.append(query)
        if self.error is not None:
            raise self.error
        if self.refused and query.startswith(self.refused):
            raise MetricsUnavailable("Prometheus gave no answer in time")
        asked = [(name, revision) for name, revision in sorted(self.deployments) if revision in query]
        if len(asked) > self.limit:
            raise QueryRefused("the answer is larger than 64 MiB")
        if query.startswith("avg_over_time"):
            return [sample(name, revision, self.bursts, feature="x") for name, revision in asked]
        if query.startswith("count by"):
            return [sample(name, revision, 1.0) for name, revision in asked if name in self.restarted]
        if query.startswith("(pintle:"):
            return [sample for name, revision in asked if name in self.recorded for sample in recorded(name, revision)]
        if "reference_ratio" in query:
            return [sample for name, revision in asked for sample in reference(name, revision)]
        return [
            sample(name, revision, rows, feature="x", bin=bin_)
            for name, revision in asked
            for bin_, rows in zip(("00", "01"), (900.0, 100.0) if name in self.moved else (500.0, 500.0), strict=True)
        ]


def sample(name: str, revision: str, value: float, **labels: str) -> Sample:
    identity = {"namespace": "team", "deployment": name, "revision": revision, "profile": "p"}
    return Sample({**identity, **labels}, value, 0.0)


def reference(name: str, revision: str) -> Iterable[Sample]:
    """1,000 even rows, with floors of 0."""
    for bin_, ratio in zip(("00", "01"), reference_ratios((500, 500)), strict=True):
        yield sample(name, revision, ratio, __name__="model_feature_reference_ratio", feature="x", bin=bin_)
    yield sample(name, revision, 1000, __name__="model_feature_reference_samples", feature="x")
    yield sample(name, revision, 0.0, __name__="model_feature_drift_floor", feature="x", window="1h")


def recorded(name: str, revision: str) -> Iterable[Sample]:
    """What recording rules say of a deployment in which nothing is near to drift: the rows of the window only."""
    yield sample(name, revision, 1000.0)


class Scene:
    """A watcher over a store of deployments, at a virtual time."""

    def __init__(self) -> None:
        self.clock, self.prometheus, self.store = VirtualClock(), FakePrometheus(), Store()
        self.queue = KeyedQueue(self.clock, ExponentialBackoff())
        policy = Policy("server", "runner", scrape=timedelta(seconds=1))
        self.watcher = DriftWatcher(self.prometheus, self.clock, self.store, self.queue, policy, Metrics())
        self.version = 1

    def add(
        self, name: str, monitoring: dict[str, Any] | None = None, revision: str = REVISION, days: float = 30
    ) -> Key:
        self.version += 1
        made = model_deployment(name).spec(monitoring=DRIFT if monitoring is None else monitoring)
        made.metadata(uid=f"uid-{name}", resourceVersion=str(self.version), generation=self.version)
        created = self.clock.now() - timedelta(days=days)
        made.status(stable={"revision": revision, "version": 1, "createdTime": stamp(created)})
        self.store.put(made.obj())
        self.prometheus.deployments.add((name, revision))
        return Key("ModelDeployment", "team", name)

    async def look(self, after: float = 0) -> int:
        self.clock.seconds += after
        return await self.watcher.look()

    async def told(self) -> list[Key]:
        """Keys that were queued since the last time."""
        found = []
        while self.queue.depth():
            key = await self.queue.take()
            assert key is not None
            self.queue.done(key)
            found.append(key)
        return found


def about(scene: Scene, key: Key) -> Findings:
    found = scene.watcher.findings(key)
    assert found is not None
    return found


async def test_what_does_not_ask_for_it_costs_nothing() -> None:
    """No monitoring, only an age of the data, nothing that serves yet: no query."""
    scene = Scene()
    scene.add("plain", {})
    scene.add("aged", {"maxDataAgeSeconds": 3600})
    scene.store.put(model_deployment("new").spec(monitoring=DRIFT).metadata(uid="uid-new").obj())
    assert await scene.look() == 0
    assert scene.prometheus.queries == []


async def test_all_that_is_due_is_asked_for_at_once() -> None:
    """One deployment or fifty: the same number of queries, and each has its own answer."""
    counts = []
    for many in (1, 50):
        scene = Scene()
        keys = [scene.add(f"d{number}", revision=f"{number:08d}") for number in range(many)]
        scene.prometheus.moved = {"d0"}
        assert await scene.look() == many
        counts.append(len(scene.prometheus.queries))
        verdicts = [about(scene, key).verdicts["FeatureDrift"] for key in keys]
        assert verdicts == ["Fail", *["Pass"] * (many - 1)]
    # references; the window: is it recorded, whose pods restarted, the counters; bursts in blocks of two lengths
    assert counts == [6, 6]


async def test_a_reference_is_asked_for_once() -> None:
    """It never changes."""
    scene = Scene()
    scene.add("delays")
    await scene.look()
    scene.prometheus.queries.clear()
    await scene.look(after=60)
    assert [query[:8] for query in scene.prometheus.queries] == ["count by", "sum by ("]


async def test_only_whose_pods_restarted_is_counted_the_long_way() -> None:
    """`increase` over all samples is dear: it is for the revisions that need it."""
    scene = Scene()
    keys = [scene.add("calm", revision="00000001"), scene.add("restarted", revision="00000002")]
    scene.prometheus.restarted = {"restarted"}
    await scene.look()
    dear = [query for query in scene.prometheus.queries if "increase" in query]
    assert [("00000001" in query, "00000002" in query) for query in dear] == [(False, True)]
    assert [about(scene, key).verdicts["FeatureDrift"] for key in keys] == ["Pass", "Pass"]


async def test_recorded_windows_are_read_instead_of_counters() -> None:
    """What is quiet by the recording rules is not asked for bin by bin; a deployment that they do not have yet is."""
    scene = Scene()
    known, new = scene.add("known", revision="00000001"), scene.add("new", revision="00000002")
    scene.prometheus.recorded = {"known"}
    await scene.look()
    (window,) = [query for query in scene.prometheus.queries if query.startswith("sum by")]
    assert ("00000002" in window, "00000001" in window) == (True, False)
    for key, listed in ((known, 0), (new, 1)):
        found = about(scene, key)
        assert (found.verdicts["FeatureDrift"], found.watched, len(found.features)) == ("Pass", 1, listed)


async def test_without_rules_they_are_looked_for_now_and_then() -> None:
    """Not at every look; once they are loaded they are found within ten minutes."""
    scene = Scene()
    scene.add("delays")
    asked = []
    for _ in range(11):
        scene.prometheus.queries.clear()
        await scene.look(after=60)
        asked.append(sum(query.startswith("(pintle:") for query in scene.prometheus.queries))
    assert asked == [1] + [0] * 9 + [1]


async def test_bursts_are_estimated_where_something_would_alarm() -> None:
    """Of the deployment that has moved, once an hour; rows that come by twenties then say too little to alarm."""
    scene = Scene()
    calm, moved = scene.add("calm", revision="00000001"), scene.add("moved", revision="00000002")
    scene.prometheus.moved = {"moved"}
    scene.prometheus.bursts = 20.0
    for _ in range(50):
        await scene.look(after=60)
    asked = [query for query in scene.prometheus.queries if query.startswith("avg_over_time")]
    assert [("00000001" in query, "00000002" in query) for query in asked] == [(False, True)] * 2
    assert [about(scene, key).verdicts["FeatureDrift"] for key in (calm, moved)] == ["Pass", "Pass"]
    scene.prometheus.bursts = 1.0
    for _ in range(12):
        await scene.look(after=60)
    assert about(scene, moved).verdicts["FeatureDrift"] == "Fail"


async def test_an_estimate_that_does_not_come_is_no_error() -> None:
    """The look goes on without; it is not asked again for an hour."""
    scene = Scene()
    key = scene.add("moved")
    scene.prometheus.moved = {"moved"}
    scene.prometheus.refused = "avg_over_time"
    for _ in range(3):
        await scene.look(after=60)
    assert (about(scene, key).periods["FeatureDrift"], about(scene, key).error) == (3, "")
    assert sum(query.startswith("avg_over_time") for query in scene.prometheus.queries) == 1


async def test_looks_keep_to_the_period_of_each_deployment() -> None:
    """One looks every minute, another every five."""
    scene = Scene()
    scene.add("often")
    seldom = scene.add("seldom", {"drift": {"windows": [{"seconds": 3600}], "periodSeconds": 300}})
    assert await scene.look() == 2
    assert await scene.look(after=30) == 0
    assert await scene.look(after=30) == 1
    before = about(scene, seldom)
    assert await scene.look(after=239) == 1
    assert about(scene, seldom) is before
    assert await scene.look(after=1) == 1
    assert about(scene, seldom).at > before.at


async def test_a_new_revision_is_looked_at_at_once() -> None:
    """After a promotion nobody waits for the period, and the findings are its own."""
    scene = Scene()
    key = scene.add("delays")
    scene.prometheus.moved = {"delays"}
    await scene.look()
    scene.add("delays", revision="00000002")
    assert await scene.look(after=1) == 1
    assert (about(scene, key).revision, about(scene, key).periods["FeatureDrift"]) == ("00000002", 1)


async def test_a_key_is_queued_when_something_changes_that_matters() -> None:
    """At the first look, when drift has lasted three looks, when it begins and ends; not at the looks between."""
    scene = Scene()
    key = scene.add("delays")
    await scene.look()
    assert await scene.told() == [key]
    await scene.look(after=60)
    assert await scene.told() == []
    scene.prometheus.moved = {"delays"}
    told = []
    for _ in range(6):
        await scene.look(after=60)
        told.append(bool(await scene.told()))
    # the verdict turns; it has lasted; nothing more
    assert told == [True, False, True, False, False, False]


async def test_a_deployment_that_is_gone_is_forgotten() -> None:
    """Its findings are not shown any more."""
    scene = Scene()
    key = scene.add("delays")
    await scene.look()
    all_of = scene.store.all
    scene.store.remove(next(iter(all_of(MODEL_DEPLOYMENT))))
    await scene.look(after=60)
    assert scene.watcher.findings(key) is None
    assert dict(scene.watcher.all()) == {}


async def test_a_prometheus_that_is_down_is_asked_again_soon() -> None:
    """An error of the source is told, keeps what was counted, and is over by itself."""
    scene = Scene()
    key = scene.add("delays")
    scene.prometheus.moved = {"delays"}
    await scene.look()
    await scene.look(after=60)
    scene.prometheus.error = MetricsUnavailable("Prometheus at x gave no answer")
    await scene.look(after=60)
    assert about(scene, key).error == "Prometheus at x gave no answer"
    assert await scene.told() == [key]
    scene.prometheus.error = None
    assert await scene.look(after=30) == 1
    assert (about(scene, key).error, about(scene, key).periods["FeatureDrift"]) == ("", 3)


async def test_too_much_for_one_answer_is_asked_for_in_parts() -> None:
    """A refused query halves how many are looked at together, until the answers come: to nobody it is an error."""
    scene = Scene()
    keys = [scene.add(f"d{number}", revision=f"{number:08d}") for number in range(20)]
    scene.prometheus.limit = 6
    looked = [await scene.look(after=1) for _ in range(6)]
    assert looked == [5, 5, 5, 5, 0, 0]
    assert await scene.look(after=601) == 5, "it grows again only then"
    assert await scene.look(after=1) == 6
    assert all(about(scene, key).verdicts["FeatureDrift"] == "Pass" for key in keys)


async def test_one_that_is_too_much_by_itself_is_told() -> None:
    """Prometheus refuses the query about it alone: that is an error of the source."""
    scene = Scene()
    key = scene.add("delays")
    scene.prometheus.limit = 0
    await scene.look()
    assert about(scene, key).error == "the answer is larger than 64 MiB"


async def test_many_deployments_are_looked_at_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer has bounds: the first look takes the first hundred, the next one the others."""
    monkeypatch.setattr(drift, "MOST", 100)
    scene = Scene()
    for number in range(150):
        scene.add(f"d{number}", revision=f"{number:08d}")
    assert await scene.look() == 100
    assert await scene.look(after=1) == 50
    assert await scene.look(after=1) == 0


async def test_first_rows_are_compared_while_a_revision_is_young() -> None:
    """In its first day one more query asks for all rows since the start; later none does."""
    scene = Scene()
    key = scene.add("delays", days=0.5)
    scene.prometheus.moved = {"delays"}
    await scene.look()
    assert about(scene, key).verdicts["TrainingServingSkew"] == "Fail"
    asked = sum(not query.startswith("avg_over_time") for query in scene.prometheus.queries)
    old = Scene()
    key = old.add("delays")
    await old.look()
    assert "TrainingServingSkew" not in about(old, key).verdicts
    assert asked - len(old.prometheus.queries) == 1


async def test_the_loop_goes_on_after_a_fault_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is wrong with watching, the operator does not end for it; the loop ends by its event."""
    scene = Scene()
    key = scene.add("delays")
    good = scene.prometheus.instant

    async def broken(query: str, at: float | None = None, *, limit: int | None = None) -> list[Sample]:
        raise ValueError("a fault")

    monkeypatch.setattr(scene.prometheus, "instant", broken)
    stop = asyncio.Event()
    task = asyncio.create_task(scene.watcher.run(stop))
    await settle()
    assert scene.watcher.findings(key) is None
    monkeypatch.setattr(scene.prometheus, "instant", good)
    for _ in range(3):
        await scene.clock.advance(31)
        await settle()
    assert about(scene, key).verdicts["FeatureDrift"] == "Pass"
    stop.set()
    await scene.clock.advance(31)
    await asyncio.wait_for(task, 1)
