"""Models: conversion to ONNX with parity, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pintle.train.convert import Parity, parity, refuse_without_parity, to_onnx
from pintle.train.models import Estimator, OnnxModel, find_model, load_skops
from pintle.train.outcome import Refusal
from pintle.train.user import save
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

FEATURES = [{"name": "x", "type": "Number"}, {"name": "n", "type": "Integer"}, {"name": "s", "type": "String"}]
SCHEMA: dict[str, Any] = {"features": FEATURES}
NUMBERS: dict[str, Any] = {"features": FEATURES[:2]}


def rows(count: int = 3000, seed: int = 0) -> pd.DataFrame:
    """Rows as fetch writes them: float32 with NaN, strings with "" for a missing one."""
    rng = np.random.default_rng(seed)
    x = np.where(rng.random(count) < 0.1, np.nan, rng.normal(size=count) * 1000)
    s = pd.Series(rng.choice(["a", "b", "c", ""], count))
    return pd.DataFrame({"x": x.astype(np.float32), "n": rng.integers(0, 1440, count).astype(np.float32), "s": s})


def target(frame: pd.DataFrame) -> np.ndarray:
    noise = np.random.default_rng(1).normal(size=len(frame))
    return np.asarray(frame["x"].fillna(0) / 1000 + (frame["s"] == "a") + frame["n"] / 1440 + noise)


ONE_HOT = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
CODES = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
FILLED = make_pipeline(SimpleImputer(), StandardScaler())


def columns(strings: Any, numbers: Any = "passthrough") -> ColumnTransformer:
    return ColumnTransformer([("s", strings, ["s"]), ("n", numbers, ["x", "n"])])


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(columns(ONE_HOT), HistGradientBoostingClassifier(max_iter=20)),
        make_pipeline(columns(CODES), HistGradientBoostingClassifier(max_iter=20)),
        make_pipeline(columns(ONE_HOT, FILLED), LogisticRegression()),
        make_pipeline(columns(CODES, SimpleImputer()), RandomForestClassifier(10, max_depth=6)),
        GridSearchCV(
            make_pipeline(columns(ONE_HOT, FILLED), LogisticRegression()), {"logisticregression__C": [0.1, 1]}
        ),
        make_pipeline(columns(CODES), HistGradientBoostingRegressor(max_iter=20)),
        make_pipeline(columns(ONE_HOT, FILLED), Ridge()),
    ],
    ids=["trees-onehot", "trees-codes", "logistic", "forest", "search", "trees-regression", "ridge"],
)
def test_documented_pipelines_convert_and_agree(model: Any) -> None:
    """Missing numbers, missing strings and strings never seen in training get the same answer from ONNX."""
    frame = rows()
    y = target(frame)
    model.fit(frame, y if not hasattr(model, "predict_proba") else (y > 0.5).astype(int))
    estimator = Estimator(model, ["x", "n", "s"])
    converted = OnnxModel(to_onnx(estimator, SCHEMA, frame.head()), SCHEMA)
    new = rows(seed=2)
    new.loc[:20, "s"] = "never seen"
    found = parity(estimator.predict(new), converted.predict(new), estimator.is_classifier)
    assert converted.inputs == "Columns"
    assert found.holds
    assert found.largest < 1e-5


def test_bare_estimator_over_numbers_converts() -> None:
    """An estimator without a pipeline takes a matrix; its ONNX model still has one input per feature."""
    frame = rows()[["x", "n"]]
    estimator = Estimator(HistGradientBoostingClassifier(max_iter=10).fit(frame, frame["n"] > 700), ["x", "n"])
    converted = OnnxModel(to_onnx(estimator, NUMBERS, frame.head()), NUMBERS)
    assert converted.inputs == "Columns"
    assert parity(estimator.predict(frame), converted.predict(frame), True).holds


def test_conversion_that_changes_answers_is_refused() -> None:
    """skl2onnx converts categorical_features of histogram boosting without a word, and wrongly: parity finds it."""
    frame = rows()
    trees = HistGradientBoostingClassifier(max_iter=20, categorical_features=[0])
    model = make_pipeline(columns(CODES), trees).fit(frame, target(frame) > 0.5)
    estimator = Estimator(model, ["x", "n", "s"])
    converted = OnnxModel(to_onnx(estimator, SCHEMA, frame.head()), SCHEMA)
    with pytest.raises(Refusal) as refused:
        refuse_without_parity(parity(estimator.predict(frame), converted.predict(frame), True))
    assert (refused.value.code, refused.value.reason) == (66, "ParityFailed")


def test_few_jumps_are_parity_many_are_not() -> None:
    """A row in a thousand on the other side of a threshold is float32; one in fifty is another model; NaN always is."""
    expected = np.tile([0.4, 0.6], (1000, 1))
    for jumps, holds in ((1, True), (20, False)):
        found = expected.copy()
        found[:jumps] = [0.5, 0.5]
        assert parity(expected, found, True).holds is holds
    broken = expected.copy()
    broken[0] = np.nan
    assert not parity(expected, broken, True).holds


def test_parity_of_a_regression_is_relative() -> None:
    """Differences count in units of the spread of the answers: large targets are not refused for float32."""
    expected = np.random.default_rng(0).normal(size=1000) * 1e6
    assert parity(expected, expected.astype(np.float32).astype(float), False).holds
    assert not parity(expected, expected + 1e4, False).holds


def test_parity_report_has_the_figures() -> None:
    """The record says rows, largest and mean difference, share of jumps and the tolerance."""
    assert Parity(10, 0.5, 0.05, 0.1).to_json() == {
        "rows": 10,
        "maxDifference": 0.5,
        "meanDifference": 0.05,
        "jumps": 0.1,
        "tolerance": 1e-4,
    }


def test_matrix_models_are_understood() -> None:
    """A model of one float matrix is served as Matrix; one with other inputs is refused with both lists."""
    from skl2onnx import to_onnx as convert

    frame = rows()[["x", "n"]].fillna(0)
    plain = LogisticRegression().fit(frame.to_numpy(), frame["n"] > 700)
    data = convert(plain, frame.to_numpy()[:1], options={id(plain): {"zipmap": False}}).SerializeToString()
    model = OnnxModel(data, NUMBERS)
    assert model.inputs == "Matrix"
    assert np.allclose(model.predict(frame), plain.predict_proba(frame.to_numpy()), atol=1e-5)
    with pytest.raises(Refusal, match=r"the features need x: tensor\(float\), n: .*, s: tensor\(string\)"):
        OnnxModel(data, SCHEMA)


def test_labels_in_another_order_are_refused() -> None:
    """Probabilities that belong to other classes than the target's are found by the label beside them."""
    from skl2onnx import to_onnx as convert

    frame = rows()[["x", "n"]].fillna(0)
    plain = LogisticRegression().fit(frame.to_numpy(), np.where(frame["n"] > 700, "late", "good"))
    data = convert(plain, frame.to_numpy()[:1], options={id(plain): {"zipmap": False}}).SerializeToString()
    model = OnnxModel(data, NUMBERS)
    model.refuse_other_labels(frame, ("good", "late"))
    for labels in (("late", "good"), (0, 1)):
        with pytest.raises(Refusal, match="does not name the classes"):
            model.refuse_other_labels(frame, labels)


