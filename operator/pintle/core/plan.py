"""What a decision consists of. `plan(observed, now, policy) -> Plan` has no clock, no randomness and no I/O.

The controller executes a plan in one order, so that being killed between any two effects leaves a state from which the
next look goes on: additive writes (create, apply), the one guarded traffic write, status, then what destroys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

Obj = Mapping[str, Any]
"""A Kubernetes object as a dict, as the API server takes it."""
ANOTHER_OWNER = "belongs to another owner"
"""Part of a `write_error` by which a plan sees that the name is taken: the executor met an object that is not ours."""


@dataclass(frozen=True)
class Key:
    """Address of a parent: kind TrainingJob, ModelVersion or ModelDeployment."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True)
class Delete:
    """Delete this very object: `uid` is a precondition, so that a namesake survives."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True)
class Event:
    """A Kubernetes Event on the parent. The same (type, reason, message) is counted, not repeated."""

    type: str
    """Normal or Warning."""
    reason: str
    message: str


@dataclass(frozen=True)
class Decision:
    """Something that was decided about traffic or training, and from what: one line of the audit trail."""

    action: str
    """Serve, Step, Promote, Rollback, GoBack, Pause, Resume, Refuse, Train, Defer ..."""
    subject: str
    """Revision, run or version that it is about."""
    why: str
    rule: str = ""
    """Test or brake that decided."""
    query: str = ""
    value: float | None = None
    stable_value: float | None = None
    rows: float | None = None
    stable_rows: float | None = None
    evidence: float | None = None
    """In nats."""
    threshold: float | None = None
    by: str = ""
    """Who asked for it, as claimed."""


@dataclass(frozen=True)
class Notice:
    """Something that people want to be told. `id` is the same for the same finding: it is told once."""

    id: str
    reason: str
    message: str
    receivers: tuple[str, ...] = ()
    owner: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """Everything one look decides. Empty fields mean: leave as it is."""

    create: tuple[Obj, ...] = ()
    """Create-only objects; AlreadyExists is an answer, not an error."""
    apply: tuple[Obj, ...] = ()
    """Server-side applied, only those that differ from what was observed."""
    traffic: Obj | None = None
    """The one write that moves traffic; carries metadata.resourceVersion where the object exists."""
    status: Mapping[str, Any] | None = None
    """The whole status of the parent, or None when it is as it should be."""
    delete: tuple[Delete, ...] = ()
    events: tuple[Event, ...] = ()
    requeue_after: timedelta | None = None
    """Look again after this long even when nothing happens."""
    why: tuple[str, ...] = ()
    """What was decided and from which facts, for the log."""
    decisions: tuple[Decision, ...] = ()
    """What was decided about traffic or training; written once the effects are carried out."""
    notify: tuple[Notice, ...] = ()

    @property
    def changes_nothing(self) -> bool:
        """True when executing the plan would write nothing."""
        return not (self.create or self.apply or self.traffic or self.status is not None or self.delete)


@dataclass(frozen=True)
class Policy:
    """What the person who runs the operator decides; from the chart's values."""

    server_image: str
    runner_image: str
    image_pull_policy: str = "IfNotPresent"
    start_deadline: timedelta = field(default=timedelta(minutes=5))
    """A run or check whose image cannot be pulled or whose container cannot be configured ends after this long."""
    drain: timedelta = field(default=timedelta(seconds=10))
    """How long a revision without traffic stays before its Deployment is deleted."""
    check_attempts: int = 6
    trusted_types: tuple[str, ...] = ()
    has_metrics: bool = False
    """The operator was given a Prometheus; without one nothing can be judged."""
    scrape: timedelta = field(default=timedelta(seconds=15))
    """The scrape interval of the servers: the grid on which canary and stable are compared."""
