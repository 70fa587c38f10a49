"""What is watched while a ModelDeployment serves, who is told, and what is retrained."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pintle.api.fields import ATOMIC, ApiModel, Decimal, Name, ParentName, ShortText, cel, map_list, one_of, ruled

FLOORS = ("1h", "6h", "1d", "7d")
# What may start a run; docs/watching.md says how each is found.
CAUSES = ("FeatureDrift", "PredictionDrift", "EstimatedMetric", "LabelledMetric", "Rollback")
LABELLED = ("loss", "auc", "recall", "precision", "calibration")


class Window(ApiModel):
    """A length of time whose rows are compared with the training data."""

    seconds: Annotated[int, Field(ge=5, le=2592000)]
    """How long."""
    floor: Annotated[str, Field(json_schema_extra=one_of(*FLOORS))] | None = Field(
        default=None,
        description="Length of the blocks of training data whose own drift is tolerated; by default the longest that "
        "fits. A replay at another speed names it.",
    )


class Drift(ApiModel):
    """Distribution of features and predictions against the training data."""

    windows: list[Window] = Field(
        default_factory=lambda: [Window(seconds=seconds) for seconds in (3600, 21600, 86400)],
        min_length=1,
        max_length=4,
        json_schema_extra=ATOMIC,
    )
    """Windows; drift in any of them counts. Default: an hour, six hours, a day."""
    minPSI: Decimal = "0.1"
    """Smallest population stability index that counts."""
    minRows: Annotated[int, Field(ge=10, le=100000000)] = 50
    """Fewer rows in a window say nothing."""
    forPeriods: Annotated[int, Field(ge=1, le=100)] = 3
    """Looks in a row that must find it."""
    periodSeconds: Annotated[int, Field(ge=1, le=86400)] = 300
    """Time between two looks."""


class LabelledMetric(ApiModel):
    """A bound for what delayed labels say."""

    metric: Annotated[str, Field(json_schema_extra=one_of(*LABELLED))] = Field(
        description="From labels of feedback: loss (Brier or squared error per row); of two classes auc, recall, "
        "precision, and calibration (how far the positives lie from the scores, at least).",
    )
    max: Decimal | None = None
    """Degraded above this."""
    min: Decimal | None = None
    """Degraded below this."""
    threshold: Decimal | None = None
    """Score from which a row counts as positive, for recall and precision; 0.5."""
    windowSeconds: Annotated[int, Field(ge=10, le=7776000)] = 604800
    """Labels of this long together."""
    labelAgeSeconds: Annotated[int, Field(ge=0, le=15552000)] | None = Field(
        default=None,
        description="How long labels take: judged are the predictions of windowSeconds that ended so long ago. "
        "Without it the labels that came in windowSeconds, whatever their age.",
    )
    minRows: Annotated[int, Field(ge=50, le=100000000)] = 1000
    """Fewer labelled rows say nothing."""

    model_config = ruled(cel("has(self.min) || has(self.max)", "a labelled metric needs min or max"))


class Monitoring(ApiModel):
    """What is watched while a revision serves."""

    drift: Drift | None = None
    labelled: list[LabelledMetric] | None = Field(default=None, max_length=5, json_schema_extra=map_list("metric"))
    """Bounds for what delayed labels say."""
    minEstimatedAccuracy: Decimal | None = Field(
        default=None,
        description="Degraded when the accuracy estimated from the scores falls below; blind to concept drift.",
    )
    maxDataAgeSeconds: Annotated[int, Field(ge=60, le=315360000)] | None = None
    """Stale when the newest row that the serving version was trained on is older."""


class Retrain(ApiModel):
    """Which TrainingJob is asked for a new version, and when. Its retrainPolicy decides."""

    trainingJobRef: TrainingJobRef
    causes: list[Annotated[str, Field(json_schema_extra=one_of(*CAUSES))]] = Field(
        min_length=1, max_length=5, json_schema_extra=ATOMIC
    )
    """What starts it."""


class TrainingJobRef(ApiModel):
    """A TrainingJob in the same namespace."""

    name: ParentName
    """Its name."""


class Owner(ApiModel):
    """Whom it concerns; told with every notification."""

    team: ShortText | None = None
    """Team that owns it."""
    contact: ShortText | None = None
    """How to reach it."""
    runbookURL: ShortText | None = None
    """What to do."""


class Notification(ApiModel):
    """A receiver that the person who runs the operator has set up (chart value notifications.receivers)."""

    receiver: Name
    """Its name."""


Retrain.model_rebuild()
