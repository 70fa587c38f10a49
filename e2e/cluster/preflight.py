"""Whether this machine can and may carry the cluster."""

from __future__ import annotations

import os
import platform
from collections.abc import Collection
from pathlib import Path

from .errors import ClusterError

_STRANGERS = {"kubelet", "kube-proxy", "containerd", "crio", "cri-dockerd", "k3s", "k3s-server", "rke2", "k0s"}


def check(own: Collection[int]) -> None:
    """Refuse where it cannot work, or where somebody else's node runs. `own`: ids of our processes."""
    if platform.system() != "Linux":
        raise ClusterError("The cluster from source needs Linux. Elsewhere start Docker, and kind is used instead.")
    if os.geteuid() != 0:
        raise ClusterError("The cluster from source needs root. Run as root, start Docker, or set PINTLE_KUBECONFIG.")
    found = strangers(own)
    if found:
        named = ", ".join(f"{name} (process {pid})" for pid, name in sorted(found.items()))
        raise ClusterError(
            f"Another Kubernetes node or container runtime runs here: {named}. Two nodes on one machine take each "
            "other's pods and rules, so this cluster does not start beside it. Stop it, or set PINTLE_KUBECONFIG to "
            "use the cluster that runs already."
        )


def strangers(own: Collection[int], process_folder: Path = Path("/proc")) -> dict[int, str]:
    """Kubelets, kube-proxies and container runtimes in our network that are not ours: process id -> name."""
    here = _network(process_folder / "self")
    found = {}
    for entry in process_folder.iterdir():
        if not entry.name.isdigit() or int(entry.name) in own:
            continue
        try:
            name = (entry / "comm").read_text().strip()
        except OSError:
            continue
        # What runs in a container's own network (a node of kind, say) shares neither ports nor rules with us.
        if name in _STRANGERS and _network(entry) == here:
            found[int(entry.name)] = name
    return found


def _network(process: Path) -> str:
    try:
        return os.readlink(process / "ns" / "net")
    except OSError:
        return ""
