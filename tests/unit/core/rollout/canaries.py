"""Deployments in the middle of a rollout, for the tests of this folder."""

from __future__ import annotations

from typing import Any

from tests.builders import model_deployment
from tests.serving_world import JUDGED, Serving

STEPS = [{"weight": 10, "minSeconds": 20}, {"weight": 50, "minSeconds": 20}]
ROLLOUT = {"sensitivity": "Balanced", "steps": STEPS}
GUARD = {"seconds": 60, "holdbackWeight": 5}


def serving(*, runtime: dict[str, Any] | None = None, rollout: dict[str, Any] | None = None, **spec: Any) -> Serving:
    """Version 1 serves; what comes next is a canary of two steps with a guard."""
    built = model_deployment().gateway().runtime(**runtime or {})
    built.spec(rollout={"progressDeadlineSeconds": 600, **ROLLOUT, **(rollout or {})}, guard=GUARD).spec(**spec)
    made = Serving(built.obj(), policy=JUDGED)
    made.converge()
    made.world.log.clear()
    return made


def at_step(step: int, made: Serving | None = None, **options: Any) -> Serving:
    """Version 2 has just taken this step (1 or 2)."""
    made = made or serving(**options)
    made.publish(2)
    made.until(lambda s: s.shares().get(2) == 10)
    if step == 2:
        made.judge("NeedMoreData", rows=500)
        made.until(lambda s: s.shares().get(2) == 50, seconds=7)
    made.world.log.clear()
    return made


def in_guard(made: Serving | None = None, **options: Any) -> Serving:
    """Version 2 has just been promoted over version 1."""
    made = at_step(2, made, **options)
    made.judge("Pass", rows=2000)
    made.until(lambda s: "previous" in s.status, seconds=7)
    made.judge(None)
    made.world.log.clear()
    return made


def rolled_back(**options: Any) -> Serving:
    """Version 2 failed in its first step."""
    made = at_step(1, **options)
    made.judge("Fail")
    made.act()
    made.judge(None)
    return made
