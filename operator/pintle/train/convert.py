"""From a scikit-learn estimator to ONNX, and the proof that both answer alike.

ONNX computes in float32. Sums differ by about 1e-7; but where a scaled number lies within rounding of a tree's
threshold the row takes the other branch and its answer jumps. So parity is: at most 1 % of the rows may differ by more
than 1e-4 (of the answers' spread, for a regression), and the mean difference stays below 1e-3. All metrics are taken
from the ONNX model, so that a jump counts in them.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pintle.contract.exits import Exit
from pintle.contract.manifest import STRING_TYPE
from pintle.train.models import Estimator, invalid
from pintle.train.outcome import PARITY_FAILED, Refusal
from pintle.train.truth import Floats

if TYPE_CHECKING:
    import pandas as pd

TOLERANCE = 1e-4
MAX_JUMPS = 0.01
MAX_MEAN = 1e-3
PARITY_ROWS = 5000


@dataclass(frozen=True)
class Parity:
    """How two predictions of the same rows differ; in units of the spread of the answers for a regression."""

    rows: int
    largest: float
    mean: float
    jumps: float
    """Share of rows that differ by more than TOLERANCE."""

    @property
    def holds(self) -> bool:
        return self.jumps <= MAX_JUMPS and self.mean <= MAX_MEAN

    def to_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "maxDifference": float(f"{self.largest:.3g}"),
            "meanDifference": float(f"{self.mean:.3g}"),
            "jumps": round(self.jumps, 6),
            "tolerance": TOLERANCE,
        }


def to_onnx(model: Estimator, schema: Mapping[str, Any], sample: pd.DataFrame) -> bytes:
    """The model as ONNX: one input per feature, no ZipMap. The same estimator makes the same bytes.

    `sample` is a few rows, to fit the wrapper of an estimator that takes a plain matrix. Raises Refusal.
    """
    import onnx
    import skl2onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    estimator = _over_columns(model, schema, sample)
    types = [
        (str(item["name"]), StringTensorType([None, 1]) if item["type"] == STRING_TYPE else FloatTensorType([None, 1]))
        for item in schema["features"]
    ]
    options = {id(_last(estimator)): {"zipmap": False}} if model.is_classifier else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            converted = skl2onnx.to_onnx(estimator, initial_types=types, options=options)
    except Exception as error:
        message = f"skl2onnx cannot convert the model: {type(error).__name__}: {str(error)[:500]}"
        raise invalid(
            f"{message}; docs/training.md lists what converts, output.modelFormat: Skops serves it as it is"
        ) from error
    # skl2onnx lists operator sets in the order of a set of strings, another one in every process.
    operator_sets = sorted((item.domain, item.version) for item in converted.opset_import)
    del converted.opset_import[:]
    converted.opset_import.extend(onnx.helper.make_opsetid(domain, version) for domain, version in operator_sets)
    return bytes(converted.SerializeToString(deterministic=True))


def parity(expected: Floats, found: Floats, is_classifier: bool) -> Parity:
    """How the answers differ. Raises Refusal when they have not even the same shape."""
    if expected.shape != found.shape:
        raise invalid(f"the converted model answers {found.shape}, the original {expected.shape}")
    scale = 1.0 if is_classifier else max(float(np.std(expected)), 1e-12)
    difference = np.abs(expected - found).reshape(len(expected), -1).max(axis=1) / scale
    # NaN compares false: it must count as a difference.
    difference = np.where(np.isnan(difference), np.inf, difference)
    return Parity(
        len(difference), float(difference.max()), float(difference.mean()), float((difference > TOLERANCE).mean())
    )


def refuse_without_parity(found: Parity) -> None:
    """Raises Refusal(PARITY_FAILED) where the ONNX model is not the model that was trained."""
    if found.holds:
        return
    message = (
        f"ONNX and scikit-learn differ by more than {TOLERANCE:g} on {found.jumps:.1%} of {found.rows} rows "
        f"(at most {MAX_JUMPS:.0%} are allowed; largest difference {found.largest:.3g})"
    )
    raise Refusal(Exit.REFUSED, PARITY_FAILED, message, {"parity": {**found.to_json(), "maxDifference": None}})


def _last(estimator: Any) -> Any:
    return estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator


def _over_columns(model: Estimator, schema: Mapping[str, Any], sample: pd.DataFrame) -> Any:
    """A bare estimator takes a matrix; in front of it goes a step that puts the columns together."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    strings = [item["name"] for item in schema["features"] if item["type"] == STRING_TYPE]
    if hasattr(model.estimator, "steps") or set(strings) & set(model.features):
        return model.estimator
    together = ColumnTransformer([("columns", "passthrough", list(model.features))]).fit(sample[_names(schema)])
    return Pipeline([("columns", together), ("model", model.estimator)])


def _names(schema: Mapping[str, Any]) -> Sequence[str]:
    return [str(item["name"]) for item in schema["features"]]
