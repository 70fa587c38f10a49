"""Which deployments are in a rollout or a guard: what the watcher has to judge, and from which facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from pintle.api.rollout import Rollout
from pintle.core.plan import Obj, Policy
from pintle.core.rollout.fleet import Fleet, fleet_of
from pintle.core.rollout.observed import DeploymentObserved
from pintle.core.rollout.record import Record, parse_time
from pintle.core.rollout.restore import latest
from pintle.resources.revision import Owner

CANARY = "Canary"
GUARD = "Guard"


@dataclass(frozen=True)
class PodState:
    """A pod of one of the two revisions, as the kubelet reports it."""

    name: str
    revision: str
    ready_since: float | None
    """Unix seconds; None while it is not ready."""
    restarts: int
    """Of all its containers together."""


@dataclass(frozen=True)
class TrialSpec:
    """One rollout or guard: revision `tested` beside revision `control`, since `origin` (unix seconds)."""

    namespace: str
    deployment: str
    tested: str
    control: str
    origin: float
    phase: str
    """Canary: the canary beside the stable. Guard: the stable beside the previous one."""
    spec: Rollout
    """Where sensitivity, advanced and metrics stand."""
    concurrent: bool
    """The control has traffic too (a guard may have none: then only gross failure may act)."""
    pods: tuple[PodState, ...] = ()
    """Of both revisions, by name."""

    @property
    def ready_pods(self) -> Mapping[str, tuple[str, ...]]:
        """Names of the ready pods of each of the two revisions."""
        found: dict[str, list[str]] = {self.tested: [], self.control: []}
        for pod in self.pods:
            if pod.ready_since is not None:
                found[pod.revision].append(pod.name)
        return {revision: tuple(names) for revision, names in found.items()}

    @property
    def restarts(self) -> Mapping[str, int]:
        """Restarts of the containers of the pods that there are, by revision."""
        found = {self.tested: 0, self.control: 0}
        for pod in self.pods:
            found[pod.revision] += pod.restarts
        return found


def trial_of(observed: DeploymentObserved, now: datetime, policy: Policy) -> TrialSpec | None:
    """The trial that goes on for this deployment at `now`, or None. Cheap where none does."""
    meta = observed.parent["metadata"]
    if not policy.has_metrics or "deletionTimestamp" in meta:
        return None
    owner = Owner(meta["name"], meta["namespace"], meta["uid"], str(observed.parent["spec"].get("modelName", "")))
    fleet = fleet_of(observed, owner)
    record = latest(fleet, with_gateway="gateway" in (observed.parent["spec"].get("traffic") or {}))
    pair = pair_of(record) if record else None
    if record is None or pair is None or parse_time(record.course.origin) > now:
        return None
    try:
        spec = Rollout.model_validate(observed.parent["spec"].get("rollout") or {})
    except ValidationError:
        return None
    tested, control = pair
    return TrialSpec(
        namespace=owner.namespace,
        deployment=owner.name,
        tested=tested,
        control=control,
        origin=origin_of(record),
        phase=GUARD if record.in_guard else CANARY,
        spec=spec,
        concurrent=record.weights[control] > 0,
        pods=tuple(_states(fleet, pair)),
    )


def pair_of(record: Record) -> tuple[str, str] | None:
    """Tested and control revision of the rollout or guard that goes on; None where none does."""
    if not record.course.origin:
        return None
    if record.canary:
        return record.canary, record.stable
    return (record.stable, record.previous) if record.previous else None


def same_trial(before: Record, after: Record) -> bool:
    """What was judged for one record holds for the other."""
    return pair_of(before) == pair_of(after) and before.course.origin == after.course.origin


def origin_of(record: Record) -> float:
    """The origin of the trial in unix seconds."""
    return parse_time(record.course.origin).timestamp()


def _states(fleet: Fleet, revisions: Iterable[str]) -> Iterable[PodState]:
    for revision in revisions:
        for pod in sorted(fleet.member(revision).pods, key=lambda item: str(item["metadata"]["name"])):
            yield _state(pod, revision)


def _state(pod: Obj, revision: str) -> PodState:
    status = pod.get("status") or {}
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    ready: Obj = next((c for c in status.get("conditions") or () if c["type"] == "Ready"), {})
    is_ready = ready.get("status") == "True" and "deletionTimestamp" not in pod["metadata"]
    since = parse_time(ready["lastTransitionTime"]).timestamp() if is_ready else None
    return PodState(
        pod["metadata"]["name"], revision, since, sum(int(item.get("restartCount") or 0) for item in containers)
    )
