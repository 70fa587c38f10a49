"""`profile.json`: the bins that training data and live rows are counted in, and the reference proportions.

Which bin a value belongs to is decided here once, for `evaluate` (which builds the profile) and the server (which
counts with it); both may vectorise, and must agree with `bin_of`:

- numbers: `edges` e_0 < e_1 < ... are inner edges compared as float32; bin i holds e_(i-1) <= x < e_i, so k edges make
  k + 1 quantile bins `00`, `01`, ...; then `missing` (null, NaN), then `other` (infinite).
- strings: bin i holds `categories[i]`; then `rare` (a value of `rare`, seen in training but not among the most
  frequent), then `unseen`, then `missing` (null or the empty string).

`bins` names the bins in that order and `counts` has the reference rows of each.
`outputs` has one entry, the score: the probability of the positive class (BinaryClassification), the largest
probability (Multiclass) or the value (Regression), binned like a number; `accuracy` and `rows` are per bin.
"""

from __future__ import annotations

import json
import math
import struct
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pintle.contract.digest import digest_value, short
from pintle.contract.manifest import MISSING_STRING, STRING_TYPE, ManifestError

BIN_MISSING = "missing"
BIN_OTHER = "other"
BIN_RARE = "rare"
BIN_UNSEEN = "unseen"
NUMBER_TAIL = (BIN_MISSING, BIN_OTHER)
STRING_TAIL = (BIN_RARE, BIN_UNSEEN, BIN_MISSING)
MAX_FEATURES = 100
PROBABILITY, CONFIDENCE, VALUE = "probability", "confidence", "value"
"""Names of the score: of two classes, of more, of a regression."""
SCORE_LEVELS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97, 0.99, 0.997, 0.999)
"""Inner edges that scores which are probabilities are counted by besides: in them two versions can be compared."""
SMOOTHING = 0.5
"""r_b = (count + SMOOTHING) / (m + SMOOTHING * B): no reference proportion is zero (JUDGEMENT, drift)."""


@dataclass(frozen=True)
class FeatureProfile:
    """Bins and reference counts of one feature; `floors` maps a block length (`1h`, `6h`, `1d`, `7d`) to a PSI."""

    name: str
    type: str
    bins: tuple[str, ...]
    counts: tuple[int, ...]
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    rare: tuple[str, ...] = ()
    floors: Mapping[str, float] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return sum(self.counts)

    @property
    def is_string(self) -> bool:
        return self.type == STRING_TYPE


@dataclass(frozen=True)
class OutputProfile:
    """Bins of the score, `counts` of evaluated rows; `accuracy[i]` of those, None where a bin had none."""

    name: str
    edges: tuple[float, ...]
    bins: tuple[str, ...]
    counts: tuple[int, ...]
    accuracy: tuple[float | None, ...] = ()
    floors: Mapping[str, float] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return sum(self.counts)


@dataclass(frozen=True)
class Profile:
    """All bins of one model version; `profile` is a short hash of them, so that unlike bins are never added up."""

    profile: str
    features: tuple[FeatureProfile, ...]
    outputs: tuple[OutputProfile, ...]

    @classmethod
    def from_bytes(cls, data: bytes) -> Profile:
        """Raises ManifestError."""
        try:
            raw = json.loads(data)
            features = tuple(_feature(item) for item in raw["features"][:MAX_FEATURES])
            outputs = tuple(_output(item) for item in raw.get("outputs", ()))
            return cls(str(raw["profile"]), features, outputs)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ManifestError(f"profile.json cannot be read: {error!r}") from error


def number_bins(edges: Sequence[float]) -> tuple[str, ...]:
    """Names of the bins that inner edges make."""
    return (*(f"{index:02d}" for index in range(len(edges) + 1)), *NUMBER_TAIL)


def score_levels(output: OutputProfile) -> OutputProfile | None:
    """The levels of a score that is a probability; None for another one, which has no limits that fit all versions."""
    if output.name not in (PROBABILITY, CONFIDENCE):
        return None
    bins = number_bins(SCORE_LEVELS)
    return OutputProfile(output.name, SCORE_LEVELS, bins, (0,) * len(bins))


def string_bins(categories: Sequence[str]) -> tuple[str, ...]:
    """Names of the bins that the most frequent categories make; a category called like a tail bin gets a `=` before."""
    return (*(f"={item}" if item in STRING_TAIL else item for item in categories), *STRING_TAIL)


def bin_of(feature: FeatureProfile | OutputProfile, value: Any) -> int:
    """Index of the bin that a value belongs to: the definition that faster code has to agree with."""
    if isinstance(feature, FeatureProfile) and feature.is_string:
        first = len(feature.categories)
        if value is None or value == MISSING_STRING:
            return first + STRING_TAIL.index(BIN_MISSING)
        if value in feature.categories:
            return feature.categories.index(value)
        return first + STRING_TAIL.index(BIN_RARE if value in feature.rare else BIN_UNSEEN)
    first = len(feature.edges) + 1
    if value is None or math.isnan(value):
        return first + NUMBER_TAIL.index(BIN_MISSING)
    if math.isinf(value):
        return first + NUMBER_TAIL.index(BIN_OTHER)
    return bisect_right([float32(edge) for edge in feature.edges], float32(value))


def reference_ratios(counts: Sequence[int]) -> list[float]:
    """Reference proportions of the bins, smoothed so that none is zero."""
    total = sum(counts) + SMOOTHING * len(counts)
    return [(count + SMOOTHING) / total for count in counts]


def profile_hash(features: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> str:
    """The `profile` value of `profile.json`: 8 hex digits over names and bin limits of features and outputs."""
    keys = ("name", "type", "edges", "categories", "rare", "bins")
    return short(digest_value([[[item.get(key) for key in keys] for item in part] for part in (features, outputs)]))


def float32(value: float) -> float:
    """The value as a model sees it; infinite where float32 cannot hold it."""
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def _feature(raw: Mapping[str, Any]) -> FeatureProfile:
    kind = str(raw.get("type", "Number"))
    edges = tuple(float(edge) for edge in raw.get("edges") or ())
    categories = tuple(str(item) for item in raw.get("categories") or ())
    expected = string_bins(categories) if kind == STRING_TYPE else number_bins(edges)
    bins = tuple(raw["bins"])
    counts = tuple(int(count) for count in raw["counts"])
    if len(bins) != len(expected) or len(counts) != len(bins) or bins[-2:] != expected[-2:]:
        raise ValueError(f"feature {raw['name']}: {len(bins)} bins {bins[-3:]} do not fit its edges or categories")
    rare = tuple(str(item) for item in raw.get("rare") or ())
    return FeatureProfile(str(raw["name"]), kind, bins, counts, edges, categories, rare, _floors(raw))


def _output(raw: Mapping[str, Any]) -> OutputProfile:
    edges = tuple(float(edge) for edge in raw.get("edges") or ())
    bins = tuple(raw["bins"])
    counts = tuple(int(count) for count in raw["counts"])
    if len(bins) != len(number_bins(edges)) or len(counts) != len(bins):
        raise ValueError(f"output {raw['name']}: {len(bins)} bins do not fit {len(edges)} edges")
    accuracy = tuple(None if value is None else float(value) for value in raw.get("accuracy") or ())
    return OutputProfile(str(raw["name"]), edges, bins, counts, accuracy, _floors(raw))


def _floors(raw: Mapping[str, Any]) -> dict[str, float]:
    return {str(key): float(value) for key, value in (raw.get("floors") or {}).items() if value is not None}
