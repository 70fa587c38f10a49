"""From findings to conditions, causes, decisions and notices, look after look, as the status is written and read."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from typing import Any

import pytest
from pintle.api.modeldeployment import ModelDeploymentSpec
from pintle.core.conditions import set_conditions, without_empty
from pintle.core.judgement.findings import Finding, Findings, Labelled
from pintle.core.watching.conditions import watch
from pintle.core.watching.state import Lost, Watched, Watching

from tests.builders import START, model_deployment, model_version

REVISION = "ab12cd34"
RETRAIN = {"trainingJobRef": {"name": "delays"}, "causes": ["FeatureDrift", "LabelledMetric", "Rollback"]}


class World:
    """One deployment: what watching says goes into its status, and the next look reads it there."""

    def __init__(self, **spec: Any) -> None:
        self.now = START
        self.spec: dict[str, Any] = {"monitoring": {"drift": {}}, "retrain": RETRAIN, **spec}
        self.parent = model_deployment().spec(**self.spec).obj()
        self.revision = REVISION
        self.version = model_version("delays", 1).obj()
        self.said = Watched()

    def look(self, findings: Findings | None, seconds: float = 300, **more: Any) -> Watched:
        self.now += timedelta(seconds=seconds)
        spec = ModelDeploymentSpec.model_validate(self.parent["spec"])
        parent = copy.deepcopy(self.parent)
        self.said = watch(Watching(parent, spec, self.revision, self.version, findings, self.now, **more))
        status = {
            "conditions": set_conditions(self.parent, self.said.conditions, self.now),
            "monitoring": self.said.monitoring,
            "causes": list(self.said.causes),
            "stable": {"revision": self.revision},
        }
        self.parent["status"] = without_empty(status)
        return self.said

    def state(self, type_: str) -> tuple[str, str]:
        found = next(item for item in self.said.conditions if item.type == type_)
        return found.status, found.reason

    def message(self, type_: str) -> str:
        return next(item.message for item in self.said.conditions if item.type == type_)

    @property
    def causes(self) -> list[str]:
        return [cause["cause"] for cause in self.said.causes]


def found(looks: int, low: float = 0.3, verdict: str = "Fail", quiet: int = 0, **more: Any) -> Findings:
    """`temp` drifts since so many looks, two others do not."""
    temp = Finding("temp", 86400, 8123.0, low + 0.1, low, 0.12, verdict, looks=looks)
    calm = [Finding(name, 3600, 900.0, 0.01, -0.02, 0.1, "Pass") for name in ("hour", "carrier")]
    made: dict[str, Any] = {"features": (temp, *calm)}
    made |= {"verdicts": {"FeatureDrift": verdict}, "periods": {"FeatureDrift": looks}}
    return Findings(REVISION, 0.0, quiet={"FeatureDrift": quiet}, **{**made, **more})


QUIET = found(0, low=0.01, verdict="Pass", quiet=9)


def test_before_the_first_look_it_is_unknown() -> None:
    """Every condition that the spec asks for is there from the first visit."""
    world = World()
    world.look(None)
    assert [(item.type, item.status, item.reason) for item in world.said.conditions] == [
        ("FeatureDrift", "Unknown", "Looking"),
        ("PredictionDrift", "Unknown", "Looking"),
        ("TrainingServingSkew", "Unknown", "Looking"),
    ]


def test_nothing_is_said_that_was_not_asked_for() -> None:
    """No monitoring: no conditions, no figures; and none before anything serves."""
    world = World(monitoring={})
    assert world.look(QUIET) == Watched()
    world = World()
    world.revision = ""
    assert world.look(None) == Watched()


def test_drift_is_true_after_so_many_looks_in_a_row() -> None:
    """forPeriods is 3: the second look does not say it, the third does, with its figures."""
    world = World()
    world.look(found(2))
    assert world.state("FeatureDrift") == ("False", "Quiet")
    world.look(found(3))
    assert world.state("FeatureDrift") == ("True", "FeatureDrift")
    assert world.message("FeatureDrift") == "temp: PSI 0.4, at least 0.3, allowed 0.12 (8123 rows in 1d)"


def test_a_cause_keeps_its_id_while_the_finding_lasts() -> None:
    """Looks, stronger figures and a restart of the operator are the same finding; it asks for one run."""
    world = World()
    world.look(found(3))
    (first,) = world.said.causes
    assert [(item.action, item.rule, item.value) for item in world.said.decisions] == [
        ("AskRetrain", "FeatureDrift", 0.3)
    ]
    for findings in (found(4, low=0.9), None, found(1), found(2, verdict="NeedMoreData")):
        world.look(findings)
        assert [(cause["id"], cause["since"]) for cause in world.said.causes] == [(first["id"], first["since"])]
        assert world.said.decisions == ()
    assert world.state("FeatureDrift") == ("True", "FeatureDrift")


def test_it_ends_after_as_many_quiet_looks_and_the_next_one_is_another() -> None:
    """A single quiet look is none; a finding that comes back has an id of its own."""
    world = World()
    world.look(found(3))
    first = world.said.causes[0]["id"]
    world.look(found(0, verdict="Pass", quiet=2))
    assert world.causes == ["FeatureDrift"]
    world.look(found(0, verdict="Pass", quiet=3))
    assert (world.causes, world.state("FeatureDrift")) == ([], ("False", "Quiet"))
    world.look(found(3))
    assert world.said.causes[0]["id"] != first


def test_another_revision_has_nothing_to_do_with_it() -> None:
    """After a promotion conditions, causes and figures begin anew."""
    world = World()
    world.look(found(3))
    world.revision = "00000000"
    world.look(found(3))
    assert (world.causes, world.state("FeatureDrift")) == ([], ("Unknown", "Looking"))
    assert world.said.monitoring is None


def test_a_silent_prometheus_ends_no_finding_and_begins_none() -> None:
    """True stays True; what was quiet is Unknown, with the reason; the causes stand."""
    world = World(monitoring={"drift": {}, "minEstimatedAccuracy": "0.8"})
    world.look(found(3, messages={"EstimatedMetric": "fine"}))
    down = found(3, error="Prometheus does not answer", verdicts={"FeatureDrift": "SourceError"})
    world.look(down)
    assert world.state("FeatureDrift") == ("True", "FeatureDrift")
    assert world.causes == ["FeatureDrift"]
    quiet = World()
    quiet.look(QUIET)
    quiet.look(down)
    assert quiet.state("FeatureDrift") == ("Unknown", "MetricsUnavailable")
    assert quiet.message("FeatureDrift") == "Prometheus does not answer"


def test_figures_come_to_rest() -> None:
    """Other figures of the same findings are written once a minute at most; the same figures not at all."""
    world = World()
    world.look(found(3))
    first = copy.deepcopy(world.parent["status"])
    world.look(found(4, low=0.31), seconds=30)
    assert world.parent["status"] == first
    world.look(found(5, low=0.32), seconds=31)
    assert "at least 0.32" in world.message("FeatureDrift")
    later = copy.deepcopy(world.parent["status"])
    world.look(found(6, low=0.32), seconds=3600)
    assert world.parent["status"] == later


def test_a_feature_more_is_written_at_once() -> None:
    """What matters does not wait for the minute."""
    world = World()
    world.look(found(3))
    second = Finding("wind", 3600, 900.0, 0.5, 0.4, 0.1, "Fail", looks=3)
    findings = found(4)
    world.look(Findings(**{**vars(findings), "features": (*findings.features, second)}), seconds=1)
    assert "wind: PSI 0.5" in world.message("FeatureDrift")


def test_what_was_found_without_a_floor_is_told_and_asks_for_nothing() -> None:
    """The condition is True, with the reason why no run is asked for."""
    world = World(notifications=[{"receiver": "team"}])
    temp = Finding("temp", 600, 8123.0, 0.4, 0.3, 0.1, "Fail", looks=3, tells_only=True)
    world.look(found(3, features=(temp,)))
    assert world.state("FeatureDrift") == ("True", "FeatureDrift")
    assert "told only, without a floor" in world.message("FeatureDrift")
    assert world.causes == []
    assert [notice.reason for notice in world.said.notices] == ["FeatureDrift"]


def test_a_cause_that_the_spec_does_not_name_is_none() -> None:
    """retrain.causes without FeatureDrift, and no retrain at all: the condition only."""
    for spec in ({"retrain": {**RETRAIN, "causes": ["Rollback"]}}, {"retrain": None}):
        world = World(**spec)
        world.look(found(3))
        assert (world.state("FeatureDrift")[0], world.causes, world.said.decisions) == ("True", [], ())


def test_observe_says_what_it_would_do_and_asks_for_nothing() -> None:
    """automation: Observe: no cause in the status, the message and one decision say what would be asked."""
    world = World(automation="Observe")
    for expected in (["WouldAskRetrain"], []):
        world.look(found(3))
        assert [item.action for item in world.said.decisions] == expected
        assert world.causes == []
        assert world.message("FeatureDrift").startswith(
            "delays would be asked for a new version (automation: Observe): temp"
        )
        assert world.message("FeatureDrift").count("Observe") == 1


def degraded(selective: str = "") -> Findings:
    return Findings(
        REVISION,
        0.0,
        verdicts={"LabelledMetric": "Fail"},
        periods={"LabelledMetric": 3},
        messages={"LabelledMetric": "loss 0.31, max 0.2"},
        labelled=Labelled(5000, loss=0.31, selective=selective),
        tells_only=frozenset(("LabelledMetric",)) if selective else frozenset(),
    )


def test_degraded_by_labels_asks_for_a_run() -> None:
    """The figures are in the condition and in the status."""
    world = World(monitoring={"labelled": [{"metric": "loss", "max": "0.2"}]})
    world.look(degraded())
    assert (world.state("Degraded"), world.causes) == (("True", "Degraded"), ["LabelledMetric"])
    assert world.message("Degraded") == "loss 0.31, max 0.2"
    assert world.said.monitoring is not None
    assert (world.said.monitoring["rows"], world.said.monitoring["loss"]) == (5000, "0.31")


def test_selective_labels_ask_for_nothing() -> None:
    """Also when they become so later: the cause goes, the condition says why."""
    world = World(monitoring={"labelled": [{"metric": "loss", "max": "0.2"}]})
    world.look(degraded())
    world.look(degraded("5.0% of the predictions have a label"))
    assert (world.state("Degraded")[0], world.causes) == ("True", [])
    assert world.state("LabelsSelective") == ("True", "LabelsSelective")
    world.look(None)
    assert (world.state("LabelsSelective")[0], world.causes) == ("True", [])
    world.look(degraded())
    assert [item.type for item in world.said.conditions] == ["Degraded"]


def test_a_rollback_asks_once_for_each_refused_revision() -> None:
    """The id comes from the refused revision and its time; a person who clears it ends it."""
    world = World(monitoring={})
    lost = Lost("bad0bad0", 2, "errors: 0.25 against 0.01", "2026-01-05T11:58:00.250Z")
    world.look(None, lost=lost)
    (cause,) = world.said.causes
    assert (cause["cause"], cause["since"]) == ("Rollback", "2026-01-05T11:58:00Z")
    assert [item.action for item in world.said.decisions] == ["AskRetrain"]
    world.look(None, lost=lost)
    assert (world.said.causes, world.said.decisions) == ((cause,), ())
    world.look(None)
    assert world.said.causes == ()


@pytest.mark.parametrize(("limit", "state"), [(3600, ("True", "DataStale")), (8 * 86400, ("False", "Quiet"))])
def test_age_of_the_training_rows(limit: int, state: tuple[str, str]) -> None:
    """Trained through the end of 2025, looked at on 5 January."""
    world = World(monitoring={"maxDataAgeSeconds": limit})
    world.version["spec"]["datasets"] = [{"name": "t", "role": "Train", "through": "2025-12-31"}]
    world.look(None)
    assert world.state("DataStale") == state
    assert world.said.wake == (None if state[0] == "True" else datetime(2026, 1, 9, tzinfo=START.tzinfo) - world.now)


def test_age_that_nobody_knows() -> None:
    """A version by hand without dates, and one that is gone."""
    world = World(monitoring={"maxDataAgeSeconds": 3600})
    world.look(None)
    assert world.state("DataStale") == ("Unknown", "DataAgeUnknown")
    world.version = None
    world.look(None)
    assert world.state("DataStale") == ("Unknown", "DataAgeUnknown")


def test_people_are_told_once_with_owner_and_receivers() -> None:
    """When a condition turns True, and not at every look while it is."""
    world = World(notifications=[{"receiver": "team"}], owner={"team": "ops", "contact": "ops@example.org"})
    world.look(found(3))
    (notice,) = world.said.notices
    assert (notice.reason, notice.receivers) == ("FeatureDrift", ("team",))
    assert notice.owner == {"team": "ops", "contact": "ops@example.org"}
    world.look(found(4))
    assert world.said.notices == ()


def test_skew_is_what_was_found_in_the_first_day() -> None:
    """Later looks do not ask for it any more: what was said stays; one that was never asked for is not there."""
    world = World()
    temp = Finding("temp", 86400, 8123.0, 0.4, 0.3, 0.12, "Fail", looks=3)
    early = found(0, verdict="Pass", skew=(temp,))
    verdicts = {"FeatureDrift": "Pass", "TrainingServingSkew": "Fail"}
    world.look(Findings(**{**vars(early), "verdicts": verdicts, "periods": {"TrainingServingSkew": 3}}))
    assert world.state("TrainingServingSkew") == ("True", "TrainingServingSkew")
    assert world.causes == []
    world.look(QUIET)
    assert world.state("TrainingServingSkew") == ("True", "TrainingServingSkew")
    for never_judged in (None, found(0, verdicts={"TrainingServingSkew": "NeedMoreData"})):
        late = World()
        late.look(never_judged)
        late.look(QUIET)
        assert "TrainingServingSkew" not in [item.type for item in late.said.conditions]


def test_a_new_leader_says_nothing_anew() -> None:
    """It has not looked yet: what is not said (an old revision's skew) stays unsaid, and the status is as it was."""
    world = World()
    world.look(Findings(**{**vars(QUIET), "verdicts": {"FeatureDrift": "Pass", "PredictionDrift": "Pass"}}))
    before = copy.deepcopy(world.parent["status"])
    assert [item["type"] for item in before["conditions"]] == ["FeatureDrift", "PredictionDrift"]
    world.look(None)
    assert world.parent["status"] == before
