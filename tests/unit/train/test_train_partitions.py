"""Selection of partitions, from listings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pintle.train.partitions import partition_of, pattern_of, select
from pintle.train.storage import ObjectInfo

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def listing(*names: str, age: int = 3600) -> list[ObjectInfo]:
    return [ObjectInfo(name, 10, NOW - timedelta(seconds=age)) for name in names]


def chosen(objects: list[ObjectInfo], **spec: Any) -> tuple[str, ...]:
    return select(objects, {"partition": "{yyyy}-{MM}", **spec}, NOW).partitions


@pytest.mark.parametrize(
    ("name", "partition"),
    [
        ("2013-01.parquet", "2013-01"),
        ("2013-01.csv", "2013-01"),
        ("2013-01.csv.gz", "2013-01"),
        ("2013-01/part-0.parquet", "2013-01"),
        ("2013-01/a/b.csv", "2013-01"),
    ],
)
def test_partition_is_file_or_first_folder(name: str, partition: str) -> None:
    """A partition is named by the file without extension, or by the folder directly below the URI."""
    assert partition_of(name) == partition


def test_latest_and_skip_count_from_the_newest() -> None:
    """`skip` leaves out the newest, `latest` takes what comes before; oldest first in the result."""
    months = listing(*(f"2013-{month:02d}.parquet" for month in range(1, 7)))
    assert chosen(months, latest=3, skip=1) == ("2013-03", "2013-04", "2013-05")
    assert chosen(months) == ("2013-06",)


def test_time_orders_partitions_not_spelling() -> None:
    """A form with the month first is still sorted by year."""
    found = select(listing("12-2012.csv", "01-2013.csv"), {"partition": "{MM}-{yyyy}", "latest": 1}, NOW)
    assert found.partitions == ("01-2013",)


def test_all_files_of_a_folder_partition_are_taken() -> None:
    """Every data file below the chosen folder, and none of another."""
    objects = listing("2013-01/a.parquet", "2013-02/a.parquet", "2013-02/b.parquet", "2013-02/_SUCCESS")
    found = select(objects, {"partition": "{yyyy}-{MM}", "latest": 1}, NOW)
    assert [info.name for info in found.objects] == ["2013-02/a.parquet", "2013-02/b.parquet"]


def test_excluded_partitions_make_room_for_older_ones() -> None:
    """Both ends of an exclusion are left out, with its reason in the notes."""
    months = listing(*(f"2013-{month:02d}.parquet" for month in range(1, 7)))
    exclude = [{"from": "2013-04", "to": "2013-05", "reason": "broken sensor"}]
    found = select(months, {"partition": "{yyyy}-{MM}", "latest": 2, "exclude": exclude}, NOW)
    assert found.partitions == ("2013-03", "2013-06")
    assert "2013-04 excluded: broken sensor" in found.notes


def test_unsettled_partitions_wait() -> None:
    """A partition of which any file changed within settleSeconds is not taken yet."""
    objects = [*listing("2013-01.parquet", "2013-02/a.parquet"), *listing("2013-02/b.parquet", age=10)]
    assert chosen(objects, settleSeconds=60) == ("2013-01",)
    assert chosen(objects, settleSeconds=5) == ("2013-02",)


def test_other_names_are_no_partitions() -> None:
    """Names that do not have the form are ignored."""
    assert chosen(listing("2013-01.parquet", "readme.csv", "2013-1.csv", "x2013-02.csv")) == ("2013-01",)


def test_without_select_everything_is_taken() -> None:
    """All Parquet and CSV files, hidden ones and other kinds left out."""
    found = select(listing("a.parquet", "b.csv", "c.txt", ".hidden.csv", "_tmp/d.csv"), None, NOW)
    assert [info.name for info in found.objects] == ["a.parquet", "b.csv"]


@pytest.mark.parametrize("form", ["{yyyy}-{mm}", "{MM}", "{yyyy}{yyyy}", ""])
def test_wrong_forms_are_refused(form: str) -> None:
    """An unknown or repeated placeholder, or a form without a year, is an error that names it."""
    with pytest.raises(ValueError, match=r"select\.partition"):
        pattern_of(form)
