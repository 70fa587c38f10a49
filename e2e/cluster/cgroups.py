"""The cgroup below which all pods of the cluster live, in every hierarchy of cgroup v1 or in the one of v2."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from . import settings

_ROOT = Path("/sys/fs/cgroup")


def roots(mounts: str | None = None) -> list[Path]:
    """The mount points of the hierarchies."""
    text = mounts if mounts is not None else Path("/proc/self/mounts").read_text()
    found = []
    for line in text.splitlines():
        _, point, kind, *_ = line.split(" ")
        if kind in {"cgroup", "cgroup2"} and Path(point).is_relative_to(_ROOT):
            found.append(Path(point))
    return found


def ensure() -> None:
    """Make the cgroup; in cgroup v2 with the controllers that the kubelet wants below it."""
    for root in roots():
        group = root / settings.CGROUP
        group.mkdir(exist_ok=True)
        if root == _ROOT:
            for parent in (root, group):
                with contextlib.suppress(OSError):
                    (parent / "cgroup.subtree_control").write_text("+cpuset +cpu +io +memory +pids")
        # A new cpuset group of v1 has neither CPUs nor memory, and nothing can run in it.
        for name in ("cpuset.cpus", "cpuset.mems"):
            file = group / name
            if file.exists() and not file.read_text().strip():
                file.write_text((root / name).read_text())


def members() -> set[int]:
    """All processes in it and below."""
    found: set[int] = set()
    for root in roots():
        for file in (root / settings.CGROUP).rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                found.update(int(line) for line in file.read_text().split())
    return found


def clear(patience: float = 10.0) -> None:
    """Kill what runs in it and remove it. Processes get in there only by being in one of our pods."""
    deadline = time.monotonic() + patience
    while (left := members()) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)  # between two looks
    for root in roots():
        group = root / settings.CGROUP
        if not group.is_dir():
            continue
        for folder, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()
