"""The Job of a run: who sees what (docs/decisions/0001-interfaces.md has the table).

    record (native sidecar) | fetch -> train -> evaluate -> upload

`train` mounts neither held/ nor artifact/ nor a key nor a claim, and shares no /tmp with anybody.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pintle.api.trainingjob import Trainer, TrainingJobSpec
from pintle.contract import folders, names
from pintle.contract.exits import FINAL
from pintle.contract.run import RunRequest
from pintle.resources.pods import (
    POD_SECURITY,
    Claims,
    container,
    env,
    key_volume,
    labels,
    mount,
    owner_reference,
    scratch,
)

ANNOTATION_DEFINITION = f"{names.GROUP}/definition"
"""On a Job: digest of the definition it runs."""
ANNOTATION_GENERATION = f"{names.GROUP}/generation"
"""On a Job: metadata.generation of the spec that it was made of."""
ANNOTATION_SPEC = f"{names.GROUP}/spec"
"""On a Job: short digest of that spec without suspend and history; with another one a failed run is run again."""
ANNOTATION_ANSWERS = f"{names.GROUP}/answers"
"""On a Job: keys of the triggers that it answers, with commas."""
ANNOTATION_ENDED = f"{names.GROUP}/ended"
"""On a Job that we stopped for good: JSON with reason, message and time."""
OUTPUT_KEY_VOLUME = "key-output"
CHAMPION_KEY_VOLUME = "key-champion"
DEFAULT_DEADLINE_SECONDS = 7 * 24 * 3600
"""Bounds how long disruptions, which do not count as failures, can keep a run going."""
GRACE_SECONDS = 60
"""Time for `record` to write what is left of a run that is stopped."""
DEFAULT_COMMAND = ("python", str(folders.CODE / "train.py"))
REQUESTS: Mapping[str, Mapping[str, str]] = {
    names.CONTAINER_RECORD: {"cpu": "10m", "memory": "64Mi"},
    names.CONTAINER_FETCH: {"cpu": "100m", "memory": "256Mi"},
    names.CONTAINER_TRAIN: {"cpu": "100m", "memory": "256Mi"},
    names.CONTAINER_EVALUATE: {"cpu": "100m", "memory": "512Mi"},
    names.CONTAINER_UPLOAD: {"cpu": "50m", "memory": "128Mi"},
}


@dataclass(frozen=True)
class RunnerDefaults:
    """What the person who runs the operator gives to new runs."""

    image: str
    pull_policy: str
    trusted_types: tuple[str, ...] = ()


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
            "template": {"metadata": {"labels": own}, "spec": _pod(spec, request, claims, runner, champion_secret)},
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


def _pod(
    spec: TrainingJobSpec, request: RunRequest, claims: Claims, runner: RunnerDefaults, champion_secret: str | None
) -> dict[str, Any]:
    trainer = spec.trainer
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": dict(POD_SECURITY),
        "initContainers": [
            _record(spec, request, claims, runner),
            _fetch(spec, request, claims, runner),
            _train(spec, request, runner),
            _evaluate(request, runner),
        ],
        "containers": [_upload(spec, request, claims, runner)],
        "volumes": _volumes(spec, request, claims, champion_secret),
    }
    if trainer.nodeSelector:
        pod["nodeSelector"] = dict(trainer.nodeSelector)
    if trainer.tolerations:
        pod["tolerations"] = [dict(item) for item in trainer.tolerations]
    return pod


def _ours(name: str, request: RunRequest, runner: RunnerDefaults, mounts: list[dict[str, Any]]) -> dict[str, Any]:
    """A container of the runner image: `python -m pintle.train.<name>`."""
    variables = {names.ENV_RUN: request.to_json()}
    if name == names.CONTAINER_EVALUATE and runner.trusted_types:
        variables[names.ENV_TRUSTED_TYPES] = ",".join(runner.trusted_types)
    return container(
        name,
        runner.image,
        imagePullPolicy=runner.pull_policy,
        command=["python", "-m", f"pintle.train.{name}"],
        env=env(variables),
        requests=REQUESTS[name],
        mounts=mounts,
    )


def _output_mounts(spec: TrainingJobSpec, claims: Claims) -> list[dict[str, Any]]:
    mounts = claims.mounts([spec.output.storageUri], read_only=False)
    if _secret(spec.output.storage):
        mounts.append(mount(OUTPUT_KEY_VOLUME, folders.OUTPUT_SECRET, read_only=True))
    return mounts


def _record(spec: TrainingJobSpec, request: RunRequest, claims: Claims, runner: RunnerDefaults) -> dict[str, Any]:
    mounts = [mount("record", folders.RECORD), mount("record-train", folders.RECORD_TRAIN, read_only=True)]
    made = _ours(names.CONTAINER_RECORD, request, runner, [*mounts, *_output_mounts(spec, claims)])
    return {**made, "restartPolicy": "Always"}


def _fetch(spec: TrainingJobSpec, request: RunRequest, claims: Claims, runner: RunnerDefaults) -> dict[str, Any]:
    mounts = [mount("data", folders.DATA), mount("held", folders.HELD), mount("record", folders.RECORD)]
    uris = [d.storageUri for d in spec.datasets]
    if request.champion:
        mounts.append(mount("champion", folders.CHAMPION))
        uris.append(request.champion.storageUri)
    mounts += claims.mounts(uris, read_only=True)
    mounts += [
        mount(f"key-data-{d.name}", folders.data_secret(d.name), read_only=True)
        for d in spec.datasets
        if _secret(d.storage)
    ]
    if request.champion and request.champion.hasSecret:
        mounts.append(mount(CHAMPION_KEY_VOLUME, folders.CHAMPION_SECRET, read_only=True))
    return _ours(names.CONTAINER_FETCH, request, runner, mounts)


def _train(spec: TrainingJobSpec, request: RunRequest, runner: RunnerDefaults) -> dict[str, Any]:
    trainer = spec.trainer
    mounts = [
        mount("data", folders.DATA, read_only=True),
        mount("model", folders.MODEL),
        mount("record-train", folders.RECORD_TRAIN),
    ]
    more: dict[str, Any] = {"env": _train_environment(trainer, request)}
    if spec.source and spec.source.configMapRef:
        mounts.append(mount("code", folders.CODE, read_only=True))
    if command := trainer_command(spec):
        more["command"] = command
    if trainer.args:
        more["args"] = list(trainer.args)
    if trainer.image is None:
        more["imagePullPolicy"] = runner.pull_policy
    if trainer.resources:
        more["resources"] = trainer.resources.model_dump(exclude_none=True)
    else:
        more["resources"] = {"requests": dict(REQUESTS[names.CONTAINER_TRAIN])}
    return container(names.CONTAINER_TRAIN, trainer.image or runner.image, mounts=mounts, **more)


def trainer_command(spec: TrainingJobSpec) -> list[str] | None:
    """The user's command, train.py of the ConfigMap, or None for what the image starts by itself."""
    if spec.trainer.command:
        return list(spec.trainer.command)
    return list(DEFAULT_COMMAND) if spec.source and spec.source.configMapRef else None


