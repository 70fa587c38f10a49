"""Drift from a server's counters to the status: the real operator, a real API server, a real Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pintle.contract.names import API_VERSION

from tests.integration.kube import Space, eventually
from tests.integration.objects import model_deployment, model_version
from tests.integration.operator_fixture import OperatorProcess, StandIn
from tests.integration.scraped import SCRAPE_SECONDS, Exporter, ScrapedPod, ScrapingPrometheus, traffic
from tests.integration.test_watching import EVEN, FEATURES, SHIFTED, profile

WINDOW = 5
DRIFT = {"windows": [{"seconds": WINDOW, "floor": "1h"}], "periodSeconds": 1, "forPeriods": 3}
MONITORING = {"drift": DRIFT, "maxDataAgeSeconds": 60}
RETRAIN = {"trainingJobRef": {"name": "delays"}, "causes": ["FeatureDrift"]}
DATASET = {
    "name": "train",
    "role": "Train",
    "storageUri": "s3://data/flights",
    "digest": "sha256:" + "1" * 64,
    "through": "2013-03",
}


class World:
    """One deployment under traffic; `shifted`: one of its features lies otherwise than in training."""

    def __init__(self, space: Space, exporter: Exporter, operator: OperatorProcess) -> None:
        self.space = space
        self.operator = operator
        self.shifted = False
        self._exporter = exporter
        self._pod: ScrapedPod | None = None
        self._random = np.random.default_rng(3)

    def begin(self) -> None:
        """The pod of the revision that serves is there, and is scraped."""
        revision = self.status()["stable"]["revision"]
        pod = self._exporter.pod(self.space.name, "delays", revision)
        made = profile()
        pod.metrics.use_profile(made, made.features, made.outputs)
        self._pod = pod

    def answer(self) -> None:
        """Fifty rows, drawn from the reference or from what it has become."""
        if self._pod is None:
            return
        metrics = self._pod.metrics
        rows = []
        for name in (*FEATURES, "score"):
            share = SHIFTED if self.shifted and name == "temp" else EVEN
            rows.append(self._random.multinomial(50, share / share.sum()))
        counts = np.concatenate(rows)
        metrics.bins[: len(counts)] += counts
        self._pod.answer(ok=50)

    def status(self) -> dict[str, Any]:
        return (self.space.get(API_VERSION, "ModelDeployment", "delays") or {}).get("status") or {}

    def condition(self, type_: str) -> dict[str, Any]:
        return next((item for item in self.status().get("conditions") or () if item["type"] == type_), {})

    def state(self, type_: str) -> str:
        found = self.condition(type_)
        return f"{found['status']}/{found['reason']}" if found else ""

    def causes(self) -> list[tuple[str, str]]:
        return [(cause["cause"], cause["id"]) for cause in self.status().get("causes") or ()]


@pytest.fixture
def world(space: Space, tmp_path: Path) -> Iterator[World]:
    """Version 1 serves and is watched."""
    with (
        Exporter() as exporter,
        ScrapingPrometheus(tmp_path / "prometheus", exporter) as prometheus,
        StandIn(space.rest, space.name).at_work(),
    ):
        env = {"PINTLE_PROMETHEUS_URL": prometheus.url, "PINTLE_SCRAPE_SECONDS": str(SCRAPE_SECONDS)}
        operator = OperatorProcess(
            space.server.kubeconfig, tmp_path, namespaces=[space.name], lease_namespace=space.name, uid="pod", env=env
        )
        space.create(model_version(datasets=[DATASET]))
        space.create(model_deployment(monitoring=MONITORING, retrain=RETRAIN))
        world = World(space, exporter, operator)
        with operator, traffic(world.answer, interval=0.1):
            operator.wait_leading()
            eventually(lambda: world.status().get("stable"), 60)
            world.begin()
            yield world


def test_drift_is_found_told_once_and_over_when_it_is_over(world: World) -> None:
    """Quiet at first; then a condition, figures, one cause, a line of the trail and a gauge; quiet again in the end.

    An operator that is killed in between knows it again, and the cause keeps its id.
    """
    eventually(lambda: world.state("FeatureDrift") == "False/Quiet", 60)
    assert world.state("PredictionDrift") == "False/Quiet"
    assert world.state("DataStale") == "True/DataStale"
    assert world.causes() == []

    world.shifted = True
    eventually(lambda: world.state("FeatureDrift") == "True/FeatureDrift", 60)
    assert world.condition("FeatureDrift")["message"].startswith("temp: PSI ")
    (cause,) = world.causes()
    strongest = world.status()["monitoring"]["drift"][0]
    assert (strongest["feature"], strongest["verdict"]) == ("temp", "Fail")
    eventually(lambda: asked(world), 10)
    assert world.operator.metric("pintle_drift_psi_low") > 0.1

    world.operator.kill()
    world.operator.start()
    world.operator.wait_leading()
    eventually(lambda: world.operator.metric("pintle_drift_psi_low") > 0.1, 60)
    assert world.causes() == [cause]
    assert len(asked(world)) == 1

    world.shifted = False
    eventually(lambda: world.state("FeatureDrift") == "False/Quiet", 60)
    assert world.causes() == []


def asked(world: World) -> list[dict[str, Any]]:
    """Lines of the trail in which a new version was asked for."""
    return [line for line in world.operator.decisions() if line.get("action") == "AskRetrain"]
