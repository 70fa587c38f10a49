"""Notices reach their receivers once, in spite of failures, and hold up nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pintle.controller.notify import ATTEMPTS, LANE, Notifier
from pintle.controller.telemetry import Metrics
from pintle.core.plan import Key, Notice
from pintle.ports.webhook import SendFailed

from tests.unit.controller.fakes import Letters, VirtualClock, settle

KEY = Key("ModelDeployment", "team", "delays")
NOTICE = Notice("drift-1", "FeatureDrift", "temp drifts", ("team",), {"team": "ops", "contact": "ann"})


class Bench:
    def __init__(self, *known: str, format: str = "Generic") -> None:
        self.clock, self.letters, self.metrics = VirtualClock(), Letters(*known, format=format), Metrics()
        self.notifier = Notifier(self.letters, self.letters, self.clock, lambda failures: float(failures), self.metrics)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.notifier.run())
        await settle()
        yield
        task.cancel()
        await asyncio.wait([task])

    def count(self, receiver: str, result: str) -> float:
        return float(self.metrics.notifications.labels(receiver, result)._value.get())


async def test_a_notice_is_sent_once() -> None:
    """However often the plan repeats it; the same finding for another object is another notice."""
    bench = Bench()
    async with bench.running():
        for _ in range(3):
            bench.notifier.tell(KEY, [NOTICE])
            await settle()
        bench.notifier.tell(Key("ModelDeployment", "team", "other"), [NOTICE])
        await settle()
    assert [body["name"] for _, body in bench.letters.sent] == ["delays", "other"]
    assert bench.count("team", "sent") == 2


async def test_the_generic_form() -> None:
    """Everything a program needs, as JSON."""
    bench = Bench()
    async with bench.running():
        bench.notifier.tell(KEY, [NOTICE])
        await settle()
    ((_, body),) = bench.letters.sent
    assert body == {
        "id": "drift-1",
        "time": "2026-01-01T00:16:40.000Z",
        "kind": "ModelDeployment",
        "namespace": "team",
        "name": "delays",
        "reason": "FeatureDrift",
        "message": "temp drifts",
        "owner": {"team": "ops", "contact": "ann"},
    }


async def test_the_slack_form_mentions_nobody() -> None:
    """What a user wrote is text: <!channel> would wake everybody."""
    bench = Bench(format="Slack")
    async with bench.running():
        bench.notifier.tell(KEY, [Notice("1", "RolledBack", "a <!channel> & b", ("team",), {"contact": "ann"})])
        await settle()
    ((_, body),) = bench.letters.sent
    assert body["text"].splitlines() == [
        "*RolledBack* ModelDeployment team/delays",
        "a &lt;!channel&gt; &amp; b",
        "contact: ann",
    ]


async def test_a_receiver_that_is_down_is_tried_again() -> None:
    """Later each time, and not before it asks for it."""
    bench = Bench()
    bench.letters.answers["team"] = [SendFailed("down"), SendFailed("busy", retry_after=30)]
    async with bench.running():
        bench.notifier.tell(KEY, [NOTICE])
        await bench.clock.advance(1)
        assert bench.letters.tries == 2
        await bench.clock.advance(29)
        assert bench.letters.sent == []
        await bench.clock.advance(1)
    assert len(bench.letters.sent) == 1


@pytest.mark.parametrize(
    ("errors", "tries"),
    [([SendFailed("answered 404", final=True)], 1), ([SendFailed("down")] * ATTEMPTS, ATTEMPTS)],
    ids=["refused", "down for too long"],
)
async def test_a_notice_that_cannot_be_sent_is_given_up_and_counted(errors: list[Exception], tries: int) -> None:
    """The next one is sent."""
    bench = Bench()
    bench.letters.answers["team"] = list(errors)
    async with bench.running():
        bench.notifier.tell(KEY, [NOTICE, Notice("drift-2", "FeatureDrift", "wind drifts", ("team",))])
        await bench.clock.advance(1000)
    assert bench.letters.tries == tries + 1
    assert [body["id"] for _, body in bench.letters.sent] == ["drift-2"]
    assert bench.count("team", "failed") == 1


async def test_a_receiver_that_is_down_holds_up_no_other() -> None:
    """Each has its own lane."""
    bench = Bench("dead", "alive")
    bench.letters.answers["dead"] = [SendFailed("down")] * ATTEMPTS
    async with bench.running():
        bench.notifier.tell(KEY, [Notice("1", "Reason", "text", ("dead", "alive"))])
        await settle()
    assert [name for name, _ in bench.letters.sent] == ["alive"]


async def test_a_full_lane_drops_and_says_so() -> None:
    """Memory is bounded; a notice that was dropped may be told again."""
    bench = Bench()
    notices = [Notice(str(number), "Reason", "text", ("team",)) for number in range(LANE + 5)]
    bench.notifier.tell(KEY, notices)
    assert bench.count("team", "dropped") == 5
    async with bench.running():
        await settle()
        bench.notifier.tell(KEY, notices)
        await settle()
    assert len(bench.letters.sent) == LANE + 5


async def test_a_receiver_that_nobody_has_set_up_is_counted_without_its_name() -> None:
    """Names stand in specs: whoever writes one must not make a time series of it."""
    bench = Bench()
    async with bench.running():
        bench.notifier.tell(KEY, [Notice("1", "Reason", "text", ("typo",))])
        await settle()
    assert bench.count("", "unknown") == 1
    assert bench.letters.tries == 0


async def test_a_fault_of_ours_with_one_notice_keeps_back_no_other() -> None:
    """It is logged and counted as failed."""
    bench = Bench()
    bench.letters.answers["team"] = [RuntimeError("a fault of ours")]
    async with bench.running():
        bench.notifier.tell(KEY, [NOTICE, Notice("2", "Reason", "text", ("team",))])
        await settle()
    assert [body["id"] for _, body in bench.letters.sent] == ["2"]