def _train_environment(trainer: Trainer, request: RunRequest) -> list[dict[str, Any]]:
    """The user's variables after ours; what Pintle says cannot be overridden, HOME can."""
    ours = {
        names.ENV_DATA_DIR: str(folders.DATA),
        names.ENV_MODEL_DIR: str(folders.MODEL),
        names.ENV_RECORD_DIR: str(folders.RECORD_TRAIN),
        names.ENV_HYPERPARAMETERS: json.dumps(dict(request.hyperparameters), ensure_ascii=False, sort_keys=True),
        names.ENV_SEED: str(request.seed),
        names.ENV_RUN_NAME: request.run,
    }
    theirs = [item.model_dump(exclude_none=True) for item in trainer.env or () if item.name not in ours]
    taken = {item["name"] for item in theirs}
    # The root file system is read-only, and the last lines of a crash must not stay in a buffer.
    helpful = {key: value for key, value in {"HOME": "/tmp", "PYTHONUNBUFFERED": "1"}.items() if key not in taken}
    return env({**ours, **helpful}) + theirs


def _evaluate(request: RunRequest, runner: RunnerDefaults) -> dict[str, Any]:
    mounts = [
        mount("data", folders.DATA, read_only=True),
        mount("held", folders.HELD, read_only=True),
        mount("model", folders.MODEL, read_only=True),
        mount("artifact", folders.ARTIFACT),
        mount("record", folders.RECORD),
        mount("record-train", folders.RECORD_TRAIN, read_only=True),
    ]
    if request.champion:
        mounts.append(mount("champion", folders.CHAMPION, read_only=True))
    return _ours(names.CONTAINER_EVALUATE, request, runner, mounts)


def _upload(spec: TrainingJobSpec, request: RunRequest, claims: Claims, runner: RunnerDefaults) -> dict[str, Any]:
    mounts = [
        mount("artifact", folders.ARTIFACT, read_only=True),
        mount("record", folders.RECORD),
        mount("record-train", folders.RECORD_TRAIN, read_only=True),
    ]
    return _ours(names.CONTAINER_UPLOAD, request, runner, [*mounts, *_output_mounts(spec, claims)])


def _volumes(
    spec: TrainingJobSpec, request: RunRequest, claims: Claims, champion_secret: str | None
) -> list[dict[str, Any]]:
    volumes = scratch("data", "held", "model", "artifact", "record", "record-train")
    if request.champion:
        volumes += scratch("champion")
    volumes += scratch(*(f"tmp-{name}" for name in REQUESTS))
    if spec.source and spec.source.configMapRef:
        volumes.append({"name": "code", "configMap": {"name": spec.source.configMapRef.name}})
    volumes += claims.volumes()
    for dataset in spec.datasets:
        if secret := _secret(dataset.storage):
            volumes.append(key_volume(f"key-data-{dataset.name}", secret))
    if secret := _secret(spec.output.storage):
        volumes.append(key_volume(OUTPUT_KEY_VOLUME, secret))
    if champion_secret:
        volumes.append(key_volume(CHAMPION_KEY_VOLUME, champion_secret))
    return volumes


def _secret(storage: Any) -> str | None:
    return storage.secretRef.name if storage and storage.secretRef else None
