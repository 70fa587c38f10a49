"""From the values of a request to rows a model takes: names, types and missing values, each checked once.

Numbers stay in rows and strings in columns, because that is how several requests are put together most cheaply.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pintle.contract.manifest import MISSING_STRING, Feature
from pintle.serve.http import BadRequest, BadSchema
from pintle.serve.models import Batch, Inputs

NUMBER_KINDS = frozenset((int, float, bool, type(None)))
STRING_KINDS = frozenset((str, type(None)))
MAX_SIGNATURES = 4_096
_JSON_NAME = {str: "a string", int: "a number", float: "a number", bool: "a boolean", list: "a list", dict: "an object"}


@dataclass(slots=True)
class Rows:
    """Checked rows of one request: `numbers[row][column]` (None = missing), `strings[column][row]`."""

    count: int
    numbers: list[Sequence[Any]]
    strings: list[list[str]]


class RowReader:
    """Reads rows of one model. `max_rows` bounds one request."""

    def __init__(self, inputs: Inputs, max_rows: int) -> None:
        self._features = inputs.features
        self._by_name = {feature.name: feature for feature in inputs.features}
        self._names = tuple(self._by_name)
        self._known = frozenset(self._names)
        self._max_rows = max_rows
        self._is_string = tuple(feature.is_string for feature in inputs.features)
        # Rows of the same types in the same columns are checked once: a set look-up instead of a loop per value.
        self._good_types: set[tuple[type, ...]] = set()
        self._number_at = [index for index, string in enumerate(self._is_string) if not string]
        self._string_at = [index for index, string in enumerate(self._is_string) if string]
        self._pick: Callable[[list[Any]], Sequence[Any]] = self._pick_numbers if self._string_at else lambda row: row

    def _pick_numbers(self, row: list[Any]) -> Sequence[Any]:
        return [row[index] for index in self._number_at]

    def from_rows(self, rows: Any) -> Rows:
        """From `[{column: value}, ...]`; a column that is left out is missing. Raises BadRequest, BadSchema."""
        if type(rows) is not list or not rows:
            raise BadRequest('"rows" must be a list of at least one object')
        self._check_count(len(rows))
        numbers: list[Sequence[Any]] = []
        strings: list[list[str]] = [[] for _ in self._string_at]
        names, known, good = self._names, self._known, self._good_types
        for index, row in enumerate(rows):
            if type(row) is not dict:
                raise BadRequest(f"row {index} must be an object of columns, not {_name_of(row)}")
            values = list(map(row.get, names))
            if not row.keys() <= known:
                raise BadSchema(f"row {index}: {self._unknown(row.keys() - known)}")
            types = tuple(map(type, values))
            if types not in good:
                self._check_types(values, row, index)
                if len(good) < MAX_SIGNATURES:
                    good.add(types)
            numbers.append(self._pick(values))
            for column, at in zip(strings, self._string_at, strict=True):
                value = values[at]
                column.append(MISSING_STRING if value is None else value)
        return Rows(len(rows), numbers, strings)

    def from_columns(self, columns: Any) -> Rows:
        """From `{column: [value, ...]}`; a column that is left out is missing in all rows. Raises as `from_rows`."""
        if type(columns) is not dict or not columns:
            raise BadRequest('"columns" must be an object with at least one column')
        if unknown := columns.keys() - self._known:
            raise BadSchema(self._unknown(unknown))
        lengths = set()
        for name, column in columns.items():
            if type(column) is not list:
                raise BadRequest(f"column {name} must be a list of values, not {_name_of(column)}")
            lengths.add(len(column))
        if len(lengths) != 1 or 0 in lengths:
            raise BadRequest(
                f"all columns must have the same number of rows, at least one; found {sorted(lengths)[:5]}"
            )
        return self.from_lists(columns, lengths.pop())

    def from_lists(self, columns: Mapping[str, list[Any]], count: int) -> Rows:
        """From known columns of `count` values each. Raises BadRequest, BadSchema."""
        self._check_count(count)
        numbers: list[list[Any]] = []
        strings: list[list[str]] = []
        for feature in self._features:
            values = columns.get(feature.name)
            if values is None:
                values = [None] * count
            kinds = set(map(type, values))
            if not kinds <= (STRING_KINDS if feature.is_string else NUMBER_KINDS) or (
                feature.required and type(None) in kinds
            ):
                self._raise_for_column(feature, values, feature.name in columns)
            if feature.is_string:
                strings.append([MISSING_STRING if value is None else value for value in values])
            else:
                numbers.append(values)
        by_row: list[Sequence[Any]] = list(zip(*numbers, strict=True)) if numbers else [()] * count
        return Rows(count, by_row, strings)

    def _check_count(self, count: int) -> None:
        if count > self._max_rows:
            raise BadRequest(f"{count} rows in one request, at most {self._max_rows} are allowed", 413)

    def _check_types(self, values: list[Any], row: Mapping[str, Any], index: int) -> None:
        for feature, value in zip(self._features, values, strict=True):
            if problem := _problem(feature, value, feature.name in row):
                raise BadSchema(f"row {index}: {problem}")

    def _raise_for_column(self, feature: Feature, values: list[Any], present: bool) -> None:
        for index, value in enumerate(values):
            if problem := _problem(feature, value, present):
                raise BadSchema(f"row {index}: {problem}")

    def _unknown(self, unknown: set[str]) -> str:
        listed = ", ".join(repr(name[:100]) for name in sorted(unknown)[:5])
        expected = ", ".join(self._names[:20]) + (", ..." if len(self._names) > 20 else "")
        return f"unknown column {listed}; this model takes {expected}"


def join(parts: Sequence[Rows], width: int) -> Batch:
    """One batch of the rows of several requests; `width` is the number of number columns."""
    if len(parts) == 1:
        rows, strings = parts[0].numbers, parts[0].strings
    else:
        rows = [row for part in parts for row in part.numbers]
        strings = [[value for part in parts for value in part.strings[i]] for i in range(len(parts[0].strings))]
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is counted as such
        numbers = np.array(rows, dtype=np.float32).reshape(len(rows), width)
    return Batch(numbers, strings)


def _problem(feature: Feature, value: Any, present: bool) -> str | None:
    """What is wrong with a value, or None."""
    if value is None:
        if not feature.required:
            return None
        return f"column {feature.name} is required and {'null' if present else 'missing'}"
    if type(value) in (STRING_KINDS if feature.is_string else NUMBER_KINDS):
        return None
    expected = "a string" if feature.is_string else "a number"
    return f"column {feature.name} must be {expected} or null, not {_name_of(value)}"


def _name_of(value: Any) -> str:
    return "null" if value is None else _JSON_NAME.get(type(value), type(value).__name__)
