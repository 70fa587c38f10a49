"""A whole rollout: the real operator, a real API server, and a real Prometheus that scrapes what the servers count.

A stand-in plays the kubelet; requests are counted as the route's weights say.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pintle.contract.names import API_VERSION, LABEL_REVISION

from tests.builders import digest
from tests.integration.kube import Space, eventually
from tests.integration.objects import model_deployment, model_version
from tests.integration.operator_fixture import OperatorProcess, StandIn
from tests.integration.scraped import SCRAPE_SECONDS, Exporter, ScrapedPod, ScrapingPrometheus, traffic

GATEWAY = {"gateway": {"parentRefs": [{"name": "web"}]}}
STEPS = [{"weight": 20, "minSeconds": 1}, {"weight": 50, "minSeconds": 1}]
# Proof that pods do not restart takes minutes of pods: it is shown here, and not waited for.
ROLLOUT = {"sensitivity": "Fast", "steps": STEPS, "metrics": [{"name": "restarts", "dryRun": True}]}
ROUTE = ("gateway.networking.k8s.io/v1", "HTTPRoute", "delays")
PATIENCE = 60.0


class World:
    """Clients and servers of one deployment: every revision has a pod as soon as it has a Deployment."""

    def __init__(
        self, space: Space, exporter: Exporter, prometheus: ScrapingPrometheus, operator: OperatorProcess
    ) -> None:
        self.space = space
        self.exporter = exporter
        self.prometheus = prometheus
        self.operator = operator
        self.pods: dict[str, ScrapedPod] = {}
        self.bad: dict[str, float] = {}
        """Share of the requests that a revision gets wrong."""
        self._random = random.Random(7)
        self._moments = 0
        self._weights: dict[str, int] = {}

    def answer(self) -> None:
        """Forty requests, by the weights."""
        if self._moments % 4 == 0:
            self._look()
        self._moments += 1
        for revision, weight in self._weights.items():
            for _ in range(round(40 * weight / 100)):
                bad = self._random.random() < self.bad.get(revision, 0.0)
                self.pods[revision].answer(ok=not bad, bad=bad)

    def _look(self) -> None:
        for deployment in self.space.list("apps/v1", "Deployment"):
            revision = deployment["metadata"]["labels"][LABEL_REVISION]
            if revision not in self.pods:
                self.pods[revision] = self.exporter.pod(self.space.name, "delays", revision)
                self._make_ready(deployment, self.pods[revision].name)
        self._weights = {name: weight for name, weight in self.weights().items() if name in self.pods}

    def _make_ready(self, deployment: dict[str, Any], name: str) -> None:
        """A pod of the Deployment, as the kubelet would report it."""
        template = deployment["spec"]["template"]
        metadata = {"name": name, "labels": template["metadata"]["labels"]}
        self.space.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": now}
        body = self.space.placed({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})
        self.space.rest.merge(body, {"status": {"phase": "Running", "conditions": [ready]}}, subresource="status")

    def weights(self) -> dict[str, int]:
        route = self.space.get(*ROUTE)
        text = ((route or {}).get("metadata", {}).get("annotations") or {}).get("pintle.dev/rollout", "{}")
        return dict(json.loads(text).get("weights", {}))

    def status(self) -> dict[str, Any]:
        return (self.space.get(API_VERSION, "ModelDeployment", "delays") or {}).get("status") or {}

    def ready(self) -> str:
        found = {c["type"]: c for c in self.status().get("conditions") or ()}
        return f"{found['Ready']['status']}/{found['Ready']['reason']}" if "Ready" in found else ""

    def serves(self, version: int) -> bool:
        return (self.status().get("stable") or {}).get("version") == version

    def canary(self) -> str:
        return str((self.status().get("canary") or {}).get("revision", ""))

    def on_trial(self) -> bool:
        """The canary has traffic."""
        return self.weights().get(self.canary(), 0) > 0

    def ask_for(self, version: int) -> None:
        self.space.rest.merge(self.space.placed(model_deployment()), {"spec": {"version": version}})


@pytest.fixture
def world(space: Space, tmp_path: Path) -> Iterator[World]:
    """Version 1 serves, version 2 is registered; there is traffic."""
    with (
        Exporter() as exporter,
        ScrapingPrometheus(tmp_path / "prometheus", exporter) as prometheus,
        StandIn(space.rest, space.name).at_work(),
    ):
        env = {
            "PINTLE_DRAIN_SECONDS": "0.5",
            "PINTLE_PROMETHEUS_URL": prometheus.url,
            "PINTLE_SCRAPE_SECONDS": str(SCRAPE_SECONDS),
            "PINTLE_LOOK_SECONDS": "0.25",
            "PINTLE_RECEIVERS_FOLDER": str(tmp_path / "receivers"),
        }
        operator = OperatorProcess(
            space.server.kubeconfig, tmp_path, namespaces=[space.name], lease_namespace=space.name, uid="pod", env=env
        )
        for version in (1, 2):
            space.create(model_version(version=version, digest=digest(str(version))))
        told = {"notifications": [{"receiver": "ops"}], "owner": {"team": "flights"}}
        space.create(model_deployment(traffic=GATEWAY, rollout=ROLLOUT, guard={"seconds": 4}, **told))
        world = World(space, exporter, prometheus, operator)
        (tmp_path / "receivers").mkdir()
        (tmp_path / "receivers" / "ops").write_text(json.dumps({"url": f"{exporter.url}/hook"}))
        with operator, traffic(world.answer):
            operator.wait_leading()
            eventually(lambda: world.serves(1), PATIENCE)
            yield world


def test_a_bad_canary_is_rolled_back(world: World) -> None:
    """A third of its requests fail: all traffic is on the stable within seconds, and the trail says why."""
    world.ask_for(2)
    eventually(lambda: world.on_trial(), PATIENCE)
    canary = world.canary()
    world.bad[canary] = 0.33
    began = time.monotonic()
    eventually(lambda: world.weights().get(canary, 0) == 0, PATIENCE)
    seconds = time.monotonic() - began
    eventually(lambda: world.ready() == "False/RolledBack", PATIENCE)
    assert world.serves(1)
    eventually(lambda: [line for line in world.operator.decisions() if line.get("action") == "Rollback"], PATIENCE)
    (line,) = [line for line in world.operator.decisions() if line.get("action") == "Rollback"]
    assert (line["subject"], line["rule"]) == (canary, "errors")
    assert line["evidence"] >= line["threshold"]
    assert line["value"] > line["stableValue"]
    assert world.operator.metric("pintle_actions_total") >= 2
    eventually(lambda: world.exporter.received, PATIENCE)
    (notice,) = world.exporter.received
    assert (notice["reason"], notice["namespace"], notice["owner"]) == (
        "RolledBack",
        world.space.name,
        {"team": "flights"},
    )
    assert f"Rollback version 2 ({canary})" in notice["message"]
    print(f"\n{SCRAPE_SECONDS} s scrapes: back {seconds:.1f} s after the first bad answer")


def test_a_good_canary_is_promoted_and_accepted(world: World) -> None:
    """Through its steps and the guard; a trial that is over leaves nothing in the operator's metrics."""
    world.ask_for(2)
    eventually(lambda: world.operator.metric("pintle_operator_trials") == 1, PATIENCE)
    eventually(lambda: world.serves(2) and world.ready() == "True/Ready", 2 * PATIENCE)
    actions = [line["action"] for line in world.operator.decisions() if "action" in line]
    assert actions == ["Serve", "Step", "Step", "Promote", "Accept"], actions
    eventually(lambda: world.operator.metric("pintle_operator_trials") == 0, PATIENCE)
    assert world.operator.metric("pintle_canary_evidence_nats") == 0
    assert world.operator.metric("pintle_traffic_weight_ratio") == 1


