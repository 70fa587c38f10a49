"""Formats besides ONNX: packed, loaded, proven, asked; and refused where library, policy or file are amiss."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from pintle.contract.exits import Exit
from pintle.serve import pack
from pintle.serve.artifact import open_artifact
from pintle.serve.models import load_model
from pintle.serve.report import Refusal
from pintle.serve.warmup import prove
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.unit.serve import artifacts
from tests.unit.serve.test_serve_handler import client_of

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3)).astype(np.float32)
X[::7, 2] = np.nan
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
Z = np.digitize(X[:, 0], (-0.5, 0.5))
NUMBERS = [{"name": name, "type": "Number"} for name in "abc"]
ROWS = [dict(zip("abc", row, strict=True)) for row in [[0.5, 1.0, None], [-2.0, 0.25, 1.0], [3.0, -1.0, 0.0]]]
BINARY = {"task": "BinaryClassification", "outputs": {"labels": ["no", "yes"], "positive": "yes"}}
MULTICLASS = {"task": "Multiclass", "outputs": {"labels": ["low", "middle", "high"]}}
REGRESSION: dict[str, Any] = {"task": "Regression", "outputs": {}}


def describe(folder: Path, model_format: str, task: dict[str, Any], features: Any = NUMBERS, rows: Any = ROWS) -> Path:
    """What `pack` needs beside the model file; returns the folder."""
    folder.mkdir(exist_ok=True, parents=True)
    described = {"modelFormat": model_format, "schema": {"features": features}, **task}
    (folder / "describe.json").write_text(json.dumps(described))
    (folder / "rows.json").write_text(json.dumps(rows))
    return folder


def boosted(kind: str, target: Any, objective: dict[str, Any]) -> Any:
    """A small booster of one of the two libraries; columns a, b, c."""
    frame = pd.DataFrame(X, columns=list("abc"))
    if kind == "XGBoost":
        return xgboost.train(
            {"max_depth": 3, "nthread": 1, **objective}, xgboost.DMatrix(frame, target), num_boost_round=5
        )
    return lightgbm.train(
        {"num_threads": 1, "verbosity": -1, **objective}, lightgbm.Dataset(frame, np.array(target)), 5
    )


def save(booster: Any, folder: Path, name: str = "") -> None:
    folder.mkdir(exist_ok=True, parents=True)
    booster.save_model(folder / (name or ("model.ubj" if isinstance(booster, xgboost.Booster) else "model.txt")))


CASES = {
    ("XGBoost", "binary"): ({"objective": "binary:logistic"}, Y, BINARY),
    ("XGBoost", "classes"): ({"objective": "multi:softprob", "num_class": 3}, Z, MULTICLASS),
    ("XGBoost", "value"): ({"objective": "reg:squarederror"}, X[:, 0], REGRESSION),
    ("LightGBM", "binary"): ({"objective": "binary"}, Y, BINARY),
    ("LightGBM", "classes"): ({"objective": "multiclass", "num_class": 3}, Z, MULTICLASS),
    ("LightGBM", "value"): ({"objective": "regression"}, X[:, 0], REGRESSION),
}


def asked(booster: Any) -> Any:
    """The library's own answer to ROWS."""
    frame = pd.DataFrame(ROWS, dtype="float64")
    return booster.predict(xgboost.DMatrix(frame) if isinstance(booster, xgboost.Booster) else frame)


def make(folder: Path, kind: str, what: str) -> tuple[Path, Any]:
    """A packed artifact, and the booster in it."""
    objective, target, task = CASES[kind, what]
    booster = boosted(kind, target, objective)
    save(booster, describe(folder, kind, task))
    pack.pack(folder)
    return folder, booster


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "what"), list(CASES))
async def test_native_files_answer_as_their_library_does(tmp_path: Path, kind: str, what: str) -> None:
    """Packed, verified, proven by its example, and asked over /predict with a missing value."""
    folder, booster = make(tmp_path / "m", kind, what)
    artifact = open_artifact(folder)
    assert prove(load_model(artifact), artifact.example) < 1e-6
    client = client_of(folder)
    _, found = await client.post("/predict", {"rows": ROWS})
    expected = asked(booster)
    for index, item in enumerate(found["predictions"]):
        if what == "value":
            assert item["value"] == pytest.approx(expected[index], abs=1e-5)
        elif what == "binary":
            assert item["probabilities"]["yes"] == pytest.approx(expected[index], abs=1e-5)
            assert item["label"] == ("yes" if expected[index] > 0.5 else "no")
        else:
            assert list(item["probabilities"].values()) == pytest.approx(expected[index].tolist(), abs=1e-5)
    client.handler.close()


