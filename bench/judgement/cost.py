"""What a look at drift costs for a thousand deployments of 30 features with 12 bins, which are 360,000 series.

One process makes up the series and their references, with an hour of samples five minutes apart, and gives them to a
real Prometheus on the loopback interface. The watcher looks at all deployments once to learn the references, then
again, which is what is measured: the operator's processor time, bytes, and what Prometheus says of its own time.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import yaml
from pintle.contract.profile import number_bins, reference_ratios

from bench.judgement.cells import Words
from tests.integration.prometheus import PrometheusServer, Series
from tests.integration.test_rules import RECORDING, evaluate
from tests.integration.test_watching import Watcher

FEATURES, QUANTILES = 30, 10
BINS = number_bins([float(edge) for edge in range(1, QUANTILES)])
COUNTS = [1000] * QUANTILES + [0, 0]
RATIOS = reference_ratios(COUNTS)
STEP, SPAN, RATE = 300, 3900, 2.0
MONITORING = {"drift": {"windows": [{"seconds": 3600}], "periodSeconds": 1}}
SIZES = {100: True, 1000: False}
"""Deployments, and whether recording rules are evaluated for them, which from outside takes minutes for a thousand."""
ROUNDS = 2
TOLD = (
    "prometheus_engine_query_duration_seconds_sum",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "prometheus_tsdb_head_series",
)


@dataclass(frozen=True)
class Cost:
    """Of one round over all deployments."""

    queries: int
    megabytes: float
    operator: float
    """Seconds of the operator's processor time."""
    elapsed: float
    queried: float
    """Seconds that Prometheus spent on queries, as it says itself."""
    processor: float
    """Seconds of its processor time."""

    def text(self) -> str:
        return (
            f"operator {self.operator * 1000:,.0f} ms of processor; {self.queries} queries, {self.megabytes:.1f} MB; "
            f"Prometheus {self.queried:.2f} s on queries, {self.processor:.2f} s of processor; {self.elapsed:.1f} s"
        )


def exported(number: int, end: int) -> Iterator[Series]:
    """One deployment with one replica; its first feature has moved a little."""
    of = {"namespace": "team", "deployment": f"d{number}", "revision": revision(number), "model": "m", "version": "1"}
    of |= {"pod": f"d{number}-0", "profile": "0badcafe"}
    for index in range(FEATURES):
        feature = {**of, "feature": f"feature_{index:02d}"}
        for place, (name, ratio) in enumerate(zip(BINS, RATIOS, strict=True)):
            moved = (0.02 if place < 5 else -0.02) * (index == 0)
            share = (0.1 + moved) * (place < QUANTILES)
            labels = {**feature, "bin": name}
            yield Series({**labels, "__name__": "model_feature_bin_total"}, growing(share, end, STEP))
            yield Series({**labels, "__name__": "model_feature_reference_ratio"}, [(end, ratio)])
        yield Series({**feature, "__name__": "model_feature_reference_samples"}, [(end, float(sum(COUNTS)))])
        yield Series({**feature, "__name__": "model_feature_drift_floor", "window": "1h"}, [(end, 0.05)])
    for place, name in enumerate(BINS):
        labels = {**of, "__name__": "model_prediction_bin_total", "output": "probability", "bin": name}
        yield Series(labels, growing(0.1 * (place < QUANTILES), end, STEP))
    yield Series({**of, "__name__": "model_predictions_total"}, growing(1.0, end, 60))


def revision(number: int) -> str:
    return f"{number:08d}"


def growing(share: float, end: int, step: int) -> list[tuple[float, float]]:
    return [(end - SPAN + passed, float(math.floor(passed * RATE * share))) for passed in range(0, SPAN + 1, step)]


def told(prometheus: PrometheusServer) -> dict[str, float]:
    """What Prometheus says of itself now; durations of inner_eval only."""
    found: dict[str, float] = {}
    for line in httpx.get(f"{prometheus.url}/metrics", timeout=30, trust_env=False).text.splitlines():
        name = line.partition("{")[0].partition(" ")[0]
        if name in TOLD and ("{" not in line or 'slice="inner_eval"' in line):
            found[name] = float(line.rsplit(" ", 1)[1])
    return found


async def everyone(watcher: Watcher, many: int) -> None:
    """Look until all of them have been looked at; a look takes a hundred at most."""
    seen = 0
    while seen < many:
        now = await watcher.watcher.look()
        seen += now
        if not now:
            await asyncio.sleep(0.05)


async def rounds(prometheus: PrometheusServer, many: int) -> list[Cost]:
    async with Watcher(prometheus.url, scrape=15.0) as watcher:
        for number in range(many):
            watcher.add(f"d{number}", revision(number), MONITORING)
        await everyone(watcher, many)
        found = []
        for _ in range(ROUNDS):
            await asyncio.sleep(1.1)
            watcher.bytes.clear()
            before, began, used = told(prometheus), time.perf_counter(), time.process_time()
            await everyone(watcher, many)
            elapsed, spent, after = time.perf_counter() - began, time.process_time() - used, told(prometheus)
            queried, processor = (after[name] - before[name] for name in TOLD[:2])
            found.append(Cost(len(watcher.bytes), sum(watcher.bytes) / 1e6, spent, elapsed, queried, processor))
        return found


def measured(many: int, ruled: bool) -> Iterator[str]:
    """By the counters themselves, then by recording rules."""
    with PrometheusServer() as prometheus:
        end = math.floor(time.time())
        for number in range(many):
            prometheus.write(exported(number, end))
        state = told(prometheus)
        yield (
            f"{many:,} deployments: {state[TOLD[3]]:,.0f} series, Prometheus {state[TOLD[2]] / 2**30:.1f} GiB with them"
        )
        for cost in asyncio.run(rounds(prometheus, many)):
            yield f"{many:,} deployments, counters: {cost.text()}"
        if not ruled:
            return
        began = time.perf_counter()
        evaluate(prometheus, yaml.safe_load(RECORDING.read_text())["groups"][:2], math.floor(time.time()))
        yield f"{many:,} deployments: rules of an hour evaluated by a client in {time.perf_counter() - began:.0f} s"
        for cost in asyncio.run(rounds(prometheus, many)):
            yield f"{many:,} deployments, recording rules: {cost.text()}"


def cost_words() -> list[Words]:
    """By the number of deployments."""
    return [
        Words(
            f"A round of looks at drift, {many:,} deployments of {FEATURES} features and {len(BINS)} bins, one replica",
            lambda many=many, ruled=ruled: measured(many, ruled),  # type: ignore[misc]
        )
        for many, ruled in SIZES.items()
    ]
