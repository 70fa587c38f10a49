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
    role: Annotated[str, Field(json_schema_extra=one_of("Train", "Validate", "Evaluate"))]
    storageUri: StorageUri
    digest: Digest
    rows: Annotated[int, Field(ge=0)] | None = None
    from_: Annotated[str, Field(max_length=40)] | None = Field(default=None, alias="from")
    through: Annotated[str, Field(max_length=40)] | None = None


class MetricValue(ApiModel):
    """A figure measured by `evaluate` on rows later than the training rows."""

    name: Annotated[str, Field(max_length=63)]
    value: Decimal


class GateResult(ApiModel):
    """A gate's verdict with its figures."""

    metric: Annotated[str, Field(max_length=63)]
    verdict: Annotated[str, Field(json_schema_extra=one_of("Pass", "Fail", "NeedMoreData", "SourceError"))]
    message: LongText = ""


class Parameter(ApiModel):
    name: Annotated[str, Field(max_length=63)]
    value: ShortText


class Lineage(ApiModel):
    """The run that made a version."""

    trainingJob: Annotated[str, Field(max_length=63)] | None = None
    run: Annotated[str, Field(max_length=63)] | None = None
    identity: Digest | None = None
    definition: Digest | None = None
    codeDigest: Digest | None = None
    image: Image | None = None
    imageID: Annotated[str, Field(max_length=512)] | None = None
    parameters: list[Parameter] | None = Field(default=None, max_length=64, json_schema_extra=map_list("name"))
    seed: int | None = None
    trigger: ShortText | None = None
    recordUri: StorageUri | None = None


class ModelVersionSpec(ApiModel):
    """The model and where it comes from. Cannot be changed."""

    modelName: ParentName
    version: Annotated[int, Field(ge=1, le=999999)]
    modelFormat: Annotated[str, Field(json_schema_extra=one_of("ONNX", "Skops"))]
    storageUri: StorageUri
    storage: Storage | None = None
    digest: Digest = Field(description="sha256 of the artifact's manifest.json")
    schema_: Schema | None = Field(default=None, alias="schema")
    datasets: list[DatasetLineage] | None = Field(default=None, max_length=16, json_schema_extra=map_list("name"))
    metrics: list[MetricValue] | None = Field(default=None, max_length=32, json_schema_extra=map_list("name"))
    gates: list[GateResult] | None = Field(default=None, max_length=16, json_schema_extra=ATOMIC)
    source: Lineage | None = None

    model_config = ruled(
        cel("self == oldSelf", "a ModelVersion cannot be changed: make a new one with the next version number"),
    )


class Alias(ApiModel):
    """A name for a version, with one owner."""

    name: Annotated[str, Field(max_length=63)]
    owner: Annotated[str, Field(max_length=128)] = Field(description="ModelDeployment/<name>, or Annotation.")
    sequence: int = 0


class ModelVersionStatus(ApiModel):
    observedGeneration: int | None = None
    conditions: list[Condition] | None = Field(default=None, max_length=5, json_schema_extra=map_list("type"))
    aliases: list[Alias] | None = Field(default=None, max_length=16, json_schema_extra=map_list("name"))
    usedBy: list[Annotated[str, Field(max_length=63)]] | None = Field(
        default=None, max_length=32, json_schema_extra=ATOMIC
    )
    checkAttempts: int | None = Field(default=None, description="How many throw-away pods have looked at it.")
    lastCheckTime: Time | None = None
