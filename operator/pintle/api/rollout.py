"""How a new revision of a ModelDeployment takes over: steps, what is judged, the guard after promotion."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pintle.api.fields import (
    ATOMIC,
    NAME_MESSAGE,
    NAME_PATTERN,
    ApiModel,
    Decimal,
    LongText,
    cel,
    map_list,
    one_of,
    ruled,
    rules,
    says,
)

# What is judged for every model; `metrics` may name one of them to change how it counts. A test compares the two lists.
BUILT_IN_TESTS = ("errors", "slow", "missing", "loss", "restarts")
# status.rollout.tests has room for all of Pintle's and so many of a user's own.
MAX_OWN = 5
MAX_TESTS = len(BUILT_IN_TESTS) + MAX_OWN
MAX_TEST_NAME = 24
_PROBABILITY = cel("double(self) > 0.0 && double(self) < 0.5", "an error probability lies between 0 and 0.5")
_SHARE = cel("double(self) >= 0.0 && double(self) <= 1.0", "a share lies between 0 and 1")
Probability = Annotated[Decimal, Field(json_schema_extra=rules(_PROBABILITY))]
Share = Annotated[Decimal, Field(json_schema_extra=rules(_SHARE))]


class Step(ApiModel):
    """One step of a rollout: a share of the traffic for some time, or a pause until a person says go on."""

    weight: Annotated[int, Field(ge=1, le=99)] | None = None
    """Percent of the traffic that the canary gets."""
    minSeconds: Annotated[int, Field(ge=0, le=2592000)] = 60
    """The step lasts at least this long."""
    pause: bool | None = Field(default=None, description="True: stays here until a person promotes or resumes.")

    model_config = ruled(
        cel("has(self.weight) != (has(self.pause) && self.pause)", "a step has either a weight or pause: true")
    )


class Limits(ApiModel):
    """How much worse a canary may be."""

    tolerated: Share | None = None
    """Rolled back when the canary's share is surely higher than the stable's by more than this."""
    margin: Share | None = None
    """Promoted when the canary's share is surely not higher than the stable's by more than this."""


class Advanced(ApiModel):
    """For statisticians; docs/judgement.md says what each costs. What is left out comes from sensitivity."""

    alpha: Probability | None = None
    """Probability to roll back a revision that is as good as the stable, over a whole rollout."""
    beta: Probability | None = None
    """Probability to promote a revision that is worse by the margin."""
    minRows: Annotated[int, Field(ge=1, le=100000000)] | None = None
    """Requests that the canary must have answered before it is promoted."""
    slowSeconds: Decimal | None = None
    """A request that takes longer is slow; taken from the stable's own history when left out."""
    errors: Limits | None = None
    """Share of failed requests."""
    slow: Limits | None = None
    """Share of slow requests."""
    missing: Limits | None = None
    """Share of missing values of a feature."""
    loss: Limits | None = None
    """Loss per labelled row."""


class Metric(ApiModel):
    """A test of the rollout: one of Pintle's (errors, slow, missing, loss, restarts), or a query of your own."""

    name: Annotated[
        str, Field(min_length=1, max_length=MAX_TEST_NAME, pattern=NAME_PATTERN, json_schema_extra=says(NAME_MESSAGE))
    ]
    """Name of the test."""
    query: LongText | None = Field(
        default=None,
        description="PromQL that gives one number for a revision, with $namespace, $deployment and $revision; every "
        'selector needs namespace="$namespace".',
    )
    max: Decimal | None = None
    """Fails above this."""
    min: Decimal | None = None
    """Fails below this."""
    maxIncrease: Decimal | None = None
    """Fails when the canary's number is above the stable's by more than this."""
    intervalSeconds: Annotated[int, Field(ge=1, le=3600)] = 10
    """How often the query is asked."""
    failureLimit: Annotated[int, Field(ge=1, le=100)] = 3
    """So many answers in a row must be out of bounds before the test fails."""
    dryRun: bool = False
    """True: judged and shown, never acted upon."""

    model_config = ruled(
        cel(
            f"has(self.query) != (self.name in {list(BUILT_IN_TESTS)})",
            "a metric of your own needs a query; errors, slow, missing, loss and restarts are measured by Pintle and"
            " have none",
        ),
        cel(
            "!has(self.query) || has(self.max) || has(self.min) || has(self.maxIncrease)",
            "a metric with a query needs max, min or maxIncrease",
        ),
        cel(
            "has(self.query) || !(has(self.max) || has(self.min) || has(self.maxIncrease))",
            "the limits of errors, slow, missing and loss stand in rollout.advanced",
        ),
    )


class Rollout(ApiModel):
    """How a new revision takes over. With sensitivity or steps it is a judged canary; else it replaces at once."""

    progressDeadlineSeconds: Annotated[int, Field(ge=10, le=86400)] = Field(
        default=600, description="A revision that is not ready after this long is reported; the old one goes on."
    )
    sensitivity: Annotated[str, Field(json_schema_extra=one_of("Careful", "Balanced", "Fast"))] | None = None
    """How small a difference counts and how much evidence promotion takes; Balanced where only steps are given."""
    steps: list[Step] | None = Field(
        default=None,
        min_length=1,
        max_length=20,
        json_schema_extra=ATOMIC,
        description="Default with a sensitivity: 5, 25 and 50 percent, a minute each.",
    )
    deadlineSeconds: Annotated[int, Field(ge=10, le=7776000)] = Field(
        default=86400, description="A rollout without enough evidence after this long goes by onInconclusive."
    )
    onInconclusive: Annotated[str, Field(json_schema_extra=one_of("Pause", "Rollback", "Promote"))] = "Pause"
    """What happens at the deadline."""
    onScoreShift: Annotated[str, Field(json_schema_extra=one_of("Notify", "Pause"))] = "Notify"
    """What happens when the canary's scores lie otherwise than the stable's."""
    promotion: Annotated[str, Field(json_schema_extra=one_of("Automatic", "Manual"))] = "Automatic"
    """Manual: the last step waits for a person."""
    metrics: list[Metric] | None = Field(default=None, max_length=MAX_TESTS, json_schema_extra=map_list("name"))
    """Tests of your own, and changes to those of Pintle."""
    advanced: Advanced | None = None

    model_config = ruled(
        cel(
            "has(self.sensitivity) || has(self.steps) || !(has(self.metrics) || has(self.advanced))",
            "metrics and advanced are for a canary: give sensitivity or steps too",
        ),
        cel("!has(self.steps) || self.steps.exists(s, has(s.weight))", "steps need at least one with a weight"),
        cel(
            f"!has(self.metrics) || self.metrics.filter(m, has(m.query)).size() <= {MAX_OWN}",
            f"at most {MAX_OWN} metrics of your own: each is judged at its own price in evidence",
        ),
    )

    @property
    def is_canary(self) -> bool:
        """A new revision goes by steps."""
        return bool(self.sensitivity or self.steps)

    def planned(self) -> tuple[Step, ...]:
        """The steps to take; empty where a new revision replaces the old one at once."""
        if self.steps:
            return tuple(self.steps)
        return tuple(Step(weight=weight) for weight in (5, 25, 50)) if self.sensitivity else ()


class Guard(ApiModel):
    """After promotion: the revision before stays warm, keeps a share to compare with, and is the way back."""

    seconds: Annotated[int, Field(ge=0, le=2592000)] = 600
    """How long; 0: no guard."""
    holdbackWeight: Annotated[int, Field(ge=0, le=50)] = Field(
        default=5,
        description="Percent of the traffic that the revision before keeps; with 0 only a gross failure goes back.",
    )
