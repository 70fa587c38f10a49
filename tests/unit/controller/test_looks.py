"""A look, from the facts to the date of the next one."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from pintle.controller.effects import Effects
from pintle.controller.events import QUIET_SECONDS, EventRecorder
from pintle.controller.fence import Fence
from pintle.controller.looks import BUSY_LOOKS, BUSY_PER_SECOND, SLOWED_SECONDS, Looks
from pintle.controller.notice import Notice
from pintle.controller.notify import Notifier
from pintle.controller.queue import KeyedQueue
from pintle.controller.store import Store
from pintle.controller.telemetry import Decisions, Metrics
from pintle.controller.watching.watch import Watch
from pintle.core.plan import Decision, Event, Key, Plan, Policy
from pintle.core.plan import Notice as Told
from pintle.ports.cluster import Refused, Unavailable
from pintle.ports.kinds import JOB, TRAINING_JOB

from tests.unit.controller.fakes import FakeCluster, Letters, VirtualClock, obj, settle

KEY = Key("TrainingJob", "team", "delays")
CALM = Plan()


class Bench:
    """Looks at one TrainingJob with a decision that the test gives: `bench.decide = lambda seen, error: Plan(...)`."""

    def __init__(self) -> None:
        self.cluster, self.clock, self.store = FakeCluster(), VirtualClock(), Store()
        self.queue = KeyedQueue(self.clock, lambda failures: 2.0**failures)
        self.notice = Notice(self.store, self.queue)
        self.metrics = Metrics()
        self.said = io.StringIO()
        self.fence = Fence(self.clock, renew_deadline=1e9, lease_duration=2e9)
        self.fence.renewed(self.clock.monotonic())
        self.decide: Callable[[Any, str | None], Plan] = lambda parent, error: CALM
        self.errors: list[str | None] = []
        self.letters = Letters()
        self.notifier = Notifier(self.letters, self.letters, self.clock, lambda failures: 1.0, self.metrics)
        self.looks = Looks(
            cluster=self.cluster,
            clock=self.clock,
            store=self.store,
            queue=self.queue,
            effects=Effects(self.cluster, self.store, self.notice, self.fence, lambda verb, kind: None),
            events=EventRecorder(self.cluster, self.clock, self.fence),
            policy=Policy("server:1", "runner:1"),
            metrics=self.metrics,
            decisions=Decisions(self.said, process="uid", pod="operator-0"),
            notifier=self.notifier,
            watch=Watch(),
            plan_for=self._plan_for,
        )
        self.parent = self.cluster.put(obj(TRAINING_JOB, "delays", spec={}))
        self.notice.seen(self.parent)

    async def _plan_for(
        self, parent: Any, store: Any, cluster: Any, watch: Any, error: str | None, now: datetime, policy: Any
    ) -> Plan:
        self.errors.append(error)
        return self.decide(parent, error)

    async def look(self) -> None:
        key = await self.queue.take()
        assert key == KEY
        await self.looks.look(key)
        self.queue.done(key)

    async def rest(self, most: int = 50) -> int:
        """Look until the queue is empty; returns how many looks that took."""
        for count in range(most):
            if self.queue.idle():
                return count
            await self.look()
        raise AssertionError("does not come to rest")

    async def deliver(self) -> None:
        """Let the notifier send what it was told."""
        running = asyncio.create_task(self.notifier.run())
        await settle()
        running.cancel()

    def result(self, name: str) -> float:
        return self.metrics.looks.labels("TrainingJob", name)._value.get()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def job(bench: Bench) -> Any:
    return obj(JOB, "run", owner=bench.parent)


async def test_a_look_that_wrote_something_is_followed_by_one_that_rests(bench: Bench) -> None:
    """The second look sees what the first has done and does nothing."""
    bench.decide = lambda parent, error: Plan(create=() if bench.store.get(JOB, "team", "run") else (job(bench),))
    assert await bench.rest() == 2
    assert (bench.result("acted"), bench.result("calm")) == (1, 1)


async def test_a_calm_look_sets_the_date_that_the_plan_asks_for(bench: Bench) -> None:
    """`requeue_after` comes even when nothing happens."""
    bench.decide = lambda parent, error: Plan(requeue_after=timedelta(seconds=7))
    assert await bench.rest() == 1
    assert bench.queue._due[KEY] == bench.clock.monotonic() + 7


async def test_a_refused_write_is_told_to_the_next_look(bench: Bench) -> None:
    """So that it becomes a condition; after that it is tried with growing delays, not at once."""
    bench.cluster.failures["create Job/run"] = Refused("quota exceeded", status=403, reason="Forbidden")
    bench.decide = lambda parent, error: Plan(
        create=(job(bench),), status={"refused": error} if parent.get("status") != {"refused": error} else None
    )
    await bench.rest()
    assert bench.errors[:2] == [None, "quota exceeded"]
    assert bench.cluster.objects["TrainingJob", "team", "delays"]["status"] == {"refused": "quota exceeded"}
    assert bench.queue._due[KEY] > bench.clock.monotonic()
    del bench.cluster.failures["create Job/run"]
    bench.queue.add(KEY)
    await bench.rest()
    assert bench.errors[-1] is None, "a write that works in the end clears it"
    assert bench.queue.failures(KEY) == 0


async def test_an_unreachable_server_is_tried_again_later_and_is_no_condition(bench: Bench) -> None:
    """Back-off grows, at least as long as the server asks; no decision is recorded."""
    bench.cluster.failures["create Job/run"] = Unavailable("busy", status=429, retry_after=30)
    bench.decide = lambda parent, error: Plan(create=(job(bench),))
    assert await bench.rest() == 1
    assert bench.queue._due[KEY] == bench.clock.monotonic() + 30
    assert bench.errors == [None]
    assert not bench.said.getvalue()


async def test_a_plan_that_breaks_stops_no_other_object(bench: Bench) -> None:
    """A fault in a decision is logged, counted and tried again later."""

    def broken(parent: Any, error: str | None) -> Plan:
        raise ValueError("a fault of ours")

    bench.decide = broken
    assert await bench.rest() == 1
    assert bench.result("error") == 1
    assert bench.queue.failures(KEY) == 1


class Restless:
    """A plan whose status differs at each look; each write wakes the next one."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, parent: Any, error: str | None) -> Plan:
        self.count += 1
        return Plan(status={"count": self.count})


