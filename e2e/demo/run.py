"""The demo from beginning to end; each step can be repeated."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from e2e.demo import loading, objects, prometheus
from e2e.demo.compare import Comparison, Count, compare
from e2e.demo.flights import PARTITIONS, REPLAY_MONTH, partitions
from e2e.demo.page import Page
from e2e.demo.replay import Question, Replayed, questions, replay
from e2e.demo.terminal import Progress, Step
from e2e.demo.waiting import DemoError, await_condition, is_current
from e2e.kubectl import Kubectl

Obj = Mapping[str, Any]


@dataclass(frozen=True)
class Doors:
    """Ways into the cluster. `gateway_ref` is `namespace/name` of a Gateway other than the one of `make cluster`."""

    kubeconfig: str
    gateway: str
    prometheus: str
    runner_image: str
    gateway_ref: str = ""
    host: str = ""


@dataclass(frozen=True)
class Outcome:
    """What the demo came to."""

    comparison: Comparison
    counts: list[Count]
    page: Page

    @property
    def problems(self) -> list[str]:
        """What is not as it should be; empty after a good run."""
        wrong = [f"{self.comparison.failed} requests failed"] if self.comparison.failed else []
        return wrong + [
            f"Prometheus: {item.name} grew by {item.counted:,.0f}, not {item.sent:,}"
            for item in self.counts
            if not item.equal
        ]


def run(doors: Doors, every: int) -> Outcome:
    """The whole demo with every `every`-th flight. Raises DemoError, KubectlError and httpx.HTTPError."""
    progress = Progress(steps=6)
    kube = Kubectl(doors.kubeconfig, objects.NAMESPACE)
    with progress.step(f"Data: flights of 2013-{PARTITIONS[0]:02d} to 2013-{PARTITIONS[-1]:02d} into a claim") as step:
        late = _data(kube, doors, step)
    with progress.step("Train: TrainingJob → Job (fetch, train, evaluate, upload) → ModelVersion") as step:
        trained = _train(kube, step)
    name = f"{objects.NAME}-v{trained['status']['latestVersion']}"
    with progress.step(f"Check: {name} verified by its digest, then loaded and queried in the serving image") as step:
        version = await_condition(kube, step, "modelversion", name, "Ready", 300)
        step.done(f"{name} is Ready")
    with progress.step("Serve: ModelDeployment → pods behind the gateway") as step:
        deployment, url = _serve(kube, doors, step)
    with progress.step(f"Replay: flights of 2013-{REPLAY_MONTH:02d}, none seen before, through the gateway") as step:
        before = prometheus.read(doors.prometheus)
        asked = questions(REPLAY_MONTH, every)
        replayed = _replay(url, doors.host, asked, step)
    with progress.step("Compare: answers with the truth, Prometheus with what was sent") as step:
        comparison = compare(replayed, late)
        counts = prometheus.await_counts(doors.prometheus, before, _expected(replayed))
        step.done("counted exactly" if all(item.equal for item in counts) else "the counters differ")
    page = Page(trained, version, deployment, comparison, counts, progress.times, url, asked[0].row, doors.kubeconfig)
    return Outcome(comparison, counts, page)


def _data(kube: Kubectl, doors: Doors, step: Step) -> float:
    """Fills the claim; returns the share of late flights in the months trained on."""
    kube.apply(objects.namespace(), *objects.example("claims.yaml"))
    with tempfile.TemporaryDirectory() as folder:
        written = partitions.write(
            Path(folder), PARTITIONS, done=lambda item: step.note(f"{item.path.name}: {item.rows:,} flights")
        )
        copied = loading.load(kube, doors.runner_image, [item.path for item in written], step.note)
    rows = sum(item.rows for item in written)
    left_out = sum(item.without_label for item in written)
    step.done(f"{rows:,} flights ({left_out:,} that never arrived left out), {copied} of {len(written)} files copied")
    trained_on = written[-4:-1]
    late: float = sum(item.late * item.rows for item in trained_on) / sum(item.rows for item in trained_on)
    return late


def _train(kube: Kubectl, step: Step) -> Obj:
    kube.apply(objects.code(), *objects.example("trainingjob.yaml"))
    trained = await_condition(kube, step, "trainingjob", objects.NAME, "Succeeded", 900)
    if not trained["status"].get("latestVersion"):
        raise DemoError(f"trainingjob/{objects.NAME} succeeded without a version: {trained['status']}")
    step.done(f"version {trained['status']['latestVersion']}")
    return trained


def _serve(kube: Kubectl, doors: Doors, step: Step) -> tuple[Obj, str]:
    """Returns the Ready deployment and the address that answers predictions."""
    applied = objects.model_deployment(doors.gateway_ref)
    kube.apply(applied)
    deployment = await_condition(kube, step, "modeldeployment", objects.NAME, "Ready", 300)
    if not is_current(deployment, "Available"):
        raise DemoError("the deployment is Ready, but Available is of an earlier generation")
    root = doors.gateway.rstrip("/") + applied["spec"]["traffic"]["gateway"]["path"]
    _await_door(f"{root}/v2/health/ready", doors.host, step)
    step.done(f"answers at {root}/predict")
    return deployment, f"{root}/predict"


def _await_door(url: str, host: str, step: Step, seconds: float = 60) -> None:
    """Until the gateway has taken the route up. Raises DemoError with its last answer."""
    deadline, last = time.monotonic() + seconds, ""
    headers = {"host": host} if host else {}
    while time.monotonic() < deadline:
        try:
            answer = httpx.get(url, headers=headers, timeout=5, trust_env=False)
            if answer.status_code == 200:
                return
            last = f"{answer.status_code} {answer.text[:100]}"
        except httpx.HTTPError as error:
            last = str(error)
        step.note(f"waiting for the gateway: {last}")
        time.sleep(0.25)  # between two looks
    raise DemoError(f"{url} does not answer: {last}")


def _replay(url: str, host: str, asked: list[Question], step: Step) -> Replayed:
    replayed = replay(url, asked, step.note, host)
    step.done(f"{replayed.sent:,} flights asked, {len(replayed.failures)} failed")
    return replayed


def _expected(replayed: Replayed) -> dict[str, int]:
    answered = len(replayed.answers)
    return {name: 0 if name == "requests rejected" else answered for name in prometheus.QUERIES}
