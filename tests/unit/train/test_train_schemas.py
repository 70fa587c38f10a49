"""Schema: inference, types as a model meets them, and the report on data that break it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pintle.contract.times import days_of
from pintle.train.artifact import _value
from pintle.train.columns import Findings, feature_column
from pintle.train.outcome import Refusal
from pintle.train.schemas import canonical_frame, check_labels, complete, refuse_if_wrong, report

GOLDEN = Path(__file__).parents[2] / "golden" / "train" / "bad-data.txt"


def test_types_are_inferred_from_the_rows() -> None:
    """Booleans, integers, numbers and strings are told apart; times and empty columns are no features."""
    frame = pd.DataFrame(
        {
            "flag": [True, False],
            "maybe": [True, None],
            "count": [1, 2],
            "size": [1.5, None],
            "name": ["a", None],
            "empty": [None, None],
            "when": pd.to_datetime(["2013-01-01", "2013-01-02"]),
            "y": [0, 1],
        }
    )
    schema, notes = complete({"target": "y"}, frame)
    types = {feature["name"]: feature["type"] for feature in schema["features"]}
    expected = {"flag": "Boolean", "maybe": "Boolean", "count": "Integer", "size": "Number", "name": "String"}
    assert types == expected
    assert len(notes) == 2


@pytest.mark.parametrize("convert", [list, pd.to_datetime])
def test_a_time_becomes_the_days_that_a_server_feeds(convert: Any) -> None:
    """As text or as datetimes, with the server's own definition; and back to text in the example."""
    texts = ["2013-01-01", "2024-02-29T12:34:56", "1969-12-31T23:00:00"]
    column = {"type": "Timestamp", "name": "t"}
    frame = pd.DataFrame({"t": texts if convert is list else convert(texts, format="ISO8601")})
    findings = Findings("train", 3)
    found = feature_column(frame, column, findings)
    assert not findings.items
    assert found.dtype == "float32"
    assert found.tolist() == [float(np.float32(days_of(text))) for text in texts]
    for value in found:
        assert np.float32(days_of(_value(value, "Timestamp"))) == value


@pytest.mark.parametrize(("values", "rows"), [([1, 2], 2), (["2013-01-01", "soon"], 1), ([True, None], 1)])
def test_what_is_no_time_is_reported(values: list[Any], rows: int) -> None:
    """Numbers too: their unit is a guess. A missing time is missing."""
    findings = Findings("train", 2)
    feature_column(pd.DataFrame({"t": values}), {"type": "Timestamp", "name": "t"}, findings)
    assert [(item.rule, item.rows) for item in findings.items] == [("is a time (ISO 8601)", rows)]
    findings = Findings("train", 1)
    assert feature_column(pd.DataFrame({"t": [None]}), {"type": "Timestamp", "name": "t"}, findings).isna().all()
    assert not findings.items


def test_target_must_be_known() -> None:
    """Without a target the message says what to write; a column called target is taken."""
    with pytest.raises(Refusal, match="name the column to predict") as refused:
        complete({}, pd.DataFrame({"a": [1]}))
    assert refused.value.code == 78
    assert complete({}, pd.DataFrame({"a": [1], "target": [0]}))[0]["target"] == "target"


@pytest.mark.parametrize("part", ["target", "timeColumn", "keyColumn"])
def test_features_hold_no_special_column(part: str) -> None:
    """The target, the time and the key cannot be features."""
    schema = {"target": "y", part: "a", "features": [{"name": "a", "type": "Number"}]}
    with pytest.raises(Refusal, match=part):
        complete(schema, pd.DataFrame({"a": [1], "y": [1]}))


