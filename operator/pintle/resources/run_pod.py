"""The pod of a run: who sees what (docs/decisions/0001-interfaces.md has the table).

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
from pintle.contract.run import RunRequest
from pintle.resources.pods import POD_SECURITY, Claims, container, env, key_volume, mount, scratch

OUTPUT_KEY_VOLUME = "key-output"
CHAMPION_KEY_VOLUME = "key-champion"
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


def run_pod(
    spec: TrainingJobSpec, request: RunRequest, claims: Claims, runner: RunnerDefaults, champion_secret: str | None
) -> dict[str, Any]:
    """The pod's spec; `champion_secret` is the Secret of the champion's storage."""
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
