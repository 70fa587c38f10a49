"""How well late flights can be told in advance: trained on three months, judged on the next (make bench-flights)."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "flights"))

import features
import figures
import numpy as np
import onnxruntime
import pandas as pd
import source
import train
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from bench.report import Report, arguments

MONTHS_TRAINED = 3
COLUMNS = list(features.FEATURES)


def linear() -> Pipeline:
    """A linear fit on the same columns, for comparison."""
    columns = ColumnTransformer(
        [
            ("values", OneHotEncoder(handle_unknown="ignore"), list(features.CATEGORICAL)),
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), list(features.NUMERIC)),
        ]
    )
    return make_pipeline(columns, LogisticRegression(max_iter=200, tol=1e-3))


def onnx_chances(model: Pipeline, rows: pd.DataFrame) -> np.ndarray:
    """What the converted model answers on float32 and string columns, as a server feeds them."""
    types = [
        (name, StringTensorType([None, 1]) if name in features.CATEGORICAL else FloatTensorType([None, 1]))
        for name in COLUMNS
    ]
    converted = to_onnx(model, initial_types=types, options={"zipmap": False}).SerializeToString()
    session = onnxruntime.InferenceSession(converted)
    feed = {name: rows[[name]].to_numpy(object if name in features.CATEGORICAL else np.float32) for name in COLUMNS}
    return session.run(None, feed)[1][:, 1]


def judge(table: pd.DataFrame, month: int) -> dict[str, Any]:
    """The figures of one month for a model of the three before it."""
    earlier = table[(table["month"] >= month - MONTHS_TRAINED) & (table["month"] < month)]
    rows = table[table["month"] == month]
    truth, day = rows[features.TARGET].to_numpy(int), rows["day"].to_numpy()
    start = time.perf_counter()
    model = train.fit(earlier, {}, seed=7)
    seconds = time.perf_counter() - start
    chances = model.predict_proba(rows[COLUMNS])[:, 1]
    straight = linear().fit(earlier[COLUMNS], earlier[features.TARGET]).predict_proba(rows[COLUMNS])[:, 1]
    brier = figures.squared_error(truth, chances)
    by_mean = figures.squared_error(truth, np.full(len(rows), earlier[features.TARGET].mean()))
    by_day = figures.auc_by_day(truth, chances, day)
    by_row = figures.auc_by_day(truth, chances, np.arange(len(rows)))
    gain = figures.mean_by_day(by_mean - brier, day)
    gain_linear = figures.mean_by_day(figures.squared_error(truth, straight) - brier, day)
    return {
        "month": month,
        "rows": len(rows),
        "late": float(truth.mean()),
        "auc": by_day.value,
        "auc_low": by_day.low,
        "auc_high": by_day.high,
        "auc_error_by_day": by_day.error,
        "auc_error_by_row": by_row.error,
        "auc_linear": figures.auc(truth, straight),
        "brier": float(brier.mean()),
        "brier_mean": float(by_mean.mean()),
        "gain_over_mean_low": gain.low,
        "gain_over_linear_low": gain_linear.low,
        "onnx_difference": float(np.abs(onnx_chances(model, rows) - chances).max()),
        "fit_seconds": seconds,
    }


def labelled(extra: Sequence[str] = ()) -> pd.DataFrame:
    """All flights with an arrival, with `month` and `day` of local time."""
    table = features.feature_table(source.read_flights(), source.read_weather(), extra)
    table = table[table[features.TARGET].notna()].astype({features.TARGET: int})
    local = table[features.TIME].dt.tz_convert(features.NEW_YORK)
    # As Pintle hands them to training and to servers.
    numbers = table[list(features.NUMERIC)].astype("float32")
    return table.assign(month=local.dt.month, day=local.dt.day, **{name: numbers[name] for name in numbers})


COLUMNS_PRINTED = (
    ("month", "month", "d"),
    ("rows", "rows", ",d"),
    ("late", "late", ".1%"),
    ("AUC", "auc", ".3f"),
    ("95 % by day", "auc_low", ".3f"),
    ("to", "auc_high", ".3f"),
    ("error by day", "auc_error_by_day", ".3f"),
    ("by row", "auc_error_by_row", ".3f"),
    ("AUC linear", "auc_linear", ".3f"),
    ("Brier", "brier", ".4f"),
    ("Brier of mean", "brier_mean", ".4f"),
    ("gain, low end", "gain_over_mean_low", "+.4f"),
    ("on linear, low end", "gain_over_linear_low", "+.4f"),
    ("ONNX off by", "onnx_difference", ".0e"),
    ("fit s", "fit_seconds", ".1f"),
)


def line(item: dict[str, Any]) -> str:
    """One row of the table."""
    return "  ".join(f"{format(item[key], form):>{max(len(head), 6)}}" for head, key, form in COLUMNS_PRINTED)


def main() -> int:
    """Print the table; write the figures as JSON where asked."""
    options = arguments(__doc__ or "").parse_args()
    table = labelled()
    print(f"{len(table):,} flights with an arrival; trained on {MONTHS_TRAINED} months, judged on the next")
    print("  ".join(f"{head:>6}" for head, _, _ in COLUMNS_PRINTED))
    results = []
    for month in range(1 + MONTHS_TRAINED, 13):
        results.append(judge(table, month))
        print(line(results[-1]), flush=True)
    report = Report("flights: over the months above; gain = Brier loss saved, lower end of 95 % by day")
    for head, key, _ in COLUMNS_PRINTED[1:]:
        report.add(head, "", [float(item[key]) for item in results], "one sample per month")
    report.finish(options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
