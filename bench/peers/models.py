"""The four models, of one size and from the same rows: as an artifact of Pintle, and as the files that peers load.

In `folder`, `ours` is the artifact and `peers` holds the files. Each model is a classifier of 100 trees with 31 leaves
at most, as scikit-learn and LightGBM grow them by default; XGBoost is asked for the same.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from tests.unit.serve.artifacts import make_matrix, matrix_profile, write

COLUMNS, TREES, LEAVES, RATE = 30, 100, 31, 0.1
NAMES = [f"f{index}" for index in range(COLUMNS)]


def make_onnx(folder: Path) -> None:
    """The trees as ONNX; for peers as scikit-learn has them, too, because mlserver runs them so as it comes."""
    make_matrix(folder / "ours", COLUMNS, TREES)
    shutil.copy(folder / "ours" / "model.onnx", _peers(folder) / "model.onnx")
    _dump_joblib(folder)


def make_sklearn(folder: Path) -> None:
    """The trees kept in scikit-learn: skops for ours, a pickle for peers."""
    import skops.io

    values, target = rows()
    frame = pd.DataFrame(values, columns=NAMES)
    model = _trees(frame, target)
    scores = model.predict_proba(frame)[:, 1]
    _write(folder, "Skops", "model.skops", skops.io.dumps(model), scores, inputs="Columns")
    _dump_joblib(folder)


def make_xgboost(folder: Path) -> None:
    """The same file for all."""
    import xgboost

    values, target = rows()
    settings = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "grow_policy": "lossguide",
        "max_leaves": LEAVES,
        "max_depth": 0,
        "learning_rate": RATE,
        "nthread": 1,
    }
    booster = xgboost.train(settings, xgboost.DMatrix(values, target, nthread=1), num_boost_round=TREES)
    file = _peers(folder) / "model.ubj"
    booster.save_model(file)
    _write(folder, "XGBoost", file.name, file.read_bytes(), booster.inplace_predict(values))


def make_lightgbm(folder: Path) -> None:
    """The same file for all."""
    import lightgbm

    values, target = rows()
    settings = {
        "objective": "binary",
        "num_leaves": LEAVES,
        "learning_rate": RATE,
        "num_threads": 1,
        "verbosity": -1,
    }
    booster = lightgbm.train(settings, lightgbm.Dataset(values, target), TREES)
    file = _peers(folder) / "model.txt"
    booster.save_model(file)
    _write(folder, "LightGBM", file.name, file.read_bytes(), booster.predict(values, num_threads=1))


def rows() -> tuple[np.ndarray, np.ndarray]:
    """What `make_matrix` trains on: float32 values, [2000, COLUMNS], and classes."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2_000, COLUMNS)).astype(np.float32)
    return values, (values[:, 0] + values[:, 1] ** 2 + rng.normal(0, 0.5, len(values)) > 1).astype(int)


def _trees(values: Any, target: np.ndarray) -> HistGradientBoostingClassifier:
    model = HistGradientBoostingClassifier(max_iter=TREES, random_state=0)
    with threadpool_limits(1):  # threads that spin are slow where others work, too
        return model.fit(values, target)


def _dump_joblib(folder: Path) -> None:
    import joblib

    joblib.dump(_trees(*rows()), _peers(folder) / "model.joblib")


def _peers(folder: Path) -> Path:
    (folder / "peers").mkdir(parents=True, exist_ok=True)
    return folder / "peers"


def _write(folder: Path, model_format: str, name: str, data: bytes, scores: np.ndarray, inputs: str = "Matrix") -> None:
    """Our artifact, with a profile: drift is on for every model."""
    values, _ = rows()
    examples = [dict(zip(NAMES, row, strict=True)) for row in values[:20].astype(float).tolist()]
    write(
        folder / "ours",
        {name: data},
        task="BinaryClassification",
        outputs={"labels": [0, 1], "positive": 1},
        inputs=inputs,
        features=[{"name": name, "type": "Number", "required": False} for name in NAMES],
        example={"rows": examples, "answers": scores[:20].astype(float).tolist()},
        profile=matrix_profile(values, scores),
        model_format=model_format,
    )
