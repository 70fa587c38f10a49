"""Watching against a real Prometheus: what the queries bring, to the row, and what the watcher makes of it."""

from __future__ import annotations

import asyncio
import http.server
import json
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Self

import numpy as np
import pytest
from pintle.adapters.clock import ExponentialBackoff, SystemClock
from pintle.adapters.prometheus import Access, Prometheus
from pintle.api.watching import FLOORS
from pintle.contract.profile import Profile, number_bins
from pintle.controller.queue import KeyedQueue
from pintle.controller.store import Store
from pintle.controller.telemetry import Metrics as OperatorMetrics
from pintle.controller.watching.drift import DriftWatcher
from pintle.core.judgement.findings import Findings
from pintle.core.plan import Key, Policy
from pintle.core.watching import queries
from pintle.serve.metrics import Metrics
from pintle.serve.settings import Identity

from tests.builders import model_deployment, stamp
from tests.integration.kube import eventually
from tests.integration.prometheus import STALE, PrometheusServer, Series

EDGES = tuple(float(edge) for edge in range(1, 10))
BINS = number_bins(EDGES)
EVEN = np.array([100] * 10 + [0, 0])
FEATURES = ("temp", "wind", "hour")
START = 1_767_600_000.0


def profile(features: tuple[str, ...] = FEATURES) -> Profile:
    """Features and a score that are even over ten bins in 1,000 training rows."""
    item = {
        "bins": list(BINS),
        "counts": (EVEN * 10).tolist(),
        "edges": list(EDGES),
        "floors": dict.fromkeys(FLOORS, 0.0),
    }
    score = {**item, "name": "probability", "accuracy": [0.9] * 5 + [0.7] * 5 + [None, None]}
    made = {"profile": "0badcafe", "features": [{**item, "name": name} for name in features], "outputs": [score]}
    return Profile.from_bytes(json.dumps(made).encode())


