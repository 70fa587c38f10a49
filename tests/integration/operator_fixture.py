"""The operator as a real process, and a stand-in for the kubelet and the controllers, on a real API server.

with OperatorProcess(server.kubeconfig, folder) as operator:
    operator.wait_ready()
    ...
    operator.decisions()     # the JSON lines of what it decided
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
from pintle.contract import names
from pintle.resources.run_job import ANNOTATION_DEFINITION

from e2e.cluster.ports import free_ports
from tests.builders import PodBuilder, digest
from tests.integration.kube import ROOT, Refused, Rest, eventually

REAL = "pintle.controller"
TOY = "tests.integration.toy_operator"
NAMESPACE = "default"


class OperatorProcess:
    """One replica. `kill_after`: SIGKILL itself right after this many effects. `module`: the real one or the toy."""

    _count = 0

    def __init__(
        self,
        kubeconfig: Path,
        folder: Path,
        *,
        module: str = REAL,
        namespaces: Sequence[str] = (),
        uid: str = "",
        lease_namespace: str = NAMESPACE,
        kill_after: int | None = None,
        env: dict[str, str] | None = None,
    ) -> None:
        OperatorProcess._count += 1
        self.health_port, self.metrics_port = free_ports(2)
        self.uid = uid or f"replica-{OperatorProcess._count}"
        self.log = folder / f"operator-{OperatorProcess._count}.jsonl"
        self._module = module
        self._env = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PINTLE_")},
            "KUBECONFIG": str(kubeconfig),
            "NO_PROXY": "127.0.0.1,localhost",
            "PINTLE_SERVER_IMAGE": "example/pintle-server:1",
            "PINTLE_RUNNER_IMAGE": "example/pintle-runner:1",
            "PINTLE_WATCH_NAMESPACES": ",".join(namespaces),
            "PINTLE_POD_UID": self.uid,
            "PINTLE_POD_NAMESPACE": lease_namespace,
            "PINTLE_HEALTH_PORT": str(self.health_port),
            "PINTLE_METRICS_PORT": str(self.metrics_port),
            **({"PINTLE_TEST_KILL_AFTER": str(kill_after)} if kill_after else {}),
            **(env or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> OperatorProcess:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> OperatorProcess:
        """Start it (again, in the same pod so to speak)."""
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", self._module]
            self._process = subprocess.Popen(command, cwd=ROOT, env=self._env, stdout=log, stderr=subprocess.STDOUT)
        return self

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def wait_ready(self, patience: float = 20.0) -> None:
        """Until /readyz answers 200."""
        eventually(lambda: self._health("/readyz") == 200, patience)

    def wait_leading(self, patience: float = 30.0) -> None:
        """Until it acts."""
        eventually(lambda: self._leads(), patience)

    def wait_ended(self, patience: float = 20.0) -> int:
        """Its exit code; -9 when it was killed."""
        return self.process.wait(patience)

    def lives(self, patience: float) -> bool:
        """Whether it has not ended within this time."""
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            return True
        return False

    def terminate(self, patience: float = 15.0) -> int:
        """SIGTERM, as the kubelet does; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait_ended(patience)

    def kill(self) -> None:
        """SIGKILL, if it still runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)

    def lines(self) -> list[dict[str, Any]]:
        """What it logged; a line that is not JSON fails the test."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def decisions(self) -> list[dict[str, Any]]:
        """What it decided, oldest first."""
        return [line for line in self.lines() if line["logger"] == "pintle.decision"]

    def metric(self, name: str) -> float:
        """Sum of a metric over its labels."""
        text = httpx.get(f"http://127.0.0.1:{self.metrics_port}/metrics", trust_env=False).text
        rows = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
        return sum(float(value) for series, value in rows if series.split("{")[0] == name)

    def resident_megabytes(self) -> float:
        """Resident memory now."""
        fields = Path(f"/proc/{self.process.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def _health(self, path: str) -> int:
        assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.log.read_text()[-2000:]}"
        try:
            return httpx.get(f"http://127.0.0.1:{self.health_port}{path}", trust_env=False, timeout=5).status_code
        except httpx.TransportError:
            return 0

    def _leads(self) -> bool:
        return any(line["message"] == "acting" for line in self.lines() if "message" in line) and (
            self._health("/readyz") == 200
        )


