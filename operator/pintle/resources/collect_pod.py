"""The throw-away pod that reads a run's record out of storage, when the run's own pod and its result are gone."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from pintle.contract import names
from pintle.resources.pods import labels

COMPONENT = "collect"
CONTAINER = "collect"
DEADLINE_SECONDS = 600
_KEPT = ("record", f"tmp-{names.CONTAINER_UPLOAD}", "key-output")


def collect_pod_name(run: str, number: int) -> str:
    """Name of the pod with this number (from 1)."""
    return f"{run}-{COMPONENT}-{number}"


def collect_number(run: str, pod_name: str) -> int | None:
    """The number in a collecting pod's name, None for another pod."""
    text = pod_name.removeprefix(f"{run}-{COMPONENT}-")
    return int(text) if text != pod_name and text.isdigit() else None


def collect_pod(job: Mapping[str, Any], number: int) -> dict[str, Any]:
    """The pod, create-only: `upload` of the Job's own template with its key and place, but another command."""
    run, template = job["metadata"]["name"], copy.deepcopy(dict(job["spec"]["template"]["spec"]))
    upload = next(item for item in template["containers"] if item["name"] == names.CONTAINER_UPLOAD)
    mounts = [m for m in upload["volumeMounts"] if m["name"] in _KEPT or m["name"].startswith("claim-")]
    used = {item["name"] for item in mounts}
    collect = {
        **upload,
        "name": CONTAINER,
        "command": ["python", "-m", "pintle.train.collect"],
        "volumeMounts": mounts,
    }
    pod = {key: value for key, value in template.items() if key != "initContainers"}
    own = job["metadata"].get("labels") or {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": collect_pod_name(run, number),
            "namespace": job["metadata"]["namespace"],
            "labels": labels(COMPONENT, run=run, training_job=own.get(names.LABEL_TRAINING_JOB, "")),
            # Goes with the Job, but is none of its pods: the Job controller adopts by a label that this one lacks.
            "ownerReferences": [
                {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "name": run,
                    "uid": job["metadata"]["uid"],
                    "controller": False,
                }
            ],
        },
        "spec": {
            **pod,
            "activeDeadlineSeconds": DEADLINE_SECONDS,
            "containers": [collect],
            "volumes": [volume for volume in template["volumes"] if volume["name"] in used],
        },
    }
