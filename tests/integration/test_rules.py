"""The recording rules and alerts of the chart, evaluated by a real Prometheus, beside the operator's own sums."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pintle.contract.profile import reference_ratios
from pintle.contract.psi import psi
from pintle.core.watching import queries, rules
from pintle.core.watching.drift import MIN_SHARE

from e2e.cluster.binaries import HELM
from tests.integration.prometheus import PrometheusServer, Series
from tests.integration.test_chart import rendered
from tests.integration.test_watching import Watcher

CHART = Path(__file__).parents[2] / "charts" / "pintle"
RECORDING, ALERTS = CHART / "rules" / "recording.yaml", CHART / "rules" / "alerts.yaml"
NOW = 1_767_607_200.0
BINS = ("00", "01", "02", "missing")
REFERENCE = {"temp": (400, 300, 300, 0), "wind": (500, 250, 250, 0), "calm": (10, 10, 980, 0)}
SHARES = {"temp": (0.1, 0.2, 0.7, 0.0), "wind": (0.5, 0.25, 0.25, 0.0), "calm": (0.01, 0.01, 0.95, 0.03)}
RATE = 5.0
PODS = 3


def counted(share: float, end: float) -> list[tuple[float, float]]:
    """Samples of one bin of one pod: every 15 s for two hours."""
    return [(end - 7200 + step, float(math.floor(step * RATE * share))) for step in range(0, 7201, 15)]


def exported(end: float = NOW) -> list[Series]:
    """Three pods of one deployment, two hours old: one feature has moved, of one 3 % are missing, one is as it was."""
    found = []
    for replica in range(PODS):
        identity = {"namespace": "team", "deployment": "delays", "revision": "ab12cd34", "pod": f"p{replica}"}
        for feature, counts in REFERENCE.items():
            of = {**identity, "profile": "p", "feature": feature}
            for name, share, ratio in zip(BINS, SHARES[feature], reference_ratios(counts), strict=True):
                bin_ = {**of, "bin": name}
                found.append(Series({"__name__": "model_feature_bin_total", **bin_}, counted(share, end)))
                found.append(Series({"__name__": "model_feature_reference_ratio", **bin_}, [(end, ratio)]))
            found.append(Series({"__name__": "model_feature_reference_samples", **of}, [(end, float(sum(counts)))]))
            floor = {"__name__": "model_feature_drift_floor", **of, "window": "1d"}
            found.append(Series(floor, [(end, 0.05)]))
        score = {**identity, "profile": "p", "output": "probability", "bin": "00"}
        found.append(Series({"__name__": "model_prediction_bin_total", **score}, counted(1.0, end)))
    return found


def evaluate(prometheus: PrometheusServer, groups: list[dict[str, Any]], at: float) -> None:
    """As Prometheus does it: rule by rule, each seeing what those before it recorded."""
    for group in groups:
        for rule in group["rules"]:
            made = [
                Series(
                    {**item["metric"], **rule.get("labels", {}), "__name__": rule["record"]},
                    [(at, float(item["value"][1]))],
                )
                for item in prometheus.query(rule["expr"], at)
            ]
            assert made, rule["record"]
            prometheus.write(made)


@pytest.fixture(scope="module")
def recorded() -> Iterator[PrometheusServer]:
    """A Prometheus in which the rules have been evaluated once."""
    with PrometheusServer() as prometheus:
        prometheus.write(exported())
        evaluate(prometheus, yaml.safe_load(RECORDING.read_text())["groups"], NOW)
        yield prometheus


def by(result: list[dict[str, Any]], *labels: str) -> dict[tuple[str, ...], float]:
    return {tuple(item["metric"].get(name, "") for name in labels): float(item["value"][1]) for item in result}


def test_the_file_is_what_the_operator_computes() -> None:
    """`charts/pintle/rules/recording.yaml` is made from the code; its first line says how."""
    assert RECORDING.read_text() == rules.text()
    assert rules.COMMAND in RECORDING.read_text().splitlines()[0]


def test_prometheus_loads_both_files(tmp_path: Path) -> None:
    """It would not start with a rule that it cannot read."""
    both = tmp_path / "rules.yaml"
    groups = [group for file in (RECORDING, ALERTS) for group in yaml.safe_load(file.read_text())["groups"]]
    both.write_text(yaml.safe_dump({"groups": groups}))
    with PrometheusServer(rules=both) as prometheus:
        assert prometheus.query("vector(1)")


@pytest.mark.parametrize("window", rules.WINDOWS)
def test_rules_equal_the_operators_formula(recorded: PrometheusServer, window: str) -> None:
    """PSI and its lower end to ten digits, on the rows of the window, bins that nobody hit included."""
    seconds = rules.WINDOWS[window]
    live = by(recorded.query(f'{rules.FEATURE_BIN_ROWS}{{window="{window}"}}', NOW), "feature", "bin")
    found = by(recorded.query(f'{rules.PSI}{{window="{window}"}}', NOW), "feature")
    low = by(recorded.query(f'{rules.PSI_LOW}{{window="{window}"}}', NOW), "feature")
    for feature, reference in REFERENCE.items():
        counts = [live[feature, name] for name in BINS]
        true = [
            PODS * (math.floor(7200 * RATE * s) - math.floor(max(7200 - seconds, 0) * RATE * s))
            for s in SHARES[feature]
        ]
        assert counts == true
        expected = psi(counts, reference)
        assert found[feature,] == pytest.approx(expected.psi, rel=1e-10)
        assert low[feature,] == pytest.approx(expected.low, rel=1e-10)


def test_rules_equal_the_raw_query(recorded: PrometheusServer) -> None:
    """What the operator would sum up itself is what was recorded."""
    raw = by(recorded.query(queries.bins(("ab12cd34",), 3600), NOW), "feature", "output", "bin")
    mine = by(recorded.query(f'{rules.FEATURE_BIN_ROWS}{{window="1h"}}', NOW), "feature", "output", "bin")
    mine |= by(recorded.query(f'{rules.PREDICTION_BIN_ROWS}{{window="1h"}}', NOW), "feature", "output", "bin")
    assert mine == raw


def test_the_operator_reads_what_may_drift_only(recorded: PrometheusServer) -> None:
    """The feature that moved, the one with missing values, all predictions, and the rows for what is left out."""
    query = rules.recorded(("ab12cd34",), 3600, MIN_SHARE)
    assert query is not None
    found = by(recorded.query(query, NOW), "feature", "output", "bin")
    assert {feature for feature, _, _ in found if feature} == {"temp", "calm"}
    assert found["", "", ""] == PODS * 3600 * RATE
    assert found["", "probability", "00"] == PODS * 3600 * RATE
    assert rules.recorded(("ab12cd34",), 601, MIN_SHARE) is None


async def test_the_watcher_finds_the_same_by_rules_as_by_counters() -> None:
    """Findings of what may drift are equal; what is quiet is told from the rows alone, in a fraction of the bytes."""
    end = math.floor(time.time())
    findings, sizes = [], []
    with PrometheusServer() as prometheus:
        prometheus.write(exported(end))
        for loaded in (False, True):
            if loaded:
                evaluate(prometheus, yaml.safe_load(RECORDING.read_text())["groups"], end)
            async with Watcher(prometheus.url, scrape=15.0) as watcher:
                key = watcher.add("delays", "ab12cd34", {"drift": {"windows": [{"seconds": 3600}]}})
                findings.append(await watcher.look(key))
                sizes.append(sum(watcher.bytes))
    raw, recorded = findings
    assert [item.feature for item in raw.features] == ["temp", "calm", "wind"]
    # a little later the same window begins a little later
    for one, other in zip(recorded.features, raw.features[:2], strict=True):
        assert (one.feature, one.verdict, one.bin) == (other.feature, other.verdict, other.bin)
        assert one.low == pytest.approx(other.low, abs=0.02)
    assert recorded.verdicts == raw.verdicts
    assert (recorded.watched, raw.watched) == (3, 3)
    assert sizes[1] < sizes[0]


def test_many_random_windows_agree() -> None:
    """The expression in PromQL is the formula for any counts, empty bins and empty windows included."""
    rng = np.random.default_rng(7)
    with PrometheusServer() as prometheus:
        expected: dict[tuple[str, ...], Any] = {}
        series = []
        for case in range(40):
            size = int(rng.integers(2, 15))
            reference = rng.multinomial(int(rng.integers(50, 20_000)), rng.dirichlet(np.full(size, 0.4)))
            live = rng.multinomial(int(rng.integers(0, 5_000)), rng.dirichlet(np.full(size, 0.4)))
            of = {"namespace": "n", "deployment": "d", "revision": f"{case:08d}", "profile": "p", "feature": "x"}
            expected[of["revision"],] = psi([float(n) for n in live], [float(n) for n in reference])
            for index, ratio in enumerate(reference_ratios(reference.tolist())):
                bin_: Mapping[str, str] = {**of, "bin": f"{index:02d}", "pod": "a"}
                series.append(Series({**bin_, "__name__": "model_feature_reference_ratio"}, [(NOW, ratio)]))
                values = [(NOW - 600, 0.0), (NOW, float(live[index]))]
                series.append(Series({**bin_, "__name__": "model_feature_bin_total"}, values))
            samples = {**of, "__name__": "model_feature_reference_samples", "pod": "a"}
            series.append(Series(samples, [(NOW, float(reference.sum()))]))
        series.append(Series({"__name__": "model_prediction_bin_total", "namespace": "n"}, [(NOW, 0.0)]))
        prometheus.write(series)
        evaluate(prometheus, yaml.safe_load(RECORDING.read_text())["groups"][:2], NOW)
        found = by(prometheus.query(f'{rules.PSI}{{window="1h"}}', NOW), "revision")
        low = by(prometheus.query(f'{rules.PSI_LOW}{{window="1h"}}', NOW), "revision")
    for case, value in expected.items():
        assert found[case] == pytest.approx(value.psi, rel=1e-9, abs=1e-12)
        if math.isfinite(value.low):
            assert low[case] == pytest.approx(value.low, rel=1e-9, abs=1e-12)
        else:
            assert case not in low


def test_the_alert_is_about_the_feature_that_moved(recorded: PrometheusServer) -> None:
    """Not about the calm ones, nor about one that lies below its floor."""
    alert = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"][0]
    found = recorded.query(alert["expr"], NOW)
    assert [item["metric"]["feature"] for item in found] == ["temp"]


def test_the_chart_ships_them_where_asked() -> None:
    """By default nothing; a ConfigMap with both files; a PrometheusRule of the same groups; alerts can be left off."""
    assert HELM.path().exists()
    assert {body["kind"] for body in rendered()} & {"ConfigMap", "PrometheusRule"} == set()
    options = ["--set", "rules.configMap=true,rules.prometheusRule=true,rules.namespace=monitoring,rules.labels.role=x"]
    objects = {body["kind"]: body for body in rendered(*options)}
    config, rule = objects["ConfigMap"], objects["PrometheusRule"]
    assert config["metadata"]["namespace"] == rule["metadata"]["namespace"] == "monitoring"
    assert config["metadata"]["labels"]["role"] == "x"
    files = [yaml.safe_load(text) for text in config["data"].values()]
    shipped = [yaml.safe_load(file.read_text()) for file in (ALERTS, RECORDING)]
    assert sorted(map(str, files)) == sorted(map(str, shipped))
    assert [group["name"] for group in rule["spec"]["groups"]] == [
        *(group["name"] for group in shipped[1]["groups"]),
        "pintle-alerts",
    ]
    objects = {body["kind"]: body for body in rendered("--set", "rules.configMap=true,rules.alerts=false")}
    assert list(objects["ConfigMap"]["data"]) == ["pintle-recording.yaml"]
