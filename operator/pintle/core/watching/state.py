"""What is needed to say what watching has found, and what is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pintle.api import reasons
from pintle.api.modeldeployment import ModelDeploymentSpec
from pintle.core.conditions import Condition, conditions_of
from pintle.core.judgement.findings import Findings
from pintle.core.plan import Decision, Notice, Obj
from pintle.core.watching import causes as names

TYPE_OF: Mapping[str, str] = {
    names.FEATURE_DRIFT: reasons.FEATURE_DRIFT,
    names.PREDICTION_DRIFT: reasons.PREDICTION_DRIFT,
    names.SKEW: reasons.TRAINING_SERVING_SKEW,
    names.LABELLED_METRIC: reasons.DEGRADED,
    names.ESTIMATED_METRIC: reasons.ESTIMATED_DEGRADED,
}
"""Condition by cause, in the order of printing."""


@dataclass(frozen=True)
class Lost:
    """A revision that was rolled back, or gone back from in the guard."""

    revision: str
    version: int
    why: str
    time: str
    """RFC 3339."""


@dataclass(frozen=True)
class Watching:
    """What is needed to say it. `revision` is the stable one, "" before anything serves."""

    parent: Obj
    spec: ModelDeploymentSpec
    revision: str
    version: Obj | None
    """The ModelVersion that it serves."""
    findings: Findings | None
    now: datetime
    metrics_error: str | None = None
    lost: Lost | None = None
    """The last revision that did worse than the one before it, while it is still refused."""

    @property
    def status(self) -> Mapping[str, Any]:
        return self.parent.get("status") or {}

    @property
    def before(self) -> Mapping[str, Mapping[str, Any]]:
        """Conditions that were said of this very revision; another one begins anew."""
        said_of = (self.status.get("stable") or {}).get("revision")
        return conditions_of(self.parent) if said_of == self.revision else {}

    @property
    def monitoring(self) -> Mapping[str, Any]:
        said_of = (self.status.get("stable") or {}).get("revision")
        return (self.status.get("monitoring") or {}) if said_of == self.revision else {}

    def asks_for(self, cause: str) -> bool:
        """The spec wants a new version for it."""
        return self.spec.retrain is not None and cause in self.spec.retrain.causes


@dataclass(frozen=True)
class Watched:
    """What to say. `monitoring` and `causes` are parts of the status."""

    conditions: tuple[Condition, ...] = ()
    monitoring: dict[str, Any] | None = None
    causes: tuple[dict[str, Any], ...] = ()
    decisions: tuple[Decision, ...] = ()
    notices: tuple[Notice, ...] = ()
    wake: timedelta | None = None
    """Look again after this long: then the data will be too old."""
