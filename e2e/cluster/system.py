"""Commands that the operating system must provide, and how to get them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from . import cache, progress
from .errors import ClusterError

# Command or file -> Debian package.
PACKAGES = {
    "etcd": "etcd-server",
    "openssl": "openssl",
    "containerd": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "nft": "nftables",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "mount": "mount",
    "setpriv": "util-linux",
    "debootstrap": "debootstrap",
    "buildah": "buildah",
    "fuse-overlayfs": "fuse-overlayfs",
}


def missing(commands: Iterable[str]) -> list[str]:
    """Those of `commands` that this machine lacks."""
    return [command for command in commands if not _present(command)]


def require(commands: Iterable[str]) -> None:
    """Install what is missing where apt and root allow; else say which command installs it."""
    lacking = missing(commands)
    if not lacking:
        return
    packages = sorted({PACKAGES[command] for command in lacking})
    by_hand = f"apt-get install --no-install-recommends {' '.join(packages)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise ClusterError(f"Missing here: {', '.join(lacking)}. On Debian or Ubuntu, as root: {by_hand}")
    # One at a time: the cluster and the images are prepared side by side.
    with cache.lock("packages"), progress.step(f"apt-get install {' '.join(packages)}", "build"):
        _apt(["update"], by_hand)
        _apt(["install", "--yes", "--no-install-recommends", *packages], by_hand)
    if still := missing(lacking):
        raise ClusterError(f"{by_hand} did not bring {', '.join(still)}.")


def _present(command: str) -> bool:
    if command.startswith("/"):
        return Path(command).exists()
    return shutil.which(command, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


def _apt(words: list[str], by_hand: str) -> None:
    # A package's service must not start: a second etcd, containerd or Prometheus on this machine would be one that
    # nobody asked for. RUNLEVEL=1 tells Debian's invoke-rc.d to start nothing.
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    done = subprocess.run(["apt-get", "-q", *words], env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{by_hand} failed:\n{done.stderr.strip()[-1500:]}")
