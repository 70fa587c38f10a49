"""The HTTPRoute of a deployment: its weights are the traffic, its annotation the rest of the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pintle.api.modeldeployment import Gateway
from pintle.contract.metrics import HEADER_ROUTE, ROUTE_DIRECT
from pintle.resources.revision import Owner
from pintle.resources.services import SERVICE_PORT

REQUEST_TIMEOUT = "60s"
HEADER_VERSION = "x-pintle-version"
"""Request header by which a tester reaches one revision: its version number or its eight digits."""


def http_route(
    owner: Owner,
    gateway: Gateway,
    weights: Mapping[str, int],
    direct: Mapping[str, tuple[str, ...]],
    annotations: Mapping[str, str],
) -> dict[str, Any]:
    """Sends what arrives under the path to the revisions, weight percent each; the path prefix is taken off.

    `direct` has for each revision the values of x-pintle-version that lead to it past all weights; its requests carry
    `pintle-route: direct`, and nobody else's do. The rule of the weights is the first one. An empty `hostnames` is
    written out, so that a host the user has removed goes away.
    """
    by_header = [
        _direct(owner, gateway.path, name, value) for name, values in sorted(direct.items()) for value in values
    ]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": owner.metadata(owner.name, None, annotations),
        "spec": {
            "parentRefs": [_parent(ref.model_dump(exclude_none=True)) for ref in gateway.parentRefs],
            "hostnames": list(gateway.hostnames or ()),
            "rules": [_weighted(owner, gateway.path, weights), *by_header],
        },
    }


def weights_in(route: Mapping[str, Any]) -> dict[str, int]:
    """Percent by Service name, as the rule of the weights says: the one that asks for no header."""
    rules = (route.get("spec") or {}).get("rules") or ()
    plain = [rule for rule in rules if not any(match.get("headers") for match in rule.get("matches") or ())]
    return {str(ref["name"]): int(ref.get("weight", 1)) for rule in plain for ref in rule.get("backendRefs") or ()}


def _parent(ref: dict[str, Any]) -> dict[str, Any]:
    return {"group": "gateway.networking.k8s.io", "kind": "Gateway", **ref}


def _weighted(owner: Owner, path: str, weights: Mapping[str, int]) -> dict[str, Any]:
    backends = [_backend(owner, revision, weight) for revision, weight in sorted(weights.items())]
    # What a client says about its own route is not believed: its requests would be judged never.
    return _rule(_match(path), _filters(path, {"remove": [HEADER_ROUTE]}), backends)


def _direct(owner: Owner, path: str, revision: str, value: str) -> dict[str, Any]:
    # A rule that takes off a prefix may have one match only (the CRD's own rule).
    match = {**_match(path), "headers": [{"type": "Exact", "name": HEADER_VERSION, "value": value}]}
    modifier = {"set": [{"name": HEADER_ROUTE, "value": ROUTE_DIRECT}]}
    return _rule(match, _filters(path, modifier), [_backend(owner, revision, 1)])


def _rule(match: dict[str, Any], filters: list[dict[str, Any]], backends: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "matches": [match],
        "filters": filters,
        "backendRefs": backends,
        "timeouts": {"request": REQUEST_TIMEOUT},
    }


def _backend(owner: Owner, revision: str, weight: int) -> dict[str, Any]:
    name = owner.child_name(revision)
    return {"group": "", "kind": "Service", "name": name, "port": SERVICE_PORT, "weight": weight}


def _prefix(path: str) -> str:
    return path if path == "/" else path.rstrip("/")


def _match(path: str) -> dict[str, Any]:
    return {"path": {"type": "PathPrefix", "value": _prefix(path)}}


def _filters(path: str, modifier: dict[str, Any]) -> list[dict[str, Any]]:
    filters: list[dict[str, Any]] = [{"type": "RequestHeaderModifier", "requestHeaderModifier": modifier}]
    if _prefix(path) != "/":
        rewrite = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}
        filters.append({"type": "URLRewrite", "urlRewrite": rewrite})
    return filters
