"""A namespace in the middle of its life, for everything that shows objects to people: valid for a real API server.

Model `delays`: version 3 serves with version 4 as a canary at step 2 of 3; version 2 was refused once. Model `fares`: a
deployment in its guard, and one of a version that is not there. A TrainingJob whose governor holds a trigger back.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pintle.contract.names import API_VERSION

Obj = dict[str, Any]
NAMESPACE = "demo"
NOW = datetime(2026, 1, 5, 12, 30, tzinfo=UTC)


def digest(letter: str) -> str:
    return "sha256:" + letter * 64


def at(clock: str, day: int = 5) -> str:
    """A time of the fifth of January 2026."""
    return f"2026-01-{day:02d}T{clock}:00Z"


def condition(kind: str, status: str, reason: str, message: str = "", since: str = "12:00") -> Obj:
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": at(since)}


def obj(kind: str, name: str, spec: Obj, status: Obj) -> Obj:
    metadata = {"name": name, "namespace": NAMESPACE, "creationTimestamp": at("09:00")}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec, "status": status}


# Versions -------------------------------------------------------------------------------------------------------------


def version(model: str, number: int, letter: str, status: Obj, **spec: Any) -> Obj:
    own = {
        "modelName": model,
        "version": number,
        "modelFormat": "ONNX",
        "storageUri": f"s3://models/{model}/run-{number}",
        "digest": digest(letter),
    }
    return obj("ModelVersion", f"{model}-v{number}", {**own, **spec}, status)


def trained(run: str, depth: str, through: str, auc: str, auc_aa: str, trigger: str = "") -> Obj:
    """Lineage, data, figures and gates of a version of delays."""
    source = {
        "trainingJob": "delays",
        "run": run,
        "identity": digest(run[-1]),
        "codeDigest": digest("c"),
        "image": "pintle/runner:0.1.0",
        "parameters": [{"name": "learning_rate", "value": "0.1"}, {"name": "max_depth", "value": depth}],
        "seed": 7,
        "recordUri": f"s3://models/delays/runs/{run}/run.json",
    }
    rows = {"name": "train", "role": "Train", "storageUri": "pvc://flights/months", "digest": digest(run[-1])}
    held = {"name": "held", "role": "Evaluate", "storageUri": "pvc://flights/months", "digest": digest("e")}
    return {
        "source": {**source, **({"trigger": trigger} if trigger else {})},
        "datasets": [
            {**rows, "rows": 81234, "from": "2013-01", "through": through},
            {**held, "rows": 27004},
        ],
        "metrics": [{"name": "auc", "value": auc}, {"name": "brier", "value": "0.148"}],
        "gates": [
            {"metric": "auc", "verdict": "Pass", "message": f"auc = {auc} (0.69 to 0.74), bound 0.65"},
            {"metric": "auc", "verdict": "Pass", "message": f"auc by carrier=AA = {auc_aa} (0.66 to 0.76), bound 0.6"},
        ],
    }


READY = [
    condition("Verified", "True", "Verified"),
    condition("Validated", "True", "Validated"),
    condition("Ready", "True", "Ready"),
]
VERSIONS = [
    version("delays", 2, "2", {"conditions": READY}, **trained("delays-00000000a2", "4", "2013-03", "0.688", "0.671")),
    version(
        "delays",
        3,
        "3",
        {"conditions": READY, "usedBy": ["delays"], "aliases": [
            {"name": "champion", "owner": "ModelDeployment/delays", "sequence": 2}
        ]},
        **trained("delays-00000000a3", "6", "2013-04", "0.705", "0.69"),
    ),
    version(
        "delays",
        4,
        "4",
        {"conditions": READY, "usedBy": ["delays"]},
        **trained("delays-00000000a4", "6", "2013-06", "0.712", "0.724", "FeatureDrift: wind psi 0.31"),
    ),
    version("fares", 1, "f", {"conditions": READY, "usedBy": ["fares"]}),
    version(
        "fares",
        2,
        "0",
        {"conditions": [condition("Verified", "False", "DigestMismatch", "model.onnx holds other bytes"),
                        condition("Ready", "False", "DigestMismatch", "model.onnx holds other bytes")]},
    ),
]  # fmt: skip


# Deployments ----------------------------------------------------------------------------------------------------------


def revision(name: str, number: int, letter: str, weight: int, ready: int, model: str = "delays") -> Obj:
    return {
        "revision": name,
        "version": number,
        "digest": digest(letter),
        "storageUri": f"s3://models/{model}/run-{number}",
        "image": "pintle/server:0.1.0",
        "weight": weight,
        "readyReplicas": ready,
        "createdTime": at("11:50" if weight < 50 else "09:05"),
    }


TESTS = [
    {
        "name": "errors", "verdict": "Pass", "value": "0.0012", "stableValue": "0.0011", "rows": 1203,
        "stableRows": 22804, "evidence": "0.2", "threshold": "5.3", "passEvidence": "3.4", "passThreshold": "3",
    },
    {
        "name": "missing", "verdict": "NeedMoreData", "value": "0.02", "stableValue": "0.011", "rows": 1203,
        "stableRows": 22804, "evidence": "1.9", "threshold": "6.7", "passEvidence": "0.4", "passThreshold": "3",
        "message": "feature wind",
    },
    {
        "name": "basket", "verdict": "Pass", "value": "1.8", "dryRun": True,
    },
]  # fmt: skip
HISTORY = [
    {
        "time": at("12:20"), "action": "Step", "revision": "9f8e7d6c", "version": 4, "why": "step 2 of 3: 25 %",
        "rule": "steps",
    },
    {"time": at("12:00"), "action": "Step", "revision": "9f8e7d6c", "version": 4, "why": "step 1 of 3: 5 %"},
    {
        "time": at("10:15"), "action": "Rollback", "revision": "5d5d5d5d", "version": 2, "rule": "errors",
        "value": "0.051", "stableValue": "0.0011", "rows": 412, "stableRows": 7790, "evidence": "9.1",
        "threshold": "5.3", "why": "5.1 % of requests fail, 0.1 % before",
    },
    {
        "time": at("09:10"), "action": "Promote", "revision": "0a1b2c3d", "version": 3, "by": "ann",
        "why": "asked for: promote-fully",
    },
]  # fmt: skip
DELAYS = obj(
    "ModelDeployment",
    "delays",
    {
        "modelName": "delays",
        "follow": "Latest",
        "onPromoted": {"alias": "champion"},
        "traffic": {"gateway": {"parentRefs": [{"name": "web"}], "path": "/delays"}},
        "rollout": {
            "sensitivity": "Balanced",
            "steps": [{"weight": 5, "minSeconds": 60}, {"weight": 25, "minSeconds": 1200}, {"weight": 50}],
            "metrics": [{"name": "basket", "query": 'avg(basket{namespace="$namespace",revision="$revision"})',
                         "max": "2", "dryRun": True}],
        },
        "retrain": {"trainingJobRef": {"name": "delays"}, "causes": ["FeatureDrift", "Rollback"]},
    },
    {
        "observedGeneration": 3,
        "conditions": [
            condition("Available", "True", "Serving", "", "09:05"),
            condition("Progressing", "True", "Replacing", "version 4 as 9f8e7d6c: step 2 of 3"),
            condition("Ready", "False", "Replacing", "version 4 does not carry all traffic yet"),
        ],
        "sequence": 9,
        "stable": revision("0a1b2c3d", 3, "3", 75, 3),
        "canary": revision("9f8e7d6c", 4, "4", 25, 1),
        "rollout": {
            "state": "Canary", "step": 2, "steps": 3, "startTime": at("12:00"), "stepTime": at("12:20"),
            "endTime": at("12:00", 6), "expectedSeconds": 240, "verdict": "NeedMoreData", "asOfTime": at("12:29"),
            "tests": TESTS,
        },
        "refused": [{"revision": "5d5d5d5d", "version": 2, "why": "errors: 0.051 against 0.0011", "time": at("10:15")}],
        "action": {"id": "5b0c", "verb": "promote-fully", "result": "Done", "by": "ann", "time": at("09:10")},
        "monitoring": {
            "asOfTime": at("12:25"), "features": 12, "rows": 8123, "loss": "0.151", "auc": "0.694",
            "drift": [{"feature": "wind", "windowSeconds": 3600, "rows": 9120, "psi": "0.31", "low": "0.27",
                       "threshold": "0.1", "verdict": "Fail"}],
        },
        "causes": [{"cause": "FeatureDrift", "id": "wind-1", "since": at("11:30"), "message": "wind psi 0.31"}],
        "alias": {"name": "champion", "version": 3, "sequence": 2},
        "url": "http://models.example.org/delays",
        "history": HISTORY,
    },
)  # fmt: skip
FARES = obj(
    "ModelDeployment",
    "fares",
    {"modelName": "fares", "version": 1, "automation": "Observe"},
    {
        "conditions": [
            condition("Available", "True", "Serving"),
            condition("Progressing", "False", "Complete"),
            condition("Ready", "True", "Ready"),
        ],
        "stable": revision("aaaaaaaa", 1, "f", 95, 2, "fares"),
        "previous": revision("bbbbbbbb", 7, "7", 5, 1, "fares"),
        "rollout": {"state": "Guard", "verdict": "NeedMoreData", "endTime": at("12:36")},
    },
)
LOST = obj(
    "ModelDeployment",
    "fares-next",
    {"modelName": "fares", "version": 9},
    {
        "conditions": [
            condition("Available", "False", "NotServing"),
            condition("Progressing", "False", "VersionNotFound", "there is no ModelVersion fares-v9"),
            condition("Ready", "False", "VersionNotFound", "there is no ModelVersion fares-v9"),
        ]
    },
)

# Training -------------------------------------------------------------------------------------------------------------


def run(number: int, result: str, reason: str, start: str, end: str = "", **more: Any) -> Obj:
    name = f"delays-00000000a{number}"
    times = {"startTime": at(start), **({"completionTime": at(end)} if end else {})}
    return {"name": name, "definition": digest("d"), "result": result, "reason": reason, **times, **more}


JOB = obj(
    "TrainingJob",
    "delays",
    {
        "modelName": "delays",
        "source": {"configMapRef": {"name": "code"}},
        "datasets": [{"name": "train", "role": "Train", "storageUri": "pvc://flights/months"}],
        "schema": {"target": "late"},
        "triggers": {"schedule": "0 3 * * 1"},
        "retrainPolicy": {"cooldownSeconds": 7200},
        "output": {"storageUri": "s3://models"},
    },
    {
        "conditions": [condition("Succeeded", "True", "Trained", "delays-v4: auc 0.712", "11:45")],
        "governor": {
            "refused": {"kind": "FeatureDrift", "id": "wind-1", "source": "delays", "message": "wind psi 0.31"},
            "reason": "Cooldown",
            "message": "Cooldown of 7200 s after the last run.",
            "retryTime": at("13:45"),
            "triggeredTimes": [at("11:40"), at("08:00", 4)],
            "consecutiveFailures": 0,
        },
        "latestVersion": 4,
        "highestVersion": 4,
        "runs": [
            run(4, "Succeeded", "Trained", "11:40", "11:45", version=4, message="delays-v4: auc 0.712", trigger={
                "kind": "FeatureDrift", "source": "delays", "message": "wind psi 0.31, lower end 0.27 above 0.1"}),
            run(5, "Failed", "GatesFailed", "10:30", "10:34", trigger={"kind": "Schedule"},
                message="auc = 0.61 (0.58 to 0.64), bound 0.65: below min"),
            run(3, "Succeeded", "Trained", "08:50", "08:55", version=3, trigger={"kind": "Person", "source": "ann"}),
        ],
    },
)  # fmt: skip

OBJECTS = [*VERSIONS, DELAYS, FARES, LOST, JOB]
