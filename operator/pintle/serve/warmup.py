"""The model's own example rows, answered through the code that answers clients: the proof before the first traffic."""

from __future__ import annotations

import math
from typing import Any

from pintle.contract.exits import Exit
from pintle.contract.manifest import TOLERANCE, Example
from pintle.serve.artifact import LOAD_FAILED
from pintle.serve.http import Rejected
from pintle.serve.models import Model, Prediction
from pintle.serve.report import Refusal
from pintle.serve.rows import RowReader, join

ANSWERS_DIFFER = "AnswersDiffer"
SINGLE_ROWS = 20
"""Rows answered one by one, so that the first client does not pay for what a runtime allocates on first use."""


def prove(model: Model, example: Example) -> float:
    """The largest difference between the example's answers and the model's; relative for answers above 1.

    Raises Refusal (REFUSED): LoadFailed where the model cannot answer, AnswersDiffer above TOLERANCE.
    """
    reader = RowReader(model.inputs, len(example.rows))
    width = len(model.inputs.numbers)
    try:
        rows = [dict(row) for row in example.rows]
        prediction = model.predict(join([reader.from_rows(rows)], width))
        for row in rows[:SINGLE_ROWS]:
            model.predict(join([reader.from_rows([row])], width))
    except Rejected as rejected:
        raise Refusal(Exit.REFUSED, LOAD_FAILED, f"example.json does not fit the schema: {rejected.message}") from None
    except Exception as error:
        raise Refusal(Exit.REFUSED, LOAD_FAILED, f"the model cannot answer its example rows: {error!r}") from error
    largest = 0.0
    for index, expected in enumerate(example.answers):
        found = _answer(prediction, index, expected)
        difference = _difference(expected, found)
        if not difference <= TOLERANCE:
            message = f"row {index} of example.json: expected {expected}, got {found} (tolerance {TOLERANCE:g})"
            raise Refusal(Exit.REFUSED, ANSWERS_DIFFER, message)
        largest = max(largest, difference)
    return largest


def _answer(prediction: Prediction, index: int, expected: Any) -> Any:
    figures = prediction.figures
    if isinstance(expected, list) and figures.ndim == 2:
        return [float(value) for value in figures[index]]
    return float(prediction.score[index])


def _difference(expected: Any, found: Any) -> float:
    """Infinite where the two are of different shape or only one of them is a number."""
    if isinstance(expected, list):
        if not isinstance(found, list) or len(found) != len(expected):
            return math.inf
        return max((_difference(a, b) for a, b in zip(expected, found, strict=True)), default=0.0)
    if isinstance(found, list) or isinstance(expected, str | bool | dict):
        return math.inf
    if expected is None or math.isnan(expected):
        return 0.0 if math.isnan(found) else math.inf
    difference = abs(float(expected) - found) / max(1.0, abs(float(expected)))
    return math.inf if math.isnan(difference) else difference
