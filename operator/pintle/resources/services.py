"""Services: one per revision for the route, and the root Service for clients inside the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pintle.resources.revision import Owner, Revision

SERVICE_PORT = 80


def revision_service(owner: Owner, revision: Revision) -> dict[str, Any]:
    """Selects the pods of one revision; a backend of the route."""
    return _service(owner, owner.child_name(revision.name), owner.selector(revision.name), revision, None)


def root_service(owner: Owner, stable: str, annotations: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Selects the pods of the stable revision under the deployment's own name."""
    return _service(owner, owner.name, owner.selector(stable), None, annotations)


def _service(
    owner: Owner,
    name: str,
    selector: Mapping[str, str],
    revision: Revision | None,
    annotations: Mapping[str, str] | None,
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": owner.metadata(name, revision, annotations),
        "spec": {
            "type": "ClusterIP",
            "selector": dict(selector),
            "ports": [
                {"name": "http", "port": SERVICE_PORT, "protocol": "TCP", "targetPort": "http", "appProtocol": "http"}
            ],
        },
    }
