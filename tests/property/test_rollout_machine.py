"""A ModelDeployment in a world where everything happens in any order: what must hold in every write of its route.

weights are 100 in all, and move to ready pods only
a refused revision has no share, whatever was lost, put back by hand, decided too late or written by halves
the share of a canary does not rise while it fails, or while nothing can be judged
what has a share is not deleted
with nothing happening any more, looks come to rest
"""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pintle.core.plan import Plan
from pintle.core.rollout.record import Record

from tests.builders import model_deployment
from tests.serving_world import JUDGED, Serving
from tests.world import Conflict

STEPS = (
    [{"weight": 10, "minSeconds": 5}, {"weight": 50, "minSeconds": 5}],
    [{"weight": 30, "minSeconds": 0}],
    [{"weight": 20, "minSeconds": 5}, {"pause": True}, {"weight": 60, "minSeconds": 5}],
)
VERSIONS = st.integers(1, 5)
VERBS = st.sampled_from(("promote", "promote-fully", "pause", "resume", "abort", "retry", "clear", "rollback"))


class Rollouts(RuleBasedStateMachine):
    """One deployment; `refused` is what must have no share, as long as route or status can still know."""

    serving: Serving

    @initialize(
        steps=st.sampled_from(STEPS),
        least=st.integers(1, 3),
        more=st.sampled_from((0, 3)),
        holdback=st.sampled_from((0, 5)),
        acts=st.sampled_from(("Act", "Act", "Act", "Observe")),
    )
    def begin(self, steps: list[dict[str, Any]], least: int, more: int, holdback: int, acts: str) -> None:
        parent = model_deployment().gateway().runtime(minReplicas=least, maxReplicas=least + more)
        rollout = {"progressDeadlineSeconds": 60, "sensitivity": "Fast", "steps": steps, "deadlineSeconds": 300}
        parent.spec(rollout=rollout, guard={"seconds": 20, "holdbackWeight": holdback}, automation=acts)
        parent.on_promoted("champion")
        self.serving = Serving(parent.obj(), policy=JUDGED)
        self.serving.converge()
        self.refused: set[str] = set()
        self.slept: Plan | None = None
        self.old_route: Any = None
        self.spoke = ""

    # What people do ---------------------------------------------------------------------------------------------------
    @rule(number=VERSIONS, ready=st.sampled_from((True, True, True, False)))
    def publish(self, number: int, ready: bool) -> None:
        self.serving.publish(number, ready)

    @rule(number=VERSIONS)
    def unpublish(self, number: int) -> None:
        if self.serving.world.get("ModelVersion", f"delays-v{number}"):
            self.serving.world.remove("ModelVersion", f"delays-v{number}")

    @rule(number=VERSIONS, follows=st.booleans())
    def ask_for(self, number: int, follows: bool) -> None:
        self.serving.edit(version=None, follow="Latest") if follows else self.serving.pin(number)

    @rule(steps=st.sampled_from((*STEPS, None)))
    def change_steps(self, steps: list[dict[str, Any]] | None) -> None:
        rollout = {**self.serving.parent["spec"]["rollout"], "steps": steps}
        if steps is None:
            rollout = {"progressDeadlineSeconds": 60}
        self.serving.edit(rollout={**rollout, **({"sensitivity": "Fast"} if steps else {})})

    @rule(least=st.integers(0, 3), threads=st.sampled_from("12"))
    def change_runtime(self, least: int, threads: str) -> None:
        fields: dict[str, Any] = {"minReplicas": least, "env": [{"name": "THREADS", "value": threads}]}
        runtime = {key: value for key, value in self.serving.parent["spec"]["runtime"].items() if key != "maxReplicas"}
        self.serving.edit(runtime={**runtime, **fields})

    @rule(holdback=st.sampled_from((0, 5, 20)), seconds=st.sampled_from((0, 20)))
    def change_guard(self, holdback: int, seconds: int) -> None:
        self.serving.edit(guard={"seconds": seconds, "holdbackWeight": holdback})

    @rule(verb=VERBS, on_trial=st.booleans(), version=st.none() | VERSIONS)
    def speak(self, verb: str, on_trial: bool, version: int | None) -> None:
        record = self.serving.record or Record()
        name = None if on_trial else next(iter(sorted(record.refused)), "")
        more = {"version": version} if verb == "rollback" and version else {}
        self.spoke = self.serving.say(verb, revision="" if verb == "rollback" else name, **more)

    # What the world does ----------------------------------------------------------------------------------------------
    @rule(number=VERSIONS)
    def break_(self, number: int) -> None:
        self.serving.broken.add(number)
        self.serving.pods()

    @rule()
    def heal(self) -> None:
        self.serving.broken.clear()
        self.serving.pods()

    @rule(verdict=st.sampled_from(("Pass", "NeedMoreData", "Fail", "SourceError", None)), test=st.sampled_from("ar"))
    def judge(self, verdict: str | None, test: str) -> None:
        self.serving.judge(verdict, rows=5000, test={"a": "errors", "r": "restarts"}[test])

    @rule(down=st.booleans())
    def prometheus(self, down: bool) -> None:
        self.serving.metrics_error = "connection refused" if down else None

    @rule(replicas=st.integers(1, 5))
    def load(self, replicas: int) -> None:
        for found in self.serving.world.list("HorizontalPodAutoscaler"):
            if self.serving.world.get("Deployment", found["metadata"]["name"]):
                self.serving.world.edit("Deployment", found["metadata"]["name"], replicas=replicas)

    # What goes wrong --------------------------------------------------------------------------------------------------
    @rule(what=st.sampled_from(("status", "annotation", "route", "root")))
    def lose(self, what: str) -> None:
        if what == "status":
            self.serving.parent.pop("status", None)
        elif what == "annotation" and self.serving.route is not None:
            self.serving.route["metadata"].pop("annotations", None)
        elif what in ("route", "root"):
            kind = {"route": "HTTPRoute", "root": "Service"}[what]
            if self.serving.world.get(kind, "delays"):
                self.serving.world.remove(kind, "delays")
        # What neither of the two remembers any more nobody can know.
        record = self.serving.record or Record()
        self.refused &= set(record.refused) | {item["revision"] for item in self.serving.status.get("refused", ())}

    @rule()
    def back_up_route(self) -> None:
        self.old_route = copy.deepcopy(self.serving.route)

    @precondition(lambda self: getattr(self, "old_route", None) is not None)
    @rule()
    def put_route_back(self) -> None:
        """An older record, while the status is there."""
        if self.serving.route is None or "sequence" not in self.serving.status:
            return
        older = Record.from_json((self.old_route["metadata"].get("annotations") or {}).get("pintle.dev/rollout"))
        known = self.serving.record
        if older is None or known is None or known.sequence > self.serving.status["sequence"]:
            return
        self.serving.route["spec"] = copy.deepcopy(self.old_route["spec"])
        self.serving.route["metadata"]["annotations"] = dict(self.old_route["metadata"]["annotations"])
        self.refused &= {item["revision"] for item in self.serving.status.get("refused", ())}

    @rule(weight=st.integers(0, 100))
    def edit_weights(self, weight: int) -> None:
        if self.serving.route is not None:
            refs = self.serving.route["spec"]["rules"][0]["backendRefs"]
            refs[0]["weight"] = weight

    @rule()
    def fall_asleep(self) -> None:
        """A leader decides, and does not come to writing it."""
        self.slept = self.serving.look()
        self.slept_without_route = self.serving.route is None

    @precondition(lambda self: getattr(self, "slept", None) is not None)
    @rule()
    def wake(self) -> None:
        """It writes now, upon what it saw then: the fence of the Lease is the controller's, this is the last one."""
        plan, self.slept = self.slept, None
        assert plan is not None
        if plan.traffic is None or self.slept_without_route:
            return
        before = self.serving.record
        try:
            self.serving.world.execute("ModelDeployment", "delays", Plan(traffic=plan.traffic))
        except Conflict:
            assert self.serving.record == before
        else:
            self._check(before, plan)

    # Looks ------------------------------------------------------------------------------------------------------------
    @rule(count=st.integers(1, 4), seconds=st.sampled_from((0.3, 1.5, 6.0, 30.0)))
    def looks(self, count: int, seconds: float) -> None:
        for _ in range(count):
            self._look(None)
            self.serving.pods()
            self.serving.world.tick(seconds)

    @rule(fails=st.booleans())
    def roll_out(self, fails: bool) -> None:
        """Until somebody has a share beside the stable, or a while has passed; then it fails, or not."""
        self.serving.judge("NeedMoreData", rows=5000)
        for _ in range(8):
            self.looks(1, 6.0)
        if fails:
            self.serving.judge("Fail", rows=5000)
            self.looks(2, 0.3)

    @rule(what=st.sampled_from(("status", "annotation", "route", "root")))
    def roll_back_and_lose(self, what: str) -> None:
        """What was refused a moment ago, and then something is lost."""
        self.roll_out(True)
        self.lose(what)
        self.looks(4, 6.0)

    @rule()
    def sleep_through_a_rollback(self) -> None:
        """A leader decides upon a canary that passes, sleeps, and wakes after another has found that it fails."""
        self.roll_out(False)
        self.serving.judge("Pass", rows=10**6)
        for _ in range(6):
            self.fall_asleep()
            if self.slept is not None and self.slept.traffic is not None:
                break
            self.looks(1, 6.0)
        self.serving.judge("Fail", rows=10**6)
        self.looks(2, 0.3)
        self.wake()

    @rule(only=st.integers(0, 8))
    def killed_look(self, only: int) -> None:
        self._look(only)

    @rule()
    def look_without_status(self) -> None:
        """The API server refuses the status; everything else is written."""
        plan = self.serving.look()
        before = self.serving.record
        self.serving.world.execute(
            "ModelDeployment", "delays", Plan(create=plan.create, apply=plan.apply, traffic=plan.traffic)
        )
        self._check(before, plan)

    def _look(self, only: int | None) -> None:
        before = self.serving.record
        plan = self.serving.look()
        self.serving.world.execute("ModelDeployment", "delays", plan, only)
        self._check(before, plan)

    def _check(self, before: Record | None, plan: Plan) -> None:
        after, serving = self.serving.record, self.serving
        deleted = {target.name for target in plan.delete if target.kind in ("Deployment", "Service")}
        assert "delays" not in deleted
        for name, weight in (after or Record()).weights.items():
            assert not weight or f"delays-{name}" not in deleted, f"{name} has {weight} % and is deleted"
        if after is None:
            return
        assert sum(after.weights.values()) == 100
        self._heard(after)
        assert not {name for name, weight in after.weights.items() if weight and name in self.refused}
        assert not {name for name, weight in after.weights.items() if weight and name in after.refused}
        self.refused |= set(after.refused)
        if before is None or plan.traffic is None or serving.parent["spec"]["runtime"]["minReplicas"] == 0:
            return
        answers = [name for name, weight in before.weights.items() if weight and _ready(serving, name)]
        taken = set(before.weights) & set(after.refused)
        for name, weight in after.weights.items():
            if weight > before.weights.get(name, 0) and answers and not taken:
                assert _ready(serving, name), f"{name} gets {weight} % without a ready pod, {answers} had some"

    def _heard(self, after: Record) -> None:
        """A person has taken refusals back."""
        if after.word is not None and after.word.id == self.spoke and after.word.result == "Done":
            if after.word.verb in ("retry", "clear", "rollback"):
                self.refused &= set(after.refused)
            self.spoke = ""

    @invariant()
    def no_share_rises_on_bad_news(self) -> None:
        """Asked of the plan that would be carried out now."""
        serving = getattr(self, "serving", None)
        if serving is None or serving.record is None or serving.verdict is None:
            return
        record, plan = serving.record, serving.look()
        if plan.traffic is None or not record.canary or "steps" not in serving.parent["spec"]["rollout"]:
            return
        after = Record.from_json(plan.traffic["metadata"]["annotations"]["pintle.dev/rollout"])
        assert after is not None
        verdict, status_sequence = serving.verdict[0], serving.status.get("sequence", 0)
        if verdict not in ("Fail", "SourceError") or status_sequence > record.sequence or not record.course.origin:
            # Without an origin there is no trial yet, and nothing that could have said it.
            return
        asked = after.word != record.word or record.course.asked or record.back
        alone = not serving.observe().deployments or not _ready(serving, record.stable)
        observes = serving.parent["spec"]["automation"] == "Observe"
        if asked or (alone and verdict == "SourceError") or (observes and verdict == "Fail"):
            return
        assert after.weights.get(record.canary, 0) <= record.weights[record.canary], plan.why

    def teardown(self) -> None:
        """Nothing happens any more: the looks come to rest, and a second one changes nothing."""
        if not hasattr(self, "serving"):
            return
        self.serving.broken.clear()
        self.serving.metrics_error = None
        self.serving.judge("Pass", rows=10**6)
        for _ in range(120):
            self._look(None)
            self.serving.pods()
            self.serving.world.tick(20)
        for _ in range(3):
            self._look(None)
        assert self.serving.look().changes_nothing, self.serving.look().why
        assert self.serving.look() == self.serving.look()


def _ready(serving: Serving, name: str) -> bool:
    found = serving.world.get("Deployment", f"delays-{name}") or {}
    return bool((found.get("status") or {}).get("readyReplicas"))


Rollouts.TestCase.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
TestRollouts = Rollouts.TestCase


class Longer(Rollouts):
    """The same for as long as a soak may take."""


Longer.TestCase.settings = settings(max_examples=1500, stateful_step_count=40, deadline=None)
TestLonger = pytest.mark.soak(Longer.TestCase)
