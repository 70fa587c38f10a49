"""Kubernetes Events on the parents: the same (type, reason, message) is one Event that is counted, not many."""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pintle.contract import names
from pintle.controller.fence import Fence
from pintle.controller.store import uid_of
from pintle.core.plan import Event
from pintle.ports.clock import Clock
from pintle.ports.cluster import WRITE_TIMEOUT, AlreadyExists, Cluster, ClusterError, NotFound
from pintle.ports.kinds import EVENT

Obj = Mapping[str, Any]
logger = logging.getLogger("pintle.events")

COMPONENT = "pintle-operator"
QUIET_SECONDS = 600.0
"""A repetition is written at most this often; those in between are counted and written with the next."""
MESSAGE_BYTES = 1024
_REMEMBERED = 10_000


class EventRecorder:
    """Writes Events. One that cannot be written is logged and never holds up a look."""

    def __init__(self, cluster: Cluster, clock: Clock, fence: Fence) -> None:
        self._cluster = cluster
        self._clock = clock
        self._fence = fence
        self._last: OrderedDict[str, tuple[float, int]] = OrderedDict()

    async def record(self, parent: Obj, events: Iterable[Event]) -> None:
        """Write or count each of the events on the parent."""
        for event in events:
            name = _name(parent, event)
            now = self._clock.monotonic()
            written, count = self._last.get(name, (float("-inf"), 0))
            if now - written < QUIET_SECONDS:
                self._last[name] = (written, count + 1)
                continue
            try:
                await self._write(name, parent, event, count + 1)
            except ClusterError as error:
                logger.warning("an Event could not be written: %s", error.message)
            self._last[name] = (now, count + 1)
            self._last.move_to_end(name)
            while len(self._last) > _REMEMBERED:
                self._last.popitem(last=False)

    async def _write(self, name: str, parent: Obj, event: Event, count: int) -> None:
        timeout = self._fence.time_out(WRITE_TIMEOUT)
        now = _second(self._clock.now())
        if count > 1:
            repeated = {"count": count, "lastTimestamp": now}
            try:
                await self._cluster.merge(
                    EVENT, parent["metadata"]["namespace"], name, repeated, manager=names.FIELD_MANAGER, timeout=timeout
                )
                return
            except NotFound:
                # Events last an hour; this one has gone since.
                pass
        try:
            body = _body(name, parent, event, count, now)
            await self._cluster.create(body, manager=names.FIELD_MANAGER, timeout=timeout)
        except AlreadyExists:
            # Written by the process before this one.
            again = {"lastTimestamp": now}
            namespace = parent["metadata"]["namespace"]
            await self._cluster.merge(EVENT, namespace, name, again, manager=names.FIELD_MANAGER, timeout=timeout)


def _name(parent: Obj, event: Event) -> str:
    what = "\0".join((uid_of(parent), event.type, event.reason, event.message))
    return f"{parent['metadata']['name']}.{hashlib.sha256(what.encode()).hexdigest()[:16]}"


def _body(name: str, parent: Obj, event: Event, count: int, now: str) -> dict[str, Any]:
    metadata = parent["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": parent["apiVersion"],
            "kind": parent["kind"],
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        },
        "type": event.type,
        "reason": event.reason,
        "message": event.message[:MESSAGE_BYTES],
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": COMPONENT,
        "count": count,
        "firstTimestamp": now,
        "lastTimestamp": now,
    }


def _second(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
