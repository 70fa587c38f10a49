"""The model of a bench as a function of rows, for peers whose users write the model's code themselves.

Runs in the peers' environments, so it knows nothing of Pintle; each library is imported where its model is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Predict = Callable[[np.ndarray], np.ndarray]
"""From float32 rows, [N, columns], to one answer a row: [N] or [N, classes]."""


def load(folder: Path, runtime: str) -> Predict:
    """The folder's model by the runtime sklearn, onnx, xgboost or lightgbm, on one thread. KeyError for another."""
    return {"sklearn": _sklearn, "onnx": _onnx, "xgboost": _xgboost, "lightgbm": _lightgbm}[runtime](folder)


def _sklearn(folder: Path) -> Predict:
    import joblib

    predict: Predict = joblib.load(folder / "model.joblib").predict
    return predict


def _onnx(folder: Path) -> Predict:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options)
    return lambda rows: session.run(["probabilities"], {"X": rows})[0]


def _xgboost(folder: Path) -> Predict:
    import xgboost

    booster: Any = xgboost.Booster(model_file=str(folder / "model.ubj"))
    booster.set_param({"nthread": 1})
    return lambda rows: booster.inplace_predict(rows, validate_features=False)


def _lightgbm(folder: Path) -> Predict:
    import lightgbm

    booster: Any = lightgbm.Booster(model_file=str(folder / "model.txt"))
    return lambda rows: booster.predict(rows, num_threads=1)
