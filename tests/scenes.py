"""Scenes around one parent: look, let the cluster do its part, look again, read the conditions.

scene = TrainingScene(training_job().gate("auc", min="0.7"))
scene.settle()
scene.pod(lambda pod: pod.running("fetch"))
scene.settle()
assert scene.succeeded == ("Unknown", "Running")
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from pintle.api.watching import CAUSES
from pintle.contract import names
from pintle.core.plan import Plan, Policy
from pintle.core.training.observed import TrainingObserved
from pintle.core.training.plan import plan as plan_training
from pintle.core.versions.observed import VersionObserved
from pintle.core.versions.plan import plan as plan_version

from tests.builders import (
    ModelVersionBuilder,
    PodBuilder,
    TrainingJobBuilder,
    check_pod,
    config_map,
    digest,
    model_deployment,
    model_version,
    run_pod,
    stamp,
    training_job,
)
from tests.world import World

Obj = dict[str, Any]
POLICY = Policy(
    server_image="pintle-server:1",
    runner_image="pintle-runner:1",
    start_deadline=timedelta(minutes=5),
    check_attempts=3,
)


def result(phase: str, **fields: Any) -> str:
    """A container's termination message."""
    return json.dumps({"phase": phase, **fields})


class Scene:
    """A parent in a world."""

    kind = ""

    def __init__(self, parent: Obj, world: World | None = None, policy: Policy = POLICY) -> None:
        self.world = world or World()
        self.policy = policy
        self.name: str = parent["metadata"]["name"]
        self.world.add(parent)

    @property
    def parent(self) -> Obj:
        found = self.world.get(self.kind, self.name)
        assert found is not None
        return found

    def plan(self, write_error: str | None = None) -> Plan:
        raise NotImplementedError

    def look(self, write_error: str | None = None) -> Plan:
        """One look and all its effects."""
        plan = self.plan(write_error)
        self.world.execute(self.kind, self.name, plan)
        return plan

    def settle(self) -> Plan:
        """Look until nothing is left to do; that takes few looks, or never ends."""
        for _ in range(10):
            plan = self.look()
            if plan.changes_nothing:
                return plan
        raise AssertionError(f"does not settle: {plan}")

    @property
    def status(self) -> Mapping[str, Any]:
        return self.parent.get("status") or {}

    def condition(self, type_: str) -> tuple[str, str]:
        """(status, reason) of a condition."""
        found = next(c for c in self.status["conditions"] if c["type"] == type_)
        return found["status"], found["reason"]

    def message(self, type_: str) -> str:
        return str(next(c for c in self.status["conditions"] if c["type"] == type_)["message"])


