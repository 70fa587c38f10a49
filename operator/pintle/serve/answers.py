"""What a model answered, looked at before it goes out: a figure that is no number is no answer.

A classifier's largest probability among NaNs names some class all the same; nobody must act on such a label.
"""

from __future__ import annotations

import math

import numpy as np

from pintle.contract.manifest import MISSING_STRING
from pintle.serve.http import SCHEMA_REJECTED, SERVER_ERROR, Rejected
from pintle.serve.models import Batch, Indices, Inputs, Prediction

UNPROCESSABLE = 422
SHOWN = 5


def unanswered(prediction: Prediction) -> Indices | None:
    """Rows with a figure that is NaN or infinite, or None where there is none (the usual case, and cheap)."""
    figures = prediction.score if prediction.values is None else prediction.values
    if math.isfinite(figures.sum(dtype=np.float64)):
        return None
    finite = np.isfinite(figures)
    rows: Indices = np.flatnonzero(~(finite if finite.ndim == 1 else finite.all(axis=1)))
    return rows if len(rows) else None


def refusal(inputs: Inputs, batch: Batch, rows: Indices, first: int) -> Rejected:
    """Why a request has no answer; `rows` of the batch have none, and the request begins at row `first` of it.

    422 where a value is missing or beyond float32 in such a row: another version might answer it, so it counts as
    schema_rejected. 500 where nothing is, because then the model itself is at fault.
    """
    more = f" (and {len(rows) - 1} more rows)" if len(rows) > 1 else ""
    for row in rows.tolist():
        if suspects := _suspects(inputs, batch, row):
            message = (
                f"row {row - first}: the model answers no number where {', '.join(suspects)}{more}; "
                "send a value, or have the model impute it"
            )
            return Rejected(UNPROCESSABLE, message, SCHEMA_REJECTED)
    message = f"row {rows[0] - first}: the model answers no number, though no value is missing{more}"
    return Rejected(500, message, SERVER_ERROR)


def _suspects(inputs: Inputs, batch: Batch, row: int) -> list[str]:
    """Columns of a row that a model may have no answer to, each with what is wrong, at most SHOWN."""
    values = batch.numbers[row].tolist()
    found = [
        f"{feature.name} is {'missing' if math.isnan(value) else 'infinite in float32'}"
        for feature, value in zip(inputs.numbers, values, strict=True)
        if not math.isfinite(value)
    ]
    found += [
        f"{feature.name} is missing"
        for feature, column in zip(inputs.strings, batch.strings, strict=True)
        if column[row] == MISSING_STRING
    ]
    return [*found[:SHOWN], "..."] if len(found) > SHOWN else found
