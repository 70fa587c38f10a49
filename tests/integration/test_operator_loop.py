"""The whole loop with the real decisions on a real API server: trained, registered, checked, served, replaced.

Nothing runs here but the operator; a stand-in plays the kubelet and the controllers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pintle.contract.names import API_VERSION
from pintle.ports.kinds import WATCHED
from pintle.resources.run_job import ANNOTATION_DEFINITION

from tests.integration.kube import Space, eventually
from tests.integration.objects import GONE, model_deployment, training_job
from tests.integration.operator_fixture import OperatorProcess, StandIn

OPTIONS: dict[str, Any] = {"uid": "pod", "env": {"PINTLE_DRAIN_SECONDS": "0.5"}}
GATEWAY = {"gateway": {"parentRefs": [{"name": "web"}]}}
PATIENCE = 60.0


@pytest.fixture
def stand_in(space: Space) -> Iterator[StandIn]:
    """Kubelet and controllers of the namespace."""
    with StandIn(space.rest, space.name).at_work() as playing:
        yield playing


def operator(space: Space, folder: Path, **options: Any) -> OperatorProcess:
    return OperatorProcess(
        space.server.kubeconfig, folder, namespaces=[space.name], lease_namespace=space.name, **{**OPTIONS, **options}
    )


def conditions(space: Space, kind: str, name: str) -> dict[str, str]:
    parent = space.get(API_VERSION, kind, name) or {}
    found = (parent.get("status") or {}).get("conditions") or ()
    return {c["type"]: f"{c['status']}/{c['reason']}" for c in found}


def serves(space: Space, version: int) -> bool:
    """All traffic is at this version and nothing of another is left."""
    status = (space.get(API_VERSION, "ModelDeployment", "delays") or {}).get("status") or {}
    done = {"Available": "True/Serving", "Progressing": "False/Complete", "Ready": "True/Ready"}
    return (
        (status.get("stable") or {}).get("version") == version
        and conditions(space, "ModelDeployment", "delays") == done
        and len(space.list("apps/v1", "Deployment")) == 1
    )


def begin(space: Space) -> None:
    """The user applies a definition and a deployment that follows it."""
    space.create(training_job())
    space.create(model_deployment(version=GONE, follow="Latest", traffic=GATEWAY))


def retrain(space: Space) -> None:
    """The user changes what is trained."""
    space.rest.merge(space.placed(training_job()), {"spec": {"seed": 9}})


def final_state(space: Space) -> dict[str, Any]:
    """What exists and what it says, without what differs from run to run (uids, times, addresses)."""
    state: dict[str, Any] = {}
    for kind in WATCHED:
        for item in space.list(kind.api_version, kind.name):
            name = f"{kind.name}/{item['metadata']['name']}"
            spec, status = item.get("spec") or {}, item.get("status") or {}
            told = {c["type"]: f"{c['status']}/{c.get('reason')}" for c in status.get("conditions") or ()}
            state[name] = {
                "conditions": told,
                "rules": spec.get("rules"),
                "selector": spec.get("selector") if kind.name == "Service" else None,
                "runs": [(run["name"], run["result"], run.get("version")) for run in status.get("runs") or ()],
                "stable": (status.get("stable") or {}).get("revision"),
                "actions": [(entry["action"], entry["version"]) for entry in status.get("history") or ()],
                "usedBy": status.get("usedBy"),
                "attempts": status.get("checkAttempts"),
            }
    text = json.dumps(state, sort_keys=True)
    # A run's name has the uid of its TrainingJob in it.
    for number, job in enumerate(sorted(space.list("batch/v1", "Job"), key=_definition)):
        text = text.replace(job["metadata"]["name"], f"run-{number}")
    return dict(json.loads(text))


def _definition(job: dict[str, Any]) -> str:
    return str(job["metadata"]["annotations"][ANNOTATION_DEFINITION])


def versions_of_resources(space: Space) -> dict[str, str]:
    """resourceVersion of every object of ours, Events included."""
    found: dict[str, str] = {}
    for api_version, kind in [*((k.api_version, k.name) for k in WATCHED), ("v1", "Event")]:
        for item in space.list(api_version, kind):
            found[f"{kind}/{item['metadata']['name']}"] = item["metadata"]["resourceVersion"]
    return found


def live_through(space: Space, version: int = 2) -> None:
    """From nothing to version 1, or to version 2 in the place of version 1."""
    begin(space)
    eventually(lambda: serves(space, 1), PATIENCE)
    if version == 1:
        return
    retrain(space)
    eventually(lambda: serves(space, 2), PATIENCE)


def test_from_a_training_job_to_traffic_and_after_that_nothing(space: Space, stand_in: StandIn, tmp_path: Path) -> None:
    """The loop closes; then ten resyncs and a restart change no resourceVersion of any object, status included."""
    with operator(space, tmp_path) as running:
        running.wait_leading()
        live_through(space)
        eventually(lambda: running.metric("pintle_operator_queue_depth") == 0)
        assert [line for line in running.lines() if line["level"] in ("warning", "error")] == []
        assert running.terminate() == 0
    settled = versions_of_resources(space)
    parents = 4
    fast = {**OPTIONS["env"], "PINTLE_RESYNC_SECONDS": "0.3"}
    with operator(space, tmp_path, env=fast) as resyncing:
        resyncing.wait_leading()
        eventually(lambda: resyncing.metric("pintle_operator_looks_total") >= parents * 11)
        assert resyncing.metric("pintle_operator_writes_total") == 0
    assert versions_of_resources(space) == settled


@pytest.mark.parametrize("version", [1, pytest.param(2, marks=pytest.mark.soak)], ids=["first", "replaced"])
def test_operator_killed_after_every_single_effect(
    version: int, space: Space, stand_in: StandIn, tmp_path: Path
) -> None:
    """SIGKILL after each write, and the next process knows only the API server: the end is that of a run in peace."""
    undisturbed = Space(space.server, space.rest, f"{space.name}-peace")
    space.rest.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": undisturbed.name}})
    with StandIn(space.rest, undisturbed.name).at_work(), operator(undisturbed, tmp_path) as running:
        running.wait_leading()
        live_through(undisturbed, version)
        writes = running.metric("pintle_operator_writes_total")

    begin(space)
    deaths = _live_and_die(space, tmp_path, lambda: serves(space, 1))
    if version == 2:
        retrain(space)
        deaths += _live_and_die(space, tmp_path, lambda: serves(space, 2))
    # A process that dies sees later states than one that lives and skips some statuses in between.
    assert deaths > writes / 2
    assert final_state(space) == final_state(undisturbed)


def _live_and_die(space: Space, folder: Path, done: Callable[[], bool], most: int = 60) -> int:
    """Start the operator again and again until one finds nothing to do; returns how many have died.

    Each dies after its first effect. Where that leads back to a state that was there before, the next may live for
    one effect more: a removal is remembered in the route, then told, then done.
    """
    before: list[dict[str, Any]] = []
    effects = 1
    for deaths in range(most):
        with operator(space, folder, kill_after=effects) as running:
            while running.lives(0.2):
                if done() and _at_rest(running):
                    return deaths
        state = final_state(space)
        effects = effects + 1 if state in before else 1
        before.append(state)
    raise AssertionError(f"not done after {most} deaths")


def _at_rest(running: OperatorProcess) -> bool:
    """It acts and has looked at everything; False when it has died meanwhile."""
    try:
        running.wait_leading(10)
        return running.metric("pintle_operator_queue_depth") == 0 and running.lives(0.0)
    except (AssertionError, OSError, httpx.TransportError):
        return False
