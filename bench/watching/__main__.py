"""What a look for drift costs at 1, 10 and 100 deployments, in queries, bytes and time: make bench-watching.

A real Prometheus on the loopback interface with 30 features of 12 bins (and a score) for each of two replicas, a sample
every five minutes of an hour; a window of an hour. Measured is the second look: references are known by then. With
recording rules one feature of each deployment is listed, for it has moved a little; nothing alarms. Prometheus' own
time is that of its short history here.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pintle.contract.profile import number_bins, reference_ratios

from bench.report import Report, arguments
from tests.integration.prometheus import PrometheusServer, Series
from tests.integration.test_rules import RECORDING, evaluate
from tests.integration.test_watching import Watcher

FEATURES, QUANTILES, REPLICAS = 30, 10, 2
STEP, SPAN, RATE = 300, 3900, 2.0
MONITORING = {"drift": {"windows": [{"seconds": 3600}], "periodSeconds": 1}}


def main() -> None:
    parser = arguments("Queries, bytes and time of a look for drift")
    parser.add_argument("--deployments", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--looks", type=int, default=5)
    options = parser.parse_args()
    report = Report(
        f"A look for drift: {FEATURES} features, {QUANTILES + 2} bins, {REPLICAS} replicas, window of an hour"
    )
    for many in options.deployments:
        asyncio.run(measure(report, many, options))
    report.finish(options.json)


async def measure(report: Report, many: int, options: argparse.Namespace) -> None:
    """Without rules, then with them."""
    with PrometheusServer() as prometheus:
        end = math.floor(time.time())
        for number in range(many):
            prometheus.write(exported(number, end))
        for rules in ("", ", recording rules"):
            if rules:
                evaluate(prometheus, yaml.safe_load(RECORDING.read_text())["groups"][:2], math.floor(time.time()))
            await looks(report, prometheus.url, many, rules, options.looks)


async def looks(report: Report, url: str, many: int, rules: str, repeat: int) -> None:
    async with Watcher(url, scrape=15.0) as watcher:
        for number in range(many):
            watcher.add(f"d{number}", revision(number), MONITORING)
        assert await watcher.watcher.look() == many
        queries, sizes, seconds, processor = [], [], [], []
        for _ in range(repeat):
            await asyncio.sleep(1.1)
            watcher.bytes.clear()
            began, used = time.perf_counter(), time.process_time()
            assert await watcher.watcher.look() == many
            seconds.append(time.perf_counter() - began)
            processor.append(time.process_time() - used)
            queries.append(len(watcher.bytes))
            sizes.append(sum(watcher.bytes) / 1000)
    name = f"{many} deployment{'s' if many > 1 else ''}{rules}"
    report.add(f"{name}: queries", "", queries)
    report.add(f"{name}: bytes", "kB", sizes, f"{sizes[-1] / many:.1f} kB each")
    report.add(f"{name}: the operator's processor time", "ms", [value * 1000 for value in processor])
    report.add(f"{name}: from the first query to findings", "ms", [value * 1000 for value in seconds])


def revision(number: int) -> str:
    return f"{number:08d}"


def exported(number: int, end: int) -> list[Series]:
    """Two replicas; the first feature has moved a little."""
    bins = number_bins([float(edge) for edge in range(1, QUANTILES)])
    counts = [1000] * QUANTILES + [0, 0]
    found = []
    for replica in range(REPLICAS):
        of = {
            "namespace": "team",
            "deployment": f"d{number}",
            "revision": revision(number),
            "model": "m",
            "version": "1",
        }
        of |= {"pod": f"d{number}-{replica}", "profile": "0badcafe"}
        for index in range(FEATURES):
            feature = {**of, "feature": f"feature_{index:02d}"}
            for place, (name, ratio) in enumerate(zip(bins, reference_ratios(counts), strict=True)):
                moved = (0.02 if place < 5 else -0.02) * (index == 0)
                share = (0.1 + moved) * (place < QUANTILES)
                labels = {**feature, "bin": name}
                found.append(Series({**labels, "__name__": "model_feature_bin_total"}, list(growing(share, end))))
                found.append(Series({**labels, "__name__": "model_feature_reference_ratio"}, [(end, ratio)]))
            samples = {**feature, "__name__": "model_feature_reference_samples"}
            found.append(Series(samples, [(end, float(sum(counts)))]))
        for place, name in enumerate(bins):
            labels = {**of, "__name__": "model_prediction_bin_total", "output": "probability", "bin": name}
            found.append(Series(labels, list(growing(0.1 * (place < QUANTILES), end))))
    return found


def growing(share: float, end: int) -> Iterator[tuple[float, float]]:
    for step in np.arange(0, SPAN + 1, STEP):
        yield end - SPAN + float(step), float(math.floor(step * RATE * share))


if __name__ == "__main__":
    main()
