"""The monthly partitions of the flights example."""

from __future__ import annotations

from pathlib import Path

import features
import pandas as pd
import partitions
import pytest

pytestmark = pytest.mark.slow


def test_partitions_hold_labelled_flights_in_order_and_months_do_not_overlap(tmp_path: Path) -> None:
    """Each file holds its month's flights with an arrival, by time; the months follow one another."""
    written = partitions.write(tmp_path, [1, 2])
    assert sorted(item.name for item in tmp_path.iterdir()) == ["2013-01.parquet", "2013-02.parquet"]
    first, second = (pd.read_parquet(item.path) for item in written)
    assert [len(first), len(second)] == [item.rows for item in written]
    assert len(first) + written[0].without_label == 27_004
    for table in (first, second):
        assert list(table.columns) == [features.KEY, features.TIME, *features.FEATURES, features.TARGET]
        assert table[features.TIME].is_monotonic_increasing
        assert set(table[features.TARGET]) == {0, 1}
    assert first[features.TIME].max() < second[features.TIME].min()


def test_the_same_month_gives_the_same_bytes(tmp_path: Path) -> None:
    """Written again, alone or among others, a partition has the same bytes: its digest tells whether data changed."""
    alone = partitions.write(tmp_path / "alone", [2])[0].path
    among = partitions.write(tmp_path / "among", [1, 2])[1].path
    assert alone.read_bytes() == among.read_bytes()


def test_departure_delays_come_only_when_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--with dep_delay` carries the column along; progress names every file."""
    assert partitions.main([str(tmp_path), "--months", "2", "--with", "dep_delay"]) == 0
    assert "dep_delay" in pd.read_parquet(tmp_path / "2013-02.parquet").columns
    assert "2013-02.parquet  23,611 flights" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["0", "13", "5-4", "x", ""])
def test_months_that_do_not_exist_are_refused(text: str) -> None:
    """Only months 1 to 12, in order."""
    with pytest.raises(ValueError, match=r"month|invalid literal"):
        partitions.months_of(text)
