"""The cluster from source: brought up step by step, each step doing nothing where its work is done already."""

from __future__ import annotations

import shutil
from pathlib import Path

from . import binaries, controlplane, leftovers, network, node, paths, preflight, progress, settings, sysctl
from . import system as packages
from .cache import lock
from .controlplane import daemon
from .errors import ClusterError
from .shell import succeeds

# In the order in which they are stopped.
DAEMONS = (
    "traefik",
    "metrics-server",
    node.PROXY,
    node.KUBELET,
    node.CONTAINERD,
    controlplane.PROVISIONER,
    controlplane.SCHEDULER,
    controlplane.CONTROLLERS,
    controlplane.APISERVER,
    controlplane.ETCD,
)
_COMMANDS = (
    "etcd",
    "openssl",
    "containerd",
    "runc",
    f"{settings.CNI_PROGRAMS}/bridge",
    "nft",
    "conntrack",
    "ip",
    "mount",
)


def running() -> dict[str, int]:
    """Our processes: name -> id."""
    found = {name: daemon(name).identity() for name in DAEMONS}
    return {name: identity.pid for name, identity in found.items() if identity}


def check() -> None:
    """Whether this machine can have one: ClusterError before minutes go into building."""
    preflight.check(set(running().values()))


def up() -> None:
    """Come up from any state: nothing there, some of it dead, all of it there."""
    with lock(f"cluster-{settings.NAME}"):
        check()
        packages.require(_COMMANDS)
        binaries.KUBERNETES.folder()
        _prepare_machine()
        with progress.step("control plane") as step:
            step.cached = {controlplane.ETCD, controlplane.APISERVER} <= running().keys()
            controlplane.start()
        with progress.step("node") as step:
            step.cached = {node.CONTAINERD, node.KUBELET, node.PROXY} <= running().keys()
            _start_node()


def _prepare_machine() -> None:
    """Without a living containerd nothing of what pods left is of use: clear it, as a restart of the machine would."""
    if node.CONTAINERD not in running():
        for name in (node.KUBELET, node.PROXY):
            daemon(name).stop()
        leftovers.clear()
    for name in ("overlay", "br_netfilter"):
        succeeds("modprobe", name)
    record = paths.cluster_dir() / "sysctls.json"
    sysctl.remember(settings.SYSCTLS_TOUCHED, record)
    refused = sysctl.write(settings.SYSCTLS_WANTED)
    if refused:
        raise ClusterError(f"The kernel does not take {', '.join(refused)}; pods could not reach Services.")
    network.bridge_up()


def _start_node() -> None:
    from . import images

    node.start_containerd()
    images.load_binary(binaries.PAUSE, settings.PAUSE_IMAGE)
    node.start()
    node.wait_ready()


def down(purge: bool = False) -> None:
    """Leave no process, mount, interface, rule or cgroup. Imported images stay unless `purge`."""
    with lock(f"cluster-{settings.NAME}"), progress.step("cluster down"):
        for name in DAEMONS[: DAEMONS.index(node.CONTAINERD)]:
            daemon(name).stop()
        if daemon(node.CONTAINERD).identity():
            # Records of containers would outlive us beside the images, and hold their snapshots.
            node.forget_containers()
        for name in DAEMONS[DAEMONS.index(node.CONTAINERD) :]:
            daemon(name).stop(grace=5.0)
        leftovers.clear()
        sysctl.restore(paths.cluster_dir() / "sysctls.json")
        _remove_state(purge)


def _remove_state(purge: bool) -> None:
    kept: set[Path] = set() if purge else {paths.cluster_dir() / "containerd"}
    still = leftovers.mounts([paths.cluster_dir()])
    if still:
        raise ClusterError(f"Still mounted: {', '.join(map(str, still))}. Its folder is left alone.")
    if not paths.cluster_dir().is_dir():
        return
    for entry in paths.cluster_dir().iterdir():
        if entry not in kept:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    if not any(paths.cluster_dir().iterdir()):
        paths.cluster_dir().rmdir()


def remains() -> list[str]:
    """What of the cluster is still on this machine; empty after `down`."""
    found = [f"process {name} ({pid})" for name, pid in running().items()]
    found += [f"process {identity.pid}" for identity in leftovers.orphans()]
    found += [f"mount {point}" for point in leftovers.mounts([paths.run_dir(), paths.cluster_dir()])]
    found += [f"interface {settings.BRIDGE}"] if succeeds("ip", "link", "show", settings.BRIDGE) else []
    found += [
        f"nftables table {family} {table}"
        for family, table in (("ip", settings.NFT_TABLE), ("ip", "kube-proxy"), ("ip6", "kube-proxy"))
        if succeeds("nft", "list", "table", family, table)
    ]
    device_socket = leftovers.DEVICE_PLUGINS / "kubelet.sock"
    found += [f"socket {device_socket}"] if device_socket.exists() and not leftovers.listens(device_socket) else []
    from . import cgroups

    found += [f"cgroup {root / settings.CGROUP}" for root in cgroups.roots() if (root / settings.CGROUP).exists()]
    return found


def tails() -> str:
    """The ends of the logs of processes that should run and do not."""
    dead = [name for name in DAEMONS if name not in running()]
    return "\n".join(f"--- {name}\n{daemon(name).tail(8)}" for name in dead)
