"""A deployment as the operator would see it at a moment of a recording: the look that its decisions are made from.

Nothing is decided here. What moves the traffic is `pintle.core.rollout`, which the operator runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pintle.api.modeldeployment import ModelDeploymentSpec
from pintle.api.rollout import Guard
from pintle.contract import names
from pintle.core.backtest.recording import GUARD, Setup
from pintle.core.judgement.verdict import Judgement
from pintle.core.plan import Policy
from pintle.core.rollout.course import weight_at
from pintle.core.rollout.fleet import Fleet, Member
from pintle.core.rollout.look import Look
from pintle.core.rollout.observed import DeploymentObserved
from pintle.core.rollout.record import FULL, Course, Record, format_time
from pintle.core.rollout.request import Request
from pintle.core.rollout.sight import sight_of
from pintle.core.rollout.word import heed
from pintle.resources.revision import Owner, Revision

UNKNOWN = "recorded"


@dataclass(frozen=True)
class Stage:
    """What stays the same over a whole replay."""

    setup: Setup
    spec: ModelDeploymentSpec
    policy: Policy

    @classmethod
    def of(cls, setup: Setup, rollout: Mapping[str, Any], guard: Mapping[str, Any] | None, grid: float) -> Stage:
        """Raises pydantic.ValidationError for what is no spec of a rollout, ValueError where it goes by no steps."""
        spec: dict[str, Any] = {"modelName": UNKNOWN, "follow": "Latest", "rollout": dict(rollout)}
        if setup.gateway:
            spec["traffic"] = {"gateway": {"parentRefs": [{"name": UNKNOWN}]}}
        if guard is not None:
            spec["guard"] = dict(guard)
        made = ModelDeploymentSpec.model_validate(spec)
        if setup.phase != GUARD and not (setup.gateway and any(step.weight for step in made.rollout.planned())):
            raise ValueError("these settings have no step with a weight: give sensitivity or steps")
        policy = Policy(UNKNOWN, UNKNOWN, has_metrics=True, scrape=timedelta(seconds=grid))
        return cls(setup, made, policy)

    def revision(self, name: str) -> Revision:
        """Of what a revision is made does not matter here."""
        return Revision(name, self.setup.versions.get(name, 0), "", "", "")

    def begin(self) -> Record:
        """The record as it was when the recorded trial began."""
        setup, origin = self.setup, format_time(moment(self.setup.origin))
        known = {name: self.revision(name) for name in setup.revisions}
        if setup.phase == GUARD:
            return self._guard(known, origin)
        steps = self.spec.rollout.planned()
        # Earlier steps are pauses with weight 0.
        first = next(place for place, step in enumerate(steps, start=1) if step.weight)
        weight = weight_at(steps, first)
        return Record(
            stable=setup.control,
            canary=setup.tested,
            weights={setup.control: FULL - weight, setup.tested: weight},
            revisions=known,
            since=origin,
            course=Course(step=first - 1, stepped=origin, origin=origin, due=origin),
        )

    def _guard(self, known: Mapping[str, Revision], origin: str) -> Record:
        setup = self.setup
        holdback = (self.spec.guard or Guard()).holdbackWeight
        if not setup.gateway:
            holdback = 0
        return Record(
            stable=setup.tested,
            previous=setup.control,
            weights={setup.tested: FULL - holdback, setup.control: holdback},
            revisions=known,
            since=origin,
            course=Course(origin=origin, guarded=origin),
        )

    def look(self, record: Record, judgement: Judgement, ready: Mapping[str, bool], now: float) -> Look:
        """What the operator goes by at `now` (unix seconds). A revision with a ready pod has all that it needs."""
        setup, at = self.setup, moment(now)
        meta = {"name": setup.deployment, "namespace": setup.namespace, "uid": UNKNOWN, "generation": 1}
        observed = DeploymentObserved(parent={"metadata": meta, "spec": {}, "status": {}}, judgement=judgement)
        members = {name: _member(name, is_ready) for name, is_ready in ready.items()}
        return Look(
            observed=observed,
            spec=self.spec,
            owner=Owner(setup.deployment, setup.namespace, UNKNOWN, UNKNOWN),
            fleet=Fleet(members, None, None, frozenset(), None),
            record=record,
            recorded=True,
            request=Request(self.revision(setup.tested)),
            sight=sight_of(observed, record, at, self.policy),
            now=at,
            policy=self.policy,
        )

    def heard(self, look: Look, verb: str, by: str) -> Look:
        """The same look with a person's word to the revision on trial, as the operator hears it."""
        word = {"verb": verb, "id": look.time, "revision": self.setup.tested, "by": by}
        parent = look.observed.parent
        annotated = {**parent["metadata"], "annotations": {names.ANNOTATION_ACTION: json.dumps(word)}}
        observed = replace(look.observed, parent={**parent, "metadata": annotated})
        # What is requested does not change by it; the versions from which the operator would see that are not recorded.
        return replace(heed(replace(look, observed=observed)), request=look.request)


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)


def _member(name: str, ready: bool) -> Member:
    status = {"readyReplicas": int(ready), "updatedReplicas": int(ready), "observedGeneration": 1}
    deployment = {"metadata": {"name": name, "generation": 1}, "spec": {"replicas": 1}, "status": status}
    return Member(name, {"Deployment": deployment})
