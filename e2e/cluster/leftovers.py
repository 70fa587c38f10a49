"""Finds and removes what a cluster leaves when its processes are killed: shims, mounts, namespaces, sockets, logs.

Nothing is recognised by a name alone that others may use: mounts lie below our folders, shims carry our socket in
their command line, sockets are named in our shims' own files.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterable
from pathlib import Path

from . import cgroups, network, node, paths, processes, settings
from .processes import Identity
from .shell import succeeds

# The kubelet listens for device plugins here, wherever its own folder is.
DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins")


def orphans(process_folder: Path = Path("/proc")) -> list[Identity]:
    """Processes that run on our behalf but have no record: shims, and runc in the middle of something."""
    ours = {str(node.socket()), str(paths.run_dir() / "runc")}
    found = []
    for entry in process_folder.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        program = Path(words[0]).name
        if program in {"containerd-shim-runc-v2", "containerd-shim", "runc"} and ours.intersection(words):
            identity = Identity.of(int(entry.name))
            if identity:
                found.append(identity)
    return found


def mounts(below: Iterable[Path], table: str | None = None) -> list[Path]:
    """The mount points below the given folders, the innermost first."""
    text = table if table is not None else Path("/proc/self/mountinfo").read_text()
    folders = list(below)
    points = [Path(line.split(" ")[4].replace("\\040", " ")) for line in text.splitlines() if line.count(" ") > 4]
    # Later lines may be mounted on top of earlier ones, hence the reverse order.
    return [point for point in reversed(points) if any(point.is_relative_to(folder) for folder in folders)]


def clear() -> None:
    """Remove everything that pods leave, while no containerd and no kubelet of ours runs."""
    sockets = shim_sockets()
    cgroups.clear()
    processes.end(orphans(), grace=0.0)
    for point in mounts([paths.run_dir(), paths.cluster_dir()]):
        if not succeeds("umount", point):
            succeeds("umount", "--lazy", point)
    network.bridge_down()
    for file in sockets:
        file.unlink(missing_ok=True)
    shutil.rmtree(paths.run_dir(), ignore_errors=True)
    shutil.rmtree(paths.cluster_dir() / "kubelet" / "pods", ignore_errors=True)
    _shared_folders()


def shim_sockets() -> list[Path]:
    """Shims listen in a folder that all containerds of a machine share; each says in our state which is its own."""
    found = []
    for file in (paths.run_dir() / "containerd").glob("io.containerd.runtime.v2.task/*/*/address"):
        address = file.read_text(errors="replace").removeprefix("unix://")
        if address.startswith("/run/containerd/s/"):
            found.append(Path(address))
    return found


def listens(file: Path) -> bool:
    """Whether somebody takes connections at this socket."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(file))
        except OSError:
            return False
    return True


def _shared_folders() -> None:
    """Files of ours in folders whose place nobody lets us choose."""
    for link in Path("/var/log/containers").glob("*.log"):
        if link.is_symlink() and Path(os.readlink(link)).is_relative_to(paths.cluster_dir()):
            link.unlink()
    results = Path("/var/lib/cni/results")
    for file in results.glob(f"{settings.NAME}-*-eth0"):
        # The plugins keep one file for each network a container is in, and loopback counts as one.
        container = file.name.removeprefix(f"{settings.NAME}-").removesuffix("-eth0")
        if "-" not in container:
            (results / f"cni-loopback-{container}-lo").unlink(missing_ok=True)
            file.unlink()
    if not listens(DEVICE_PLUGINS / "kubelet.sock"):
        for name in ("kubelet.sock", "kubelet_internal_checkpoint"):
            (DEVICE_PLUGINS / name).unlink(missing_ok=True)
    # Not ours alone, but gone again when nobody else has anything in them.
    for folder in (
        "/run/containerd/s",
        "/run/containerd",
        "/var/log/containers",
        "/var/lib/cni/results",
        "/var/lib/cni",
        DEVICE_PLUGINS,
        DEVICE_PLUGINS.parent,
    ):
        try:
            Path(folder).rmdir()
        except OSError:
            continue
