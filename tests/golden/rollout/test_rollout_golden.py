"""What a ModelDeployment makes, and what it says in every state, against files that a person can read.

`PINTLE_GOLDEN=write pytest tests/golden/rollout` writes them anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.builders import START, digest, model_deployment, model_version
from tests.serving_world import POLICY, Serving
from tests.unit.core.rollout.canaries import at_step, in_guard
from tests.unit.core.rollout.canaries import serving as stepping

HERE = Path(__file__).parent
RUNTIME = {
    "minReplicas": 2,
    "maxReplicas": 4,
    "resources": {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}},
    "env": [{"name": "THREADS", "value": "1"}],
    "nodeSelector": {"pool": "serving"},
}
GATEWAY = {"hostnames": ["models.example.com"], "path": "/delays"}
Change = Callable[[Serving], None]


def compare(name: str, text: str) -> None:
    """The text is that of the golden file."""
    file = HERE / name
    if os.environ.get("PINTLE_GOLDEN") == "write":
        file.write_text(text)
    assert text == file.read_text(), f"{name} differs; PINTLE_GOLDEN=write if that is meant"


def as_yaml(item: dict[str, Any]) -> str:
    """Without what the API server gives."""
    meta = {k: v for k, v in item["metadata"].items() if k in ("name", "namespace", "labels", "annotations")}
    meta["ownerReferences"] = item["metadata"]["ownerReferences"]
    body = {k: v for k, v in {**item, "metadata": meta}.items() if k != "status"}
    return yaml.safe_dump(body, sort_keys=False, width=200)


def on_a_claim() -> Serving:
    """Every option of the runtime, a model on a claim, a path at a gateway."""
    serving = Serving(model_deployment().gateway(**GATEWAY).runtime(**RUNTIME).obj(), versions=(3,))
    serving.converge()
    return serving


def on_s3_with_another_server() -> Serving:
    """A model in a bucket with a key, served by the user's own image, nothing else said."""
    serving = Serving(model_deployment().runtime(image="mlserver:1.7.1").obj(), versions=())
    storage = {"storageUri": "s3://models/delays/3", "storage": {"secretRef": {"name": "bucket-key"}}}
    serving.world.add(model_version("delays", 3).spec(digest=digest("c"), **storage).ready().obj())
    serving.converge()
    return serving


RENDERED = {
    "claim": on_a_claim,
    "s3-own-image": on_s3_with_another_server,
}


@pytest.mark.parametrize("name", RENDERED)
def test_the_objects_of_a_deployment(name: str) -> None:
    """Deployment, Services, autoscaler, budget and route, as they are sent to the API server."""
    serving = RENDERED[name]()
    kinds = ("Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget", "HTTPRoute")
    for kind in kinds:
        items = serving.world.list(kind)
        if items:
            compare(f"{name}-{kind.lower()}.yaml", "---\n".join(as_yaml(item) for item in items))


# Each state: its name, and what leads to it from a deployment whose version 1 serves (or from an empty one). ----------
def _replace(serving: Serving, looks: int, ready: bool = True) -> None:
    serving.publish(2)
    if not ready:
        serving.broken.add(2)
    for _ in range(looks):
        serving.act()
        serving.pods()
        serving.world.tick(1.5)
    serving.act()


def _stuck(serving: Serving) -> None:
    _replace(serving, 1, ready=False)
    serving.world.tick(601)
    serving.act()


def _lost(serving: Serving) -> None:
    serving.broken.add(1)
    serving.pods()
    serving.act()


def _lost_with_successor(serving: Serving) -> None:
    _replace(serving, 1, ready=False)
    _lost(serving)


def _refused(serving: Serving) -> None:
    serving.write_error = "Deployment.apps is invalid"
    serving.act()


def _taken(serving: Serving) -> None:
    serving.write_error = "Service delays exists and belongs to another owner"
    serving.act()


def _spec(**fields: Any) -> Change:
    def change(serving: Serving) -> None:
        serving.publish(3, ready=False)
        serving.edit(**fields)
        serving.converge()

    return change


def _zero(serving: Serving) -> None:
    serving.runtime(minReplicas=0)
    serving.converge()


def _gateway(says: tuple[str, str] | None) -> Change:
    def change(serving: Serving) -> None:
        assert serving.route is not None
        serving.world.set_status("HTTPRoute", "delays", {})
        serving.gateway_says = says
        serving.converge()

    return change


def _rival(serving: Serving) -> None:
    older = model_deployment("older").on_promoted("champion").created(START.replace(year=2025))
    serving.world.add(older.obj())
    serving.edit(onPromoted={"alias": "champion"})
    serving.converge()


