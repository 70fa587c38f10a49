"""An API server and a clock in memory, for tests of the shell."""

from __future__ import annotations

import asyncio
import copy
import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pintle.contract import names
from pintle.ports.cluster import AlreadyExists, ClusterError, Conflict, Listing, NotFound
from pintle.ports.kinds import Kind
from pintle.ports.webhook import Receiver, ReceiverUnknown

Obj = dict[str, Any]


class VirtualClock:
    """Time that passes only by `advance`."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    async def wait(self, event: asyncio.Event, seconds: float | None) -> bool:
        if seconds is None:
            await event.wait()
            return True
        over = asyncio.Event()
        self._sleepers.append((self.seconds + seconds, over))
        waits = [asyncio.create_task(event.wait()), asyncio.create_task(over.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return event.is_set()

    async def advance(self, seconds: float) -> None:
        """Let this much time pass, waking who is due on the way, in order."""
        end = self.seconds + seconds
        await settle()
        while due := sorted((at for at, over in self._sleepers if at <= end and not over.is_set())):
            self.seconds = max(self.seconds, due[0])
            for at, over in self._sleepers:
                if at <= self.seconds:
                    over.set()
            self._sleepers = [(at, over) for at, over in self._sleepers if not over.is_set()]
            await settle()
        self.seconds = end
        await settle()


async def settle() -> None:
    """Let every task run until it waits for time or for nothing."""
    for _ in range(50):
        await asyncio.sleep(0)


class FakeCluster:
    """Objects by (kind, namespace, name). `calls` lists every request; `failures` maps a call to the error it gets."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Obj] = {}
        self.calls: list[str] = []
        self.failures: dict[str, ClusterError] = {}
        self._version = itertools.count(101)
        self.resource_version = 100

    def put(self, body: Mapping[str, Any], **metadata: Any) -> Obj:
        """Somebody else writes an object; returns it as it is stored."""
        obj = copy.deepcopy(dict(body))
        obj["metadata"] = {"namespace": "team", **obj["metadata"], **metadata}
        self.resource_version = next(self._version)
        before = self.objects.get(_address(obj), {}).get("metadata", {})
        obj["metadata"]["uid"] = metadata.get("uid") or before.get("uid") or f"uid-{self.resource_version}"
        obj["metadata"].setdefault("generation", 1)
        obj["metadata"]["resourceVersion"] = str(self.resource_version)
        self.objects[_address(obj)] = obj
        return copy.deepcopy(obj)

    def remove(self, kind: Kind, namespace: str, name: str) -> None:
        """Somebody else deletes an object."""
        self.resource_version = next(self._version)
        del self.objects[kind.name, namespace, name]

    async def get(self, kind: Kind, namespace: str, name: str, *, timeout: float = 0) -> Obj:
        self._called("get", kind.name, name)
        return copy.deepcopy(self._stored(kind.name, namespace, name))

    async def find(self, kind: Kind, namespace: str, name: str, *, timeout: float = 0) -> Obj | None:
        self._called("find", kind.name, name)
        return copy.deepcopy(self.objects.get((kind.name, namespace, name)))

    async def list(
        self, kind: Kind, namespace: str | None, *, selector: str | None = None, metadata_only: bool = False
    ) -> Listing:
        self._called("list", kind.name, namespace or "*")
        items = [o for (k, ns, _), o in self.objects.items() if k == kind.name and namespace in (None, ns)]
        if metadata_only:
            items = [{key: o[key] for key in ("apiVersion", "kind", "metadata")} for o in items]
        return Listing(copy.deepcopy(items), self.resource_version)

    async def create(self, body: Mapping[str, Any], *, manager: str, timeout: float = 0) -> Obj:
        self._called("create", body["kind"], body["metadata"]["name"])
        if _address(body) in self.objects:
            raise AlreadyExists("already exists", status=409, reason="AlreadyExists")
        return self.put(body)

    async def apply(
        self, body: Mapping[str, Any], *, manager: str, subresource: str | None = None, timeout: float = 0
    ) -> Obj:
        self._called(subresource or "apply", body["kind"], body["metadata"]["name"])
        stored = self.objects.get(_address(body))
        for field in ("uid", "resourceVersion"):
            wanted = body["metadata"].get(field)
            if wanted and (stored is None or stored["metadata"][field] != wanted):
                raise Conflict(f"{field} is another", status=409, reason="Conflict")
        if stored is None and subresource:
            raise NotFound("not found", status=404)
        merged = {**(stored or {}), **{k: v for k, v in body.items() if k != "metadata"}}
        merged["metadata"] = {**(stored or {}).get("metadata", {}), **body["metadata"]}
        if stored is not None and merged == stored:
            return copy.deepcopy(stored)
        return self.put(merged)

    async def replace(self, body: Mapping[str, Any], *, timeout: float = 0) -> Obj:
        self._called("replace", body["kind"], body["metadata"]["name"])
        stored = self._stored(*_address(body))
        if stored["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
            raise Conflict("resourceVersion is another", status=409, reason="Conflict")
        return self.put(body)

    async def merge(
        self, kind: Kind, namespace: str, name: str, patch: Mapping[str, Any], *, manager: str, timeout: float = 0
    ) -> Obj:
        self._called("merge", kind.name, name)
        return self.put({**self._stored(kind.name, namespace, name), **patch})

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str, *, timeout: float = 0) -> Obj | None:
        self._called("delete", kind.name, name)
        if self._stored(kind.name, namespace, name)["metadata"]["uid"] != uid:
            raise Conflict("uid is another", status=409, reason="Conflict")
        self.remove(kind, namespace, name)
        return None

    def writes(self) -> list[str]:
        """The calls that were not reads."""
        return [call for call in self.calls if not call.startswith(("get ", "find ", "list "))]

    def _called(self, verb: str, kind: str, name: str) -> None:
        call = f"{verb} {kind}/{name}"
        self.calls.append(call)
        if call in self.failures:
            raise self.failures[call]

    def _stored(self, kind: str, namespace: str, name: str) -> Obj:
        try:
            return self.objects[kind, namespace, name]
        except KeyError:
            raise NotFound(f"{kind} {name} not found", status=404, reason="NotFound") from None


