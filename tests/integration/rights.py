"""Rights of the shipped ServiceAccount: installed from the chart, granted by it, used according to the audit log."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from e2e.cluster.apiserver import ApiServer
from e2e.cluster.binaries import HELM
from tests.integration.kube import ROOT

SYSTEM = "pintle-system"
ACCOUNT = f"system:serviceaccount:{SYSTEM}:pintle"
Right = tuple[str, str]
"""A verb and resource[/subresource][.group]."""

# Every account has these from the cluster itself: discovery and health.
_ANYBODY = {"", "selfsubjectreviews.authentication.k8s.io", "selfsubjectaccessreviews.authorization.k8s.io"}


def chart(*words: str) -> list[dict[str, Any]]:
    """The objects of the chart pintle with these options of `helm template`."""
    command = [HELM.path(), "template", "pintle", ROOT / "charts/pintle", "-n", SYSTEM, "--kube-version", "1.35.0"]
    done = subprocess.run([str(word) for word in (*command, *words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [body for body in yaml.safe_load_all(done.stdout) if body]


def install_account(server: ApiServer, namespaces: Sequence[str] = ()) -> Path:
    """The chart's ServiceAccount and rights on a server; returns a kubeconfig of that account."""
    options = ["--set", f"watchNamespaces={{{','.join(namespaces)}}}"] if namespaces else []
    wanted = [body for body in chart(*options) if body["kind"] != "Deployment"]
    server.run_kubectl("create", "namespace", SYSTEM, check=False)
    server.run_kubectl("apply", "-f", "-", given=yaml.safe_dump_all(wanted))
    return server.kubeconfig_of(SYSTEM, "pintle")


def granted(objects: Iterable[Mapping[str, Any]]) -> set[Right]:
    """What the roles of the operator allow; those for users (aggregated ones) aside."""
    return {
        (verb, _name(resource, group))
        for body in objects
        if body["kind"] in ("Role", "ClusterRole") and not _is_for_users(body)
        for rule in body["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def used(server: ApiServer, account: str = ACCOUNT) -> set[Right]:
    """What the account did, with which right. An apply that creates takes `create` besides `patch`."""
    found: set[Right] = set()
    for event in server.audited():
        target = event.get("objectRef") or {}
        resource = "/".join(filter(None, (target.get("resource", ""), target.get("subresource", ""))))
        name = _name(resource, target.get("apiGroup", ""))
        if event["user"]["username"] != account or name in _ANYBODY:
            continue
        found.add((event["verb"], name))
        if event["verb"] == "patch" and (event.get("responseStatus") or {}).get("code") == 201:
            found.add(("create", name))
    return found


def denied(server: ApiServer, account: str = ACCOUNT) -> list[str]:
    """Requests of the account that were forbidden."""
    return [
        f"{event['verb']} {event['requestURI']}"
        for event in server.audited()
        if event["user"]["username"] == account and (event.get("responseStatus") or {}).get("code") == 403
    ]


def _is_for_users(body: Mapping[str, Any]) -> bool:
    labels = body["metadata"].get("labels") or {}
    return any(key.startswith("rbac.authorization.k8s.io/aggregate-to-") for key in labels)


def _name(resource: str, group: str) -> str:
    return f"{resource}.{group}" if group else resource
