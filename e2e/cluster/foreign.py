"""Somebody's own cluster (PINTLE_KUBECONFIG): used, never changed beyond what carries this run's id."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import images, paths
from .doors import Doors
from .errors import ClusterError
from .shell import run
from .tools import tool

RUN_LABEL = "pintle-e2e/run"
_CRDS = ("trainingjobs.pintle.dev", "modelversions.pintle.dev", "modeldeployments.pintle.dev")


def run_id() -> str:
    """Marks the namespaces that are ours. Kept, so that a later command finds what an earlier one made."""
    given = os.environ.get("PINTLE_RUN_ID")
    if given:
        return given
    file = paths.cache_dir() / "run-id"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(secrets.token_hex(4))
    return file.read_text().strip()


@dataclass(frozen=True)
class Foreign:
    """kubectl, and care."""

    kubeconfig: Path
    name: str = "foreign"

    def up(self) -> None:
        """Check that it can be used and may be used. Nothing is installed here."""
        self._kubectl("version", "--output=json")
        if not self._crds(["gateways.gateway.networking.k8s.io", "httproutes.gateway.networking.k8s.io"], every=True):
            raise ClusterError(
                "This cluster has no Gateway API (v1). Install its CRDs and a controller, then try again."
            )
        if self._crds(_CRDS, every=False) and not self.namespaces():
            raise ClusterError(
                "Pintle is installed on this cluster already, and not by this run. Tests would work on its objects; "
                "take another cluster."
            )
        if not os.environ.get("PINTLE_IMAGE_PREFIX"):
            raise ClusterError("Set PINTLE_IMAGE_PREFIX to a registry that this cluster pulls from, as REGISTRY/PATH.")
        self.doors()
        tool("helm")

    def down(self, purge: bool = False) -> None:
        """Delete the namespaces of this run. CRDs stay, whoever brought them: with them go all their objects."""
        for name in self.namespaces():
            self._kubectl("delete", "namespace", name, "--wait=false")

    def doors(self) -> Doors:
        """As the user says: nobody can guess how their gateway and Prometheus are reached."""
        lacking = [name for name in ("PINTLE_GATEWAY", "PINTLE_PROMETHEUS") if not os.environ.get(name)]
        if lacking:
            raise ClusterError(f"Set {' and '.join(lacking)} to the URL at which this machine reaches it.")
        gateway, prometheus = os.environ["PINTLE_GATEWAY"], os.environ["PINTLE_PROMETHEUS"]
        return Doors(self.kubeconfig, gateway.rstrip("/"), prometheus.rstrip("/"))

    def load(self, references: Sequence[str]) -> None:
        """Push them to the user's registry."""
        images.push(references)

    def namespaces(self) -> list[str]:
        """Those of this run."""
        said = self._kubectl("get", "namespaces", "-l", f"{RUN_LABEL}={run_id()}", "-o", "json")
        return [item["metadata"]["name"] for item in json.loads(said)["items"]]

    def _crds(self, names: Sequence[str], every: bool) -> bool:
        said = self._kubectl("get", "customresourcedefinitions", *names, "--ignore-not-found", "-o", "name")
        found = said.split()
        return len(found) == len(names) if every else bool(found)

    def _kubectl(self, *words: str) -> str:
        return run(tool("kubectl"), "--kubeconfig", self.kubeconfig, *words)
