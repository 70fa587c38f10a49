"""What a TrainingJob says of itself: its newest runs, and who asked for one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pintle.api.fields import (
    ATOMIC,
    MAX_RUN_MESSAGE,
    ApiModel,
    Condition,
    Count,
    Digest,
    Generation,
    Line,
    Time,
    TriggerId,
    VersionNumber,
    map_list,
    one_of,
)
from pintle.api.trainingjob import MAX_PER_DAY

RunMessage = Annotated[str, Field(max_length=MAX_RUN_MESSAGE)]


class RunStatus(ApiModel):
    """One run, newest first in `status.runs`."""

    name: str = Field(max_length=63, description="Name of the run and of its Job.")
    definition: Digest = Field(description="Digest of what the run was defined by.")
    result: Annotated[str, Field(json_schema_extra=one_of("Running", "Succeeded", "Unchanged", "Failed"))]
    """Where the run stands."""
    reason: Annotated[str, Field(max_length=40)]
    """As in the condition Succeeded."""
    message: RunMessage = ""
    """As in the condition Succeeded."""
    identity: Digest | None = None
    """Digest of code, image, parameters, seed, schema and data: what was trained from what."""
    version: VersionNumber | None = None
    """Number of the version that it made."""
    startTime: Time | None = None
    """When its Job was created."""
    completionTime: Time | None = None
    """When it ended."""
    generation: Generation | None = None
    """metadata.generation of the spec that it was made of; after a failure a later one starts another run."""
    trigger: TriggerStatus | None = None
    """What started it."""
    spec: Annotated[str, Field(max_length=10)] | None = None
    """Short digest of that spec without suspend and runsHistoryLimit, which start nothing."""


class TriggerStatus(ApiModel):
    """What started a run, with the figures that caused it."""

    kind: Annotated[str, Field(max_length=16)]
    """Definition, Spec, Schedule, NewData, Person, or a cause of spec.retrain of a ModelDeployment."""
    id: TriggerId | None = None
    """The same for one cause, another for the next."""
    source: Annotated[str, Field(max_length=50)] | None = None
    """ModelDeployment that asked, or who did."""
    message: Line | None = None
    """With figures."""


ShortDigest = Annotated[str, Field(max_length=16)]


class GovernorStatus(ApiModel):
    """What the governor said last, and what it remembers."""

    refused: TriggerStatus | None = None
    """The trigger that waits and is not allowed to train now."""
    reason: Annotated[str, Field(max_length=40)] | None = None
    """Why: RunGoing, Cooldown, DailyBudget, ConsecutiveFailures, CandidateWaiting, NothingNew, ListingData, Suggested,
    TurnedOff, Suspended; SpecInvalid for a schedule or an annotation that cannot be read."""
    message: Line | None = None
    """The same for people."""
    retryTime: Time | None = None
    """When it may be allowed."""
    triggeredTimes: list[Time] | None = Field(default=None, max_length=MAX_PER_DAY, json_schema_extra=ATOMIC)
    """Starts of triggered runs in the last 24 hours, newest first."""
    consecutiveFailures: Count | None = None
    """Runs in a row that failed or were refused."""
    consecutiveRefusals: Count | None = None
    """Of these, candidates that were refused by their gates; the cooldown doubles with each."""
    seen: list[Annotated[str, Field(max_length=10)]] | None = Field(
        default=None, max_length=64, json_schema_extra=ATOMIC
    )
    """Short digests of the triggers that were answered, newest first."""
    schedule: ShortDigest | None = None
    """Short digest of the schedule and time zone that scheduleTime is about."""
    scheduleTime: Time | None = None
    """The last time of the schedule that was answered."""
    read: ShortDigest | None = None
    """Short digest of the listing of the data that the last run read."""
    through: Annotated[str, Field(max_length=24)] | None = None
    """Time of the latest row that a run was trained or judged on."""
    listing: ShortDigest | None = None
    """Short digest of names, sizes and etags of the data when they were last listed; absent when that failed."""
    listingTime: Time | None = None
    """When they were listed."""
    listingMessage: Line | None = None
    """Their partitions, or why they could not be listed."""
    listingNumber: Count | None = None
    """Number of the last throw-away pod that listed them."""
    listedAfter: Annotated[str, Field(max_length=63)] | None = None
    """The newest run when they were listed."""


class TrainingJobStatus(ApiModel):
    """What has become of it."""

    observedGeneration: Generation | None = None
    """metadata.generation that this status was decided for."""
    conditions: list[Condition] | None = Field(default=None, max_length=3, json_schema_extra=map_list("type"))
    """Succeeded, and RetrainSuggested or RetrainHeld."""
    governor: GovernorStatus | None = None
    """Who asked for a run by itself, and what was answered."""
    definition: Digest | None = Field(default=None, description="Digest of the definition that was run last.")
    runs: list[RunStatus] | None = Field(default=None, max_length=10, json_schema_extra=map_list("name"))
    """The newest runs, newest first."""
    latestVersion: VersionNumber | None = Field(default=None, description="Version of the newest run that made one.")
    highestVersion: VersionNumber | None = Field(
        default=None, description="Highest version number ever used; never goes down."
    )
