"""TrainingJob: a lasting definition; every run of it is one batch Job and at most one ModelVersion."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from pintle.api.fields import (
    ATOMIC,
    MAX_RUN_MESSAGE,
    NAME_MESSAGE,
    NAME_PATTERN,
    TOLERATION,
    ApiModel,
    Condition,
    Decimal,
    Digest,
    EnvVar,
    Image,
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
    one_of,
    ruled,
    says,
)

Metric = Annotated[
    str,
    Field(
        min_length=1,
        max_length=63,
        pattern=r"^[a-z][A-Za-z0-9]*$",
        json_schema_extra=says("a metric's name is letters and digits, beginning with a small letter, like logLoss"),
    ),
]
Argument = Annotated[str, Field(max_length=8192)]
PARTITION_PATTERN = r"^([A-Za-z0-9._=-]|\{(yyyy|MM|dd|HH)\})+$"


class Source(ApiModel):
    """Where the training code lies; without a source the trainer image holds it."""

    configMapRef: NameRef | None = Field(default=None, description="ConfigMap whose files appear in /pintle/code.")


class Trainer(ApiModel):
    """The user's container. It sees Train and Validate rows, no key and no service-account token."""

    image: Image | None = Field(default=None, description="Default: the Pintle runner image (scikit-learn, pandas).")
    command: list[Argument] | None = Field(default=None, max_length=64, json_schema_extra=ATOMIC)
    args: list[Argument] | None = Field(default=None, max_length=64, json_schema_extra=ATOMIC)
    env: list[EnvVar] | None = Field(default=None, max_length=64, json_schema_extra=map_list("name"))
    resources: Resources | None = None
    nodeSelector: dict[str, ShortText] | None = Field(default=None, max_length=16)
    tolerations: list[Annotated[dict[str, Any], Field(json_schema_extra=TOLERATION)]] | None = Field(
        default=None, max_length=16, json_schema_extra=ATOMIC
    )


class Excluded(ApiModel):
    """Partitions to leave out, by name, both ends included."""

    from_: Annotated[str, Field(min_length=1, max_length=64)] = Field(alias="from")
    to: Annotated[str, Field(min_length=1, max_length=64)]
    reason: ShortText

    model_config = ruled(cel("self.from <= self.to", "from must not come after to"))


class Select(ApiModel):
    """Which partitions (files or folders directly below storageUri) a run takes."""

    partition: Annotated[
        str,
        Field(
            min_length=1,
            max_length=64,
            pattern=PARTITION_PATTERN,
            json_schema_extra=says(
                "partition is made of {yyyy}, {MM}, {dd}, {HH}, letters, digits and . _ = -",
                cel("self.contains('{yyyy}')", "partition needs {yyyy}, or names could not be sorted by time"),
            ),
        ),
    ] = Field(
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

    name: Annotated[str, Field(min_length=1, max_length=40, pattern=NAME_PATTERN, json_schema_extra=says(NAME_MESSAGE))]
    role: Annotated[str, Field(json_schema_extra=one_of("Train", "Validate", "Evaluate"))]
    storageUri: StorageUri
    storage: Storage | None = None
    digest: Digest | None = Field(default=None, description="Refuse other bytes than these.")
    select: Select | None = None


class Hyperparameter(ApiModel):
    """A named value: a string for the training code, a number from `pintle.train.hyperparameters()` where it is one."""

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=63,
            pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$",
            json_schema_extra=says("letters, digits and _ . -, beginning with a letter or _"),
        ),
    ]
    value: ShortText


