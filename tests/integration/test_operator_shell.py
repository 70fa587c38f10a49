"""The operator as a real process on a real API server, with decisions of a few lines (see toy_operator)."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pintle.contract.names import API_VERSION
from pintle.ports.kinds import WATCHED

from tests.integration.kube import Space, eventually, serving
from tests.integration.objects import model_deployment, training_job
from tests.integration.operator_fixture import TOY, OperatorProcess, StandIn

ROUTE_API = "gateway.networking.k8s.io/v1"


@pytest.fixture
def toy(space: Space, tmp_path: Path) -> Iterator[OperatorProcess]:
    """A running operator with the toy's decisions, in the namespace of the test."""
    with OperatorProcess(
        space.server.kubeconfig, tmp_path, module=TOY, namespaces=[space.name], lease_namespace=space.name
    ) as operator:
        operator.wait_leading()
        yield operator


def condition(space: Space, kind: str, name: str) -> dict[str, Any]:
    parent = space.get(API_VERSION, kind, name) or {}
    return next(iter((parent.get("status") or {}).get("conditions") or ()), {})


def backend(space: Space, name: str) -> str:
    route = space.get(ROUTE_API, "HTTPRoute", name)
    return str(route["spec"]["rules"][0]["backendRefs"][0]["name"]) if route else ""


def snapshot(space: Space) -> dict[str, str]:
    """resourceVersion of every object in the namespace that the operator may touch, Events included."""
    found: dict[str, str] = {}
    for api_version, kind in [*((k.api_version, k.name) for k in WATCHED), ("v1", "Event")]:
        for item in space.list(api_version, kind):
            found[f"{kind}/{item['metadata']['name']}"] = item["metadata"]["resourceVersion"]
    return found


def train(space: Space, stand_in: StandIn) -> None:
    """A TrainingJob, run to its ModelVersion."""
    job = eventually(lambda: space.get("batch/v1", "Job", "delays-run"))
    stand_in.complete_job(job)
    eventually(lambda: condition(space, "TrainingJob", "delays").get("status") == "True")


def test_events_of_all_kinds_become_effects(toy: OperatorProcess, space: Space) -> None:
    """A Job is made, its completion makes a version; traffic moves and the old Service goes."""
    space.create(training_job())
    train(space, StandIn(space.rest, space.name))
    assert space.get(API_VERSION, "ModelVersion", "delays-v1")
    space.create(model_deployment())
    eventually(lambda: backend(space, "delays") == "delays-1")
    space.rest.merge(space.placed(model_deployment()), {"spec": {"version": 2}})
    eventually(lambda: backend(space, "delays") == "delays-2" and not space.get("v1", "Service", "delays-1"))


def test_nothing_the_user_owns_is_written(toy: OperatorProcess, space: Space) -> None:
    """No finalizer, annotation, label or default on a parent; only its status has another writer."""
    made = space.create(training_job())
    eventually(lambda: condition(space, "TrainingJob", "delays"))
    now = space.get(API_VERSION, "TrainingJob", "delays")
    assert now is not None
    assert now["spec"] == made["spec"]
    changing = ("resourceVersion", "managedFields")
    assert {k: v for k, v in now["metadata"].items() if k not in changing} == {
        k: v for k, v in made["metadata"].items() if k not in changing
    }
    writers = {(m["manager"], m.get("subresource", "")) for m in now["metadata"]["managedFields"]}
    assert ("pintle-status", "status") in writers
    assert not [writer for writer in writers if writer[0] == "pintle"]


def test_after_convergence_nothing_changes_any_more(toy: OperatorProcess, space: Space, tmp_path: Path) -> None:
    """Ten resyncs and a restart leave every resourceVersion as it was."""
    space.create(training_job())
    space.create(model_deployment())
    train(space, StandIn(space.rest, space.name))
    eventually(lambda: condition(space, "ModelDeployment", "delays").get("status") == "True")
    assert toy.terminate() == 0
    before = snapshot(space)
    resyncing = OperatorProcess(
        space.server.kubeconfig,
        tmp_path,
        module=TOY,
        namespaces=[space.name],
        lease_namespace=space.name,
        env={"PINTLE_RESYNC_SECONDS": "0.2"},
    )
    with resyncing as operator:
        operator.wait_leading()
        # Three parents; the first looks of a start and ten resyncs are at least eleven each.
        eventually(lambda: operator.metric("pintle_operator_looks_total") >= 33)
        assert operator.metric("pintle_operator_writes_total") == 0
    assert snapshot(space) == before


def test_what_the_api_server_refuses_reaches_the_status(toy: OperatorProcess, space: Space) -> None:
    """An impossible resource of the user's pod is a condition with the server's words, and mending it mends it."""
    body = training_job(trainer__resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}})
    space.create(body)
    refused = eventually(lambda: condition(space, "TrainingJob", "delays").get("reason") == "WriteRefused")
    assert refused
    assert "must be less than or equal to cpu limit" in condition(space, "TrainingJob", "delays")["message"]
    space.rest.merge(space.placed(body), {"spec": {"trainer": {"resources": {"limits": {"cpu": "2"}}}}})
    eventually(lambda: space.get("batch/v1", "Job", "delays-run"))
    eventually(lambda: condition(space, "TrainingJob", "delays").get("reason") == "Running")


