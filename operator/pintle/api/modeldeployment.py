"""ModelDeployment: serves one model's versions, one Deployment and Service per revision behind one route."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pintle.api.fields import (
    ATOMIC,
    ApiModel,
    Condition,
    Digest,
    EnvVar,
    Image,
    Name,
    ParentName,
    Resources,
    ShortText,
    StorageUri,
    Time,
    cel,
    map_list,
    rules,
)


class Runtime(ApiModel):
    """The serving pod. A change here is a new revision."""

    image: Image | None = Field(
        default=None,
        description="Default: the Pintle server, as it was when the revision was made. Any Open Inference Protocol "
        "server works that serves /pintle/model on port 8080.",
    )
    env: list[EnvVar] | None = Field(default=None, max_length=64, json_schema_extra=map_list("name"))
    resources: Resources | None = None
    minReplicas: Annotated[int, Field(ge=0, le=1000)] = 1
    maxReplicas: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None, description="Default minReplicas: no autoscaling."
    )
    targetCPUUtilizationPercentage: Annotated[int, Field(ge=1, le=1000)] = 70
    nodeSelector: dict[str, ShortText] | None = Field(default=None, max_length=16)


RUNTIME_RULES = rules(
    cel(
        "!has(self.maxReplicas) || self.maxReplicas >= self.minReplicas",
        "maxReplicas must not be below minReplicas",
    ),
    cel(
        "!has(self.maxReplicas) || self.maxReplicas == self.minReplicas || self.minReplicas >= 1",
        "autoscaling needs minReplicas of at least 1",
    ),
)


class ParentRef(ApiModel):
    """A Gateway (or one listener of it)."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    namespace: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    sectionName: Annotated[str, Field(min_length=1, max_length=253)] | None = None


class Gateway(ApiModel):
    """How requests from outside arrive: an HTTPRoute is made from this."""

    parentRefs: list[ParentRef] = Field(min_length=1, max_length=8, json_schema_extra=ATOMIC)
    hostnames: list[Annotated[str, Field(min_length=1, max_length=253)]] | None = Field(
        default=None, max_length=16, json_schema_extra=ATOMIC
    )
    path: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^/[A-Za-z0-9._~/-]*$")] = Field(
        "/", description="Path prefix; it is taken off before the request reaches the server."
    )


class Traffic(ApiModel):
    gateway: Gateway | None = None


class OnPromoted(ApiModel):
    alias: Name = Field(description="Alias that moves to the version that carries all traffic.")


class Rollout(ApiModel):
    """How a new revision takes over."""

    progressDeadlineSeconds: Annotated[int, Field(ge=10, le=86400)] = Field(
        default=600, description="A revision that is not ready after this long is reported; the old one goes on."
    )


class ModelDeploymentSpec(ApiModel):
    modelName: ParentName
    version: Annotated[int, Field(ge=1, le=999999)] | None = Field(default=None, description="This version.")
    follow: Name | Annotated[str, Field(json_schema_extra={"enum": ["Latest"]})] | None = Field(
        default=None, description="Latest (highest version that is Ready; never goes back by itself) or an alias."
    )
    onPromoted: OnPromoted | None = None
    runtime: Runtime = Field(default_factory=Runtime)
    traffic: Traffic = Field(default_factory=Traffic)
    rollout: Rollout = Field(default_factory=Rollout)


SPEC_RULES = rules(
    cel("has(self.version) != has(self.follow)", "give exactly one of version and follow"),
)


class RevisionStatus(ApiModel):
    """A revision that exists."""

    revision: Annotated[str, Field(max_length=16)]
    version: int
    digest: Digest
    storageUri: StorageUri
    image: Image
    weight: Annotated[int, Field(ge=0, le=100)] = 0
    readyReplicas: int = 0
    createdTime: Time | None = None


class HistoryEntry(ApiModel):
    """Something that was decided, newest first."""

    time: Time
    action: Annotated[str, Field(max_length=64)]
    revision: Annotated[str, Field(max_length=16)] = ""
    version: int | None = None
    why: ShortText = ""


class AliasStatus(ApiModel):
    name: Name
    version: int
    sequence: int


class ModelDeploymentStatus(ApiModel):
    observedGeneration: int | None = None
    conditions: list[Condition] | None = Field(default=None, max_length=8, json_schema_extra=map_list("type"))
    stable: RevisionStatus | None = None
    canary: RevisionStatus | None = Field(default=None, description="The revision that is about to take over.")
    alias: AliasStatus | None = None
    url: Annotated[str, Field(max_length=512)] | None = None
    history: list[HistoryEntry] | None = Field(default=None, max_length=10, json_schema_extra=ATOMIC)
