"""The single effects of a plan on the cluster; each reports what the API server returned to the store at once.

That is why a cache that lags cannot make us act twice: our own writes are in it before the next look begins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from pintle.contract import names
from pintle.controller.fence import Fence
from pintle.controller.notice import Notice
from pintle.controller.store import Store, uid_of
from pintle.core.plan import ANOTHER_OWNER, Delete
from pintle.ports import kinds
from pintle.ports.cluster import WRITE_TIMEOUT, AlreadyExists, Cluster, Conflict, NotFound, Refused, Unavailable
from pintle.ports.kinds import Kind

Obj = Mapping[str, Any]


class Stale(Exception):
    """What the plan was made from is no longer so: look again, overwrite nothing."""


class Effects:
    """Writes to the cluster, fenced. `on_effect(verb, kind)` is called after each one that was carried out."""

    def __init__(
        self, cluster: Cluster, store: Store, notice: Notice, fence: Fence, on_effect: Callable[[str, str], None]
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._notice = notice
        self._fence = fence
        self._on_effect = on_effect
        self._written: dict[tuple[str, str, str, str], tuple[str, int, int]] = {}

    async def confirm(self, parent: Obj) -> None:
        """Read the parent live; raises Stale unless it is the very object, with the spec, that was decided upon."""
        kind, metadata = kinds.parent(parent["kind"]), parent["metadata"]
        try:
            live = await self._cluster.get(kind, metadata["namespace"], metadata["name"])
        except NotFound:
            self._notice.gone(parent)
            raise Stale("the parent is gone") from None
        self._notice.seen(live)
        if _word_of(live) != _word_of(parent):
            raise Stale("the parent was changed")

    async def create(self, body: Obj) -> bool:
        """Create-only. False when it existed before, which is as good, unless it belongs to another owner (Refused)."""
        kind = kinds.of(body["apiVersion"], body["kind"])
        try:
            made = await self._cluster.create(body, manager=names.FIELD_MANAGER, timeout=self._time_out())
        except AlreadyExists as error:
            metadata = body["metadata"]
            existing = await self._cluster.find(kind, metadata["namespace"], metadata["name"])
            if existing is None:
                raise Stale(f"{kind.name} {metadata['name']} was there and is gone") from error
            # What is not ours stays out of the store: no watch would keep it up to date.
            _refuse_foreign(body, existing, error)
            self._notice.seen(existing)
            return False
        self._done("create", kind, made)
        return True

    async def apply(self, body: Obj) -> bool:
        """Server-side apply of a child. False when the same was applied before and the object is as it was then."""
        kind = kinds.of(body["apiVersion"], body["kind"])
        if self._is_as_written(kind, "", body):
            return False
        namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
        await self._confirm_ours(kind, body)
        try:
            made = await self._cluster.apply(body, manager=names.FIELD_MANAGER, timeout=self._time_out())
        except Conflict as error:
            await self._refresh(kind, namespace, name)
            raise Stale(f"the {kind.name} {name} is gone or another") from error
        self._done("apply", kind, made)
        self._remember(kind, "", body, made)
        return True

    async def traffic(self, body: Obj) -> bool:
        """The write that moves traffic, upon the very state that was looked at; raises Stale when it is another."""
        kind, metadata = kinds.of(body["apiVersion"], body["kind"]), body["metadata"]
        if self._is_as_written(kind, "", body):
            return False
        if not metadata.get("resourceVersion"):
            await self._confirm_absent(kind, body)
        else:
            await self._confirm_ours(kind, body)
        try:
            made = await self._cluster.apply(body, manager=names.FIELD_MANAGER, timeout=self._time_out())
        except (Conflict, NotFound) as error:
            if isinstance(error, NotFound) and not metadata.get("resourceVersion"):
                # An apply makes what is not there: only the kind itself can be missing.
                raise Refused(_no_kind(kind), status=error.status, reason=error.reason) from error
            await self._refresh(kind, metadata["namespace"], metadata["name"])
            raise Stale(f"the {kind.name} that carries the weights was changed by another") from error
        self._done("traffic", kind, made)
        self._remember(kind, "", body, made)
        return True

    async def status(self, parent: Obj, status: Obj) -> bool:
        """The whole status of the parent. False when the same was written before and stands."""
        kind, metadata = kinds.parent(parent["kind"]), parent["metadata"]
        body = {
            "apiVersion": kind.api_version,
            "kind": kind.name,
            # The uid keeps a namesake that was made meanwhile from getting it.
            "metadata": {key: metadata[key] for key in ("name", "namespace", "uid")},
            "status": without_nulls(status),
        }
        if self._is_as_written(kind, "status", body):
            return False
        try:
            made = await self._cluster.apply(
                body, manager=names.STATUS_MANAGER, subresource="status", timeout=self._time_out()
            )
        except (Conflict, NotFound) as error:
            await self._refresh(kind, metadata["namespace"], metadata["name"])
            raise Stale("the parent is gone or another by the same name") from error
        self._done("status", kind, made)
        self._remember(kind, "status", body, made)
        return True

    async def delete(self, target: Delete) -> bool:
        """Delete this very object. False when it was gone already."""
        kind = kinds.of(target.api_version, target.kind)
        known = self._store.get(kind, target.namespace, target.name)
        try:
            lingering = await self._cluster.delete(
                kind, target.namespace, target.name, target.uid, timeout=self._time_out()
            )
        except (NotFound, Conflict):
            # Gone, or its name is another's by now; either way this very object is no more.
            lingering = None
            deleted = False
        else:
            deleted = True
        if lingering is not None and lingering["metadata"].get("deletionTimestamp"):
            self._notice.seen(lingering)
        elif known is not None and uid_of(known) == target.uid:
            self._notice.gone(known)
        if deleted:
            self._on_effect("delete", kind.name)
        return deleted

    def _time_out(self) -> float:
        return self._fence.time_out(WRITE_TIMEOUT)

    def _done(self, verb: str, kind: Kind, made: Obj) -> None:
        self._notice.seen(made)
        self._on_effect(verb, kind.name)

    async def _confirm_ours(self, kind: Kind, body: Obj) -> None:
        """An apply takes over whatever has the name: never what somebody else has made."""
        known = self._store.get(kind, body["metadata"]["namespace"], body["metadata"]["name"])
        if known is None:
            # The store holds only what carries our label; a user's own Service of this name is not in it.
            await self._confirm_absent(kind, body)
        else:
            _refuse_foreign(body, known)

    async def _confirm_absent(self, kind: Kind, body: Obj) -> None:
        namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
        existing = await self._cluster.find(kind, namespace, name)
        if existing is None:
            return
        _refuse_foreign(body, existing)
        self._notice.seen(existing)
        raise Stale(f"the {kind.name} {name} exists by now")

    async def _refresh(self, kind: Kind, namespace: str, name: str) -> None:
        live = await self._cluster.find(kind, namespace, name)
        known = self._store.get(kind, namespace, name)
        if live is not None:
            self._notice.seen(live)
        elif known is not None:
            self._notice.gone(known)

    def _is_as_written(self, kind: Kind, subresource: str, body: Obj) -> bool:
        """Guards against a plan that never finds its own write, e.g. because "0.5" reads back as "500m"."""
        namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
        live = self._store.get(kind, namespace, name)
        if live is None:
            return False
        return self._written.get((kind.name, namespace, name, subresource)) == _mark(live, subresource, body)

    def _remember(self, kind: Kind, subresource: str, body: Obj, made: Obj) -> None:
        metadata = body["metadata"]
        self._written[kind.name, metadata["namespace"], metadata["name"], subresource] = _mark(made, subresource, body)


def without_nulls(value: Any) -> Any:
    """Mappings without the entries that are None, at any depth: to apply null is not to leave out."""
    if isinstance(value, Mapping):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [without_nulls(inner) for inner in value]
    return value


def _mark(live: Obj, subresource: str, body: Obj) -> tuple[str, int, int]:
    """What was sent, and what the object was like after it: all but what changes by itself."""
    if subresource:
        state: Any = live.get(subresource)
    else:
        metadata = {k: v for k, v in live["metadata"].items() if k not in ("managedFields", "resourceVersion")}
        state = {**{k: v for k, v in live.items() if k != "status"}, "metadata": metadata}
    return uid_of(live), _hash(body), _hash(state)


def _hash(value: Any) -> int:
    return hash(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))


def _refuse_foreign(body: Obj, existing: Obj, cause: Exception | None = None) -> None:
    """Raises Refused when the name is taken by somebody else's object, Unavailable when that is about to go away."""
    owners = _owners(existing)
    missing = {uid: owner for uid, owner in _owners(body).items() if uid not in owners}
    if not missing:
        return
    what = f"{existing['kind']} {existing['metadata']['name']}"
    if set(missing.values()) & set(owners.values()):
        # Left behind by a parent of the same name that was deleted; the garbage collector is on its way.
        raise Unavailable(f"{what} of the object that had this name before is still there") from cause
    raise Refused(f"{what} exists and {ANOTHER_OWNER}", status=409, reason="AlreadyExists") from cause


def _no_kind(kind: Kind) -> str:
    advice = ": install the Gateway API, or take spec.traffic.gateway out" if kind is kinds.ROUTE else ""
    return f"this cluster has no kind {kind.name} ({kind.api_version}){advice}"


def _owners(obj: Obj) -> dict[str, tuple[str, str]]:
    """Kind and name of each owner, by uid."""
    references = obj["metadata"].get("ownerReferences") or ()
    return {owner["uid"]: (owner["kind"], owner["name"]) for owner in references}


def _word_of(parent: Obj) -> tuple[Any, ...]:
    """Everything by which the user speaks through a parent."""
    metadata = parent["metadata"]
    return (
        metadata["uid"],
        metadata.get("generation"),
        metadata.get("annotations") or {},
        "deletionTimestamp" in metadata,
    )
