"""One builder per kind: `training_job("delays").gate("auc", min="0.7").obj()` is a dict as the API server gives it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Self

from pintle.contract import names

Obj = dict[str, Any]
START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64


def digest(letter: str) -> str:
    """A digest that can be told apart: `sha256:` and 64 times the hex letter."""
    return "sha256:" + letter * 64


def stamp(moment: datetime) -> str:
    """A time as Kubernetes writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Builder:
    """What all kinds have in common."""

    def __init__(self, api_version: str, kind: str, name: str, spec: Mapping[str, Any] | None = None) -> None:
        self._obj: Obj = {
            "apiVersion": api_version,
            "kind": kind,
            "metadata": {
                "name": name,
                "namespace": "team",
                "uid": f"uid-{kind.lower()}-{name}",
                "resourceVersion": "1",
                "generation": 1,
                "creationTimestamp": stamp(START),
            },
        }
        if spec is not None:
            self._obj["spec"] = copy.deepcopy(dict(spec))

    def obj(self) -> Obj:
        """A copy of what has been built so far."""
        return copy.deepcopy(self._obj)

    def metadata(self, **fields: Any) -> Self:
        self._obj["metadata"].update(fields)
        return self

    def generation(self, generation: int) -> Self:
        return self.metadata(generation=generation)

    def created(self, moment: datetime) -> Self:
        return self.metadata(creationTimestamp=stamp(moment))

    def labels(self, labels: Mapping[str, str]) -> Self:
        self._obj["metadata"].setdefault("labels", {}).update(labels)
        return self

    def annotations(self, annotations: Mapping[str, str]) -> Self:
        self._obj["metadata"].setdefault("annotations", {}).update(annotations)
        return self

    def owned_by(self, parent: Mapping[str, Any]) -> Self:
        owner = {key: parent[key] for key in ("apiVersion", "kind")} | {
            key: parent["metadata"][key] for key in ("name", "uid")
        }
        return self.metadata(ownerReferences=[{**owner, "controller": True}])

    def spec(self, **fields: Any) -> Self:
        """Replace fields of the spec; None removes one."""
        for key, value in fields.items():
            if value is None:
                self._obj["spec"].pop(key, None)
            else:
                self._obj["spec"][key] = copy.deepcopy(value)
        return self

    def status(self, status: Mapping[str, Any] | None = None, **fields: Any) -> Self:
        """Replace the whole status, or some of its fields."""
        if status is not None:
            self._obj["status"] = copy.deepcopy(dict(status))
        self._obj.setdefault("status", {}).update(copy.deepcopy(fields))
        return self

    def condition(self, type_: str, status: str, reason: str, message: str = "", since: datetime = START) -> Self:
        conditions = [c for c in self._obj.setdefault("status", {}).get("conditions", []) if c["type"] != type_]
        conditions.append(
            {
                "type": type_,
                "status": status,
                "reason": reason,
                "message": message,
                "lastTransitionTime": stamp(since),
                "observedGeneration": self._obj["metadata"]["generation"],
            }
        )
        self._obj["status"]["conditions"] = conditions
        return self


class TrainingJobBuilder(Builder):
    """A TrainingJob that trains on one claim and writes to another."""

    def __init__(self, name: str) -> None:
        spec = {
            "source": {"configMapRef": {"name": "code"}},
            "trainer": {},
            "datasets": [{"name": "train", "role": "Train", "storageUri": "pvc://data/months"}],
            "schema": {"target": "late"},
            "seed": 0,
            "backoffLimit": 2,
            "suspend": False,
            "runsHistoryLimit": 5,
            "output": {"storageUri": "pvc://models", "modelFormat": "ONNX"},
        }
        super().__init__(names.API_VERSION, "TrainingJob", name, spec)

    def gate(self, metric: str, **bounds: str) -> Self:
        self._obj["spec"].setdefault("gates", []).append({"metric": metric, **bounds})
        return self

    def parameter(self, name: str, value: str) -> Self:
        parameters = [p for p in self._obj["spec"].get("hyperparameters", []) if p["name"] != name]
        self._obj["spec"]["hyperparameters"] = [*parameters, {"name": name, "value": value}]
        return self

    def trainer(self, **fields: Any) -> Self:
        self._obj["spec"]["trainer"].update(copy.deepcopy(fields))
        return self

    def dataset(self, name: str, role: str, uri: str, **fields: Any) -> Self:
        """Add a data set, or replace the one of this name."""
        others = [d for d in self._obj["spec"]["datasets"] if d["name"] != name]
        self._obj["spec"]["datasets"] = [*others, {"name": name, "role": role, "storageUri": uri, **fields}]
        return self

    def output(self, uri: str, secret: str | None = None) -> Self:
        output: Obj = {"storageUri": uri, "modelFormat": "ONNX"}
        if secret:
            output["storage"] = {"secretRef": {"name": secret}}
        return self.spec(output=output)


