"""Notices to their receivers: told once, tried again when it fails, and never in the way of a look.

tell ──> a lane per receiver (bounded) ──(one delivery at a time, back-off)──> sent | failed | unknown
     └─> dropped, when the lane is full
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pintle.controller.telemetry import Metrics
from pintle.core.plan import Key, Notice
from pintle.ports.clock import Backoff, Clock
from pintle.ports.webhook import SLACK, Receiver, Receivers, ReceiverUnknown, SendFailed, Webhook

logger = logging.getLogger("pintle.notify")

LANE = 200
"""Notices that wait for one receiver."""
ATTEMPTS = 10
_REMEMBERED = 10_000


@dataclass(frozen=True)
class _Letter:
    key: Key
    notice: Notice
    time: str


class Notifier:
    """Delivers notices while `run` runs; `tell` is for everybody on the event loop."""

    def __init__(
        self, receivers: Receivers, webhook: Webhook, clock: Clock, backoff: Backoff, metrics: Metrics
    ) -> None:
        self._receivers = receivers
        self._webhook = webhook
        self._clock = clock
        self._backoff = backoff
        self._metrics = metrics
        self._lanes: dict[str, deque[_Letter]] = {}
        self._told: OrderedDict[tuple[Key, str, str], None] = OrderedDict()
        self._news = asyncio.Event()

    def tell(self, key: Key, notices: Iterable[Notice]) -> None:
        """Have each notice sent to each of its receivers, unless that was told before."""
        for notice in notices:
            for name in notice.receivers:
                mark = (key, notice.id, name)
                if mark not in self._told and self._enqueue(name, _Letter(key, notice, _now(self._clock))):
                    self._told[mark] = None
        while len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)

    async def run(self) -> None:
        """Deliver until cancelled. What has not been sent by then is lost."""
        going: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                going = {name: task for name, task in going.items() if not task.done()}
                for name in self._lanes:
                    if name not in going:
                        going[name] = asyncio.create_task(self._deliver(name))
        finally:
            for task in going.values():
                task.cancel()

    def _enqueue(self, name: str, letter: _Letter) -> bool:
        lane = self._lanes.setdefault(name, deque())
        if len(lane) >= LANE:
            self._count(name, "dropped")
            return False
        lane.append(letter)
        self._news.set()
        return True

    async def _deliver(self, name: str) -> None:
        """Empty the lane of a receiver, in order."""
        lane = self._lanes[name]
        while lane:
            result = "failed"
            try:
                result = await self._send(name, lane[0])
            except Exception:
                # A fault of ours with one letter must not keep back the others.
                logger.exception("a notice could not be sent", extra={"fields": {"receiver": name}})
            self._count(name, result)
            lane.popleft()
        # Nothing was awaited since the lane was empty: nobody can have put anything into it.
        del self._lanes[name]

    async def _send(self, name: str, letter: _Letter) -> str:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                receiver = self._receivers.find(name)
                await self._webhook.send(receiver, body_of(receiver, letter.key, letter.notice, letter.time))
                return "sent"
            except ReceiverUnknown as error:
                self._warn(name, letter, str(error))
                return "unknown"
            except SendFailed as error:
                if error.final or attempt == ATTEMPTS:
                    self._warn(name, letter, error.message)
                    return "failed"
                wait = max(self._backoff(attempt), error.retry_after)
                await self._clock.wait(asyncio.Event(), wait)
        return "failed"

    def _count(self, name: str, result: str) -> None:
        # Anybody may write any name into a spec: what is not set up gets no series of its own.
        self._metrics.notifications.labels("" if result == "unknown" else name, result).inc()

    def _warn(self, name: str, letter: _Letter, message: str) -> None:
        fields = {"receiver": name, "namespace": letter.key.namespace, "name": letter.key.name}
        logger.warning("a notice was not sent: %s", message, extra={"fields": {**fields, "notice": letter.notice.id}})


def body_of(receiver: Receiver, key: Key, notice: Notice, time: str) -> Mapping[str, Any]:
    """What is sent, in the receiver's format."""
    if receiver.format == SLACK:
        return {"text": _slack(key, notice)}
    return {
        "id": notice.id,
        "time": time,
        "kind": key.kind,
        "namespace": key.namespace,
        "name": key.name,
        "reason": notice.reason,
        "message": notice.message,
        "owner": dict(notice.owner),
    }


def _slack(key: Key, notice: Notice) -> str:
    lines = [f"*{notice.reason}* {key.kind} {key.namespace}/{key.name}", notice.message]
    if notice.owner:
        lines.append(" · ".join(f"{name}: {value}" for name, value in notice.owner.items()))
    text = "\n".join(lines)
    # What a user wrote must not become a link or a mention of the whole channel.
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _now(clock: Clock) -> str:
    return clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