def test_zipmap_is_refused_with_the_remedy() -> None:
    """A list of dictionaries is no tensor; the message says zipmap=False."""
    from skl2onnx import to_onnx as convert

    frame = rows()[["x", "n"]].fillna(0)
    plain = LogisticRegression().fit(frame.to_numpy(), frame["n"] > 700)
    with pytest.raises(Refusal, match="zipmap=False"):
        OnnxModel(convert(plain, frame.to_numpy()[:1]).SerializeToString(), NUMBERS)


def test_saved_estimator_loads_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pintle.train.save writes, evaluate opens without any policy."""
    monkeypatch.setenv("PINTLE_MODEL_DIR", str(tmp_path))
    frame = rows()
    model = make_pipeline(columns(CODES), HistGradientBoostingClassifier(max_iter=5)).fit(frame, target(frame) > 0.5)
    save(model)
    loaded = load_skops(find_model(tmp_path), ["x", "n", "s"])
    assert np.array_equal(loaded.predict(frame), model.predict_proba(frame))


def test_model_files_that_are_refused(tmp_path: Path) -> None:
    """Nothing, two models, and a link to somewhere else are refused, each with its reason."""
    with pytest.raises(Refusal, match=r"call pintle\.train\.save"):
        find_model(tmp_path)
    (tmp_path / "elsewhere").write_text("x")
    (tmp_path / "model.onnx").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refusal, match="not a plain file"):
        find_model(tmp_path)
    (tmp_path / "model.skops").write_text("x")
    with pytest.raises(Refusal, match="save one model"):
        find_model(tmp_path)


def test_garbage_is_refused(tmp_path: Path) -> None:
    """A file that is no model ends with 66 and says so."""
    (tmp_path / "model.skops").write_bytes(b"no model")
    with pytest.raises(Refusal, match="cannot be loaded") as refused:
        load_skops(find_model(tmp_path), ["x"])
    assert refused.value.code == 66
    with pytest.raises(Refusal, match="cannot load the model") as refused:
        OnnxModel(b"no model", SCHEMA)
    assert refused.value.code == 66


def test_model_over_other_columns_is_refused() -> None:
    """A model that was fit on a column outside the schema (the target, say) cannot be served."""
    frame = rows()[["x", "n"]].fillna(0).assign(late=1)
    model = LogisticRegression().fit(frame, frame["n"] > 700)
    with pytest.raises(Refusal, match="wants the columns late"):
        Estimator(model, ["x", "n"])
