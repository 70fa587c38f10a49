"""Contributions of the columns to an answer: SHAP values.

They are of the margin: the log-odds of the score's class, or the value. Contributions and base of a row add up to it.
XGBoost and LightGBM tell those of their trees; for all other models they are sampled (sampled.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import orjson

from pintle.contract.manifest import Example, Manifest
from pintle.serve.http import BadRequest
from pintle.serve.models import Batch, Float32, Model, Prediction
from pintle.serve.report import log
from pintle.serve.rows import RowReader, Rows, join
from pintle.serve.sampled import SampledContributions

EXPLAIN_ROWS = 1_000
"""Of one request: an explanation costs many predictions, and other requests wait for it."""
NOT_ABLE = (
    "no contributions are told of this model: it has several outputs, or no answer to its example rows, "
    "or PINTLE_EXPLAIN_ROWS is 0"
)


class Contributions(Protocol):
    """Where they come from."""

    method: str
    """Told with each answer: what two methods call a contribution does not compare."""

    @property
    def most_rows(self) -> int:
        """Rows that may be explained at once."""
        ...

    def explain(self, batch: Batch, prediction: Prediction) -> Float32:
        """Of the rows, [rows, columns + 1] with the base last; `prediction` is the model's."""
        ...


class Told:
    """Those that the model's library tells: of the positive class (two), of the label (more), of the value."""

    method = "Library"
    most_rows = EXPLAIN_ROWS

    def __init__(self, contributions: Callable[[Batch], Float32], manifest: Manifest) -> None:
        self._contributions = contributions
        self._index_of = {label: index for index, label in enumerate(manifest.labels)}
        self._sign = -1.0 if manifest.positive_index == 0 else 1.0

    def explain(self, batch: Batch, prediction: Prediction) -> Float32:
        """As Contributions."""
        found = self._contributions(batch)
        if found.ndim == 3:
            likely = [self._index_of[label] for label in prediction.labels or []]
            found = found[np.arange(len(batch)), likely]
        return np.ascontiguousarray(found * np.float32(self._sign))


class Explainer:
    """Answers with contributions. `predict` may be called where the model's may."""

    def __init__(self, model: Model, manifest: Manifest, example: Example, budget: int) -> None:
        """`budget`: rows that the model may be asked for to explain one request; 0 where that is not wanted."""
        self._model = model
        self._source = None if manifest.output_names else _source(model, manifest, example, budget)
        self._names = [feature.name for feature in manifest.features]

    @property
    def able(self) -> bool:
        """Whether the model's answers can be explained."""
        return self._source is not None

    @property
    def method(self) -> str:
        """Of an explainer that is able."""
        assert self._source is not None
        return self._source.method

    def ask(self, rows: Rows) -> Rows:
        """The rows, to be answered with contributions. Raises BadRequest."""
        if self._source is None:
            raise BadRequest(NOT_ABLE)
        most = min(EXPLAIN_ROWS, self._source.most_rows)
        if rows.count > most:
            raise BadRequest(f"{rows.count} rows to explain, at most {most} in one request to this model", 413)
        rows.explain = True
        return rows

    def predict(self, batch: Batch) -> Prediction:
        """As the model, with contributions."""
        assert self._source is not None
        prediction = self._model.predict(batch)
        prediction.contributions = self._source.explain(batch, prediction)
        return prediction

    def texts(self, prediction: Prediction) -> list[bytes]:
        """JSON of each row: `"contributions": {column: figure}, "base": figure, "method": name`."""
        assert prediction.contributions is not None
        made: list[bytes] = []
        for row in prediction.contributions:
            found: dict[str, Any] = dict(zip(self._names, row[:-1], strict=True))
            explanation = {"contributions": found, "base": row[-1], "method": self.method}
            made.append(orjson.dumps(explanation, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1])
        return made


def _source(model: Model, manifest: Manifest, example: Example, budget: int) -> Contributions | None:
    told = getattr(model, "contributions", None)
    if told is not None:
        return Told(told, manifest)
    if not budget:
        return None
    try:
        rows = RowReader(model.inputs, len(example.rows)).from_rows([dict(row) for row in example.rows])
        return SampledContributions(model, join([rows], len(model.inputs.numbers)), budget)
    except ValueError as error:
        log("no explanations", "warning", reason=str(error))
        return None