@pytest.mark.parametrize("kind", ["XGBoost", "LightGBM"])
async def test_columns_go_by_name_and_not_by_place(tmp_path: Path, kind: str) -> None:
    """A schema in another order than the file's columns: the same answers."""
    booster = boosted(kind, X[:, 0] * 2 + X[:, 1], CASES[kind, "value"][0])
    save(booster, describe(tmp_path / "m", kind, REGRESSION, NUMBERS[::-1]))
    pack.pack(tmp_path / "m")
    client = client_of(tmp_path / "m")
    _, found = await client.post("/predict", {"rows": ROWS})
    assert [item["value"] for item in found["predictions"]] == pytest.approx(asked(booster).tolist(), abs=1e-5)
    client.handler.close()


async def test_lightgbm_keeps_categories(tmp_path: Path) -> None:
    """Strings are coded by the file's own list; one that training never saw is missing."""
    frame = pd.DataFrame({"a": X[:, 0], "city": pd.Categorical(np.where(X[:, 1] > 0, "Rome", "Oslo"))})
    booster = lightgbm.train(
        {"num_threads": 1, "verbosity": -1, "objective": "regression", "min_data_per_group": 5, "cat_smooth": 1},
        lightgbm.Dataset(frame, np.where(X[:, 1] > 0, 5.0, 1.0)),
        20,
    )
    features = [{"name": "a", "type": "Number"}, {"name": "city", "type": "String"}]
    rows = [
        {"a": 0.5, "city": "Rome"},
        {"a": 0.5, "city": "Oslo"},
        {"a": 0.5, "city": None},
        {"a": 0.5, "city": "Bonn"},
    ]
    save(booster, describe(tmp_path / "m", "LightGBM", REGRESSION, features, rows))
    pack.pack(tmp_path / "m")
    client = client_of(tmp_path / "m")
    _, found = await client.post("/predict", {"rows": rows})
    cities = pd.Categorical(["Rome", "Oslo", None, None], categories=frame["city"].cat.categories)
    expected = booster.predict(pd.DataFrame({"a": [0.5] * 4, "city": cities}))
    values = [item["value"] for item in found["predictions"]]
    assert values == pytest.approx(expected.tolist(), abs=1e-5)
    assert values[0] > 4 > 2 > values[1]
    client.handler.close()


