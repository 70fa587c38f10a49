"""The one door by which news enters: into the store, and from there to the keys that must be looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pintle.controller.mapping import woken_by
from pintle.controller.queue import KeyedQueue
from pintle.controller.store import Store, address_of
from pintle.ports import kinds

Obj = Mapping[str, Any]


class Notice:
    """Tells store and queue what was seen. Old news and echoes of our own writes wake nobody."""

    def __init__(self, store: Store, queue: KeyedQueue) -> None:
        self._store = store
        self._queue = queue

    def seen(self, obj: Obj) -> bool:
        """An object as the API server gave it, from a watch, a list or the answer to a write. True if it was news."""
        before = self._store.get(kinds.of(obj["apiVersion"], obj["kind"]), *address_of(obj))
        if not self._store.put(obj):
            return False
        # What it was may have mattered to others than what it is: a model name that was edited, a label.
        keys = woken_by(obj, self._store, before) | (woken_by(before, self._store, obj) if before else set())
        for key in keys:
            self._queue.add(key)
        return True

    def gone(self, obj: Obj) -> bool:
        """An object that was deleted. True if it was known."""
        if not self._store.remove(obj):
            return False
        for key in woken_by(obj, self._store):
            self._queue.add(key)
        return True
