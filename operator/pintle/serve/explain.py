"""Contributions of the columns to an answer, where the model's library tells them (SHAP values of tree ensembles).

They are of the margin: the log-odds of the score's class, or the value. Contributions and base of a row add up to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from pintle.contract.manifest import Manifest
from pintle.serve.http import BadRequest
from pintle.serve.models import Batch, Model, Prediction
from pintle.serve.rows import Rows

EXPLAIN_ROWS = 1_000
"""Of one request: an explanation costs many predictions, and other requests wait for it."""


class Explainer:
    """Answers with contributions. `predict` may be called where the model's may."""

    def __init__(self, model: Model, manifest: Manifest) -> None:
        self._model = model
        self._contributions = None if manifest.output_names else getattr(model, "contributions", None)
        self._index_of = {label: index for index, label in enumerate(manifest.labels)}
        self._sign = -1.0 if manifest.positive_index == 0 else 1.0
        self._names = [feature.name for feature in manifest.features]

    @property
    def able(self) -> bool:
        """Whether the model tells contributions."""
        return self._contributions is not None

    def ask(self, rows: Rows) -> Rows:
        """The rows, to be answered with contributions. Raises BadRequest."""
        if not self.able:
            raise BadRequest("this model tells no contributions: XGBoost's and LightGBM's own files with one output do")
        if rows.count > EXPLAIN_ROWS:
            raise BadRequest(f"{rows.count} rows to explain, at most {EXPLAIN_ROWS} in one request", 413)
        rows.explain = True
        return rows

    def predict(self, batch: Batch) -> Prediction:
        """As the model, with contributions: of the positive class (two), of the label (more), of the value."""
        assert self._contributions is not None
        prediction = self._model.predict(batch)
        found = self._contributions(batch)
        if found.ndim == 3:
            likely = [self._index_of[label] for label in prediction.labels or []]
            found = found[np.arange(len(batch)), likely]
        prediction.contributions = np.ascontiguousarray(found * np.float32(self._sign))
        return prediction

    def texts(self, prediction: Prediction) -> list[bytes]:
        """JSON of each row: `"contributions": {column: figure}, "base": figure`."""
        assert prediction.contributions is not None
        made: list[bytes] = []
        for row in prediction.contributions:
            found: dict[str, Any] = dict(zip(self._names, row[:-1], strict=True))
            text = orjson.dumps({"contributions": found, "base": row[-1]}, option=orjson.OPT_SERIALIZE_NUMPY)
            made.append(text[1:-1])
        return made
