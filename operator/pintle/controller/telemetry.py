"""What the operator says about itself: JSON lines on stdout, decisions among them, and its own Prometheus metrics."""

from __future__ import annotations

import hashlib
import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

from pintle.core.plan import Decision, Key
from pintle.ports.kinds import MODEL_DEPLOYMENT, TRAINING_JOB

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
        self.notifications = Counter(
            "pintle_operator_notifications_total",
            "Notices, by what became of them.",
            ["receiver", "result"],
            registry=self.registry,
        )
        self.queries = Counter(
            "pintle_operator_prometheus_queries_total",
            "Queries to Prometheus, by what for and how they ended.",
            ["purpose", "result"],
            registry=self.registry,
        )
        self.query_bytes = Counter(
            "pintle_operator_prometheus_bytes_total", "Bytes of Prometheus's answers.", registry=self.registry
        )
        self.watch_seconds = Histogram(
            "pintle_operator_watch_seconds",
            "How long a look at Prometheus took, judging included.",
            ["loop"],
            buckets=LOOK_BUCKETS,
            registry=self.registry,
        )
        self.trials = Gauge("pintle_operator_trials", "Rollouts and guards that are judged.", registry=self.registry)
        self.actions = Counter(
            "pintle_actions_total",
            "What was decided about traffic and training, by the rule that decided.",
            ["namespace", "deployment", "training_job", "action", "reason"],
            registry=self.registry,
        )

    def acted(self, key: Key, decision: Decision) -> None:
        """Count something that was decided."""
        deployment = key.name if key.kind == MODEL_DEPLOYMENT.name else ""
        job = key.name if key.kind == TRAINING_JOB.name else ""
        self.actions.labels(key.namespace, deployment, job, decision.action, decision.rule).inc()


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
    """The record of decisions: JSON lines, each with the hash of the line before, so that one that is missing shows.

    A process is a chain of its own: its first line, number 0, names it. `chain` stands in every line, so that a file
    with the lines of several processes, in whatever order, can be verified chain by chain.
    """

    def __init__(self, stream: TextIO = sys.stdout, *, process: str = "", pod: str = "") -> None:
        self._stream = stream
        self._process = process
        self._pod = pod
        self._chain = ""
        self._sequence = 0
        self._previous = ""

    def record(self, key: Key, time: datetime, fields: dict[str, Any]) -> None:
        """Write what happened to an object at a moment: what a look did, or what was decided and from which facts."""
        if not self._chain:
            self._begin(time)
        self._write(time, {"kind": key.kind, "namespace": key.namespace, "name": key.name, **fields})

    def _begin(self, time: datetime) -> None:
        began = time.isoformat(timespec="milliseconds")
        self._chain = f"{self._process}@{began}"
        self._write(time, {"message": "chain begins", "process": self._process, "pod": self._pod})

    def _write(self, time: datetime, fields: dict[str, Any]) -> None:
        line = {
            "time": time.isoformat(timespec="milliseconds"),
            "level": "info",
            "logger": "pintle.decision",
            **fields,
            "chain": self._chain,
            "seq": self._sequence,
            "previous": self._previous,
        }
        text = orjson.dumps(line, default=str)
        self._previous = hashlib.sha256(text).hexdigest()
        self._sequence += 1
        self._stream.write(text.decode() + "\n")
        self._stream.flush()


def decision_fields(decision: Decision) -> dict[str, Any]:
    """A decision as it stands in its line; what is not known is left out. By `action` it is told from a look's line."""
    named = {
        "action": decision.action,
        "subject": decision.subject,
        "rule": decision.rule,
        "query": decision.query,
        "value": decision.value,
        "stableValue": decision.stable_value,
        "rows": decision.rows,
        "stableRows": decision.stable_rows,
        "evidence": decision.evidence,
        "threshold": decision.threshold,
        "by": decision.by,
        "why": decision.why,
    }
    return {name: value for name, value in named.items() if value not in (None, "")}
