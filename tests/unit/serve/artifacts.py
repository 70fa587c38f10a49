"""Artifacts for the server's tests: small scikit-learn models as ONNX, with manifest, profile and example."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pintle.contract.digest import digest_bytes
from pintle.contract.profile import FeatureProfile, OutputProfile, bin_of, number_bins, profile_hash, string_bins
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder
from threadpoolctl import threadpool_limits

FEATURES = (
    {"name": "carrier", "type": "String"},
    {"name": "hour", "type": "Integer", "required": True},
    {"name": "wind", "type": "Number"},
    {"name": "gusts", "type": "Boolean"},
)
CARRIERS = ("AA", "DL", "UA", "B6", "WN")


def flight_rows(count: int, seed: int = 0) -> pd.DataFrame:
    """Rows with a string, an integer, a number with gaps and a boolean."""
    rng = np.random.default_rng(seed)
    wind = rng.gamma(2.0, 5.0, count)
    wind[rng.random(count) < 0.1] = np.nan
    carrier = rng.choice(CARRIERS, count, p=[0.4, 0.3, 0.2, 0.07, 0.03]).astype(object)
    carrier[rng.random(count) < 0.05] = ""
    return pd.DataFrame(
        {"carrier": carrier, "hour": rng.integers(0, 24, count), "wind": wind, "gusts": rng.random(count) < 0.3}
    )


def json_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as a client writes them: null for what is missing."""
    return [
        {
            "carrier": record["carrier"] or None,
            "hour": int(record["hour"]),
            "wind": None if np.isnan(record["wind"]) else float(record["wind"]),
            "gusts": bool(record["gusts"]),
        }
        for record in frame.to_dict("records")
    ]


def make_classifier(folder: Path, labels: Sequence[Any] = ("late", "on time"), positive: Any = "late") -> Path:
    """An artifact with a classifier over FEATURES, one input per column."""
    frame = flight_rows(600)
    chance = 0.15 * frame["hour"] - 2 + 0.4 * (frame["carrier"] == "DL") + 0.05 * frame["wind"].fillna(5)
    classes = np.array(sorted(labels, key=str))
    noise = np.random.default_rng(1).normal(0, 1, len(frame))
    target = classes[np.clip((chance + noise > 0).astype(int) * (len(classes) - 1), 0, None)]
    if len(classes) > 2:
        target[frame["hour"].to_numpy() > 20] = classes[1]
    model = make_pipeline(
        ColumnTransformer(
            [("strings", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), ["carrier"])],
            remainder="passthrough",
        ),
        HistGradientBoostingClassifier(max_iter=10, random_state=0),
    )
    with threadpool_limits(1):
        model.fit(frame, target)
    example = frame.head(20)
    found = model.predict_proba(example)
    order = [str(label) for label in model.classes_]
    answers = found[:, order.index(str(positive))] if len(classes) == 2 else found
    task = "BinaryClassification" if len(classes) == 2 else "Multiclass"
    return write(
        folder,
        {"model.onnx": column_onnx(model, classifier=True)},
        task=task,
        outputs={"labels": model.classes_.tolist(), "positive": positive if len(classes) == 2 else None},
        example={"rows": json_rows(example), "answers": answers.tolist()},
        profile=flight_profile(frame, model.predict_proba(frame)[:, order.index(str(positive))]),
    )


def make_regressor(folder: Path) -> Path:
    """An artifact with a regressor over FEATURES."""
    frame = flight_rows(400)
    model = make_pipeline(
        ColumnTransformer(
            [("strings", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), ["carrier"])],
            remainder="passthrough",
        ),
        HistGradientBoostingRegressor(max_iter=10, random_state=0),
    )
    with threadpool_limits(1):
        model.fit(frame, 3.0 * frame["hour"] + frame["wind"].fillna(0))
    example = frame.head(10)
    return write(
        folder,
        {"model.onnx": column_onnx(model, classifier=False)},
        task="Regression",
        outputs={},
        example={"rows": json_rows(example), "answers": model.predict(example).tolist()},
        profile=flight_profile(frame, model.predict(frame)),
    )


