"""The champion as a gate meets it: its rows, its classes, its words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pintle.contract.manifest import BINARY, MULTICLASS, REGRESSION, parse_manifest
from pintle.contract.run import DatasetRequest
from pintle.train.champion import Champion, _does_not_fit, _in_order, _later, side_by_side, trained_through
from pintle.train.gates import Evidence, judge
from pintle.train.listing import in_words, listing_digest
from pintle.train.partitions import select
from pintle.train.schemas import columns_to_read, more_columns
from pintle.train.split import split
from pintle.train.storage import ObjectInfo
from pintle.train.truth import Truth

TIMES = pd.Series(pd.date_range("2013-01-01", periods=2000, freq="h", tz="UTC"))
SCHEMA: dict[str, Any] = {"target": "late", "timeColumn": "time", "features": [{"name": "x", "type": "Number"}]}


def manifest(**fields: Any) -> Any:
    """A champion's manifest."""
    raw: dict[str, Any] = {
        "formatVersion": 1,
        "modelFormat": "ONNX",
        "files": {"model.onnx": {"sha256": "0" * 64, "bytes": 1}},
        "task": BINARY,
        "outputs": {"labels": [0, 1]},
        "schema": {"features": [{"name": "x", "type": "Number"}]},
        **fields,
    }
    return parse_manifest(raw)


def evidence(better: float, champion_rows: slice = slice(None)) -> Evidence:
    """A champion that knows something, a candidate that is moved towards the truth; the baseline knows nothing."""
    rng = np.random.default_rng(1)
    chance = rng.random(2000)
    truth = Truth(BINARY, (0, 1), (rng.random(2000) < chance).astype(np.int64))
    known = np.stack([1 - chance, chance], axis=1)
    candidate = np.clip(known + better * (np.eye(2)[truth.values] - known), 0, 1)
    later = np.zeros(2000, dtype=bool)
    later[champion_rows] = True
    frame = pd.DataFrame({"place": np.where(np.arange(2000) % 2, "odd", "even")})
    champion = Champion("v3", known, later, "2013-01-31T00:00:00Z")
    none = np.full((2000, 2), 0.5)
    return Evidence(truth, candidate, {"linear": none}, frame, TIMES, 0, champion)


@pytest.mark.parametrize(
    ("better", "gate", "verdict"),
    [
        (0.3, {}, "Pass"),
        (0.3, {"minImprovement": "0.2"}, "Fail"),
        (-0.3, {}, "Fail"),
        (-0.02, {"require": "NotWorse", "margin": "0.02"}, "Pass"),
        (-0.3, {"require": "NotWorse", "margin": "0.02"}, "Fail"),
        (0.3, {"max": "0.001"}, "Fail"),
    ],
)
def test_a_gate_against_the_champion(better: float, gate: dict[str, str], verdict: str) -> None:
    """Judged by the difference to the champion, not to the baseline, which both beat by far."""
    found = judge({"metric": "brier", "comparedTo": "Champion", **gate}, evidence(better))
    assert found["verdict"] == verdict
    if "max" not in gate:
        assert found["other"] - found["candidate"] == pytest.approx(found["value"], abs=1e-6)
        assert found["why"].endswith("v3")


def test_only_rows_that_are_new_to_both_count() -> None:
    """Of 2,000 rows the last 1,000 are later than the champion's training."""
    found = judge({"metric": "brier", "comparedTo": "v3"}, evidence(0.3, slice(1000, None)))
    assert (found["verdict"], found["rows"]) == ("Pass", 1000)
    few = judge({"metric": "brier", "comparedTo": "v3"}, evidence(0.3, slice(1990, None)))
    assert few["verdict"] == "NeedMoreData"
    assert few["why"] == "10 rows, 50 needed, later than 2013-01-31T00:00:00Z, which v3 was trained on"


def test_other_gates_keep_all_rows() -> None:
    """A bound and the baseline have nothing to do with what the champion has seen."""
    made = evidence(0.3, slice(1990, None))
    assert judge({"metric": "auc", "min": "0.5"}, made)["rows"] == 2000
    assert judge({"metric": "brier", "comparedTo": "Baseline"}, made)["rows"] == 2000


def test_slices_are_judged_against_the_champion() -> None:
    """Each value of the feature on the rows that count."""
    found = judge({"metric": "brier", "comparedTo": "Champion", "slice": "place"}, evidence(0.3, slice(1000, None)))
    assert {name: (item["verdict"], item["rows"]) for name, item in found["slices"].items()} == {
        "odd": ("Pass", 500),
        "even": ("Pass", 500),
    }


def test_both_are_measured_on_the_same_rows() -> None:
    """For the record, with every metric; none where no rows are new to both."""
    made = evidence(0.3, slice(1000, None))
    assert made.champion is not None
    found = side_by_side(made.champion, made.truth, made.candidate)
    assert found["rows"] == 1000
    assert found["metrics"]["candidate"]["brier"] < found["metrics"]["champion"]["brier"]
    assert "metrics" not in side_by_side(
        Champion("v3", made.candidate, np.zeros(2000, bool)), made.truth, made.candidate
    )


@pytest.mark.parametrize(
    ("run", "through"),
    [
        ({"split": {"Train": {"through": "2013-02"}, "Evaluate": {"through": "2013-03"}}}, "2013-02"),
        ({"split": {"Train": {"through": "2013-01"}, "Validate": {"through": "2013-02"}}}, "2013-02"),
        (
            {"datasets": [{"role": "Train", "through": "2013-01"}, {"role": "Evaluate", "through": "2013-03"}]},
            "2013-01",
        ),
        ({"split": {"Train": {"rows": 5}}}, ""),
        ({}, ""),
    ],
    ids=["split", "validate", "data sets", "no times", "brought from elsewhere"],
)
def test_what_a_champion_was_trained_on(run: dict[str, Any], through: str) -> None:
    """Rows that it was judged on do not count: it learned nothing from them."""
    assert trained_through(manifest(run=run)) == through


