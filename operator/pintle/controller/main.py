"""The operator's life: stand by for the Lease, fill the store, look at everything, and leave in good order.

standby ──Lease──> filling ──> acting ──SIGTERM──> no new looks ─> Lease released ─> end (0)
                                 └─ Lease lost, or a part has failed ─> writes stopped ─> end (1), restarted
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import uuid
from collections.abc import Awaitable, Callable

from pintle.adapters.clock import ExponentialBackoff, SystemClock
from pintle.adapters.kubernetes import KubernetesCluster, connect
from pintle.adapters.webhook import HttpWebhook, ReceiverFolder
from pintle.controller.config import Config, ConfigError, from_env
from pintle.controller.effects import Effects
from pintle.controller.events import EventRecorder
from pintle.controller.fence import Fence
from pintle.controller.gauges import Gauges
from pintle.controller.health import Servers
from pintle.controller.informer import Informer
from pintle.controller.lease import LEASE_DURATION, RENEW_DEADLINE, RETRY_PERIOD, Elector, Identity
from pintle.controller.looks import Decide, Looks
from pintle.controller.notice import Notice
from pintle.controller.notify import Notifier
from pintle.controller.queue import KeyedQueue, work
from pintle.controller.resync import Resync
from pintle.controller.store import Store
from pintle.controller.telemetry import Decisions, Metrics, configure_logging
from pintle.controller.watching.watchers import Watchers
from pintle.ports.cluster import ClusterError

logger = logging.getLogger("pintle.operator")

FINISH_SECONDS = 5.0
"""How long looks that are going on may take to finish when the process is asked to end."""
STUCK_SECONDS = 300.0


class Operator:
    """All parts of one operator process, wired."""

    def __init__(self, config: Config, cluster: KubernetesCluster, plan_for: Decide) -> None:
        clock = SystemClock()
        self.config = config
        self.metrics = Metrics()
        self._clock = clock
        self._fence = Fence(clock, renew_deadline=RENEW_DEADLINE, lease_duration=LEASE_DURATION)
        self._elector = Elector(cluster, clock, self._fence, Identity(config.pod_uid, config.pod_namespace))
        self._store = Store()
        self._queue = KeyedQueue(clock, ExponentialBackoff())
        notice = Notice(self._store, self._queue)
        self._informer = Informer(notice, config.namespaces)
        self._resync = Resync(
            cluster, clock, self._store, notice, self._queue, config.namespaces, self.metrics.pruned.inc
        )
        on_effect = _effect_counter(self.metrics, config.kill_after)
        self._webhook = HttpWebhook()
        backoff = ExponentialBackoff(first=1.0, longest=60.0)
        self._notifier = Notifier(ReceiverFolder(config.receivers), self._webhook, clock, backoff, self.metrics)
        self._watchers = Watchers(config, clock, self._store, self._queue, self.metrics)
        self.metrics.registry.register(Gauges(self._store, self._watchers.watch))
        self._looks = Looks(
            cluster=cluster,
            clock=clock,
            store=self._store,
            queue=self._queue,
            effects=Effects(cluster, self._store, notice, self._fence, on_effect),
            events=EventRecorder(cluster, clock, self._fence),
            policy=config.policy,
            metrics=self.metrics,
            decisions=Decisions(process=config.pod_uid, pod=config.pod_name),
            notifier=self._notifier,
            watch=self._watchers.watch,
            plan_for=plan_for,
        )
        self._state = "starting"

    async def run(self, stop: asyncio.Event) -> int:
        """Until `stop` or until something is lost; returns the exit code."""
        servers = Servers(alive=self._alive, ready=self._ready, metrics=self.metrics, refresh=self._refresh)
        await servers.start(self.config.health_port, self.config.metrics_port)
        try:
            self._state = "standby"
            logger.info("standing by for the Lease", extra={"fields": {"holder": self.config.pod_uid}})
            if not await self._elector.acquire(stop, self._lease_failed):
                return 0
            return await self._lead(stop)
        finally:
            await servers.stop()
            await self._watchers.close()
            await self._webhook.close()

    async def _lead(self, stop: asyncio.Event) -> int:
        self.metrics.leader.set(1)
        self._state = "filling"
        began = self._clock.monotonic()
        logger.info("holding the Lease, filling the store")
        tasks = {"lease": asyncio.create_task(self._elector.keep(stop, self._lease_failed))}
        try:
            if await self._fill(stop):
                informer = asyncio.create_task(self._informer.run())
                tasks |= {"informer": informer, **self._start_workers(stop)}
                self._state = "acting"
                seconds = round(self._clock.monotonic() - began, 3)
                logger.info("acting", extra={"fields": {"objects": self._store.counts(), "filledSeconds": seconds}})
                await self._until_end(stop, tasks)
        finally:
            code = 0 if stop.is_set() else 1
            await self._wind_down(stop, tasks)
        return code

    async def _fill(self, stop: asyncio.Event) -> bool:
        """List everything; tried again until it works, the Lease is lost, or `stop`."""
        while not stop.is_set() and self._fence.open():
            try:
                await self._resync.fill()
                return True
            except ClusterError as error:
                logger.warning("could not list, again in %.0f s: %s", RETRY_PERIOD, error.message)
                await self._clock.wait(stop, RETRY_PERIOD)
        return False

    def _start_workers(self, stop: asyncio.Event) -> dict[str, asyncio.Task[None]]:
        looks: Callable[..., Awaitable[None]] = self._looks.look
        tasks = {f"worker-{n}": asyncio.create_task(work(self._queue, looks)) for n in range(self.config.workers)}
        tasks["dates"] = asyncio.create_task(self._queue.keep_dates())
        tasks["notifier"] = asyncio.create_task(self._notifier.run())
        tasks |= self._watchers.start(stop)
        tasks["resync"] = asyncio.create_task(self._resync.keep(stop, self.config.resync_seconds))
        return tasks

    async def _until_end(self, stop: asyncio.Event, tasks: dict[str, asyncio.Task[None]]) -> None:
        """Until `stop`, or the first of the parts has ended, which none of them should."""
        stopping = asyncio.create_task(stop.wait())
        steady = asyncio.create_task(self._own_the_signals(stop))
        done, _ = await asyncio.wait({stopping, *tasks.values()}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        steady.cancel()
        for name, task in tasks.items():
            if task in done and not stop.is_set():
                error = task.exception()
                logger.error("%s has ended", name, exc_info=error, extra={"fields": {"leading": self._fence.open()}})

    async def _own_the_signals(self, stop: asyncio.Event) -> None:
        # kopf takes the signals at its start; ours also release the Lease before anything else.
        await self._informer.started.wait()
        _on_signals(stop)

    async def _wind_down(self, stop: asyncio.Event, tasks: dict[str, asyncio.Task[None]]) -> None:
        """Let looks that are going on finish, give the Lease away, end the watches."""
        self._state = "ending"
        self._queue.close()
        workers = [task for name, task in tasks.items() if name.startswith("worker-")]
        if workers and self._fence.open():
            await asyncio.wait(workers, timeout=FINISH_SECONDS)
        stop.set()
        await self._elector.release()
        self.metrics.leader.set(0)
        self._informer.stop()
        if "informer" in tasks:
            await asyncio.wait([tasks["informer"]], timeout=2.0)
        for task in tasks.values():
            task.cancel()
        await asyncio.wait(tasks.values(), timeout=2.0)
        logger.info("ended")

    def _lease_failed(self, error: ClusterError) -> None:
        self.metrics.lease_errors.inc()
        logger.warning("a call for the Lease failed: %s", error.message)

    def _alive(self) -> str | None:
        stuck = self._queue.oldest_running()
        return f"a look has been going on for {stuck:.0f} s" if stuck > STUCK_SECONDS else None

    def _ready(self) -> str | None:
        return None if self._state in ("standby", "acting") else self._state

    def _refresh(self) -> None:
        self.metrics.depth.set(self._queue.depth())
        self.metrics.running.set(self._queue.oldest_running())
        for kind, count in self._store.counts().items():
            self.metrics.objects.labels(kind).set(count)


def _effect_counter(metrics: Metrics, kill_after: int | None) -> Callable[[str, str], None]:
    """Counts effects; under test, ends the process right after the given one, as a crash would."""
    done = 0

    def on_effect(verb: str, kind: str) -> None:
        nonlocal done
        done += 1
        metrics.writes.labels(verb, kind).inc()
        if done == kill_after:
            logger.warning("dying after %s %s, as told", verb, kind)
            os.kill(os.getpid(), signal.SIGKILL)

    return on_effect


def _on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


async def serve(config: Config, plan_for: Decide) -> int:
    """Run one operator process; returns its exit code."""
    stop = asyncio.Event()
    _on_signals(stop)
    cluster = await connect()
    with contextlib.suppress(asyncio.CancelledError):
        try:
            return await Operator(config, cluster, plan_for).run(stop)
        finally:
            await cluster.close()
    return 1


def main(plan_for: Decide) -> int:
    """Read the environment, set up logging, run."""
    try:
        config = from_env(os.environ, fallback_uid=str(uuid.uuid4()))
    except ConfigError as error:
        print(f"pintle operator: {error}", file=sys.stderr)
        return 2
    configure_logging(config.log_level)
    return asyncio.run(serve(config, plan_for))
