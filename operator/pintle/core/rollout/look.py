"""One look at a ModelDeployment: the facts, read and sorted, that every decision below goes by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pintle.api.modeldeployment import Gateway, ModelDeploymentSpec
from pintle.core.plan import Obj, Policy
from pintle.core.rollout.fleet import Fleet, Member, fleet_of
from pintle.core.rollout.observed import DeploymentObserved
from pintle.core.rollout.record import Record, format_time, parse_time
from pintle.core.rollout.request import Request, resolve
from pintle.core.rollout.restore import read_record
from pintle.resources.revision import Owner


@dataclass(frozen=True)
class Look:
    """Everything a decision may use."""

    observed: DeploymentObserved
    spec: ModelDeploymentSpec
    owner: Owner
    fleet: Fleet
    record: Record
    """The truth as it was read; empty before the first revision serves."""
    request: Request
    now: datetime
    policy: Policy

    @property
    def gateway(self) -> Gateway | None:
        return self.spec.traffic.gateway

    @property
    def time(self) -> str:
        return format_time(self.now)

    @property
    def status(self) -> Mapping[str, object]:
        return self.observed.parent.get("status") or {}

    @property
    def stable(self) -> Member:
        return self.fleet.member(self.record.stable)

    @property
    def successor(self) -> Member | None:
        """The requested revision while another one is stable."""
        target = self.request.target
        if not target or not self.record.stable or target.name == self.record.stable:
            return None
        return self.fleet.member(target.name)

    @property
    def scaled_to_zero(self) -> bool:
        return self.spec.runtime.minReplicas == 0

    @property
    def carrier(self) -> Obj | None:
        """The object whose write moves the traffic: the route, or without a gateway the root Service."""
        return self.fleet.route if self.gateway else self.fleet.root

    @property
    def deadline(self) -> timedelta:
        """What is left of progressDeadlineSeconds for the requested revision; negative when it has passed."""
        target = self.request.target
        allowed = timedelta(seconds=self.spec.rollout.progressDeadlineSeconds)
        created = self.fleet.member(target.name).created if target else ""
        return allowed - (self.now - parse_time(created)) if created else allowed


def look_at(observed: DeploymentObserved, now: datetime, policy: Policy) -> Look:
    """Reads the facts. Raises pydantic.ValidationError for a spec that the API server would have refused."""
    parent = observed.parent
    meta = parent["metadata"]
    spec = ModelDeploymentSpec.model_validate(parent["spec"])
    owner = Owner(meta["name"], meta["namespace"], meta["uid"], spec.modelName)
    fleet = fleet_of(observed, owner)
    record = read_record(parent, fleet, with_gateway=spec.traffic.gateway is not None, now=format_time(now))
    request = resolve(spec, observed.versions, record, fleet, policy.server_image, format_time(now))
    return Look(observed, spec, owner, fleet, record, request, now, policy)
