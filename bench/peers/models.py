"""The trees of `make_matrix` once more, for servers that keep scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from tests.unit.serve.artifacts import write


def trained(columns: int, trees: int, named: bool) -> tuple[HistGradientBoostingClassifier, np.ndarray]:
    """The classifier, fitted on an array or on a frame with the columns f0, f1, ...; and its rows."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2_000, columns)).astype(np.float32)
    target = (values[:, 0] + values[:, 1] ** 2 + rng.normal(0, 0.5, len(values)) > 1).astype(int)
    model = HistGradientBoostingClassifier(max_iter=trees, random_state=0)
    with threadpool_limits(1):
        model.fit(pd.DataFrame(values, columns=_names(columns)) if named else values, target)
    return model, values


def dump_joblib(file: Path, columns: int, trees: int) -> None:
    """For servers that load pickles."""
    import joblib

    joblib.dump(trained(columns, trees, named=False)[0], file)


def make_skops(folder: Path, columns: int, trees: int) -> Path:
    """An artifact in the skops format, without a profile."""
    import skops.io

    model, values = trained(columns, trees, named=True)
    frame = pd.DataFrame(values[:20], columns=_names(columns))
    return write(
        folder,
        {"model.skops": skops.io.dumps(model)},
        task="BinaryClassification",
        outputs={"labels": [0, 1], "positive": 1},
        features=[{"name": name, "type": "Number", "required": False} for name in _names(columns)],
        example={"rows": frame.astype(float).to_dict("records"), "answers": model.predict_proba(frame)[:, 1].tolist()},
        profile=None,
        model_format="Skops",
    )


def _names(columns: int) -> list[str]:
    return [f"f{index}" for index in range(columns)]
