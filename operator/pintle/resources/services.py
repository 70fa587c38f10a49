"""Services: one per revision for the route, and the root Service for clients inside the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pintle.resources.revision import Owner, Revision

SERVICE_PORT = 80
FEEDBACK_PORT = 8081
"""Inside the cluster only: `POST /feedback` with the truths of earlier predictions. No route leads there."""


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
            "ports": [_port("http", SERVICE_PORT, "http"), _port("feedback", FEEDBACK_PORT, "metrics")],
        },
    }


def _port(name: str, number: int, target: str) -> dict[str, Any]:
    return {"name": name, "port": number, "protocol": "TCP", "targetPort": target, "appProtocol": "http"}
