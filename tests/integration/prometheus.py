"""A real Prometheus on the loopback interface: it scrapes what a test exports, or is given samples of any time.

    with PrometheusServer(targets={"pod-a": "127.0.0.1:31337"}, interval="500ms") as prometheus: ...
    with PrometheusServer() as prometheus:
        prometheus.write([Series({"__name__": "x_total"}, [(at, value), ...])])

It is the same binary that the cluster from source runs. Samples given by `write` must be in order of time, series by
series, and so must the calls.
"""

from __future__ import annotations

import shutil
import struct
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import yaml

from e2e.cluster import processes
from e2e.cluster.binaries import PROMETHEUS
from e2e.cluster.ports import free_ports
from e2e.cluster.processes import Daemon, reap, wait_for
from tests.integration.kube import eventually

STALE: float = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
"""The value by which a series ends."""
CHUNK = 2_000
"""Series of one write."""


@dataclass(frozen=True)
class Series:
    """Labels, the name among them as `__name__`, and samples of (unix seconds, value)."""

    labels: Mapping[str, str]
    samples: Sequence[tuple[float, float]]


class PrometheusServer:
    """Started and stopped with the `with` block. `targets`: pod -> address; `namespaces`: pod -> namespace."""

    def __init__(
        self,
        targets: Mapping[str, str] | None = None,
        *,
        namespaces: Mapping[str, str] | None = None,
        interval: str = "1s",
        rules: Path | None = None,
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="pintle-prometheus-"))
        self._targets = dict(targets or {})
        self._namespaces = dict(namespaces or {})
        self._interval = interval
        self._rules = rules
        self._daemon = Daemon("prometheus", self._folder)
        self.url = ""

    def __enter__(self) -> Self:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        config = self._folder / "prometheus.yml"
        config.write_text(yaml.safe_dump(self._config()))
        started = self._daemon.start(
            [
                PROMETHEUS.path(),
                f"--config.file={config}",
                f"--storage.tsdb.path={self._folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--web.enable-remote-write-receiver",
            ]
        )
        self._pid = started.pid
        wait_for("Prometheus", self._ready, 30.0, self._daemon)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._daemon.stop()
        # Its main thread is over before its others: until those are too it cannot be collected.
        eventually(lambda: reap() or self._pid not in processes._CHILDREN)
        shutil.rmtree(self._folder, ignore_errors=True)

    def query(self, query: str, at: float | None = None) -> list[dict[str, Any]]:
        """Result of an instant query: [{"metric": {...}, "value": [time, text]}]. Its errors are AssertionErrors."""
        form = {"query": query} | ({"time": f"{at:.3f}"} if at is not None else {})
        answer = httpx.post(f"{self.url}/api/v1/query", data=form, timeout=60, trust_env=False).json()
        assert answer["status"] == "success", answer
        return list(answer["data"]["result"])

    def value(self, query: str, at: float | None = None) -> float | None:
        """The one value of a query; None where it gives none."""
        found = self.query(query, at)
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else None

    def write(self, series: Iterable[Series]) -> None:
        """Give it samples (remote write)."""
        headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
        for chunk in _chunks(list(series), CHUNK):
            body = _snappy(b"".join(_field(1, _series(item)) for item in chunk))
            answer = httpx.post(f"{self.url}/api/v1/write", content=body, headers=headers, timeout=60, trust_env=False)
            assert answer.status_code in (200, 204), answer.text

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready", timeout=2, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def _config(self) -> dict[str, Any]:
        jobs = [
            {
                "targets": [address],
                "labels": {"namespace": self._namespaces.get(pod, "team"), "pod": pod, "container": "server"},
            }
            for pod, address in self._targets.items()
        ]
        config: dict[str, Any] = {
            "global": {
                "scrape_interval": self._interval,
                "scrape_timeout": self._interval,
                "evaluation_interval": self._interval,
            },
            "scrape_configs": [{"job_name": "pods", "static_configs": jobs}] if jobs else [],
            "storage": {"tsdb": {"out_of_order_time_window": "30d"}},
        }
        if self._rules is not None:
            config["rule_files"] = [str(self._rules)]
        return config


def _chunks(items: list[Series], size: int) -> Iterator[list[Series]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _series(series: Series) -> bytes:
    labels = b"".join(
        _field(1, _field(1, name.encode()) + _field(2, value.encode())) for name, value in sorted(series.labels.items())
    )
    samples = b"".join(
        _field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(round(at * 1000)))
        for at, value in series.samples
    )
    return labels + samples


def _field(number: int, data: bytes) -> bytes:
    """A length-delimited field of Protocol Buffers."""
    return bytes((number << 3 | 2,)) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*made, value))


def _snappy(data: bytes) -> bytes:
    """Snappy's block format without compression: literals only."""
    parts = [_varint(len(data))]
    for start in range(0, len(data), 65536):
        literal = data[start : start + 65536]
        parts += [bytes((61 << 2,)), struct.pack("<H", len(literal) - 1), literal]
    return b"".join(parts)
