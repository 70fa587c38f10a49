"""What a revision was trained on, as its servers export it: reference counts, floors, accuracy per score bin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pintle.contract import metrics
from pintle.contract.profile import SMOOTHING
from pintle.core.judgement.samples import Sample

SCORE = "score"
"""What the predictions are called where a feature has its name."""
TAILS = ("unseen", "missing")
"""Bins with a share test of their own."""


@dataclass(frozen=True)
class Identity:
    """Whose counts: the namespace comes from target discovery, the rest from the server."""

    namespace: str
    deployment: str
    revision: str


@dataclass(frozen=True)
class Bins:
    """Training rows by bin, and the floors by block length (`1h`, `6h`, `1d`, `7d`)."""

    counts: Mapping[str, float]
    floors: Mapping[str, float] = field(default_factory=dict)

    @property
    def rows(self) -> float:
        return sum(self.counts.values())


@dataclass(frozen=True)
class Reference:
    """The reference of one revision; `profile` is the hash of its bins."""

    profile: str
    features: Mapping[str, Bins] = field(default_factory=dict)
    score: Bins | None = None
    accuracy: Mapping[str, float] = field(default_factory=dict)
    """Accuracy at evaluation by score bin; empty for a regression."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """Upper end of the bins of the score; the last has none. Empty where an older server does not tell them."""
    loss_scale: float | None = None
    """What the errors of a regression are divided by before they are squared."""


def identity_of(labels: Mapping[str, str]) -> Identity:
    """Of a series; a label that is not there is empty."""
    return Identity(labels.get("namespace", ""), labels.get("deployment", ""), labels.get("revision", ""))


def references(samples: Iterable[Sample]) -> dict[Identity, Reference]:
    """From the gauges of `queries.reference`; revisions whose servers export no proportions are left out.

    Proportions are r_b = (count + 0.5) / (m + 0.5 B), so the counts come back exactly: r_b (m + 0.5 B) - 0.5.
    """
    made: dict[Identity, _Gauges] = {}
    for sample in samples:
        made.setdefault(identity_of(sample.labels), _Gauges()).take(sample)
    found = {identity: gauges.reference() for identity, gauges in made.items()}
    return {identity: reference for identity, reference in found.items() if reference is not None}


@dataclass
class _Gauges:
    """The samples of one revision, sorted by what they are about. The score stands under SCORE in `outputs`."""

    profile: str = ""
    ratios: dict[tuple[bool, str], dict[str, float]] = field(default_factory=dict)
    rows: dict[tuple[bool, str], float] = field(default_factory=dict)
    floors: dict[tuple[bool, str], dict[str, float]] = field(default_factory=dict)
    accuracy: dict[str, float] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)
    scale: float | None = None

    def take(self, sample: Sample) -> None:
        labels, name = sample.labels, sample.labels.get("__name__", "")
        self.profile = labels.get("profile", "") or self.profile
        is_score = not labels.get("feature")
        about = (is_score, SCORE if is_score else labels["feature"])
        if name in (metrics.FEATURE_REFERENCE_RATIO, metrics.PREDICTION_REFERENCE_RATIO):
            self.ratios.setdefault(about, {})[labels.get("bin", "")] = sample.value
        elif name in (metrics.FEATURE_REFERENCE_SAMPLES, metrics.PREDICTION_REFERENCE_SAMPLES):
            self.rows[about] = sample.value
        elif name in (metrics.FEATURE_DRIFT_FLOOR, metrics.PREDICTION_DRIFT_FLOOR):
            self.floors.setdefault(about, {})[labels.get("window", "")] = sample.value
        elif name == metrics.SCORE_BIN_ACCURACY:
            self.accuracy[labels.get("bin", "")] = sample.value
        elif name == metrics.PREDICTION_BIN_LIMIT:
            self.limits[labels.get("bin", "")] = sample.value
        elif name == metrics.FEEDBACK_LOSS_SCALE:
            self.scale = sample.value

    def reference(self) -> Reference | None:
        if not self.ratios:
            return None
        bins = {about: self._bins(about) for about in self.ratios if about in self.rows}
        return Reference(
            profile=self.profile,
            features={name: found for (is_score, name), found in bins.items() if not is_score},
            score=bins.get((True, SCORE)),
            accuracy=self.accuracy,
            limits=self.limits,
            loss_scale=self.scale,
        )

    def _bins(self, about: tuple[bool, str]) -> Bins:
        ratios = self.ratios[about]
        smoothed = self.rows[about] + SMOOTHING * len(ratios)
        counts = {name: float(round(ratio * smoothed - SMOOTHING)) for name, ratio in ratios.items()}
        return Bins(counts, self.floors.get(about, {}))
