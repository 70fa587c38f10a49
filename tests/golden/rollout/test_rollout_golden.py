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
from tests.serving_world import Serving

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


def test_the_three_conditions_in_every_state() -> None:
    """Available, Progressing and Ready, one line a state."""
    lines = ["nothing has served yet"]
    lines += [_line(name, Serving(model_deployment().gateway().obj()), change) for name, change in EMPTY.items()]
    lines += ["", "version 1 serves"]
    lines += [_line(name, _settled(), change) for name, change in SERVING.items()]
    compare("conditions.txt", "\n".join(lines) + "\n")


def _settled() -> Serving:
    serving = Serving(model_deployment().gateway().obj())
    serving.converge()
    return serving


def _line(name: str, serving: Serving, change: Change) -> str:
    change(serving)
    found = [f"{type_}={'/'.join(value)}" for type_, value in serving.conditions().items()]
    return "  " + name.ljust(48) + "".join(item.ljust(38) for item in found).rstrip()
