"""The rollouts of the bench: which kinds there are, and how each begins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pintle.core.judgement.settings import LOSS

from bench.live.traffic import Client
from e2e.images import runner_image
from e2e.kubectl import Kubectl
from e2e.story import feedback
from e2e.tests.conftest import World
from e2e.tests.rolling import Rolling
from e2e.tests.versions import Made, load_versions

Obj = dict[str, Any]
WEIGHT = 50
STEPS = [{"weight": WEIGHT, "minSeconds": 10}]
SURE = 40.0
"""Slope of a score that is nearly 0 or 1: its loss is 1 where it is wrong."""
VERSIONS = (
    Made(1),
    Made(2),
    Made(3, errors=0.01),
    Made(4, errors=0.05),
    Made(5, slope=SURE),
    Made(6, slope=SURE),
)
RESOURCES = {"requests": {"cpu": "10m", "memory": "96Mi"}, "limits": {"memory": "512Mi"}}
MONITORING = {"drift": {"windows": [{"seconds": 60, "floor": "1h"}], "periodSeconds": 5}}


@dataclass(frozen=True)
class Kind:
    """Some of the rollouts: from one version to the other, and what must come of it."""

    name: str
    count: int
    stable: int
    canary: int
    action: str
    rule: str = ""
    shift: float = 0.0
    drift: str = ""
    """Status of the condition FeatureDrift."""
    advanced: Obj = field(default_factory=dict)
    """Of spec.rollout."""


KINDS = (
    Kind("identical", 4, 1, 2, "Promote"),
    Kind("errors", 5, 3, 4, "Rollback", "errors"),
    # Limits of its own for the loss make promotion wait for labels.
    Kind("labels", 5, 5, 6, "Rollback", LOSS, advanced={"loss": {"margin": "0.02"}}),
    Kind("shift", 3, 1, 2, "Promote", shift=1.0, drift="True"),
    Kind("still", 3, 1, 2, "Promote", shift=0.1, drift="False"),
)


@dataclass
class Case:
    """One rollout and what became of it."""

    kind: Kind
    rolling: Rolling
    client: Client
    began: float = 0.0
    seconds: float = 0.0
    entry: Obj | None = None

    @property
    def right(self) -> bool:
        found = self.entry or {}
        return found.get("action") == self.kind.action and self.kind.rule in ("", found.get("rule"))


def begun(kube: Kubectl, world: World, root: str, kinds: Sequence[Kind]) -> Iterator[Case]:
    """All deployments of these kinds serve their first version."""
    load_versions(kube, runner_image(), VERSIONS)
    found = []
    for kind in kinds:
        for number in range(kind.count):
            rolling = Rolling(kube, world, f"{kind.name}-{number}")
            client = Client(rolling.url, shift=kind.shift)
            client.rng.seed(f"{kind.name} {number}")
            if kind.rule == LOSS:
                client.wrong = {str(kind.stable): 0.10, str(kind.canary): 0.15}
                client.feedback = feedback.address(root, rolling.name)
            found.append(Case(kind, rolling, client))
    for case in found:
        case.rolling.apply(case.kind.stable, **spec(case.kind))
    for case in found:
        case.rolling.serve(case.kind.stable, **spec(case.kind))
        print(f"  {case.rolling.name} serves version {case.kind.stable}", flush=True)
    yield from found


def spec(kind: Kind) -> Obj:
    # What is slow here is the machine, which twenty servers and their watchers share; restarts take long to prove.
    metrics = [{"name": name, "dryRun": True} for name in ("slow", "restarts")]
    rollout: Obj = {"sensitivity": "Balanced", "steps": STEPS, "deadlineSeconds": 3600, "metrics": metrics}
    if kind.advanced:
        rollout["advanced"] = kind.advanced
    return {
        "rollout": rollout,
        "guard": {"seconds": 1, "holdbackWeight": 0},
        "monitoring": MONITORING,
        "runtime": {"resources": RESOURCES, "env": [{"name": "PINTLE_COHORT_SECONDS", "value": "10"}]},
    }
