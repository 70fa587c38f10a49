"""What a model has to beat: a constant (and the last value), and a linear fit, trained on the same rows."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from pintle.contract.manifest import REGRESSION
from pintle.train.truth import Floats, Truth

MAX_ROWS = 100_000
MAX_CATEGORIES = 50


def baselines(
    train: pd.DataFrame, truth: Truth, evaluate: pd.DataFrame, schema: Mapping[str, Any], seed: int
) -> dict[str, Floats]:
    """Predictions for the evaluation rows by each baseline; `truth` is that of the training rows."""
    predictions = constants(train, truth, len(evaluate), schema)
    predictions["linear"] = _linear(train, truth, evaluate, schema, seed)
    return predictions


def constants(train: pd.DataFrame, truth: Truth, rows: int, schema: Mapping[str, Any]) -> dict[str, Floats]:
    """The shares of the classes; the mean, and the last value where rows have a time."""
    if truth.task != REGRESSION:
        shares = np.bincount(truth.values, minlength=len(truth.labels)) / len(truth)
        return {"majority": np.tile(shares, (rows, 1))}
    found = {"mean": np.full(rows, truth.values.mean())}
    if "timeColumn" in schema:
        last = int(train[schema["timeColumn"]].to_numpy().argmax())
        found["last value"] = np.full(rows, truth.values[last])
    return found


def _linear(train: pd.DataFrame, truth: Truth, evaluate: pd.DataFrame, schema: Mapping[str, Any], seed: int) -> Floats:
    """Ridge or logistic regression over imputed, scaled numbers and one-hot strings."""
    if len(train) > MAX_ROWS:
        chosen = np.sort(np.random.default_rng(seed).choice(len(train), MAX_ROWS, replace=False))
        train, truth = train.iloc[chosen], truth.rows(chosen)
    strings = [item["name"] for item in schema["features"] if item["type"] == "String"]
    numbers = [
        item["name"] for item in schema["features"] if item["type"] != "String" and train[item["name"]].notna().any()
    ]
    columns = ColumnTransformer(
        [
            ("strings", OneHotEncoder(handle_unknown="ignore", max_categories=MAX_CATEGORIES), strings),
            ("numbers", make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), numbers),
        ]
    )
    with warnings.catch_warnings():
        # Whether the fit has fully converged does not matter for a bar to jump over.
        warnings.simplefilter("ignore")
        if truth.task == REGRESSION:
            model = make_pipeline(columns, Ridge()).fit(train, truth.values)
            return np.asarray(model.predict(evaluate), dtype=np.float64)
        model = make_pipeline(columns, LogisticRegression(max_iter=200)).fit(train, truth.values)
        found = np.zeros((len(evaluate), len(truth.labels)))
        found[:, model[-1].classes_] = model.predict_proba(evaluate)
    return found
