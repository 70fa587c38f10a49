"""Checks a cluster's whole life on one aside: up, kill every process at once, up again, down, nothing left.

It runs in network and mount namespaces of its own, so it disturbs no cluster that is in use.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from . import addons, binaries, images, leftovers, node, paths, progress, settings, source, sysctl
from .processes import Identity, gone, wait_for
from .shell import run

_T = TypeVar("_T")
_INSIDE = "PINTLE_LIFECYCLE_INSIDE"
_POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "witness", "labels": {"app": "witness"}},
    "spec": {
        "terminationGracePeriodSeconds": 1,
        "containers": [
            {
                "name": "witness",
                "image": settings.PAUSE_IMAGE,
                "imagePullPolicy": "IfNotPresent",
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            }
        ],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "witness"}}],
    },
}
_CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "witness"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
}


def main() -> int:
    """0 when all is as it should be."""
    if os.environ.get(_INSIDE):
        return _check()
    with tempfile.TemporaryDirectory(prefix="pintle-lifecycle-") as folder:
        aside = {
            _INSIDE: "1",
            "PINTLE_CLUSTER": "source",
            "PINTLE_CLUSTER_NAME": "pintle-lifecycle",
            "PINTLE_CLUSTER_DIR": f"{folder}/state",
            "PINTLE_CLUSTER_RUN_DIR": "/run/pintle-lifecycle",
        }
        command = ["unshare", "--net", "--mount", "--propagation", "private", sys.executable, "-m", "e2e.cluster"]
        done = subprocess.run([*command, "lifecycle"], env={**os.environ, **aside}, cwd=paths.REPOSITORY, check=False)
        return done.returncode


def _check() -> int:
    run("ip", "link", "set", "lo", "up")
    before = _machine()
    problems: list[str] = []
    try:
        first = _timed("up", _up)
        container = _witness()
        problems += _same("a second up starts nothing anew", first, _timed("second up", _up))
        _timed("kill every process at once", _kill)
        _timed("up again", _up)
        # The API server still tells the state before the crash: only another container proves that the pod runs.
        wait_for("the witness to run again", lambda: _running_container() not in {"", container}, 60)
        addons.rollout("kube-system", "coredns")
        _timed("kill every process at once", _kill)
    finally:
        _timed("down", lambda: source.down(purge=True))
    problems += [f"left behind: {what}" for what in source.remains()]
    after = _machine()
    problems += [text for name in before for text in _same(f"{name} after down", before[name], after[name])]
    for problem in problems:
        print(f"PROBLEM: {problem}", file=sys.stderr)
    print("lifecycle: " + (f"{len(problems)} problems" if problems else "ok"))
    return 1 if problems else 0


def _up() -> dict[str, int]:
    source.up()
    addons.install_dns()
    return source.running()


def _witness() -> str:
    """A pod with a volume; returns the id of its container."""
    images.load_binary(binaries.PAUSE, settings.PAUSE_IMAGE)
    objects = json.dumps({"apiVersion": "v1", "kind": "List", "items": [_CLAIM, _POD]})
    node.kubectl_text("wait", "--for=create", "serviceaccount/default", "--timeout=30s")
    node.kubectl_text("apply", "-f", "-", given=objects)
    node.kubectl_text("wait", "--for=condition=Ready", "pod/witness", "--timeout=60s")
    return _running_container()


def _running_container() -> str:
    path = "jsonpath={.status.containerStatuses[?(@.ready==true)].containerID}"
    return node.kubectl_text("get", "pod", "witness", "-o", path)


def _kill() -> None:
    """As the end of a terminal or of a machine does, but with the shims and pods surviving."""
    identities = [Identity.of(pid) for pid in source.running().values()]
    alive = [one for one in identities if one]
    for one in alive:
        os.kill(one.pid, signal.SIGKILL)
    if not gone(alive, 10):
        raise AssertionError("a killed process lives")


def _machine() -> dict[str, object]:
    """What a cluster could have left on the machine."""
    ours = [paths.run_dir(), paths.cluster_dir()]
    return {
        "mounts": [str(point) for point in leftovers.mounts(ours)],
        "interfaces": sorted(link["ifname"] for link in json.loads(run("ip", "-json", "link"))),
        "routes": run("ip", "route", "show", "table", "all"),
        "nftables": run("nft", "list", "tables"),
        "sysctls": sysctl.read(settings.SYSCTLS_TOUCHED),
        "network namespaces": sorted(entry.name for entry in Path("/run/netns").glob("*")),
        "files": [str(folder) for folder in ours if folder.exists()],
    }


def _same(what: str, before: object, after: object) -> list[str]:
    return [] if before == after else [f"{what}: {before} -> {after}"]


def _timed(what: str, work: Callable[[], _T]) -> _T:
    started = time.monotonic()
    result = work()
    progress.say(f"{what}: {time.monotonic() - started:.1f} s")
    return result
