"""The Deployment of a revision: `fetch` brings the model, `server` serves it and holds no key."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pintle.api.modeldeployment import Runtime
from pintle.contract import folders, names
from pintle.contract.digest import digest_value, short
from pintle.resources.revision import Owner, Revision

# What a revision was made of, on its Deployment. Replicas and later defaults are not in it.
ANNOTATION_MADE_OF = f"{names.GROUP}/made-of"

USER = 10001
DRAIN_SECONDS = 5
"""A pod that is to go answers this long with readiness off, until gateways and kube-proxies have heard of it."""
GRACE_SECONDS = 45
"""Drain plus the time open requests have to finish; longer than DRAIN_SECONDS."""
DEFAULT_REQUESTS = {"cpu": "100m", "memory": "256Mi"}
FETCH_REQUESTS = {"cpu": "50m", "memory": "128Mi"}


@dataclass(frozen=True)
class Defaults:
    """What the person who runs the operator gives to new pods."""

    server_image: str
    """Serves where the user names no image, and runs `fetch` always."""
    pull_policy: str
    trusted_types: tuple[str, ...] = ()


def pod_template(owner: Owner, revision: Revision, runtime: Runtime, defaults: Defaults) -> dict[str, Any]:
    """The pod as today's operator makes it."""
    spec: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": [_fetch(revision, defaults)],
        "containers": [_server(owner, revision, runtime, defaults)],
        "volumes": _volumes(revision),
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": owner.selector(revision.name)},
            }
        ],
    }
    if runtime.nodeSelector:
        spec["nodeSelector"] = dict(runtime.nodeSelector)
    return {"metadata": {"labels": owner.labels(revision)}, "spec": spec}


def deployment(owner: Owner, revision: Revision, template: dict[str, Any], made_of: str) -> dict[str, Any]:
    """The Deployment without `spec.replicas`: who scales it says how many (see core.rollout.children)."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": owner.metadata(owner.child_name(revision.name), revision, {ANNOTATION_MADE_OF: made_of}),
        "spec": {
            "selector": {"matchLabels": owner.selector(revision.name)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "revisionHistoryLimit": 1,
            "template": template,
        },
    }


def made_of(revision: Revision, template: str) -> str:
    """The annotation: the facts of the revision and the digest of the template it was made with."""
    facts = revision.to_dict() | {"template": template}
    return json.dumps(facts, sort_keys=True, separators=(",", ":"))


def template_digest(template: dict[str, Any]) -> str:
    return short(digest_value(template))


def _fetch(revision: Revision, defaults: Defaults) -> dict[str, Any]:
    mounts: list[dict[str, Any]] = [{"name": "model", "mountPath": str(folders.MODEL)}]
    claim = folders.claim_of(revision.storage_uri)
    if claim:
        mounts.append({"name": "store", "mountPath": str(folders.VOLUMES / claim), "readOnly": True})
    if revision.secret:
        mounts.append({"name": "key", "mountPath": str(folders.MODEL_SECRET), "readOnly": True})
    return {
        "name": names.CONTAINER_FETCH,
        "image": defaults.server_image,
        "imagePullPolicy": defaults.pull_policy,
        "command": ["python", "-m", "pintle.serve.fetch"],
        "env": [
            {"name": names.ENV_MODEL_URI, "value": revision.storage_uri},
            {"name": names.ENV_MODEL_DIGEST, "value": revision.digest},
            {"name": names.ENV_MODEL_DIR, "value": str(folders.MODEL)},
        ],
        "resources": {"requests": dict(FETCH_REQUESTS)},
        "securityContext": _restricted(read_only=True),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [*mounts, {"name": "tmp", "mountPath": "/tmp"}],
    }


def _server(owner: Owner, revision: Revision, runtime: Runtime, defaults: Defaults) -> dict[str, Any]:
    own = runtime.image is None
    container: dict[str, Any] = {
        "name": names.CONTAINER_SERVER,
        "image": revision.image,
        "env": _environment(owner, revision, runtime, defaults.trusted_types),
        "ports": [
            {"name": "http", "containerPort": names.PORT_HTTP, "protocol": "TCP"},
            {"name": "metrics", "containerPort": names.PORT_METRICS, "protocol": "TCP"},
        ],
        "resources": runtime.resources.model_dump(exclude_none=True)
        if runtime.resources
        else {"requests": dict(DEFAULT_REQUESTS)},
        "securityContext": _restricted(read_only=own),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "model", "mountPath": str(folders.MODEL), "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
        **_probes(),
    }
    if own:
        container |= {"command": ["python", "-m", "pintle.serve"], "imagePullPolicy": defaults.pull_policy}
    else:
        # Another server stops listening at once on SIGTERM; the Pintle server drains by itself.
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": DRAIN_SECONDS}}}
    return container


def _identity(owner: Owner, revision: Revision) -> list[dict[str, Any]]:
    values = {
        names.ENV_MODEL_DIR: str(folders.MODEL),
        names.ENV_DEPLOYMENT: owner.name,
        names.ENV_REVISION: revision.name,
        names.ENV_MODEL: owner.model,
        names.ENV_VERSION: str(revision.version),
        names.ENV_DRAIN_SECONDS: str(DRAIN_SECONDS),
    }
    return [{"name": name, "value": value} for name, value in values.items()]


def _environment(owner: Owner, revision: Revision, runtime: Runtime, trusted: Sequence[str]) -> list[dict[str, Any]]:
    """The user's variables after ours; a name of ours stays ours, because metrics are told apart by it."""
    ours = _identity(owner, revision)
    if trusted and runtime.image is None:
        ours.append({"name": names.ENV_TRUSTED_TYPES, "value": ",".join(trusted)})
    taken = {item["name"] for item in ours}
    return ours + [item.model_dump(exclude_none=True) for item in runtime.env or () if item.name not in taken]


def _probes() -> dict[str, Any]:
    live = {"path": "/v2/health/live", "port": "http"}
    return {
        # Ten minutes to load a large model before liveness may restart it.
        "startupProbe": {"httpGet": dict(live), "periodSeconds": 1, "timeoutSeconds": 2, "failureThreshold": 600},
        "livenessProbe": {"httpGet": dict(live), "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 3},
        "readinessProbe": {
            "httpGet": {"path": "/v2/health/ready", "port": "http"},
            "periodSeconds": 1,
            "timeoutSeconds": 2,
            "failureThreshold": 3,
        },
    }


def _restricted(read_only: bool) -> dict[str, Any]:
    """Pod Security "restricted". Other servers may write to their own file system, ours does not."""
    context: dict[str, Any] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return context | ({"readOnlyRootFilesystem": True} if read_only else {})


def _volumes(revision: Revision) -> list[dict[str, Any]]:
    volumes: list[dict[str, Any]] = [{"name": "model", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]
    claim = folders.claim_of(revision.storage_uri)
    if claim:
        volumes.append({"name": "store", "persistentVolumeClaim": {"claimName": claim, "readOnly": True}})
    if revision.secret:
        volumes.append({"name": "key", "secret": {"secretName": revision.secret}})
    return volumes