class Gate(ApiModel):
    """What a model must show on rows that are later than its training rows."""

    metric: Metric
    min: Decimal | None = None
    max: Decimal | None = None
    comparedTo: Annotated[str, Field(json_schema_extra=one_of("Baseline"))] | None = None
    require: Annotated[str, Field(json_schema_extra=one_of("Better", "NotWorse"))] = "Better"
    minImprovement: Decimal | None = None
    margin: Decimal | None = None
    blockBy: Annotated[str, Field(json_schema_extra=one_of("Row", "Hour", "Day", "Week"))] | None = Field(
        default=None,
        description="Rows of one block are not independent; default Day where there is a timeColumn, else Row.",
    )
    slice: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        default=None, description="Feature whose every value is judged on its own."
    )

    model_config = ruled(
        cel("has(self.min) || has(self.max) || has(self.comparedTo)", "a gate needs min, max or comparedTo"),
        cel("!has(self.min) || !has(self.max) || double(self.min) <= double(self.max)", "min must not be above max"),
        cel(
            "has(self.comparedTo) || (!has(self.require) && !has(self.minImprovement) && !has(self.margin))",
            "require, minImprovement and margin need comparedTo",
        ),
        cel(
            "!has(self.minImprovement) || !has(self.require) || self.require == 'Better'",
            "minImprovement goes with require: Better",
        ),
        cel(
            "has(self.margin) == (has(self.require) && self.require == 'NotWorse')",
            "margin (how much worse is still good enough) goes with require: NotWorse, and NotWorse needs it",
        ),
        cel(
            "(!has(self.minImprovement) || double(self.minImprovement) >= 0.0)"
            " && (!has(self.margin) || double(self.margin) > 0.0)",
            "minImprovement must not be negative, margin must be above 0",
        ),
    )


class Output(ApiModel):
    """Where artifact and record go."""

    storageUri: StorageUri
    storage: Storage | None = None
    modelFormat: Annotated[str, Field(json_schema_extra=one_of("ONNX", "Skops"))] = "ONNX"


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
    runsHistoryLimit: Annotated[int, Field(ge=1, le=10)] = Field(
        default=5, description="How many runs and their Jobs are kept."
    )
    output: Output

    model_config = ruled(
        cel("self.datasets.exists(d, d.role == 'Train')", "datasets needs at least one entry with role: Train"),
        cel(
            "!self.datasets.exists(d, d.role == 'Evaluate') || has(self.schema.timeColumn)",
            "a data set with role: Evaluate needs schema.timeColumn: its rows must be later than the training rows",
        ),
        cel(
            "!has(self.gates) || has(self.schema.timeColumn)"
            " || self.gates.all(g, !has(g.blockBy) || g.blockBy == 'Row')",
            "blockBy: Hour, Day or Week needs schema.timeColumn",
        ),
        cel(
            "!has(self.gates) || !has(self.schema.features)"
            " || self.gates.all(g, !has(g.slice) || self.schema.features.exists(f, f.name == g.slice))",
            "a gate's slice must be one of schema.features",
        ),
    )


RunMessage = Annotated[str, Field(max_length=MAX_RUN_MESSAGE)]


class RunStatus(ApiModel):
    """One run, newest first in `status.runs`."""

    name: str = Field(max_length=63, description="Name of the run and of its Job.")
    definition: Digest = Field(description="Digest of what the run was defined by.")
    result: Annotated[str, Field(json_schema_extra=one_of("Running", "Succeeded", "Unchanged", "Failed"))]
    reason: Annotated[str, Field(max_length=64)]
    message: RunMessage = ""
    identity: Digest | None = None
    version: int | None = None
    startTime: Time | None = None
    completionTime: Time | None = None


class TrainingJobStatus(ApiModel):
    """What has become of it."""

    observedGeneration: int | None = None
    conditions: list[Condition] | None = Field(default=None, max_length=5, json_schema_extra=map_list("type"))
    definition: Digest | None = Field(default=None, description="Digest of the definition that was run last.")
    runs: list[RunStatus] | None = Field(default=None, max_length=10, json_schema_extra=map_list("name"))
    latestVersion: int | None = Field(default=None, description="Version of the newest run that made one.")
    highestVersion: int | None = Field(default=None, description="Highest version number ever used; never goes down.")
