"""One look at one object: gather the facts, decide, carry out, and say when to look again."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pintle.controller.effects import Effects
from pintle.controller.events import EventRecorder
from pintle.controller.execute import Outcome, Refusal, execute
from pintle.controller.fence import NotLeader
from pintle.controller.notify import Notifier
from pintle.controller.queue import KeyedQueue
from pintle.controller.store import Store
from pintle.controller.telemetry import Decisions, Metrics, decision_fields
from pintle.controller.watching.watch import Watch
from pintle.core.plan import Decision, Key, Obj, Plan, Policy
from pintle.ports import kinds
from pintle.ports.clock import Clock
from pintle.ports.cluster import Cluster, ClusterError

logger = logging.getLogger("pintle.looks")

BUSY_LOOKS = 12
"""So many looks may write something one right after the other; then the key's plan does not come to rest."""
BUSY_PER_SECOND = 1.0
"""How many such looks are allowed in the long run: what has a reason for each of them is never slowed."""
SLOWED_SECONDS = 3.0
"""Bounded, because the next look may be the one that takes a canary back."""

Decide = Callable[[Obj, Store, Cluster, Watch, str | None, Any, Policy], Awaitable[Plan]]


@dataclass
class _Memory:
    """What is remembered of a key from look to look; nothing that matters is lost with it."""

    busy: float = 0.0
    """Looks that wrote something, less what the time since has allowed for."""
    busy_at: float = 0.0
    not_before: float = 0.0
    refusal: Refusal | None = None
    decisions: tuple[Decision, ...] = ()
    """Those of the look before: a plan that repeats itself is recorded once."""


