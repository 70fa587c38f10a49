"""What survives the loss of the operator or of Prometheus, in the middle of a canary.

These take both away from everybody: they run one by one after the other tests (`pytest -m disturbs`). Each leaves two
operators and a Prometheus that answers, also when it fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from e2e.kubectl import Kubectl
from e2e.tests.conftest import World, fresh_namespace
from e2e.tests.operators import Operators, eventually, on_this_machine, process_of, stopped, uid
from e2e.tests.rolling import Rolling, soon_proven
from e2e.tests.routes import RouteState, RouteWatch
from e2e.tests.versions import Made, load_versions

pytestmark = pytest.mark.disturbs

MONITORING = "monitoring"
GOOD, BETTER, BAD = 1, 2, 3
A_WHOLE_ROLLOUT = ["Serve", "Step", "Step", "Promote", "Accept"]
"""What the history says of a first version and of one that took its place, each deed done once."""


@pytest.fixture(scope="module")
def models(world: World, runner_image: str) -> Iterator[Kubectl]:
    """A namespace with two versions that are as good, and one that fails half of its requests."""
    with fresh_namespace(world, "disturbed") as kube:
        load_versions(kube, runner_image, [Made(GOOD), Made(BETTER), Made(BAD, errors=0.5)])
        yield kube


@pytest.fixture
def operators(world: World) -> Iterator[Operators]:
    """Both replicas of the operator, well before and after the test."""
    found = Operators.of(world.kubeconfig)
    found.wait_healthy()
    yield found
    found.wait_healthy()


@contextmanager
def without_prometheus(world: World) -> Iterator[None]:
    """No Prometheus inside; afterwards it answers again, and has forgotten everything."""
    kube = Kubectl(world.kubeconfig, MONITORING)
    kube.run("scale", "deployment/prometheus", "--replicas=0")
    try:
        kube.wait_gone("pods", "app=prometheus")
        yield
    finally:
        kube.run("scale", "deployment/prometheus", "--replicas=1")
        kube.run("rollout", "status", "deployment/prometheus", "--timeout=120s", timeout=130)


def actions(status: dict[str, Any]) -> list[str]:
    """What was done, oldest first."""
    return [entry["action"] for entry in sorted(status["history"], key=lambda entry: str(entry["time"]))]


def test_prometheus_down_in_a_canary_holds_and_resumes(models: Kubectl, world: World, operators: Operators) -> None:
    """Without Prometheus a canary neither advances nor goes back, and says why; when it answers, the rollout ends."""
    rolling = Rolling(models, world, "unseen")
    rolling.serve(GOOD)
    with rolling.load() as load, RouteWatch(models, "unseen") as route:
        rolling.apply(BETTER, rollout=soon_proven(10, 2))
        route.until("at its first step", lambda state: state.share == 20)
        with without_prometheus(world):
            before = len(route.states)

            def held(status: dict[str, Any]) -> bool:
                since = datetime.fromisoformat(status["rollout"]["stepTime"])
                found = {item["type"]: item["reason"] for item in status["conditions"]}
                long_ago = datetime.now(UTC) - since > timedelta(seconds=20)
                return long_ago and found["Progressing"] == "MetricsUnavailable"

            status = rolling.until("held", held)
            assert (status["canary"]["version"], status["canary"]["weight"]) == (BETTER, 20)
            assert {state.share for state in route.states[before:]} <= {20}
        status = rolling.until_ready(BETTER, seconds=120)
    assert load.failures == []
    assert actions(status) == A_WHOLE_ROLLOUT


STAGES: dict[str, Callable[[RouteState], bool]] = {
    "joined": lambda state: state.share is not None,
    "first step": lambda state: state.share == 20,
    "second step": lambda state: state.share == 50,
    "guard": lambda state: state.in_guard,
    "accepted": lambda state: len(state.weights) == 1 and stable_version(state) == BETTER,
}


def test_the_operator_is_killed_at_every_step_of_a_rollout(models: Kubectl, world: World, operators: Operators) -> None:
    """It dies while pods start, when they join, at each step, in the guard and after it: each deed is done once."""
    rolling = Rolling(models, world, "killed")
    rolling.serve(GOOD)
    deaths = {}
    with rolling.load() as load, RouteWatch(models, "killed") as route:
        rolling.apply(BETTER, rollout=soon_proven(5, 5), guard={"seconds": 15, "holdbackWeight": 20})
        selector = f"pintle.dev/deployment=killed,pintle.dev/version={BETTER}"
        eventually(lambda: bool(models.list("deployments", selector)), "the new revision is made")
        deaths["made"] = operators.kill_leader(), route.states[-1].weights
        for what, met in STAGES.items():
            route.until(what, met)
            deaths[what] = operators.kill_leader(), route.states[-1].weights
        status = rolling.until_ready(BETTER)
        models.wait_gone("deployments", f"pintle.dev/deployment=killed,pintle.dev/version={GOOD}")
    assert load.failures == [], deaths
    assert actions(status) == A_WHOLE_ROLLOUT, deaths
    # It was dead at different points of the way, not afterwards.
    assert len({str(sorted(weights.values())) for _, weights in deaths.values()}) >= 4, deaths
    assert rolling.condition("Ready")["status"] == "True"
    assert status.get("refused") in (None, [])


def stable_version(state: RouteState) -> int:
    """The version that is stable."""
    stable = state.record.get("stable", "")
    return int(state.record["revisions"][stable]["version"])


def test_of_two_operators_one_acts_and_the_other_takes_over(
    models: Kubectl, world: World, operators: Operators
) -> None:
    """The one that stands by looks at nothing; when the pod that leads is lost in a canary, it ends the rollout."""
    rolling = Rolling(models, world, "two")
    leader, standby = operators.both()
    written = operators.metric(leader, "pintle_operator_writes_total")
    rolling.serve(GOOD)
    with rolling.load() as load, RouteWatch(models, "two") as route:
        rolling.apply(BETTER, rollout=soon_proven(5, 2))
        route.until("at its first step", lambda state: state.share == 20)
        assert operators.metric(leader, "pintle_operator_writes_total") > written
        for idle in ("pintle_operator_leader", "pintle_operator_looks_total", "pintle_operator_writes_total"):
            assert operators.metric(standby, idle) == 0, idle
        operators.lose(leader)
        successor = operators.leader(but=uid(leader))
        status = rolling.until_ready(BETTER)
    assert operators.metric(successor, "pintle_operator_writes_total") > 0
    assert load.failures == []
    assert actions(status) == A_WHOLE_ROLLOUT


def test_a_stale_leader_raises_no_refused_revision(models: Kubectl, world: World, operators: Operators) -> None:
    """Stopped when it was about to give a canary its first share, woken after another leader has refused it."""
    if not on_this_machine():
        pytest.skip("stops a process of a pod from outside: signals reach it on the cluster from source only")
    rolling = Rolling(models, world, "stale")
    rolling.serve(GOOD)
    leader, standby = operators.both()
    process, restarts = process_of(leader), operators.restarts(leader)
    with rolling.load(per_second=60) as load, RouteWatch(models, "stale") as route:
        rolling.apply(BAD)
        joined = route.until("joined", lambda state: state.share is not None)
        # It has told of it, and waits a second until the gateway knows the pods: the first share is what comes next.
        written = route.states[joined].record["sequence"]
        eventually(lambda: rolling.status().get("sequence", 0) >= written, "the status tells of it")
        with stopped(process):
            shares = {state.share for state in route.states[joined:]}
            assert shares == {0}, "stopped too late: it has nothing left to do when it wakes"
            bad = route.states[joined].canary
            refused = route.until("rolled back", lambda state: state.refuses(bad), after=joined)
            assert operators.holder() == uid(standby)
        eventually(lambda: operators.restarts(leader) > restarts, "the stale leader has ended")
        operators.wait_healthy()
        asked_bad, failed = load.versions[str(BAD)], len(load.failures)
        load.wait_for_answers(str(GOOD), load.versions[str(GOOD)] + 100)
        status = rolling.status()
    assert operators.leads(standby)
    assert [state.weights.get(bad, 0) for state in route.states[refused:] if state.weights.get(bad)] == []
    assert all(state.refuses(bad) for state in route.states[refused:])
    assert (load.versions[str(BAD)], len(load.failures)) == (asked_bad, failed)
    assert [entry["action"] for entry in status["history"]].count("Rollback") == 1
    assert status["stable"]["version"] == GOOD