class ModelVersionBuilder(Builder):
    """A ModelVersion on a claim; named <model>-v<number>."""

    def __init__(self, model: str, number: int) -> None:
        spec = {
            "modelName": model,
            "version": number,
            "modelFormat": "ONNX",
            "storageUri": f"pvc://models/{model}/{model}-{number}",
            "digest": DIGEST,
        }
        super().__init__(names.API_VERSION, "ModelVersion", f"{model}-v{number}", spec)
        self.labels({names.LABEL_MODEL: model})

    def made_by(self, training_job: str, run: str, identity: str | None = None) -> Self:
        source = {"trainingJob": training_job, "run": run}
        if identity:
            source["identity"] = identity
        return self.spec(source=source)

    def gate(self, metric: str, verdict: str, message: str = "") -> Self:
        self._obj["spec"].setdefault("gates", []).append({"metric": metric, "verdict": verdict, "message": message})
        return self

    def ready(self) -> Self:
        """As it is after a check that went well."""
        for type_ in ("Verified", "Validated", "Ready"):
            self.condition(type_, "True", type_)
        return self.status(observedGeneration=1, checkAttempts=1)

    def alias(self, name: str, owner: str, sequence: int = 0) -> Self:
        aliases = [*self._obj.setdefault("status", {}).get("aliases", [])]
        return self.status(aliases=[*aliases, {"name": name, "owner": owner, "sequence": sequence}])


class ModelDeploymentBuilder(Builder):
    """A ModelDeployment that follows Latest."""

    def __init__(self, name: str, model: str) -> None:
        spec = {
            "modelName": model,
            "follow": "Latest",
            "runtime": {"minReplicas": 1, "targetCPUUtilizationPercentage": 70},
            "traffic": {},
            "rollout": {"progressDeadlineSeconds": 600},
        }
        super().__init__(names.API_VERSION, "ModelDeployment", name, spec)

    def version(self, number: int) -> Self:
        return self.spec(follow=None, version=number)

    def follow(self, alias: str) -> Self:
        return self.spec(version=None, follow=alias)

    def on_promoted(self, alias: str) -> Self:
        return self.spec(onPromoted={"alias": alias})

    def runtime(self, **fields: Any) -> Self:
        self._obj["spec"]["runtime"].update(copy.deepcopy(fields))
        return self

    def gateway(self, name: str = "pintle", **fields: Any) -> Self:
        return self.spec(traffic={"gateway": {"parentRefs": [{"name": name}], "path": "/", **fields}})

    def owns_alias(self, name: str, version: int, sequence: int) -> Self:
        return self.status(alias={"name": name, "version": version, "sequence": sequence})


class PodBuilder(Builder):
    """A pod whose containers are put into states one by one; `init` and `main` name them in order."""

    def __init__(self, name: str, init: tuple[str, ...], main: str, sidecars: tuple[str, ...] = ()) -> None:
        spec = {
            "initContainers": [
                {"name": c, "image": f"{c}:1", **({"restartPolicy": "Always"} if c in sidecars else {})} for c in init
            ],
            "containers": [{"name": main, "image": f"{main}:1"}],
        }
        super().__init__("v1", "Pod", name, spec)
        self._main = main
        self.status(phase="Pending", startTime=stamp(START))

    def phase(self, phase: str, reason: str | None = None) -> Self:
        return self.status(phase=phase, **({"reason": reason} if reason else {}))

    def waiting(self, container: str, reason: str, message: str = "") -> Self:
        return self._state(container, {"waiting": {"reason": reason, "message": message}})

    def running(self, container: str, since: datetime = START) -> Self:
        return self._state(container, {"running": {"startedAt": stamp(since)}})

    def ended(self, container: str, code: int, message: str = "", reason: str = "", at: datetime = START) -> Self:
        reason = reason or ("Completed" if code == 0 else "Error")
        state = {"exitCode": code, "reason": reason, "message": message, "finishedAt": stamp(at)}
        return self._state(container, {"terminated": state})

    def unscheduled(self, message: str) -> Self:
        self._obj["status"].pop("startTime", None)
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        return self.status(conditions=[condition])

    def disrupted(self, reason: str = "EvictionByEvictionAPI") -> Self:
        return self.status(
            phase="Failed", conditions=[{"type": "DisruptionTarget", "status": "True", "reason": reason}]
        )

    def _state(self, container: str, state: Obj) -> Self:
        group = "containerStatuses" if container == self._main else "initContainerStatuses"
        others = [s for s in self._obj["status"].get(group, []) if s["name"] != container]
        entry = {"name": container, "image": f"{container}:1", "imageID": f"{container}@{DIGEST}", "state": state}
        return self.status(**{group: [*others, entry]})


def training_job(name: str = "delays") -> TrainingJobBuilder:
    return TrainingJobBuilder(name)


def model_version(model: str = "delays", number: int = 1) -> ModelVersionBuilder:
    return ModelVersionBuilder(model, number)


def model_deployment(name: str = "delays", model: str = "delays") -> ModelDeploymentBuilder:
    return ModelDeploymentBuilder(name, model)


def run_pod(run: str, attempt: int = 1) -> PodBuilder:
    """A pod of a run's Job."""
    init = ("record", "fetch", "train", "evaluate")
    pod = PodBuilder(f"{run}-{attempt}", init, "upload", sidecars=("record",))
    return pod.labels({names.LABEL_RUN: run, names.LABEL_MANAGED_BY: names.MANAGED_BY})


def check_pod(version: str, number: int = 1) -> PodBuilder:
    """A check pod of a ModelVersion."""
    pod = PodBuilder(f"{version}-check-{number}", ("fetch",), "check")
    return pod.labels({names.LABEL_VERSION: version, names.LABEL_MANAGED_BY: names.MANAGED_BY})


def config_map(name: str = "code", **files: str) -> Obj:
    """A ConfigMap; `train_py="..."` is the file train.py."""
    built = Builder("v1", "ConfigMap", name).obj()
    data = files or {"train_py": "print('hello')"}
    return {**built, "data": {key.replace("_py", ".py"): text for key, text in data.items()}}
