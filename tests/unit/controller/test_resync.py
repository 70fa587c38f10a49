"""Lists find what the watches missed, and nothing else is touched by them."""

from __future__ import annotations

import asyncio

import pytest
from pintle.controller.notice import Notice
from pintle.controller.queue import KeyedQueue
from pintle.controller.resync import LIST_EVERY, Resync
from pintle.controller.store import Store
from pintle.core.plan import Key
from pintle.ports.cluster import NotFound, Unavailable
from pintle.ports.kinds import JOB, ROUTE, TRAINING_JOB

from tests.unit.controller.fakes import FakeCluster, VirtualClock, obj

KEY = Key("TrainingJob", "team", "delays")


class Scene:
    def __init__(self) -> None:
        self.cluster, self.clock, self.store = FakeCluster(), VirtualClock(), Store()
        self.queue = KeyedQueue(self.clock, lambda failures: 1.0)
        self.notice = Notice(self.store, self.queue)
        self.pruned = 0
        self.resync = Resync(self.cluster, self.clock, self.store, self.notice, self.queue, (), self._count)
        self.parent = self.cluster.put(obj(TRAINING_JOB, "delays", spec={}))
        self.job = self.cluster.put(obj(JOB, "run", owner=self.parent))

    def _count(self) -> None:
        self.pruned += 1

    async def drain(self) -> set[Key]:
        keys = set()
        while self.queue.depth():
            key = await self.queue.take()
            assert key is not None
            self.queue.done(key)
            keys.add(key)
        return keys


@pytest.fixture
async def scene() -> Scene:
    made = Scene()
    await made.resync.fill()
    assert await made.drain() == {KEY}
    return made


async def test_a_deletion_that_no_watch_told_is_found(scene: Scene) -> None:
    """The store forgets the Job and its owner is looked at."""
    scene.cluster.remove(JOB, "team", "run")
    await scene.resync.compare()
    assert scene.store.get(JOB, "team", "run") is None
    assert await scene.drain() == {KEY}
    assert scene.pruned == 1


async def test_an_object_younger_than_the_list_is_kept(scene: Scene) -> None:
    """What we created while the list was under way is not on it, and is not gone."""
    young = scene.cluster.put(obj(JOB, "young", owner=scene.parent))
    scene.notice.seen(young)
    scene.cluster.remove(JOB, "team", "young")
    scene.cluster.resource_version = int(young["metadata"]["resourceVersion"]) - 1
    await scene.resync.compare()
    assert scene.store.get(JOB, "team", "young") is not None


async def test_a_watch_that_lags_from_list_to_list_is_overtaken(scene: Scene) -> None:
    """One list that is ahead is usual; being behind it at the next one brings a full list of that kind."""
    scene.cluster.put({**scene.job, "status": {"succeeded": 1}})
    await scene.resync.compare()
    assert "status" not in scene.store.get(JOB, "team", "run")  # type: ignore[operator]
    await scene.resync.compare()
    assert scene.store.get(JOB, "team", "run")["status"] == {"succeeded": 1}  # type: ignore[index]
    assert await scene.drain() == {KEY}


async def test_a_list_that_finds_nothing_new_wakes_nobody(scene: Scene) -> None:
    """Comparing is no look."""
    await scene.resync.compare()
    await scene.resync.fill()
    assert await scene.drain() == set()


async def test_a_kind_that_is_not_installed_is_empty(scene: Scene) -> None:
    """Without the Gateway API's CRDs the operator works all the same."""
    scene.cluster.failures[f"list {ROUTE.name}/*"] = NotFound("the server could not find the requested resource")
    await scene.resync.fill()
    await scene.resync.compare()


async def test_a_list_that_fails_prunes_nothing(scene: Scene) -> None:
    """No answer is not an empty answer."""
    scene.cluster.failures[f"list {JOB.name}/*"] = Unavailable("down")
    await scene.resync.compare()
    assert scene.store.get(JOB, "team", "run") is not None


async def test_every_parent_is_looked_at_once_per_interval(scene: Scene) -> None:
    """And the lists come every fifth time."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(scene.resync.keep(stop, 60.0)), asyncio.create_task(scene.queue.keep_dates())]
    scene.cluster.calls.clear()
    await scene.clock.advance(60)
    for _ in range(LIST_EVERY - 2):
        await scene.clock.advance(60)
        assert await scene.drain() == {KEY}
    assert not scene.cluster.calls
    await scene.clock.advance(60)
    assert scene.cluster.calls
    stop.set()
    scene.queue.close()
    await asyncio.gather(*tasks)
