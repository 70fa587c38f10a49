"""What a ModelDeployment says of itself: revisions, the rollout that goes on, what watching found, what was done."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pintle.api.fields import (
    ATOMIC,
    MAX_DEPLOYMENT_MESSAGE,
    ApiModel,
    Condition,
    Count,
    Digest,
    Generation,
    Image,
    Line,
    Name,
    StorageUri,
    Time,
    TriggerId,
    VersionNumber,
    map_list,
    one_of,
)
from pintle.api.rollout import MAX_TEST_NAME, MAX_TESTS
from pintle.api.watching import CAUSES

Figure = Annotated[str, Field(max_length=12)]
"""A number as text, rounded: a status with floats would never come to rest."""
RevisionName = Annotated[str, Field(max_length=8)]
"""Eight hexadecimal digits."""
Claimed = Annotated[str, Field(max_length=40)]
"""Who asked, as claimed by the annotation."""
TestName = Annotated[str, Field(max_length=MAX_TEST_NAME)]


class DeploymentCondition(Condition):
    """A standard Kubernetes condition."""

    message: Annotated[str, Field(max_length=MAX_DEPLOYMENT_MESSAGE)] = ""
    """Sentences for people."""


class RevisionStatus(ApiModel):
    """A revision that exists."""

    revision: RevisionName
    """Name of the revision; its objects are called <deployment>-<revision>."""
    version: VersionNumber
    """Version that it serves."""
    digest: Digest
    """Digest of the model."""
    storageUri: StorageUri
    """Where its pods fetch the model."""
    image: Image
    """Image that serves."""
    weight: Annotated[int, Field(ge=0, le=100)] = 0
    """Share of the traffic in percent."""
    readyReplicas: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Pods that are ready."""
    createdTime: Time | None = None
    """When it was made."""


class HistoryEntry(ApiModel):
    """Something that was decided, with what it was decided from; newest first."""

    time: Time
    """When."""
    action: Annotated[str, Field(max_length=16)]
    """What was done: Serve, Step, Promote, Rollback, Pause, Resume, GoBack, Withdraw ..."""
    revision: RevisionName = ""
    """To which revision."""
    version: VersionNumber | None = None
    """Version of that revision."""
    why: Annotated[str, Field(max_length=80)] = ""
    """Why."""
    rule: TestName | None = None
    """Test or rule that decided."""
    value: Figure | None = None
    """What it measured of the revision."""
    stableValue: Figure | None = None
    """The same of the revision that it was compared with."""
    rows: Count | None = None
    """Requests or rows behind value."""
    stableRows: Count | None = None
    """Requests or rows behind stableValue."""
    evidence: Figure | None = None
    """Evidence in nats."""
    threshold: Figure | None = None
    """Evidence that was needed."""
    by: Claimed | None = None
    """Who asked for it, as claimed by the annotation."""


class TestStatus(ApiModel):
    """What a test of the rollout says now."""

    __test__ = False

    name: TestName
    """Name of the test."""
    verdict: Annotated[str, Field(json_schema_extra=one_of("Pass", "Fail", "NeedMoreData", "SourceError"))]
    """Pass, Fail, NeedMoreData or SourceError."""
    value: Figure | None = None
    """Of the canary."""
    stableValue: Figure | None = None
    """Of the stable."""
    rows: Count | None = None
    """Canary's requests or rows."""
    stableRows: Count | None = None
    """Stable's requests or rows."""
    evidence: Figure | None = None
    """Evidence that it is worse, in nats; Fail at threshold."""
    threshold: Figure | None = None
    """Evidence needed for Fail."""
    passEvidence: Figure | None = None
    """Evidence that it is not worse by the margin, in nats."""
    passThreshold: Figure | None = None
    """Evidence needed for Pass."""
    dryRun: bool | None = None
    """Judged, never acted upon."""
    message: Annotated[str, Field(max_length=64)] | None = None
    """What a person should know."""


class RolloutStatus(ApiModel):
    """A rollout or guard that goes on."""

    state: Annotated[str, Field(json_schema_extra=one_of("Canary", "Guard"))]
    """Canary before promotion, Guard after it."""
    step: Annotated[int, Field(ge=0, le=20)] | None = None
    """Number of the step, from 1."""
    steps: Annotated[int, Field(ge=0, le=20)] | None = None
    """How many there are."""
    paused: Line | None = None
    """Why it is paused, if it is."""
    startTime: Time | None = None
    """When the canary got its first traffic."""
    stepTime: Time | None = None
    """When the step began."""
    endTime: Time | None = None
    """Deadline of the rollout, or end of the guard."""
    expectedSeconds: Count | None = None
    """At the present rate, evidence will be enough after this long."""
    verdict: Annotated[str, Field(max_length=16)] | None = None
    """Of all tests together."""
    asOfTime: Time | None = None
    """When the figures were taken."""
    tests: list[TestStatus] | None = Field(default=None, max_length=MAX_TESTS, json_schema_extra=map_list("name"))
    """What each test says."""


