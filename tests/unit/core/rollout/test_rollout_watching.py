"""Watching in the plan of a deployment: conditions, causes and figures get into its status, and it comes to rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pintle.core.judgement.findings import Finding, Findings
from pintle.core.plan import Plan
from pintle.core.rollout.plan import plan

from tests.builders import model_deployment
from tests.serving_world import Serving

VERDICTS = {"FeatureDrift": "Fail", "PredictionDrift": "Pass", "TrainingServingSkew": "Pass"}
RETRAIN = {"trainingJobRef": {"name": "delays"}, "causes": ["FeatureDrift", "Rollback"]}


class Watched(Serving):
    """A deployment that asks for drift, with findings of the revision that serves."""

    def __init__(self, **spec: Any) -> None:
        self.looks = 0
        super().__init__(model_deployment().gateway().spec(monitoring={"drift": {}}, retrain=RETRAIN, **spec).obj())

    def look(self) -> Plan:
        observed = self.observe()
        stable: Mapping[str, Any] = self.status.get("stable") or {}
        findings = drifting(stable["revision"], self.looks) if stable and self.looks else None
        return plan(replace(observed, findings=findings), self.world.now, self.policy)

    @property
    def causes(self) -> list[str]:
        return [cause["cause"] for cause in self.status.get("causes", ())]


def drifting(revision: str, looks: int) -> Findings:
    temp = Finding("temp", 86400, 8123.0, 0.4, 0.3, 0.12, "Fail", looks=looks)
    return Findings(revision, 0.0, features=(temp,), verdicts=VERDICTS, periods={"FeatureDrift": looks})


def test_drift_becomes_a_cause_and_the_status_rests() -> None:
    """Condition, figures, cause and history entry with figures; the next looks change nothing."""
    serving = Watched()
    serving.converge()
    assert serving.conditions()["FeatureDrift"] == ("Unknown", "Looking")
    serving.looks = 3
    decided = serving.act()
    assert serving.conditions()["FeatureDrift"] == ("True", "FeatureDrift")
    assert serving.conditions()["Ready"][0] == "True"
    assert serving.causes == ["FeatureDrift"]
    assert serving.status["monitoring"]["drift"][0]["feature"] == "temp"
    assert [item.action for item in decided.decisions] == ["AskRetrain"]
    newest = serving.status["history"][0]
    assert (newest["action"], newest["rule"], newest["value"]) == ("AskRetrain", "FeatureDrift", "0.3")
    assert any(event.type == "Warning" and event.reason == "FeatureDrift" for event in decided.events)
    for serving.looks in (4, 5, 0):
        again = serving.act()
        assert (again.changes_nothing, again.decisions, again.events) == (True, (), ())


def test_monitoring_taken_out_of_the_spec_leaves_nothing_behind() -> None:
    """Conditions, causes and figures go."""
    serving = Watched()
    serving.converge()
    serving.looks = 3
    serving.act()
    serving.edit(monitoring={})
    serving.looks = 0
    serving.act()
    assert "FeatureDrift" not in serving.conditions()
    assert serving.causes == []
    assert "monitoring" not in serving.status


def test_the_next_version_begins_anew() -> None:
    """Promoted, it is not charged with what was found about the one before."""
    serving = Watched()
    serving.converge()
    serving.looks = 3
    serving.act()
    serving.looks = 0
    serving.publish(2)
    serving.converge()
    assert serving.status["stable"]["version"] == 2
    assert serving.causes == []
    assert serving.conditions()["FeatureDrift"][0] == "Unknown"


def test_a_version_that_does_worse_asks_for_another() -> None:
    """Taken back by a test: Rollback is a cause, of the refused revision, until something newer serves."""
    serving = Watched()
    serving.converge()
    bad = "bad0bad0"
    history = [{"time": "2026-01-05T12:00:00Z", "action": "Rollback", "revision": bad, "version": 2, "why": "errors"}]
    refused = [{"revision": bad, "version": 2, "why": "errors", "time": "2026-01-05T12:00:00Z"}]
    # As after a lost record: the status restores what was refused.
    carrier = serving.route
    assert carrier is not None
    status = {**serving.status, "history": history, "refused": refused, "sequence": 10_000}
    serving.world.set_status("ModelDeployment", serving.name, status)
    serving.act()
    serving.act()
    assert serving.causes == ["Rollback"]
    serving.world.set_status("ModelDeployment", serving.name, {**serving.status, "history": []})
    serving.act()
    assert serving.causes == ["Rollback"]
