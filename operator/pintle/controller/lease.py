"""Which replica acts: the holder of one Lease, written only over the very state that was read.

The holder is the pod's UID, so a container that is restarted in the same pod goes on at once. When another holds it,
its Lease counts as expired after not having changed for its whole duration by our own clock: clocks need not agree.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pintle.contract import names
from pintle.controller.fence import Fence
from pintle.ports.clock import Clock
from pintle.ports.cluster import AlreadyExists, Cluster, ClusterError, NotFound
from pintle.ports.kinds import LEASE

LEASE_DURATION = 15.0
RENEW_DEADLINE = 10.0
RETRY_PERIOD = 2.0
CALL_TIMEOUT = 3.0


@dataclass(frozen=True)
class Identity:
    """Whose Lease it is and where it lies."""

    holder: str
    namespace: str
    name: str = "pintle-operator"


class Elector:
    """Acquires, renews and releases the Lease; opens the fence while it is ours."""

    def __init__(self, cluster: Cluster, clock: Clock, fence: Fence, identity: Identity) -> None:
        self._cluster = cluster
        self._clock = clock
        self._fence = fence
        self._identity = identity
        self._seen = ""
        self._seen_at = 0.0

    async def acquire(self, stop: asyncio.Event, failed: Callable[[ClusterError], None]) -> bool:
        """Wait until the Lease is ours (True) or until `stop` (False). `failed` hears of calls that went wrong."""
        while not stop.is_set():
            try:
                if await self._try():
                    return True
            except ClusterError as error:
                failed(error)
            await self._clock.wait(stop, RETRY_PERIOD)
        return False

    async def keep(self, stop: asyncio.Event, failed: Callable[[ClusterError], None]) -> None:
        """Renew until `stop`, or return because it is lost: taken by another, or not renewed in time."""
        while not await self._clock.wait(stop, RETRY_PERIOD):
            try:
                if not await self._try():
                    break
            except ClusterError as error:
                failed(error)
            if not self._fence.open():
                break
        if not stop.is_set():
            self._fence.shut()

    async def release(self) -> None:
        """Let another go on at once. No write may follow."""
        self._fence.shut()
        try:
            lease = await self._cluster.get(LEASE, self._identity.namespace, self._identity.name, timeout=CALL_TIMEOUT)
            if lease["spec"].get("holderIdentity") == self._identity.holder:
                spec = {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
                await self._cluster.replace({**lease, "spec": spec}, timeout=CALL_TIMEOUT)
        except ClusterError:
            # It will expire by itself.
            return

    async def _try(self) -> bool:
        began = self._clock.monotonic()
        try:
            lease = await self._cluster.get(LEASE, self._identity.namespace, self._identity.name, timeout=CALL_TIMEOUT)
        except NotFound:
            return await self._create(began)
        if not self._free(lease):
            return False
        # A Conflict says that somebody wrote in between, which may be an earlier call of ours: the next try reads who.
        await self._cluster.replace({**lease, "spec": self._spec(lease["spec"])}, timeout=CALL_TIMEOUT)
        self._fence.renewed(began)
        return True

    async def _create(self, began: float) -> bool:
        body = {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.name,
            "metadata": {"name": self._identity.name, "namespace": self._identity.namespace},
            "spec": self._spec({}),
        }
        try:
            await self._cluster.create(body, manager=names.FIELD_MANAGER, timeout=CALL_TIMEOUT)
        except AlreadyExists:
            return False
        self._fence.renewed(began)
        return True

    def _free(self, lease: dict[str, Any]) -> bool:
        """Whether it may be written: ours, nobody's, or unchanged for longer than its duration."""
        holder = lease["spec"].get("holderIdentity") or ""
        if holder in ("", self._identity.holder):
            return True
        if lease["metadata"]["resourceVersion"] != self._seen:
            self._seen = lease["metadata"]["resourceVersion"]
            self._seen_at = self._clock.monotonic()
        return self._clock.monotonic() - self._seen_at > (lease["spec"].get("leaseDurationSeconds") or LEASE_DURATION)

    def _spec(self, before: dict[str, Any]) -> dict[str, Any]:
        now = _micro(self._clock.now())
        ours = before.get("holderIdentity") == self._identity.holder
        return {
            **before,
            "holderIdentity": self._identity.holder,
            "leaseDurationSeconds": int(LEASE_DURATION),
            "renewTime": now,
            "acquireTime": before.get("acquireTime", now) if ours else now,
            "leaseTransitions": int(before.get("leaseTransitions") or 0) + (0 if ours else 1),
        }


def _micro(moment: datetime) -> str:
    """MicroTime of the API: RFC 3339 with six digits."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
