"""What the story applies: the example's objects, with their times shrunk to the scale of the replay."""

from __future__ import annotations

import copy
from typing import Any

from e2e.demo import objects
from e2e.demo.flights import EXAMPLE
from e2e.story.scale import Scale, start_of

NAME = objects.NAME
BRILLIANT = "brilliant"
BRILLIANT_CODE = "brilliant-code"
LEAK = "dep_delay"

Obj = dict[str, Any]


def training_job(scale: Scale, champion: bool = True, mode: str = "Automatic") -> Obj:
    """The example's TrainingJob: at most three months of training rows, judged on the newest.

    With `champion`, a new version has to be surely better than the champion of the time; the first one has none, and
    January alone beats no linear fit surely, so it is asked for less.
    """
    (job,) = objects.example("trainingjob.yaml")
    made = copy.deepcopy(job)
    made["spec"]["triggers"] = {"onNewData": {"pollSeconds": 10}}
    made["spec"]["retrainPolicy"] = {
        "mode": mode,
        "cooldownSeconds": scale.seconds(days=10),
        "maxPerDay": 48,
        "maxConsecutiveFailures": 20,
    }
    made["spec"]["runsHistoryLimit"] = 10
    made["spec"]["gates"] = [{"metric": "auc", "min": "0.6"}]
    if champion:
        made["spec"]["gates"].append({"metric": "auc", "comparedTo": "Champion", "require": "Better"})
    return made


def model_deployment(scale: Scale, gateway: str, automation: str = "Act") -> Obj:
    """The example's ModelDeployment with steps of a few days and a guard of a week."""
    made = objects.model_deployment(gateway)
    cohorts = {"name": "PINTLE_COHORT_SECONDS", "value": str(scale.seconds(days=1))}
    made["spec"]["runtime"] = {**made["spec"].get("runtime", {}), "env": [cohorts]}
    made["spec"] |= {
        "automation": automation,
        "rollout": {
            "sensitivity": "Fast",
            "steps": [
                {"weight": 20, "minSeconds": scale.seconds(days=2)},
                {"weight": 50, "minSeconds": scale.seconds(days=2)},
            ],
            "deadlineSeconds": 600,
        },
        "guard": {"seconds": scale.seconds(days=7), "holdbackWeight": 10},
        "monitoring": {
            "drift": {
                "windows": [
                    {"seconds": max(5, scale.seconds(days=7)), "floor": "7d"},
                ],
                "forPeriods": 2,
                "periodSeconds": max(2, scale.seconds(days=2)),
            }
        },
        "retrain": {"trainingJobRef": {"name": NAME}, "causes": ["FeatureDrift"]},
        "owner": {"team": "delays", "contact": "delays@example.org", "runbookURL": "https://example.org/runbook"},
    }
    return made


def brilliant(with_availability: bool = False) -> Obj:
    """A TrainingJob for the same model that also learns from the departure delay, which nobody has in time."""
    (job,) = objects.example("trainingjob.yaml")
    made = copy.deepcopy(job)
    made["metadata"]["name"] = BRILLIANT
    made["spec"] |= {"modelName": NAME, "source": {"configMapRef": {"name": BRILLIANT_CODE}}}
    made["spec"]["trainer"]["command"] = ["python", "/pintle/code/brilliant.py"]
    made["spec"]["gates"] = training_job(Scale(40, start_of(1)))["spec"]["gates"]
    leak = {"name": LEAK, "type": "Number"}
    if with_availability:
        leak["availableAt"] = "Training"
    made["spec"]["schema"]["features"].append(leak)
    return made


def brilliant_code() -> Obj:
    """The same training code and one file that adds the column."""
    files = {name: (EXAMPLE / name).read_text("utf-8") for name in ("train.py", "features.py", "brilliant.py")}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": BRILLIANT_CODE}, "data": files}
