"""ModelVersion: one immutable model with its lineage, made by a run or written by hand."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pintle.api.fields import (
    ATOMIC,
    ApiModel,
    Condition,
    Decimal,
    Digest,
    Generation,
    Image,
    LongText,
    ParentName,
    Schema,
    ShortText,
    Storage,
    StorageUri,
    Time,
    cel,
    map_list,
    one_of,
    ruled,
)


class DatasetLineage(ApiModel):
    """Data a version was made from."""

    name: Annotated[str, Field(max_length=63)]
    """Name of the data set."""
    role: Annotated[str, Field(json_schema_extra=one_of("Train", "Validate", "Evaluate"))]
    """What its rows were used for."""
    storageUri: StorageUri
    """Where it was read from."""
    digest: Digest
    """Digest over all bytes that were read."""
    rows: Annotated[int, Field(ge=0)] | None = None
    """How many rows it had."""
    from_: Annotated[str, Field(max_length=40)] | None = Field(default=None, alias="from")
    """Time of its first row, or name of its first partition."""
    through: Annotated[str, Field(max_length=40)] | None = None
    """Time of its last row, or name of its last partition."""


class MetricValue(ApiModel):
    """A figure measured by `evaluate` on rows later than the training rows."""

    name: Annotated[str, Field(max_length=63)]
    """Name of the figure."""
    value: Decimal
    """Its value."""


class GateResult(ApiModel):
    """A gate's verdict with its figures."""

    metric: Annotated[str, Field(max_length=63)]
    """Figure that the gate is about."""
    verdict: Annotated[str, Field(json_schema_extra=one_of("Pass", "Fail", "NeedMoreData", "SourceError"))]
    """Only Pass lets a version be served."""
    message: LongText = ""
    """Value, interval and bound."""


class Parameter(ApiModel):
    """A hyperparameter."""

    name: Annotated[str, Field(max_length=63)]
    """Name of the parameter."""
    value: ShortText
    """Its value."""


class Lineage(ApiModel):
    """The run that made a version."""

    trainingJob: Annotated[str, Field(max_length=63)] | None = None
    """TrainingJob in the same namespace."""
    run: Annotated[str, Field(max_length=63)] | None = None
    """Name of the run."""
    identity: Digest | None = None
    """Digest of code, image, parameters, seed, schema and data."""
    definition: Digest | None = None
    """Digest of the TrainingJob's definition."""
    codeDigest: Digest | None = None
    """Digest of the training code."""
    image: Image | None = None
    """Image of the training code, as written."""
    imageID: Annotated[str, Field(max_length=512)] | None = None
    """Image of the training code, as it was pulled."""
    parameters: list[Parameter] | None = Field(default=None, max_length=64, json_schema_extra=map_list("name"))
    """Hyperparameters."""
    seed: int | None = None
    """Seed."""
    trigger: ShortText | None = None
    """What started the run."""
    recordUri: StorageUri | None = None
    """Where the whole record of the run lies."""


class ModelVersionSpec(ApiModel):
    """The model and where it comes from. Cannot be changed."""

    modelName: ParentName
    """Name of the model."""
    version: Annotated[int, Field(ge=1, le=999999)]
    """Number of the version; metadata.name is <modelName>-v<version>."""
    modelFormat: Annotated[
        str, Field(json_schema_extra=one_of("ONNX", "Skops", "XGBoost", "LightGBM", "MLflow", "Pickle"))
    ]
    """Format of the model file. Others than ONNX need a server image that holds their library."""
    storageUri: StorageUri
    """Folder of the artifact, with its manifest.json."""
    storage: Storage | None = None
    digest: Digest = Field(description="sha256 of the artifact's manifest.json")
    schema_: Schema | None = Field(default=None, alias="schema")
    datasets: list[DatasetLineage] | None = Field(default=None, max_length=16, json_schema_extra=map_list("name"))
    """Data it was made from."""
    metrics: list[MetricValue] | None = Field(default=None, max_length=32, json_schema_extra=map_list("name"))
    """Figures measured on rows later than the training rows."""
    gates: list[GateResult] | None = Field(default=None, max_length=16, json_schema_extra=ATOMIC)
    """Verdicts of the gates; a version with one that did not pass is not served."""
    source: Lineage | None = None
    """The run that made it; left out for a model brought from elsewhere."""

    model_config = ruled(
        cel("self == oldSelf", "a ModelVersion cannot be changed: make a new one with the next version number"),
    )


class Alias(ApiModel):
    """A name for a version, with one owner."""

    name: Annotated[str, Field(max_length=63)]
    """The alias."""
    owner: Annotated[str, Field(max_length=128)] = Field(description="ModelDeployment/<name>, or Annotation.")
    sequence: int = 0
    """Grows with each move of the alias; the highest holds."""


class ModelVersionStatus(ApiModel):
    """What is known about it."""

    observedGeneration: Generation | None = None
    """metadata.generation that this status was decided for."""
    conditions: list[Condition] | None = Field(default=None, max_length=5, json_schema_extra=map_list("type"))
    """Verified, Validated, Ready."""
    aliases: list[Alias] | None = Field(default=None, max_length=16, json_schema_extra=map_list("name"))
    """Names that point to this version."""
    usedBy: list[Annotated[str, Field(max_length=63)]] | None = Field(
        default=None, max_length=32, json_schema_extra=ATOMIC
    )
    """ModelDeployments that serve it."""
    checkAttempts: int | None = Field(default=None, description="How many throw-away pods have looked at it.")
    lastCheckTime: Time | None = None
    """When it was last looked at."""
