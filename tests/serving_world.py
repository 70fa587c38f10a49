"""The world of `tests.world` with a ModelDeployment in it; kubelet, autoscaler and gateway are played by functions.

    serving = Serving(model_deployment().gateway().obj(), versions=(1,))
    serving.converge()                          # looks, effects, pods, time, until nothing is left to do
    serving.world.edit("ModelDeployment", "delays", version=2, follow=None)
    plan = serving.look()

A revision's pods become ready unless its version is in `broken`. With `serving.judge("Pass", rows=500)` the trial that
goes on has that judgement from then on; without one nothing has been judged yet.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from pintle.contract import names
from pintle.core.judgement.verdict import FAIL, PASS, SOURCE_ERROR, Arm, Judgement, ScoreShift, TestResult
from pintle.core.plan import Plan, Policy
from pintle.core.rollout.observed import DeploymentObserved
from pintle.core.rollout.plan import plan
from pintle.core.rollout.record import Record
from pintle.core.rollout.trial import origin_of, pair_of

from tests.builders import PodBuilder, digest, model_version
from tests.world import World

Obj = dict[str, Any]
POLICY = Policy(server_image="pintle/server:1", runner_image="pintle/runner:1", drain=timedelta(seconds=10))
JUDGED = replace(POLICY, has_metrics=True)
KINDS = ("Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget", "HTTPRoute")


class Serving:
    """One ModelDeployment `delays` and everything around it."""

    def __init__(self, parent: Obj, versions: Iterable[int] = (1,), policy: Policy = POLICY) -> None:
        self.world = World()
        self.policy = policy
        self.name = parent["metadata"]["name"]
        self.broken: set[int] = set()
        self.gateway_says: tuple[str, str] | None = ("Accepted", "True")
        self.write_error: str | None = None
        self.metrics_error: str | None = None
        self.verdict: tuple[str, int, str] | None = None
        self.judgement_message = ""
        self.beside: tuple[TestResult, ...] = ()
        self.shift: ScoreShift | None = None
        self._words = 0
        self._judged_until = 0.0
        self.world.add(parent)
        for number in versions:
            self.publish(number)

    # What people and other controllers do ----------------------------------------------------------------------------
    def publish(self, number: int, ready: bool = True, alias: str | None = None) -> None:
        """Registers a version whose bytes are its own."""
        built = model_version("delays", number).spec(digest=digest("0123456789abcdef"[number % 16]))
        if ready:
            built.ready()
        else:
            built.condition("Ready", "False", "LoadFailed", "no such operator")
        if alias:
            built.alias(alias, "Annotation", number)
        self.world.add(built.obj())

    def edit(self, **spec: Any) -> None:
        """A person changes the spec; None removes a field."""
        parent = copy.deepcopy(self.parent)
        parent["spec"] = {k: v for k, v in {**parent["spec"], **spec}.items() if v is not None}
        parent["metadata"]["generation"] += 1
        self.world.add(parent)

    def runtime(self, **fields: Any) -> None:
        self.edit(runtime={**self.parent["spec"]["runtime"], **fields})

    def pin(self, number: int) -> None:
        self.edit(version=number, follow=None)

    def judge(self, verdict: str | None, rows: int = 1000, test: str = "errors") -> None:
        """What the trial that goes on says from now on; None: it has not been judged yet."""
        self.verdict = (verdict, rows, test) if verdict else None

    def say(self, verb: str, revision: str | None = None, by: str = "ann", **more: Any) -> str:
        """A person's word, as `kubectl annotate` writes it; for the revision on trial unless another is named."""
        self._words += 1
        record = self.record or Record()
        now = record.stable if record.previous else record.canary
        word = {"verb": verb, "id": f"w{self._words}", "by": by, "revision": now if revision is None else revision}
        self.annotate(json.dumps({key: value for key, value in {**word, **more}.items() if value != ""}))
        return f"w{self._words}"

    def annotate(self, text: str) -> None:
        parent = copy.deepcopy(self.parent)
        parent["metadata"].setdefault("annotations", {})[names.ANNOTATION_ACTION] = text
        self.world.add(parent)

    # Looking ----------------------------------------------------------------------------------------------------------
    @property
    def parent(self) -> Obj:
        return self.world.objects["ModelDeployment", self.name]

    @property
    def status(self) -> Mapping[str, Any]:
        return self.parent.get("status") or {}

    @property
    def route(self) -> Obj | None:
        return self.world.get("HTTPRoute", self.name)

    @property
    def record(self) -> Record | None:
        carrier = self.route if "gateway" in self.parent["spec"].get("traffic", {}) else None
        carrier = carrier or self.world.get("Service", self.name)
        annotations = (carrier or {}).get("metadata", {}).get("annotations") or {}
        return Record.from_json(annotations.get(names.ANNOTATION_ROLLOUT))

    def weights(self) -> dict[str, int]:
        """Percent by Service name, as the route says."""
        if self.route is None:
            return {}
        return {ref["name"]: ref["weight"] for ref in self.route["spec"]["rules"][0]["backendRefs"]}

    def shares(self) -> dict[int, int]:
        """Percent by version, as the record says."""
        record = self.record or Record()
        return {record.revisions[name].version: weight for name, weight in record.weights.items()}

    def revision(self, number: int) -> str:
        """Name of the newest revision of a version."""
        found = self.deployment(number)
        assert found is not None, f"no revision of version {number}"
        return str(found["metadata"]["labels"][names.LABEL_REVISION])

    def actions(self) -> list[str]:
        """What was done, newest first."""
        return [entry["action"] for entry in self.status.get("history", ())]

    def message(self, type_: str) -> str:
        """The message of a condition."""
        return str({c["type"]: c for c in self.status["conditions"]}[type_].get("message", ""))

    def conditions(self) -> dict[str, tuple[str, str]]:
        return {c["type"]: (c["status"], c["reason"]) for c in self.status.get("conditions", ())}

    def summary(self) -> str:
        """Available, Progressing, Ready, in one line."""
        found = self.conditions()
        return "  ".join(f"{type_}={'/'.join(value)}" for type_, value in found.items())

    def deployment(self, number: int) -> Obj | None:
        """The newest Deployment of a version."""
        found = self.world.list("Deployment", {names.LABEL_VERSION: str(number)})
        return found[-1] if found else None

    def observe(self) -> DeploymentObserved:
        world, parent = self.world, self.parent
        # No copies: a plan that changed what it observes would be found by the tests of its calm.
        owned = {kind: world.owned(kind, parent) for kind in KINDS}
        return DeploymentObserved(
            parent=parent,
            versions=world.list("ModelVersion"),
            model_deployments=world.list("ModelDeployment"),
            deployments=owned["Deployment"],
            services=owned["Service"],
            autoscalers=owned["HorizontalPodAutoscaler"],
            budgets=owned["PodDisruptionBudget"],
            route=owned["HTTPRoute"][0] if owned["HTTPRoute"] else None,
            pods=world.list("Pod"),
            write_error=self.write_error,
            judgement=self._judgement(),
            metrics_error=self.metrics_error,
        )

    def _judgement(self) -> Judgement | None:
        pair = pair_of(self.record) if self.record else None
        if self.verdict is None or pair is None or self.record is None:
            return None
        verdict, rows, name = self.verdict
        fails, passes = verdict == FAIL, verdict == PASS
        tested, control = Arm(rows, rows * (0.05 if fails else 0.01)), Arm(20 * rows, 0.2 * rows)
        test = TestResult(
            name=name,
            verdict="NeedMoreData" if verdict == SOURCE_ERROR else verdict,
            tested=tested,
            control=control,
            difference=tested.share - control.share,
            fail_evidence=9.1 if fails else 0.0,
            fail_threshold=5.3,
            pass_evidence=3.5 if passes else 1.5,
            pass_threshold=3.0,
            query="model_requests_total",
        )
        error = "newest sample is 60 s old" if verdict == SOURCE_ERROR else ""
        if self.metrics_error is None and not error:
            self._judged_until = self.world.now.timestamp()
        at = max(self._judged_until, origin_of(self.record))
        judgement = Judgement(
            pair[0], pair[1], origin_of(self.record), at, (test, *self.beside), rows, source_error=error
        )
        return replace(judgement, message=self.judgement_message, shift=self.shift)

    def look(self) -> Plan:
        return plan(self.observe(), self.world.now, self.policy)

    def act(self, only: int | None = None) -> Plan:
        """One look, carried out; `only` so many effects, then killed."""
        decided = self.look()
        self.world.execute("ModelDeployment", self.name, decided, only)
        return decided

    # The cluster around it --------------------------------------------------------------------------------------------
    def pods(self, become: Callable[[Obj], bool] | None = None) -> None:
        """Kubelet, Deployment controller and gateway: pods that can start are ready, routes are answered."""
        self._autoscale()
        for found in self.world.list("Deployment"):
            wanted = found["spec"].get("replicas", 1)
            number = int(found["metadata"]["labels"][names.LABEL_VERSION])
            works = become(found) if become else number not in self.broken
            ready = wanted if works else 0
            generation = found["metadata"]["generation"]
            status = {"observedGeneration": generation, "replicas": wanted, "updatedReplicas": wanted}
            self.world.set_status(
                "Deployment", found["metadata"]["name"], {**status, "readyReplicas": ready, "availableReplicas": ready}
            )
            self._pod(found, works)
        if self.route is not None and self.gateway_says is not None:
            type_, value = self.gateway_says
            condition = {"type": type_, "status": value, "reason": "NoMatchingParent" if value == "False" else type_}
            answer = {"parentRef": {"name": "pintle"}, "conditions": [condition]}
            self.world.set_status("HTTPRoute", self.name, {"parents": [answer]})

    def _pod(self, deployment: Obj, works: bool) -> None:
        name = f"{deployment['metadata']['name']}-pod"
        if self.world.get("Pod", name):
            self.world.remove("Pod", name)
        if not works:
            pod = PodBuilder(name, ("fetch",), "server").waiting("server", "ImagePullBackOff", "no such image")
            self.world.add(pod.labels(deployment["spec"]["template"]["metadata"]["labels"]).owned_by(deployment).obj())

    def _autoscale(self) -> None:
        for autoscaler in self.world.list("HorizontalPodAutoscaler"):
            target = self.world.get("Deployment", autoscaler["spec"]["scaleTargetRef"]["name"])
            if target is not None:
                least, most = autoscaler["spec"]["minReplicas"], autoscaler["spec"]["maxReplicas"]
                now = target["spec"].get("replicas", 1)
                self.world.edit("Deployment", target["metadata"]["name"], replicas=min(max(now, least), most))

    def pass_time(self, seconds: float, every: float = 1.0) -> None:
        """Looks and pods in turn while time passes."""
        end = self.world.now + timedelta(seconds=seconds)
        while self.world.now < end:
            self.act()
            self.pods()
            self.world.tick(every)
        self.act()

    def until(self, met: Callable[[Serving], bool], looks: int = 60, seconds: float = 1.5) -> None:
        """Looks, pods and time in turn until `met` holds."""
        for _ in range(looks):
            self.act()
            if met(self):
                return
            self.pods()
            self.world.tick(seconds)
        raise AssertionError(f"never: {self.shares()} {self.summary()} {self.look().why}")

    def converge(self, looks: int = 60, seconds: float = 1.5) -> Plan:
        """Looks, pods and time in turn, until a look changes nothing and waits for nothing that time brings."""
        for _ in range(looks):
            decided = self.act()
            before = self.world.now
            self.pods()
            waits = decided.requeue_after is not None and decided.requeue_after <= timedelta(seconds=60)
            if not waits and decided.changes_nothing and self.look().changes_nothing:
                return decided
            self.world.now = before + timedelta(seconds=seconds)
        raise AssertionError(f"no rest after {looks} looks: {self.look().why}; {self.world.log[-8:]}")

    def upgrade(self, image: str) -> None:
        """The operator comes back with another default image."""
        self.policy = replace(self.policy, server_image=image)

    def copy(self) -> Serving:
        return copy.deepcopy(self)
