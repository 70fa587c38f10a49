"""From what a library answers to a Prediction, alike for every format: shapes are checked, scores chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pintle.contract.manifest import Manifest
from pintle.serve.models import Float32, Prediction


class PredictionMaker:
    """Makes the Predictions of one model; every method raises ValueError for a shape that is not the manifest's."""

    def __init__(self, manifest: Manifest) -> None:
        self._labels = list(manifest.labels)
        self._label_of = {label: label for label in manifest.labels}
        self._positive = manifest.positive_index
        self._outputs = max(1, len(manifest.output_names))

    def values(self, found: npt.ArrayLike, rows: int) -> Prediction:
        """Of a regression: [rows], [rows, 1], or [rows, outputs]; the first output is the score."""
        values = np.asarray(found, dtype=np.float32)
        if values.size != rows * self._outputs:
            raise ValueError(f"values have the shape {values.shape} for {rows} rows and {self._outputs} outputs")
        if self._outputs == 1:
            return Prediction(values.reshape(rows))
        values = np.ascontiguousarray(values.reshape(rows, self._outputs))
        return Prediction(np.ascontiguousarray(values[:, 0]), values=values)

    def classes(self, found: npt.ArrayLike, rows: int, labels: list[Any] | None = None) -> Prediction:
        """Of a classification: probabilities [rows, classes]; without `labels` the most likely one is the label."""
        probabilities = np.ascontiguousarray(found, dtype=np.float32)
        if probabilities.shape != (rows, len(self._labels)):
            raise ValueError(f"probabilities have the shape {probabilities.shape} for {len(self._labels)} labels")
        if labels is None:
            labels = [self._labels[index] for index in probabilities.argmax(axis=1).tolist()]
        else:
            label_of = self._label_of
            labels = [label_of.get(label, label) for label in labels]
        return Prediction(score_of(probabilities, self._positive), labels, probabilities)

    def shares(self, found: npt.ArrayLike, rows: int) -> Prediction:
        """Of a booster: probabilities [rows, classes], or P(second class) alone, [rows] or [rows, 1]."""
        shares = np.asarray(found, dtype=np.float32)
        if shares.size == rows and len(self._labels) == 2:
            shares = shares.reshape(rows)
            if (shares < 0).any() or (shares > 1).any():
                raise ValueError("the answers are no probabilities: train with an objective that gives them")
            shares = np.stack([1 - shares, shares], axis=1)
        return self.classes(shares, rows)

    def outliers(self, signs: npt.ArrayLike, scores: npt.ArrayLike, rows: int) -> Prediction:
        """Of an outlier detector: signs (-1 = outlier, 1 = not, as scikit-learn has them) and scores, [rows] each."""
        score = np.asarray(scores, dtype=np.float32)
        if score.size != rows or np.size(signs) != rows:
            raise ValueError(f"scores have the shape {score.shape} for {rows} rows")
        return Prediction(score.reshape(rows), (np.asarray(signs).reshape(rows) < 0).tolist())


def score_of(probabilities: Float32, positive: int | None) -> Float32:
    """P(positive) where there is a positive class, else the largest probability; [rows]."""
    if positive is not None:
        return probabilities[:, positive]
    return probabilities.max(axis=1) if len(probabilities) else probabilities[:, 0]
