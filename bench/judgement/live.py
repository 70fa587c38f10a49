"""Against a real Prometheus on the loopback interface: what the operator reads, beside a log of every event.

Two revisions with three replicas each, scraped every second; two replicas of the stable restart. The trial is fed look
by look with the operator's own queries, then read anew as after a take-over. Nothing here is simulated but the
requests.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import numpy as np
import yaml
from pintle.adapters.clock import SystemClock
from pintle.adapters.prometheus import Access, Prometheus
from pintle.api.rollout import Rollout
from pintle.contract import metrics as names
from pintle.contract.psi import psi
from pintle.controller.watching.case import Case, new_case
from pintle.controller.watching.loading import load
from pintle.core.judgement.counters import LOOKBACK_SCRAPES
from pintle.core.judgement.facts import PodFacts
from pintle.core.judgement.history import History
from pintle.core.judgement.samples import RawSeries
from pintle.core.judgement.settings import Settings
from pintle.core.judgement.verdict import Judgement
from pintle.core.plan import Key
from pintle.core.rollout.trial import CANARY, PodState, TrialSpec
from pintle.core.trials import selectors
from pintle.core.trials.pair import Pair
from pintle.core.watching import queries, rules

from bench.judgement.cells import Words
from tests.integration.prometheus import PrometheusServer
from tests.integration.test_rules import RECORDING, evaluate
from tests.integration.test_watching import BINS, EVEN, FEATURES, Exporter

NEW, STABLE = "bbbbbbbb", "aaaaaaaa"
PODS = 3
TICK = 0.02
RATE = 20.0
"""Rows per second and pod."""
BAD = {STABLE: 0.02, NEW: 0.15}
FEATURE = FEATURES[0]
MOVED = {STABLE: np.full(10, 0.1), NEW: np.array([0.19] * 5 + [0.01] * 5)}
WINDOW, HOUR = 600, 3600
OVERLAP = 2.0
SECONDS = 60.0


@dataclass
class Log:
    """Every event: requests and bad ones, and answered rows by bin of the feature, by revision."""

    requests: dict[str, int] = field(default_factory=lambda: dict.fromkeys(BAD, 0))
    bad: dict[str, int] = field(default_factory=lambda: dict.fromkeys(BAD, 0))
    bins: dict[str, np.ndarray] = field(default_factory=lambda: {name: np.zeros(len(BINS), int) for name in BAD})
    restarts: int = 0


@dataclass
class Look:
    """What the live trial said, and what it had read by then."""

    until: float
    said: tuple[tuple[str, str, float, float], ...]


@dataclass
class Live:
    """All that a run found."""

    log: Log
    looks: list[Look]
    replayed: list[tuple[tuple[str, str, float, float], ...]]
    taken_over: tuple[tuple[str, str, float, float], ...]
    arms: dict[str, tuple[float, float]]
    """Requests and bad ones of each revision as the trial counted them."""
    counts: dict[str, np.ndarray]
    """Rows by bin of the feature as the operator's query has them."""
    hour: dict[str, np.ndarray]
    """The same in the window that the rules are for."""
    ruled: dict[str, tuple[float, float]]
    """PSI and its lower end as recording rules have them."""

    @property
    def reference(self) -> list[int]:
        return [int(count) for count in EVEN * 10]

    def off(self, revision: str) -> float:
        """How far the operator's PSI lies from that of the event log."""
        mine, true = (psi(list(map(float, of[revision])), self.reference) for of in (self.counts, self.log.bins))
        return abs(mine.psi - true.psi)

    def rules_off(self, revision: str) -> float:
        """How far the rules' PSI lies from the formula on the same counts."""
        mine = psi(list(map(float, self.hour[revision])), self.reference)
        return max(abs(mine.psi - self.ruled[revision][0]), abs(mine.low - self.ruled[revision][1]))


