"""Judges the rollouts and guards that go on: two looks at Prometheus, each one query for all that are due.

observe ──> new ──(its past is read)──> live ──(another rollout, or none)──> gone
                     ^ error: again        │ due once a scrape: fed, judged; queued when what matters has changed
                     └─────────────────────┘ a fault of ours with one: begun anew, the others go on

What is known is in memory only. A process that takes over reads it from Prometheus, to the same verdicts.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pintle.controller.queue import KeyedQueue
from pintle.controller.telemetry import Metrics
from pintle.controller.watching.case import Case, gist, leaving, new_case
from pintle.controller.watching.loading import load
from pintle.controller.watching.measured import Measured
from pintle.controller.watching.own import OwnMetrics
from pintle.core.judgement.samples import RawSeries
from pintle.core.judgement.verdict import Judgement
from pintle.core.plan import Key, Policy
from pintle.core.rollout.observed import DeploymentObserved
from pintle.core.rollout.trial import trial_of
from pintle.core.trials import selectors
from pintle.core.trials.pair import Pair
from pintle.core.trials.settings import settings_of
from pintle.ports.clock import Clock
from pintle.ports.kinds import MODEL_DEPLOYMENT
from pintle.ports.metrics import MetricSource, MetricsUnavailable

logger = logging.getLogger("pintle.trials")

SLOW_SECONDS = 2.0
SAY_SECONDS = 9.5
"""A judgement that goes on as it was is told this often, so that its figures in the status move on: a little sooner
than a status is written afresh (core/rollout/progress.AFRESH), or it would be looked at twice for one write."""
DOWN_SECONDS = 5.0
"""Without an answer for so long (or for three scrapes), Prometheus is down."""
WINDOW_SAMPLES = 60
"""Who is further behind catches up in steps of this length."""
OVERLAP_SAMPLES = 2
LEAST_OVERLAP = 2.0
"""Seconds; a scrape may take as long as its interval, and carries the time of its start."""
REFERENCE_SECONDS = 30.0
YOUNG_SECONDS = 60.0
"""So long the gauges of the reference are asked for at each slow look: pods may not have been scraped at the start."""
LOADS = 2
RELOAD_SECONDS = 2.0
BROKEN_SECONDS = 10.0
FAULT = "a fault of the operator: see its log"


@dataclass(frozen=True)
class Pace:
    """One of the two looks: what it asks for and how its answer is fed."""

    name: str
    seconds: float
    selector: Callable[[list[Case]], str]
    due: Callable[[Pair], float]
    until: Callable[[Pair], float]
    feed: Callable[[Pair, Iterable[RawSeries], float], None]


class TrialWatcher:
    """`pintle.controller.watching.watch.Trials`; works while `run` runs."""

    def __init__(
        self,
        source: MetricSource,
        clock: Clock,
        queue: KeyedQueue,
        policy: Policy,
        metrics: Metrics,
        look_seconds: float,
    ) -> None:
        self._clock = clock
        self._queue = queue
        self._policy = policy
        self._metrics = metrics
        self._grid = policy.scrape.total_seconds()
        self._sources = {name: Measured(source, metrics, name) for name in ("fast", "slow", "past", "own")}
        self._own = OwnMetrics(self._sources["own"], clock)
        self._cases: dict[Key, Case] = {}
        self._loads = asyncio.Semaphore(LOADS)
        self._running = False
        self._down = ""
        self._failing_since: float | None = None
        self._paces = (
            Pace(
                "fast",
                look_seconds,
                self._fast_selector,
                lambda pair: pair.fast_due,
                lambda pair: pair.fast_until,
                Pair.feed_fast,
            ),
            Pace(
                "slow",
                SLOW_SECONDS,
                self._slow_selector,
                lambda pair: pair.slow_due,
                lambda pair: pair.slow_until,
                Pair.feed_slow,
            ),
        )

    def judgement(self, key: Key) -> Judgement | None:
        """The newest judgement of a deployment. An outage takes nothing of it back: see `metrics_error`."""
        case = self._cases.get(key)
        return case.judgement if case is not None else None

    def judgements(self) -> Mapping[Key, Judgement]:
        """The newest of each trial."""
        return {key: case.judgement for key, case in self._cases.items() if case.judgement is not None}

    def metrics_error(self, key: Key) -> str | None:
        """Why a trial cannot be judged: nothing can, or this one cannot. None without a trial."""
        case = self._cases.get(key)
        return (self._down or case.error or None) if case is not None else None

    def observe(self, key: Key, observed: DeploymentObserved, now: datetime) -> None:
        """A look is being made: begin, go on with, or end the trial of this deployment."""
        spec = trial_of(observed, now, self._policy)
        if spec is None:
            self.gone(key)
            return
        known = self._cases.get(key)
        try:
            settings = settings_of(spec.spec, self._grid)
        except ValueError as error:
            self.gone(key)
            case = self._cases[key] = new_case(key, spec, settings_of(type(spec.spec)(), self._grid), None)
            case.error = f"rollout.advanced: {error}"
            self._metrics.trials.set(len(self._cases))
            return
        if known is None or not known.same_as(spec, settings):
            self.gone(key)
            known = self._cases[key] = new_case(key, spec, settings, known)
            self._begin(known)
        known.spec = spec
        known.ledger.update(spec.pods, leaving(observed.pods), now.timestamp())
        known.pods_seen = True
        self._metrics.trials.set(len(self._cases))

    def gone(self, key: Key) -> None:
        """No trial goes on for this deployment any more."""
        case = self._cases.pop(key, None)
        if case is not None:
            case.end()
            self._metrics.trials.set(len(self._cases))

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop`."""
        self._running = True
        self._failing_since = None
        for case in self._cases.values():
            self._begin(case)
        try:
            async with asyncio.TaskGroup() as loops:
                for pace in self._paces:
                    loops.create_task(self._keep(pace, stop))
        finally:
            self._running = False
            for case in self._cases.values():
                case.end()

    # -- looks ---------------------------------------------------------------------------------------------------------

    async def _keep(self, pace: Pace, stop: asyncio.Event) -> None:
        while not stop.is_set():
            began = self._clock.monotonic()
            behind = False
            try:
                behind = await self._look(pace)
            except MetricsUnavailable as error:
                self._failed(error.message)
            except Exception:
                # A fault of ours in one look must not end all of them.
                logger.exception("a look at Prometheus broke")
            took = self._clock.monotonic() - began
            self._metrics.watch_seconds.labels(pace.name).observe(took)
            await self._clock.wait(stop, 0.0 if behind else max(pace.seconds - took, pace.seconds / 10))

    async def _look(self, pace: Pace) -> bool:
        """One query, fed to all trials that are due. True when they are behind and the next should follow at once.

        Samples that come before a trial is due change nothing yet: with a hundred trials most of the answer would be
        what is known already.
        """
        now = self._clock.now().timestamp()
        live = [case for case in self._cases.values() if case.pair is not None]
        cases = [case for case in live if case.pair is not None and pace.due(case.pair) <= now]
        at = now
        if cases:
            since = min(pace.until(case.pair) for case in cases if case.pair is not None)
            at = min(now, since + WINDOW_SAMPLES * self._grid)
            overlap = max(OVERLAP_SAMPLES * self._grid, LEAST_OVERLAP)
            series = await self._sources[pace.name].raw(pace.selector(cases), at - since + overlap, at)
            self._succeeded()
            await self._feed_all(cases, pace, _by_deployment(series), at)
        for case in live:
            if case.pods_seen:
                self._heard(case)
        return at < now

    async def _feed_all(
        self, cases: list[Case], pace: Pace, found: Mapping[tuple[str, str], list[RawSeries]], at: float
    ) -> None:
        for case in cases:
            if self._cases.get(case.key) is case and case.pair is not None:
                self._feed(case, pace, case.pair, found.get((case.spec.namespace, case.spec.deployment), []), at)
            # A rollback on its way takes several turns of the loop: it must not wait for the sums of many others.
            await asyncio.sleep(0)

    def _feed(self, case: Case, pace: Pace, pair: Pair, series: list[RawSeries], at: float) -> None:
        try:
            pace.feed(pair, series, at)
            self._say(case, at)
        except Exception:
            # One trial that breaks must not keep the others from being judged.
            logger.exception("a trial broke, it is begun anew", extra={"fields": _fields(case)})
            case.pair = None
            self._cannot_load(case, FAULT)
            self._begin(case, BROKEN_SECONDS)

    def _say(self, case: Case, at: float) -> None:
        """Judge; have the deployment looked at where that changes something, and now and then anyway."""
        said = gist(case.judge(at))
        case.pods_seen = False
        now = self._clock.monotonic()
        if said != case.said or now - case.said_at >= SAY_SECONDS:
            # A rollback does not wait behind figures that have moved on.
            self._queue.add(case.key, urgent=said != case.said)
            case.said, case.said_at = said, now

    def _fast_selector(self, cases: list[Case]) -> str:
        limits = {case.pair.slow_seconds for case in cases if case.pair is not None}
        return selectors.fast(_pairs(cases), limits)

    def _slow_selector(self, cases: list[Case]) -> str:
        now = self._clock.monotonic()
        wanted = any(
            now - case.loaded_at < YOUNG_SECONDS or now - case.reference_at >= REFERENCE_SECONDS for case in cases
        )
        if wanted:
            for case in cases:
                case.reference_at = now
        return selectors.slow(_pairs(cases), wanted)

    # -- Prometheus goes and comes -------------------------------------------------------------------------------------

    def _failed(self, message: str) -> None:
        now = self._clock.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        silent = now - self._failing_since
        if silent >= min(DOWN_SECONDS, 3 * self._grid) and not self._down:
            logger.warning("nothing can be judged: %s", message)
            self._down = message
            self._wake_all()

    def _succeeded(self) -> None:
        self._failing_since = None
        if self._down:
            logger.info("Prometheus answers again")
            self._down = ""
            self._wake_all()

    def _wake_all(self) -> None:
        for key in self._cases:
            self._queue.add(key)

    # -- the past of a trial -------------------------------------------------------------------------------------------

    def _begin(self, case: Case, wait: float = 0.0) -> None:
        if not self._running:
            return
        case.end()
        case.tasks = [asyncio.create_task(self._load(case, wait))]
        if case.own:
            case.tasks.append(asyncio.create_task(self._own.run(case, self._heard)))

    async def _load(self, case: Case, wait: float) -> None:
        """Read the past of a trial until that succeeds; cancelled when the trial ends."""
        never = asyncio.Event()
        while True:
            if wait:
                await self._clock.wait(never, wait)
            try:
                async with self._loads:
                    pair = await load(case, self._sources["past"], self._clock)
                break
            except MetricsUnavailable as error:
                self._cannot_load(case, error.message)
                wait = RELOAD_SECONDS
            except Exception:
                logger.exception("the past of a trial cannot be read", extra={"fields": _fields(case)})
                self._cannot_load(case, FAULT)
                wait = BROKEN_SECONDS
        self._succeeded()
        case.pair, case.error, case.loaded_at = pair, "", self._clock.monotonic()
        self._heard(case)

    def _cannot_load(self, case: Case, message: str) -> None:
        if case.error != message:
            case.error = message
            self._queue.add(case.key)

    def _heard(self, case: Case) -> None:
        """There is something new beside the counters: the past, or an answer to a query of the user's own."""
        if case.pair is None:
            return
        try:
            self._say(case, case.pair.fast_until)
        except Exception:
            # The next look at the counters meets the same fault, and begins anew.
            logger.exception("a trial broke", extra={"fields": _fields(case)})


def _pairs(cases: Iterable[Case]) -> set[tuple[str, str]]:
    return {(case.spec.deployment, revision) for case in cases for revision in case.revisions}


def _by_deployment(series: Iterable[RawSeries]) -> dict[tuple[str, str], list[RawSeries]]:
    found: dict[tuple[str, str], list[RawSeries]] = defaultdict(list)
    for item in series:
        found[item.labels.get("namespace", ""), item.labels.get("deployment", "")].append(item)
    return found


def _fields(case: Case) -> dict[str, str]:
    return {"kind": MODEL_DEPLOYMENT.name, "namespace": case.key.namespace, "name": case.key.name}
