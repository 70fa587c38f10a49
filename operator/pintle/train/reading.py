"""Parquet and CSV files into one data frame, with an eye on partitions that do not fit together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from pintle.contract.exits import Exit
from pintle.train.outcome import DATA_INVALID, Refusal

if TYPE_CHECKING:
    import pandas as pd

# Spellings of a missing value in CSV files.
NULLS = ["", "NA", "NaN", "nan", "null", "NULL", "None"]


def read_frame(
    files: Sequence[tuple[str, Path]], columns: Collection[str] | None, strings: Collection[str]
) -> pd.DataFrame:
    """All rows of the files (name, path), in order, with the columns asked for as far as they exist.

    `strings` are columns that a CSV file holds as text whatever they look like.
    Raises Refusal(DATA_INVALID) for an unreadable file and for a column whose type changes between files.
    """
    tables = [(name, _read(name, path, columns, strings)) for name, path in files]
    _same_kinds(tables)
    table = pa.concat_tables([table for _, table in tables], promote_options="permissive")
    return table.to_pandas(date_as_object=False, timestamp_as_object=False)


def _read(name: str, path: Path, columns: Collection[str] | None, strings: Collection[str]) -> pa.Table:
    try:
        if name.endswith(".parquet"):
            wanted = None
            if columns is not None:
                present = pa.parquet.read_schema(path).names
                wanted = [column for column in present if column in columns]
            table = pa.parquet.read_table(path, columns=wanted)
        else:
            table = _read_csv(name, path, columns, strings)
    except (pa.ArrowException, OSError, ValueError) as error:
        detail = str(error).strip().splitlines()[0][:300]
        raise Refusal(Exit.DATA_INVALID, DATA_INVALID, f"{name} cannot be read: {detail}") from error
    return _plain(table)


def _read_csv(name: str, path: Path, columns: Collection[str] | None, strings: Collection[str]) -> pa.Table:
    # By stream, not by path: the temporary file's name does not say whether it is compressed.
    compression = "gzip" if name.endswith(".gz") else None
    options = pa.csv.ConvertOptions(
        column_types={column: pa.string() for column in strings},
        null_values=NULLS,
        strings_can_be_null=True,
    )
    with pa.input_stream(str(path), compression=compression) as stream:
        table = pa.csv.read_csv(stream, convert_options=options)
    if columns is not None:
        table = table.select([column for column in table.column_names if column in columns])
    return table


def _plain(table: pa.Table) -> pa.Table:
    """Dictionaries as their values, decimals as float64; file metadata (an old index) dropped."""
    for index, column in enumerate(table.schema):
        if pa.types.is_dictionary(column.type):
            table = table.set_column(index, column.name, table.column(index).cast(column.type.value_type))
        elif pa.types.is_decimal(column.type):
            table = table.set_column(index, column.name, table.column(index).cast(pa.float64()))
    return table.replace_schema_metadata(None)


def _same_kinds(tables: Sequence[tuple[str, pa.Table]]) -> None:
    first: dict[str, tuple[str, str, pa.Table]] = {}
    for name, table in tables:
        for column in table.schema:
            kind = _kind(column.type)
            if kind == "nothing":
                continue
            earlier_name, earlier, before = first.setdefault(column.name, (name, kind, table))
            if earlier != kind:
                message = f"column {column.name} is a {earlier} in {earlier_name} and a {kind} in {name}"
                if {earlier, kind} == {"number", "string"}:
                    texts = (before if earlier == "string" else table).column(column.name)
                    message += _no_numbers(texts)
                raise Refusal(Exit.DATA_INVALID, DATA_INVALID, message)


def _no_numbers(texts: pa.ChunkedArray) -> str:
    """How many values are no number, with examples: `: 2 of 10 rows are no number, 'gale' in row 7`; rows from 1."""
    values = enumerate(texts.to_pylist(), start=1)
    wrong = [(row, text) for row, text in values if text is not None and not _number(text)]
    if not wrong:
        return ""
    examples = ", ".join(f"{text[:40]!r} in row {row}" for row, text in wrong[:3])
    return f": {len(wrong)} of {len(texts)} rows are no number, {examples}"


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _kind(kind: Any) -> str:
    if pa.types.is_null(kind):
        return "nothing"
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return "number"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "string"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "time"
    return str(kind)
