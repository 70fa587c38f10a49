"""Field types of the API: every string has a length, every list a bound, every rule a message for a person."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

DIGEST_PATTERN = r"^sha256:[0-9a-f]{64}$"
NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
# Storage that works today; a scheme enters with its test.
URI_PATTERN = r"^(pvc|s3)://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(/[A-Za-z0-9._=+-]+)*/?$"
DECIMAL_PATTERN = r"^-?[0-9]{1,12}(\.[0-9]{1,9})?$"
QUANTITY_PATTERN = r"^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)(([KMGTPE]i)|[numkMGTPE]|[eE][-+]?[0-9]+)?$"
ENV_NAME_PATTERN = r"^[-._a-zA-Z][-._a-zA-Z0-9]*$"

MESSAGE = "x-pintle-message"
"""Beside a pattern: the schema gets the pattern as a CEL rule with this message instead of "should match '^..$'"."""


def cel(rule: str, message: str, **more: Any) -> dict[str, Any]:
    """One `x-kubernetes-validations` entry; `message` says what to do."""
    return {"rule": rule, "message": message, **more}


def rules(*entries: dict[str, Any]) -> dict[str, Any]:
    """`json_schema_extra` with CEL rules."""
    return {"x-kubernetes-validations": list(entries)}


def ruled(*entries: dict[str, Any]) -> ConfigDict:
    """`model_config` of a model with CEL rules. The API server judges them; reading an object back does not."""
    return ConfigDict(json_schema_extra=rules(*entries))


def map_list(*keys: str) -> dict[str, Any]:
    """`json_schema_extra` for a list that server-side apply merges by key."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


def says(message: str, *entries: dict[str, Any]) -> dict[str, Any]:
    """`json_schema_extra` of a field with a pattern: what a person is told who breaks it; and more CEL rules."""
    return {MESSAGE: message, **(rules(*entries) if entries else {})}


def one_of(*values: str) -> dict[str, Any]:
    """`json_schema_extra` of a string that is one of `values`."""
    return {"enum": list(values)}


ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}
INT_OR_STRING: dict[str, Any] = {"x-kubernetes-int-or-string": True}

NAME_MESSAGE = "lower-case letters, digits and '-', beginning and ending with a letter or digit"
Name = Annotated[str, Field(min_length=1, max_length=63, pattern=NAME_PATTERN, json_schema_extra=says(NAME_MESSAGE))]
# Children are named <parent>-<10 hex> and carry the parent's name as a label value (63 characters).
ParentName = Annotated[
    str, Field(min_length=1, max_length=50, pattern=NAME_PATTERN, json_schema_extra=says(NAME_MESSAGE))
]
Digest = Annotated[
    str,
    Field(
        max_length=71,
        pattern=DIGEST_PATTERN,
        json_schema_extra=says("a digest is written sha256: and 64 hexadecimal digits in lower case"),
    ),
]
StorageUri = Annotated[
    str,
    Field(
        min_length=7,
        max_length=320,
        pattern=URI_PATTERN,
        json_schema_extra=says(
            "storage is written pvc://<claim>/<path> or s3://<bucket>/<path>",
            cel("!self.contains('/..') && !self.contains('/./')", "a storage path must not contain . or .."),
        ),
    ),
]
Decimal = Annotated[
    str,
    Field(
        max_length=24,
        pattern=DECIMAL_PATTERN,
        json_schema_extra=says('a number is written as a string like "0.72", without exponent, 9 decimals at most'),
    ),
]
Image = Annotated[
    str,
    Field(
        min_length=1,
        max_length=320,
        json_schema_extra=rules(cel(r"!self.matches('\\s')", "an image name has no white space")),
    ),
]
ShortText = Annotated[str, Field(max_length=256)]
LongText = Annotated[str, Field(max_length=1024)]
# To the millisecond at most: 2026-01-05T12:00:00.000Z.
Time = Annotated[str, Field(max_length=24, json_schema_extra={"format": "date-time"})]
Line = Annotated[str, Field(max_length=96)]
# Integers of a status. What is above its bound is written as the bound (core/fitting.py).
Count = Annotated[int, Field(ge=0, le=999_999_999_999)]
Generation = Annotated[int, Field(ge=0, le=9_999_999_999)]
VersionNumber = Annotated[int, Field(ge=0, le=999_999)]
TriggerId = Annotated[str, Field(max_length=40)]
ObjectName = Annotated[str, Field(min_length=1, max_length=253)]


