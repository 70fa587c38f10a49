"""Live rows by bin, labels by score bin and truth: what the counters of a window add up to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pintle.core.judgement.samples import Sample
from pintle.core.watching.reference import SCORE, Identity, identity_of

ByBin = Mapping[str, float]


@dataclass(frozen=True)
class Counts:
    """Rows of one revision in one window by feature and bin, and of the predictions by score bin."""

    features: Mapping[str, ByBin] = field(default_factory=dict)
    score: ByBin = field(default_factory=dict)
    near_only: float | None = None
    """Rows of the window where only those features are listed that may drift (see rules.recorded); None: all are."""


@dataclass(frozen=True)
class LabelCounts:
    """Labels of one revision that came in one window."""

    loss_sum: float = 0.0
    loss_squares: float = 0.0
    loss_count: float = 0.0
    truths: Mapping[str, ByBin] = field(default_factory=dict)
    """Truth -> score bin -> labels."""
    predicted: ByBin = field(default_factory=dict)
    """Rows answered in the same window by score bin."""

    @property
    def labelled(self) -> dict[str, float]:
        """Labels by score bin."""
        total: dict[str, float] = {}
        for bins in self.truths.values():
            for name, rows in bins.items():
                total[name] = total.get(name, 0.0) + rows
        return total


def bin_counts(samples: Iterable[Sample], profiles: Mapping[Identity, str]) -> dict[Identity, Counts]:
    """From `queries.bins` or `rules.recorded`. Bins of another profile than the revision's are never added to it."""
    made: dict[Identity, dict[str, dict[str, float]]] = {}
    near: dict[Identity, float] = {}
    for sample in samples:
        labels, identity = sample.labels, identity_of(sample.labels)
        if labels.get("profile", "") != profiles.get(identity):
            continue
        if "bin" not in labels:
            near[identity] = sample.value
            made.setdefault(identity, {})
            continue
        # A feature may itself be called "score": predictions stand under the empty name here.
        bins = made.setdefault(identity, {}).setdefault(labels.get("feature", ""), {})
        name = labels.get("bin", "")
        bins[name] = bins.get(name, 0.0) + max(sample.value, 0.0)
    return {
        identity: Counts({name: bins for name, bins in found.items() if name}, found.get("", {}), near.get(identity))
        for identity, found in made.items()
    }


def label_counts(samples: Iterable[Sample]) -> dict[Identity, LabelCounts]:
    """From `queries.labels`, whose samples say in `counted` what they are."""
    made: dict[Identity, _Labels] = {}
    for sample in samples:
        made.setdefault(identity_of(sample.labels), _Labels()).take(sample)
    return {identity: labels.counts() for identity, labels in made.items()}


@dataclass
class _Labels:
    totals: dict[str, float] = field(default_factory=dict)
    truths: dict[str, dict[str, float]] = field(default_factory=dict)
    predicted: dict[str, float] = field(default_factory=dict)

    def take(self, sample: Sample) -> None:
        labels, counted = sample.labels, sample.labels.get("counted", "")
        if counted == "truth":
            self.truths.setdefault(labels.get("truth", ""), {})[labels.get("score_bin", "")] = sample.value
        elif counted == SCORE:
            self.predicted[labels.get("bin", "")] = sample.value
        else:
            self.totals[counted] = sample.value

    def counts(self) -> LabelCounts:
        totals = self.totals
        return LabelCounts(
            loss_sum=totals.get("sum", 0.0),
            loss_squares=totals.get("squares", 0.0),
            loss_count=totals.get("count", 0.0),
            truths=self.truths,
            predicted=self.predicted,
        )