def test_prometheus_down_holds_a_canary_and_then_it_goes_on(world: World) -> None:
    """No step and no rollback without it; when it is back the rollout comes to its end."""
    world.ask_for(2)
    eventually(lambda: world.on_trial(), PATIENCE)
    world.prometheus.stop()
    held = world.weights()
    eventually(lambda: "MetricsUnavailable" in json.dumps(world.status()), PATIENCE)
    assert sorted(world.weights()) == sorted(held)
    assert world.on_trial()
    world.prometheus.start()
    eventually(lambda: world.serves(2) and world.ready() == "True/Ready", 2 * PATIENCE)


def test_an_operator_that_is_killed_knows_the_verdict_again(world: World) -> None:
    """It is killed while a canary fails: the next process, which knows nothing, rolls it back."""
    world.ask_for(2)
    eventually(lambda: world.on_trial(), PATIENCE)
    canary = world.canary()
    world.operator.kill()
    world.bad[canary] = 0.33
    time.sleep(3)
    assert world.weights()[canary] > 0
    began = time.monotonic()
    world.operator.start()
    eventually(lambda: world.weights().get(canary, 0) == 0, PATIENCE)
    print(f"\nback {time.monotonic() - began:.1f} s after the start of the next process")
    eventually(lambda: world.ready() == "False/RolledBack", PATIENCE)
