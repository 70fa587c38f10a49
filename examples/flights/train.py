"""Train the flights model; the same on a laptop and in a run pod (see README.md beside this file)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import features
import pandas as pd
import pintle.train as pintle
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder

# Shallow trees with large leaves and few rounds: three months hold some ninety days of weather, not 80,000.
DEFAULTS = {"iterations": 100, "learning_rate": 0.05, "leaves": 15, "rows_per_leaf": 200}


def model(parameters: Mapping[str, Any], seed: int) -> Pipeline:
    """The untrained pipeline over a data frame with features.FEATURES.

    Ordinal codes for carrier and route: as good as one-hot columns here and much faster to train; a value that was
    never seen becomes -1. Raises ValueError for a hyperparameter that does not exist.
    """
    unknown = sorted(set(parameters) - set(DEFAULTS))
    if unknown:
        raise ValueError(f"no such hyperparameter: {', '.join(unknown)}; there are {', '.join(DEFAULTS)}")
    chosen = DEFAULTS | dict(parameters)
    columns = ColumnTransformer(
        [
            (
                "codes",
                OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
                list(features.CATEGORICAL),
            ),
            ("numbers", "passthrough", list(features.NUMERIC)),
        ]
    )
    trees = HistGradientBoostingClassifier(
        max_iter=chosen["iterations"],
        learning_rate=chosen["learning_rate"],
        max_leaf_nodes=chosen["leaves"],
        min_samples_leaf=chosen["rows_per_leaf"],
        # An early stop would judge itself on rows of the same days.
        early_stopping=False,
        random_state=seed,
    )
    return make_pipeline(columns, trees)


def fit(rows: pd.DataFrame, parameters: Mapping[str, Any], seed: int) -> Pipeline:
    """The model, trained on `rows` with features.FEATURES and features.TARGET."""
    return model(parameters, seed).fit(rows[list(features.FEATURES)], rows[features.TARGET])


def main() -> None:
    """Train on the run's rows, log how well they were learnt, save the model."""
    rows = pintle.load("Train")
    start = time.monotonic()
    trained = fit(rows, pintle.hyperparameters(), pintle.seed())
    seconds = time.monotonic() - start
    chances = trained.predict_proba(rows[list(features.FEATURES)])[:, 1]
    truth = rows[features.TARGET]
    figures = {
        "trainRows": len(rows),
        "trainLateShare": float(truth.mean()),
        "trainAuc": float(roc_auc_score(truth, chances)),
        "trainLogLoss": float(log_loss(truth, chances)),
        "fitSeconds": seconds,
    }
    pintle.log(**figures)
    print(", ".join(f"{name} {value:,.4g}" for name, value in figures.items()), flush=True)
    print(f"saved {pintle.save(trained)}", flush=True)


if __name__ == "__main__":
    main()
