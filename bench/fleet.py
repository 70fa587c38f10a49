"""Many ModelDeployments for benches of the operator: a real API server, Prometheus and operator; pods are counters.

A stand-in sets the statuses that the kubelet and the controllers would set. What serves is counted by the server's own
metrics, which Prometheus scrapes from one process here.

    with fleet(folder, space, deployments=100) as made: ...
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pintle.contract.names import ANNOTATION_ROLLOUT, API_VERSION, LABEL_REVISION
from pintle.core.rollout.record import Record

from tests.integration.kube import Space, eventually
from tests.integration.objects import model_deployment
from tests.integration.operator_fixture import OperatorProcess, StandIn
from tests.integration.scraped import Exporter, ScrapedPod, ScrapingPrometheus, traffic
from tests.integration.test_watching import EVEN, profile

FEATURES = 30
GATEWAY = "web"
ROUTE = ("gateway.networking.k8s.io/v1", "HTTPRoute")
STEPS = [{"weight": 20, "minSeconds": 0}, {"pause": True}]
PATIENCE = 300.0
STAND_IN_SECONDS = 3.0
"""Between two looks of the stand-in: it lists all that there is, which takes from the machine what is measured."""
MOMENT = 0.5
"""Seconds between two moments of traffic."""


class Fleet:
    """Deployments in one namespace; every revision has one pod, with some features of 12 bins."""

    def __init__(
        self,
        space: Space,
        exporter: Exporter,
        prometheus: ScrapingPrometheus,
        operator: OperatorProcess,
        rows: int,
        features: int,
    ) -> None:
        self._features = tuple(f"feature_{number:02d}" for number in range(features))
        self.space = space
        self.operator = operator
        self.prometheus = prometheus.url
        self.scrape = prometheus.interval
        self.names: list[str] = []
        self._exporter = exporter
        self._rows = rows
        self._pods: dict[tuple[str, str], ScrapedPod] = {}
        self._weights: dict[str, dict[str, int]] = {}
        self._random = np.random.default_rng(11)
        self.bins: dict[str, np.ndarray] = {}
        """Deployment -> shares of the bins of its first feature, where they are not those of the training data."""
        self.bad: dict[str, float] = {}
        """Deployment -> share of failed requests at its canary."""
        self.live: set[str] = set()
        """Deployments whose requests come from outside: nothing is made up for them."""
        self.on_pod: Callable[[str, str, ScrapedPod], None] = lambda service, name, pod: None
        """Called with Service, deployment and pod of every revision that is new."""
        self._records: dict[str, Record] = {}

    def begin(self, names: list[str], **spec: Any) -> None:
        """Deployments that serve version 1 of their models and have traffic. `spec` as in model_deployment()."""
        self.names += names
        for name in names:
            gateway = {"parentRefs": [{"name": GATEWAY}], "path": f"/{name}"}
            self.space.create(model_deployment(name, traffic={"gateway": gateway}, **spec))
        eventually(self._all_serve, PATIENCE, 1.0)
        self.look()

    def ask_for(self, version: int, names: list[str]) -> None:
        """Another version for some; returns when all of them have traffic on a canary."""
        for name in names:
            self.space.rest.merge(self.space.placed(model_deployment(name)), {"spec": {"version": version}})
        eventually(lambda: self._look_for_canaries(names), PATIENCE, 1.0)

    def status(self, name: str) -> dict[str, Any]:
        return (self.space.get(API_VERSION, "ModelDeployment", name) or {}).get("status") or {}

    def answer(self) -> None:
        """A moment of traffic: each revision's share of the rows, drawn from what it was trained on."""
        share = EVEN / EVEN.sum()
        for name, weights in list(self._weights.items()):
            if name in self.live:
                continue
            for revision, weight in weights.items():
                pod, rows = self._pods[name, revision], round(self._rows * weight / 100)
                failed = self.failed(name, revision, rows)
                pod.answer(ok=rows - failed, bad=failed)
                rows -= failed
                drawn = [self._random.multinomial(rows, self.bins.get(name, share))]
                drawn += [self._random.multinomial(rows, share) for _ in self._features]
                counts = np.concatenate(drawn)
                pod.metrics.bins[: len(counts)] += counts

    def failed(self, name: str, revision: str, rows: int) -> int:
        """How many of the rows that this revision answers now fail."""
        share = self.bad.get(name, 0.0)
        if not share or revision != self._records[name].canary:
            return 0
        return int(self._random.binomial(rows, share))

    def look(self) -> None:
        """Pods for Deployments that are new; weights as the routes say. To be called when something has changed."""
        for deployment in self.space.list("apps/v1", "Deployment"):
            revision = deployment["metadata"]["labels"][LABEL_REVISION]
            name = deployment["metadata"]["labels"]["pintle.dev/deployment"]
            if (name, revision) not in self._pods:
                made = self._pods[name, revision] = self._pod(deployment, name, revision)
                self.on_pod(deployment["metadata"]["name"], name, made)
        for route in self.space.list(*ROUTE):
            self._learn(route)

    def look_at(self, names: Iterable[str]) -> list[Record]:
        """What the routes of these say now, learnt. Of all of them it would take much from what is measured."""
        for name in names:
            self._learn(self.space.get(*ROUTE, name) or {"metadata": {"name": name}})
        return [self._records[name] for name in names]

    def _learn(self, route: Mapping[str, Any]) -> None:
        name = route["metadata"]["name"]
        record = Record.from_json((route["metadata"].get("annotations") or {}).get(ANNOTATION_ROLLOUT)) or Record()
        self._records[name] = record
        self._weights[name] = {one: weight for one, weight in record.weights.items() if (name, one) in self._pods}

    def _all_serve(self) -> bool:
        found = self.space.list(API_VERSION, "ModelDeployment")
        self.look()
        return sum("stable" in (item.get("status") or {}) for item in found) == len(self.names)

    def _look_for_canaries(self, names: list[str]) -> bool:
        self.look()
        return all(sum(weight > 0 for weight in self._weights[name].values()) == 2 for name in names)

    def _pod(self, deployment: dict[str, Any], name: str, revision: str) -> ScrapedPod:
        """A pod of the Deployment, as the kubelet would report it, and its counters."""
        made = self._exporter.pod(self.space.name, name, revision)
        known = profile(self._features)
        made.metrics.use_profile(known, known.features, known.outputs)
        template = deployment["spec"]["template"]
        metadata = {"name": made.name, "labels": template["metadata"]["labels"]}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        self.space.create(body)
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": now}
        status = {"phase": "Running", "conditions": [ready]}
        self.space.rest.merge(self.space.placed(body), {"status": status}, subresource="status")
        return made


