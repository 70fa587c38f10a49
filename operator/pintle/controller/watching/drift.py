"""The loop that watches what serves: drift, predictions, labels and estimates, for all deployments together.

What it knows is in memory only, from the store and Prometheus; after a take-over it begins anew, and what stands in the
status of a deployment goes on until it has looked.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pintle.controller.queue import KeyedQueue
from pintle.controller.store import Store
from pintle.controller.telemetry import Metrics
from pintle.controller.watching.drift_look import Looker, apart
from pintle.controller.watching.drift_targets import Target, Targets
from pintle.core.judgement.findings import Findings
from pintle.core.plan import Key, Policy
from pintle.core.watching.find import Seen, find, for_periods, signature, would_alarm
from pintle.core.watching.reference import Identity
from pintle.ports.clock import Clock
from pintle.ports.metrics import MetricSource, MetricsUnavailable, QueryRefused

logger = logging.getLogger("pintle.watching")

LONGEST_PAUSE = 30.0
"""A deployment or revision that is new waits no longer than this for its first look."""
SHORTEST_PAUSE = 1.0
MOST = 100
"""Deployments of one look, so that an answer has bounds: with 30 features about 7 MB for each window."""
GROWS_AFTER = 600.0
"""After an answer that was too much, or did not come in time, looks stay smaller for so long."""
TOLD_AGAIN = 600.0
"""Figures in which nothing has changed that matters come into the status no oftener than this."""
LOOP = "drift"


@dataclass
class _Known:
    revision: str
    due: float
    """Monotonic seconds."""
    findings: Findings | None = None
    told: float = 0.0
    """When its key was last queued, monotonic seconds."""


class DriftWatcher:
    """`findings` is what looks at deployments read; `run` keeps it up to date."""

    def __init__(
        self,
        source: MetricSource,
        clock: Clock,
        store: Store,
        queue: KeyedQueue,
        policy: Policy,
        metrics: Metrics,
    ) -> None:
        self._clock = clock
        self._queue = queue
        self._metrics = metrics
        self._targets = Targets(store)
        self._looker = Looker(source, policy.scrape.total_seconds(), self._count)
        self._known: dict[Key, _Known] = {}
        self._most = MOST
        self._grows_at = 0.0

    def findings(self, key: Key) -> Findings | None:
        """What the last look found; None before the first."""
        known = self._known.get(key)
        return known.findings if known is not None else None

    def all(self) -> Mapping[Key, Findings]:
        """The newest of each deployment."""
        return {key: known.findings for key, known in self._known.items() if known.findings is not None}

    async def run(self, stop: asyncio.Event) -> None:
        """Look when something is due, until `stop`."""
        while not stop.is_set():
            try:
                await self.look()
            except Exception:
                # Whatever is wrong with watching, rollouts and runs go on.
                logger.exception("a look for drift has failed")
                await self._clock.wait(stop, LONGEST_PAUSE)
            await self._clock.wait(stop, self._pause())

    async def look(self) -> int:
        """One look at what is due; returns how many deployments that were."""
        targets = self._targets.now()
        self._keep_up(targets)
        now = self._clock.monotonic()
        due = sorted((key for key, known in self._known.items() if known.due <= now), key=lambda k: self._known[k].due)
        if not due:
            return 0
        with self._metrics.watch_seconds.labels(LOOP).time():
            seen = await self._see([targets[key] for key in due[: self._most]])
            found = await self._judge(seen)
            for (target, look), findings in zip(seen, found, strict=True):
                self._take(target, look, findings)
        return len(seen)

    def _keep_up(self, targets: Mapping[Key, Target]) -> None:
        """Deployments come and go, and so do revisions: a new one is due at once."""
        now = self._clock.monotonic()
        for key in set(self._known) - set(targets):
            del self._known[key]
        for key, target in targets.items():
            known = self._known.get(key)
            if known is None or known.revision != target.identity.revision:
                self._known[key] = _Known(target.identity.revision, now)
            else:
                # A spec with a shorter period counts from now on.
                known.due = min(known.due, now + target.period)
        self._looker.forget(target.identity for target in targets.values())

    async def _see(self, targets: list[Target]) -> list[tuple[Target, Seen]]:
        """What was seen of them; of fewer, the first ones, where they are too many for one query."""
        while True:
            at = self._clock.now().timestamp()
            try:
                seen = await self._looker.look(targets, at)
            except MetricsUnavailable as error:
                self._most = max(1, len(targets) // 2)
                self._grows_at = self._clock.monotonic() + GROWS_AFTER
                if isinstance(error, QueryRefused) and len(targets) > 1:
                    targets = targets[: self._most]
                    continue
                logger.warning("no look for drift: %s", error.message)
                return [(t, Seen(t.identity.revision, at, at - t.made, error=error.message)) for t in targets]
            if len(targets) == self._most and self._clock.monotonic() >= self._grows_at:
                self._most = min(MOST, self._most + max(1, self._most // 10))
            return [(target, seen[target.identity]) for target in targets]

    async def _judge(self, seen: list[tuple[Target, Seen]]) -> list[Findings]:
        """Findings of each; those that would alarm once more, with an estimate of how bursty their rows are."""
        before = [self._known[target.key].findings for target, _ in seen]

        def judge(bursts: Mapping[Identity, Mapping[str, float]]) -> list[Findings]:
            return [
                find(target.monitoring, replace(look, bursts=bursts.get(target.identity, look.bursts)), last)
                for (target, look), last in zip(seen, before, strict=True)
            ]

        features = sum(len(look.reference.features) for _, look in seen if look.reference is not None)
        found = await apart(lambda: judge({}), features)
        suspects = [
            target
            for (target, look), findings in zip(seen, found, strict=True)
            if would_alarm(findings) and not self._looker.is_estimated(target, look.at)
        ]
        if not suspects:
            return found
        bursts = await self._looker.estimate(suspects, seen[0][1].at)
        return await apart(lambda: judge(bursts), features)

    def _take(self, target: Target, seen: Seen, findings: Findings) -> None:
        known = self._known[target.key]
        before, periods = known.findings, for_periods(target.monitoring)
        known.findings = findings
        now = self._clock.monotonic()
        known.due = now + (min(target.period, LONGEST_PAUSE) if seen.error else target.period)
        changed = before is None or signature(before, periods) != signature(findings, periods)
        if changed or now - known.told >= TOLD_AGAIN:
            known.told = now
            self._queue.add(target.key)

    def _pause(self) -> float:
        """Until the next deployment is due."""
        due = min((known.due for known in self._known.values()), default=float("inf"))
        return min(max(due - self._clock.monotonic(), SHORTEST_PAUSE), LONGEST_PAUSE)

    def _count(self, result: str) -> None:
        self._metrics.queries.labels(LOOP, result).inc()
