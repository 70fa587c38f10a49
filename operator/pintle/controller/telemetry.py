"""What the operator says about itself: JSON lines on stdout, decisions among them, and its own Prometheus metrics."""

from __future__ import annotations

import hashlib
import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

from pintle.core.plan import Key

LOOK_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The operator's own metrics; names are documented in docs/operations.md."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.leader = Gauge("pintle_operator_leader", "1 while this replica acts.", registry=self.registry)
        self.looks = Counter(
            "pintle_operator_looks_total",
            "Looks at an object, by how they ended.",
            ["kind", "result"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "pintle_operator_look_seconds",
            "How long a look took, writes included.",
            ["kind"],
            buckets=LOOK_BUCKETS,
            registry=self.registry,
        )
        self.writes = Counter(
            "pintle_operator_writes_total",
            "Effects on the cluster that were carried out.",
            ["verb", "kind"],
            registry=self.registry,
        )
        self.depth = Gauge("pintle_operator_queue_depth", "Objects that wait for a look.", registry=self.registry)
        self.running = Gauge(
            "pintle_operator_look_oldest_seconds", "Age of the longest look that is going on.", registry=self.registry
        )
        self.objects = Gauge("pintle_operator_objects", "Objects in the store.", ["kind"], registry=self.registry)
        self.pruned = Counter(
            "pintle_operator_pruned_total", "Objects whose deletion no watch had told.", registry=self.registry
        )
        self.lease_errors = Counter(
            "pintle_operator_lease_errors_total", "Failed calls for the Lease.", registry=self.registry
        )


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, message, and whatever was given as extra={"fields": {...}}."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def configure_logging(level: str = "INFO", stream: TextIO = sys.stdout) -> None:
    """All loggers write JSON lines; kopf, which logs every event of every object, only what is wrong."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("kopf").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


class Decisions:
    """The record of decisions: one JSON line each, chained by hash so that a line that is missing shows."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._previous = ""

    def record(self, key: Key, time: datetime, fields: dict[str, Any]) -> None:
        """Write a decision: its object, its moment, and what was decided from which facts."""
        line = {
            "time": time.isoformat(timespec="milliseconds"),
            "level": "info",
            "logger": "pintle.decision",
            "kind": key.kind,
            "namespace": key.namespace,
            "name": key.name,
            **fields,
            "previous": self._previous,
        }
        text = orjson.dumps(line, default=str)
        self._previous = hashlib.sha256(text).hexdigest()
        self._stream.write(text.decode() + "\n")
        self._stream.flush()
