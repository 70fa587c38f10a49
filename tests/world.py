"""A small world of objects that plans are carried out on: the API server, garbage collection and a clock, all pure.

    world = World()
    world.add(training_job().obj())
    effects = world.execute("TrainingJob", "delays", plan)            # all effects, in the order of the controller
    effects = world.execute("TrainingJob", "delays", plan, only=2)    # killed after the second effect

An effect that changes nothing counts but bumps no resourceVersion, as on a real API server.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pintle.core.plan import Delete, Plan

from tests.builders import START, stamp

Obj = dict[str, Any]


class Conflict(Exception):
    """resourceVersion or uid is no longer the one that was looked at."""


class World:
    """Objects by (kind, name) in the one namespace `team`. `log` lists every write: `create Job delays-0123456789`."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now
        self.objects: dict[tuple[str, str], Obj] = {}
        self.log: list[str] = []
        self._count = 100

    def copy(self) -> World:
        """A world that goes its own way from here."""
        return copy.deepcopy(self)

    def tick(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def get(self, kind: str, name: str) -> Obj | None:
        return self.objects.get((kind, name))

    def list(self, kind: str, labels: Mapping[str, str] | None = None) -> tuple[Obj, ...]:
        """Objects of a kind that carry these labels, by name."""
        found = [obj for (k, _), obj in sorted(self.objects.items()) if k == kind]
        wanted = dict(labels or {})
        return tuple(o for o in found if wanted.items() <= (o["metadata"].get("labels") or {}).items())

    def owned(self, kind: str, parent: Obj) -> tuple[Obj, ...]:
        uid = parent["metadata"]["uid"]
        return tuple(o for o in self.list(kind) if uid in _owners(o))

    def add(self, obj: Mapping[str, Any]) -> Obj:
        """A person or another controller creates or replaces an object."""
        made = copy.deepcopy(dict(obj))
        metadata = made["metadata"]
        self._count += 1
        metadata.setdefault("namespace", "team")
        metadata.setdefault("uid", f"uid-{self._count}")
        metadata.setdefault("generation", 1)
        metadata.setdefault("creationTimestamp", stamp(self.now))
        metadata["resourceVersion"] = str(self._count)
        self.objects[made["kind"], metadata["name"]] = made
        return made

    def edit(self, kind: str, name: str, **spec: Any) -> Obj:
        """A person changes fields of a spec: the generation goes up."""
        obj = self.objects[kind, name]
        changed = {**obj, "spec": {**obj["spec"], **copy.deepcopy(spec)}, "metadata": dict(obj["metadata"])}
        if changed["spec"] != obj["spec"]:
            changed["metadata"]["generation"] += 1
        return self._put(changed)

    def set_status(self, kind: str, name: str, status: Mapping[str, Any]) -> Obj:
        return self._put({**self.objects[kind, name], "status": copy.deepcopy(dict(status))})

    def remove(self, kind: str, name: str) -> None:
        """Delete an object and, as garbage collection does, all it owns."""
        gone = self.objects.pop((kind, name))
        for (child_kind, child_name), child in list(self.objects.items()):
            if gone["metadata"]["uid"] in _owners(child) and (child_kind, child_name) in self.objects:
                self.remove(child_kind, child_name)

    def execute(self, kind: str, name: str, plan: Plan, only: int | None = None) -> int:
        """Carry out a plan of this parent, `only` so many effects of it. Returns how many effects the plan has.

        Raises Conflict when an apply, the traffic write or the status meets another object than was looked at.
        """
        steps: list[Any] = [(self._create, body) for body in plan.create]
        steps += [(self._apply, body) for body in plan.apply]
        steps += [(self._apply, plan.traffic)] if plan.traffic is not None else []
        steps += [(lambda status: self._status(kind, name, status), plan.status)] if plan.status is not None else []
        steps += [(self._delete, target) for target in plan.delete]
        for effect, body in steps[:only]:
            effect(body)
        return len(steps)

    def _create(self, body: Mapping[str, Any]) -> None:
        self.log.append(f"create {body['kind']} {body['metadata']['name']}")
        if (body["kind"], body["metadata"]["name"]) not in self.objects:
            self.add(body)

    def _apply(self, body: Mapping[str, Any]) -> None:
        self.log.append(f"apply {body['kind']} {body['metadata']['name']}")
        existing = self.get(body["kind"], body["metadata"]["name"])
        if existing is None:
            if {"uid", "resourceVersion"} & body["metadata"].keys():
                raise Conflict(f"{body['kind']} {body['metadata']['name']} is gone")
            self.add(body)
            return
        for field in ("uid", "resourceVersion"):
            if body["metadata"].get(field, existing["metadata"][field]) != existing["metadata"][field]:
                raise Conflict(f"{body['kind']} {body['metadata']['name']}: {field}")
        self._put(_merged(existing, {k: v for k, v in body.items() if k != "status"}))

    def _status(self, kind: str, name: str, status: Mapping[str, Any]) -> None:
        self.log.append(f"status {kind} {name}")
        if (kind, name) not in self.objects:
            raise Conflict(f"{kind} {name} is gone")
        self.set_status(kind, name, status)

    def _delete(self, target: Delete) -> None:
        self.log.append(f"delete {target.kind} {target.name}")
        existing = self.get(target.kind, target.name)
        if existing is not None and existing["metadata"]["uid"] == target.uid:
            self.remove(target.kind, target.name)

    def _put(self, obj: Obj) -> Obj:
        key = (obj["kind"], obj["metadata"]["name"])
        if self.objects.get(key) == obj:
            return obj
        self._count += 1
        self.objects[key] = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self._count)}}
        return self.objects[key]


def _owners(obj: Mapping[str, Any]) -> set[str]:
    return {owner["uid"] for owner in obj["metadata"].get("ownerReferences") or ()}


def _merged(old: Any, new: Any) -> Any:
    """Maps merge, everything else is replaced: enough of server-side apply for what our plans apply."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}
    return copy.deepcopy(new)