def test_traffic_changed_by_another_is_looked_at_again(toy: OperatorProcess, space: Space) -> None:
    """Somebody's edit of our route is undone by a fresh decision, upon the state that they left."""
    space.create(model_deployment())
    eventually(lambda: condition(space, "ModelDeployment", "delays").get("status") == "True")
    route = space.get(ROUTE_API, "HTTPRoute", "delays")
    assert route is not None
    theirs = [{"backendRefs": [{"name": "theirs", "port": 80}]}]
    edited = space.rest.merge(route, {"spec": {"rules": theirs}})
    assert edited["spec"]["rules"][0]["backendRefs"][0]["name"] == "theirs"
    eventually(lambda: backend(space, "delays") == "delays-1")


def test_only_the_holder_of_the_lease_acts(toy: OperatorProcess, space: Space, tmp_path: Path) -> None:
    """The second replica is ready and idle; when the first is stopped it goes on within seconds."""
    options: dict[str, Any] = {"module": TOY, "namespaces": [space.name], "lease_namespace": space.name}
    with OperatorProcess(space.server.kubeconfig, tmp_path, **options) as second:
        second.wait_ready()
        space.create(training_job())
        eventually(lambda: space.get("batch/v1", "Job", "delays-run"))
        assert second.metric("pintle_operator_leader") == 0
        assert second.metric("pintle_operator_looks_total") == 0
        began = time.monotonic()
        assert toy.terminate() == 0
        train(space, StandIn(space.rest, space.name))
        # A released Lease is taken at the next try, not after its 15 seconds.
        assert time.monotonic() - began < 10
        assert second.decisions()


def test_a_leader_that_loses_its_lease_ends_without_another_write(toy: OperatorProcess, space: Space) -> None:
    """Another holder in the Lease: the process ends with an error, to be restarted as a standby."""
    lease = space.get("coordination.k8s.io/v1", "Lease", "pintle-operator")
    assert lease is not None
    space.rest.merge(lease, {"spec": {"holderIdentity": "another"}})
    assert toy.wait_ended() == 1
    writes = len(toy.decisions())
    space.create(training_job())
    assert len(toy.decisions()) == writes
    assert space.get("batch/v1", "Job", "delays-run") is None


@pytest.mark.parametrize("effect", range(1, 5))
def test_a_training_killed_after_any_effect_ends_alike(effect: int, space: Space, tmp_path: Path) -> None:
    """SIGKILL after the n-th effect; a new process with only the API server to go by reaches the same state."""
    space.create(training_job())
    _killed_and_replaced(space, tmp_path, effect, lambda: train(space, StandIn(space.rest, space.name)))
    assert len(space.list("batch/v1", "Job")) == 1
    assert [v["metadata"]["name"] for v in space.list(API_VERSION, "ModelVersion")] == ["delays-v1"]
    assert condition(space, "TrainingJob", "delays")["reason"] == "Done"


@pytest.mark.parametrize("effect", range(1, 9))
def test_a_change_of_traffic_killed_after_any_effect_ends_alike(effect: int, space: Space, tmp_path: Path) -> None:
    """From version 1 to 2: at the end the route points to 2, the old Service is gone, the status says so."""
    space.create(model_deployment())

    def change() -> None:
        eventually(lambda: condition(space, "ModelDeployment", "delays").get("status") == "True")
        space.rest.merge(space.placed(model_deployment()), {"spec": {"version": 2}})
        eventually(lambda: condition(space, "ModelDeployment", "delays").get("message") == "delays-2")
        eventually(lambda: backend(space, "delays") == "delays-2" and not space.get("v1", "Service", "delays-1"))
        eventually(lambda: condition(space, "ModelDeployment", "delays").get("status") == "True")

    _killed_and_replaced(space, tmp_path, effect, change)
    assert [service["metadata"]["name"] for service in space.list("v1", "Service")] == ["delays-2"]


def _killed_and_replaced(space: Space, folder: Path, effect: int, drive: Callable[[], None]) -> None:
    """Drive a process that dies after its n-th effect; one without the fault follows it, as a restarted container."""
    options: dict[str, Any] = {"module": TOY, "namespaces": [space.name], "lease_namespace": space.name, "uid": "pod"}
    first = OperatorProcess(space.server.kubeconfig, folder, kill_after=effect, **options).start()
    second = OperatorProcess(space.server.kubeconfig, folder, **options)

    def follow() -> int:
        code = first.wait_ended(40)
        second.start()
        return code

    with ThreadPoolExecutor(1) as kubelet:
        death = kubelet.submit(follow)
        try:
            drive()
            assert death.result() == -signal.SIGKILL, "the effect was not reached"
            second.wait_leading()
            eventually(lambda: second.metric("pintle_operator_queue_depth") == 0)
        finally:
            first.kill()
            death.exception()
            second.kill()


def test_idle_memory_is_small(toy: OperatorProcess) -> None:
    """Below 120 MB with an empty store; the figure of many objects is a bench's."""
    assert toy.resident_megabytes() < 120


def test_every_line_of_the_log_is_json(toy: OperatorProcess, space: Space) -> None:
    """Errors of kopf and of asyncio included; `lines` parses them all."""
    space.create(training_job())
    eventually(lambda: toy.decisions())
    assert toy.terminate() == 0
    assert json.dumps(toy.lines())


def test_an_api_server_that_restarts_is_survived(tmp_path: Path) -> None:
    """Watches and connections break; the same process goes on and sees what is made afterwards."""
    with serving(gateway=True) as (server, rest):
        rest.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
        space = Space(server, rest, "team")
        with OperatorProcess(server.kubeconfig, tmp_path, module=TOY) as operator:
            operator.wait_leading()
            server.restart()
            space.create(training_job())
            train(space, StandIn(rest, "team"))
            assert operator.process.poll() is None
