"""One leader at a time, and none that writes after it might have been replaced."""

from __future__ import annotations

import asyncio

import pytest
from pintle.controller.fence import Fence, NotLeader
from pintle.controller.lease import LEASE_DURATION, RENEW_DEADLINE, RETRY_PERIOD, Elector, Identity
from pintle.ports.cluster import ClusterError, Unavailable
from pintle.ports.kinds import LEASE

from tests.unit.controller.fakes import FakeCluster, VirtualClock


class Replica:
    """An elector with its fence, on a shared cluster and clock."""

    def __init__(self, cluster: FakeCluster, clock: VirtualClock, uid: str) -> None:
        self.fence = Fence(clock, renew_deadline=RENEW_DEADLINE, lease_duration=LEASE_DURATION)
        self.elector = Elector(cluster, clock, self.fence, Identity(uid, "pintle"))
        self.stop = asyncio.Event()
        self.errors: list[ClusterError] = []

    def acquire(self) -> asyncio.Task[bool]:
        return asyncio.create_task(self.elector.acquire(self.stop, self.errors.append))

    def keep(self) -> asyncio.Task[None]:
        return asyncio.create_task(self.elector.keep(self.stop, self.errors.append))


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


def holder(cluster: FakeCluster) -> str:
    return str(cluster.objects[LEASE.name, "pintle", "pintle-operator"]["spec"]["holderIdentity"])


async def test_only_one_of_two_replicas_gets_the_lease(cluster: FakeCluster, clock: VirtualClock) -> None:
    """The second stands by as long as the first renews, however long that is."""
    first, second = Replica(cluster, clock, "one"), Replica(cluster, clock, "two")
    assert await first.acquire()
    kept, waiting = first.keep(), second.acquire()
    await clock.advance(120)
    assert not waiting.done()
    assert not kept.done()
    assert first.fence.open()
    assert not second.fence.open()
    first.stop.set()
    second.stop.set()
    await asyncio.gather(kept, waiting)


async def test_a_dead_leader_is_replaced_after_its_lease_has_expired(cluster: FakeCluster, clock: VirtualClock) -> None:
    """By the standby's own clock: from when it last saw the Lease change."""
    first, second = Replica(cluster, clock, "one"), Replica(cluster, clock, "two")
    assert await first.acquire()
    waiting = second.acquire()
    await clock.advance(LEASE_DURATION - 0.5)
    assert not waiting.done()
    assert not first.fence.open(), "the dead leader could not have written for seconds already"
    await clock.advance(2 * RETRY_PERIOD)
    assert await waiting
    assert holder(cluster) == "two"


async def test_a_restarted_container_goes_on_at_once(cluster: FakeCluster, clock: VirtualClock) -> None:
    """The same pod UID is the same holder: no waiting for an expiry."""
    assert await Replica(cluster, clock, "pod-1").acquire()
    again = Replica(cluster, clock, "pod-1")
    assert await again.acquire()
    assert clock.seconds == 1000.0


async def test_a_released_lease_is_taken_at_the_next_try(cluster: FakeCluster, clock: VirtualClock) -> None:
    """Release shuts the fence first and frees the Lease without waiting for its expiry."""
    first, second = Replica(cluster, clock, "one"), Replica(cluster, clock, "two")
    assert await first.acquire()
    waiting = second.acquire()
    await clock.advance(0)
    await first.elector.release()
    assert not first.fence.open()
    await clock.advance(RETRY_PERIOD)
    assert await waiting


async def test_release_leaves_the_lease_of_another_alone(cluster: FakeCluster, clock: VirtualClock) -> None:
    """A leader that lost it does not take it from its successor."""
    assert await Replica(cluster, clock, "two").acquire()
    await Replica(cluster, clock, "one").elector.release()
    assert holder(cluster) == "two"


async def test_writes_stop_when_the_lease_cannot_be_renewed(cluster: FakeCluster, clock: VirtualClock) -> None:
    """At the renew deadline, before the Lease expires, and `keep` ends so that the process does."""
    replica = Replica(cluster, clock, "one")
    assert await replica.acquire()
    kept = replica.keep()
    cluster.failures["get Lease/pintle-operator"] = Unavailable("down")
    await clock.advance(RENEW_DEADLINE - 0.1)
    assert replica.fence.open()
    await clock.advance(0.2)
    assert not replica.fence.open()
    with pytest.raises(NotLeader):
        replica.fence.time_out(10.0)
    await clock.advance(RETRY_PERIOD)
    assert kept.done()
    assert replica.errors


async def test_a_leader_that_was_replaced_shuts_its_fence(cluster: FakeCluster, clock: VirtualClock) -> None:
    """Seeing another holder ends it at once, without waiting for the deadline."""
    replica = Replica(cluster, clock, "one")
    assert await replica.acquire()
    kept = replica.keep()
    lease = cluster.objects[LEASE.name, "pintle", "pintle-operator"]
    cluster.put({**lease, "spec": {**lease["spec"], "holderIdentity": "two"}})
    await clock.advance(RETRY_PERIOD)
    assert kept.done()
    assert not replica.fence.open()


def test_a_write_ends_before_another_may_lead(clock: VirtualClock) -> None:
    """A call that begins late in the term gets only what is left of the Lease as its time-out."""
    fence = Fence(clock, renew_deadline=RENEW_DEADLINE, lease_duration=LEASE_DURATION)
    fence.renewed(clock.monotonic())
    assert fence.time_out(10.0) == 10.0
    clock.seconds += 9.0
    assert fence.time_out(10.0) == LEASE_DURATION - 9.0
