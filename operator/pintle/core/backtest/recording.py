"""A recorded rollout: what was set up, and the raw samples of its counters. Needs the standard library only.

The recorded form (docs/backtest.md) has one row per sample: time, namespace, deployment, revision, pod, metric, bin,
value. `bin` is what is left of the series' labels, as a query string: `result=ok&route=default`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl, urlencode

API_VERSION = "cli.pintle.dev/v1alpha1"
KIND = "Recording"
CANARY = "Canary"
GUARD = "Guard"
PHASES = (CANARY, GUARD)
COLUMNS = ("time", "namespace", "deployment", "revision", "pod", "metric", "bin", "value")
KEPT_LABELS = (
    "result",
    "route",
    "le",
    "feature",
    "bin",
    "output",
    "level",
    "cohort",
    "reason",
    "job",
    "instance",
    "condition",
)
"""Labels that the bin is made of. All others name the model, or the machine that scraped."""
POD_READY = "kube_pod_status_ready"
POD_RESTARTS = "kube_pod_container_status_restarts_total"
POD_FACTS = (POD_READY, POD_RESTARTS)
"""What Kubernetes knows of a pod, called as kube-state-metrics calls it; ready: 1 or 0, with condition=true."""

SeriesKey = tuple[str, str, str, str]
"""revision, pod, metric, bin."""
Samples = tuple["array[float]", "array[float]"]
"""Times (unix seconds, ascending) and values."""


@dataclass(frozen=True)
class Shares:
    """The traffic in percent by revision, from `time` (unix seconds) on."""

    time: float
    weights: Mapping[str, int]


@dataclass(frozen=True)
class Setup:
    """What a rollout or guard was set up as. Times in unix seconds."""

    namespace: str
    deployment: str
    tested: str
    control: str
    origin: float
    """When `tested` first got traffic: the grid of the blocks begins here."""
    phase: str = CANARY
    until: float | None = None
    """How far it was looked at; None: to the last sample."""
    scrape_seconds: float | None = None
    """Length of a block; None: what lies between two samples."""
    rollout: Mapping[str, Any] = field(default_factory=dict)
    """spec.rollout."""
    guard: Mapping[str, Any] | None = None
    """spec.guard."""
    gateway: bool = True
    """Without one there are no shares."""
    versions: Mapping[str, int] = field(default_factory=dict)
    """Revision -> version of the model."""
    weights: tuple[Shares, ...] = ()
    """What the shares really were, oldest first."""
    decided: tuple[Mapping[str, Any], ...] = ()
    """What the operator decided, as in status.history, oldest first."""

    @property
    def revisions(self) -> tuple[str, str]:
        return self.tested, self.control


@dataclass
class Recording:
    """`series` in the order in which they first turn up."""

    setup: Setup
    series: dict[SeriesKey, Samples] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Number of samples."""
        return sum(len(times) for times, _ in self.series.values())

    @property
    def first(self) -> float:
        """Time of the first sample; the origin where there is none."""
        return min((times[0] for times, _ in self.series.values()), default=self.setup.origin)

    @property
    def last(self) -> float:
        """Time of the last sample; the origin where there is none."""
        return max((times[-1] for times, _ in self.series.values()), default=self.setup.origin)

    def add(self, key: SeriesKey, samples: Iterable[tuple[float, float]]) -> None:
        """Samples of a series, by time; to the millisecond, as Prometheus has them. Of one moment the first counts."""
        fresh = sorted(((round(time, 3), value) for time, value in samples), key=lambda sample: sample[0])
        if not fresh:
            return
        times, values = self.series.get(key, (array("d"), array("d")))
        if times and fresh[0][0] <= times[-1]:
            fresh = sorted([*zip(times, values, strict=True), *fresh], key=lambda sample: sample[0])
            times, values = array("d"), array("d")
        for time, value in fresh:
            if not times or time > times[-1]:
                times.append(time)
                values.append(value)
        self.series[key] = times, values


def bin_of(labels: Mapping[str, str]) -> str:
    """The labels that decide something, beside those that have columns of their own."""
    return urlencode([(name, labels[name]) for name in KEPT_LABELS if labels.get(name)], safe="+/:.")


def labels_in(text: str) -> dict[str, str]:
    """Raises ValueError for what is no such text."""
    if not text:
        return {}
    # A plus sign stands for itself (le=+Inf), not for a space.
    found = dict(parse_qsl(text.replace("+", "%2B"), keep_blank_values=True, strict_parsing=True))
    unknown = sorted(set(found) - set(KEPT_LABELS))
    if unknown:
        raise ValueError(f"nothing reads the label {', '.join(unknown)}")
    return found


def scrape_interval(recording: Recording) -> float | None:
    """The seconds that mostly lie between two samples of a series; None where no series has two."""
    gaps: list[float] = []
    for (_, _, metric, _), (times, _) in recording.series.items():
        if metric not in POD_FACTS and len(times) > 1:
            gaps += (late - early for early, late in pairwise(times))
    if not gaps:
        return None
    gaps.sort()
    middle = gaps[len(gaps) // 2]
    # A scrape is milliseconds early or late.
    return float(round(middle)) if middle >= 2 else max(round(middle, 1), 0.1)
