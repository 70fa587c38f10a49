"""The operator's replicas on the cluster: who leads, what each says of itself; and ways to kill, stop and wake one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e import images
from e2e.cluster import provider
from e2e.kubectl import Kubectl, KubectlError, patience

DEPLOYMENT = "pintle"
SELECTOR = "app.kubernetes.io/name=pintle"
LEASE = "pintle-operator"
METRICS_PORT = 8083
POLL_SECONDS = 0.3
Obj = dict[str, Any]


def on_this_machine() -> bool:
    """Whether the nodes' processes are this machine's: only so can a signal be sent from outside the container."""
    return provider.choose().name == "source"


@dataclass(frozen=True)
class Operators:
    """kubectl in the operator's namespace."""

    kube: Kubectl

    @classmethod
    def of(cls, kubeconfig: str) -> Operators:
        return cls(Kubectl(kubeconfig, images.NAMESPACE))

    def pods(self) -> list[Obj]:
        """Those that are to stay, by age."""
        found = [pod for pod in self.kube.list("pods", SELECTOR) if not pod["metadata"].get("deletionTimestamp")]
        return sorted(found, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def holder(self) -> str:
        """UID of the pod that holds the Lease; empty when nobody does."""
        lease = self.kube.get("lease", LEASE) or {"spec": {}}
        return str(lease["spec"].get("holderIdentity") or "")

    def both(self) -> tuple[Obj, Obj]:
        """The pod that leads and the one that stands by."""
        self.wait_healthy()
        holder, pods = self.holder(), self.pods()
        (leader,) = [pod for pod in pods if uid(pod) == holder]
        (standby,) = [pod for pod in pods if uid(pod) != holder]
        return leader, standby

    def metric(self, pod: Obj, name: str) -> float:
        """Sum of a metric's series as that replica itself tells them; 0 where it has none."""
        path = f"/api/v1/namespaces/{self.kube.namespace}/pods/{pod['metadata']['name']}:{METRICS_PORT}/proxy/metrics"
        lines = self.kube.run("get", "--raw", path).splitlines()
        found = [line.rsplit(" ", 1) for line in lines if line.startswith((f"{name} ", f"{name}{{"))]
        return sum(float(value) for _, value in found)

    def leads(self, pod: Obj) -> bool:
        """It holds the Lease and says that it acts."""
        try:
            return self.holder() == uid(pod) and self.metric(pod, "pintle_operator_leader") == 1
        except KubectlError:
            return False

    def restarts(self, pod: Obj) -> int:
        """How often its container was restarted."""
        return _restarts(self.kube.get("pod", pod["metadata"]["name"]) or {})

    def leader(self, but: str = "", seconds: float = 60) -> Obj:
        """The pod that leads, once it is one that is to stay, with another UID than `but`.

        A pod that was deleted may go on for a moment. It gives its Lease away then, to whoever asks first: the one that
        stood by, or the one that was made in its place.
        """
        found: list[Obj] = []

        def met() -> bool:
            found[:] = [pod for pod in self.pods() if uid(pod) != but and self.leads(pod)]
            return bool(found)

        eventually(met, "one that stays leads", seconds)
        return found[0]

    def kill_leader(self) -> str:
        """Ends whoever leads, without a chance to decide anything more; returns how.

        SIGKILL where that can be sent: the container is restarted and goes on with its own Lease. One that was
        restarted before would wait for the kubelet's back-off: it is lost with its pod, and the other goes on.
        """
        leader = self.leader()
        if on_this_machine() and not _restarts(leader):
            os.kill(process_of(leader), signal.SIGKILL)
            return f"{leader['metadata']['name']} by SIGKILL"
        self.lose(leader)
        return f"{leader['metadata']['name']} with its pod"

    def lose(self, pod: Obj) -> None:
        """The pod is gone at once, as with its node."""
        self.kube.run("delete", "pod", pod["metadata"]["name"], "--force", "--grace-period=0", "--wait=false")

    def wait_healthy(self, seconds: float = 120) -> None:
        """Both replicas are ready, and one of them acts."""
        words = ("rollout", "status", f"deployment/{DEPLOYMENT}", f"--timeout={seconds:.0f}s")
        self.kube.run(*words, timeout=seconds + 10)
        eventually(lambda: len(self.pods()) == 2 and any(map(self.leads, self.pods())), "one of two leads", seconds)


@contextmanager
def stopped(process: int) -> Iterator[None]:
    """It does nothing at all, and does not know it (SIGSTOP); on leaving it goes on where it was."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def process_of(pod: Obj) -> int:
    """The id of the operator's process in this pod, on this machine."""
    mark = f"PINTLE_POD_UID={uid(pod)}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            operator = b"pintle.controller" in (folder / "cmdline").read_bytes()
            if operator and mark in (folder / "environ").read_bytes().split(b"\0"):
                return int(folder.name)
        except OSError:
            # It has ended meanwhile.
            continue
    raise AssertionError(f"no process of {pod['metadata']['name']} on this machine")


def _restarts(pod: Obj) -> int:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return sum(status["restartCount"] for status in statuses)


def uid(pod: Obj) -> str:
    return str(pod["metadata"]["uid"])


def eventually(met: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """AssertionError when it never is."""
    deadline = time.monotonic() + patience(seconds)
    while not met():
        assert time.monotonic() < deadline, f"not after {seconds:.0f} s: {what}"
        time.sleep(POLL_SECONDS)
