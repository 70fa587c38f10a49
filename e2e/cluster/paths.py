"""Where the cluster keeps what: a cache that may be deleted at any time, and the state of the running cluster."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
GO_MODULES = REPOSITORY / "e2e" / "cluster" / "go"
MANIFESTS = REPOSITORY / "e2e" / "cluster" / "manifests"
IMAGES = REPOSITORY / "images"


def cache_dir() -> Path:
    """Built binaries, images and step times; everything in it can be rebuilt."""
    return Path(os.environ.get("PINTLE_CACHE") or Path.home() / ".cache" / "pintle")


def cluster_dir() -> Path:
    """The state of the cluster from source: etcd's data, the kubelet's folder, certificates, logs, recorded ids."""
    return Path(os.environ.get("PINTLE_CLUSTER_DIR") or "/var/lib/pintle-cluster")


def run_dir() -> Path:
    """Sockets and other things that do not outlive the machine's uptime. Short, for a socket's path has 107 bytes."""
    return Path(os.environ.get("PINTLE_CLUSTER_RUN_DIR") or "/run/pintle-cluster")
