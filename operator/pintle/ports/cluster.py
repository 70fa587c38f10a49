"""What the operator asks of the Kubernetes API, as dicts, and the answers it tells apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pintle.ports.kinds import Kind

Obj = Mapping[str, Any]

READ_TIMEOUT = 30.0
WRITE_TIMEOUT = 10.0


class ClusterError(Exception):
    """The API server did not do it. `message` is what it said, in words for a person."""

    def __init__(self, message: str, *, status: int = 0, reason: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason
        self.retry_after = retry_after
        """Seconds the server asks to wait, if it said so."""


class NotFound(ClusterError):
    """404: no such object (or no such kind on this cluster)."""


class AlreadyExists(ClusterError):
    """409 on a create: somebody made it before."""


class Conflict(ClusterError):
    """409: resourceVersion or uid is no longer the one that was looked at."""


class Refused(ClusterError):
    """The request itself is at fault (400, 403, 413, 422): the same again will be refused again."""


class Unavailable(ClusterError):
    """Anything else: overload, time-out, no connection. Worth another try later."""


@dataclass(frozen=True)
class Listing:
    """Objects of one kind at one moment."""

    items: list[dict[str, Any]]
    resource_version: int
    """The moment: objects created later have a higher one."""


class Cluster(Protocol):
    """The Kubernetes API. Every call raises a subclass of ClusterError; `timeout` is in seconds and bounds the call."""

    async def get(self, kind: Kind, namespace: str, name: str, *, timeout: float = READ_TIMEOUT) -> dict[str, Any]: ...

    async def find(
        self, kind: Kind, namespace: str, name: str, *, timeout: float = READ_TIMEOUT
    ) -> dict[str, Any] | None:
        """The object or None, by the right to list: children are listed anyway, so no right to get them is needed."""
        ...

    async def list(
        self, kind: Kind, namespace: str | None, *, selector: str | None = None, metadata_only: bool = False
    ) -> Listing:
        """All objects of a kind, in a namespace or (None) in all; only their metadata where that is enough."""
        ...

    async def create(self, body: Obj, *, manager: str, timeout: float = WRITE_TIMEOUT) -> dict[str, Any]:
        """Create, or raise AlreadyExists."""
        ...

    async def apply(
        self, body: Obj, *, manager: str, subresource: str | None = None, timeout: float = WRITE_TIMEOUT
    ) -> dict[str, Any]:
        """Server-side apply that takes fields from other managers.

        Conflict where resourceVersion or uid are given and are no longer so.
        """
        ...

    async def replace(self, body: Obj, *, timeout: float = WRITE_TIMEOUT) -> dict[str, Any]:
        """Put in the place of the object at metadata.resourceVersion, or raise Conflict."""
        ...

    async def merge(
        self, kind: Kind, namespace: str, name: str, patch: Obj, *, manager: str, timeout: float = WRITE_TIMEOUT
    ) -> dict[str, Any]:
        """JSON merge patch."""
        ...

    async def delete(
        self, kind: Kind, namespace: str, name: str, uid: str, *, timeout: float = WRITE_TIMEOUT
    ) -> dict[str, Any] | None:
        """Delete this very object and, in the background, what it owns; returns it if it lingers, None if not."""
        ...
