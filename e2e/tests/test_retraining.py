"""Runs by themselves on the real cluster: what starts one, what holds one back, and against whom it has to win."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from e2e.kubectl import Kubectl, condition, patience
from e2e.tests.conftest import World
from e2e.tests.objects import TRAIN, config_map, load_claim, model_deployment, months, restricted_pod, training_job
from e2e.tests.rolling import Rolling

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
    deadline = time.monotonic() + patience(seconds)
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
    first = until(ready, ended(1))["runs"][0]
    ready.wait("modelversion", "late-v1", "Ready", timeout=120)
    status = listed_again(ready, first["name"], times=1)
    assert (len(status["runs"]), status["governor"].get("reason")) == (1, None), "what the first run read is not new"
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


def test_a_worse_candidate_is_refused_and_kept(ready: Kubectl, runner_image: str) -> None:
    """A model that has learned less than the champion is registered with the figures that beat it, and not Ready.

    After it the cooldown is twice as long.
    """
    ready.apply(training_job())
    until(ready, ended(1))
    ready.wait("modelversion", "late-v1", "Ready", timeout=120)
    gates = [{"metric": "brier", "comparedTo": "Champion"}]
    worse = {"gates": gates, "hyperparameters": [{"name": "c", "value": "0.0001"}]}
    ready.apply(training_job(**worse))
    status = until(ready, ended(2))
    assert status["runs"][0]["reason"] == "GatesFailed"
    version = ready.wait_reason("modelversion", "late-v2", "Ready", "GatesFailed", timeout=120)
    assert version["spec"]["gates"][0]["message"].endswith("is worse than v1")
    assert status["latestVersion"] == 1
    ready.apply(training_job(**worse, triggers=POLLING, retrainPolicy={"cooldownSeconds": 1000}))
    land(ready, runner_image, 4)
    message = until(ready, held("Cooldown"), 120)["governor"]["message"]
    assert message == "Cooldown of 2000 s after the last run, doubled for 1 refused."


def test_data_that_break_the_schema_train_nothing_by_themselves(ready: Kubectl, runner_image: str) -> None:
    """The run that they start says what is wrong, makes no version, and the same data start no other.

    As many failures in a row as are allowed hold back what other data would start.
    """
    ready.apply(training_job(triggers=POLLING, retrainPolicy={**FREE, "maxConsecutiveFailures": 1}))
    until(ready, ended(1))
    land(ready, runner_image, 4, broken=True)
    newest = until(ready, ended(2))["runs"][0]
    assert (newest["trigger"]["kind"], newest["reason"]) == ("NewData", "DataInvalid")
    assert "wind" in newest["message"]
    status = listed_again(ready, newest["name"])
    assert len(status["runs"]) == 2
    assert status["governor"]["consecutiveFailures"] == 1
    land(ready, runner_image, 5)
    status = until(ready, held("ConsecutiveFailures"), 120)
    assert condition({"status": status}, "RetrainHeld")["status"] == "True"
    assert len(status["runs"]) == 2
    assert [version["metadata"]["name"] for version in ready.list("mver")] == ["late-v1"]


def test_the_brakes_hold_and_a_person_goes_on(ready: Kubectl, runner_image: str) -> None:
    """Each brake by its reason; a person's word runs whatever they say, one at a time, and once."""
    ready.apply(training_job(triggers=POLLING, retrainPolicy={**FREE, "mode": "Suggest"}))
    until(ready, ended(1))
    land(ready, runner_image, 4)
    until(ready, held("Suggested"), 120)
    found = ready.wait("tj", "late", "RetrainSuggested")
    assert "2013-04" in condition(found, "RetrainSuggested")["message"]
    ready.apply(training_job(triggers=POLLING, retrainPolicy={**FREE, "mode": "Off"}))
    until(ready, held("TurnedOff"), 60)
    ready.apply(training_job(triggers=POLLING, retrainPolicy=FREE, suspend=True))
    until(ready, held("Suspended"), 60)
    ready.apply(training_job(triggers=POLLING, retrainPolicy={**FREE, "cooldownSeconds": 86400}))
    status = until(ready, held("Cooldown"), 60)
    assert status["governor"]["retryTime"]
    assert not condition({"status": status}, "RetrainSuggested")
    ask(ready, "one")
    until(ready, lambda status: len(status["runs"]) == 2)
    ask(ready, "at once")
    until(ready, held("RunGoing"), 60)
    ready.run("annotate", "tj", "late", "pintle.dev/run-")
    status = until(ready, ended(2))
    assert status["runs"][0]["trigger"] == {"kind": "Person", "id": "one", "source": "ann"}
    ready.apply(training_job(triggers=POLLING, retrainPolicy={**FREE, "maxPerDay": 1}))
    land(ready, runner_image, 5)
    assert until(ready, ended(3))["runs"][0]["trigger"]["kind"] == "NewData"
    land(ready, runner_image, 6)
    until(ready, held("DailyBudget"), 120)
    ready.apply(training_job(triggers=POLLING, retrainPolicy={**FREE, "minNewRows": 100000}))
    newest = until(ready, ended(4))["runs"][0]
    assert (newest["trigger"]["kind"], newest["reason"], newest.get("version")) == ("NewData", "NeedMoreData", None)
    ask(ready, "one", by="bob")
    ask(ready, "two")
    status = until(ready, ended(5))
    asked = [run["trigger"].get("id") for run in status["runs"] if run["trigger"]["kind"] == "Person"]
    assert asked == ["two", "one"]
    reasons = {event["reason"] for event in ready.list("events") if event["involvedObject"]["kind"] == "TrainingJob"}
    assert {"Suggested", "TurnedOff", "Suspended", "Cooldown", "RunGoing", "DailyBudget"} <= reasons


