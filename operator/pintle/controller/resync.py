"""Lists: at the start, so that no decision is made from half a picture; later, to find what the watches missed.

Every `interval` all parents are looked at (spread over it); every `LIST_EVERY` intervals the metadata of all objects
are listed: what is in the store but not on the cluster is forgotten (a deletion in a watch gap), and where the cluster
was ahead of the store already at the list before, the kind is listed in full.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Callable, Collection, Mapping
from typing import Any

from pintle.controller.mapping import key_of
from pintle.controller.notice import Notice
from pintle.controller.queue import KeyedQueue
from pintle.controller.store import Store, uid_of, version_of
from pintle.core.plan import Key
from pintle.ports.clock import Clock
from pintle.ports.cluster import Cluster, ClusterError, Listing, NotFound
from pintle.ports.kinds import PARENTS, WATCHED, Kind, selector

logger = logging.getLogger("pintle.resync")

LIST_EVERY = 5


class Resync:
    """Keeps store and queue honest, whatever the watches do."""

    def __init__(
        self,
        cluster: Cluster,
        clock: Clock,
        store: Store,
        notice: Notice,
        queue: KeyedQueue,
        namespaces: Collection[str],
        pruned: Callable[[], None] = lambda: None,
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._store = store
        self._notice = notice
        self._queue = queue
        self._namespaces: tuple[str | None, ...] = tuple(namespaces) or (None,)
        self._pruned = pruned
        self._behind: dict[str, dict[str, int]] = {}

    async def fill(self) -> None:
        """List everything in full into the store. Raises ClusterError; kinds that are not installed are empty."""
        for kind in WATCHED:
            await self._list_in_full(kind)

    async def keep(self, stop: asyncio.Event, interval: float) -> None:
        """Resync every `interval` seconds until `stop`."""
        rounds = 0
        while not await self._clock.wait(stop, interval):
            rounds += 1
            if rounds % LIST_EVERY == 0:
                await self.compare()
            for parent in (parent for kind in PARENTS for parent in self._store.all(kind)):
                key = key_of(parent)
                self._queue.add_after(key, _share(key) * interval)

    async def compare(self) -> None:
        """Compare the store with the cluster by metadata; a kind that cannot be listed waits for the next time."""
        for kind in WATCHED:
            try:
                await self._compare(kind)
            except ClusterError as error:
                logger.warning("could not list %s: %s", kind.plural, error.message)

    async def _compare(self, kind: Kind) -> None:
        behind: dict[str, int] = {}
        held: dict[str, int] = {}
        for namespace in self._namespaces:
            listing = await self._list(kind, namespace, metadata_only=True)
            present = {uid_of(item): version_of(item) for item in listing.items}
            known = {uid_of(obj): obj for obj in self._store.all(kind) if _within(obj, namespace)}
            for uid, obj in known.items():
                # What is younger than the list cannot be on it.
                if uid not in present and version_of(obj) <= listing.resource_version:
                    self._notice.gone(obj)
                    self._pruned()
            held |= {uid: version_of(obj) for uid, obj in known.items()}
            behind |= {uid: version for uid, version in present.items() if held.get(uid, 0) < version}
        # Being behind for a moment is what watches are; being behind the list before this one is not.
        before = self._behind.get(kind.name, {})
        self._behind[kind.name] = behind
        if any(held.get(uid, 0) < before.get(uid, 0) for uid in behind):
            logger.warning("the watch of %s lags, listing in full", kind.plural)
            await self._list_in_full(kind)

    async def _list_in_full(self, kind: Kind) -> None:
        for namespace in self._namespaces:
            listing = await self._list(kind, namespace, metadata_only=False)
            for item in listing.items:
                self._notice.seen(item)

    async def _list(self, kind: Kind, namespace: str | None, *, metadata_only: bool) -> Listing:
        try:
            return await self._cluster.list(kind, namespace, selector=selector(kind), metadata_only=metadata_only)
        except NotFound:
            # The kind is not installed on this cluster: nothing of it exists.
            return Listing([], 0)


def _within(obj: Mapping[str, Any], namespace: str | None) -> bool:
    return namespace is None or obj["metadata"].get("namespace") == namespace


def _share(key: Key) -> float:
    """A fraction from 0 to 1 that is always the same for a key: resyncs are spread evenly."""
    return zlib.crc32(f"{key.kind}/{key.namespace}/{key.name}".encode()) / 2**32
