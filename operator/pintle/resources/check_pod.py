"""The throw-away pod that looks at a ModelVersion: `fetch` verifies every byte, `check` loads and asks the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pintle.api.modelversion import ModelVersionSpec
from pintle.contract import folders, names
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

KEY_VOLUME = "key-model"
DEADLINE_SECONDS = 3600
"""A check that hangs is an attempt that failed."""
FETCH_REQUESTS: Mapping[str, str] = {"cpu": "50m", "memory": "128Mi"}
CHECK_REQUESTS: Mapping[str, str] = {"cpu": "100m", "memory": "256Mi"}


@dataclass(frozen=True)
class ServerDefaults:
    """What the person who runs the operator gives to new checks."""

    image: str
    pull_policy: str
    trusted_types: tuple[str, ...] = ()


def check_pod_name(version: str, number: int) -> str:
    """Name of the check pod with this number (from 1)."""
    return f"{version}-check-{number}"


def check_number(version: str, pod_name: str) -> int | None:
    """The number in a check pod's name, None for another pod."""
    text = pod_name.removeprefix(f"{version}-check-")
    return int(text) if text != pod_name and text.isdigit() else None


def check_pod(
    parent: Mapping[str, Any], spec: ModelVersionSpec, number: int, server: ServerDefaults, load: bool
) -> dict[str, Any]:
    """The check pod, create-only. `load` False: the gates refuse the model, so only its bytes are of interest."""
    name, namespace = parent["metadata"]["name"], parent["metadata"]["namespace"]
    fetch = _fetch(spec, server)
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "activeDeadlineSeconds": DEADLINE_SECONDS,
        "securityContext": dict(POD_SECURITY),
    }
    if load:
        pod |= {"initContainers": [fetch], "containers": [_check(server)]}
    else:
        pod |= {"containers": [fetch]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": check_pod_name(name, number),
            "namespace": namespace,
            "labels": labels(names.COMPONENT_CHECK, model=spec.modelName, version=name),
            "ownerReferences": [owner_reference(parent)],
        },
        "spec": {**pod, "volumes": _volumes(spec, load)},
    }


def _fetch(spec: ModelVersionSpec, server: ServerDefaults) -> dict[str, Any]:
    mounts = [mount("model", folders.MODEL), *Claims([spec.storageUri]).mounts([spec.storageUri], read_only=True)]
    if _secret(spec):
        mounts.append(mount(KEY_VOLUME, folders.MODEL_SECRET, read_only=True))
    variables = {
        names.ENV_MODEL_URI: spec.storageUri,
        names.ENV_MODEL_DIGEST: spec.digest,
        names.ENV_MODEL_DIR: str(folders.MODEL),
    }
    return container(
        names.CONTAINER_FETCH,
        server.image,
        imagePullPolicy=server.pull_policy,
        command=["python", "-m", "pintle.serve.fetch"],
        env=env(variables),
        requests=FETCH_REQUESTS,
        mounts=mounts,
    )


def _check(server: ServerDefaults) -> dict[str, Any]:
    variables = {names.ENV_MODEL_DIR: str(folders.MODEL)}
    if server.trusted_types:
        variables[names.ENV_TRUSTED_TYPES] = ",".join(server.trusted_types)
    return container(
        names.CONTAINER_CHECK,
        server.image,
        imagePullPolicy=server.pull_policy,
        command=["python", "-m", "pintle.serve.check"],
        env=env(variables),
        requests=CHECK_REQUESTS,
        mounts=[mount("model", folders.MODEL, read_only=True)],
    )


def _volumes(spec: ModelVersionSpec, load: bool) -> list[dict[str, Any]]:
    containers = (names.CONTAINER_FETCH, names.CONTAINER_CHECK) if load else (names.CONTAINER_FETCH,)
    volumes = scratch("model", *(f"tmp-{name}" for name in containers)) + Claims([spec.storageUri]).volumes()
    if secret := _secret(spec):
        volumes.append(key_volume(KEY_VOLUME, secret))
    return volumes


def _secret(spec: ModelVersionSpec) -> str | None:
    return spec.storage.secretRef.name if spec.storage and spec.storage.secretRef else None
