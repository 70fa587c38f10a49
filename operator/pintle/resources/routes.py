"""The HTTPRoute of a deployment: its weights are the traffic, its annotation the rest of the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pintle.api.modeldeployment import Gateway
from pintle.resources.revision import Owner
from pintle.resources.services import SERVICE_PORT

REQUEST_TIMEOUT = "60s"


def http_route(
    owner: Owner, gateway: Gateway, weights: Mapping[str, int], annotations: Mapping[str, str]
) -> dict[str, Any]:
    """Sends what arrives under the path to the revisions, weight percent each; the path prefix is taken off.

    An empty `hostnames` is written out, so that a host the user has removed goes away.
    """
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": owner.metadata(owner.name, None, annotations),
        "spec": {
            "parentRefs": [_parent(ref.model_dump(exclude_none=True)) for ref in gateway.parentRefs],
            "hostnames": list(gateway.hostnames or ()),
            "rules": [_rule(owner, gateway.path, weights)],
        },
    }


def _parent(ref: dict[str, Any]) -> dict[str, Any]:
    return {"group": "gateway.networking.k8s.io", "kind": "Gateway", **ref}


def _rule(owner: Owner, path: str, weights: Mapping[str, int]) -> dict[str, Any]:
    prefix = path if path == "/" else path.rstrip("/")
    rule: dict[str, Any] = {
        "matches": [{"path": {"type": "PathPrefix", "value": prefix}}],
        "backendRefs": [
            {
                "group": "",
                "kind": "Service",
                "name": owner.child_name(revision),
                "port": SERVICE_PORT,
                "weight": weight,
            }
            for revision, weight in sorted(weights.items())
        ],
        "timeouts": {"request": REQUEST_TIMEOUT},
    }
    if prefix != "/":
        rewrite = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}
        rule["filters"] = [{"type": "URLRewrite", "urlRewrite": rewrite}]
    return rule
