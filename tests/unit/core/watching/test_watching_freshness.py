"""How old the training rows are: times, names of partitions, roles."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pintle.core.watching.freshness import moment_of, trained_through


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2013-03-31T23:30:00Z", datetime(2013, 3, 31, 23, 30, tzinfo=UTC)),
        ("2013-03-31 23:30:00", datetime(2013, 3, 31, 23, 30, tzinfo=UTC)),
        ("2013-03", datetime(2013, 4, 1, tzinfo=UTC)),
        ("2013-12", datetime(2014, 1, 1, tzinfo=UTC)),
        ("2013", datetime(2014, 1, 1, tzinfo=UTC)),
        ("2013-03-31", datetime(2013, 4, 1, tzinfo=UTC)),
        ("20130331", datetime(2013, 4, 1, tzinfo=UTC)),
        ("flights/2013-02.parquet", datetime(2013, 3, 1, tzinfo=UTC)),
        ("part-7", None),
        ("2013-13", None),
        ("", None),
    ],
)
def test_times_and_partitions(text: str, moment: datetime | None) -> None:
    """A partition's name is the end of its period; what is no date is none."""
    assert moment_of(text) == moment


def version(*datasets: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"datasets": list(datasets)}}


def test_rows_of_training_count() -> None:
    """Newer evaluation rows do not make a model fresh; of several training sets the newest counts."""
    found = version(
        {"role": "Train", "through": "2013-02"},
        {"role": "Train", "through": "2013-03"},
        {"role": "Evaluate", "through": "2013-04"},
    )
    assert trained_through(found) == datetime(2013, 4, 1, tzinfo=UTC)


def test_a_version_without_datasets_has_no_age() -> None:
    """One brought from elsewhere."""
    assert trained_through({"spec": {}}) is None
