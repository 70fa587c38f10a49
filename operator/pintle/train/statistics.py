"""What the training rows look like, for people: one short entry per column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

TOP = 10


def statistics(frame: pd.DataFrame, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Rows, and per feature and target: missing values, and quantiles or the most frequent values."""
    columns = [str(feature["name"]) for feature in schema["features"]] + [str(schema["target"])]
    return {"rows": len(frame), "columns": {name: _column(frame[name]) for name in columns}}


def _column(values: pd.Series) -> dict[str, Any]:
    if not pd.api.types.is_numeric_dtype(values):
        counts = values[values != ""].value_counts()
        top = {str(key): int(count) for key, count in counts.head(TOP).items()}
        return {"missing": int((values == "").sum()), "distinct": len(counts), "top": top}
    present = values.dropna().to_numpy(dtype=np.float64)
    entry: dict[str, Any] = {"missing": len(values) - len(present)}
    if len(present):
        names = ("min", "q25", "median", "q75", "max")
        quantiles = np.quantile(present, (0, 0.25, 0.5, 0.75, 1))
        entry |= {name: round(float(value), 6) for name, value in zip(names, quantiles, strict=True)}
        entry |= {"mean": round(float(present.mean()), 6), "std": round(float(present.std()), 6)}
    return entry