class Letters:
    """Receivers and the way to them in memory. `answers` maps a receiver to the errors that it gives one by one."""

    def __init__(self, *known: str, format: str = "Generic") -> None:
        self._known = known or ("team",)
        self._format = format
        self.sent: list[tuple[str, Mapping[str, Any]]] = []
        self.answers: dict[str, list[Exception]] = {}
        self.tries = 0

    def find(self, name: str) -> Receiver:
        if name not in self._known:
            raise ReceiverUnknown(f"no receiver {name!r} is set up")
        return Receiver(name, f"https://{name}.example", self._format)

    async def send(self, receiver: Receiver, body: Mapping[str, Any]) -> None:
        self.tries += 1
        answers = self.answers.get(receiver.name)
        if answers:
            raise answers.pop(0)
        self.sent.append((receiver.name, body))


def obj(kind: Kind, name: str, *, owner: Obj | None = None, labels: dict[str, str] | None = None, **more: Any) -> Obj:
    """An object as it is sent: owned by `owner` if given."""
    metadata: dict[str, Any] = {"name": name, "namespace": "team"}
    if labels:
        metadata["labels"] = labels
    if owner is not None:
        reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"]}
        reference |= {key: owner["metadata"][key] for key in ("name", "uid")}
        metadata["ownerReferences"] = [reference]
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **more}


def stored(body: Obj, version: int, uid: str = "") -> Obj:
    """An object as an API server would give it back."""
    uid = uid or f"uid-{body['metadata']['name']}"
    return {**body, "metadata": {**body["metadata"], "resourceVersion": str(version), "uid": uid, "generation": 1}}


MANAGED = {names.LABEL_MANAGED_BY: names.MANAGED_BY}


def _address(body: Mapping[str, Any]) -> tuple[str, str, str]:
    return body["kind"], body["metadata"]["namespace"], body["metadata"]["name"]
