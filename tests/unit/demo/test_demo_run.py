"""The demo from beginning to end, with a stand-in for the cluster, its gateway and its Prometheus."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from e2e.demo import loading, run
from e2e.demo.flights import features
from e2e.kubectl import Kubectl

pytestmark = pytest.mark.slow

EVERY = 400


class Cluster(Kubectl):
    """Accepts what is applied; every object has come to its good end."""

    applied: list[dict[str, Any]]

    def __init__(self, kubeconfig: str, namespace: str = "default") -> None:
        super().__init__(kubeconfig, namespace)
        object.__setattr__(self, "applied", [])

    def run(self, *words: str, stdin: str | None = None, timeout: float = 120) -> str:
        return ""

    def apply(self, *objects: Any, manager: str = "kubectl") -> str:
        self.applied.extend(objects)
        return ""

    def list(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        return []

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        held = [
            {"type": item, "status": "True", "reason": item, "observedGeneration": 1}
            for item in ("Succeeded", "Ready", "Available")
        ]
        status = {"conditions": held, "latestVersion": 4, "stable": {"revision": "0a1b2c3d", "version": 4}}
        spec = {"digest": "sha256:" + "0" * 64, "storageUri": "pvc://models/x"}
        return {"metadata": {"name": name, "generation": 1}, "spec": spec, "status": status}


@contextmanager
def doors(lose: int = 0) -> Iterator[tuple[run.Doors, list[Any]]]:
    """One server as gateway and as Prometheus, which starts at 1,000 rows and forgets `lose` of those that come."""
    rows: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            if address.path == "/delays/v2/health/ready":
                self.reply({"ready": True})
                return
            query = parse_qs(address.query)["query"][0]
            assert 'namespace="pintle-demo",deployment="delays"' in query
            count = 0 if 'result!="ok"' in query else 1000 + max(0, len(rows) - lose)
            self.reply({"data": {"result": [{"value": [0, str(count)]}] if count else []}})

        def do_POST(self) -> None:
            assert self.path == "/delays/predict"
            rows.extend(json.loads(self.rfile.read(int(self.headers["content-length"])))["rows"])
            chance = 0.1 + rows[-1]["departure_minute"] / 2000
            self.reply({"version": "4", "predictions": [{"probabilities": {"0": 1 - chance, "1": chance}}]})

        def reply(self, body: Any) -> None:
            data = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listening.server_address[1]}"
        try:
            yield run.Doors("/tmp/kubeconfig", url, url, "runner:1"), rows
        finally:
            listening.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "Kubectl", Cluster)
    monkeypatch.setattr(run, "PARTITIONS", (1, 2, 3, 4, 5))
    monkeypatch.setattr(loading, "load", lambda kube, image, files, note: len(files))
    monkeypatch.setattr("e2e.demo.prometheus.WAIT_SECONDS", 0.2)


def test_the_demo_says_each_step_and_ends_with_its_page(capsys: pytest.CaptureFixture[str]) -> None:
    """Six numbered steps, a page with live figures, and no problem where every row was counted."""
    with doors() as (found, rows):
        outcome = run.run(found, EVERY)
    said = capsys.readouterr().out
    assert [f"{number}/6" in said for number in range(1, 7)] == [True] * 6
    assert outcome.problems == []
    assert len(rows) == outcome.comparison.sent > 60
    assert set(rows[0]) == set(features.FEATURES)
    assert "delays-v4" in str(outcome.page)
    assert 0.5 < outcome.comparison.auc.value < 0.9


def test_a_row_that_prometheus_did_not_count_is_a_problem() -> None:
    """One lost row is named, with both figures."""
    with doors(lose=1) as (found, rows):
        outcome = run.run(found, EVERY)
    assert f"Prometheus: predictions grew by {len(rows) - 1}, not {len(rows)}" in outcome.problems
