"""The throw-away pod that lists the data of a TrainingJob: names, sizes and etags as one digest. It reads no rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pintle.api.trainingjob import TrainingJobSpec
from pintle.contract import folders, names
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
from pintle.resources.run_pod import RunnerDefaults

ANNOTATION_AFTER = f"{names.GROUP}/after"
CONTAINER = names.CONTAINER_LISTING
DEADLINE_SECONDS = 600
REQUESTS: Mapping[str, str] = {"cpu": "20m", "memory": "64Mi"}


def listing_pod_name(training_job: str, number: int) -> str:
    """Name of the pod with this number (from 1)."""
    return f"{training_job}-{names.COMPONENT_LISTING}-{number}"


def listing_number(training_job: str, pod_name: str) -> int | None:
    """The number in a listing pod's name, None for another pod."""
    text = pod_name.removeprefix(f"{training_job}-{names.COMPONENT_LISTING}-")
    return int(text) if text != pod_name and text.isascii() and text.isdigit() else None


def listing_pod(
    parent: Mapping[str, Any], spec: TrainingJobSpec, request: RunRequest, runner: RunnerDefaults, after: str
) -> dict[str, Any]:
    """The pod, create-only; `request.run` is its name. It has the keys of the data sets and nothing else.

    `after` is the newest run as the pod is made: what it lists is compared with what that run has read.
    """
    uris = [dataset.storageUri for dataset in spec.datasets]
    claims = Claims(uris)
    keys = {
        dataset.name: dataset.storage.secretRef.name
        for dataset in spec.datasets
        if dataset.storage and dataset.storage.secretRef
    }
    mounts = [mount("record", folders.RECORD), *claims.mounts(uris, read_only=True)]
    mounts += [mount(f"key-data-{name}", folders.data_secret(name), read_only=True) for name in keys]
    listing = container(
        CONTAINER,
        runner.image,
        imagePullPolicy=runner.pull_policy,
        command=["python", "-m", "pintle.train.listing"],
        env=env({names.ENV_RUN: request.to_json()}),
        requests=REQUESTS,
        mounts=mounts,
    )
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "activeDeadlineSeconds": DEADLINE_SECONDS,
        "securityContext": dict(POD_SECURITY),
        "containers": [listing],
        "volumes": [
            *scratch("record", f"tmp-{CONTAINER}"),
            *claims.volumes(),
            *(key_volume(f"key-data-{name}", secret) for name, secret in keys.items()),
        ],
    }
    # Where the run may go its listing may go: a claim may be reachable from some nodes only.
    if spec.trainer.nodeSelector:
        pod["nodeSelector"] = dict(spec.trainer.nodeSelector)
    if spec.trainer.tolerations:
        pod["tolerations"] = [dict(item) for item in spec.trainer.tolerations]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": request.run,
            "namespace": request.namespace,
            "labels": labels(names.COMPONENT_LISTING, training_job=request.trainingJob, model=request.modelName),
            "annotations": {ANNOTATION_AFTER: after},
            "ownerReferences": [owner_reference(parent)],
        },
        "spec": pod,
    }
