"""Canaries on the real cluster, judged on the real Prometheus, under load through the real gateway."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from e2e.kubectl import Kubectl, condition
from e2e.tests.conftest import World
from e2e.tests.rolling import GUARD, ROLLOUT, Rolling, Rows, soon_proven
from e2e.tests.versions import Made, load_versions

Prepare = Callable[..., Rolling]


def seconds(time: str) -> float:
    """A time of the API as Unix seconds."""
    return datetime.fromisoformat(time).timestamp()


@pytest.fixture
def prepared(kube: Kubectl, world: World, runner_image: str) -> Prepare:
    """Makes the versions of a test Ready; returns its deployment, which serves the first of them."""

    def prepare(*versions: Made, name: str = "late", **spec: object) -> Rolling:
        load_versions(kube, runner_image, versions)
        rolling = Rolling(kube, world, name)
        rolling.serve(versions[0].version, **spec)
        return rolling

    return prepare


def test_an_identical_canary_is_promoted(prepared: Prepare) -> None:
    """A version that is as good goes through all steps and the guard, and no request is lost."""
    rolling = prepared(Made(1), Made(2))
    with rolling.load() as load:
        load.wait_for_version("1")
        rolling.apply(2)
        first = rolling.until_canary(2)
        assert first["stable"]["version"] == 1
        status = rolling.until_ready(2, seconds=180)
    assert load.failures == []
    assert status.get("refused") in (None, [])
    assert rolling.condition("Ready")["status"] == "True"
    actions = [entry["action"] for entry in status["history"]]
    assert "Promote" in actions
    # Both served at the same time, the canary with less.
    assert load.versions["2"] > 0


def test_five_percent_errors_roll_back(prepared: Prepare) -> None:
    """A canary that fails 5 % of its requests goes back by itself; only requests that it answered have failed."""
    rolling = prepared(Made(1), Made(2, errors=0.05))
    with rolling.load(per_second=60) as load:
        load.wait_for_version("1")
        rolling.apply(2)
        status = rolling.until_refused(2, seconds=240)
        before = load.versions["1"]
        load.wait_for_answers("1", before + 100)
    assert status["stable"]["version"] == 1
    assert all(failure.startswith("500") for failure in load.failures), load.failures[:3]
    assert load.failures
    ready, available = rolling.condition("Ready"), rolling.condition("Available")
    assert (ready["status"], ready["reason"]) == ("False", "RolledBack")
    assert available["status"] == "True"
    entry = next(item for item in status["history"] if item["action"] == "Rollback")
    assert entry["rule"] == "errors"
    assert float(entry["value"]) > float(entry["stableValue"])
    assert entry["rows"] > 0


def test_an_incident_becomes_a_recording_that_replays_the_same(prepared: Prepare, world: World, tmp_path: Path) -> None:
    """What `why --record` finds of a rollback, `backtest` takes back by the same test."""
    rolling = prepared(Made(1), Made(2, errors=0.2))
    with rolling.load(per_second=60) as load:
        load.wait_for_version("1")
        rolling.apply(2)
        status = rolling.until_refused(2, seconds=240)
    entry = next(item for item in status["history"] if item["action"] == "Rollback")
    file = str(tmp_path / "incident.jsonl.gz")
    rolling.kube.plugin("why", rolling.name, "--record", file, "--prometheus", world.prometheus)
    found = json.loads(rolling.kube.plugin("backtest", file, "-o", "json"))
    assert (found["outcome"], found["agrees"]) == ("RolledBack", True)
    assert found["decided"]["rule"] == entry["rule"]
    # The operator looks several times within a block of the grid, the replay once at its end.
    assert abs(seconds(found["decided"]["time"]) - seconds(entry["time"])) < 5
    calm = json.loads(rolling.kube.plugin("backtest", file, "-o", "json", "--set", "advanced.errors.tolerated=0.5"))
    assert calm["decided"] is None or calm["decided"].get("rule") != "errors"


def test_a_canary_that_its_requests_kill_rolls_back(prepared: Prepare) -> None:
    """A canary that some requests kill (out of memory) exports no errors of them; it goes back all the same."""
    runtime = {"resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}}}
    rolling = prepared(Made(1), Made(2, deadly=0.05), runtime=runtime)
    with rolling.load() as load:
        load.wait_for_version("1")
        rolling.apply(2, runtime=runtime)
        status = rolling.until_refused(2, seconds=240)
        load.wait_for_answers("1", load.versions["1"] + 100)
    assert status["stable"]["version"] == 1
    assert rolling.condition("Available")["status"] == "True"


def test_a_crash_looping_canary_gets_no_traffic(prepared: Prepare) -> None:
    """A server that ends at its start is told by its exit code; the stable loses nothing, and a mended one goes on."""
    rolling = prepared(Made(1), Made(2))
    broken = {"env": [{"name": "PINTLE_LOSS_SCALE", "value": "many"}]}
    with rolling.load() as load:
        load.wait_for_version("1")
        rolling.apply(2, runtime=broken, rollout={**ROLLOUT, "progressDeadlineSeconds": 10})

        def told(status: dict[str, Any]) -> bool:
            found = condition({"status": status}, "Progressing")
            return found["reason"] == "RevisionNotReady" and "exit code 78" in found["message"]

        status = rolling.until("given up", told)
        assert not status["canary"].get("weight")
        assert load.versions["2"] == 0
        rolling.apply(2)
        rolling.until_canary(2)
        load.wait_for_version("2")
    assert load.failures == []


def test_a_differently_scoring_candidate_is_promoted(prepared: Prepare) -> None:
    """Another distribution of scores is told, and is no reason to go back."""
    rolling = prepared(Made(1), Made(2, offset=1.0, slope=2.0))
    with rolling.load() as load:
        load.wait_for_version("1")
        rolling.apply(2, rollout=soon_proven(4, 8))
        status = rolling.until_ready(2, seconds=180)
    assert load.failures == []
    assert status.get("refused") in (None, [])
    assert "scores" in {entry.get("rule") for entry in status["history"]}


def test_a_column_that_live_rows_lack_rolls_back(prepared: Prepare) -> None:
    """A version whose best column is missing in every live row is found by its missing share."""
    rolling = prepared(Made(1), Made(2, extra=True))
    with rolling.load() as load:
        load.wait_for_version("1")
        rolling.apply(2)
        status = rolling.until_refused(2, seconds=180)
    assert load.failures == []
    entry = next(item for item in status["history"] if item["action"] == "Rollback")
    assert entry["rule"].startswith("missing")
    assert "extra" in entry["why"], entry


def test_no_traffic_holds(prepared: Prepare) -> None:
    """Without requests there is no verdict: the canary stays at its step; it goes on when requests come."""
    rolling = prepared(Made(1), Made(2))
    rolling.apply(2, rollout=soon_proven(2, 2))
    status = rolling.until_canary(2)
    assert status["stable"]["weight"] == 80

    def held(status: dict[str, Any]) -> bool:
        """Four times the step's minSeconds have passed, and it stands where it stood."""
        rollout = status.get("rollout") or {}
        since = datetime.fromisoformat(rollout["stepTime"]) if rollout.get("stepTime") else datetime.now(UTC)
        waited = datetime.now(UTC) - since
        return waited > timedelta(seconds=8) and rollout.get("step") == 1 and status["canary"]["weight"] == 20

    status = rolling.until("held at its first step", held, seconds=60)
    assert status["stable"]["version"] == 1
    assert rolling.condition("Progressing")["reason"] == "AwaitingEvidence"
    with rolling.load() as load:
        rolling.until_ready(2, seconds=180)
    assert load.failures == []


