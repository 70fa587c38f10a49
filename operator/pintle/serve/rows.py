"""From the values of a request to rows a model takes: names, types and missing values, each checked once.

Numbers are packed row by row and strings stay in columns, because that is how several requests are put together most
cheaply.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from pintle.contract.manifest import MISSING_STRING, Feature
from pintle.contract.times import days_of
from pintle.serve.http import BadRequest, BadSchema
from pintle.serve.models import Batch, Inputs

NUMBER_KINDS = frozenset((int, float, bool, type(None)))
STRING_KINDS = frozenset((str, type(None)))
MAX_SIGNATURES = 4_096
Numbers = npt.NDArray[Any]
Values = list[Any] | Numbers
"""Of a column, or of a matrix row by row: as JSON has them, or as a binary tensor."""
_JSON_NAME = {str: "a string", int: "a number", float: "a number", bool: "a boolean", list: "a list", dict: "an object"}


@dataclass(slots=True)
class Rows:
    """Checked rows of one request: `numbers` as float32 row by row (missing = NaN), `strings[column][row]`."""

    count: int
    numbers: bytes
    strings: list[list[str]]
    explain: bool = False
    """To be answered with contributions, by themselves."""


class RowReader:
    """Reads rows of one model. `max_rows` bounds one request."""

    def __init__(self, inputs: Inputs, max_rows: int) -> None:
        self._features = inputs.features
        self._by_name = {feature.name: feature for feature in inputs.features}
        self._names = tuple(self._by_name)
        self._known = frozenset(self._names)
        self._max_rows = max_rows
        self._number_names = tuple(feature.name for feature in inputs.numbers)
        self._string_names = tuple(feature.name for feature in inputs.strings)
        self._times = tuple(feature for feature in inputs.features if feature.is_time)
        # Rows of the same types in the same columns are checked once: a set look-up instead of a loop per value.
        self._good_types: set[tuple[type, ...]] = set()
        self._has_required = any(feature.required for feature in inputs.features)
        self._pick_numbers = _picker(self._number_names)
        self._pick_strings = _picker(self._string_names)
        self._pack = struct.Struct(f"{len(self._number_names)}f").pack

    def from_rows(self, rows: Any) -> Rows:
        """From `[{column: value}, ...]`; a column that is left out is missing. Raises BadRequest, BadSchema."""
        if type(rows) is not list or not rows:
            raise BadRequest('"rows" must be a list of at least one object')
        self._check_count(len(rows))
        if self._times:
            rows = [self._with_days(row, index) for index, row in enumerate(rows)]
        width, pick, pack = len(self._names), self._pick_numbers, self._pack
        numbers: list[bytes] = []
        strings: list[list[str]] = [[] for _ in self._string_names]
        for index, row in enumerate(rows):
            # A row with all columns and no missing value is checked by what turns it into float32: packing takes
            # numbers and booleans and nothing else that JSON has.
            try:
                if len(row) != width:
                    raise KeyError
                if strings:
                    self._add_strings(row, strings)
                numbers.append(pack(*pick(row)))
            except (KeyError, TypeError, struct.error, OverflowError):
                numbers.append(self._read_with_care(row, index, strings))
        return Rows(len(rows), numbers[0] if len(numbers) == 1 else b"".join(numbers), strings)

    def _with_days(self, row: Any, index: int) -> Any:
        """A row whose times are days; what is no row is left to be refused."""
        if type(row) is not dict:
            return row
        found = {item.name: _days(item, row[item.name], index) for item in self._times if item.name in row}
        return {**row, **found}

    def _add_strings(self, row: Mapping[str, Any], strings: list[list[str]]) -> None:
        """Raises KeyError, and then has added nothing, where one of them is no string."""
        found = self._pick_strings(row)
        for value in found:
            if type(value) is not str:
                raise KeyError
        for column, value in zip(strings, found, strict=True):
            column.append(value)

    def _read_with_care(self, row: Any, index: int, strings: list[list[str]]) -> bytes:
        """The numbers of a row that lacks values or does not fit; its strings replace what stands there already."""
        if type(row) is not dict:
            raise BadRequest(f"row {index} must be an object of columns, not {_name_of(row)}")
        values = list(map(row.get, self._names))
        if not row.keys() <= self._known:
            raise BadSchema(f"row {index}: {self._unknown(row.keys() - self._known)}")
        types = tuple(map(type, values))
        if types not in self._good_types:
            self._check_types(values, row, index)
            if len(self._good_types) < MAX_SIGNATURES:
                self._good_types.add(types)
        for column, name in zip(strings, self._string_names, strict=True):
            value = row.get(name)
            column[index:] = [MISSING_STRING if value is None else value]
        return _float32([row.get(name) for name in self._number_names])

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

    def from_lists(self, columns: Mapping[str, Values], count: int) -> Rows:
        """From known columns of `count` values each; NaN in an array is missing. Raises BadRequest, BadSchema."""
        self._check_count(count)
        numbers: list[bytes] = []
        strings: list[list[str]] = []
        for feature in self._features:
            values = columns.get(feature.name)
            if values is None:
                values = [None] * count
            if feature.is_time and feature.name in columns:
                values = [_days(feature, value, index) for index, value in enumerate(values)]
            if not isinstance(values, list):
                numbers.append(self._from_array(feature, values))
                continue
            if not feature.is_string:
                try:
                    numbers.append(struct.pack(f"{count}f", *values))
                    continue
                except (struct.error, OverflowError):
                    pass  # missing, too large for float32, or no numbers
            kinds = set(map(type, values))
            if not kinds <= (STRING_KINDS if feature.is_string else NUMBER_KINDS) or (
                feature.required and type(None) in kinds
            ):
                self._raise_for_column(feature, values, feature.name in columns)
            if feature.is_string:
                strings.append([MISSING_STRING if value is None else value for value in values])
            else:
                numbers.append(_float32(values))
        by_column = np.frombuffer(b"".join(numbers), dtype=np.float32).reshape(len(numbers), count)
        return Rows(count, by_column.T.tobytes(), strings)

    def from_matrix(self, values: Values, count: int) -> Rows:
        """From `count` rows of all columns one after another; numbers only. Raises BadRequest, BadSchema."""
        width = len(self._names)
        if isinstance(values, list):
            packed = self.from_packed(values, count)
            if packed is not None:
                return packed
            return self.from_lists({name: values[index::width] for index, name in enumerate(self._names)}, count)
        self._check_count(count)
        if self._has_required:
            for index, feature in enumerate(self._features):
                self._check_array(feature, values[index::width])
        return Rows(count, _float32(values), [])

    def from_packed(self, values: list[Any], count: int) -> Rows | None:
        """As `from_matrix` where that needs no care; None where a value is missing or no number. Raises BadRequest."""
        try:
            if count == 1:
                return Rows(1, self._pack(*values), [])
            self._check_count(count)
            return Rows(count, struct.pack(f"{count * len(self._names)}f", *values), [])
        except (struct.error, OverflowError):
            return None

    def _from_array(self, feature: Feature, values: Numbers) -> bytes:
        if feature.is_string:
            raise BadSchema(f"column {feature.name} must be strings, not numbers")
        self._check_array(feature, values)
        return _float32(values)

    def _check_array(self, feature: Feature, values: Numbers) -> None:
        """Raises BadSchema for a required value that is missing."""
        if feature.required and (missing := np.flatnonzero(np.isnan(values))).size:
            raise BadSchema(f"row {missing[0]}: column {feature.name} is required and missing (NaN)")

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
        rows, numbers, strings = parts[0].count, parts[0].numbers, parts[0].strings
    else:
        rows = sum([part.count for part in parts])
        numbers = b"".join([part.numbers for part in parts])
        strings = [[value for part in parts for value in part.strings[i]] for i in range(len(parts[0].strings))]
    return Batch(np.frombuffer(numbers, dtype=np.float32).reshape(rows, width), strings)


def _picker(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Takes these columns out of a row. The picked raises KeyError, TypeError for what is no row with all of them."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda row: tuple([row[name] for name in names])


def _float32(values: Values) -> bytes:
    """Numbers, booleans and None as float32; what float32 cannot hold is infinite, and will be counted as such."""
    with np.errstate(over="ignore"):
        return np.asarray(values, dtype=np.float32).tobytes()


def _days(feature: Feature, value: Any, index: int) -> float | None:
    """A time as days; the empty string is missing, as a string tensor has it. Raises BadSchema."""
    if value is None or value == MISSING_STRING:
        return None
    try:
        return days_of(value)
    except (TypeError, ValueError, OverflowError):
        message = f"column {feature.name} must be a date or time (ISO 8601) or null, not {str(value)[:50]!r}"
        raise BadSchema(f"row {index}: {message}") from None


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
