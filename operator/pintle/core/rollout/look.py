"""One look at a ModelDeployment: the facts, read and sorted, that every decision below goes by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pintle.api.modeldeployment import Gateway, ModelDeploymentSpec
from pintle.api.rollout import Guard, Step
from pintle.core.plan import Obj, Policy
from pintle.core.rollout.fleet import Fleet, Member, fleet_of
from pintle.core.rollout.observed import DeploymentObserved
from pintle.core.rollout.record import Record, format_time, parse_time
from pintle.core.rollout.request import Request, resolve
from pintle.core.rollout.restore import latest, read_record
from pintle.core.rollout.sight import Sight, sight_of
from pintle.resources.revision import Owner, Revision


@dataclass(frozen=True)
class Look:
    """Everything a decision may use."""

    observed: DeploymentObserved
    spec: ModelDeploymentSpec
    owner: Owner
    fleet: Fleet
    record: Record
    """The truth as it was read; empty before the first revision serves."""
    recorded: bool
    """It was read, not restored."""
    request: Request
    sight: Sight
    now: datetime
    policy: Policy

    def with_record(self, record: Record) -> Look:
        """The same facts beside another record: what a person has just asked for."""
        return replace(self, record=record, request=_request(self, record))

    @property
    def gateway(self) -> Gateway | None:
        return self.spec.traffic.gateway

    @property
    def acts(self) -> bool:
        """automation: Act. Otherwise traffic moves by a person's word only."""
        return self.spec.automation == "Act"

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the rollout that goes on or comes next; none where a revision replaces the other at once.

        Weights need a route. A person who wants an earlier revision back does not want it step by step.
        """
        return () if self.gateway is None or self.record.back else self.spec.rollout.planned()

    @property
    def guard(self) -> Guard | None:
        """The guard after a promotion; a canary has one unless the spec says otherwise."""
        guard = self.spec.guard or (Guard() if self.spec.rollout.is_canary else None)
        if guard is None or not guard.seconds:
            return None
        return guard if self.gateway else guard.model_copy(update={"holdbackWeight": 0})

    @property
    def time(self) -> str:
        return format_time(self.now)

    @property
    def status(self) -> Mapping[str, Any]:
        return self.observed.parent.get("status") or {}

    @property
    def stable(self) -> Member:
        return self.fleet.member(self.record.stable)

    @property
    def incoming(self) -> Revision | None:
        """The revision to bring up: the requested one, but none while a guard lasts: three at once are too many."""
        return None if self.record.in_guard else self.request.target

    @property
    def successor(self) -> Member | None:
        """The incoming revision while another one is stable."""
        target = self.incoming
        if not target or not self.record.stable or target.name == self.record.stable:
            return None
        return self.fleet.member(target.name)

    @property
    def most(self) -> int | None:
        """maxReplicas where an autoscaler decides; else None."""
        runtime = self.spec.runtime
        return runtime.maxReplicas if runtime.maxReplicas and runtime.maxReplicas > runtime.minReplicas else None

    @property
    def scaled_to_zero(self) -> bool:
        return self.spec.runtime.minReplicas == 0

    @property
    def carrier(self) -> Obj | None:
        """The object whose write moves the traffic: the route, or without a gateway the root Service."""
        return self.fleet.route if self.gateway else self.fleet.root

    @property
    def allowed(self) -> timedelta:
        """progressDeadlineSeconds."""
        return timedelta(seconds=self.spec.rollout.progressDeadlineSeconds)

    @property
    def deadline(self) -> timedelta:
        """What is left of progressDeadlineSeconds for the requested revision; negative when it has passed."""
        target = self.request.target
        created = self.fleet.member(target.name).created if target else ""
        return self.allowed - self.since(created) if created else self.allowed

    def since(self, at: str) -> timedelta:
        """How long ago that was; nothing for an empty time."""
        return self.now - parse_time(at) if at else timedelta(0)


def look_at(observed: DeploymentObserved, now: datetime, policy: Policy) -> Look:
    """Reads the facts. Raises pydantic.ValidationError for a spec that the API server would have refused."""
    parent = observed.parent
    meta = parent["metadata"]
    spec = ModelDeploymentSpec.model_validate(parent["spec"])
    owner = Owner(meta["name"], meta["namespace"], meta["uid"], spec.modelName)
    fleet = fleet_of(observed, owner)
    with_gateway = spec.traffic.gateway is not None
    record = read_record(parent, fleet, with_gateway, now=format_time(now))
    look = Look(
        observed=observed,
        spec=spec,
        owner=owner,
        fleet=fleet,
        record=record,
        recorded=latest(fleet, with_gateway) is not None,
        request=Request(None),
        sight=sight_of(observed, record, now, policy),
        now=now,
        policy=policy,
    )
    return look.with_record(record)


def _request(look: Look, record: Record) -> Request:
    if record.back:
        return Request(record.revisions[record.back])
    return resolve(look.spec, look.observed.versions, record, look.fleet, look.policy.server_image, look.time)
