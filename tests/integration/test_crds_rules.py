"""What a real API server says to objects of the three kinds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pintle.api.trainingjob import METRICS

from tests.integration.crd_cases import CASES, Case
from tests.integration.kube import Refused, Space
from tests.integration.objects import DIGEST, model_deployment, model_version, training_job

EVERY_KIND = pytest.mark.parametrize(
    "body", [training_job(), model_version(), model_deployment()], ids=lambda body: body["kind"]
)


def written(space: Space, body: dict[str, Any], before: dict[str, Any] | None) -> None:
    """Creates `body`, or updates the stored `before` to it; nothing of it stays."""
    if before is None:
        space.create(body, dry_run=True)
        return
    stored = space.get(before["apiVersion"], before["kind"], before["metadata"]["name"]) or space.create(before)
    version = {"resourceVersion": stored["metadata"]["resourceVersion"]}
    changed = {**body, "metadata": {**body["metadata"], **version}}
    space.rest.replace(space.placed(changed), dry_run=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.id}")
def test_rule(space: Space, case: Case) -> None:
    """The accepting example is accepted; the refusing one is refused with the message a person needs."""
    written(space, case.good, case.before)
    with pytest.raises(Refused) as refused:
        written(space, case.bad, case.before)
    assert refused.value.code == 422
    assert case.message in refused.value.message


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (training_job(datasets__0__name="d" * 41), "spec.datasets[0].name: Too long"),
        (training_job(datasets=[]), "spec.datasets: Invalid value"),
        (training_job(datasets__0__role="Test"), 'supported values: "Train", "Validate", "Evaluate"'),
        (
            training_job(datasets=training_job()["spec"]["datasets"] * 2),
            'spec.datasets[1]: Duplicate value: {"name":"train"}',
        ),
        (training_job(seed=-1), "spec.seed: Invalid value: -1"),
        (training_job(gates=[{"metric": "auc", "min": 0.7}]), 'spec.gates[0].min: Invalid value: "number"'),
        (training_job(gates=[{"metric": "f1", "min": "0.7"}]), 'spec.gates[0].metric: Unsupported value: "f1"'),
        (model_version(version=0), "spec.version: Invalid value: 0"),
        (model_version(modelFormat="PMML"), 'spec.modelFormat: Unsupported value: "PMML"'),
        (model_deployment(runtime__minReplicas=1001), "spec.runtime.minReplicas: Invalid value: 1001"),
    ],
)
def test_bounds_are_named(space: Space, body: dict[str, Any], says: str) -> None:
    """What breaks a bound, an enum or a key is refused with the path of the field."""
    with pytest.raises(Refused) as refused:
        space.create(body, dry_run=True)
    assert says in refused.value.message


@pytest.mark.parametrize(
    ("task", "metrics"),
    [
        ("BinaryClassification", ["auc", "brier", "logLoss", "accuracy"]),
        ("Multiclass", ["brier", "logLoss", "accuracy"]),
        ("Regression", ["rmse", "mae", "r2"]),
    ],
)
def test_metrics_of_a_task(space: Space, task: str, metrics: list[str]) -> None:
    """With schema.task given, exactly the metrics of that task are accepted."""
    accepted = []
    for metric in METRICS:
        body = training_job(schema__task=task, gates=[{"metric": metric, "min": "0.5"}])
        try:
            space.create(body, dry_run=True)
        except Refused:
            continue
        accepted.append(metric)
    assert accepted == metrics


@EVERY_KIND
def test_kubectl_refuses_unknown_fields(space: Space, body: dict[str, Any]) -> None:
    """A misspelt field is an error and is named, not dropped in silence."""
    wrong = {**body, "spec": {**body["spec"], "replcas": 2}}
    done = space.kubectl("apply", "-f", "-", given=json.dumps(wrong), check=False)
    assert done.returncode != 0
    assert 'unknown field "spec.replcas"' in done.stderr


@EVERY_KIND
def test_nothing_is_written_into_a_spec(space: Space, body: dict[str, Any]) -> None:
    """The API server stores the spec as the user wrote it: no defaults that Argo CD would report as a difference."""
    assert space.create(body)["spec"] == body["spec"]


@EVERY_KIND
def test_status_is_apart(space: Space, body: dict[str, Any]) -> None:
    """A status given at creation is ignored, and a status write cannot change the spec or the generation."""
    made = space.create({**body, "status": {"observedGeneration": 7}})
    assert "status" not in made
    stored = space.set_status(body, {"observedGeneration": 1, "conditions": [condition("Ready", "True")]})
    assert stored["status"]["observedGeneration"] == 1
    assert stored["metadata"]["generation"] == 1


@EVERY_KIND
def test_unknown_status_is_not_stored(space: Space, body: dict[str, Any]) -> None:
    """A status field that no model has is pruned: a new operator's field cannot hide in an old CRD."""
    space.create(body)
    stored = space.rest.merge(space.placed(body), {"status": {"observedGeneration": 1, "invented": 2}}, "status")
    assert stored["status"] == {"observedGeneration": 1}


def test_conditions_merge_by_type(space: Space) -> None:
    """Two managers' conditions of different types stand side by side; the same type twice is refused."""
    body = model_version()
    space.create(body)
    space.set_status(body, {"conditions": [condition("Ready", "True")]})
    named = space.placed({**body, "status": {"conditions": [condition("Signed", "True")]}})
    del named["spec"]
    stored = space.rest.apply(named, "somebody-else", "status")
    assert sorted(item["type"] for item in stored["status"]["conditions"]) == ["Ready", "Signed"]


def test_a_version_can_be_written_by_hand_with_its_lineage(space: Space) -> None:
    """Everything that a run writes into a ModelVersion is taken."""
    body = model_version(
        storage={"secretRef": {"name": "keys"}},
        schema={"target": "late", "task": "BinaryClassification", "features": [{"name": "distance", "type": "Number"}]},
        datasets=[
            {
                "name": "train",
                "role": "Train",
                "storageUri": "pvc://data/train",
                "digest": DIGEST,
                "rows": 1,
                "from": "2013-01-01T00:00:00Z",
                "through": "2013-02-01T00:00:00Z",
            }
        ],
        metrics=[{"name": "auc", "value": "0.71"}],
        gates=[{"metric": "auc", "verdict": "Pass", "message": "0.71 is above 0.7"}],
        source={
            "trainingJob": "delays",
            "run": "delays-0123456789",
            "identity": DIGEST,
            "parameters": [{"name": "max_depth", "value": "6"}],
            "seed": 7,
            "recordUri": "s3://models/delays/runs/delays-0123456789",
        },
    )
    assert space.create(body)["spec"] == body["spec"]


def condition(kind: str, status: str, reason: str = "Because") -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "observedGeneration": 1,
    }