class Looks:
    """Looks at keys; `look` never raises for what is wrong with one object or one call."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        clock: Clock,
        store: Store,
        queue: KeyedQueue,
        effects: Effects,
        events: EventRecorder,
        policy: Policy,
        metrics: Metrics,
        decisions: Decisions,
        notifier: Notifier,
        watch: Watch,
        plan_for: Decide,
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._store = store
        self._queue = queue
        self._effects = effects
        self._events = events
        self._policy = policy
        self._metrics = metrics
        self._decisions = decisions
        self._notifier = notifier
        self._watch = watch
        self._plan_for = plan_for
        self._memory: dict[Key, _Memory] = {}

    async def look(self, key: Key) -> None:
        """One look, with its errors turned into another look later."""
        began = self._clock.monotonic()
        result = "error"
        try:
            result = await self._look(key)
        except NotLeader:
            result = "not-leader"
        except ClusterError as error:
            wait = self._queue.add_backed_off(key, error.retry_after or 0.0)
            logger.warning(
                "look failed, again in %.1f s: %s",
                wait,
                error.message,
                extra={"fields": _fields(key, status=error.status)},
            )
        except Exception:
            # A fault of ours in one object's plan must not stop the others.
            wait = self._queue.add_backed_off(key)
            logger.exception("look broke, again in %.1f s", wait, extra={"fields": _fields(key)})
        self._metrics.looks.labels(key.kind, result).inc()
        self._metrics.seconds.labels(key.kind).observe(self._clock.monotonic() - began)

    async def _look(self, key: Key) -> str:
        parent = self._store.get(kinds.parent(key.kind), key.namespace, key.name)
        if parent is None or parent["metadata"].get("deletionTimestamp"):
            # ownerReferences clean up what it leaves.
            self._memory.pop(key, None)
            self._watch.gone(key)
            self._queue.succeeded(key)
            return "gone"
        memory = self._memory.setdefault(key, _Memory())
        wait = memory.not_before - self._clock.monotonic()
        if wait > 0:
            self._queue.add_after(key, wait)
            return "slowed"
        known = memory.refusal
        error = known.message if known else None
        plan = await self._plan_for(
            parent, self._store, self._cluster, self._watch, error, self._clock.now(), self._policy
        )
        outcome = await execute(
            plan, parent, known, self._effects, lambda refusal: self._decided(key, memory, plan, refusal)
        )
        self._record(key, plan, outcome)
        # Events tell what the status tells; where that was not written, the next look will find both again.
        told = outcome.stale is None and (outcome.refusal is None or known is not None)
        if told and plan.events:
            await self._events.record(parent, plan.events)
        memory.refusal = outcome.refusal
        return self._look_again(key, memory, plan, outcome, known)

    def _look_again(self, key: Key, memory: _Memory, plan: Plan, outcome: Outcome, known: Refusal | None) -> str:
        """When the next look is due; returns how this one ended."""
        if plan.requeue_after is not None:
            self._queue.add_after(key, max(plan.requeue_after.total_seconds(), 0.0))
        if outcome.refusal is not None and known is not None:
            self._queue.add_backed_off(key)
            return "refused"
        self._queue.succeeded(key)
        if not outcome.effects and outcome.stale is None and outcome.refusal is None and known is None:
            memory.busy = 0.0
            return "calm"
        self._again_soon(key, memory)
        if outcome.stale is not None:
            return "stale"
        return "refused" if outcome.refusal else "acted"

    def _again_soon(self, key: Key, memory: _Memory) -> None:
        now = self._clock.monotonic()
        memory.busy = max(0.0, memory.busy - BUSY_PER_SECOND * (now - memory.busy_at)) + 1
        memory.busy_at = now
        if memory.busy <= BUSY_LOOKS:
            self._queue.add(key)
            return
        memory.not_before = now + SLOWED_SECONDS
        self._queue.add_after(key, SLOWED_SECONDS)
        logger.warning("does not come to rest, again in %.0f s", SLOWED_SECONDS, extra={"fields": _fields(key)})

    def _decided(self, key: Key, memory: _Memory, plan: Plan, refusal: Refusal | None) -> None:
        """What was decided about traffic or training is done: a line for each, and a count; and people are told.

        What the API server refused to make was not done.
        """
        refused = refusal.target.rpartition(" ")[2] if refusal else ""
        done = tuple(decision for decision in plan.decisions if decision.subject != refused)
        for decision in done:
            # A plan says it again until it is in the status.
            if decision not in memory.decisions:
                self._decisions.record(key, self._clock.now(), decision_fields(decision))
                self._metrics.acted(key, decision)
        memory.decisions = done
        self._notifier.tell(key, plan.notify)

    def _record(self, key: Key, plan: Plan, outcome: Outcome) -> None:
        """A look that changed something or was refused is a decision; a calm one is not worth a line."""
        if not outcome.effects and outcome.refusal is None:
            return
        fields: dict[str, Any] = {"why": list(plan.why), "effects": outcome.effects, "plan": _summary(plan)}
        if outcome.refusal:
            fields["refused"] = {"target": outcome.refusal.target, "message": outcome.refusal.message}
        if outcome.stale:
            fields["stale"] = outcome.stale
        self._decisions.record(key, self._clock.now(), fields)


def _summary(plan: Plan) -> dict[str, Any]:
    """What a plan writes, by name."""
    named = {
        "create": [f"{body['kind']}/{body['metadata']['name']}" for body in plan.create],
        "apply": [f"{body['kind']}/{body['metadata']['name']}" for body in plan.apply],
        "traffic": [f"{plan.traffic['kind']}/{plan.traffic['metadata']['name']}"] if plan.traffic else [],
        "delete": [f"{target.kind}/{target.name}" for target in plan.delete],
    }
    summary: dict[str, Any] = {verb: targets for verb, targets in named.items() if targets}
    if plan.status is not None:
        conditions = plan.status.get("conditions") or ()
        summary["status"] = {c["type"]: f"{c['status']}/{c['reason']}" for c in conditions}
    return summary


def _fields(key: Key, **more: Any) -> dict[str, Any]:
    return {"kind": key.kind, "namespace": key.namespace, "name": key.name, **more}