class StandIn:
    """Plays the kubelet and the controllers for a namespace: sets the statuses that they would set.

    `routes`: those of a gateway's controller, too.
    """

    def __init__(self, rest: Rest, namespace: str, routes: bool = True) -> None:
        self._rest = rest
        self._namespace = namespace
        self._routes = routes

    def set_status(self, body: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
        """Merge into the status of an object, as its controller."""
        return self._rest.merge(body, {"status": status}, subresource="status")

    @contextlib.contextmanager
    def at_work(self, interval: float = 0.1) -> Iterator[StandIn]:
        """Play all the time, in a thread of its own. An error in it fails the test at the end."""
        ended = threading.Event()

        def play() -> None:
            while not ended.wait(interval):
                self.play()

        with ThreadPoolExecutor(1) as pool:
            playing = pool.submit(play)
            try:
                yield self
            finally:
                ended.set()
            playing.result(10)

    def play(self) -> None:
        """One pass: every run trains, every check finds all in order, every Deployment is up."""
        for job in self._all("batch/v1", "Job"):
            if not (job.get("status") or {}).get("conditions") and not job["spec"].get("suspend"):
                self._if_there(lambda job=job: self.train(job))
        for pod in self._all("v1", "Pod", f"{names.LABEL_COMPONENT}={names.COMPONENT_CHECK}"):
            if (pod.get("status") or {}).get("phase") != "Succeeded":
                self._if_there(lambda pod=pod: self.set_status(pod, checked(pod)))
        for deployment in self._all("apps/v1", "Deployment"):
            if (deployment.get("status") or {}).get("observedGeneration") != deployment["metadata"]["generation"]:
                self._if_there(lambda deployment=deployment: self.roll_out(deployment))
        for route in self._all("gateway.networking.k8s.io/v1", "HTTPRoute") if self._routes else ():
            self._if_there(lambda route=route: self.accept(route))

    def accept(self, route: dict[str, Any]) -> None:
        """A gateway's controller has programmed the route as it is now."""
        generation = route["metadata"]["generation"]
        known = (route.get("status") or {}).get("parents") or []
        if any(c["observedGeneration"] == generation for parent in known for c in parent["conditions"]):
            return
        conditions = [
            {"type": kind, "status": "True", "reason": "StandIn", "message": "", "observedGeneration": generation}
            | {"lastTransitionTime": "2026-01-01T00:00:00Z"}
            for kind in ("Accepted", "ResolvedRefs")
        ]
        named = {"controllerName": "example.com/stand-in", "parentRef": route["spec"]["parentRefs"][0]}
        self.set_status(route, {"parents": [{**named, "conditions": conditions}]})

    def train(self, job: dict[str, Any]) -> None:
        """The Job's pod has run to its end and the model is uploaded."""
        self.job_pod(job, trained(job))
        self.complete_job(job)

    def _all(self, api_version: str, kind: str, selector: str = "") -> list[dict[str, Any]]:
        found = self._rest.list(api_version, kind, self._namespace, selector)
        return [{**item, "apiVersion": api_version, "kind": kind} for item in found]

    def _if_there(self, act: Callable[[], Any]) -> None:
        """What the operator deletes while we play is no error."""
        try:
            act()
        except Refused as refused:
            if refused.code not in (404, 409):
                raise

    def complete_job(self, job: dict[str, Any], when: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
        """The Job has succeeded."""
        conditions = [
            {"type": kind, "status": "True", "lastTransitionTime": when, "lastProbeTime": when}
            for kind in ("SuccessCriteriaMet", "Complete")
        ]
        done = {"startTime": when, "completionTime": when, "succeeded": 1, "conditions": conditions}
        return self.set_status(job, done)

    def job_pod(self, job: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
        """The Job's pod, made from its template, with this status."""
        template = job["spec"]["template"]
        name, namespace = job["metadata"]["name"], self._namespace
        owner = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "controller": True,
            "name": name,
            "uid": job["metadata"]["uid"],
        }
        labels = template["metadata"].get("labels") or {}
        metadata = {"name": f"{name}-0", "namespace": namespace, "labels": labels, "ownerReferences": [owner]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        found = self._rest.get(pod) or self._rest.create(pod)
        return self.set_status(found, status)

    def roll_out(self, deployment: dict[str, Any]) -> dict[str, Any]:
        """All replicas of a Deployment are up."""
        replicas = deployment["spec"].get("replicas", 1)
        status = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": replicas,
            "updatedReplicas": replicas,
            "readyReplicas": replicas,
            "availableReplicas": replicas,
            "conditions": [
                {"type": kind, "status": "True", "reason": "StandIn", "lastTransitionTime": "2026-01-01T00:00:00Z"}
                for kind in ("Available", "Progressing")
            ],
        }
        return self.set_status(deployment, status)


def trained(job: dict[str, Any]) -> dict[str, Any]:
    """Status of a run's pod that has trained and uploaded a model; the digest is derived from the definition."""
    run = job["metadata"]["name"]
    letter = job["metadata"]["annotations"][ANNOTATION_DEFINITION][-1]
    uri = f"s3://models/delays/{run}"
    identity = digest(letter)
    fetched = {"phase": "fetch", "identity": identity, "datasets": []}
    evaluated = {"phase": "evaluate", "verdict": "Pass", "metrics": {"auc": 0.71}, "gates": []}
    uploaded = {"phase": "upload", "uri": uri, "digest": digest(letter), "identity": identity, "verdict": "Pass"}
    pod = PodBuilder(f"{run}-0", ("record", "fetch", "train", "evaluate"), "upload", sidecars=("record",))
    pod.ended("record", 0).ended("fetch", 0, json.dumps(fetched)).ended("train", 0)
    pod.ended("evaluate", 0, json.dumps(evaluated)).ended("upload", 0, json.dumps(uploaded)).phase("Succeeded")
    return dict(pod.obj()["status"])


def checked(pod: dict[str, Any]) -> dict[str, Any]:
    """Status of a check pod that has found everything in order."""
    verified = {"phase": "verify", "digest": digest("a")}
    answered = {"phase": "check", "rows": 8, "maxDifference": 0.0, "modelFormat": "ONNX"}
    built = PodBuilder(pod["metadata"]["name"], ("fetch",), "check").ended("fetch", 0, json.dumps(verified))
    return dict(built.ended("check", 0, json.dumps(answered)).phase("Succeeded").obj()["status"])
