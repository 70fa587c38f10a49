"""Rows that are held back: later in time, other keys."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pintle.train.outcome import Refusal
from pintle.train.split import split

TIMED = {"timeColumn": "time", "features": []}


def rows(first: int, count: int, key: int = 0) -> pd.DataFrame:
    """`count` hourly rows from hour `first` on."""
    hours = first + np.arange(count)
    return pd.DataFrame(
        {"time": pd.Timestamp("2013-01-01", tz="UTC") + pd.to_timedelta(hours, unit="h"), "id": key + hours}
    )


def test_earlier_rows_are_dropped_from_evaluation() -> None:
    """Evaluation rows that are not later than the last training or validation row do not count."""
    found = split(rows(0, 100), rows(80, 40), rows(60, 200), TIMED)
    assert found.evaluate["time"].min() > found.train["time"].max()
    assert len(found.evaluate) == 140
    assert "60 rows not later" in found.notes[0]


def test_too_few_later_rows_need_more_data() -> None:
    """Fewer than 50 later rows end with 68, and the message says how many were dropped."""
    with pytest.raises(Refusal, match=r"20 rows to evaluate with, at least 50 needed.*80 rows not later") as refused:
        split(rows(0, 100), None, rows(20, 100), TIMED)
    assert refused.value.code == 68


def test_known_keys_are_dropped_from_evaluation() -> None:
    """No key is in both training and evaluation rows."""
    evaluate = rows(200, 100).assign(id=range(50, 150))
    found = split(rows(0, 100), None, evaluate, {**TIMED, "keyColumn": "id"})
    assert not set(found.evaluate["id"]) & set(found.train["id"])
    assert len(found.evaluate) == 50


def test_last_fifth_by_time_is_held_back() -> None:
    """Without Evaluate data the latest 20 % of training and validation rows are held back, whatever their order."""
    shuffled = rows(0, 1000).sample(frac=1, random_state=0)
    found = split(shuffled, None, None, TIMED)
    assert len(found.evaluate) == 200
    assert found.evaluate["time"].min() > found.train["time"].max()


def test_rows_of_one_instant_stay_together() -> None:
    """Rows of the same time never lie on both sides of the border."""
    frame = rows(0, 1000)
    frame["time"] = frame["time"].dt.floor("D")
    found = split(frame, None, None, TIMED)
    assert not set(found.evaluate["time"]) & set(found.train["time"])


def test_without_time_equal_keys_stay_together() -> None:
    """Without a time a fifth by hash is held back: all rows of a key on one side, the same every time."""
    frame = pd.DataFrame({"id": np.repeat(np.arange(1000), 3), "x": np.arange(3000)})
    schema = {"keyColumn": "id", "features": []}
    found, again = split(frame, None, None, schema), split(frame.iloc[::-1], None, None, schema)
    assert not set(found.evaluate["id"]) & set(found.train["id"])
    assert set(found.evaluate["id"]) == set(again.evaluate["id"])
    assert 0.15 < len(found.evaluate) / 3000 < 0.25
