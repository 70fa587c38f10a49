"""The reference profile: bins of features and score, how training rows fill them, floors, accuracy per score bin.

Which bin a value lies in is fixed by `contract.profile`; here it is vectorised.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pintle.contract.manifest import BINARY, MISSING_STRING, MULTICLASS, REGRESSION, STRING_TYPE
from pintle.contract.profile import CONFIDENCE, PROBABILITY, VALUE, number_bins, profile_hash, string_bins
from pintle.train.drift import floors
from pintle.train.metrics import right_answers
from pintle.train.truth import Floats, Ints, Truth

if TYPE_CHECKING:
    import pandas as pd

QUANTILES = 10
TOP_CATEGORIES = 10
MAX_RARE = 1000
"""Strings beyond these are not listed as rare; they count as unseen, in the reference too."""
OUTPUT_NAMES = {BINARY: PROBABILITY, MULTICLASS: CONFIDENCE, REGRESSION: VALUE}


def build_profile(
    train: pd.DataFrame, schema: Mapping[str, Any], held: pd.DataFrame, truth: Truth, prediction: Floats
) -> dict[str, Any]:
    """`profile.json`. Features are counted over training rows, the score over evaluation rows (`held`, `truth`)."""
    seconds = _seconds(train, schema)
    features = [_feature(train[item["name"]], item, seconds) for item in schema["features"]]
    outputs = [_output(truth, prediction, _seconds(held, schema))]
    return {"profile": profile_hash(features, outputs), "features": features, "outputs": outputs}


def score_of(task: str, prediction: Floats) -> Floats:
    """The one number per row that is binned: probability of the positive class, largest probability, or the value."""
    if task == BINARY:
        return prediction[:, 1]
    return np.asarray(prediction.max(axis=1)) if task == MULTICLASS else prediction


def quantile_edges(values: Floats) -> list[float]:
    """Inner edges that make at most QUANTILES bins of about equal size; float32, strictly increasing."""
    present = values[np.isfinite(values)]
    if not len(present):
        return []
    inner = np.quantile(present, np.arange(1, QUANTILES) / QUANTILES, method="inverted_cdf").astype(np.float32)
    # An edge at the smallest value would only make an empty bin below it.
    return [float(str(edge)) for edge in np.unique(inner[inner > present.min()])]


def number_bin(values: Floats, edges: list[float]) -> Ints:
    """Bin index of each number, as `contract.profile.bin_of` has it."""
    single = values.astype(np.float32)
    found = np.searchsorted(np.asarray(edges, dtype=np.float32), single, side="right")
    found = np.where(np.isnan(single), len(edges) + 1, found)
    return np.where(np.isinf(single), len(edges) + 2, found).astype(np.int64)


def string_bin(values: pd.Series, categories: list[str], rare: list[str]) -> Ints:
    """Bin index of each string, as `contract.profile.bin_of` has it."""
    first = len(categories)
    index = dict.fromkeys(rare, first) | {name: i for i, name in enumerate(categories)} | {MISSING_STRING: first + 2}
    return np.asarray(values.map(index).fillna(first + 1).to_numpy(dtype=np.int64))


def _seconds(rows: pd.DataFrame, schema: Mapping[str, Any]) -> Ints | None:
    """Time of each row since 1970; None for rows without."""
    if "timeColumn" not in schema:
        return None
    instants = rows[schema["timeColumn"]].dt.tz_localize(None).to_numpy(dtype="datetime64[s]")
    return np.asarray(instants.astype(np.int64))


def _feature(values: pd.Series, item: Mapping[str, Any], seconds: Ints | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": item["name"], "type": item["type"]}
    if item["type"] == STRING_TYPE:
        by_frequency = values[values != MISSING_STRING].value_counts()
        # Ties are broken by name, so that the same rows make the same profile.
        names = sorted(by_frequency.index, key=lambda name: (-by_frequency[name], name))
        entry["categories"] = names[:TOP_CATEGORIES]
        entry["rare"] = sorted(names[TOP_CATEGORIES : TOP_CATEGORIES + MAX_RARE])
        bins, index = string_bins(entry["categories"]), string_bin(values, entry["categories"], entry["rare"])
    else:
        numbers = values.to_numpy(dtype=np.float64)
        entry["edges"] = quantile_edges(numbers)
        bins, index = number_bins(entry["edges"]), number_bin(numbers, entry["edges"])
    counts = np.bincount(index, minlength=len(bins))
    entry |= {"bins": list(bins), "counts": counts.tolist(), "rows": len(values)}
    entry["floors"] = floors(index, len(bins), seconds) if seconds is not None else {}
    return entry


def _output(truth: Truth, prediction: Floats, seconds: Ints | None) -> dict[str, Any]:
    """The score's bins over evaluation rows: accuracy per bin of a classifier, mean absolute error of a regression."""
    score = score_of(truth.task, prediction)
    edges = quantile_edges(score)
    bins, index = number_bins(edges), number_bin(score, edges)
    rows = np.bincount(index, minlength=len(bins))
    entry: dict[str, Any] = {
        "name": OUTPUT_NAMES[truth.task],
        "edges": edges,
        "bins": list(bins),
        "counts": rows.tolist(),
    }
    entry["rows"] = rows.tolist()
    entry["floors"] = floors(index, len(bins), seconds) if seconds is not None else {}
    if truth.task == REGRESSION:
        return entry | {"accuracy": [], "meanAbsoluteError": _means(np.abs(prediction - truth.values), index, rows)}
    return entry | {"accuracy": _means(right_answers(truth, prediction), index, rows)}


def _means(values: Floats, index: Ints, rows: Ints) -> list[float | None]:
    sums = np.bincount(index, values, minlength=len(rows))
    return [round(float(total / n), 6) if n else None for total, n in zip(sums, rows, strict=True)]