def test_bad_after_promotion_goes_back(prepared: Prepare) -> None:
    """A version that meets its bad rows only after promotion is found in the guard; the old one takes all again."""
    rows = Rows(low=0.5)
    guard = {"seconds": 300, "holdbackWeight": 20}
    rolling = prepared(Made(1), Made(2, errors=0.4), guard=guard)
    with rolling.load(rows, per_second=60) as load:
        load.wait_for_version("1")
        rolling.apply(2, rollout=soon_proven(2, 2), guard=guard)
        guarded = rolling.until("in the guard", lambda s: (s.get("rollout") or {}).get("state") == "Guard", seconds=180)
        assert guarded["stable"]["version"] == 2
        assert guarded["previous"]["version"] == 1
        assert load.failures == []
        rows.low = 0.0
        status = rolling.until_refused(2, seconds=120)
        load.wait_for_answers("1", load.versions["1"] + 100)
    assert status["stable"]["version"] == 1
    assert any(entry["action"] == "GoBack" for entry in status["history"])


def test_a_refused_revision_is_not_tried_again(prepared: Prepare) -> None:
    """A re-apply of the same spec changes nothing; a person's `retry` starts it again."""
    rolling = prepared(Made(1), Made(2, extra=True))
    with rolling.load() as load:
        load.wait_for_version("1")
        rolling.apply(2)
        rolling.until_refused(2, seconds=180)
        refused = rolling.status()["refused"][0]["revision"]
        rolling.apply(1)
        rolling.until_ready(1)
        rolling.apply(2)
        generation = (rolling.kube.get("mdep", "late") or {})["metadata"]["generation"]
        status = rolling.until("looked at", lambda s: s["observedGeneration"] == generation)
        assert not status.get("canary", {}).get("weight")
        assert rolling.condition("Ready")["reason"] == "RolledBack"
        sent = load.versions["2"]
        load.wait_for_answers("1", load.versions["1"] + 100)
        assert load.versions["2"] == sent
        rolling.act("retry", revision=refused)
        rolling.until_canary(2)
    assert rolling.status()["action"]["result"] == "Done"


