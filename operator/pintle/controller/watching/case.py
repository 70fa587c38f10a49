"""One trial as the watcher keeps it: what it is about, how far it is, and what was last said of it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from pintle.core.judgement.settings import Settings
from pintle.core.judgement.verdict import Judgement
from pintle.core.own_metrics import OwnMetric
from pintle.core.plan import Key
from pintle.core.rollout.trial import TrialSpec
from pintle.core.trials.ledger import Ledger
from pintle.core.trials.pair import Pair

Said = tuple[Any, ...]


@dataclass
class Case:
    """`pair` is None until the past has been read. Everything is lost with the process, and read again by the next."""

    key: Key
    spec: TrialSpec
    settings: Settings
    ledger: Ledger
    own: tuple[OwnMetric, ...] = ()
    pair: Pair | None = None
    error: str = ""
    """Why it cannot be judged, where the others can."""
    judgement: Judgement | None = None
    said: Said | None = None
    """What matters of the judgement by which the deployment was last looked at."""
    said_at: float = float("-inf")
    """When that was (monotonic)."""
    loaded_at: float = 0.0
    reference_at: float = float("-inf")
    """When the gauges that hardly change were last asked for (monotonic)."""
    pods_seen: bool = False
    """Whether its pods were looked at since it was last judged."""
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def control(self) -> str:
        """The revision to compare with; empty where it has no traffic."""
        return self.spec.control if self.spec.concurrent else ""

    @property
    def revisions(self) -> tuple[str, ...]:
        return (self.spec.tested, self.control) if self.control else (self.spec.tested,)

    @property
    def subject(self) -> tuple[str, str, float]:
        """Which rollout or guard it is."""
        return self.spec.tested, self.spec.control, self.spec.origin

    def same_as(self, spec: TrialSpec, settings: Settings) -> bool:
        """Whether what was found so far holds for this spec too."""
        return (
            self.subject == (spec.tested, spec.control, spec.origin)
            and self.spec.concurrent == spec.concurrent
            and self.settings == settings
            and self.spec.spec.metrics == spec.spec.metrics
        )

    def judge(self, now: float) -> Judgement:
        """The judgement of everything known up to `now`. Only with a pair."""
        assert self.pair is not None, "it has been loaded"
        results = tuple(own.result for own in self.own if own.result is not None)
        self.judgement = self.pair.judgement(now, self.ledger.facts(now), results)
        return self.judgement

    def end(self) -> None:
        """No more work for it."""
        for task in self.tasks:
            task.cancel()


def new_case(key: Key, spec: TrialSpec, settings: Settings, before: Case | None) -> Case:
    """A case that begins from nothing; of the one before only what was seen of the same pods is kept."""
    kept = before is not None and before.subject == (spec.tested, spec.control, spec.origin)
    ledger = before.ledger if before is not None and kept else Ledger(spec.tested, spec.control, spec.origin)
    own = tuple(OwnMetric(metric) for metric in spec.spec.metrics or () if metric.query)
    return Case(key, spec, settings, ledger, own)


def gist(judgement: Judgement) -> Said:
    """What matters of a judgement: a look is due when it changes, not when a figure does."""
    tests = tuple((test.name, test.verdict, test.dry_run) for test in judgement.tests)
    shift = judgement.shift.verdict if judgement.shift is not None else ""
    return judgement.verdict, bool(judgement.source_error), tests, judgement.message, shift


def leaving(pods: Collection[Mapping[str, Any]]) -> set[str]:
    """Names of the pods that are being deleted."""
    return {pod["metadata"]["name"] for pod in pods if pod["metadata"].get("deletionTimestamp")}