def test_early_stopping_is_honoured(tmp_path: Path) -> None:
    """XGBClassifier answers with its best iteration; so does the server."""
    model = xgboost.XGBClassifier(n_estimators=30, early_stopping_rounds=2, n_jobs=1, learning_rate=1.0)
    noise = RNG.integers(0, 2, len(X))
    model.fit(X, Y, eval_set=[(X, noise)], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    save(model.get_booster(), describe(tmp_path / "m", "XGBoost", BINARY))
    pack.pack(tmp_path / "m")
    answers = open_artifact(tmp_path / "m").example.answers
    expected = model.predict_proba(np.array([list(row.values()) for row in ROWS], dtype=float))[:, 1]
    assert list(answers) == pytest.approx(expected.tolist(), abs=1e-6)


def estimator(folder: Path, model_format: str, data: Callable[[Any], bytes], name: str) -> Path:
    """A scikit-learn pipeline in a file."""
    rows = [{**row, "c": row["c"] or 0.0} for row in ROWS]
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(
        pd.DataFrame(np.nan_to_num(X), columns=list("abc")), Y
    )
    describe(folder, model_format, BINARY, rows=rows)
    (folder / name).write_bytes(data(model))
    return folder


def test_a_pickle_is_opened_where_the_policy_says_so_and_nowhere_else(tmp_path: Path) -> None:
    """The artifact cannot allow itself; the word is the operator's."""
    folder = estimator(tmp_path / "m", "Pickle", pickle.dumps, "model.pkl")
    pack.pack(folder, ("pickle",))
    artifact = open_artifact(folder)
    assert prove(load_model(artifact, ("pickle",)), artifact.example) < 1e-6
    with pytest.raises(Refusal, match="runs its code when it is loaded") as refused:
        load_model(artifact, ("sklearn.pipeline.Pipeline",))
    assert refused.value.code == Exit.REFUSED


def test_an_unpickled_pickle_does_nothing(tmp_path: Path) -> None:
    """Refused before a byte of it runs."""

    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    folder = describe(tmp_path / "m", "Pickle", BINARY)
    (folder / "model.pkl").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(Refusal):
        pack.pack(folder)
    assert not (tmp_path / "ran").exists()


def mlmodel(folder: Path, **flavours: Any) -> None:
    text = json.dumps({"artifact_path": "model", "flavors": {**flavours, "python_function": {"env": "conda.yaml"}}})
    (folder / "MLmodel").write_text(text)  # JSON is YAML


@pytest.mark.parametrize(
    ("kind", "name"), [("XGBoost", "model.xgb"), ("XGBoost", "model.json"), ("LightGBM", "model.lgb")]
)
async def test_an_mlflow_folder_of_a_booster(tmp_path: Path, kind: str, name: str) -> None:
    """MLmodel says which file it is; the answers are the library's."""
    booster = boosted(kind, Y, CASES[kind, "binary"][0])
    folder = describe(tmp_path / "m", "MLflow", BINARY)
    booster.save_model(folder / (name if name != "model.xgb" else "model.ubj"))
    if name == "model.xgb":
        (folder / "model.ubj").rename(folder / name)
    mlmodel(folder, **{kind.lower(): {"data": name, "model_class": "x"}})
    (folder / "conda.yaml").write_text("name: x")
    pack.pack(folder)
    answers = open_artifact(folder).example.answers
    assert list(answers) == pytest.approx(asked(booster).tolist(), abs=1e-6)


def test_mlflow_folders_of_onnx_and_skops(tmp_path: Path) -> None:
    """The other flavours that can be read without running code."""
    import skops.io

    folder = estimator(tmp_path / "s", "MLflow", skops.io.dumps, "model.skops")
    mlmodel(folder, sklearn={"pickled_model": "model.skops", "serialization_format": "skops"})
    pack.pack(folder)
    made = artifacts.make_matrix(tmp_path / "onnx")
    folder = describe(tmp_path / "o", "MLflow", {**BINARY, "inputs": "Matrix"}, [{"name": f"f{i}"} for i in range(4)])
    (folder / "rows.json").write_text(json.dumps([{"f0": 1.0, "f1": 2.0, "f2": 0.0, "f3": -1.0}]))
    (folder / "model.onnx").write_bytes((made / "model.onnx").read_bytes())
    mlmodel(folder, onnx={"data": "model.onnx"})
    pack.pack(folder)
    assert 0 < open_artifact(folder).example.answers[0] < 1


def test_an_mlflow_folder_of_a_wrapper_in_skops(tmp_path: Path) -> None:
    """MLflow can log LightGBM's scikit-learn wrapper as skops: opened with the types that the policy names."""
    import skops.io

    folder = describe(tmp_path / "m", "MLflow", BINARY)
    model = lightgbm.LGBMClassifier(n_estimators=3, n_jobs=1, verbosity=-1).fit(pd.DataFrame(X, columns=list("abc")), Y)
    (folder / "model.skops").write_bytes(skops.io.dumps(model))
    mlmodel(folder, lightgbm={"data": "model.skops", "serialization_format": "skops"})
    with pytest.raises(Refusal, match="does not trust"):
        pack.pack(folder)
    pack.pack(folder, ("collections.OrderedDict", "lightgbm.basic.Booster", "lightgbm.sklearn.LGBMClassifier"))
    expected = model.predict_proba(pd.DataFrame(ROWS, dtype="float64"))[:, 1]
    assert list(open_artifact(folder).example.answers) == pytest.approx(expected.tolist(), abs=1e-6)


@pytest.mark.parametrize(
    ("flavours", "word"),
    [
        ({"sklearn": {"pickled_model": "model.pkl", "serialization_format": "cloudpickle"}}, "runs its code"),
        ({"lightgbm": {"data": "model.pkl"}}, "log the booster itself"),
        ({"prophet": {"data": "model.pr"}}, "flavours prophet, python_function; this server opens onnx"),
        ({"xgboost": {"data": "gone.xgb"}}, "which the manifest does not list"),
    ],
)
def test_an_mlflow_folder_that_is_not_opened(tmp_path: Path, flavours: Any, word: str) -> None:
    """With what to do instead."""
    folder = describe(tmp_path / "m", "MLflow", BINARY)
    (folder / "model.pkl").write_bytes(pickle.dumps(1))
    mlmodel(folder, **flavours)
    with pytest.raises(Refusal) as refused:
        pack.pack(folder)
    assert word in refused.value.message


@pytest.mark.parametrize(
    ("kind", "module"), [("XGBoost", "xgboost"), ("LightGBM", "lightgbm"), ("MLflow", "yaml"), ("Skops", "skops.io")]
)
def test_a_lean_image_says_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, module: str
) -> None:
    """The library, the image that has it, and ONNX as the way without."""
    folder = describe(tmp_path / "m", kind, BINARY)
    for name in ("model.ubj", "model.txt", "MLmodel", "model.skops"):
        (folder / name).write_bytes(b"x")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(Refusal) as refused:
        pack.pack(folder)
    assert refused.value.code == Exit.REFUSED
    for word in (f"has no {module}", f"a {kind} model", "serve-full", "modelFormat: ONNX"):
        assert word in refused.value.message


