"""kind, where a Docker engine answers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import addons, binaries, images, paths, progress, settings
from .doors import Doors
from .errors import ClusterError
from .shell import run
from .tools import tool

CLUSTER = "pintle"
GATEWAY_NODE_PORT, PROMETHEUS_PORT = 30080, 18090


@dataclass(frozen=True)
class Kind:
    """One node in a container, its gateway and Prometheus mapped to 127.0.0.1."""

    name: str = "kind"

    @property
    def _kubeconfig(self) -> Path:
        return paths.cache_dir() / "kind" / "kubeconfig"

    def up(self) -> None:
        """Create it unless it is there; add what kind does not bring."""
        if not shutil.which("kind"):
            raise ClusterError(
                "kind is not on the PATH: go install sigs.k8s.io/kind@v0.31.0 (or PINTLE_CLUSTER=source)"
            )
        self._kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        if CLUSTER not in run("kind", "get", "clusters").split():
            with progress.step("kind create cluster"):
                run("kind", "create", "cluster", "--name", CLUSTER, "--kubeconfig", self._kubeconfig, "--wait", "120s",
                    "--config", "-", given=json.dumps(cluster_config()), patience=600)  # fmt: skip
        with progress.step("add-ons"):
            self._add_ons()
        tool("helm")

    def _add_ons(self) -> None:
        for binary in (binaries.TRAEFIK, binaries.METRICS_SERVER, binaries.PROMETHEUS):
            archive = images.binary_archive(binary, images.binary_reference(binary))
            run("kind", "load", "image-archive", archive, "--name", CLUSTER, patience=600)
        self._apply(addons.gateway_crds())
        self._kubectl("wait", "--for=condition=Established", "--timeout=60s", *addons.GATEWAY_CRD_NAMES)
        values = {
            "TRAEFIK_IMAGE": images.binary_reference(binaries.TRAEFIK),
            "METRICS_SERVER_IMAGE": images.binary_reference(binaries.METRICS_SERVER),
            "GATEWAY_NODE_PORT": str(GATEWAY_NODE_PORT),
        }
        self._apply(addons.manifest("kind.yaml", values))
        self._apply(addons.manifest("gateway.yaml", {"GATEWAY_PORT": "8000"}))
        self._apply(addons.prometheus_manifest(images.binary_reference(binaries.PROMETHEUS)))
        for namespace, name in (("pintle-gateway", "traefik"), ("monitoring", "prometheus")):
            self._kubectl("rollout", "status", "-n", namespace, f"deployment/{name}", "--timeout=120s")

    def down(self, purge: bool = False) -> None:
        """Delete the cluster of our name."""
        run("kind", "delete", "cluster", "--name", CLUSTER, "--kubeconfig", self._kubeconfig, patience=300)

    def doors(self) -> Doors:
        """By the ports mapped in `cluster_config`."""
        if not self._kubeconfig.exists():
            raise ClusterError("The cluster is not up; `make cluster` brings it up.")
        return Doors(self._kubeconfig, settings.gateway_url(), f"http://127.0.0.1:{PROMETHEUS_PORT}")

    def load(self, references: Sequence[str]) -> None:
        """From the Docker engine into the node."""
        for reference in references:
            run("kind", "load", "docker-image", reference, "--name", CLUSTER, patience=600)

    def _apply(self, text: str) -> None:
        self._kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=text)

    def _kubectl(self, *words: str, given: str | None = None) -> str:
        command = [tool("kubectl"), "--kubeconfig", self._kubeconfig]
        return run(*command, *words, given=given, patience=180)


def cluster_config() -> dict[str, Any]:
    """kind's configuration: the two doors on 127.0.0.1."""
    doors = ((GATEWAY_NODE_PORT, settings.gateway_port()), (settings.PROMETHEUS_NODE_PORT, PROMETHEUS_PORT))
    mappings = [
        {"containerPort": inside, "hostPort": outside, "listenAddress": "127.0.0.1"} for inside, outside in doors
    ]
    nodes = [{"role": "control-plane", "extraPortMappings": mappings}]
    return {"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": nodes}