def answer(pods: dict[str, list[Exporter]], log: Log, rng: np.random.Generator) -> None:
    """One tick of traffic on every pod; a row per request."""
    for revision, exporters in pods.items():
        for exporter in exporters:
            rows = int(rng.poisson(RATE * TICK))
            wrong = int(rng.binomial(rows, BAD[revision]))
            for _ in range(wrong):
                exporter.metrics.request("server_error", names.ROUTE_DEFAULT, 0.002)
            for _ in range(rows - wrong):
                exporter.metrics.answered(1, 0.002)
            counts = np.zeros(len(BINS), int)
            counts[:10] = rng.multinomial(rows - wrong, MOVED[revision])
            exporter.count(**{FEATURE: counts, FEATURES[1]: counts * 0, FEATURES[2]: counts * 0, "score": counts * 0})
            log.requests[revision] += rows
            log.bad[revision] += wrong
            log.bins[revision] += counts


@contextmanager
def traffic(pods: dict[str, list[Exporter]], log: Log, restarts: Iterable[float], seed: int) -> Iterator[None]:
    """In a thread of its own; at each of `restarts` (seconds from now) the next pod of the stable begins anew."""
    ended = threading.Event()
    rng = np.random.default_rng(seed)
    began = time.monotonic()
    due = list(restarts)

    def go() -> None:
        while not ended.wait(TICK):
            if due and time.monotonic() - began > due[0]:
                due.pop(0)
                pods[STABLE][log.restarts % PODS].restart()
                log.restarts += 1
            answer(pods, log, rng)

    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(10)


def gist(judgement: Judgement) -> tuple[tuple[str, str, float, float], ...]:
    """Verdicts and evidence, to the last bit."""
    return tuple((test.name, test.verdict, test.fail_evidence, test.pass_evidence) for test in judgement.tests)


def cut(series: Iterable[RawSeries], since: float, until: float) -> list[RawSeries]:
    """Samples in (since, until]."""
    found = []
    for item in series:
        start, end = (int(item.times.searchsorted(edge, "right")) for edge in (since, until))
        found.append(RawSeries(item.metric, item.labels, item.times[start:end], item.values[start:end]))
    return found


def case_of(origin: float, settings: Settings) -> Case:
    pods = tuple(
        PodState(f"{revision}-{place}", revision, origin - 1, 0) for revision in (STABLE, NEW) for place in range(PODS)
    )
    spec = TrialSpec("team", "delays", NEW, STABLE, origin, CANARY, Rollout(), True, pods)
    return new_case(Key("ModelDeployment", "team", "delays"), spec, settings, None)


async def run(seconds: float, interval: float, seed: int) -> Live:
    """`seconds` of traffic."""
    settings = Settings(grid_seconds=interval)
    pods = {revision: [Exporter(revision=revision) for _ in range(PODS)] for revision in (STABLE, NEW)}
    log, looks = Log(), []
    with ExitStack() as stack:
        targets = {
            f"{revision}-{place}": stack.enter_context(exporter.serving())
            for revision, exporters in pods.items()
            for place, exporter in enumerate(exporters)
        }
        prometheus = stack.enter_context(PrometheusServer(targets, interval=f"{round(interval * 1000)}ms"))
        source = Prometheus(Access(prometheus.url))
        try:
            while len(prometheus.query("model_predictions_total == 0")) < 2 * PODS:
                await asyncio.sleep(interval / 5)
            await asyncio.sleep(LOOKBACK_SCRAPES * interval)
            origin = time.time()
            pair = Pair(NEW, STABLE, origin, settings, History())
            wanted = selectors.everything("team", "delays", (NEW, STABLE), [pair.slow_seconds])
            since = origin - LOOKBACK_SCRAPES * interval
            ends = time.monotonic() + seconds
            with traffic(pods, log, (seconds / 3, seconds * 2 / 3), seed):
                while time.monotonic() < ends:
                    await asyncio.sleep(interval)
                    since = await look(source, wanted, pair, since, looks)
            # What was counted last has to be scraped, and its block to be closed.
            await asyncio.sleep(4 * interval)
            since = await look(source, wanted, pair, since, looks)
            every = await source.raw(wanted, since - origin + LOOKBACK_SCRAPES * interval, since)
            case = case_of(origin, settings)
            anew = await load(case, source, At(since))
            arms = {
                name: (arm.rows, arm.bad)
                for test in pair.judgement(since, PodFacts()).tests
                if test.name == "errors"
                for name, arm in ((NEW, test.tested), (STABLE, test.control))
            }
            counts = {name: await counted(source, name, WINDOW, since) for name in BAD}
            hour = {name: await counted(source, name, HOUR, since) for name in BAD}
            ruled = recorded(prometheus, since)
        finally:
            await source.close()
    taken = gist(anew.judgement(since, PodFacts()))
    return Live(log, looks, replay(every, looks, origin, settings), taken, arms, counts, hour, ruled)


