"""What a user's train.py calls; the same on a laptop and in the cluster.

In a run pod the folders come by environment. On a laptop they lie in `./pintle-run` (or below PINTLE_ROOT): put rows
into `pintle-run/data/train.parquet` (or .csv), or let `python -m pintle.train.fetch` do it.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pintle.contract import folders, names

if TYPE_CHECKING:
    import pandas as pd

Value = int | float | bool | str
LAPTOP = "pintle-run"
_FILES = {"Train": folders.TRAIN_FILE, "Validate": folders.VALIDATE_FILE}


def load(role: str = "Train") -> pd.DataFrame:
    """The rows of a role: features (float32 or str), target, time and key columns.

    Raises ValueError for another role than Train and Validate (Evaluate rows are never seen by training), and
    FileNotFoundError where there are no such rows.
    """
    import pandas as pd

    if role not in _FILES:
        raise ValueError(f"role is Train or Validate, not {role!r}")
    path = _folder(names.ENV_DATA_DIR, "data") / _FILES[role]
    if path.is_file():
        return pd.read_parquet(path)
    text = path.with_suffix(".csv")
    if text.is_file():
        return pd.read_csv(text)
    raise FileNotFoundError(f"no {role} rows: neither {path} nor {text.name} exists")


def schema() -> dict[str, Any]:
    """The schema: target, features [{name, type, ...}], and timeColumn, keyColumn, task where they are known.

    Raises FileNotFoundError where `fetch` has not run and nobody wrote data/schema.json.
    """
    value: dict[str, Any] = json.loads((_folder(names.ENV_DATA_DIR, "data") / folders.SCHEMA_FILE).read_text("utf-8"))
    return value


def hyperparameters() -> dict[str, Value]:
    """The hyperparameters of the run: numbers as numbers, true and false as booleans, the rest as strings."""
    raw = json.loads(os.environ.get(names.ENV_HYPERPARAMETERS) or "{}")
    return {str(name): _value(value) for name, value in raw.items()}


def seed() -> int:
    """The seed of the run; 0 on a laptop."""
    return int(os.environ.get(names.ENV_SEED) or 0)


def log(step: int | None = None, **metrics: float | str) -> None:
    """Append one line to metrics.jsonl: `{"time": seconds, "step": n, name: value, ...}`.

    Values that JSON cannot hold (NaN, infinite) are written as strings.
    """
    entry: dict[str, Any] = {"time": round(time.time(), 3)}
    if step is not None:
        entry["step"] = int(step)
    entry |= {name: _plain(value) for name, value in metrics.items()}
    folder = _metrics_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / folders.METRICS_FILE).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(entry, ensure_ascii=False, allow_nan=False) + "\n")


def save(model: Any) -> Path:
    """Leave the model for evaluation: ONNX (bytes or a ModelProto) as model.onnx, an estimator as model.skops.

    Returns the path. Raises TypeError for what is neither.
    """
    folder = output_dir()
    data = model if isinstance(model, bytes) else _onnx_bytes(model)
    if data is not None:
        path = folder / "model.onnx"
        path.write_bytes(data)
        return path
    if not hasattr(model, "predict"):
        raise TypeError(f"a {type(model).__name__} is neither a scikit-learn estimator nor an ONNX model")
    from skops import io

    path = folder / "model.skops"
    io.dump(model, path)
    return path


def output_dir() -> Path:
    """The folder that the model goes into; made where it is missing."""
    folder = _folder(names.ENV_MODEL_DIR, "model")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _folder(variable: str, name: str) -> Path:
    given = os.environ.get(variable)
    if given:
        return Path(given)
    return Path(os.environ.get(names.ENV_ROOT) or LAPTOP) / name


def _metrics_folder() -> Path:
    # Training may write its own part of the record only, whether the variable names that part or the whole.
    folder = _folder(names.ENV_RECORD_DIR, "record")
    return folder if folder.name == folders.RECORD_TRAIN.name else folder / folders.RECORD_TRAIN.name


def _value(value: Any) -> Value:
    if not isinstance(value, str):
        return value if isinstance(value, int | float) else str(value)
    if value in ("true", "false"):
        return value == "true"
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def _plain(value: Any) -> int | float | str | bool:
    if isinstance(value, bool | str | int):
        return value
    number = float(value)
    return number if number - number == 0 else str(number)


def _onnx_bytes(model: Any) -> bytes | None:
    serialize = getattr(model, "SerializeToString", None)
    return bytes(serialize()) if callable(serialize) else None