class TrainingScene(Scene):
    """A TrainingJob whose ConfigMap exists, unless `code` is None."""

    kind = "TrainingJob"

    def __init__(
        self,
        builder: TrainingJobBuilder | None = None,
        code: Obj | None = None,
        world: World | None = None,
        policy: Policy = POLICY,
        with_code: bool = True,
    ) -> None:
        super().__init__((builder or training_job()).obj(), world, policy)
        if with_code:
            self.world.add(code or config_map())

    def observed(self, write_error: str | None = None) -> TrainingObserved:
        source = self.parent["spec"].get("source") or {}
        name = (source.get("configMapRef") or {}).get("name")
        jobs = self.world.owned("Job", self.parent)
        uids = {self.parent["metadata"]["uid"], *(job["metadata"]["uid"] for job in jobs)}
        pods = tuple(
            pod
            for pod in self.world.list("Pod")
            if uids & {owner["uid"] for owner in pod["metadata"].get("ownerReferences") or ()}
        )
        return TrainingObserved(
            parent=self.parent,
            config_map=self.world.get("ConfigMap", name) if name else None,
            jobs=jobs,
            pods=pods,
            versions=self.world.list("ModelVersion"),
            model_deployments=self.world.list("ModelDeployment"),
            write_error=write_error,
        )

    def plan(self, write_error: str | None = None) -> Plan:
        return plan_training(self.observed(write_error), self.world.now, self.policy)

    @property
    def jobs(self) -> list[Obj]:
        """Jobs, the newest last."""
        return sorted(self.world.owned("Job", self.parent), key=lambda job: int(job["metadata"]["uid"].split("-")[-1]))

    @property
    def job(self) -> Obj:
        """The newest Job."""
        return self.jobs[-1]

    @property
    def succeeded(self) -> tuple[str, str]:
        return self.condition("Succeeded")

    @property
    def says(self) -> str:
        return self.message("Succeeded")

    @property
    def runs(self) -> list[tuple[str, str]]:
        """(result, reason) of the runs on record, newest first."""
        return [(run["result"], run["reason"]) for run in self.status.get("runs") or ()]

    def pod(self, build: Callable[[PodBuilder], PodBuilder], attempt: int = 1) -> None:
        """Put a pod of the newest Job into a state."""
        job = self.job
        made = build(run_pod(job["metadata"]["name"], attempt).created(self.world.now).owned_by(job)).obj()
        made["metadata"]["uid"] = f"uid-pod-{made['metadata']['name']}"
        self.world.add(made)

    def collector(self, code: int, message: str = "", number: int = 1) -> None:
        """The pod that reads the record of the newest run ends; it must have been made."""
        name = f"{self.job['metadata']['name']}-collect-{number}"
        assert self.world.get("Pod", name) is not None, [pod["metadata"]["name"] for pod in self.world.list("Pod")]
        ended = {"exitCode": code, "message": message, "reason": "Error", "finishedAt": stamp(self.world.now)}
        state = {"name": "collect", "state": {"terminated": ended}}
        self.world.set_status("Pod", name, {"phase": "Failed" if code else "Succeeded", "containerStatuses": [state]})

    def job_ends(self, type_: str, reason: str = "", message: str = "", failed: int = 0) -> None:
        """The Job controller's last word on the newest Job."""
        condition = {"type": type_, "status": "True", "reason": reason, "message": message}
        condition["lastTransitionTime"] = stamp(self.world.now)
        status: Obj = {"conditions": [condition]}
        if failed:
            status["failed"] = failed
        if type_ == "Complete":
            status["completionTime"] = stamp(self.world.now)
        self.world.set_status("Job", self.job["metadata"]["name"], status)

    def fails_in(self, container: str, code: int, message: str = "", reason: str = "", attempt: int = 1) -> None:
        """A container ends badly after its predecessors ended well, and the Job ends with it."""

        def build(pod: PodBuilder) -> PodBuilder:
            for before in ("fetch", "train", "evaluate", "upload"):
                if before == container:
                    return pod.ended(container, code, message, reason).phase("Failed")
                pod.ended(before, 0, _DONE[before])
            raise AssertionError(container)

        self.pod(build, attempt)
        policy = code in (65, 66, 67, 68, 78) and container != "train"
        self.job_ends("Failed", "PodFailurePolicy" if policy else "BackoffLimitExceeded", failed=attempt)

    def lists(self, listing: str | None, message: str = "train: 2013-01") -> None:
        """The pod that lists the data ends: with a digest of this beginning, or it breaks. It must have been made."""
        names_of = [pod["metadata"]["name"] for pod in self.world.owned("Pod", self.parent)]
        assert len(names_of) == 1, names_of
        said = result("listing", listing="sha256:" + listing * 4, message=message) if listing else "no such bucket"
        ended = {"exitCode": 0 if listing else 75, "message": said, "finishedAt": stamp(self.world.now)}
        state = {"name": "listing", "state": {"terminated": ended}}
        status = {"phase": "Succeeded" if listing else "Failed", "containerStatuses": [state]}
        self.world.set_status("Pod", names_of[0], status)

    def asks(self, *causes: tuple[str, str], name: str = "web", **status: Any) -> None:
        """A deployment that retrains on everything has found these causes (cause, id), or none any more."""
        found = [
            {"cause": cause, "id": id_, "since": stamp(self.world.now), "message": f"{cause} 0.31"}
            for cause, id_ in causes
        ]
        wants = {"trainingJobRef": {"name": self.name}, "causes": list(CAUSES)}
        built = model_deployment(name).spec(retrain=wants).status(causes=found, **status)
        self.world.add(built.obj())

    def word(self, id_: str, by: str = "ann") -> None:
        """A person asks for a run."""
        text = json.dumps({"id": id_, "by": by})
        changed = {**self.parent, "metadata": {**self.parent["metadata"], "annotations": {names.ANNOTATION_RUN: text}}}
        self.world.add(changed)

    @property
    def governor(self) -> Mapping[str, Any]:
        return self.status.get("governor") or {}

    @property
    def held(self) -> tuple[str, str] | None:
        """(kind of the trigger, reason) of what is held back."""
        refused = self.governor.get("refused")
        return (refused["kind"], self.governor["reason"]) if refused else None

    @property
    def triggers(self) -> list[str]:
        """What started the runs on record, newest first."""
        return [run["trigger"]["kind"] for run in self.status.get("runs") or ()]

    def succeeds(
        self, letter: str = "a", identity: str | None = None, code: int = 0, gates: Any = (), **fetched: Any
    ) -> None:
        """All containers do their work; the artifact's digest is `letter` 64 times, `fetch` says `fetched` as well."""
        verdict = {0: "Pass", 66: "Fail", 68: "NeedMoreData"}[code]
        found = identity or digest(letter)
        uploaded = {"digest": digest(letter), "identity": found, "verdict": verdict, "uri": f"pvc://models/x/{letter}"}
        datasets = [{"name": "train", "digest": digest("d"), "rows": 10, "from": "2013-01", "through": "2013-02"}]

        def build(pod: PodBuilder) -> PodBuilder:
            pod.ended("fetch", 0, result("fetch", identity=found, datasets=datasets, **fetched)).ended("train", 0)
            metrics = {"auc": 0.71234567891, "rows": 100}
            pod.ended("evaluate", 0, result("evaluate", verdict=verdict, metrics=metrics, gates=list(gates)))
            pod.ended("upload", code, result("upload", **uploaded))
            return pod.phase("Failed" if code else "Succeeded")

        self.pod(build)
        self.job_ends(*(("Failed", "PodFailurePolicy") if code else ("Complete", "CompletionsReached")))