class RefusedStatus(ApiModel):
    """A revision that is not tried again until a person clears it."""

    revision: RevisionName
    """Its name."""
    version: VersionNumber | None = None
    """Its version."""
    why: Annotated[str, Field(max_length=64)] = ""
    """Why it was refused."""
    time: Time | None = None
    """When."""


class ActionStatus(ApiModel):
    """What became of the last word of a person (annotation pintle.dev/action)."""

    id: Annotated[str, Field(max_length=63)]
    """Its id."""
    verb: Annotated[str, Field(max_length=16)]
    """What was asked."""
    result: Annotated[str, Field(json_schema_extra=one_of("Done", "Stale", "Refused"))]
    """Done, Stale (meant for another moment), or Refused."""
    message: Line | None = None
    """Why."""
    by: Claimed | None = None
    """Who asked, as claimed."""
    time: Time | None = None
    """When it was seen."""


class DriftStatus(ApiModel):
    """A feature or prediction that drifts, the strongest first."""

    feature: Annotated[str, Field(max_length=64)]
    """Name of the feature; score for the predictions."""
    windowSeconds: Count
    """Window in which it is strongest."""
    rows: Count
    """Rows of the window."""
    psi: Figure
    """Population stability index against the training data."""
    low: Figure
    """Lower end of it."""
    threshold: Figure
    """Drift above this: minPSI, or the floor of the training data."""
    verdict: Annotated[str, Field(max_length=12)]
    """Fail: it drifts."""


class MonitoringStatus(ApiModel):
    """What watching has found."""

    asOfTime: Time | None = None
    """When it was looked at last; written when something changes."""
    features: Annotated[int, Field(ge=0, le=1000)] | None = None
    """How many features are watched."""
    drift: list[DriftStatus] | None = Field(default=None, max_length=3, json_schema_extra=ATOMIC)
    """The strongest."""
    rows: Count | None = None
    """Labelled rows behind loss and auc."""
    loss: Figure | None = None
    """Loss per labelled row."""
    auc: Figure | None = None
    """AUC of labelled rows."""
    estimatedAccuracy: Figure | None = None
    """Estimated from the scores; blind to concept drift."""


class CauseStatus(ApiModel):
    """Something for which a new version is wanted (spec.retrain.causes), since it was found."""

    cause: Annotated[str, Field(json_schema_extra=one_of(*CAUSES))]
    """What it is."""
    id: TriggerId
    """The same for one finding, another for the next."""
    since: Time
    """When it was found."""
    message: Line = ""
    """With figures."""


class AliasStatus(ApiModel):
    """An alias and where it points."""

    name: Name
    """The alias."""
    version: VersionNumber
    """Version that it points to."""
    sequence: Count
    """Grows with each move of the alias."""


class ModelDeploymentStatus(ApiModel):
    """What serves, and what is under way."""

    observedGeneration: Generation | None = None
    """metadata.generation that this status was decided for."""
    conditions: list[DeploymentCondition] | None = Field(
        default=None, max_length=12, json_schema_extra=map_list("type")
    )
    """Available, Progressing, Ready, and what watching has found."""
    sequence: Count | None = None
    """Number of the traffic write that this status was derived from."""
    stable: RevisionStatus | None = None
    """The revision that serves."""
    canary: RevisionStatus | None = Field(default=None, description="The revision that is about to take over.")
    previous: RevisionStatus | None = Field(default=None, description="During the guard: the way back.")
    rollout: RolloutStatus | None = None
    """The rollout or guard that goes on."""
    refused: list[RefusedStatus] | None = Field(default=None, max_length=8, json_schema_extra=map_list("revision"))
    """Revisions that were refused, newest first."""
    action: ActionStatus | None = None
    """The last word of a person."""
    monitoring: MonitoringStatus | None = None
    """What watching has found."""
    causes: list[CauseStatus] | None = Field(default=None, max_length=5, json_schema_extra=map_list("cause"))
    """For what a new version is wanted."""
    alias: AliasStatus | None = None
    """The alias that this deployment moves."""
    url: Annotated[str, Field(max_length=388)] | None = None
    """Where requests from outside go."""
    history: list[HistoryEntry] | None = Field(default=None, max_length=10, json_schema_extra=ATOMIC)
    """What was done, newest first."""