@pytest.mark.parametrize(
    ("kind", "features", "word"),
    [
        ("XGBoost", [*NUMBERS, {"name": "d"}], "has 3 columns, the schema 4 features"),
        ("LightGBM", NUMBERS[:2], "has 3 columns, the schema 2 features"),
        ("XGBoost", [*NUMBERS[:2], {"name": "z"}], "wants the column c"),
        ("LightGBM", [*NUMBERS[:2], {"name": "z"}], "wants the column c"),
        ("XGBoost", [*NUMBERS[:2], {"name": "c", "type": "String"}], "takes numbers only"),
        ("LightGBM", [*NUMBERS[:2], {"name": "c", "type": "String"}], "has 1 String columns"),
    ],
)
def test_a_schema_that_is_not_the_files(tmp_path: Path, kind: str, features: Any, word: str) -> None:
    """Found when the model is loaded, named."""
    save(boosted(kind, Y, CASES[kind, "binary"][0]), describe(tmp_path / "m", kind, BINARY, features))
    with pytest.raises(Refusal) as refused:
        pack.pack(tmp_path / "m")
    assert word in refused.value.message


@pytest.mark.parametrize(
    ("kind", "name"), [("XGBoost", "model.ubj"), ("LightGBM", "model.txt"), ("Skops", "model.skops")]
)
def test_bytes_that_are_no_model(tmp_path: Path, kind: str, name: str) -> None:
    """A refusal, not a crash."""
    folder = describe(tmp_path / "m", kind, BINARY)
    (folder / name).write_bytes(b"no model")
    with pytest.raises(Refusal):
        pack.pack(folder)


def test_answers_that_are_no_probabilities_are_refused(tmp_path: Path) -> None:
    """A margin (objective logitraw) must not pass as P(yes)."""
    folder = describe(tmp_path / "m", "XGBoost", BINARY)
    save(boosted("XGBoost", Y, {"objective": "binary:logitraw"}), folder)
    with pytest.raises(Refusal, match="no probabilities"):
        pack.pack(folder)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    """The digest holds for every format."""
    folder, _ = make(tmp_path / "m", "LightGBM", "value")
    (folder / "model.txt").write_text((folder / "model.txt").read_text() + "\n")
    with pytest.raises(Refusal, match="is not the file that"):
        load_model(open_artifact(folder))


def test_pack_prints_the_digest_or_why_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The digest is what a ModelVersion names; exit codes are the contract's."""
    folder, _ = make(tmp_path / "m", "XGBoost", "value")
    assert pack.main([str(folder)], {}) == Exit.DONE
    assert capsys.readouterr().out.strip() == artifacts.digest_of(folder)
    (folder / "rows.json").write_text('[{"speed": 1}]')
    assert pack.main([str(folder)], {}) == Exit.CONFIG
    assert "unknown column 'speed'" in capsys.readouterr().err
    assert pack.main([str(tmp_path / "absent")], {}) == Exit.CONFIG
    assert pack.main([], {}) == Exit.CONFIG
