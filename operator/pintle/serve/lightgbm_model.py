"""LightGBM's own text files, as Booster.save_model writes them; no code runs on loading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pintle.contract.manifest import LIGHTGBM, MATRIX, MATRIX_INPUT, REGRESSION, Manifest
from pintle.serve.libraries import library, refused
from pintle.serve.models import Batch, Float32, Inputs, Prediction
from pintle.serve.predictions import PredictionMaker
from pintle.serve.xgboost_model import order_of, restored


class LightGBMModel:
    """A Booster over numbers and categories; a category that training never saw is missing. Raises Refusal."""

    def __init__(self, data: bytes, manifest: Manifest) -> None:
        lightgbm = library("lightgbm", LIGHTGBM)
        text = data.decode("utf-8", "replace")
        if not text.startswith("tree\n"):
            raise refused("this is no LightGBM text file: write it with booster_.save_model(...)")
        self._booster: Any = lightgbm.Booster(model_str=text)
        self.inputs = Inputs(manifest.features)
        self.matrix_input: str | None = MATRIX_INPUT if manifest.inputs == MATRIX else None
        self._codes = _codes(self._booster.pandas_categorical, manifest)
        names = self._booster.feature_name()
        unnamed = all(name == f"Column_{index}" for index, name in enumerate(names))
        # LightGBM writes white space in names as an underscore
        ours = {feature.name.replace(" ", "_"): feature.name for feature in manifest.features}
        known = None if unnamed else [ours.get(name, name) for name in names]
        self._order = order_of(known, self._booster.num_feature(), manifest, LIGHTGBM)
        self._regression = manifest.task == REGRESSION
        self._classes = len(manifest.labels)
        self._make = PredictionMaker(manifest)

    def predict(self, batch: Batch) -> Prediction:
        found = self._booster.predict(self._numbers(batch), num_threads=1)
        if self._regression:
            return self._make.values(found, len(batch))
        return self._make.shares(found, len(batch))

    def contributions(self, batch: Batch) -> Float32:
        """SHAP values of the margin (log-odds, or the value), [rows, columns + 1] or [rows, classes, columns + 1]."""
        found = self._booster.predict(self._numbers(batch), pred_contrib=True, num_threads=1)
        values = np.asarray(found, dtype=np.float32)
        width = len(self.inputs.features) + 1
        if values.shape[1] != width:
            values = values.reshape(len(batch), -1, width)
        return restored(values, self._order)

    def _numbers(self, batch: Batch) -> Float32:
        if not self.inputs.strings and self._order is None:
            return batch.numbers
        columns: list[Float32] = []
        numbers, strings = iter(batch.numbers.T), iter(batch.strings)
        for feature in self.inputs.features:
            if feature.is_string:
                code_of = self._codes[feature.name].get
                columns.append(np.array([code_of(value, np.nan) for value in next(strings)], dtype=np.float32))
            else:
                columns.append(next(numbers))
        if self._order is not None:
            columns = [columns[index] for index in self._order]
        return np.ascontiguousarray(np.stack(columns, axis=1))


def _codes(categories: list[list[Any]] | None, manifest: Manifest) -> dict[str, Mapping[str, int]]:
    """The code of each category by column: the file keeps those of pandas' category columns, in their order."""
    strings = [feature.name for feature in manifest.features if feature.is_string]
    listed = categories or []
    if len(strings) != len(listed):
        raise refused(
            f"the schema has {len(strings)} String columns, the LightGBM file categories of {len(listed)}: "
            "train on a data frame whose String columns are of pandas' dtype category"
        )
    return {
        name: {str(value): code for code, value in enumerate(values)}
        for name, values in zip(strings, listed, strict=True)
    }
