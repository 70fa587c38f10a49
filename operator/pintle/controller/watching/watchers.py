"""The loops that watch Prometheus, wired; none of them where no Prometheus is set up."""

from __future__ import annotations

import asyncio

from pintle.adapters.prometheus import Prometheus
from pintle.controller.config import Config
from pintle.controller.queue import KeyedQueue
from pintle.controller.store import Store
from pintle.controller.telemetry import Metrics
from pintle.controller.watching.drift import DriftWatcher
from pintle.controller.watching.trials import TrialWatcher
from pintle.controller.watching.watch import Watch
from pintle.ports.clock import Clock


class Watchers:
    """`watch` is what the looks read; `start` runs the loops, `close` ends their connections."""

    def __init__(self, config: Config, clock: Clock, store: Store, queue: KeyedQueue, metrics: Metrics) -> None:
        self._source: Prometheus | None = None
        self._trials: TrialWatcher | None = None
        self._drifts: DriftWatcher | None = None
        if config.prometheus is not None:
            self._source = Prometheus(config.prometheus, on_bytes=metrics.query_bytes.inc)
            self._trials = TrialWatcher(self._source, clock, queue, config.policy, metrics, config.look_seconds)
            self._drifts = DriftWatcher(self._source, clock, store, queue, config.policy, metrics)
        self.watch = Watch(self._trials, self._drifts)

    def start(self, stop: asyncio.Event) -> dict[str, asyncio.Task[None]]:
        """The loops as tasks, by name; they end by `stop` or by being cancelled."""
        if self._trials is None or self._drifts is None:
            return {}
        loops = {"trials": self._trials.run(stop), "drift": self._drifts.run(stop)}
        return {name: asyncio.create_task(loop) for name, loop in loops.items()}

    async def close(self) -> None:
        """Close the connections to Prometheus."""
        if self._source is not None:
            await self._source.close()
