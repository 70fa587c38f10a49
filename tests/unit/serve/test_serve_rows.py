"""What a row may look like."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pintle.contract.manifest import Feature
from pintle.serve.http import BadRequest, BadSchema
from pintle.serve.models import Inputs
from pintle.serve.rows import RowReader, join

INPUTS = Inputs((Feature("carrier", "String"), Feature("hour", "Integer", required=True), Feature("wind")))


@pytest.fixture
def reader() -> RowReader:
    return RowReader(INPUTS, max_rows=3)


@pytest.mark.parametrize(
    ("row", "numbers", "string"),
    [
        ({"carrier": "AA", "hour": 3, "wind": 1.5}, [3, 1.5], "AA"),
        ({"wind": 1.5, "hour": 3.0, "carrier": "never seen"}, [3, 1.5], "never seen"),
        ({"carrier": None, "hour": 3, "wind": None}, [3, np.nan], ""),
        ({"hour": 3}, [3, np.nan], ""),
        ({"hour": True, "wind": False}, [1, 0], ""),
        ({"hour": 3, "wind": 1e300}, [3, np.inf], ""),
    ],
)
def test_a_row_is_taken(reader: RowReader, row: dict[str, Any], numbers: list[float], string: str) -> None:
    """Any order, missing values as null or left out, unknown categories, booleans as numbers."""
    batch = join([reader.from_rows([row])], 2)
    np.testing.assert_array_equal(batch.numbers, np.array([numbers], dtype=np.float32))
    assert batch.strings == [[string]]
    by_column = reader.from_columns({name: [value] for name, value in row.items()})
    np.testing.assert_array_equal(join([by_column], 2).numbers, batch.numbers)
    assert by_column.strings == [[string]]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"hour": 3, "wnd": 1}, "unknown column 'wnd'; this model takes carrier, hour, wind"),
        ({"wind": 3}, "column hour is required and missing"),
        ({"hour": None}, "column hour is required and null"),
        ({"hour": "3"}, "column hour must be a number or null, not a string"),
        ({"hour": 3, "carrier": 4}, "column carrier must be a string or null, not a number"),
        ({"hour": 3, "carrier": True}, "column carrier must be a string or null, not a boolean"),
        ({"hour": 3, "wind": [1]}, "column wind must be a number or null, not a list"),
        ({"hour": {}}, "column hour must be a number or null, not an object"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_by_name(reader: RowReader, row: dict[str, Any], message: str) -> None:
    """The message names column, expectation and finding, in rows and in columns, however often it is sent."""
    for _ in range(2):
        with pytest.raises(BadSchema) as rows:
            reader.from_rows([{"hour": 1}, row])
        assert rows.value.message == f"row 1: {message}"
    with pytest.raises(BadSchema) as columns:
        reader.from_columns({name: [value] for name, value in row.items()})
    assert message in columns.value.message


@pytest.mark.parametrize("rows", [None, [], {}, "x", [1], [None], [[]], [{"hour": 1}, 3], 5])
def test_what_are_no_rows_is_the_clients_fault(reader: RowReader, rows: Any) -> None:
    """Not a list of objects: rejected before any schema is looked at."""
    with pytest.raises(BadRequest):
        reader.from_rows(rows)


@pytest.mark.parametrize(
    "columns", [None, {}, [], {"hour": 3}, {"hour": []}, {"hour": [1], "wind": [1, 2]}, {"hour": None}]
)
def test_what_are_no_columns_is_the_clients_fault(reader: RowReader, columns: Any) -> None:
    """Columns must be lists of one length."""
    with pytest.raises(BadRequest):
        reader.from_columns(columns)


def test_too_many_rows_are_refused_with_413(reader: RowReader) -> None:
    """The bound on rows holds for both shapes."""
    for read, value in ((reader.from_rows, [{"hour": 1}] * 4), (reader.from_columns, {"hour": [1] * 4})):
        with pytest.raises(BadRequest) as refused:
            read(value)
        assert refused.value.status == 413


def test_requests_joined_keep_their_order(reader: RowReader) -> None:
    """A batch holds the rows of its requests one after another."""
    first = reader.from_rows([{"hour": 1, "carrier": "a"}, {"hour": 2}])
    second = reader.from_columns({"hour": [3, 4], "carrier": ["c", "d"]})
    batch = join([first, second], 2)
    assert batch.numbers[:, 0].tolist() == [1, 2, 3, 4]
    assert batch.strings == [["a", "", "c", "d"]]


def test_strings_alone_make_a_batch() -> None:
    """A model without number columns still has as many rows as were sent."""
    reader = RowReader(Inputs((Feature("carrier", "String"),)), 10)
    for rows in (reader.from_rows([{"carrier": "a"}, {}]), reader.from_columns({"carrier": ["a", None]})):
        batch = join([rows], 0)
        assert len(batch) == 2
        assert batch.strings == [["a", ""]]


def test_arrays_are_taken_as_lists_are(reader: RowReader) -> None:
    """A binary tensor's values, by column or as a matrix: the same rows; NaN is missing, and refused where required."""
    lists = reader.from_lists({"hour": [1, 2], "wind": [None, 1e300]}, 2)
    arrays = reader.from_lists({"hour": np.array([1, 2], dtype="u1"), "wind": np.array([np.nan, 1e300])}, 2)
    assert arrays == lists
    with pytest.raises(BadSchema, match="row 1: column hour is required and missing"):
        reader.from_lists({"hour": np.array([1, np.nan])}, 2)
    matrix = RowReader(Inputs((Feature("a"), Feature("b", required=True))), 3)
    assert matrix.from_matrix(np.arange(4.0), 2) == matrix.from_matrix([0, 1, 2, 3], 2)
    with pytest.raises(BadSchema, match="row 1: column b is required"):
        matrix.from_matrix(np.array([1.0, 2.0, 3.0, np.nan]), 2)
    assert matrix.from_matrix(np.array([np.nan, 2.0]), 1) == matrix.from_matrix([None, 2.0], 1)