class ApiModel(BaseModel):
    """Base of everything in the API. Field names are the JSON names; unknown fields are ignored when read back.

    The docstring below a field, and that of its type where it has none, is what `kubectl explain` says.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


# An object's status stays below 20 kB with everything at its bound (tests/unit/api/test_crd.py).
MAX_CONDITION_MESSAGE = 1400
MAX_DEPLOYMENT_MESSAGE = 200
MAX_RUN_MESSAGE = 300


class Condition(ApiModel):
    """A standard Kubernetes condition."""

    type: Annotated[str, Field(min_length=1, max_length=32)]
    """What it is about; see docs/reference/reasons.md."""
    status: Annotated[str, Field(json_schema_extra=one_of("True", "False", "Unknown"))]
    """True, False or Unknown."""
    reason: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[A-Z][A-Za-z0-9]*$")]
    """One word for programs; see docs/reference/reasons.md."""
    message: Annotated[str, Field(max_length=MAX_CONDITION_MESSAGE)] = ""
    """Sentences for people."""
    lastTransitionTime: Time
    """When the status last changed."""
    observedGeneration: Generation | None = None
    """metadata.generation that this was decided for."""


class NameRef(ApiModel):
    """A reference to an object in the same namespace."""

    name: ObjectName
    """Name of the object."""


class Storage(ApiModel):
    """How a store is opened.

    Keys of the Secret: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_ENDPOINT_URL, AWS_REGION.
    """

    secretRef: NameRef | None = Field(
        default=None, description="Secret with the key of this store; mounted where it is needed."
    )


# Settings of the Pintle server that a user may give in runtime.env; see docs/serving.md.
SERVER_SETTINGS = (
    "PINTLE_TOKENS",
    "PINTLE_TOKEN_KEY",
    "PINTLE_COHORT_SECONDS",
    "PINTLE_LOSS_SCALE",
    "PINTLE_FEEDBACK_MEMORY",
)


def _key_of(what: str) -> dict[str, Any]:
    """Structural schema of a key selector, as in a pod."""
    return {
        "type": "object",
        "description": f"A key of a {what} in the same namespace.",
        "required": ["name", "key"],
        "properties": {
            "name": {"description": f"Name of the {what}.", "type": "string", "minLength": 1, "maxLength": 253},
            "key": {"description": "Key in it.", "type": "string", "minLength": 1, "maxLength": 253},
            "optional": {"description": "Whether the container may start without it.", "type": "boolean"},
        },
    }


# The part of a pod's valueFrom that is of use in a container with neither token nor identity of its own.
VALUE_FROM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "secretKeyRef": _key_of("Secret"),
        "configMapKeyRef": _key_of("ConfigMap"),
        "fieldRef": {
            "type": "object",
            "description": "A field of the pod, such as metadata.name.",
            "required": ["fieldPath"],
            "properties": {
                "fieldPath": {"description": "Path of the field.", "type": "string", "minLength": 1, "maxLength": 256}
            },
        },
    },
    **rules(
        cel(
            "[has(self.secretKeyRef), has(self.configMapKeyRef), has(self.fieldRef)].filter(x, x).size() == 1",
            "valueFrom needs exactly one of secretKeyRef, configMapKeyRef and fieldRef",
        )
    ),
}

TOLERATION: dict[str, Any] = {
    "type": "object",
    "description": "A toleration as in a pod.",
    "properties": {
        "key": {"description": "Key of the taint; all when left out.", "type": "string", "maxLength": 317},
        "operator": {
            "description": "Exists, or Equal (when left out) to value.",
            "type": "string",
            "enum": ["Exists", "Equal"],
        },
        "value": {"description": "Value of the taint.", "type": "string", "maxLength": 63},
        "effect": {
            "description": "Effect of the taint; all when left out.",
            "type": "string",
            "enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"],
        },
        "tolerationSeconds": {"description": "How long a NoExecute taint is ignored.", "type": "integer"},
    },
}


class EnvVar(ApiModel):
    """An environment variable: a value, or a reference as in a pod."""

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=128,
            pattern=ENV_NAME_PATTERN,
            json_schema_extra=says(
                "letters, digits, '_', '-' and '.', not beginning with a digit",
                cel(
                    f"!self.startsWith('PINTLE_') || self in {list(SERVER_SETTINGS)}",
                    "names that begin with PINTLE_ are set by Pintle, but for these settings of the server: "
                    + ", ".join(SERVER_SETTINGS),
                ),
            ),
        ),
    ]
    """Name of the variable."""
    value: Annotated[str, Field(max_length=4096)] | None = None
    """Its value; $(NAME) of an earlier variable is expanded."""
    valueFrom: dict[str, Any] | None = Field(default=None, json_schema_extra=VALUE_FROM)
    """Where the value comes from instead."""

    model_config = ruled(cel("!(has(self.value) && has(self.valueFrom))", "give value or valueFrom, not both"))


# As in a pod, where a whole number needs no quotes.
Quantity = Annotated[
    int | str,
    Field(
        json_schema_extra={
            **INT_OR_STRING,
            "maxLength": 32,
            "pattern": QUANTITY_PATTERN,
            MESSAGE: 'a quantity is written like 2, 500m or 4Gi; quote a fraction: "0.5"',
        }
    ),
]


class Resources(ApiModel):
    """CPU and memory as in a pod."""

    requests: dict[str, Quantity] | None = Field(default=None, max_length=8)
    """What is reserved."""
    limits: dict[str, Quantity] | None = Field(default=None, max_length=8)
    """What must not be exceeded."""


class Feature(ApiModel):
    """One input column."""

    name: Annotated[str, Field(min_length=1, max_length=128)]
    """Name of the column."""
    type: Annotated[str, Field(json_schema_extra=one_of("Number", "Integer", "String", "Boolean", "Timestamp"))]
    """Type of its values. A Timestamp is ISO 8601, and days since 1970 (UTC) to the model."""
    required: bool = Field(
        default=False, description="A missing value is an error; otherwise the model gets it as missing."
    )
    availableAt: Annotated[str, Field(json_schema_extra=one_of("Prediction", "Training"))] = Field(
        default="Prediction",
        description="Training: known only afterwards; a spec that gives it to the model is refused.",
    )
    min: Decimal | None = Field(default=None, description="Smallest value allowed.")
    max: Decimal | None = Field(default=None, description="Largest value allowed.")
    values: list[Annotated[str, Field(max_length=128)]] | None = Field(
        default=None, max_length=256, json_schema_extra=ATOMIC, description="The only strings allowed."
    )

    model_config = ruled(
        cel("!has(self.min) || !has(self.max) || double(self.min) <= double(self.max)", "min must not be above max"),
        cel(
            "(!has(self.min) && !has(self.max)) || self.type in ['Number', 'Integer']",
            "min and max are for features of type Number or Integer",
        ),
        cel("!has(self.values) || self.type == 'String'", "values are for features of type String"),
    )


class Schema(ApiModel):
    """Columns of the data; what is left out is inferred from the training rows."""

    target: Annotated[str, Field(min_length=1, max_length=128)] = Field(description="Column to predict.")
    task: Annotated[str, Field(json_schema_extra=one_of("BinaryClassification", "Multiclass", "Regression"))] | None = (
        None
    )
    """What kind of target it is; inferred from its values when left out."""
    timeColumn: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        default=None, description="Column with the time of a row; evaluation is later than training by it."
    )
    keyColumn: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        default=None, description="Column that identifies a row; no key is in training and evaluation rows."
    )
    features: list[Feature] | None = Field(
        default=None, min_length=1, max_length=100, json_schema_extra=map_list("name")
    )
    """Columns that the model is given; when left out, all but target, timeColumn and keyColumn."""

    model_config = ruled(
        cel(
            "!has(self.features) || !self.features.exists(f, f.name == self.target)",
            "target must not be among the features: the model would be given what it is to predict",
        ),
        cel(
            "!has(self.features) || self.features.all(f, !has(f.availableAt) || f.availableAt == 'Prediction')",
            "a column with availableAt: Training is known only after the prediction: take it out of features, or the"
            " model would learn from what it will not have",
        ),
        cel(
            "!(has(self.timeColumn) && self.timeColumn == self.target)"
            " && !(has(self.keyColumn) && self.keyColumn == self.target)",
            "target must be another column than timeColumn and keyColumn",
        ),
    )