def test_rows_of_its_last_second_are_not_later() -> None:
    """Ends are cut to whole seconds: a row in the same second may have been the last of its training."""
    times = pd.to_datetime(["2013-01-31T00:00:00.9", "2013-01-31T00:00:01", "2013-01-30"], utc=True, format="ISO8601")
    held = pd.DataFrame({"time": times})
    assert _later(held, SCHEMA, "2013-01-31T00:00:00Z").tolist() == [False, True, False]
    assert _later(held, SCHEMA, "").tolist() == [True, True, True]
    assert _later(held, {"features": []}, "2013-01-31T00:00:00Z").tolist() == [True, True, True]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, ""),
        ({"task": REGRESSION, "outputs": {}}, "is for Regression"),
        ({"schema": {"features": [{"name": "gone", "type": "Number"}]}}, "wants the columns gone"),
        ({"schema": {"features": [{"name": "x", "type": "String"}]}}, "wants x in another type"),
        ({"schema": {"features": [{"name": "x", "type": "Integer"}]}}, ""),
        ({"outputs": {"labels": [0, 2]}}, "has the classes [0, 2]"),
        ({"outputs": {"labels": [1, 0]}}, ""),
    ],
    ids=["fits", "task", "column", "type", "another number", "classes", "order of classes"],
)
def test_a_champion_that_cannot_be_asked_says_why(fields: dict[str, Any], words: str) -> None:
    """Task, columns, types, classes."""
    truth = Truth(BINARY, (0, 1), np.array([0, 1]))
    found = _does_not_fit(manifest(**fields), pd.DataFrame({"x": [1.0, 2.0]}), SCHEMA, truth)
    assert found.startswith(words)
    assert bool(found) == bool(words)


def test_classes_come_in_the_candidates_order() -> None:
    """A champion that names them otherwise means the same."""
    raw = manifest(task=MULTICLASS, outputs={"labels": ["c", "a", "b"]})
    truth = Truth(MULTICLASS, ("a", "b", "c"), np.array([0]))
    assert _in_order(np.array([[0.7, 0.2, 0.1]]), raw, truth).tolist() == [[0.2, 0.1, 0.7]]


NEEDS = [{"name": "x", "type": "Number"}, {"name": "zip", "type": "String"}, {"name": "late", "type": "Number"}]


def test_columns_of_the_champion_are_read_besides_the_declared_ones() -> None:
    """As text where it wants text; what the candidate declares itself stays as declared."""
    columns, strings = columns_to_read(SCHEMA, NEEDS)
    assert (columns, strings) == ({"x", "late", "time", "zip"}, {"zip"})
    assert columns_to_read({"target": "late"}, NEEDS) == (None, set())


def test_what_the_champion_needs_comes_as_a_model_meets_it() -> None:
    """Only what the candidate has not, never target or time, and not what has another type by now."""
    frame = pd.DataFrame({"x": [1.0, 2.0], "zip": ["a", None], "late": [0, 1], "time": TIMES[:2]})
    found = more_columns(
        frame, SCHEMA, [*NEEDS, {"name": "time", "type": "Number"}, {"name": "gone", "type": "Number"}]
    )
    assert found.to_dict("list") == {"zip": ["a", ""]}
    assert list(more_columns(frame.assign(zip=[1, 2]), SCHEMA, NEEDS)) == []


def test_what_the_champion_needs_moves_no_row_to_the_other_side() -> None:
    """Without a time rows are held back by hash: of the candidate's columns alone."""
    schema = {"target": "late", "features": [{"name": "x", "type": "Number"}]}
    frame = pd.DataFrame({"x": np.arange(1000.0), "late": np.arange(1000) % 2})
    plain = split(frame, None, None, schema)
    more = split(frame.assign(zip="a"), None, None, schema)
    assert plain.evaluate["x"].tolist() == more.evaluate["x"].tolist()


# Listings -------------------------------------------------------------------------------------------------------------


def found(*names: str, etag: str | None = "e", size: int = 1, uri: str = "pvc://data/months") -> Any:
    """A data set with the selection of these partitions."""
    moment = datetime(2013, 1, 1, tzinfo=UTC)
    objects = [ObjectInfo(f"{name}.parquet", size, moment, etag) for name in names]
    return DatasetRequest("train", "Train", uri), select(objects, None, moment)


def test_a_listing_is_known_by_names_sizes_and_etags() -> None:
    """Each of them changes it; where a store has no etag the time of the object stands for it."""
    listings = [
        found("2013-01"),
        found("2013-02"),
        found("2013-01", size=2),
        found("2013-01", etag="f"),
        found("2013-01", etag=None),
        found("2013-01", uri="pvc://data/others"),
    ]
    assert len({listing_digest([item]) for item in listings}) == len(listings)
    assert listing_digest([listings[0], listings[5]]) == listing_digest([listings[5], listings[0]])


@pytest.mark.parametrize(
    ("names", "words"),
    [((), "train: 0 partitions"), (("2013-01",), "train: 2013-01"), (("a", "b"), "train: 2 partitions to b")],
)
def test_a_listing_in_words(names: tuple[str, ...], words: str) -> None:
    """How many partitions, and the newest; it fits into a status."""
    assert in_words([found(*names)]) == words
    assert len(in_words([found(*names)] * 16)) <= 90
