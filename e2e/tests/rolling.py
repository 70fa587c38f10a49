"""What the tests of rollouts share: a deployment in steps under load, and waiting for what its status says."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from pintle.contract.names import ANNOTATION_ACTION

from e2e.kubectl import Kubectl, condition, patience
from e2e.tests.conftest import World
from e2e.tests.load import Load
from e2e.tests.objects import model_deployment, served
from e2e.tests.versions import MODEL, row

Obj = dict[str, Any]

# Short steps and a short guard: scrapes are a second apart, and no test needs more than a minute of traffic.
ROLLOUT: Obj = {
    "sensitivity": "Fast",
    "steps": [{"weight": 20, "minSeconds": 2}, {"weight": 50, "minSeconds": 2}],
    "deadlineSeconds": 600,
}
GUARD: Obj = {"seconds": 10, "holdbackWeight": 20}
POLL_SECONDS = 1.0
"""A look is a kubectl process: oftener, the tests would take the processor from what they test."""


@dataclass
class Rows:
    """Makes request bodies; x lies between `low` and 1, so that a fault below `low` is not met until it is lowered."""

    low: float = 0.0
    rng: random.Random = field(default_factory=lambda: random.Random(3))

    def __call__(self) -> Obj:
        made = row(self.rng)
        return {"rows": [{**made, "x": self.low + made["x"] * (1 - self.low)}]}


def soon_proven(*seconds: int) -> Obj:
    """The short rollout with steps of at least so many seconds, for tests that are not about proof.

    Wide margins have it after some 150 requests; that no pod restarts would take the better part of a minute.
    """
    wide = {"tolerated": "0.05", "margin": "0.2"}
    return {
        **ROLLOUT,
        "steps": [{**step, "minSeconds": least} for step, least in zip(ROLLOUT["steps"], seconds, strict=True)],
        "advanced": {"errors": wide, "slow": wide, "missing": wide},
        "metrics": [{"name": "restarts", "dryRun": True}],
    }


def weights_of(route: Mapping[str, Any]) -> dict[str, int]:
    """Revision -> weight in the route, of the rule without header matches."""
    rules = [rule for rule in route["spec"]["rules"] if not any(m.get("headers") for m in rule["matches"])]
    return {ref["name"].rpartition("-")[2]: ref.get("weight", 1) for ref in rules[0]["backendRefs"]}


@dataclass(frozen=True)
class Rolling:
    """A ModelDeployment of the model in one namespace."""

    kube: Kubectl
    world: World
    name: str = MODEL

    @property
    def url(self) -> str:
        return f"{self.world.gateway}/{self.kube.namespace}/{self.name}"

    def apply(self, version: int, **spec: Any) -> None:
        """Applies the deployment; `spec` overrides the short rollout and guard."""
        wanted = {"modelName": MODEL, "version": version, "rollout": ROLLOUT, "guard": GUARD, **spec}
        self.kube.apply(model_deployment(self.name, path=f"/{self.kube.namespace}/{self.name}", **wanted))

    def serve(self, version: int, **spec: Any) -> None:
        """Applies it for the first time and waits until the gateway answers."""
        self.apply(version, **spec)
        self.kube.wait("mdep", self.name, "Ready", timeout=120)
        with httpx.Client(timeout=5) as client:
            assert served(self.url, client)

    def load(self, body: Callable[[], Mapping[str, Any]] | None = None, per_second: int = 40) -> Load:
        # Whether a request is lost is asked here, and not how busy the machine is: that is what the benches measure.
        return Load(f"{self.url}/predict", body or Rows(), per_second=per_second, timeout=20.0)

    def status(self) -> Obj:
        found = self.kube.get("mdep", self.name)
        assert found is not None
        return dict(found.get("status", {}))

    def until(self, what: str, met: Callable[[Obj], bool], seconds: float = 120) -> Obj:
        """The status once `met` holds for it. AssertionError with the status when it never does."""
        deadline = time.monotonic() + patience(seconds)
        while True:
            status = self.status()
            if met(status):
                return status
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"not {what} after {seconds} s: {json.dumps(status, indent=1)}\n{self.kube.events()}"
                )
            time.sleep(POLL_SECONDS)

    def until_canary(self, version: int, seconds: float = 120) -> Obj:
        """Until the version has some of the traffic beside the stable."""

        def met(status: Obj) -> bool:
            canary = status.get("canary") or {}
            return bool(canary.get("version") == version and canary.get("weight", 0) > 0)

        return self.until(f"a canary of version {version}", met, seconds)

    def until_stable(self, version: int, seconds: float = 120) -> Obj:
        """Until the version is the stable one, in its guard or past it."""
        return self.until(
            f"stable at version {version}", lambda s: (s.get("stable") or {}).get("version") == version, seconds
        )

    def until_ready(self, version: int, seconds: float = 120) -> Obj:
        """Until the version carries all traffic and its guard is over."""

        def met(status: Obj) -> bool:
            stable = status.get("stable") or {}
            return stable.get("version") == version and stable.get("weight") == 100 and not status.get("rollout")

        return self.until(f"all on version {version}", met, seconds)

    def until_refused(self, version: int, seconds: float = 120) -> Obj:
        """Until the version is refused and has no traffic."""

        def met(status: Obj) -> bool:
            refused = [item.get("version") for item in status.get("refused") or ()]
            return version in refused and not (status.get("canary") or {}).get("weight")

        return self.until(f"version {version} refused", met, seconds)

    def condition(self, kind: str) -> Obj:
        return condition({"status": self.status()}, kind)

    def weights(self) -> dict[str, int]:
        """Revision -> weight in the route, of the rule without header matches."""
        route = self.kube.get("httproute", self.name)
        assert route is not None
        return weights_of(route)

    def act(self, verb: str, **more: Any) -> None:
        """A person's word, as `kubectl annotate` writes it."""
        self.annotate(json.dumps({"verb": verb, "id": f"{verb}-{time.time_ns()}", "by": "tester", **more}))

    def annotate(self, word: str) -> None:
        """Writes the action's annotation."""
        self.kube.run("annotate", "mdep", self.name, f"{ANNOTATION_ACTION}={word}", "--overwrite")
