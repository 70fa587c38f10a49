"""One look at a TrainingJob as it is put together: the facts, the definition they make, what is to be done."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from pintle.api import reasons
from pintle.api.trainingjob import TrainingJobSpec
from pintle.core.conditions import FALSE, UNKNOWN, Condition
from pintle.core.plan import Decision, Event, Obj, Policy
from pintle.core.training.champion import missing_rival
from pintle.core.training.definition import TRAIN_FILE, code_of, definition_digest, files_of, spec_digest
from pintle.core.training.observed import TrainingObserved


@dataclass
class Look:
    """One look, as it is put together."""

    observed: TrainingObserved
    now: datetime
    policy: Policy
    spec: TrainingJobSpec
    code: dict[str, Any]
    definition: str | None
    """None as long as the code is not there."""
    problem: Condition | None
    """Why no run can be started."""
    create: list[Obj] = field(default_factory=list)
    apply: list[Obj] = field(default_factory=list)
    delete: list[Obj] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    why: list[str] = field(default_factory=list)
    again: list[timedelta] = field(default_factory=list)
    going: dict[str, Condition] = field(default_factory=dict)
    """Conditions of the runs that go on, by run."""
    decisions: list[Decision] = field(default_factory=list)
    started: str | None = None
    """The run that this look starts."""

    @property
    def name(self) -> str:
        return str(self.observed.parent["metadata"]["name"])

    @property
    def model(self) -> str:
        return self.spec.modelName or self.name

    @property
    def generation(self) -> int:
        """metadata.generation of the spec."""
        return int(self.observed.parent["metadata"].get("generation") or 0)

    @property
    def spec_digest(self) -> str:
        """Short digest of the spec, without what no run can fail for."""
        return spec_digest(self.spec)

    @property
    def highest(self) -> int:
        """The highest version number ever used; 0 for none."""
        numbers = [int(version["spec"]["version"]) for version in self.observed.versions]
        recorded = (self.observed.parent.get("status") or {}).get("highestVersion")
        return max([0, int(recorded or 0), *numbers])


def begin(observed: TrainingObserved, now: datetime, policy: Policy, spec: TrainingJobSpec) -> Look:
    versions = tuple(
        version
        for version in observed.versions
        if version["spec"]["modelName"] == (spec.modelName or observed.parent["metadata"]["name"])
    )
    observed = replace(observed, versions=versions)
    code, problem = code_of(spec, observed.config_map), _problem(observed, spec)
    problem = problem or missing_rival(spec, spec.modelName or observed.parent["metadata"]["name"], versions)
    missing = problem is not None and problem.reason == reasons.SOURCE_NOT_FOUND
    return Look(observed, now, policy, spec, code, None if missing else definition_digest(spec, code), problem)


def _problem(observed: TrainingObserved, spec: TrainingJobSpec) -> Condition | None:
    """Why there is nothing that could be run."""
    reference = spec.source.configMapRef if spec.source else None
    if reference is None:
        if spec.trainer.image or spec.trainer.command:
            return None
        message = (
            "There is nothing to run: name a ConfigMap in source.configMapRef, or a trainer.image that holds code."
        )
        return Condition(reasons.SUCCEEDED, FALSE, reasons.SPEC_INVALID, message)
    if observed.config_map is None:
        message = f"The ConfigMap {reference.name} with the training code does not exist; the run waits for it."
        return Condition(reasons.SUCCEEDED, UNKNOWN, reasons.SOURCE_NOT_FOUND, message)
    if not spec.trainer.command and TRAIN_FILE not in files_of(observed.config_map):
        message = f"The ConfigMap {reference.name} has no file {TRAIN_FILE}, and spec.trainer.command names no other."
        return Condition(reasons.SUCCEEDED, UNKNOWN, reasons.SOURCE_NOT_FOUND, message)
    return None