async def test_a_plan_that_never_comes_to_rest_is_slowed_down(bench: Bench) -> None:
    """A status that differs at each look costs a bounded number of writes, even though each one wakes the next look."""
    bench.decide = restless = Restless()
    await bench.rest(most=100)
    assert restless.count == BUSY_LOOKS + 1
    assert bench.result("slowed") >= 1
    bench.clock.seconds += 600
    bench.queue.add(KEY)
    await bench.rest(most=100)
    assert restless.count <= 2 * (BUSY_LOOKS + 2)


async def test_what_was_slowed_is_looked_at_soon_however_often_it_happens(bench: Bench) -> None:
    """The next look may be a rollback: it never waits longer than a few seconds, and then a few looks are free."""
    bench.decide = restless = Restless()
    for _ in range(20):
        await bench.rest(most=100)
        before = restless.count
        bench.clock.seconds += SLOWED_SECONDS
        bench.queue.add(KEY)
        await bench.rest(most=100)
        assert before + 1 < restless.count <= before + 1 + SLOWED_SECONDS * BUSY_PER_SECOND


async def test_looks_that_have_something_to_do_now_and_then_are_not_slowed(bench: Bench) -> None:
    """A person's words, steps and figures may follow each other for hours without a calm look in between."""
    bench.decide = Restless()
    for _ in range(100):
        await bench.look()
        bench.clock.seconds += 1 / BUSY_PER_SECOND
    assert bench.result("acted") == 100
    assert bench.result("slowed") == 0


async def test_a_parent_that_is_gone_or_going_is_left_alone(bench: Bench) -> None:
    """ownerReferences clean up; no plan is made."""
    bench.notice.seen(bench.cluster.put(bench.parent, deletionTimestamp="2026-01-01T00:00:00Z"))
    assert await bench.rest() == 1
    assert bench.errors == []
    assert bench.result("gone") == 1


async def test_what_a_look_did_is_one_line_that_names_the_one_before(bench: Bench) -> None:
    """Only looks that did something are recorded; each line carries the hash of its predecessor, the first the name."""
    bench.decide = lambda parent, error: Plan(
        status={"n": 1} if not parent.get("status") else {"n": 2} if parent["status"] == {"n": 1} else None,
        why=("because",),
    )
    await bench.rest()
    texts = bench.said.getvalue().splitlines()
    begins, first, second = (json.loads(text) for text in texts)
    assert (begins["process"], begins["pod"], begins["previous"]) == ("uid", "operator-0", "")
    assert first["why"] == ["because"]
    assert [line["seq"] for line in (begins, first, second)] == [0, 1, 2]
    assert {line["chain"] for line in (begins, first, second)} == {begins["chain"]}
    hashes = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
    assert [first["previous"], second["previous"]] == hashes[:2]


def decided(bench: Bench) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in bench.said.getvalue().splitlines()]
    around = {"time", "level", "logger", "kind", "namespace", "name", "chain", "seq", "previous"}
    return [{k: v for k, v in line.items() if k not in around} for line in lines if "action" in line]


NOTICE = Told("drift-1", "FeatureDrift", "temp drifts", receivers=("team",))
ROLLOUT = Decision("Step", "0b98ee7c", "its pods are ready")
ROLLBACK = Decision("Rollback", "0b98ee7c", "too many errors", rule="errors", value=0.25, rows=45.0, evidence=5.3)


