"""The keyed queue: once each, never twice at a time, delays and back-off."""

from __future__ import annotations

import asyncio

import pytest
from pintle.controller.queue import KeyedQueue, work
from pintle.core.plan import Key

from tests.unit.controller.fakes import VirtualClock, settle

A, B = Key("TrainingJob", "team", "a"), Key("TrainingJob", "team", "b")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def queue(clock: VirtualClock) -> KeyedQueue:
    return KeyedQueue(clock, lambda failures: 2.0**failures)


async def test_a_key_that_waits_is_not_queued_twice(queue: KeyedQueue) -> None:
    """Ten events of one object are one look."""
    for _ in range(10):
        queue.add(A)
    queue.add(B)
    assert await queue.take() == A
    assert await queue.take() == B
    assert queue.depth() == 0


async def test_urgent_keys_come_before_all_that_wait(queue: KeyedQueue) -> None:
    """Also one that waits already; and none of them twice."""
    others = [Key("TrainingJob", "team", f"c{number}") for number in range(3)]
    for key in (*others, A):
        queue.add(key)
    queue.add(B, urgent=True)
    queue.add(A, urgent=True)
    queue.add(A)
    assert queue.depth() == 5
    assert [await queue.take() for _ in range(5)] == [B, A, *others]
    assert queue.depth() == 0


async def test_what_becomes_urgent_during_its_look_is_next(queue: KeyedQueue) -> None:
    """A verdict that changes while the deployment is being looked at does not wait behind others."""
    queue.add(A)
    await queue.take()
    queue.add(B)
    queue.add(A, urgent=True)
    queue.add(A)
    queue.done(A)
    assert await queue.take() == A
    queue.done(A)
    queue.add(A)
    assert [await queue.take() for _ in range(2)] == [B, A]


async def test_a_key_is_never_looked_at_by_two_workers_at_once(queue: KeyedQueue) -> None:
    """What arrives during a look makes one more look, after it."""
    running, most, looks = 0, 0, 0

    async def look(key: Key) -> None:
        nonlocal running, most, looks
        running, looks = running + 1, looks + 1
        most = max(most, running)
        queue.add(key) if looks < 5 else None
        await settle()
        running -= 1

    workers = [asyncio.create_task(work(queue, look)) for _ in range(4)]
    queue.add(A)
    for _ in range(20):
        await settle()
    queue.close()
    await asyncio.gather(*workers)
    assert (most, looks) == (1, 5)


async def test_a_delayed_key_comes_when_it_is_due_and_not_before(queue: KeyedQueue, clock: VirtualClock) -> None:
    """The earliest of several dates counts."""
    dates = asyncio.create_task(queue.keep_dates())
    queue.add_after(A, 30)
    queue.add_after(A, 10)
    queue.add_after(A, 20)
    await clock.advance(9.9)
    assert queue.depth() == 0
    await clock.advance(0.2)
    assert queue.depth() == 1
    await queue.take()
    queue.done(A)
    await clock.advance(60)
    assert queue.depth() == 0, "the later dates are void"
    queue.close()
    await dates


async def test_a_look_voids_the_date_that_was_set_before_it(queue: KeyedQueue, clock: VirtualClock) -> None:
    """An event that comes first makes the look; the look sets its own next date."""
    dates = asyncio.create_task(queue.keep_dates())
    queue.add_after(A, 10)
    queue.add(A)
    assert await queue.take() == A
    queue.done(A)
    await clock.advance(11)
    assert queue.depth() == 0
    queue.close()
    await dates


async def test_failures_wait_longer_each_time_until_one_succeeds(queue: KeyedQueue) -> None:
    """And never shorter than the server asks."""
    assert [queue.add_backed_off(A) for _ in range(3)] == [2.0, 4.0, 8.0]
    queue.succeeded(A)
    assert queue.add_backed_off(A) == 2.0
    assert queue.add_backed_off(B, at_least=30.0) == 30.0


async def test_a_closed_queue_hands_out_nothing(queue: KeyedQueue) -> None:
    """Keys that still wait are left for the next leader."""
    queue.add(A)
    queue.close()
    assert await queue.take() is None
    assert await queue.take() is None


async def test_a_worker_survives_keys_added_while_it_looks(queue: KeyedQueue) -> None:
    """`done` puts a key that was added meanwhile back into the line."""
    queue.add(A)
    key = await queue.take()
    assert key == A
    queue.add(A)
    assert queue.depth() == 0
    queue.done(A)
    assert queue.depth() == 1
