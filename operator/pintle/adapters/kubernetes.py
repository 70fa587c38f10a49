"""The Kubernetes API through the official client's dynamic half, with dicts.

Paths come from the table of kinds instead of discovery: no requests at the start, no cache file, no rights for it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson
from kubernetes.aio import config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.dynamic import DynamicClient

from pintle.ports import kinds
from pintle.ports.cluster import (
    READ_TIMEOUT,
    WRITE_TIMEOUT,
    AlreadyExists,
    ClusterError,
    Conflict,
    Listing,
    NotFound,
    Obj,
    Refused,
    Unavailable,
)
from pintle.ports.kinds import Kind

CONNECT_TIMEOUT = 5.0
PAGE = 500
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class KubernetesCluster:
    """`pintle.ports.cluster.Cluster` on a real API server. Close it when done."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._dynamic = DynamicClient(client)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def get(self, kind: Kind, namespace: str, name: str, *, timeout: float = READ_TIMEOUT) -> dict[str, Any]:
        return await self._request("get", kind.path(namespace, name), timeout=timeout)

    async def find(
        self, kind: Kind, namespace: str, name: str, *, timeout: float = READ_TIMEOUT
    ) -> dict[str, Any] | None:
        field = f"metadata.name={name}"
        try:
            found = await self._request("get", kind.path(namespace), timeout=timeout, field_selector=field)
        except NotFound:
            # The kind is not installed.
            return None
        items = found.get("items") or []
        return items[0] | {"apiVersion": kind.api_version, "kind": kind.name} if items else None

    async def list(
        self, kind: Kind, namespace: str | None, *, selector: str | None = None, metadata_only: bool = False
    ) -> Listing:
        items: list[dict[str, Any]] = []
        options: dict[str, Any] = {"limit": PAGE}
        if selector:
            options["label_selector"] = selector
        while True:
            headers = {"header_params": {"Accept": _METADATA_LIST}} if metadata_only else {}
            page = await self._request("get", kind.path(namespace), timeout=READ_TIMEOUT, **headers, **options)
            items += page.get("items") or []
            following = page["metadata"].get("continue")
            if not following:
                break
            options["_continue"] = following
        # Lists leave these out of their items.
        address = {"apiVersion": kind.api_version, "kind": kind.name}
        return Listing([item | address for item in items], int(page["metadata"]["resourceVersion"]))

    async def create(self, body: Obj, *, manager: str, timeout: float = WRITE_TIMEOUT) -> dict[str, Any]:
        kind, namespace, _ = _address(body)
        try:
            return await self._request("post", kind.path(namespace), body, timeout=timeout, field_manager=manager)
        except Conflict as error:
            if error.reason == "AlreadyExists":
                raise AlreadyExists(error.message, status=error.status, reason=error.reason) from error
            raise

    async def apply(
        self, body: Obj, *, manager: str, subresource: str | None = None, timeout: float = WRITE_TIMEOUT
    ) -> dict[str, Any]:
        kind, namespace, name = _address(body)
        path = kind.path(namespace, name, subresource)
        return await self._request(
            "patch", path, body, timeout=timeout, content_type=_APPLY, field_manager=manager, force_conflicts=True
        )

    async def replace(self, body: Obj, *, timeout: float = WRITE_TIMEOUT) -> dict[str, Any]:
        kind, namespace, name = _address(body)
        return await self._request("put", kind.path(namespace, name), body, timeout=timeout)

    async def merge(
        self, kind: Kind, namespace: str, name: str, patch: Obj, *, manager: str, timeout: float = WRITE_TIMEOUT
    ) -> dict[str, Any]:
        path = kind.path(namespace, name)
        return await self._request("patch", path, patch, timeout=timeout, content_type=_MERGE, field_manager=manager)

    async def delete(
        self, kind: Kind, namespace: str, name: str, uid: str, *, timeout: float = WRITE_TIMEOUT
    ) -> dict[str, Any] | None:
        # The default for Jobs is to orphan their pods.
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid},
            "propagationPolicy": "Background",
        }
        answer = await self._request("delete", kind.path(namespace, name), options, timeout=timeout)
        return None if answer.get("kind") == "Status" else answer

    async def _request(
        self, method: str, path: str, body: Obj | None = None, *, timeout: float, **options: Any
    ) -> dict[str, Any]:
        limits = aiohttp.ClientTimeout(total=timeout, sock_connect=min(CONNECT_TIMEOUT, timeout))
        try:
            response = await self._dynamic.request(
                method, path, body=body, serialize=False, _request_timeout=limits, **options
            )
            answer: dict[str, Any] = orjson.loads(await response.read())
        except ApiException as error:
            raise _translated(error) from error
        except TimeoutError as error:
            raise Unavailable(f"{method} {path}: no answer within {timeout:.0f} s", reason="Timeout") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"{method} {path}: {error}", reason="ConnectionFailed") from error
        return answer


def _address(body: Obj) -> tuple[Kind, str, str]:
    metadata: Mapping[str, Any] = body["metadata"]
    return kinds.of(body["apiVersion"], body["kind"]), metadata["namespace"], metadata["name"]


def _translated(error: ApiException) -> ClusterError:
    """The answer as one of ours; `error.body` is a Status object where the API server itself answered."""
    status = int(error.status or 0)
    try:
        said = json.loads(error.body or "{}")
    except ValueError:
        said = {}
    message = said.get("message") or f"{status} {error.reason}"
    reason = said.get("reason") or str(error.reason)
    wait = (error.headers or {}).get("Retry-After")
    retry_after = float(wait) if wait and wait.isdigit() else None
    meaning: dict[int, type[ClusterError]] = {404: NotFound, 409: Conflict, 400: Refused, 403: Refused, 413: Refused}
    meaning |= {422: Refused, 405: Refused, 415: Refused}
    return meaning.get(status, Unavailable)(message, status=status, reason=reason, retry_after=retry_after)


async def connect() -> KubernetesCluster:
    """From the pod's service account, or out of a cluster from KUBECONFIG (default ~/.kube/config)."""
    configuration = Configuration()
    if os.environ.get("KUBERNETES_SERVICE_HOST") and not os.environ.get("KUBECONFIG"):
        config.load_incluster_config(client_configuration=configuration)
    else:
        await config.load_kube_config(client_configuration=configuration, persist_config=False)
    return KubernetesCluster(ApiClient(configuration))