@contextmanager
def fleet(
    folder: Path,
    space: Space,
    scrape: float,
    look: float,
    rows: int = 20,
    features: int = FEATURES,
    accepts: bool = True,
    stand_in_seconds: float = STAND_IN_SECONDS,
) -> Iterator[Fleet]:
    """An empty fleet; `rows` per moment and deployment, `features` of a model. `scrape` and `look` in seconds.

    `stand_in_seconds` lie between two looks of the stand-in. `accepts`: routes are said to be programmed, because no
    gateway does it.
    """
    with (
        Exporter() as exporter,
        ScrapingPrometheus(folder / "prometheus", exporter, scrape) as prometheus,
        StandIn(space.rest, space.name, routes=accepts).at_work(stand_in_seconds),
    ):
        env = {
            "PINTLE_DRAIN_SECONDS": "0.5",
            "PINTLE_PROMETHEUS_URL": prometheus.url,
            "PINTLE_SCRAPE_SECONDS": str(scrape),
            "PINTLE_LOOK_SECONDS": str(look),
        }
        config, name = space.server.kubeconfig, space.name
        with OperatorProcess(config, folder, namespaces=[name], lease_namespace=name, uid="pod", env=env) as operator:
            made = Fleet(space, exporter, prometheus, operator, rows, features)
            with traffic(made.answer, MOMENT):
                operator.wait_leading()
                yield made


def processor_seconds(pid: int) -> float:
    """What a process has used of the processors so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
