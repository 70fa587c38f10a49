"""The three kinds as CustomResourceDefinitions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from pintle.api import meanings, reasons
from pintle.api.deploymentstatus import ModelDeploymentStatus
from pintle.api.fields import cel
from pintle.api.modeldeployment import ModelDeploymentSpec
from pintle.api.modelversion import ModelVersionSpec, ModelVersionStatus
from pintle.api.schema import RULES, structural
from pintle.api.trainingjob import TrainingJobSpec
from pintle.api.trainingstatus import TrainingJobStatus
from pintle.contract.names import GROUP, VERSION


@dataclass(frozen=True)
class Column:
    """A column of `kubectl get`; `wide` ones appear with -o wide."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False

    def to_dict(self) -> dict[str, Any]:
        column: dict[str, Any] = {"name": self.name, "type": self.type, "jsonPath": self.path}
        return {**column, "priority": 1} if self.wide else column


def condition(kind: str, field: str = "status") -> str:
    """JSONPath of a condition by its type: their order in the list is nobody's promise."""
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


AGE = Column("Age", ".metadata.creationTimestamp", "date")


@dataclass(frozen=True)
class Kind:
    """One kind of the API."""

    kind: str
    plural: str
    short: str
    says: str
    spec: type[BaseModel]
    status: type[BaseModel]
    rules: tuple[dict[str, Any], ...]
    columns: tuple[Column, ...]

    @property
    def crd_name(self) -> str:
        return f"{self.plural}.{GROUP}"


def _name_rule(pattern: str, letters: str) -> dict[str, Any]:
    return cel(
        f"self.metadata.name.size() <= 50 && self.metadata.name.matches('{pattern}')",
        f"metadata.name: 50 characters at most, {letters}, because what is made from it is named after it",
    )


TRAINING_JOB = Kind(
    kind=meanings.TRAINING_JOB,
    plural="trainingjobs",
    short="tj",
    says="TrainingJob is a lasting definition of a training; each run of it is one Job and makes at most one version.",
    spec=TrainingJobSpec,
    status=TrainingJobStatus,
    rules=(
        _name_rule("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "lower-case letters, digits and '-'"),
        cel(
            "(has(self.spec.modelName) ? self.spec.modelName : self.metadata.name)"
            " == (has(oldSelf.spec.modelName) ? oldSelf.spec.modelName : oldSelf.metadata.name)",
            "spec.modelName cannot change, because version numbers are counted by it: make a new TrainingJob",
        ),
    ),
    columns=(
        Column("Succeeded", condition(reasons.SUCCEEDED)),
        Column("Reason", condition(reasons.SUCCEEDED, "reason")),
        Column("Version", ".status.latestVersion", "integer"),
        Column("Message", condition(reasons.SUCCEEDED, "message"), wide=True),
        Column("Run", ".status.runs[0].name", wide=True),
        AGE,
    ),
)

MODEL_VERSION = Kind(
    kind=meanings.MODEL_VERSION,
    plural="modelversions",
    short="mver",
    says="ModelVersion is one model that never changes, with its digest and where it comes from.",
    spec=ModelVersionSpec,
    status=ModelVersionStatus,
    rules=(
        cel(
            # Not `name == modelName + '-v' + string(version)`: the cost estimate knows no length of string(int).
            "self.metadata.name.startsWith(self.spec.modelName + '-v')"
            " && self.metadata.name.matches('-v[1-9][0-9]{0,5}$')"
            " && int(self.metadata.name.substring(self.spec.modelName.size() + 2)) == self.spec.version",
            "metadata.name must be <spec.modelName>-v<spec.version>, like delays-v3",
        ),
    ),
    columns=(
        Column("Model", ".spec.modelName"),
        Column("Version", ".spec.version", "integer"),
        Column("Ready", condition(reasons.READY)),
        Column("Reason", condition(reasons.READY, "reason")),
        # A column shows one value: with [*] it would be the first one too, and look like all of them.
        Column("Alias", ".status.aliases[0].name"),
        Column("Format", ".spec.modelFormat", wide=True),
        Column("Job", ".spec.source.trainingJob", wide=True),
        Column("Digest", ".spec.digest", wide=True),
        AGE,
    ),
)

MODEL_DEPLOYMENT = Kind(
    kind=meanings.MODEL_DEPLOYMENT,
    plural="modeldeployments",
    short="mdep",
    says="ModelDeployment serves one version of a model and replaces it without a failed request.",
    spec=ModelDeploymentSpec,
    status=ModelDeploymentStatus,
    rules=(_name_rule("^[a-z]([-a-z0-9]*[a-z0-9])?$", "lower-case letters, digits and '-', beginning with a letter"),),
    columns=(
        Column("Model", ".spec.modelName"),
        Column("Serving", ".status.stable.version", "integer"),
        Column("Available", condition(reasons.AVAILABLE)),
        Column("Ready", condition(reasons.READY)),
        Column("Reason", condition(reasons.READY, "reason")),
        Column("Pods", ".status.stable.readyReplicas", "integer"),
        Column("Next", ".status.canary.version", "integer", wide=True),
        Column("Weight", ".status.canary.weight", "integer", wide=True),
        Column("Rollout", ".status.rollout.state", wide=True),
        Column("Step", ".status.rollout.step", "integer", wide=True),
        Column("Verdict", ".status.rollout.verdict", wide=True),
        Column("Progressing", condition(reasons.PROGRESSING, "reason"), wide=True),
        Column("URL", ".status.url", wide=True),
        AGE,
    ),
)

KINDS = (TRAINING_JOB, MODEL_VERSION, MODEL_DEPLOYMENT)


def schema_of(kind: Kind) -> dict[str, Any]:
    """The structural schema of the whole object. Raises NotStructural."""
    return {
        "description": kind.says,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "maxLength": 64},
            "kind": {"type": "string", "maxLength": 64},
            "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 253}}},
            "spec": structural(kind.spec),
            "status": structural(kind.status),
        },
        RULES: list(kind.rules),
    }


def crd_of(kind: Kind, annotations: dict[str, str] | None = None) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind."""
    metadata: dict[str, Any] = {"name": kind.crd_name}
    if annotations:
        metadata["annotations"] = annotations
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.kind.lower(),
                "shortNames": [kind.short],
                "categories": ["mlops"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [column.to_dict() for column in kind.columns],
                    "schema": {"openAPIV3Schema": schema_of(kind)},
                }
            ],
        },
    }
