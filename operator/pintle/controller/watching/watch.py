"""What watching Prometheus has brought, as the looks at ModelDeployments need it. All of it is in memory only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pintle.core.judgement.findings import Findings
from pintle.core.judgement.verdict import Judgement
from pintle.core.plan import Key
from pintle.core.rollout.observed import DeploymentObserved

NOT_SET_UP = "no Prometheus is set up for the operator (chart value prometheus.url)"


@dataclass(frozen=True)
class Seen:
    """What is known of one ModelDeployment."""

    judgement: Judgement | None = None
    metrics_error: str | None = None
    findings: Findings | None = None


NOTHING = Seen()


class Trials(Protocol):
    """Judges rollouts and guards (`trials.TrialWatcher`)."""

    def judgement(self, key: Key) -> Judgement | None: ...

    def metrics_error(self, key: Key) -> str | None: ...

    def observe(self, key: Key, observed: DeploymentObserved, now: datetime) -> None:
        """A look is being made: this is what it sees."""
        ...

    def gone(self, key: Key) -> None: ...

    def judgements(self) -> Mapping[Key, Judgement]: ...


class Drifts(Protocol):
    """Finds drift (`drift.DriftWatcher`)."""

    def findings(self, key: Key) -> Findings | None: ...

    def all(self) -> Mapping[Key, Findings]: ...


class Watch:
    """Both watchers, or neither where no Prometheus is set up."""

    def __init__(self, trials: Trials | None = None, drifts: Drifts | None = None) -> None:
        self._trials = trials
        self._drifts = drifts

    def seen(self, key: Key) -> Seen:
        """What is known of a ModelDeployment now."""
        if self._trials is None:
            return Seen(metrics_error=NOT_SET_UP)
        findings = self._drifts.findings(key) if self._drifts else None
        return Seen(self._trials.judgement(key), self._trials.metrics_error(key), findings)

    def observe(self, key: Key, observed: DeploymentObserved, now: datetime) -> None:
        """A look is being made: whether this deployment is on trial follows from what it sees."""
        if self._trials is not None:
            self._trials.observe(key, observed, now)

    def gone(self, key: Key) -> None:
        """The deployment is no more."""
        if self._trials is not None:
            self._trials.gone(key)

    def judgements(self) -> Mapping[Key, Judgement]:
        """The newest of each trial."""
        return self._trials.judgements() if self._trials is not None else {}

    def findings(self) -> Mapping[Key, Findings]:
        """The newest of each deployment that is watched."""
        return self._drifts.all() if self._drifts is not None else {}
