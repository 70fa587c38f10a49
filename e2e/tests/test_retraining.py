"""Runs by themselves on the real cluster: what starts one, what holds one back, and against whom it has to win."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from e2e.kubectl import Kubectl, condition
from e2e.tests.objects import TRAIN, config_map, load_claim, months, restricted_pod, training_job

MONTHS = months(6)
NOT_WORSE = {"metric": "brier", "comparedTo": "Champion", "require": "NotWorse", "margin": "0.05"}
POLLING = {"onNewData": {"pollSeconds": 10}}
FREE = {"cooldownSeconds": 0, "maxPerDay": 48}


@pytest.fixture
def ready(kube: Kubectl, runner_image: str) -> Kubectl:
    """A namespace with three months of data, an empty claim for models and the training code."""
    load_claim(kube, runner_image, {name: MONTHS[name] for name in sorted(MONTHS)[:3]})
    kube.apply(config_map("code", train_py=TRAIN))
    return kube


def land(kube: Kubectl, image: str, month: int, broken: bool = False) -> None:
    """The rows of a month land as a partition of the data set; broken ones have words where numbers should be."""
    name, pod = f"2013-{month:02d}.csv", f"land-{month}"
    text = months(month, broken=f"2013-{month:02d}")[name] if broken else MONTHS[name]
    kube.apply({**config_map(pod), "data": {name: text}})
    script = f"import shutil; shutil.copyfile('/in/{name}', '/data/months/{name}')"
    volumes = {"/in": {"configMap": {"name": pod}}, "/data": {"persistentVolumeClaim": {"claimName": "data"}}}
    kube.apply(restricted_pod(pod, image, ["python", "-c", script], volumes))
    kube.run("wait", f"pod/{pod}", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=120s", timeout=130)


def until(kube: Kubectl, holds: Callable[[dict[str, Any]], bool], seconds: float = 240) -> dict[str, Any]:
    """The status of the TrainingJob once this holds of it."""
    deadline = time.monotonic() + seconds
    while True:
        status = (kube.get("tj", "late") or {}).get("status") or {}
        if holds(status):
            return status
        assert time.monotonic() < deadline, json.dumps(status, indent=1)
        time.sleep(1)


def ended(number: int) -> Callable[[dict[str, Any]], bool]:
    """So many runs are on record, and all are over."""
    return lambda status: [run["result"] == "Running" for run in status.get("runs", ())] == [False] * number


def held(reason: str) -> Callable[[dict[str, Any]], bool]:
    return lambda status: (status.get("governor") or {}).get("reason") == reason


def listed_again(kube: Kubectl, run: str, times: int = 2) -> dict[str, Any]:
    """The status once the data were listed so many times more after this run."""
    first = until(kube, lambda status: status["governor"].get("listedAfter") == run, 120)["governor"]["listingNumber"]
    return until(kube, lambda status: status["governor"].get("listingNumber", 0) >= first + times, 120)


def ask(kube: Kubectl, identity: str, by: str = "ann") -> None:
    """A person asks for a run."""
    word = json.dumps({"id": identity, "by": by})
    kube.run("annotate", "tj", "late", "--overwrite", f"pintle.dev/run={word}")


def test_data_that_land_are_trained_once_and_against_the_champion(ready: Kubectl, runner_image: str) -> None:
    """A new month starts one run, whose model is compared with the one before it; nothing new, no run."""
    ready.apply(training_job(triggers=POLLING, retrainPolicy=FREE, gates=[NOT_WORSE]))
    until(ready, ended(1))
    ready.wait("modelversion", "late-v1", "Ready", timeout=120)
    land(ready, runner_image, 4)
    newest = until(ready, ended(2))["runs"][0]
    assert (newest["trigger"]["kind"], newest["version"]) == ("NewData", 2)
    assert "2013-04" in newest["trigger"]["message"]
    version = ready.wait("modelversion", "late-v2", "Ready", timeout=120)
    assert version["spec"]["source"]["trigger"].startswith("NewData: ")
    [gate] = version["spec"]["gates"]
    assert gate["verdict"] == "Pass"
    assert gate["message"].startswith("brier against Champion = ")
    assert gate["message"].endswith("against v1")
    status = listed_again(ready, newest["name"])
    assert status["governor"]["listing"] == status["governor"]["read"]
    assert len(status["runs"]) == 2


def test_a_worse_candidate_is_refused_and_kept(ready: Kubectl) -> None:
    """A model that has learned less than the champion is registered with the figures that beat it, and not Ready."""
    ready.apply(training_job())
    until(ready, ended(1))
    ready.wait("modelversion", "late-v1", "Ready", timeout=120)
    gates = [{"metric": "brier", "comparedTo": "Champion"}]
    ready.apply(training_job(gates=gates, hyperparameters=[{"name": "c", "value": "0.0001"}]))
    status = until(ready, ended(2))
    assert status["runs"][0]["reason"] == "GatesFailed"
    version = ready.wait_reason("modelversion", "late-v2", "Ready", "GatesFailed", timeout=120)
    assert version["spec"]["gates"][0]["message"].endswith("is worse than v1")
    assert status["latestVersion"] == 1


def test_data_that_break_the_schema_train_nothing_by_themselves(ready: Kubectl, runner_image: str) -> None:
    """The run that they start says what is wrong, makes no version, and the same data start no other."""
    ready.apply(training_job(triggers=POLLING, retrainPolicy=FREE))
    until(ready, ended(1))
    land(ready, runner_image, 4, broken=True)
    newest = until(ready, ended(2))["runs"][0]
    assert (newest["trigger"]["kind"], newest["reason"]) == ("NewData", "DataInvalid")
    assert "wind" in newest["message"]
    status = listed_again(ready, newest["name"])
    assert len(status["runs"]) == 2
    assert status["governor"]["consecutiveFailures"] == 1
    assert [version["metadata"]["name"] for version in ready.list("mver")] == ["late-v1"]


def test_the_brakes_hold_and_a_person_goes_on(ready: Kubectl, runner_image: str) -> None:
    """Suggest, cooldown and budget, each by its reason; a person's word runs whatever they say, and once."""
    ready.apply(training_job(triggers=POLLING, retrainPolicy={**FREE, "mode": "Suggest"}))
    until(ready, ended(1))
    land(ready, runner_image, 4)
    until(ready, held("Suggested"), 120)
    found = ready.wait("tj", "late", "RetrainSuggested")
    assert "2013-04" in condition(found, "RetrainSuggested")["message"]
    ready.apply(training_job(triggers=POLLING, retrainPolicy={**FREE, "cooldownSeconds": 86400}))
    status = until(ready, held("Cooldown"), 60)
    assert status["governor"]["retryTime"]
    assert not condition({"status": status}, "RetrainSuggested")
    ask(ready, "one")
    status = until(ready, ended(2))
    assert status["runs"][0]["trigger"] == {"kind": "Person", "id": "one", "source": "ann"}
    ready.apply(training_job(triggers=POLLING, retrainPolicy={**FREE, "maxPerDay": 1}))
    land(ready, runner_image, 5)
    assert until(ready, ended(3))["runs"][0]["trigger"]["kind"] == "NewData"
    land(ready, runner_image, 6)
    until(ready, held("DailyBudget"), 120)
    ask(ready, "one", by="bob")
    ask(ready, "two")
    status = until(ready, ended(4))
    asked = [run["trigger"].get("id") for run in status["runs"] if run["trigger"]["kind"] == "Person"]
    assert asked == ["two", "one"]
    reasons = {event["reason"] for event in ready.list("events") if event["involvedObject"]["kind"] == "TrainingJob"}
    assert {"Suggested", "Cooldown", "DailyBudget"} <= reasons
