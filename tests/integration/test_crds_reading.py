"""How the three kinds read in kubectl: explain, get, wait. Golden files lie in tests/golden/api.

PINTLE_GOLDEN=write pytest tests/integration/test_crds_reading.py   # to write them anew, and read the difference
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pintle.api import reasons

from tests.integration.kube import Space, eventually
from tests.integration.objects import model_deployment, model_version, training_job

GOLDEN = Path(__file__).parents[1] / "golden" / "api"


def same_as_golden(name: str, text: str) -> None:
    """The text is that of the golden file."""
    # Columns end in spaces, and ages are seconds that pass.
    tidy = "\n".join(re.sub(r"\s\d+m?s$", " 1s", line.rstrip()) for line in text.splitlines()) + "\n"
    path = GOLDEN / name
    if os.environ.get("PINTLE_GOLDEN") == "write":
        path.write_text(tidy)
    assert tidy == path.read_text()


def conditions(*found: tuple[str, str, str, str]) -> list[dict[str, Any]]:
    return [
        {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": TIME}
        for kind, status, reason, message in found
    ]


TIME = "2026-01-01T00:00:00Z"
DIGEST = "sha256:" + "1" * 64
RUN = {"name": "delays-0123456789", "definition": DIGEST, "result": "Succeeded", "reason": reasons.TRAINED}
SERVED = {"revision": "0a1b2c3d", "digest": DIGEST, "storageUri": "s3://models/a", "image": "pintle-server:0.1.0"}

TRAINING_JOBS = [
    (training_job("new"), {}),
    (
        training_job("going"),
        {"conditions": conditions((reasons.SUCCEEDED, "Unknown", reasons.RUNNING, "Training since 10:02"))},
    ),
    (
        training_job("delays"),
        {
            "conditions": conditions((reasons.SUCCEEDED, "True", reasons.TRAINED, "delays-v3: auc 0.71")),
            "latestVersion": 3,
            "runs": [RUN],
        },
    ),
    (
        training_job("torn"),
        {
            "conditions": conditions(
                (reasons.SUCCEEDED, "False", reasons.DATA_INVALID, "column distance: 3 rows below min 0, e.g. -7")
            )
        },
    ),
]
MODEL_VERSIONS = [
    (
        model_version("delays", 1),
        {
            # Ready is not the first: columns go by type.
            "conditions": conditions(
                (reasons.VERIFIED, "True", reasons.VERIFIED, ""),
                (reasons.VALIDATED, "True", reasons.VALIDATED, ""),
                (reasons.READY, "True", reasons.READY, ""),
            ),
            "aliases": [
                {"name": "champion", "owner": "ModelDeployment/delays", "sequence": 1},
                {"name": "staging", "owner": "Annotation", "sequence": 1},
            ],
        },
    ),
    (
        model_version("delays", 2, source={"trainingJob": "delays"}),
        {
            "conditions": conditions(
                (reasons.READY, "False", reasons.DIGEST_MISMATCH, "model.onnx"),
                (reasons.VERIFIED, "False", reasons.DIGEST_MISMATCH, "model.onnx"),
            )
        },
    ),
]
MODEL_DEPLOYMENTS = [
    (model_deployment("new"), {}),
    (
        model_deployment("delays", version=3),
        {
            "conditions": conditions(
                (reasons.AVAILABLE, "True", reasons.SERVING, ""),
                (reasons.PROGRESSING, "True", reasons.REPLACING, "version 3 warms up"),
                (reasons.READY, "False", reasons.REPLACING, ""),
            ),
            "stable": {**SERVED, "version": 2, "weight": 75, "readyReplicas": 2},
            "canary": {**SERVED, "version": 3, "weight": 25, "readyReplicas": 0},
            "rollout": {"state": "Canary", "step": 2, "steps": 3, "verdict": "NeedMoreData"},
            "url": "http://models.example.org/delays",
        },
    ),
]


@pytest.mark.parametrize("wide", [False, True], ids=["", "wide"])
@pytest.mark.parametrize(
    ("short", "objects"),
    [("tj", TRAINING_JOBS), ("mver", MODEL_VERSIONS), ("mdep", MODEL_DEPLOYMENTS)],
    ids=["tj", "mver", "mdep"],
)
def test_get(space: Space, short: str, objects: list[tuple[dict[str, Any], dict[str, Any]]], wide: bool) -> None:
    """`kubectl get` by short name shows what matters, whatever the order of the conditions."""
    for body, status in objects:
        space.create(body)
        space.set_status(body, status)
    same_as_golden(
        f"get-{short}{'-wide' if wide else ''}.txt",
        space.kubectl("get", short, *(["-o", "wide"] if wide else [])).stdout,
    )


def test_get_mlops(space: Space) -> None:
    """One word lists all three kinds."""
    for body in (training_job(), model_version(), model_deployment()):
        space.create(body)
    names = space.kubectl("get", "mlops", "-o", "name").stdout.split()
    assert sorted(names) == [
        "modeldeployment.pintle.dev/delays",
        "modelversion.pintle.dev/delays-v1",
        "trainingjob.pintle.dev/delays",
    ]


@pytest.mark.parametrize(
    "path",
    [
        "trainingjob",
        "trainingjob.spec",
        "trainingjob.spec.datasets.select",
        "trainingjob.spec.gates",
        "modelversion.spec",
        "modeldeployment.spec",
        "modeldeployment.spec.runtime",
        "modeldeployment.spec.rollout",
        "modeldeployment.spec.rollout.steps",
        "modeldeployment.spec.rollout.metrics",
        "modeldeployment.spec.guard",
        "modeldeployment.spec.monitoring",
        "trainingjob.spec.triggers",
        "trainingjob.spec.retrainPolicy",
    ],
)
def test_explain(space: Space, path: str) -> None:
    """`kubectl explain` has a sentence for what is not plain by its name."""
    # The API server publishes a schema a moment after it serves the kind.
    answer = eventually(lambda: space.kubectl("explain", path, check=False).stdout)
    same_as_golden(f"explain-{path}.txt", answer)


@pytest.mark.parametrize(
    ("body", "condition"),
    [(training_job(), "Succeeded"), (model_version(), "Ready"), (model_deployment(), "Available")],
    ids=lambda value: value if isinstance(value, str) else value["kind"],
)
def test_wait(space: Space, body: dict[str, Any], condition: str) -> None:
    """`kubectl wait --for=condition=..` returns when the condition comes, not before."""
    space.create(body)
    target = f"{body['kind'].lower()}/{body['metadata']['name']}"
    command = [space.server.kubectl, "--kubeconfig", space.server.kubeconfig, "-n", space.name]
    command += ["wait", f"--for=condition={condition}", target, "--timeout=20s"]
    waiting = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    try:
        space.set_status(body, {"conditions": conditions((condition, "False", reasons.PENDING, ""))})
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(0.5)
        space.set_status(body, {"conditions": conditions((condition, "True", reasons.READY, ""))})
        output, _ = waiting.communicate(timeout=20)
    finally:
        waiting.kill()
        waiting.wait()
    assert waiting.returncode == 0
    assert "condition met" in output