def _waits(**fields: Any) -> Change:
    def change(serving: Serving) -> None:
        serving.world.remove("ModelVersion", "delays-v1")
        serving.publish(3, ready=False)
        serving.edit(**fields)
        serving.act()

    return change


def _starts(serving: Serving) -> None:
    serving.act()
    serving.pods()


def _cannot_start(serving: Serving) -> None:
    serving.broken.add(1)
    serving.converge()
    serving.world.tick(601)
    serving.converge()


def _begins_at_zero(serving: Serving) -> None:
    serving.runtime(minReplicas=0)
    serving.converge()


def _first_write_refused(serving: Serving) -> None:
    serving.write_error = "Deployment.apps is invalid"
    serving.act()


EMPTY: dict[str, Change] = {
    "follows Latest, no version is Ready": _waits(),
    "follows an alias that nobody has": _waits(follow="champion"),
    "pinned to a version that is not there": _waits(follow=None, version=7),
    "pinned to a version that is not Ready": _waits(follow=None, version=3),
    "the first revision starts": _starts,
    "the first revision is not ready in time": _cannot_start,
    "the API server refuses the first Deployment": _first_write_refused,
    "begins with minReplicas 0": _begins_at_zero,
}
SERVING: dict[str, Change] = {
    "serves what is requested": lambda serving: None,
    "a new revision starts": lambda serving: _replace(serving, 0),
    "it is ready and joins the route": lambda serving: _replace(serving, 1),
    "it carries all traffic, the old one drains": lambda serving: _replace(serving, 2),
    "it is not ready in time": _stuck,
    "the requested version is not there": _spec(follow=None, version=7),
    "the requested version is not Ready": _spec(follow=None, version=3),
    "the requested alias belongs to no version": _spec(follow="champion"),
    "all pods are lost": _lost,
    "all pods are lost while a new revision starts": _lost_with_successor,
    "minReplicas is 0": _zero,
    "the gateway has not answered": _gateway(None),
    "the gateway refuses the route": _gateway(("Accepted", "False")),
    "the API server refuses a write": _refused,
    "a name belongs to another owner": _taken,
    "an older deployment holds the alias": _rival,
}


# From a deployment whose version 1 serves and that goes by steps. -----------------------------------------------------
def _canary(step: int, *changes: Change) -> Change:
    def change(serving: Serving) -> None:
        at_step(step, serving)
        for each in changes:
            each(serving)
        serving.act()

    return change


def _guarded(*changes: Change) -> Change:
    def change(serving: Serving) -> None:
        in_guard(serving)
        for each in changes:
            each(serving)
        serving.act()

    return change


def _judged(verdict: str | None, rows: int = 5000, test: str = "errors") -> Change:
    return lambda serving: serving.judge(verdict, rows=rows, test=test)


def _later(seconds: float) -> Change:
    return lambda serving: serving.pass_time(seconds, every=seconds / 5)


def _says(verb: str, **more: Any) -> Change:
    return lambda serving: (serving.say(verb, **more), serving.act())[0] and None


def _edits(**spec: Any) -> Change:
    return lambda serving: serving.edit(**spec)


def _rollout(**fields: Any) -> Change:
    return lambda serving: serving.edit(rollout={**serving.parent["spec"]["rollout"], **fields})


def _breaks(number: int) -> Change:
    def change(serving: Serving) -> None:
        serving.broken.add(number)
        serving.pods()

    return change


def _prometheus_is_down(serving: Serving) -> None:
    serving.metrics_error = "connection refused"


def _no_prometheus(serving: Serving) -> None:
    serving.policy = POLICY
    serving.publish(2)
    serving.pass_time(20, every=5)


def _starts_canary(serving: Serving) -> None:
    serving.publish(2)
    serving.act()


def _joins(serving: Serving) -> None:
    _starts_canary(serving)
    serving.pods()
    serving.act()


def _scaled_to_zero(serving: Serving) -> None:
    serving.runtime(minReplicas=0)
    serving.act()
    serving.pods()


def _retried(serving: Serving) -> None:
    assert serving.record is not None
    serving.say("retry", revision=next(iter(serving.record.refused)))


def _goes_back(serving: Serving) -> None:
    serving.converge()
    serving.say("rollback", revision="")