class Exporter:
    """One serving pod: the real series of a model server over HTTP; the test counts the rows."""

    def __init__(self, deployment: str = "delays", revision: str = "ab12cd34") -> None:
        self._identity = Identity(deployment, revision, "delays", "1")
        self.restart()

    def restart(self) -> None:
        """Counters begin with 0 again."""
        self.metrics = Metrics(self._identity)
        made = profile()
        self.metrics.use_profile(made, made.features, made.outputs)

    def count(self, **rows: np.ndarray) -> None:
        """Add rows by bin to features, and to `score`."""
        for place, name in enumerate((*FEATURES, "score")):
            self.metrics.bins[place * len(BINS) : (place + 1) * len(BINS)] += rows.get(name, EVEN)

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Its address."""
        exporter = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = exporter.metrics.render()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class Watcher:
    """The watcher with a store of deployments, and a Prometheus behind it."""

    def __init__(self, url: str, scrape: float = 0.5) -> None:
        self.bytes: list[int] = []
        self.source = Prometheus(Access(url), on_bytes=self.bytes.append)
        clock = SystemClock()
        self.store = Store()
        self.queue = KeyedQueue(clock, ExponentialBackoff())
        policy = Policy("server", "runner", scrape=timedelta(seconds=scrape))
        self.watcher = DriftWatcher(self.source, clock, self.store, self.queue, policy, OperatorMetrics())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.source.close()

    def add(self, name: str, revision: str, monitoring: dict[str, Any], namespace: str = "team", **age: float) -> Key:
        """A deployment that serves a revision."""
        made = model_deployment(name).spec(monitoring=monitoring)
        made.metadata(namespace=namespace, uid=f"uid-{namespace}-{name}")
        created = SystemClock().now() - timedelta(**(age or {"days": 30}))
        made.status(stable={"revision": revision, "version": 1, "createdTime": stamp(created)})
        self.store.put(made.obj())
        return Key("ModelDeployment", namespace, name)

    async def look(self, key: Key) -> Findings:
        await self.watcher.look()
        found = self.watcher.findings(key)
        assert found is not None
        return found


SHIFTED = np.array([400, 300, 200, 100, 0, 0, 0, 0, 0, 0, 0, 0])


async def test_a_shifted_feature_is_found_and_the_others_are_quiet() -> None:
    """Three replicas of one deployment and a namesake in another namespace: one feature of one of them has moved."""
    pods = {name: Exporter() for name in ("a", "b", "c", "other")}
    with pods["a"].serving() as a, pods["b"].serving() as b, pods["c"].serving() as c, pods["other"].serving() as d:
        namespaces = {"other": "staging"}
        targets = dict(zip(pods, (a, b, c, d), strict=True))
        with PrometheusServer(targets, namespaces=namespaces, interval="500ms") as prometheus:
            zero = 'count(model_feature_bin_total{bin="00"} == 0)'
            eventually(lambda: prometheus.value(zero) == 12)
            for pod in ("a", "b", "c"):
                pods[pod].count(temp=SHIFTED)
            pods["other"].count()
            eventually(lambda: prometheus.value("sum(model_prediction_bin_total)") == 4000)
            monitoring = {"drift": {"windows": [{"seconds": 600, "floor": "1h"}], "periodSeconds": 1}}
            async with Watcher(prometheus.url) as watcher:
                key = watcher.add("delays", "ab12cd34", monitoring)
                staging = watcher.add("delays", "ab12cd34", monitoring, namespace="staging")
                found = await watcher.look(key)
                quiet = watcher.watcher.findings(staging)
    assert quiet is not None
    verdicts = {item.feature: (item.verdict, item.rows) for item in found.features}
    assert verdicts == {"temp": ("Fail", 3000), "wind": ("Pass", 3000), "hour": ("Pass", 3000)}
    assert found.score is not None
    assert (found.score.verdict, found.score.rows) == ("Pass", 3000)
    assert [(item.verdict, item.rows) for item in quiet.features] == [("Pass", 1000)] * 3
    assert quiet.verdicts["FeatureDrift"] == "Pass"


def rows(at: float, begin: float, rate: float) -> float:
    return float(math.floor(max(at - begin, 0.0) * rate))


@pytest.fixture(scope="module")
def history() -> Iterator[PrometheusServer]:
    """A Prometheus that takes samples of any time."""
    with PrometheusServer() as prometheus:
        yield prometheus


def pod(revision: str, name: str, samples: list[tuple[float, float]], **labels: str) -> Series:
    made = {"__name__": "model_feature_bin_total", "namespace": "team", "deployment": "d", "revision": revision}
    return Series({**made, "pod": name, "profile": "p", "feature": "x", "bin": "00", **labels}, samples)


def window_rows(prometheus: PrometheusServer, revision: str, seconds: int, at: float) -> float:
    """As it is asked for: the long way only where a pod restarted or went; the short way is equal otherwise."""
    found = [float(item["value"][1]) for item in prometheus.query(queries.bins((revision,), seconds), at)]
    assert len(found) == 1
    if not prometheus.query(queries.unsteady((revision,), seconds), at):
        short = prometheus.query(queries.steady_bins((revision,), seconds), at)
        assert [float(item["value"][1]) for item in short] == found
    return found[0]


def test_first_minutes_count_every_row(history: PrometheusServer) -> None:
    """Four minutes old, in windows of ten minutes and of a day: all rows, not those since the second sample."""
    times = [START + step for step in range(0, 241, 15)]
    history.write([pod("00000001", name, [(at, rows(at, START, 3.0)) for at in times]) for name in ("a", "b")])
    for seconds in (600, 86400):
        assert window_rows(history, "00000001", seconds, START + 240) == 2 * 720


def test_an_old_series_counts_to_the_row(history: PrometheusServer) -> None:
    """Ten minutes of a pod that has been there for an hour, at a moment between two samples."""
    times = [START + step for step in range(0, 3601, 15)]
    history.write([pod("00000002", "a", [(at, rows(at, START, 0.37)) for at in times])])
    at = START + 3607
    expected = rows(START + 3600, START, 0.37) - rows(START + 3000, START, 0.37)
    assert window_rows(history, "00000002", 600, at) == expected


def test_restarts_and_deleted_pods_cost_little(history: PrometheusServer) -> None:
    """Of three pods one restarts in the window and one goes: within 1.4 % of the truth."""
    steps = range(0, 3601)
    stays = [(START + s, rows(s, 0, 2.0)) for s in steps]
    restarts = [(START + s, rows(s, 0, 2.0) if s < 2000 else rows(s, 2000, 2.0)) for s in steps]
    goes = [(START + s, rows(s, 0, 2.0)) for s in steps if s <= 2500]
    goes.append((START + 2501, STALE))
    pods = {"stays": stays, "restarts": restarts, "goes": goes}
    for name, samples in pods.items():
        answered = {"__name__": "model_predictions_total"}
        history.write([pod("00000003", name, samples), pod("00000003", name, samples, **answered)])
        alone = f"0000003{len(name)}"
        history.write([pod(alone, name, samples), pod(alone, name, samples, **answered)])
        found = history.query(queries.unsteady((alone,), 1800), START + 3600)
        assert bool(found) == (name != "stays")
    true = 2 * 1800 + 2 * 1800 + 2 * 700
    assert window_rows(history, "00000003", 1800, START + 3600) == pytest.approx(true, rel=0.014)


def test_labels_of_many_cohorts_are_one_sum(history: PrometheusServer) -> None:
    """Loss, truths and predictions of the window; what came before it does not count."""
    of = {"namespace": "team", "deployment": "d", "revision": "00000004", "pod": "a"}
    series = []
    for cohort, scale in (("1", 1.0), ("2", 3.0)):
        for name, value, labels in (
            ("model_feedback_loss_sum", 0.25, {}),
            ("model_feedback_loss_squares_sum", 0.125, {}),
            ("model_feedback_loss_count", 1.0, {}),
            ("model_feedback_total", 1.0, {"score_bin": "03", "truth": "positive"}),
        ):
            values = [(START + step, step * value * scale) for step in range(0, 1201, 60)]
            series.append(Series({"__name__": name, **of, "cohort": cohort, **labels}, values))
    predicted = {"__name__": "model_prediction_bin_total", **of, "profile": "p", "output": "o", "bin": "03"}
    series.append(Series(predicted, [(START + step, step * 10.0) for step in range(0, 1201, 60)]))
    history.write(series)
    found = history.query(queries.labels(("00000004",), queries.LabelWindow(600), START + 1200), START + 1200)
    values = {item["metric"]["counted"]: float(item["value"][1]) for item in found}
    assert values == {"sum": 600.0, "squares": 300.0, "count": 2400.0, "truth": 2400.0, "score": 6000.0}


def test_labels_of_predictions_that_are_old_enough(history: PrometheusServer) -> None:
    """Ten minutes of predictions that ended ten minutes ago: their labels until now, and the rows of that time alone.

    Wrong ones are labelled late: of the cohort of the last minutes only the right ones are known, and it is left out.
    """
    of = {"namespace": "team", "deployment": "d", "revision": "00000005", "pod": "a"}
    end, steps = int(START) + 2400, range(0, 2401, 60)
    series = []
    for began in (0, 1320, 2040):
        for truth, late in (("negative", 0), ("positive", 300)):
            made = [(START + s, float(min(max(s - began - late, 0), 240))) for s in steps if s >= began]
            labels = {"cohort": str(int(START) + began), "score_bin": "03", "truth": truth}
            series.append(Series({"__name__": "model_feedback_total", **of, **labels}, made))
    predicted = {"__name__": "model_prediction_bin_total", **of, "profile": "p", "output": "o", "bin": "03"}
    series.append(Series(predicted, [(START + s, min(s, 1800) * 10.0 + max(s - 1800, 0)) for s in steps]))
    history.write(series)
    found = history.query(queries.labels(("00000005",), queries.LabelWindow(600, 600), end), end)
    values = {(item["metric"]["counted"], item["metric"].get("truth")): float(item["value"][1]) for item in found}
    assert values == {("truth", "negative"): 240.0, ("truth", "positive"): 240.0, ("score", None): 6000.0}


def burst_series(revision: str, size: int, seed: int, shift: bool = False) -> list[Series]:
    """Two hours of a row every second on average, in bursts of `size` alike ones, over ten even bins.

    With a `shift` only four of the bins are hit from minute 90 on.
    """
    rng = np.random.default_rng(seed)
    bursts = 7200 // size
    seconds, bins = rng.integers(0, 7200, bursts), rng.integers(0, 10, bursts)
    if shift:
        bins = np.where(seconds > 5400, bins % 4, bins)
    made = []
    for index in range(10):
        arrivals = np.bincount(seconds[bins == index], minlength=7200).cumsum() * size
        samples = [(START + step, float(arrivals[step - 1]) if step else 0.0) for step in range(0, 7201, 5)]
        of = {"bin": f"{index:02d}"}
        made.append(pod(revision, "a", samples, **of))
        made.append(pod(revision, "a", samples, **of, __name__="model_prediction_bin_total", feature="", output="o"))
    return made


@pytest.mark.parametrize(
    ("size", "shift", "low", "high"), [(1, False, 0.7, 1.3), (5, False, 3.5, 6.5), (1, True, 0.7, 4.0)]
)
def test_bursts_are_seen(history: PrometheusServer, size: int, shift: bool, low: float, high: float) -> None:
    """Independent rows scatter like themselves; alike rows that come by fives five times as much.

    A shift in the middle of the hour, which six of ten bins do not survive, is hardly taken for one.
    """
    revision = f"000001{size}{int(shift)}"
    history.write(burst_series(revision, size, seed=size, shift=shift))
    for block in (30, 300):
        found = history.query(queries.dispersion((revision,), 3600, block), START + 7200)
        assert len(found) == 2
        for item in found:
            assert low < float(item["value"][1]) < high, (block, item["metric"])


def test_references_come_once_for_all_replicas(history: PrometheusServer) -> None:
    """Every replica exports them; the answer has each once, with its name."""
    made = Metrics(Identity("d", "00000005", "m", "1"))
    made.use_profile(profile(), profile().features, profile().outputs)
    series = []
    for line in made._constant.decode().splitlines():
        if not line.startswith("#"):
            head, value = line.rsplit(" ", 1)
            name, _, labels = head.partition("{")
            parsed = dict(item.split("=", 1) for item in labels.rstrip("}").split(","))
            parsed = {key: text.strip('"') for key, text in parsed.items()}
            for replica in ("a", "b"):
                identity = {"__name__": name, "namespace": "team", "pod": replica}
                series.append(Series({**identity, **parsed}, [(START, float(value))]))
    history.write(series)
    found = history.query(queries.reference(("00000005",)), START)
    assert len(found) == len(series) / 2
    assert {item["metric"]["__name__"] for item in found} >= set(queries.REFERENCE[:3])


async def test_queries_do_not_grow_with_deployments(history: PrometheusServer) -> None:
    """One deployment or twenty with the same windows: as many queries; bytes grow with what is watched."""
    now = time.time()
    monitoring = {"drift": {}, "labelled": [{"metric": "loss", "max": "0.5"}]}
    counts = {}
    for many in (1, 20):
        async with Watcher(history.url, scrape=1.0) as watcher:
            series = []
            for number in range(many):
                revision = f"{many:04d}{number:04d}"
                watcher.add(f"d{number}", revision, monitoring)
                series += [
                    pod(revision, "a", [(now, 5.0)], deployment=f"d{number}", feature=feature, bin=name)
                    for feature in FEATURES
                    for name in BINS
                ]
            history.write(series)
            assert await watcher.watcher.look() == many
            counts[many] = (len(watcher.bytes), sum(watcher.bytes))
    assert counts[1][0] == counts[20][0]
    assert 10 < counts[20][1] / counts[1][1] < 21


async def test_prometheus_that_is_gone_is_an_error_of_the_source() -> None:
    """Nothing is found and nothing is quiet; the deployment is looked at again soon, and told."""
    async with Watcher("http://127.0.0.1:9") as watcher:
        key = watcher.add("delays", "ab12cd34", {"drift": {}})
        found = await watcher.look(key)
        assert await asyncio.wait_for(watcher.queue.take(), 1) == key
    assert set(found.verdicts.values()) == {"SourceError"}
    assert "cannot be reached" in found.error