def test_columns_become_what_a_server_feeds() -> None:
    """Numbers are float32 with NaN, strings are str with "" for a missing one, booleans 0 and 1, times UTC."""
    frame = pd.DataFrame(
        {"n": [1, 2], "s": ["a", None], "b": [True, None], "y": [True, False], "t": ["2013-01-01", "2013-01-02T03:00Z"]}
    )
    features = [{"name": "n", "type": "Integer"}, {"name": "s", "type": "String"}, {"name": "b", "type": "Boolean"}]
    found, findings = canonical_frame(frame, {"target": "y", "timeColumn": "t", "features": features}, "train")
    assert not findings.items
    assert (found["n"].dtype, found["b"].dtype, found["y"].dtype) == (np.float32, np.float32, np.int64)
    assert found["s"].tolist() == ["a", ""]
    assert np.isnan(found["b"][1])
    assert str(found["t"][1]) == "2013-01-02 03:00:00+00:00"


def bad_frame() -> pd.DataFrame:
    rows = 200
    frame = pd.DataFrame(
        {
            "hour": np.arange(rows) % 24,
            "delay": np.linspace(0, 10, rows),
            "carrier": np.where(np.arange(rows) % 2, "AA", "UA").astype(object),
            "origin": "JFK",
            "visits": np.arange(rows, dtype=float),
            "time": "2013-01-01T00:00:00Z",
            "late": np.arange(rows) % 2,
        }
    )
    frame.loc[:11, "hour"] = [24, 25, 99] * 4
    frame.loc[5:6, "hour"] = -1
    frame.loc[0, "delay"] = np.inf
    frame.loc[3:40, "carrier"] = None
    frame.loc[50:51, "origin"] = "LAX"
    frame.loc[7, "visits"] = 7.5
    frame.loc[9, "time"] = "yesterday"
    frame["late"] = frame["late"].astype(object)
    frame.loc[10, "late"] = None
    return frame


BAD_SCHEMA: dict[str, Any] = {
    "target": "late",
    "timeColumn": "time",
    "features": [
        {"name": "hour", "type": "Integer", "min": "0", "max": "23"},
        {"name": "delay", "type": "Number"},
        {"name": "carrier", "type": "String", "required": True},
        {"name": "origin", "type": "String", "values": ["EWR", "JFK", "LGA"]},
        {"name": "visits", "type": "Integer"},
        {"name": "altitude", "type": "Number"},
    ],
}


def test_report_names_column_rule_rows_and_examples() -> None:
    """The report on bad data reads like tests/golden/train/bad-data.txt."""
    _, findings = canonical_frame(bad_frame(), BAD_SCHEMA, "train")
    assert report([findings]) + "\n" == GOLDEN.read_text()


def test_refusal_has_essentials_and_everything() -> None:
    """Bad data end with 65; the message has one sentence per rule, the details the whole report."""
    _, findings = canonical_frame(bad_frame(), BAD_SCHEMA, "train")
    with pytest.raises(Refusal) as refused:
        refuse_if_wrong([findings])
    assert refused.value.code == 65
    assert "train: origin: not 'one of EWR, JFK, LGA' in 2 rows (LAX)" in refused.value.message
    assert refused.value.details["report"] == report([findings])


def labelled(task: str | None, train: list[Any], test: list[Any]) -> list[str]:
    """What check_labels says about targets in training and evaluation rows."""
    schema = {"target": "y", "task": task, "features": []}
    frames = [canonical_frame(pd.DataFrame({"y": rows}), schema, "x") for rows in (train, test)]
    findings = [found for _, found in frames]
    check_labels([("Train", frames[0][0]), ("Evaluate", frames[1][0])], schema, findings)
    return [item.rule for one in findings for item in one.items]


def test_classes_of_training_bound_those_of_evaluation() -> None:
    """A class that training has never seen cannot be judged; too few or too many classes are said before training."""
    assert labelled(None, ["a", "b"], ["a", "c"]) == ["is a class of the training rows"]
    assert labelled(None, ["a", "a"], ["a"]) == ["has at least two classes in training"]
    assert labelled("BinaryClassification", ["a", "b", "c"], ["a"]) == ["has two classes in training"]
    assert labelled("Multiclass", [0, 1, 2], [2]) == []
    assert labelled("Regression", [1, 2], [3]) == []
    assert labelled(None, [0.5, 1.5], [2.5]) == []
