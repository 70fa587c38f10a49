"""Which rows are held back for evaluation: later than everything trained on, and none of its keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pintle.contract.exits import Exit
from pintle.train.outcome import NEED_MORE_DATA, Refusal
from pintle.train.schemas import columns_of

HELD_SHARE = 0.2
"""Of the training rows, where no data set has the role Evaluate."""
MIN_ROWS = 50
"""Fewer evaluation rows prove nothing (JUDGEMENT: minRows)."""


@dataclass(frozen=True)
class Split:
    """Rows by role, and what was left out on the way."""

    train: pd.DataFrame
    validate: pd.DataFrame | None
    evaluate: pd.DataFrame
    notes: tuple[str, ...]


def split(
    train: pd.DataFrame, validate: pd.DataFrame | None, evaluate: pd.DataFrame | None, schema: Mapping[str, Any]
) -> Split:
    """Raises Refusal(NEED_MORE_DATA) when too few rows are left on either side."""
    notes: list[str] = []
    if evaluate is None:
        train, validate, evaluate = _withhold(train, validate, schema, notes)
    else:
        evaluate = _later(train, validate, evaluate, schema, notes)
    evaluate = _other_keys(train, validate, evaluate, schema, notes)
    if len(train) < MIN_ROWS:
        raise Refusal(Exit.NEED_MORE_DATA, NEED_MORE_DATA, f"{len(train)} training rows, at least {MIN_ROWS} needed")
    if len(evaluate) < MIN_ROWS:
        why = f" ({'; '.join(notes)})" if notes else ""
        message = f"{len(evaluate)} rows to evaluate with, at least {MIN_ROWS} needed{why}"
        raise Refusal(Exit.NEED_MORE_DATA, NEED_MORE_DATA, message)
    return Split(train, validate if validate is not None and len(validate) else None, evaluate, tuple(notes))


def _withhold(
    train: pd.DataFrame, validate: pd.DataFrame | None, schema: Mapping[str, Any], notes: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame | None, pd.DataFrame]:
    """The last fifth by time; by a hash of the key or of the row where there is no time."""
    known = train if validate is None else pd.concat([train, validate], ignore_index=True)
    if "timeColumn" in schema:
        name = schema["timeColumn"]
        times = known[name].sort_values(ignore_index=True)
        border = times[max(int(len(times) * (1 - HELD_SHARE)) - 1, 0)]
        notes.append(f"no data set has the role Evaluate: rows later than {border:%Y-%m-%dT%H:%M:%SZ} are held back")
        validate = None if validate is None else validate[validate[name] <= border]
        return train[train[name] <= border], validate, known[known[name] > border]
    notes.append("no data set has the role Evaluate and there is no timeColumn: a fifth by hash is held back")
    held = _hash_of(train, schema) < HELD_SHARE * 2**64
    return train[~held], validate, train[held]


def _hash_of(frame: pd.DataFrame, schema: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    """64 bits per row: equal keys, or equal rows, fall on the same side."""
    # What only the champion needs must not move a row from one side to the other.
    own = [name for name in columns_of(schema) if name in frame]
    rows = frame[[schema["keyColumn"]]] if "keyColumn" in schema else frame[own] if own else frame
    return np.asarray(pd.util.hash_pandas_object(rows, index=False).to_numpy())


def _later(
    train: pd.DataFrame,
    validate: pd.DataFrame | None,
    evaluate: pd.DataFrame,
    schema: Mapping[str, Any],
    notes: list[str],
) -> pd.DataFrame:
    if "timeColumn" not in schema:
        return evaluate
    name = schema["timeColumn"]
    border = max(part[name].max() for part in (train, validate) if part is not None and len(part))
    later = evaluate[evaluate[name] > border]
    if len(later) < len(evaluate):
        dropped = len(evaluate) - len(later)
        notes.append(f"{dropped} rows not later than the last training row ({border:%Y-%m-%dT%H:%M:%SZ}) dropped")
    return later


def _other_keys(
    train: pd.DataFrame,
    validate: pd.DataFrame | None,
    evaluate: pd.DataFrame,
    schema: Mapping[str, Any],
    notes: list[str],
) -> pd.DataFrame:
    if "keyColumn" not in schema:
        return evaluate
    name = schema["keyColumn"]
    known = pd.concat([part[name] for part in (train, validate) if part is not None])
    other = evaluate[~evaluate[name].isin(known)]
    if len(other) < len(evaluate):
        notes.append(f"{len(evaluate) - len(other)} rows whose key is in the training rows dropped")
    return other
