"""Columns as a model meets them, and what is wrong with those that cannot be brought there.

Number, Integer, Boolean and Timestamp become float32 with NaN for a missing value, String becomes str with "" for a
missing one: what a server feeds the model. The time column becomes a UTC timestamp, the key stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd

from pintle.contract.manifest import BINARY, MISSING_STRING, MULTICLASS, REGRESSION, TIME_TYPE
from pintle.contract.times import SECONDS_OF_DAY

EXAMPLES = 3


@dataclass(frozen=True)
class Finding:
    """One rule that a column of a data set breaks: in how many rows, with a few of the values."""

    column: str
    rule: str
    rows: int
    examples: tuple[str, ...] = ()


@dataclass
class Findings:
    """What is wrong with one data set."""

    dataset: str
    rows: int
    items: list[Finding] = field(default_factory=list)

    def add(self, column: str, rule: str, wrong: pd.Series, values: pd.Series) -> None:
        """Note the rows where the mask `wrong` holds, if there are any."""
        count = int(wrong.sum())
        if count:
            examples = tuple(_show(value) for value in values[wrong].drop_duplicates().head(EXAMPLES))
            self.items.append(Finding(column, rule, count, examples))


def feature_column(frame: pd.DataFrame, feature: Mapping[str, Any], findings: Findings) -> pd.Series:
    """The column as the model meets it. What breaks the schema is noted; the column is then of no use."""
    name, kind = str(feature["name"]), str(feature.get("type", "Number"))
    if name not in frame:
        findings.items.append(Finding(name, "column is present", len(frame)))
        return pd.Series(np.full(len(frame), np.nan), index=frame.index)
    raw = frame[name]
    if feature.get("required"):
        findings.add(name, "value is present", raw.isna(), raw)
    if kind == "String":
        return _strings(raw, feature, findings)
    if kind == TIME_TYPE:
        return _days(raw, feature, findings)
    return _numbers(raw, feature, kind, findings)


def target_column(frame: pd.DataFrame, target: str, task: str | None, findings: Findings) -> pd.Series:
    """The target: float64 for a regression, integers or strings for classes; every row must have one."""
    if target not in frame:
        findings.items.append(Finding(target, "target is present", len(frame)))
        return pd.Series(np.full(len(frame), np.nan), index=frame.index)
    raw = frame[target]
    findings.add(target, "target is present", raw.isna(), raw)
    if raw.isna().any():
        return raw
    if pd.api.types.is_bool_dtype(raw):
        return raw.astype("int64")
    if pd.api.types.is_numeric_dtype(raw):
        findings.add(target, "target is finite", ~np.isfinite(raw.astype("float64")), raw)
        whole = bool((raw == raw.round()).all())
        classes = task in (BINARY, MULTICLASS) or (task is None and set(raw.unique()) <= {0, 1})
        return raw.astype("int64") if whole and classes else raw.astype("float64" if task == REGRESSION else raw.dtype)
    if task == REGRESSION:
        findings.add(target, "target is a number", raw.notna(), raw)
    return raw.astype(str)


def time_column(frame: pd.DataFrame, name: str, findings: Findings) -> pd.Series:
    """UTC timestamps; text is ISO 8601, numbers are seconds since 1970. Every row must have one."""
    if name not in frame:
        findings.items.append(Finding(name, "time column is present", len(frame)))
        return pd.Series(pd.DatetimeIndex([pd.NaT] * len(frame), tz="UTC"), index=frame.index)
    raw = frame[name]
    if pd.api.types.is_numeric_dtype(raw):
        times = pd.to_datetime(raw, utc=True, errors="coerce", unit="s")
    else:
        times = pd.to_datetime(raw, utc=True, errors="coerce", format="ISO8601")
    findings.add(name, "is a time (ISO 8601)", times.isna(), raw)
    return times.astype("datetime64[us, UTC]")


def key_column(frame: pd.DataFrame, name: str, findings: Findings) -> pd.Series:
    """The key as it is; every row must have one."""
    if name not in frame:
        findings.items.append(Finding(name, "key column is present", len(frame)))
        return pd.Series([None] * len(frame), index=frame.index)
    findings.add(name, "key is present", frame[name].isna(), frame[name])
    return frame[name]


def _days(raw: pd.Series, feature: Mapping[str, Any], findings: Findings) -> pd.Series:
    """As `contract.times`: days since 1970 in UTC; numbers are no times, because nobody knows their unit."""
    if pd.api.types.is_datetime64_any_dtype(raw):
        times = pd.to_datetime(raw, utc=True)
    else:
        texts = raw.astype("object").where(raw.map(lambda value: isinstance(value, str | datetime | date)), None)
        times = pd.to_datetime(texts, utc=True, errors="coerce", format="ISO8601")
    findings.add(str(feature["name"]), "is a time (ISO 8601)", times.isna() & raw.notna(), raw)
    days = (times - pd.Timestamp(0, tz="UTC")).dt.total_seconds() / SECONDS_OF_DAY
    return days.astype("float32")


def _numbers(raw: pd.Series, feature: Mapping[str, Any], kind: str, findings: Findings) -> pd.Series:
    name = str(feature["name"])
    values = pd.to_numeric(raw, errors="coerce") if not pd.api.types.is_datetime64_any_dtype(raw) else raw * np.nan
    values = values.astype("float64")
    findings.add(name, "is a number" if kind != "Boolean" else "is true or false", values.isna() & raw.notna(), raw)
    with np.errstate(over="ignore"):
        single = values.astype("float32")
    findings.add(name, "is finite", np.isinf(single), raw)
    if kind == "Integer":
        findings.add(name, "is an integer", np.isfinite(values) & (values != values.round()), raw)
    if kind == "Boolean":
        findings.add(name, "is true or false", values.notna() & ~values.isin((0.0, 1.0)), raw)
    if feature.get("min") is not None:
        findings.add(name, f"at least {feature['min']}", values < float(feature["min"]), raw)
    if feature.get("max") is not None:
        findings.add(name, f"at most {feature['max']}", values > float(feature["max"]), raw)
    return single


def _strings(raw: pd.Series, feature: Mapping[str, Any], findings: Findings) -> pd.Series:
    name = str(feature["name"])
    if not (pd.api.types.is_string_dtype(raw) or pd.api.types.is_object_dtype(raw)) and raw.notna().any():
        findings.add(name, "is a string", raw.notna(), raw)
    values = raw.astype("object").where(raw.notna(), MISSING_STRING).astype(str)
    if feature.get("values"):
        allowed = {str(item) for item in feature["values"]}
        findings.add(name, f"one of {_few(sorted(allowed))}", raw.notna() & ~values.isin(allowed), raw)
    return values


def _few(values: list[str], limit: int = 6) -> str:
    more = f", … ({len(values)} values)" if len(values) > limit else ""
    return ", ".join(values[:limit]) + more


def _show(value: Any) -> str:
    text = "missing" if value is None or value is pd.NaT or value != value else str(value)
    return text if len(text) <= 40 else text[:39] + "…"
