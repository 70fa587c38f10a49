"""ModelDeployment: serves one model's versions, one Deployment and Service per revision behind one route."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pintle.api.fields import (
    ATOMIC,
    ApiModel,
    EnvVar,
    Image,
    Name,
    ObjectName,
    ParentName,
    Resources,
    ShortText,
    cel,
    map_list,
    one_of,
    ruled,
    rules,
    says,
)
from pintle.api.rollout import Guard, Rollout
from pintle.api.watching import Monitoring, Notification, Owner, Retrain


class Runtime(ApiModel):
    """The serving pod. A change here is a new revision."""

    image: Image | None = Field(
        default=None,
        description="Default: the Pintle server, as it was when the revision was made. Any Open Inference Protocol "
        "server works that serves /pintle/model on port 8080.",
    )
    env: list[EnvVar] | None = Field(default=None, max_length=64, json_schema_extra=map_list("name"))
    """Environment variables of the server."""
    resources: Resources | None = None
    """CPU and memory of the server."""
    minReplicas: Annotated[int, Field(ge=0, le=1000)] = 1
    """Number of pods, or the smallest number where maxReplicas is given; 0 serves nothing."""
    maxReplicas: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None, description="Default minReplicas: no autoscaling."
    )
    targetCPUUtilizationPercentage: Annotated[int, Field(ge=1, le=1000)] = 70
    """Share of the requested CPU that autoscaling aims at."""
    nodeSelector: dict[str, ShortText] | None = Field(default=None, max_length=16)
    """Labels that the nodes must have."""

    model_config = ruled(
        cel(
            "!has(self.maxReplicas) || self.maxReplicas >= (has(self.minReplicas) ? self.minReplicas : 1)",
            "maxReplicas must not be below minReplicas (which is 1 when left out)",
        ),
        cel(
            "!has(self.maxReplicas) || !has(self.minReplicas) || self.minReplicas >= 1",
            "autoscaling (maxReplicas) needs minReplicas of at least 1",
        ),
        cel(
            "!has(self.targetCPUUtilizationPercentage) || has(self.maxReplicas)",
            "targetCPUUtilizationPercentage is for autoscaling: give maxReplicas too",
        ),
    )


class ParentRef(ApiModel):
    """A Gateway (or one listener of it)."""

    name: ObjectName
    """Name of the Gateway."""
    namespace: Name | None = None
    """Its namespace; this one when left out."""
    sectionName: ObjectName | None = None
    """Name of one listener of it."""


Hostname = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        json_schema_extra=says("a host name like models.example.org or *.example.org, without scheme and port"),
    ),
]
PathPrefix = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        pattern=r"^/[A-Za-z0-9._~/-]*$",
        json_schema_extra=says(
            "a path begins with / and has letters, digits and . _ ~ - / only",
            cel(
                "!self.contains('//') && !self.contains('/./') && !self.contains('/..') && !self.endsWith('/.')",
                "a path must not contain //, /. or /..",
            ),
        ),
    ),
]


class Gateway(ApiModel):
    """How requests from outside arrive: an HTTPRoute is made from this."""

    parentRefs: list[ParentRef] = Field(min_length=1, max_length=8, json_schema_extra=ATOMIC)
    """Gateways that the route attaches to."""
    hostnames: list[Hostname] | None = Field(default=None, max_length=16, json_schema_extra=ATOMIC)
    """Host names that it answers to; those of the listener when left out."""
    path: PathPrefix = Field(
        default="/", description="Path prefix; it is taken off before the request reaches the server."
    )


class Traffic(ApiModel):
    """How requests arrive."""

    gateway: Gateway | None = None
    """A Gateway for requests from outside; without one there is the Service only."""


class OnPromoted(ApiModel):
    """What happens when a version carries all traffic."""

    alias: Name = Field(
        description="Alias that moves to the version that carries all traffic.",
        json_schema_extra=rules(cel("self != 'latest'", "an alias cannot be called latest")),
    )


FOLLOW_PATTERN = r"^(Latest|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$"
Follow = Annotated[
    str,
    Field(
        min_length=1,
        max_length=63,
        pattern=FOLLOW_PATTERN,
        json_schema_extra=says(
            "follow is Latest or an alias of lower-case letters, digits and '-'",
            cel("self != 'latest'", "write Latest with a capital letter; an alias cannot be called latest"),
        ),
    ),
]


class ModelDeploymentSpec(ApiModel):
    """What to serve, and how."""

    modelName: ParentName
    """Model to serve, by the modelName of its versions."""
    version: Annotated[int, Field(ge=1, le=999999)] | None = Field(default=None, description="This version.")
    follow: Follow | None = Field(
        default=None,
        description="Latest (highest version that is Ready; never goes back by itself) or an alias.",
    )
    onPromoted: OnPromoted | None = None
    """What happens when a version carries all traffic."""
    runtime: Runtime = Field(default_factory=Runtime)
    """The pods that serve."""
    traffic: Traffic = Field(default_factory=Traffic)
    """How requests arrive."""
    automation: Annotated[str, Field(json_schema_extra=one_of("Act", "Observe"))] = "Act"
    """Observe: everything is judged and told, nothing is promoted, rolled back or retrained."""
    rollout: Rollout = Field(default_factory=Rollout)
    """How a new revision takes over."""
    guard: Guard | None = Field(default=None, description="After promotion; a canary has one of 600 s by default.")
    monitoring: Monitoring = Field(default_factory=Monitoring)
    """What is watched while it serves."""
    retrain: Retrain | None = None
    """What is retrained when it gets worse."""
    owner: Owner | None = None
    """Whom it concerns."""
    notifications: list[Notification] | None = Field(default=None, max_length=4, json_schema_extra=map_list("receiver"))
    """Who is told."""

    model_config = ruled(
        cel("has(self.version) != has(self.follow)", "give exactly one of version and follow"),
        cel("self.modelName == oldSelf.modelName", "modelName cannot change: make a new ModelDeployment"),
        cel(
            "!has(self.follow) || !has(self.onPromoted) || self.follow != self.onPromoted.alias",
            "onPromoted must not move the alias that follow waits for",
        ),
        cel(
            "!has(self.rollout) || !(has(self.rollout.sensitivity) || has(self.rollout.steps))"
            " || (has(self.traffic) && has(self.traffic.gateway))",
            "a rollout in steps needs traffic.gateway: without a route there are no shares",
        ),
    )
