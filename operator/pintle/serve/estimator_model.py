"""scikit-learn's estimators: skops files, which build trusted types only, and pickles where the policy allows them.

The shipped server image holds no scikit-learn: ONNX is the way a model is served. The full image serves these as well.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from pintle.contract.manifest import MATRIX, MATRIX_INPUT, OUTLIERS, PICKLE, REGRESSION, SKOPS, Manifest
from pintle.contract.trusted import LIBRARY_TYPES
from pintle.serve.libraries import library, refused
from pintle.serve.models import Batch, Inputs, Prediction
from pintle.serve.predictions import PredictionMaker

PICKLE_WORD = "pickle"
"""The entry of the policy's list of trusted types that allows pickles, which run their code when they are loaded."""


def open_skops(data: bytes, file: str, trusted: tuple[str, ...]) -> Any:
    """The estimator of a skops file. Raises Refusal for types outside library and policy."""
    skops = library("skops.io", SKOPS)
    allowed = [*LIBRARY_TYPES, *trusted]
    unknown = [name for name in skops.get_untrusted_types(data=data) if name not in allowed]
    if unknown:
        raise refused(f"{file} holds types that the policy does not trust: {', '.join(sorted(unknown)[:10])}")
    return skops.loads(data, trusted=allowed)


def open_pickle(data: bytes, file: str, trusted: tuple[str, ...]) -> Any:
    """The estimator of a pickle (joblib's too). Raises Refusal unless the policy's list holds the word `pickle`."""
    if PICKLE_WORD not in trusted:
        raise refused(
            f"{file} is a pickle, which runs its code when it is loaded, and the policy does not allow that "
            f"(policy.trustedTypes without {PICKLE_WORD!r}): publish the model as ONNX or skops"
        )
    return library("joblib", PICKLE).load(io.BytesIO(data))


class EstimatorModel:
    """An estimator or pipeline over a data frame of the named feature columns, or over their matrix."""

    def __init__(self, estimator: Any, manifest: Manifest) -> None:
        self._estimator = estimator
        self._frame = library("pandas", manifest.model_format).DataFrame
        self.inputs = Inputs(manifest.features)
        self.matrix_input: str | None = MATRIX_INPUT if manifest.inputs == MATRIX else None
        self._task = manifest.task
        self._make = PredictionMaker(manifest)

    def predict(self, batch: Batch) -> Prediction:
        given, rows = self._given(batch), len(batch)
        if self._task == REGRESSION:
            return self._make.values(self._estimator.predict(given), rows)
        if self._task == OUTLIERS:
            return self._make.outliers(self._estimator.predict(given), self._estimator.decision_function(given), rows)
        return self._make.classes(self._estimator.predict_proba(given), rows)

    def _given(self, batch: Batch) -> Any:
        if self.matrix_input is not None:
            return batch.numbers
        columns: dict[str, object] = {}
        numbers, strings = iter(batch.numbers.T), iter(batch.strings)
        for feature in self.inputs.features:
            columns[feature.name] = np.array(next(strings), dtype=object) if feature.is_string else next(numbers)
        return self._frame(columns)