PAUSE_STEPS = [{"weight": 10, "minSeconds": 20}, {"pause": True}, {"weight": 50, "minSeconds": 20}]
ROLLOUT: dict[str, Change] = {
    "the canary starts": _starts_canary,
    "the canary joins the route": _joins,
    "no Prometheus is set up": _no_prometheus,
    "the canary is in a step": _canary(1),
    "the step has too few requests": _canary(1, _later(30), _judged("NeedMoreData", 10)),
    "Prometheus is down": _canary(1, _later(30), _prometheus_is_down),
    "samples are too old": _canary(1, _judged("SourceError"), _later(30)),
    "the last step lacks evidence": _canary(2, _later(30)),
    "promotion: Manual, and it has passed": _canary(2, _rollout(promotion="Manual"), _judged("Pass"), _later(30)),
    "a pause step": _canary(1, _rollout(steps=PAUSE_STEPS), _judged("NeedMoreData"), _later(30)),
    "paused by a person": _canary(1, _says("pause")),
    "no evidence at the deadline, Pause": _canary(1, _rollout(deadlineSeconds=30), _later(40)),
    "the canary has no ready pod": _canary(1, _breaks(2)),
    "the stable has no ready pod": _canary(1, _breaks(1)),
    "neither has a ready pod": _canary(1, _breaks(1), _breaks(2)),
    "it fails, the stable has no ready pod": _canary(1, _breaks(1), _judged("Fail")),
    "it has failed": _canary(1, _judged("Fail"), lambda s: s.act(), _judged(None)),
    "it has failed and is gone": _canary(1, _judged("Fail"), lambda s: s.act(), _judged(None), lambda s: s.converge()),
    "it has failed and the stable dies": _canary(1, _judged("Fail"), lambda s: s.act(), _judged(None), _breaks(1)),
    "aborted by a person": _canary(1, _says("abort")),
    "retried by a person": _canary(1, _says("abort"), _retried, lambda s: s.act()),
    "a newer version comes": _canary(1, lambda s: s.publish(3)),
    "minReplicas is 0 in the middle": _canary(1, _scaled_to_zero),
    "the guard": _guarded(),
    "the guard, Prometheus is down": _guarded(_prometheus_is_down),
    "the guard, paused by a person": _guarded(_says("pause")),
    "the guard, a newer version comes": _guarded(lambda s: s.publish(3)),
    "the guard, the new one has no ready pod": _guarded(_breaks(2)),
    "the guard, the one before has no ready pod": _guarded(_breaks(1)),
    "the guard, no holdback, errors": _guarded(
        _edits(guard={"seconds": 60, "holdbackWeight": 0}), lambda s: s.act(), _judged("Fail")
    ),
    "it has failed in the guard": _guarded(_judged("Fail"), lambda s: s.act(), _judged(None)),
    "the spec goes back in the guard": _guarded(lambda s: s.pin(1)),
    "the guard is over, the one before drains": _guarded(_later(65)),
    "all is done": _guarded(lambda s: s.converge()),
    "a person goes back, the pods start": _guarded(_goes_back),
    "a person has gone back": _guarded(_goes_back, lambda s: s.converge()),
}
OBSERVED: dict[str, Change] = {
    "the canary waits for its first step": lambda serving: (serving.publish(2), serving.pass_time(20, every=5))[0],
    "it would be promoted": lambda serving: _observed(serving, "Pass"),
    "it would be rolled back": lambda serving: _observed(serving, "Fail"),
}


def _observed(serving: Serving, verdict: str) -> None:
    serving.publish(2)
    serving.pass_time(20, every=5)
    for _ in range(2):
        serving.say("promote")
        serving.act()
    serving.judge(verdict, rows=5000)
    serving.pass_time(30, every=10)


def test_the_three_conditions_in_every_state() -> None:
    """Available, Progressing and Ready, one line a state."""
    lines = ["nothing has served yet"]
    lines += [_line(name, Serving(model_deployment().gateway().obj()), change) for name, change in EMPTY.items()]
    lines += ["", "version 1 serves"]
    lines += [_line(name, _settled(), change) for name, change in SERVING.items()]
    lines += ["", "version 1 serves, version 2 goes by steps"]
    lines += [_line(name, stepping(), change) for name, change in ROLLOUT.items()]
    lines += ["", "the same with automation: Observe"]
    lines += [_line(name, stepping(automation="Observe"), change) for name, change in OBSERVED.items()]
    compare("conditions.txt", "\n".join(lines) + "\n")


def _settled() -> Serving:
    serving = Serving(model_deployment().gateway().obj())
    serving.converge()
    return serving


def _line(name: str, serving: Serving, change: Change) -> str:
    change(serving)
    found = [f"{type_}={'/'.join(value)}" for type_, value in serving.conditions().items()]
    return "  " + name.ljust(48) + "".join(item.ljust(42) for item in found).rstrip()
