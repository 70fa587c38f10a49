"""TrainingJob: a lasting definition; every run of it is one batch Job and at most one ModelVersion."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from pintle.api.fields import (
    ATOMIC,
    OPAQUE,
    ApiModel,
    Condition,
    Decimal,
    Digest,
    EnvVar,
    Image,
    LongText,
    NameRef,
    ParentName,
    Resources,
    Schema,
    ShortText,
    Storage,
    StorageUri,
    Time,
    cel,
    map_list,
    rules,
)

Metric = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z][A-Za-z0-9]*$")]


class Source(ApiModel):
    """Where the training code lies; without a source the trainer image holds it."""

    configMapRef: NameRef | None = Field(default=None, description="ConfigMap whose files appear in /pintle/code.")


class Trainer(ApiModel):
    """The user's container. It sees Train and Validate rows, no key and no service-account token."""

    image: Image | None = Field(default=None, description="Default: the Pintle runner image (scikit-learn, pandas).")
    command: list[LongText] | None = Field(default=None, max_length=64, json_schema_extra=ATOMIC)
    args: list[LongText] | None = Field(default=None, max_length=64, json_schema_extra=ATOMIC)
    env: list[EnvVar] | None = Field(default=None, max_length=64, json_schema_extra=map_list("name"))
    resources: Resources | None = None
    nodeSelector: dict[str, ShortText] | None = Field(default=None, max_length=16)
    tolerations: list[Annotated[dict[str, Any], Field(json_schema_extra=OPAQUE)]] | None = Field(
        default=None, max_length=16, json_schema_extra=ATOMIC
    )


class Excluded(ApiModel):
    """Partitions to leave out, by name, both ends included."""

    from_: Annotated[str, Field(min_length=1, max_length=64)] = Field(alias="from")
    to: Annotated[str, Field(min_length=1, max_length=64)]
    reason: ShortText


class Select(ApiModel):
    """Which partitions (files or folders directly below storageUri) a run takes."""

    partition: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        description="Form of a partition's name, of {yyyy}, {MM}, {dd}, {HH} and literal text; names sort by time."
    )
    latest: Annotated[int, Field(ge=1, le=1000)] = Field(default=1, description="How many of the newest to take.")
    skip: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=0, description="How many of the newest to leave out first."
    )
    settleSeconds: Annotated[int, Field(ge=0, le=2592000)] = Field(
        default=0, description="A partition changed more recently than this is not taken yet."
    )
    exclude: list[Excluded] | None = Field(default=None, max_length=32, json_schema_extra=ATOMIC)


class Dataset(ApiModel):
    """One data set: where it lies, what it is for."""

    name: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    role: Annotated[str, Field(json_schema_extra={"enum": ["Train", "Validate", "Evaluate"]})]
    storageUri: StorageUri
    storage: Storage | None = None
    digest: Digest | None = Field(default=None, description="Refuse other bytes than these.")
    select: Select | None = None


class Hyperparameter(ApiModel):
    """A named value: a string for the training code, a number from `pintle.train.hyperparameters()` where it is one."""

    name: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$")]
    value: Annotated[str, Field(max_length=256)]


class Gate(ApiModel):
    """What a model must show on rows that are later than its training rows."""

    metric: Metric
    min: Decimal | None = None
    max: Decimal | None = None
    comparedTo: Annotated[str, Field(json_schema_extra={"enum": ["Baseline"]})] | None = None
    require: Annotated[str, Field(json_schema_extra={"enum": ["Better", "NotWorse"]})] = "Better"
    minImprovement: Decimal | None = None
    margin: Decimal | None = None
    blockBy: Annotated[str, Field(json_schema_extra={"enum": ["Row", "Hour", "Day", "Week"]})] | None = Field(
        default=None,
        description="Rows of one block are not independent; default Day where there is a timeColumn, else Row.",
    )
    slice: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        default=None, description="Feature whose every value is judged on its own."
    )


class Output(ApiModel):
    """Where artifact and record go."""

    storageUri: StorageUri
    storage: Storage | None = None
    modelFormat: Annotated[str, Field(json_schema_extra={"enum": ["ONNX", "Skops"]})] = "ONNX"


class TrainingJobSpec(ApiModel):
    """What to train, on what, and what it must show."""

    modelName: ParentName | None = Field(
        default=None, description="Default metadata.name; versions are <modelName>-v<n>."
    )
    source: Source | None = None
    trainer: Trainer = Field(default_factory=Trainer)
    datasets: list[Dataset] = Field(min_length=1, max_length=16, json_schema_extra=map_list("name"))
    schema_: Schema = Field(alias="schema")
    hyperparameters: list[Hyperparameter] | None = Field(
        default=None, max_length=64, json_schema_extra=map_list("name")
    )
    seed: Annotated[int, Field(ge=0, le=2147483647)] = 0
    gates: list[Gate] | None = Field(default=None, max_length=16, json_schema_extra=ATOMIC)
    backoffLimit: Annotated[int, Field(ge=0, le=10)] = Field(
        default=2, description="How often a run that broke is tried again."
    )
    activeDeadlineSeconds: Annotated[int, Field(ge=1, le=2592000)] | None = None
    suspend: bool = Field(default=False, description="True stops the run that is going and starts no other.")
    runsHistoryLimit: Annotated[int, Field(ge=1, le=20)] = Field(
        default=5, description="How many runs and their Jobs are kept."
    )
    output: Output


class RunStatus(ApiModel):
    """One run, newest first in `status.runs`."""

    name: str = Field(max_length=63, description="Name of the run and of its Job.")
    definition: Digest = Field(description="Digest of what the run was defined by.")
    result: Annotated[str, Field(json_schema_extra={"enum": ["Running", "Succeeded", "Unchanged", "Failed"]})]
    reason: Annotated[str, Field(max_length=64)]
    message: LongText = ""
    identity: Digest | None = None
    version: int | None = None
    startTime: Time | None = None
    completionTime: Time | None = None


class TrainingJobStatus(ApiModel):
    """What has become of it."""

    observedGeneration: int | None = None
    conditions: list[Condition] | None = Field(default=None, max_length=8, json_schema_extra=map_list("type"))
    definition: Digest | None = Field(default=None, description="Digest of the definition that was run last.")
    runs: list[RunStatus] | None = Field(default=None, max_length=20, json_schema_extra=map_list("name"))
    latestVersion: int | None = Field(default=None, description="Version of the newest run that made one.")
    highestVersion: int | None = Field(default=None, description="Highest version number ever used; never goes down.")


SPEC_RULES = rules(
    cel(
        "self.datasets.exists(d, d.role == 'Train')",
        "datasets needs at least one entry with role: Train",
    ),
    cel(
        "!has(self.gates) || self.gates.all(g, has(g.min) || has(g.max) || has(g.comparedTo))",
        "every gate needs min, max or comparedTo",
    ),
)