# A look every two seconds at the last ten; drift and its end are found by two looks in a row.
WATCHED = {
    "monitoring": {
        "drift": {"windows": [{"seconds": 10, "floor": "7d"}], "periodSeconds": 2, "forPeriods": 2},
    },
    "retrain": {"trainingJobRef": {"name": "late"}, "causes": ["FeatureDrift"]},
}


@dataclass
class Weather:
    """Makes request bodies as the training rows are; `gale` is added to the wind."""

    gale: float = 0.0
    rng: random.Random = field(default_factory=lambda: random.Random(5))

    def __call__(self) -> dict[str, Any]:
        wind = self.gale + self.rng.uniform(0, 30)
        return {
            "rows": [{"carrier": self.rng.choice(["AA", "UA", "B6"]), "hour": self.rng.randrange(24), "wind": wind}]
        }


def test_drift_retrains_once_not_twice(ready: Kubectl, runner_image: str, world: World) -> None:
    """One run for a drift, however long it lasts; the next is held until its version serves, and is for new data."""
    ready.apply(training_job(retrainPolicy=FREE))
    until(ready, ended(1))
    land(ready, runner_image, 4)
    rolling = Rolling(ready, world)

    def serve(version: int) -> None:
        ready.apply(model_deployment(path=f"/{ready.namespace}/late", version=version, **WATCHED))

    def drifts(answer: str) -> dict[str, Any]:
        return rolling.until(
            f"drift {answer}", lambda s: condition({"status": s}, "FeatureDrift").get("status") == answer
        )

    ready.wait("mver", "late-v1", "Ready", timeout=120)
    serve(1)
    ready.wait("mdep", "late", "Ready", timeout=120)
    weather = Weather()
    with rolling.load(weather):
        drifts("False")
        weather.gale = 60.0
        newest = until(ready, ended(2))["runs"][0]
        assert (newest["trigger"]["kind"], newest["trigger"]["source"]) == ("FeatureDrift", "late")
        assert newest["trigger"]["message"].startswith("wind: PSI ")
        assert newest["version"] == 2
        ready.wait("mver", "late-v2", "Ready", timeout=120)
        # It drifts as before, and nothing asks any more.
        assert len(drifts("True")["causes"]) == 1
        assert "refused" not in until(ready, ended(2))["governor"]
        weather.gale = 0.0
        drifts("False")
        weather.gale = 60.0
        until(ready, held("CandidateWaiting"), 60)
        ready.apply(training_job(retrainPolicy={**FREE, "cooldownSeconds": 86400}))
        serve(2)
        rolling.until("drift of the new one", lambda s: s["stable"]["version"] == 2 and bool(s.get("causes")))
        until(ready, held("Cooldown"), 60)
        ready.apply(training_job(triggers=POLLING, retrainPolicy=FREE))
        status = until(ready, held("NothingNew"), 60)
    assert len(status["runs"]) == 2
    reasons = {event["reason"] for event in ready.list("events") if event["involvedObject"]["kind"] == "TrainingJob"}
    assert "ListingData" in reasons
