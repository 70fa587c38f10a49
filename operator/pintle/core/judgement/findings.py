"""What watching has found about one ModelDeployment: facts for its plan, made anew by every look at Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Finding:
    """A feature (or `score`, the predictions) in its strongest window."""

    feature: str
    window_seconds: int
    rows: float
    psi: float
    low: float
    threshold: float
    """max(minPSI, floor): it drifts above this."""
    verdict: str
    """Pass, Fail, NeedMoreData or SourceError."""


@dataclass(frozen=True)
class Labelled:
    """What delayed labels say of the serving revision, in the window of the spec. NaN-free: None where unknown."""

    rows: float
    loss: float | None = None
    auc: float | None = None


@dataclass(frozen=True)
class Findings:
    """What was found for the stable revision `revision` at `at` (unix seconds)."""

    revision: str
    at: float
    features: tuple[Finding, ...] = ()
    """All features that are watched, the strongest first."""
    score: Finding | None = None
    """The predictions."""
    periods: Mapping[str, int] = field(default_factory=dict)
    """Looks in a row that found a cause: by cause (FeatureDrift, PredictionDrift, EstimatedMetric, LabelledMetric)."""
    skew: tuple[Finding, ...] = ()
    """Features whose first rows differ from the training data since the revision's first day."""
    labelled: Labelled | None = None
    estimated_accuracy: float | None = None
    error: str = ""
    """Why nothing could be found (SourceError)."""