def test_a_pod_of_the_stable_is_killed_during_a_rollback(prepared: Prepare) -> None:
    """With two pods each, the loss of one stable pod in the rollback loses no request."""
    runtime = {"minReplicas": 2, "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}}}
    rolling = prepared(Made(1), Made(2, extra=True), runtime=runtime)
    with rolling.load() as load:
        load.wait_for_version("1")
        rolling.apply(2, runtime=runtime)
        rolling.until_canary(2)
        pods = rolling.kube.list("pods", "pintle.dev/deployment=late,pintle.dev/version=1")
        rolling.kube.run("delete", "pod", pods[0]["metadata"]["name"], "--wait=false")
        status = rolling.until_refused(2, seconds=180)
        load.wait_for_answers("1", load.versions["1"] + 100)
    assert load.failures == []
    assert status["stable"]["version"] == 1


def test_the_guard_keeps_what_the_autoscaler_had_grown(prepared: Prepare) -> None:
    """The stable has four pods when a version is promoted; the guard fails, and four pods take the traffic back."""
    resources = {"requests": {"cpu": "50m", "memory": "128Mi"}}
    grown = {"minReplicas": 4, "maxReplicas": 6, "resources": resources}
    runtime = {**grown, "minReplicas": 1}
    guard = {"seconds": 300, "holdbackWeight": 20}
    rows = Rows(low=0.5)
    rolling = prepared(Made(1), Made(2, errors=0.4), runtime=grown, guard=guard)
    stable = rolling.status()["stable"]["revision"]
    rolling.until("four pods", lambda s: s["stable"]["readyReplicas"] == 4)
    with rolling.load(rows, per_second=40) as load:
        load.wait_for_version("1")
        rolling.apply(2, runtime=runtime, rollout=soon_proven(2, 2), guard=guard)
        rolling.until("in the guard", lambda s: (s.get("rollout") or {}).get("state") == "Guard", seconds=240)
        found = rolling.kube.get("deployment", f"late-{stable}")
        scaler = rolling.kube.get("hpa", f"late-{stable}")
        assert found is not None
        assert scaler is not None
        assert found["status"]["readyReplicas"] >= 4
        # The autoscaler's own patience ends after minutes: it must not be allowed to take them away either.
        assert scaler["spec"]["minReplicas"] >= 4
        rows.low = 0.0
        status = rolling.until_refused(2, seconds=120)
        load.wait_for_answers("1", load.versions["1"] + 100)
    assert status["stable"]["readyReplicas"] >= 4
    assert all(failure.startswith("500") for failure in load.failures), load.failures[:3]


def test_two_deployments_of_one_model_are_judged_apart(prepared: Prepare, world: World) -> None:
    """A bad version rolls back where it serves; the other deployment of the model does not move."""
    rolling = prepared(Made(1), Made(2, extra=True), name="one")
    other = Rolling(rolling.kube, world, "two")
    other.serve(1)
    before = other.weights()
    with rolling.load() as load, other.load():
        load.wait_for_version("1")
        rolling.apply(2)
        rolling.until_refused(2, seconds=180)
    status = other.status()
    assert other.weights() == before
    assert status.get("refused") in (None, [])
    assert status["stable"]["version"] == 1


def test_a_deployment_that_is_deleted_in_the_middle_leaves_nothing(prepared: Prepare) -> None:
    """Deleted between two steps, it takes both revisions, their Services and the route with it."""
    rolling = prepared(Made(1), Made(2))
    with rolling.load() as load:
        load.wait_for_version("1")
        rolling.apply(2)
        rolling.until_canary(2)
    rolling.kube.run("delete", "mdep", "late")
    for kind in ("deployments", "services", "hpa", "pdb", "httproutes", "pods"):
        rolling.kube.wait_gone(kind, "pintle.dev/deployment=late")


def test_a_header_reaches_a_revision_and_is_not_judged(prepared: Prepare, world: World) -> None:
    """`x-pintle-version` picks a version for a tester; its requests are counted apart."""
    pause = {**ROLLOUT, "steps": [{"weight": 1, "minSeconds": 0}, {"pause": True}]}
    rolling = prepared(Made(1), Made(2), guard=GUARD)
    rolling.apply(2, rollout=pause)
    rolling.until_canary(2)
    with httpx.Client(timeout=5) as client:
        for version in ("1", "2"):
            for _ in range(5):
                answer = client.post(f"{rolling.url}/predict", json=Rows()(), headers={"x-pintle-version": version})
                assert answer.status_code == 200
                assert str(answer.json()["version"]) == version


def test_a_person_pauses_resumes_and_aborts(prepared: Prepare) -> None:
    """Words by annotation: pause holds, resume goes on, abort goes back and refuses."""
    rolling = prepared(Made(1), Made(2))
    with rolling.load() as load:
        load.wait_for_version("1")
        rolling.apply(
            2, rollout={**ROLLOUT, "steps": [{"weight": 20, "minSeconds": 5}, {"weight": 50, "minSeconds": 5}]}
        )
        revision = rolling.until_canary(2)["canary"]["revision"]
        rolling.act("pause", revision=revision)
        rolling.until("paused", lambda s: bool((s.get("rollout") or {}).get("paused")))
        sent = load.versions["1"]
        load.wait_for_answers("1", sent + 200)
        assert rolling.status()["stable"]["version"] == 1
        rolling.act("resume", revision=revision)
        rolling.until("resumed", lambda s: not (s.get("rollout") or {"paused": "x"}).get("paused"))
        rolling.act("abort", revision=revision)
        status = rolling.until_refused(2)
    assert status["stable"]["version"] == 1
    assert load.failures == []