_DONE = {
    "fetch": result("fetch", identity=digest("1"), datasets=[]),
    "train": "",
    "evaluate": result("evaluate", verdict="Pass", metrics={}, gates=[]),
}


class VersionScene(Scene):
    """A ModelVersion."""

    kind = "ModelVersion"

    def __init__(
        self, builder: ModelVersionBuilder | None = None, world: World | None = None, policy: Policy = POLICY
    ) -> None:
        super().__init__((builder or model_version()).obj(), world, policy)

    def observed(self, write_error: str | None = None) -> VersionObserved:
        return VersionObserved(
            parent=self.parent,
            pods=self.world.owned("Pod", self.parent),
            model_deployments=self.world.list("ModelDeployment"),
            write_error=write_error,
        )

    def plan(self, write_error: str | None = None) -> Plan:
        return plan_version(self.observed(write_error), self.world.now, self.policy)

    @property
    def verdicts(self) -> dict[str, tuple[str, str]]:
        """Conditions by type: (status, reason)."""
        return {c["type"]: (c["status"], c["reason"]) for c in self.status["conditions"]}

    @property
    def pods(self) -> list[str]:
        return [pod["metadata"]["name"] for pod in self.world.owned("Pod", self.parent)]

    def pod(self, build: Callable[[PodBuilder], PodBuilder], number: int = 1) -> None:
        """Put the check pod with this number into a state; it must have been made."""
        name = f"{self.name}-check-{number}"
        existing = self.world.get("Pod", name)
        assert existing is not None, f"there is no pod {name}: {self.pods}"
        made = build(check_pod(self.name, number)).obj()
        containers = [item["name"] for item in existing["spec"]["containers"]]
        status = made["status"]
        if names.CONTAINER_CHECK not in containers:
            status["containerStatuses"] = status.pop("initContainerStatuses", [])
        self.world.set_status("Pod", name, status)
