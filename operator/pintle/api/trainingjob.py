"""TrainingJob: a lasting definition; every run of it is one batch Job and at most one ModelVersion."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from pintle.api.fields import (
    ATOMIC,
    NAME_MESSAGE,
    NAME_PATTERN,
    TOLERATION,
    ApiModel,
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
    cel,
    map_list,
    one_of,
    ruled,
    says,
)

# What pintle.train measures; a test compares the two lists.
CLASS_METRICS = ("brier", "logLoss", "accuracy")
REGRESSION_METRICS = ("rmse", "mae", "r2")
METRICS = ("auc", *CLASS_METRICS, *REGRESSION_METRICS)
Metric = Annotated[str, Field(json_schema_extra=one_of(*METRICS))]
# Triggered runs of 24 hours are counted by their times in the status.
MAX_PER_DAY = 48
Argument = Annotated[str, Field(max_length=8192)]
PARTITION_PATTERN = r"^([A-Za-z0-9._=-]|\{(yyyy|MM|dd|HH)\})+$"


class Source(ApiModel):
    """Where the training code lies; without a source the trainer image holds it."""

    configMapRef: NameRef | None = Field(default=None, description="ConfigMap whose files appear in /pintle/code.")


class Trainer(ApiModel):
    """The user's container. It sees Train and Validate rows, no key and no service-account token."""

    image: Image | None = Field(default=None, description="Default: the Pintle runner image (scikit-learn, pandas).")
    command: list[Argument] | None = Field(default=None, max_length=64, json_schema_extra=ATOMIC)
    """Replaces the image's entry point."""
    args: list[Argument] | None = Field(default=None, max_length=64, json_schema_extra=ATOMIC)
    """Arguments to the command, or to the image's entry point."""
    env: list[EnvVar] | None = Field(default=None, max_length=64, json_schema_extra=map_list("name"))
    """Environment variables of the training code."""
    resources: Resources | None = None
    """CPU, memory and devices of the training container."""
    nodeSelector: dict[str, ShortText] | None = Field(default=None, max_length=16)
    """Labels that the node of the run must have."""
    tolerations: list[Annotated[dict[str, Any], Field(json_schema_extra=TOLERATION)]] | None = Field(
        default=None, max_length=16, json_schema_extra=ATOMIC
    )
    """Taints of nodes that the run may ignore."""


class Excluded(ApiModel):
    """Partitions to leave out, by name, both ends included."""

    from_: Annotated[str, Field(min_length=1, max_length=64)] = Field(alias="from")
    """Name of the first partition to leave out."""
    to: Annotated[str, Field(min_length=1, max_length=64)]
    """Name of the last partition to leave out."""
    reason: ShortText
    """Why; it is kept with the lineage."""

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
    """Partitions to leave out."""


class Dataset(ApiModel):
    """One data set: where it lies, what it is for."""

    name: Annotated[str, Field(min_length=1, max_length=40, pattern=NAME_PATTERN, json_schema_extra=says(NAME_MESSAGE))]
    """Name, which the training code loads it by."""
    role: Annotated[str, Field(json_schema_extra=one_of("Train", "Validate", "Evaluate"))]
    """Train and Validate rows are given to the training code; Evaluate rows are held back for the gates."""
    storageUri: StorageUri
    """Folder or file: pvc://<claim>/<path> or s3://<bucket>/<path>."""
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
    """Name of the parameter."""
    value: ShortText
    """Value, as a string."""


class Gate(ApiModel):
    """What a model must show on rows that are later than its training rows."""

    metric: Metric
    """Figure to judge: auc (two classes), brier, logLoss, accuracy (classes), rmse, mae, r2 (regression)."""
    min: Decimal | None = None
    """Refuse a model below this."""
    max: Decimal | None = None
    """Refuse a model above this."""
    comparedTo: (
        Annotated[
            str,
            Field(
                max_length=63,
                pattern=r"^(Baseline|Champion|v[1-9][0-9]{0,5})$",
                json_schema_extra=says("comparedTo is Baseline, Champion, or a version like v3"),
            ),
        ]
        | None
    ) = Field(
        default=None,
        description="Baseline: what a majority, mean or last value and a linear fit reach on the same rows. Champion: "
        "the version with the alias champion, else the newest that no gate refused; a first model is compared with the "
        "Baseline.",
    )
    require: Annotated[str, Field(json_schema_extra=one_of("Better", "NotWorse"))] = "Better"
    """Better: surely better than comparedTo. NotWorse: surely not worse by more than margin."""
    minImprovement: Decimal | None = None
    """By how much it must be better; 0 when left out."""
    margin: Decimal | None = None
    """How much worse is still good enough."""
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
    """Folder: pvc://<claim>/<path> or s3://<bucket>/<path>; artifacts go below <modelName>/."""
    storage: Storage | None = None
    modelFormat: Annotated[str, Field(json_schema_extra=one_of("ONNX", "Skops"))] = "ONNX"
    """ONNX: the model is converted and its answers are compared. Skops: it is kept as scikit-learn wrote it."""


