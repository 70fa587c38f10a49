"""What the throw-away pods of runs and checks have in common: least rights, own folders, keys only where needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pintle.contract import folders, names

USER = 10001
"""User, group and fsGroup of every pod that Pintle makes."""
KEY_MODE = 0o440
POD_SECURITY: Mapping[str, Any] = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "fsGroup": USER,
    # Else the kubelet walks through all files of a claim at every start.
    "fsGroupChangePolicy": "OnRootMismatch",
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY: Mapping[str, Any] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def owner_reference(parent: Mapping[str, Any]) -> dict[str, Any]:
    """The parent as controller. Not blocking: a foreground deletion of the parent waits for nobody."""
    return {
        "apiVersion": parent["apiVersion"],
        "kind": parent["kind"],
        "name": parent["metadata"]["name"],
        "uid": parent["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": False,
    }


def labels(component: str, **more: str) -> dict[str, str]:
    """Our labels: `labels("run", run="delays-0123456789")`; underscores become hyphens. The parent's are not copied."""
    own = {names.LABEL_MANAGED_BY: names.MANAGED_BY, names.LABEL_COMPONENT: component}
    return own | {f"{names.GROUP}/{key.replace('_', '-')}": value for key, value in more.items()}


def env(values: Mapping[str, str]) -> list[dict[str, Any]]:
    """Plain environment variables."""
    return [{"name": name, "value": value} for name, value in values.items()]


def mount(volume: str, path: object, read_only: bool = False) -> dict[str, Any]:
    """A volume mount below /pintle."""
    return {"name": volume, "mountPath": str(path), **({"readOnly": True} if read_only else {})}


def scratch(*volumes: str) -> list[dict[str, Any]]:
    """Empty folders that live as long as the pod."""
    return [{"name": name, "emptyDir": {}} for name in volumes]


def key_volume(name: str, secret: str) -> dict[str, Any]:
    """A storage Secret as files that only our group can read."""
    return {"name": name, "secret": {"secretName": secret, "defaultMode": KEY_MODE}}


class Claims:
    """The persistent volume claims that `pvc://` URIs name, and the volumes and mounts they become."""

    def __init__(self, read: Iterable[str], written: Iterable[str] = ()) -> None:
        writable = {claim for uri in written if (claim := folders.claim_of(uri))}
        known = writable | {claim for uri in read if (claim := folders.claim_of(uri))}
        self._volume = {claim: f"claim-{index}" for index, claim in enumerate(sorted(known))}
        self._writable = writable

    def volumes(self) -> list[dict[str, Any]]:
        """A claim that is only read is mounted read-only as a whole: the kubelet leaves its files' owners alone."""
        return [
            {
                "name": volume,
                "persistentVolumeClaim": {"claimName": claim} | ({} if claim in self._writable else {"readOnly": True}),
            }
            for claim, volume in self._volume.items()
        ]

    def mounts(self, uris: Iterable[str], read_only: bool) -> list[dict[str, Any]]:
        """Mounts for the claims of these URIs, each once."""
        claims = sorted({claim for uri in uris if (claim := folders.claim_of(uri))})
        return [mount(self._volume[claim], folders.VOLUMES / claim, read_only) for claim in claims]


def container(
    name: str,
    image: str,
    *,
    requests: Mapping[str, str] | None = None,
    mounts: Iterable[Mapping[str, Any]],
    **more: Any,
) -> dict[str, Any]:
    """A restricted container with its own /tmp (volume `tmp-<name>`: containers pass each other nothing by it)."""
    made: dict[str, Any] = {"name": name, "image": image, **more}
    if requests:
        made["resources"] = {"requests": dict(requests)}
    made["securityContext"] = {**CONTAINER_SECURITY, "capabilities": {"drop": ["ALL"]}}
    made["terminationMessagePolicy"] = "FallbackToLogsOnError"
    made["volumeMounts"] = [*(dict(item) for item in mounts), mount(f"tmp-{name}", "/tmp")]
    return made