def make_matrix(folder: Path, columns: int = 4, trees: int = 10) -> Path:
    """An artifact with a classifier over one float matrix of `columns` features f0, f1, ..."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2_000, columns)).astype(np.float32)
    target = (values[:, 0] + values[:, 1] ** 2 + rng.normal(0, 0.5, len(values)) > 1).astype(int)
    # no scaler before trees: in float32 it moves rows across thresholds
    model = HistGradientBoostingClassifier(max_iter=trees, random_state=0)
    with threadpool_limits(1):  # threads that spin are slow where others work, too
        model.fit(values, target)
    onnx = to_onnx(model, values[:1], options={"zipmap": False}, target_opset=18).SerializeToString()
    names = [f"f{index}" for index in range(columns)]
    rows = [dict(zip(names, row, strict=True)) for row in values[:20].astype(float).tolist()]
    return write(
        folder,
        {"model.onnx": onnx},
        task="BinaryClassification",
        outputs={"labels": [0, 1], "positive": 1},
        inputs="Matrix",
        features=[{"name": name, "type": "Number", "required": False} for name in names],
        example={"rows": rows, "answers": model.predict_proba(values[:20])[:, 1].tolist()},
        profile=matrix_profile(values, model.predict_proba(values)[:, 1]),
    )


def matrix_profile(values: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    """A profile over number columns f0, f1, ... in tenths, and of the scores."""
    features = []
    for index, column in enumerate(values.T):
        edges = np.quantile(column, np.arange(1, 10) / 10).astype(np.float32).astype(float).tolist()
        features.append(profiled({"name": f"f{index}", "type": "Number", "edges": edges}, column.tolist()))
    return with_outputs(features, scores)


def column_onnx(model: Any, classifier: bool) -> bytes:
    """The pipeline over FEATURES as ONNX: strings and float32, one [N, 1] tensor per column."""
    types = [
        (item["name"], (StringTensorType if item["type"] == "String" else FloatTensorType)([None, 1]))
        for item in FEATURES
    ]
    options = {"zipmap": False} if classifier else None
    onnx: bytes = to_onnx(model, initial_types=types, options=options, target_opset=18).SerializeToString()
    return onnx


def flight_profile(frame: pd.DataFrame, scores: np.ndarray) -> dict[str, Any]:
    """A profile over FEATURES; B6 and WN are rare."""
    carrier = {"name": "carrier", "type": "String", "categories": ["AA", "DL", "UA"], "rare": ["B6", "WN"]}
    features = [
        profiled(carrier, frame["carrier"].tolist()),
        profiled({"name": "hour", "type": "Integer", "edges": [6.0, 12.0, 18.0]}, frame["hour"].tolist()),
        profiled(
            {"name": "wind", "type": "Number", "edges": [5.0, 10.1, 15.0], "floors": {"1d": 0.25}},
            frame["wind"].tolist(),
        ),
        profiled({"name": "gusts", "type": "Boolean", "edges": [0.5]}, frame["gusts"].tolist()),
    ]
    return with_outputs(features, scores)


def profiled(feature: dict[str, Any], values: Sequence[Any]) -> dict[str, Any]:
    """The feature with its bins and the counts of the values, by the contract's own definition."""
    edges, categories, rare = (tuple(feature.get(key, ())) for key in ("edges", "categories", "rare"))
    bins = string_bins(categories) if feature["type"] == "String" else number_bins(edges)
    shape = FeatureProfile(feature["name"], feature["type"], bins, (0,) * len(bins), edges, categories, rare)
    counts = [0] * len(bins)
    for value in values:
        counts[bin_of(shape, value)] += 1
    return {**feature, "bins": list(bins), "counts": counts, "rows": len(values)}


def with_outputs(features: list[dict[str, Any]], scores: np.ndarray) -> dict[str, Any]:
    """The whole profile, with the score in quarters."""
    edges = tuple(float(edge) for edge in np.quantile(scores, (0.25, 0.5, 0.75)))
    bins = number_bins(edges)
    shape = OutputProfile("score", edges, bins, (0,) * len(bins))
    counts = [0] * len(bins)
    for score in scores.tolist():
        counts[bin_of(shape, score)] += 1
    accuracy = [0.9, 0.7, 0.6, 0.8, None, None]
    output = {"name": "score", "edges": list(edges), "bins": list(bins), "counts": counts, "accuracy": accuracy}
    return {"profile": profile_hash(features, [output]), "features": features, "outputs": [output]}


def write(
    folder: Path,
    files: Mapping[str, bytes],
    *,
    task: str,
    outputs: Mapping[str, Any],
    example: Mapping[str, Any],
    profile: Mapping[str, Any] | None,
    features: Sequence[Mapping[str, Any]] = FEATURES,
    inputs: str = "Columns",
    model_format: str = "ONNX",
) -> Path:
    """Write the files with a manifest over them; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    every = {**files, "example.json": json.dumps(example).encode()}
    if profile is not None:
        every["profile.json"] = json.dumps(profile).encode()
    for name, data in every.items():
        (folder / name).write_bytes(data)
    manifest = {
        "formatVersion": 1,
        "modelFormat": model_format,
        "files": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in every.items()
        },
        "schema": {"target": "late", "features": list(features)},
        "task": task,
        "outputs": dict(outputs),
        "inputs": inputs,
        "run": {},
        "metrics": {},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def digest_of(folder: Path) -> str:
    """The model's digest."""
    return digest_bytes((folder / "manifest.json").read_bytes())
