"""Servers for a real Prometheus to scrape, which come and go, and a Prometheus that can be stopped and started again.

The counters are the server's own, without models behind them; `prometheus.py` beside this is for samples of any time.

    with Exporter() as exporter, ScrapingPrometheus(folder, exporter) as prometheus:
        pod = exporter.pod("team", "web", "aaaaaaaa")
        pod.answer(ok=10, bad=1)
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import pytest
from pintle.contract import metrics as names
from pintle.serve.metrics import Metrics
from pintle.serve.settings import Identity

from e2e.cluster.binaries import PROMETHEUS
from e2e.cluster.errors import ClusterError
from e2e.cluster.ports import free_ports
from tests.integration.kube import eventually

SCRAPE_SECONDS = 0.5


class ScrapedPod:
    """One server: counts as the real one does."""

    def __init__(self, namespace: str, deployment: str, revision: str, name: str) -> None:
        self.namespace = namespace
        self.name = name
        self.revision = revision
        self.metrics = Metrics(Identity(deployment, revision, "delays", "1"))

    def answer(self, ok: int = 0, bad: int = 0, seconds: float = 0.002) -> None:
        """Requests of one row each."""
        for _ in range(ok):
            self.metrics.answered(1, seconds)
        for _ in range(bad):
            self.metrics.request("server_error", names.ROUTE_DEFAULT, seconds)


class Exporter:
    """Serves the metrics of all pods on one port, each on a path of its own."""

    def __init__(self) -> None:
        self._pods: dict[str, ScrapedPod] = {}
        self._port = 0
        self._changed: Callable[[], None] = lambda: None
        self.received: list[dict[str, Any]] = []
        """What was posted to it: it plays the receiver of notifications, too."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def pod(self, namespace: str, deployment: str, revision: str, name: str = "") -> ScrapedPod:
        """A new pod; Prometheus finds it within a second."""
        made = ScrapedPod(namespace, deployment, revision, name or f"{deployment}-{revision}-0")
        self._pods[f"{namespace}/{made.name}"] = made
        self._changed()
        return made

    def remove(self, pod: ScrapedPod) -> None:
        """It is gone."""
        del self._pods[f"{pod.namespace}/{pod.name}"]
        self._changed()

    def on_change(self, call: Callable[[], None]) -> None:
        """`call` now and whenever a pod comes or goes."""
        self._changed = call
        call()

    def targets(self) -> list[dict[str, Any]]:
        """As file_sd_configs wants them."""
        return [
            {
                "targets": [f"127.0.0.1:{self._port}"],
                "labels": {
                    "namespace": pod.namespace,
                    "pod": pod.name,
                    "instance": path,
                    "__metrics_path__": f"/{path}",
                },
            }
            for path, pod in self._pods.items()
        ]

    def __enter__(self) -> Exporter:
        pods, received = self._pods, self.received

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                pod = pods.get(self.path.strip("/"))
                body = pod.metrics.render() if pod else b""
                self.send_response(200 if pod else 404)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class ScrapingPrometheus:
    """Scrapes an exporter. Stopped and started again it has the same address, and what it had stored."""

    def __init__(self, folder: Path, exporter: Exporter, interval: float = SCRAPE_SECONDS) -> None:
        self.interval = interval
        try:
            self._binary = PROMETHEUS.path()
        except ClusterError as error:
            pytest.skip(f"no Prometheus can be had: {error}")
        self._folder = folder
        self._exporter = exporter
        self.url = f"http://127.0.0.1:{free_ports(1)[0]}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> ScrapingPrometheus:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._exporter.on_change(self._write_targets)
        found = {"files": [str(self._folder / "targets.json")], "refresh_interval": "1s"}
        interval = f"{round(self.interval * 1000)}ms"
        config = {
            "global": {"scrape_interval": interval, "scrape_timeout": interval},
            "scrape_configs": [{"job_name": "pods", "file_sd_configs": [found]}],
        }
        # JSON is YAML.
        (self._folder / "prometheus.yml").write_text(json.dumps(config))
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Returns when it answers queries."""
        command = [
            *("setpriv", "--pdeathsig", "KILL", str(self._binary)),
            f"--config.file={self._folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
            "--scrape.discovery-reload-interval=1s",
            "--log.level=warn",
        ]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=subprocess.STDOUT)
        eventually(self._ready, 30)

    def stop(self) -> None:
        """SIGTERM; what it has scraped is kept."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(20)

    def query(self, query: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each series now."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": query}, trust_env=False, timeout=10).json()
        assert answer["status"] == "success", answer
        return [(item["metric"], float(item["value"][1])) for item in answer["data"]["result"]]

    def parsed(self, query: str) -> dict[str, Any] | None:
        """The query as Prometheus's own parser understands it; None where it does not."""
        address = f"{self.url}/api/v1/parse_query"
        answer = httpx.post(address, data={"query": query}, trust_env=False, timeout=10).json()
        return dict(answer["data"]) if answer["status"] == "success" else None

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
        try:
            return httpx.get(f"{self.url}/-/ready", trust_env=False, timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def _write_targets(self) -> None:
        part = self._folder / "targets.part"
        part.write_text(json.dumps(self._exporter.targets()))
        part.replace(self._folder / "targets.json")


@contextmanager
def traffic(answer: Callable[[], None], interval: float = 0.05) -> Iterator[None]:
    """Calls `answer` all the time, in a thread of its own."""
    ended = threading.Event()

    def go() -> None:
        while not ended.wait(interval):
            answer()

    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(5)
