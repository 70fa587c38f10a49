"""Field types of the API: every string has a length, every list a bound, every rule a message for a person."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

DIGEST_PATTERN = r"^sha256:[0-9a-f]{64}$"
NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
# Storage that works today; a scheme enters with its test.
URI_PATTERN = r"^(pvc|s3)://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(/[A-Za-z0-9._=+-]+)*/?$"
DECIMAL_PATTERN = r"^-?[0-9]{1,12}(\.[0-9]{1,9})?$"

Name = Annotated[str, Field(min_length=1, max_length=63, pattern=NAME_PATTERN)]
# Children are named <parent>-<10 hex> and carry the parent's name as a label value (63 characters).
ParentName = Annotated[str, Field(min_length=1, max_length=50, pattern=NAME_PATTERN)]
Digest = Annotated[str, Field(max_length=71, pattern=DIGEST_PATTERN)]
StorageUri = Annotated[str, Field(min_length=7, max_length=512, pattern=URI_PATTERN)]
Decimal = Annotated[str, Field(max_length=24, pattern=DECIMAL_PATTERN)]
Image = Annotated[str, Field(min_length=1, max_length=512)]
ShortText = Annotated[str, Field(max_length=256)]
LongText = Annotated[str, Field(max_length=1024)]
Time = Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})]


def cel(rule: str, message: str, **more: Any) -> dict[str, Any]:
    """One `x-kubernetes-validations` entry; `message` says what to do."""
    return {"rule": rule, "message": message, **more}


def rules(*entries: dict[str, Any]) -> dict[str, Any]:
    """`json_schema_extra` with CEL rules."""
    return {"x-kubernetes-validations": list(entries)}


def map_list(*keys: str) -> dict[str, Any]:
    """`json_schema_extra` for a list that server-side apply merges by key."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}
# Passed on to the pod as it is; the API server checks it there, and a bad one shows as a condition.
OPAQUE: dict[str, Any] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


class ApiModel(BaseModel):
    """Base of everything in the API. Field names are the JSON names; unknown fields are ignored when read back."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Condition(ApiModel):
    """A standard Kubernetes condition."""

    type: Annotated[str, Field(min_length=1, max_length=64)]
    status: Annotated[str, Field(json_schema_extra={"enum": ["True", "False", "Unknown"]})]
    reason: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Z][A-Za-z0-9]*$")]
    message: Annotated[str, Field(max_length=2048)] = ""
    lastTransitionTime: Time
    observedGeneration: Annotated[int, Field(ge=0)] | None = None


class NameRef(ApiModel):
    """A reference to an object in the same namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253)]


class Storage(ApiModel):
    """How a store is opened.

    Keys of the Secret: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_ENDPOINT_URL, AWS_REGION.
    """

    secretRef: NameRef | None = Field(
        default=None, description="Secret with the key of this store; mounted where it is needed."
    )


class EnvVar(ApiModel):
    """An environment variable: a value, or a reference as in a pod."""

    name: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[-._a-zA-Z][-._a-zA-Z0-9]*$")]
    value: Annotated[str, Field(max_length=4096)] | None = None
    valueFrom: dict[str, Any] | None = Field(default=None, json_schema_extra=OPAQUE)


Quantity = Annotated[str, Field(max_length=32)]


class Resources(ApiModel):
    """CPU and memory as in a pod."""

    requests: dict[str, Quantity] | None = Field(default=None, max_length=8)
    limits: dict[str, Quantity] | None = Field(default=None, max_length=8)


class Feature(ApiModel):
    """One input column."""

    name: Annotated[str, Field(min_length=1, max_length=128)]
    type: Annotated[str, Field(json_schema_extra={"enum": ["Number", "Integer", "String", "Boolean"]})]
    required: bool = Field(
        default=False, description="A missing value is an error; otherwise the model gets it as missing."
    )
    min: Decimal | None = None
    max: Decimal | None = None
    values: list[Annotated[str, Field(max_length=128)]] | None = Field(
        default=None, max_length=256, json_schema_extra=ATOMIC, description="The only strings allowed."
    )


class Schema(ApiModel):
    """Columns of the data; what is left out is inferred from the training rows."""

    target: Annotated[str, Field(min_length=1, max_length=128)] = Field(description="Column to predict.")
    task: (
        Annotated[str, Field(json_schema_extra={"enum": ["BinaryClassification", "Multiclass", "Regression"]})] | None
    ) = None
    timeColumn: Annotated[str, Field(max_length=128)] | None = Field(
        default=None, description="Column with the time of a row; evaluation is later than training by it."
    )
    keyColumn: Annotated[str, Field(max_length=128)] | None = Field(
        default=None, description="Column that identifies a row; no key is in training and evaluation rows."
    )
    features: list[Feature] | None = Field(default=None, max_length=100, json_schema_extra=map_list("name"))
