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
    bin: str = ""
    """`unseen` or `missing` where its share was tested: psi, low and threshold are shares then."""
    tells_only: bool = False
    """The training data gave no floor for this window: people are told, no run is asked for."""
    looks: int = 0
    """Looks in a row that found it."""


@dataclass(frozen=True)
class Labelled:
    """What delayed labels say of the serving revision, in the window of the spec. NaN-free: None where unknown."""

    rows: float
    loss: float | None = None
    auc: float | None = None
    coverage: float | None = None
    """Labelled per predicted row of the window."""
    selective: str = ""
    """Why these labels are no fair sample of the predictions; empty when they are."""
    figures: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """All figures, judged or not, by name and window (in words, `604800s offset 86400s`)."""


@dataclass(frozen=True)
class Findings:
    """What was found for the stable revision `revision` at `at` (unix seconds)."""

    revision: str
    at: float
    features: tuple[Finding, ...] = ()
    """The features that are watched, the strongest first; with recording rules only those that may drift."""
    watched: int = 0
    """How many features are watched."""
    score: Finding | None = None
    """The predictions."""
    periods: Mapping[str, int] = field(default_factory=dict)
    """Looks in a row that found a cause: by cause (FeatureDrift, PredictionDrift, EstimatedMetric, LabelledMetric)."""
    quiet: Mapping[str, int] = field(default_factory=dict)
    """Looks in a row that had enough data and did not find it, by cause."""
    verdicts: Mapping[str, str] = field(default_factory=dict)
    """What this look says, by cause; `Skew` besides. Those that the spec does not ask for are left out."""
    messages: Mapping[str, str] = field(default_factory=dict)
    """What a person should know of a verdict, by cause: figures, or why there are none."""
    tells_only: frozenset[str] = frozenset()
    """Causes that were found only where the training data gave no floor."""
    skew: tuple[Finding, ...] = ()
    """Features whose first rows differ from the training data since the revision's first day."""
    labelled: Labelled | None = None
    estimated_accuracy: float | None = None
    error: str = ""
    """Why nothing could be found (SourceError)."""