async def test_a_decision_is_recorded_with_its_figures_and_counted(bench: Bench) -> None:
    """What is not known is left out; the action and the rule are labels of a counter."""
    bench.decide = lambda parent, error: Plan(
        status={"n": 1} if not parent.get("status") else None,
        decisions=(ROLLBACK,) if not parent.get("status") else (),
    )
    await bench.rest()
    assert decided(bench) == [
        {"action": "Rollback", "subject": "0b98ee7c", "rule": "errors", "value": 0.25, "rows": 45.0, "evidence": 5.3}
        | {"why": "too many errors"}
    ]
    assert bench.metrics.actions.labels("team", "", "delays", "Rollback", "errors")._value.get() == 1


async def test_a_decision_that_is_not_carried_out_is_not_recorded(bench: Bench) -> None:
    """The API server refuses the write: it comes with the look that succeeds, and once only."""
    call = "create Job/run"
    bench.cluster.failures[call] = Refused("quota exceeded", status=403, reason="Forbidden")
    bench.decide = lambda parent, error: Plan(
        create=() if bench.store.get(JOB, "team", "run") else (job(bench),),
        decisions=(Decision("Train", "run", "by schedule"),),
    )
    await bench.rest()
    assert decided(bench) == []
    del bench.cluster.failures[call]
    bench.queue.add(KEY)
    await bench.rest()
    bench.queue.add(KEY)
    await bench.rest()
    assert len(decided(bench)) == 1


async def test_a_status_that_cannot_be_written_hides_no_decision(bench: Bench) -> None:
    """What was done before it is on record, though the look fails."""
    bench.cluster.failures["status TrainingJob/delays"] = Unavailable("down")
    bench.decide = lambda parent, error: Plan(
        create=(job(bench),), status={"n": 1}, decisions=(ROLLBACK,), notify=(NOTICE,)
    )
    await bench.rest()
    assert len(decided(bench)) == 1
    # A plan says it again until the status has it; it is recorded and told once.
    del bench.cluster.failures["status TrainingJob/delays"]
    bench.decide = lambda parent, error: Plan(status={"n": 1}, decisions=(ROLLBACK, ROLLOUT), notify=(NOTICE,))
    bench.queue.add(KEY)
    await bench.rest()
    assert [line["action"] for line in decided(bench)] == ["Rollback", "Step"]
    await bench.deliver()
    assert [body["id"] for _, body in bench.letters.sent] == ["drift-1"]


async def test_while_one_thing_is_refused_the_rest_is_recorded_and_told(bench: Bench) -> None:
    """A quota for Jobs keeps back the line of that run, and no other, and no notice."""
    bench.cluster.failures["create Job/run"] = Refused("quota exceeded", status=403, reason="Forbidden")
    train = Decision("Train", "run", "by schedule")
    bench.decide = lambda parent, error: Plan(
        create=(job(bench),), status={"n": 1}, decisions=(train, ROLLBACK), notify=(NOTICE,)
    )
    await bench.rest()
    assert [line["action"] for line in decided(bench)] == ["Rollback"]
    await bench.deliver()
    assert len(bench.letters.sent) == 1


async def test_a_notice_is_told_when_the_look_has_done_its_work(bench: Bench) -> None:
    """One that found the world changed meanwhile tells nothing: the next will."""
    bench.decide = lambda parent, error: Plan(notify=(NOTICE,))
    await bench.rest()
    await bench.deliver()
    assert [body["reason"] for _, body in bench.letters.sent] == ["FeatureDrift"]


async def test_the_same_event_is_counted_and_not_repeated(bench: Bench) -> None:
    """Within ten minutes one write; the count of those in between comes with the next."""
    bench.decide = lambda parent, error: Plan(events=(Event("Warning", "Broken", "it broke"),))
    for _ in range(3):
        bench.queue.add(KEY)
        await bench.rest()
    (event,) = (o for o in bench.cluster.objects.values() if o["kind"] == "Event")
    assert (event["count"], event["involvedObject"]["uid"]) == (1, bench.parent["metadata"]["uid"])
    bench.clock.seconds += QUIET_SECONDS
    bench.queue.add(KEY)
    await bench.rest()
    (event,) = (o for o in bench.cluster.objects.values() if o["kind"] == "Event")
    assert event["count"] == 4


async def test_an_event_that_cannot_be_written_holds_nothing_up(bench: Bench) -> None:
    """The look is as good as without it."""
    bench.decide = lambda parent, error: Plan(events=(Event("Normal", "Done", "done"),))
    bench.cluster.failures = {call: Unavailable("down") for call in ("create Event/" + n for n in _event_names(bench))}
    assert await bench.rest() == 1
    assert bench.result("calm") == 1


def _event_names(bench: Bench) -> list[str]:
    from pintle.controller.events import _name

    return [_name(bench.parent, Event("Normal", "Done", "done"))]