class At(SystemClock):
    """The clock stands: a take-over reads up to the moment of the last look."""

    def __init__(self, at: float) -> None:
        super().__init__()
        self._at = at

    def now(self):  # type: ignore[no-untyped-def]
        from datetime import UTC, datetime

        return datetime.fromtimestamp(self._at, UTC)


async def look(source: Prometheus, wanted: str, pair: Pair, since: float, looks: list[Look]) -> float:
    at = time.time()
    pair.feed(await source.raw(wanted, at - since + OVERLAP, at), at)
    looks.append(Look(at, gist(pair.judgement(at, PodFacts()))))
    return at


def replay(
    every: list[RawSeries], looks: list[Look], origin: float, settings: Settings
) -> list[tuple[tuple[str, str, float, float], ...]]:
    """What each look would have said if all samples had been there at once."""
    pair = Pair(NEW, STABLE, origin, settings, History())
    since, found = 0.0, []
    for item in looks:
        pair.feed(cut(every, since, item.until), item.until)
        found.append(gist(pair.judgement(item.until, PodFacts())))
        since = item.until
    return found


async def counted(source: Prometheus, revision: str, seconds: int, at: float) -> np.ndarray:
    """Rows by bin of the feature in so many seconds, by the operator's query."""
    found = np.zeros(len(BINS))
    for sample in await source.instant(queries.bins((revision,), seconds), at):
        if sample.labels.get("feature") == FEATURE:
            found[BINS.index(sample.labels["bin"])] = sample.value
    return found


def recorded(prometheus: PrometheusServer, at: float) -> dict[str, tuple[float, float]]:
    """PSI and its lower end of the window of an hour, by the chart's rules."""
    evaluate(prometheus, yaml.safe_load(RECORDING.read_text())["groups"][:2], at)
    found = {}
    for name in BAD:
        where = f'{{revision="{name}",feature="{FEATURE}",window="1h"}}'
        found[name] = (prometheus.value(rules.PSI + where, at), prometheus.value(rules.PSI_LOW + where, at))
    return {name: (float(one or 0.0), float(other or 0.0)) for name, (one, other) in found.items()}


def say(found: Live) -> Iterator[str]:
    """The figures, a line each."""
    same = sum(look.said == again for look, again in zip(found.looks, found.replayed, strict=True))
    verdicts = sum(
        [part[:2] for part in look.said] == [part[:2] for part in again]
        for look, again in zip(found.looks, found.replayed, strict=True)
    )
    yield f"looks: {len(found.looks)}; verdicts equal to the replay's: {verdicts}; evidence to the last bit: {same}"
    yield f"read anew as after a take-over: {'equal' if found.taken_over == found.looks[-1].said else 'NOT EQUAL'}"
    for name, word in ((NEW, "canary, no restart"), (STABLE, f"stable, {found.log.restarts} restarts")):
        rows, bad = found.arms[name]
        true = int(found.log.bins[name].sum())
        yield (
            f"{word}: requests {rows:.0f} of {found.log.requests[name]}, errors {bad:.0f} of {found.log.bad[name]}, "
            f"rows by bin {found.counts[name].sum():.1f} of {true}"
        )
        yield (
            f"{word}: PSI off the event log by {found.off(name):.1e}; rules off the formula on the same counts by "
            f"{found.rules_off(name):.1e}"
        )


def live_words() -> list[Words]:
    title = f"Real Prometheus, 3 replicas, a scrape a second, {SECONDS:.0f} s (goals: equal; n within 1.4 %, PSI 8e-5)"
    return [Words(title, lambda: say(asyncio.run(run(SECONDS, 1.0, 1))))]
