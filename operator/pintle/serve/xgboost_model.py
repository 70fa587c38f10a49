"""XGBoost's own files (UBJSON or JSON), as Booster.save_model writes them; no code runs on loading."""

from __future__ import annotations

from typing import Any

import numpy as np

from pintle.contract.manifest import MATRIX, MATRIX_INPUT, REGRESSION, XGBOOST, Manifest
from pintle.serve.libraries import library, refused
from pintle.serve.models import Batch, Float32, Inputs, Prediction
from pintle.serve.predictions import PredictionMaker


class XGBoostModel:
    """A Booster over number columns, missing values as NaN. Raises Refusal where file and schema do not fit."""

    def __init__(self, data: bytes, manifest: Manifest) -> None:
        xgboost = library("xgboost", XGBOOST)
        self._matrix = xgboost.DMatrix
        self._booster: Any = xgboost.Booster()
        self._booster.load_model(bytearray(data))
        self._booster.set_param({"nthread": 1, "device": "cpu"})
        self.inputs = Inputs(manifest.features)
        self.matrix_input: str | None = MATRIX_INPUT if manifest.inputs == MATRIX else None
        if strings := [feature.name for feature in manifest.features if feature.is_string]:
            raise refused(
                f"column {strings[0]} is a String, and XGBoost's file takes numbers only: "
                "encode it in a pipeline (ONNX, skops), or use LightGBM, whose file keeps categories"
            )
        self._order = order_of(self._booster.feature_names, self._booster.num_features(), manifest, XGBOOST)
        self._names = self._booster.feature_names
        best = self._booster.attr("best_iteration")  # early stopping: what XGBClassifier answers with
        self._rounds = (0, 0) if best is None else (0, int(best) + 1)
        self._regression = manifest.task == REGRESSION
        self._make = PredictionMaker(manifest)

    def predict(self, batch: Batch) -> Prediction:
        found = self._booster.inplace_predict(
            self._numbers(batch), iteration_range=self._rounds, validate_features=False
        )
        if self._regression:
            return self._make.values(found, len(batch))
        return self._make.shares(found, len(batch))

    def contributions(self, batch: Batch) -> Float32:
        """SHAP values of the margin (log-odds, or the value), [rows, columns + 1] or [rows, classes, columns + 1]."""
        matrix = self._matrix(self._numbers(batch), missing=np.nan, nthread=1, feature_names=self._names)
        found = self._booster.predict(matrix, pred_contribs=True, iteration_range=self._rounds)
        return restored(np.asarray(found, dtype=np.float32), self._order)

    def _numbers(self, batch: Batch) -> Float32:
        return batch.numbers if self._order is None else np.ascontiguousarray(batch.numbers[:, self._order])


def order_of(names: list[str] | None, count: int, manifest: Manifest, library_name: str) -> list[int] | None:
    """Where the file's columns are among the schema's; None where they are in the same order, or have no names."""
    ours = [feature.name for feature in manifest.features]
    if count != len(ours):
        raise refused(f"the {library_name} file has {count} columns, the schema {len(ours)} features")
    if not names or list(names) == ours:
        return None
    if missing := sorted(set(names) - set(ours)):
        raise refused(f"the {library_name} file wants the column {missing[0]}, which the schema does not name")
    return [ours.index(name) for name in names]


def restored(found: Float32, order: list[int] | None) -> Float32:
    """Contributions in the schema's order; the last column is the base."""
    if order is None:
        return found
    back = np.empty_like(found)
    back[..., order] = found[..., :-1]
    back[..., -1] = found[..., -1]
    return back
