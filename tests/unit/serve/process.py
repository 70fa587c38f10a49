"""A real server process on loopback, on ports of its own, with its log."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx

IDENTITY = {
    "PINTLE_DEPLOYMENT": "late",
    "PINTLE_REVISION": "0a1b2c3d",
    "PINTLE_MODEL": "delays",
    "PINTLE_VERSION": "3",
}


class ServerProcess:
    """Context manager; `url` and `metrics_url` are known as soon as it listens. Kills what is left at the end."""

    def __init__(self, folder: Path, **environment: str) -> None:
        settings = {"PINTLE_HOST": "127.0.0.1", "PINTLE_HTTP_PORT": "0", "PINTLE_METRICS_PORT": "0"}
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PINTLE_")},
            **settings,
            **IDENTITY,
            "PINTLE_MODEL_DIR": str(folder),
            "PINTLE_DRAIN_SECONDS": "0",
            "PINTLE_TERMINATION_LOG": os.devnull,  # where tests run in a pod, its own message is none of their business
            **environment,
        }
        self.log: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._ended = False

    def __enter__(self) -> ServerProcess:
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pintle.serve"], env=self._environment, stdout=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(timeout=10)
        self._reader.join(timeout=10)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.log.append(json.loads(line))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_for(self, event: str, seconds: float = 30) -> dict[str, Any]:
        """The first log line with that event."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._find(event) is not None, timeout=seconds)
            found = self._find(event)
        assert found is not None, f"no {event!r} in the log: {self.log}"
        return found

    def _find(self, event: str) -> dict[str, Any] | None:
        return next((line for line in self.log if line["event"] == event), None)

    def ready(self) -> ServerProcess:
        """Wait until the model is in service."""
        self.wait_for("ready")
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.wait_for('listening')['http']}"

    @property
    def metrics_url(self) -> str:
        return f"http://127.0.0.1:{self.wait_for('listening')['metrics']}/metrics"

    def terminate(self) -> None:
        """SIGTERM, without waiting."""
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self, seconds: float = 30) -> int:
        return self.process.wait(timeout=seconds)

    def metrics(self) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
        """All samples by name and by the labels that are not the server's identity."""
        return samples(httpx.get(self.metrics_url).text)


def samples(text: str) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
    """Samples of an exposition, parsed by Prometheus' own client."""
    from prometheus_client.parser import text_string_to_metric_families

    found: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = dict(sample.labels)
            identity = [labels.pop(key, None) for key in ("deployment", "revision", "model", "version")]
            assert identity == list(IDENTITY.values()), f"{sample.name} has the identity {identity}"
            key = frozenset(labels.items())
            assert key not in found.setdefault(sample.name, {}), f"{sample.name}{labels} is there twice"
            found[sample.name][key] = sample.value
    return found


def value(found: dict[str, dict[frozenset[tuple[str, str]], float]], name: str, **labels: str) -> float:
    """One sample's value; KeyError where the series does not exist."""
    return found[name][frozenset(labels.items())]


def labelled(text: str, name: str) -> list[tuple[dict[str, str], float]]:
    """All samples of that name with all of their labels, the identity too."""
    from prometheus_client.parser import text_string_to_metric_families

    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return [(dict(sample.labels), sample.value) for sample in samples if sample.name == name]
