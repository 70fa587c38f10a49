"""The Job of a run: what is noted on it, when it ends, how it is stopped, and what can be read back from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pintle.api.trainingjob import TrainingJobSpec
from pintle.contract import names
from pintle.contract.exits import FINAL
from pintle.contract.run import RunRequest
from pintle.resources.pods import Claims, labels, owner_reference
from pintle.resources.run_pod import OUTPUT_KEY_VOLUME, RunnerDefaults, run_pod

ANNOTATION_DEFINITION = f"{names.GROUP}/definition"
"""On a Job: digest of the definition it runs."""
ANNOTATION_GENERATION = f"{names.GROUP}/generation"
"""On a Job: metadata.generation of the spec that it was made of."""
ANNOTATION_SPEC = f"{names.GROUP}/spec"
"""On a Job: short digest of that spec without what no run can fail for; with another one a failed run is run again."""
ANNOTATION_ANSWERS = f"{names.GROUP}/answers"
"""On a Job: keys of the triggers that it answers, with commas."""
ANNOTATION_ENDED = f"{names.GROUP}/ended"
"""On a Job that we stopped for good: JSON with reason, message and time."""
DEFAULT_DEADLINE_SECONDS = 7 * 24 * 3600
"""Bounds how long disruptions, which do not count as failures, can keep a run going."""


@dataclass(frozen=True)
class Marks:
    """What is noted on a Job, so that it outlives a lost status."""

    definition: str
    """Digest of the definition."""
    spec: str
    """Short digest of the spec."""
    answers: tuple[str, ...] = ()
    """Keys of the triggers that the run answers."""


def run_job(
    parent: Mapping[str, Any],
    spec: TrainingJobSpec,
    request: RunRequest,
    marks: Marks,
    runner: RunnerDefaults,
    champion_secret: str | None = None,
) -> dict[str, Any]:
    """The Job of one run, create-only. `request.run` is its name; the Secret is that of the champion's storage."""
    own = labels(names.COMPONENT_RUN, training_job=request.trainingJob, run=request.run, model=request.modelName)
    champion = [request.champion.storageUri] if request.champion else []
    claims = Claims([*(d.storageUri for d in spec.datasets), *champion], (spec.output.storageUri,))
    annotations = {
        ANNOTATION_DEFINITION: marks.definition,
        ANNOTATION_GENERATION: str(parent["metadata"].get("generation", 0)),
        ANNOTATION_SPEC: marks.spec,
    }
    if marks.answers:
        annotations[ANNOTATION_ANSWERS] = ",".join(marks.answers)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": request.run,
            "namespace": request.namespace,
            "labels": own,
            "annotations": annotations,
            "ownerReferences": [owner_reference(parent)],
        },
        "spec": {
            "completions": 1,
            "parallelism": 1,
            "backoffLimit": spec.backoffLimit,
            "activeDeadlineSeconds": spec.activeDeadlineSeconds or DEFAULT_DEADLINE_SECONDS,
            "suspend": False,
            # A pod that still holds the claim must be gone before the next one asks for it.
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {"rules": _failure_rules()},
            "template": {"metadata": {"labels": own}, "spec": run_pod(spec, request, claims, runner, champion_secret)},
        },
    }


def stop_job(job: Mapping[str, Any], reason: str, message: str, at: str) -> dict[str, Any]:
    """The partial Job that ends a run which cannot start: suspended, so that its pod goes, and marked why."""
    word = json.dumps({"reason": reason, "message": message, "time": at}, ensure_ascii=False)
    stopped = suspend_job(job, True)
    stopped["metadata"]["annotations"] = {ANNOTATION_ENDED: word}
    return stopped


def suspend_job(job: Mapping[str, Any], suspend: bool) -> dict[str, Any]:
    """The partial Job that is applied to suspend or resume; its uid keeps a namesake from being touched."""
    metadata = {key: job["metadata"][key] for key in ("name", "namespace", "uid")}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"suspend": suspend}}


def request_of(job: Mapping[str, Any]) -> RunRequest | None:
    """The run request that a Job of ours carries, or None where it has none that can be read."""
    pod = job.get("spec", {}).get("template", {}).get("spec", {})
    for item in (*pod.get("initContainers", ()), *pod.get("containers", ())):
        for variable in item.get("env") or ():
            if variable["name"] == names.ENV_RUN:
                try:
                    return RunRequest.from_json(variable.get("value", ""))
                except ValueError:
                    return None
    return None


def output_secret_of(job: Mapping[str, Any]) -> str | None:
    """Name of the Secret that a Job's `upload` opens the output with."""
    for volume in job["spec"]["template"]["spec"].get("volumes") or ():
        if volume["name"] == OUTPUT_KEY_VOLUME:
            return str(volume["secret"]["secretName"])
    return None


def train_image_of(job: Mapping[str, Any]) -> str | None:
    """The image that a Job's `train` runs, with the default filled in."""
    for item in job["spec"]["template"]["spec"].get("initContainers") or ():
        if item["name"] == names.CONTAINER_TRAIN:
            return str(item["image"])
    return None


def _failure_rules() -> list[dict[str, Any]]:
    """Final exit codes of our own containers end the Job; those of `train` mean nothing, they are the user's."""
    codes = [int(code) for code in FINAL]
    ours = (names.CONTAINER_FETCH, names.CONTAINER_EVALUATE, names.CONTAINER_UPLOAD)
    rules: list[dict[str, Any]] = [
        {"action": "FailJob", "onExitCodes": {"containerName": name, "operator": "In", "values": codes}}
        for name in ours
    ]
    disrupted = {"type": "DisruptionTarget", "status": "True"}
    return [*rules, {"action": "Ignore", "onPodConditions": [disrupted]}]
