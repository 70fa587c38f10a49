"""The gateway of the tests' cluster, on an API server that has no cluster behind it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from e2e.cluster.addons import traefik_command
from e2e.cluster.ports import free_ports
from tests.integration.kube import Space, eventually

API_VERSION = "gateway.networking.k8s.io/v1"
CLASS = "bench"
PATIENCE = 60.0


@contextmanager
def gateway(space: Space, name: str, folder: Path) -> Iterator[str]:
    """Programs the routes of one namespace; its URL on 127.0.0.1."""
    port = free_ports(1)[0]
    space.rest.create(
        {
            "apiVersion": API_VERSION,
            "kind": "GatewayClass",
            "metadata": {"name": CLASS},
            "spec": {"controllerName": "traefik.io/gateway-controller"},
        }
    )
    listener = {"name": "web", "protocol": "HTTP", "port": port}
    spec = {"gatewayClassName": CLASS, "listeners": [listener]}
    space.create({"apiVersion": API_VERSION, "kind": "Gateway", "metadata": {"name": name}, "spec": spec})
    environment = {**os.environ, "KUBECONFIG": str(space.server.kubeconfig), "NO_PROXY": "127.0.0.1,localhost"}
    with (folder / "gateway.log").open("ab") as log:
        command = ["setpriv", "--pdeathsig", "KILL", *traefik_command(port)]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        eventually(lambda: _programmed(space, name), PATIENCE)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def _programmed(space: Space, name: str) -> bool:
    found = space.get(API_VERSION, "Gateway", name) or {}
    conditions = (found.get("status") or {}).get("conditions") or ()
    return any(item["type"] == "Programmed" and item["status"] == "True" for item in conditions)
