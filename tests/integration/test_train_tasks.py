"""Whole runs of the other kinds: a regression, several classes, no time column, another model format."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pintle.contract.manifest import Manifest
from pintle.contract.profile import Profile

from tests.runs import Run, flights

TRAIN_PY = """
import pintle.train as pt
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

schema, rows = pt.schema(), pt.load("Train")
strings = [feature["name"] for feature in schema["features"] if feature["type"] == "String"]
numbers = [feature["name"] for feature in schema["features"] if feature["type"] != "String"]
columns = ColumnTransformer(
    [("s", OneHotEncoder(handle_unknown="ignore"), strings), ("n", SimpleImputer(), numbers)]
)
model = Ridge() if pt.hyperparameters()["kind"] == "regression" else LogisticRegression(max_iter=1000)
pt.save(make_pipeline(columns, model).fit(rows[strings + numbers], rows[schema["target"]]))
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Three months; the targets `delay` (a number) and `grade` (three words) go with the number and the hour."""
    made = Run(tmp_path)
    for month in (1, 2, 3):
        frame = flights(month, 800)
        rng = np.random.default_rng(month)
        score = frame["number"].fillna(0) + frame["hour"] / 24
        frame["delay"] = 30 + 10 * score + rng.normal(size=len(frame))
        frame["grade"] = pd.cut(score + rng.normal(0, 0.3, len(frame)), 3, labels=["good", "late", "worse"]).astype(str)
        made.partition(month, frame)
    return made


def features() -> list[dict[str, str]]:
    types = {"number": "Number", "hour": "Integer", "carrier": "String"}
    return [{"name": name, "type": kind} for name, kind in types.items()]


def through(run: Run, kind: str) -> tuple[Manifest, Profile, dict[str, object]]:
    """Fetch, train, evaluate; what evaluate left."""
    run.ask(hyperparameters={"kind": kind})
    assert run.phase("fetch")[0] == 0, run.output
    run.train(TRAIN_PY)
    code, result = run.phase("evaluate")
    assert code == 0, run.output
    folder = run.root / "artifact"
    manifest = Manifest.from_bytes((folder / "manifest.json").read_bytes())
    return manifest, Profile.from_bytes((folder / "profile.json").read_bytes()), result


def test_regression_from_end_to_end(run: Run) -> None:
    """A regression is judged by rmse against mean, last value and a linear fit, and answers with values."""
    gates = (
        {"metric": "rmse", "comparedTo": "Baseline", "require": "NotWorse", "margin": "1"},
        {"metric": "r2", "min": "0.5"},
    )
    run.ask(schema={"target": "delay", "timeColumn": "time", "features": features()}, gates=gates)
    manifest, profile, result = through(run, "regression")
    assert (manifest.task, manifest.labels, result["verdict"]) == ("Regression", (), "Pass")
    assert set(manifest.raw["metrics"]) == {"rmse", "mae", "r2"}
    assert profile.outputs[0].name == "value"
    example = json.loads((run.root / "artifact" / "example.json").read_text())
    assert all(isinstance(answer, float) for answer in example["answers"])


def test_several_classes_from_end_to_end(run: Run) -> None:
    """Three words are classes in the order of the alphabet; an answer is a list of probabilities."""
    gates = ({"metric": "logLoss", "comparedTo": "Baseline", "require": "NotWorse", "margin": "0.05"},)
    run.ask(schema={"target": "grade", "timeColumn": "time", "features": features()}, gates=gates)
    manifest, profile, result = through(run, "classes")
    assert (manifest.task, manifest.labels) == ("Multiclass", ("good", "late", "worse"))
    assert result["verdict"] == "Pass"
    assert profile.outputs[0].name == "confidence"
    example = json.loads((run.root / "artifact" / "example.json").read_text())
    assert all(sum(answer) == pytest.approx(1, abs=1e-5) for answer in example["answers"])


def test_without_time_rows_are_the_blocks(run: Run) -> None:
    """One data set without a time column: a fifth by hash is held back, gates work by row, there are no floors."""
    data = replace(run.request.datasets[0], select=None)
    schema = {"target": "late", "keyColumn": "id", "features": features()}
    run.ask(datasets=(data,), schema=schema, gates=({"metric": "auc", "min": "0.6"},))
    _, profile, result = through(run, "classes")
    assert result["verdict"] == "Pass"
    assert not any(feature.floors for feature in profile.features)


def test_skops_models_are_kept_as_they_are(run: Run) -> None:
    """With modelFormat Skops the artifact holds the very bytes that training saved."""
    run.ask(schema={"target": "late", "timeColumn": "time", "features": features()}, modelFormat="Skops")
    manifest, _, _ = through(run, "classes")
    assert manifest.model_format == "Skops"
    saved = (run.root / "model" / "model.skops").read_bytes()
    assert (run.root / "artifact" / "model.skops").read_bytes() == saved


def test_declared_task_must_be_the_models(run: Run) -> None:
    """A classifier where the schema declares a regression is refused."""
    schema = {"target": "delay", "task": "Regression", "timeColumn": "time", "features": features()}
    run.ask(schema=schema, hyperparameters={"kind": "regression"})
    assert run.phase("fetch")[0] == 0, run.output
    run.train(
        "import pintle.train as pt\nfrom sklearn.dummy import DummyClassifier\nrows = pt.load('Train')\n"
        "pt.save(DummyClassifier().fit(rows[['number', 'hour', 'carrier']], rows['delay'] > 30))"
    )
    code, result = run.phase("evaluate")
    assert code == 66
    assert result["reason"] == "ModelInvalid"