class OnNewData(ApiModel):
    """A new run when the data sets hold other partitions than the last run read."""

    pollSeconds: Annotated[int, Field(ge=10, le=2592000)] = 3600
    """How often names, sizes and etags are listed."""


class Triggers(ApiModel):
    """What starts a run besides a new definition. Drift and rollbacks come from ModelDeployments (spec.retrain)."""

    schedule: (
        Annotated[
            str,
            Field(
                min_length=9,
                max_length=128,
                pattern=r"^[0-9A-Za-z*/,#L-]+( [0-9A-Za-z*/,#L-]+){4}$",
                json_schema_extra=says('a schedule is five cron fields like "0 3 * * 1", without TZ='),
            ),
        ]
        | None
    ) = None
    """Cron: minute, hour, day of month, month, day of week."""
    timeZone: Annotated[str, Field(min_length=1, max_length=64)] = "UTC"
    """Time zone of the schedule, like Europe/Berlin."""
    onNewData: OnNewData | None = None

    model_config = ruled(
        cel("!has(self.timeZone) || self.timeZone == 'UTC' || has(self.schedule)", "timeZone needs a schedule")
    )


class RetrainPolicy(ApiModel):
    """How much may be trained by itself; a new definition and a person are not asked."""

    mode: Annotated[str, Field(json_schema_extra=one_of("Automatic", "Suggest", "Off"))] = "Automatic"
    """Suggest: a condition says that a run is wanted, and a person starts it."""
    cooldownSeconds: Annotated[int, Field(ge=0, le=31536000)] = 3600
    """Between the end of a run and the next that is triggered; doubled for each refused candidate in a row, up to 16
    times."""
    maxPerDay: Annotated[int, Field(ge=1, le=MAX_PER_DAY)] = 4
    """Triggered runs in 24 hours."""
    maxConsecutiveFailures: Annotated[int, Field(ge=1, le=100)] = 3
    """After so many runs in a row that failed or were refused only a person starts another."""
    minNewRows: Annotated[int, Field(ge=0, le=1000000000)] = 0
    """With fewer rows than this that no earlier run has evaluated on or trained on, a run ends as NeedMoreData."""


class TrainingJobSpec(ApiModel):
    """What to train, on what, and what it must show."""

    modelName: ParentName | None = Field(
        default=None, description="Default metadata.name; versions are <modelName>-v<n>."
    )
    source: Source | None = None
    trainer: Trainer = Field(default_factory=Trainer)
    datasets: list[Dataset] = Field(min_length=1, max_length=16, json_schema_extra=map_list("name"))
    """Data to train, validate and evaluate on."""
    schema_: Schema = Field(alias="schema")
    hyperparameters: list[Hyperparameter] | None = Field(
        default=None, max_length=64, json_schema_extra=map_list("name")
    )
    """Parameters for the training code."""
    seed: Annotated[int, Field(ge=0, le=2147483647)] = 0
    """Seed for the training code, the split and the bootstrap."""
    gates: list[Gate] | None = Field(default=None, max_length=16, json_schema_extra=ATOMIC)
    """What a model must show before it may be served."""
    triggers: Triggers = Field(default_factory=Triggers)
    """What starts a run besides a new definition."""
    retrainPolicy: RetrainPolicy = Field(default_factory=RetrainPolicy)
    """How much may be trained by itself."""
    backoffLimit: Annotated[int, Field(ge=0, le=10)] = Field(
        default=2, description="How often a run that broke is tried again."
    )
    activeDeadlineSeconds: Annotated[int, Field(ge=1, le=2592000)] | None = None
    """A run is ended after this long."""
    suspend: bool = Field(default=False, description="True stops the run that is going and starts no other.")
    runsHistoryLimit: Annotated[int, Field(ge=1, le=10)] = Field(
        default=5, description="How many runs and their Jobs are kept."
    )
    output: Output

    model_config = ruled(
        cel(
            "(has(self.source) && has(self.source.configMapRef))"
            " || (has(self.trainer) && (has(self.trainer.image)"
            " || (has(self.trainer.command) && self.trainer.command.size() > 0)))",
            "there is nothing to run: give source.configMapRef, trainer.image or trainer.command",
        ),
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
        cel(
            "!has(self.gates) || self.gates.all(g, !has(g.comparedTo) || g.comparedTo == 'Baseline'"
            " || self.gates.all(h, !has(h.comparedTo) || h.comparedTo in ['Baseline', g.comparedTo]))",
            "gates compare with the champion or with one version, not with several",
        ),
        cel(
            "!has(self.gates) || !has(self.schema.task) || self.gates.all(g,"
            " g.metric == 'auc' ? self.schema.task == 'BinaryClassification'"
            f" : (g.metric in {list(REGRESSION_METRICS)}) == (self.schema.task == 'Regression'))",
            "a gate's metric must fit schema.task: auc for BinaryClassification; brier, logLoss and accuracy for both"
            " classifications; rmse, mae and r2 for Regression",
        ),
    )
