"""The artifact folder: model file, profile, example rows with answers, and the manifest that digests them all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pintle.contract.digest import canonical, digest_bytes
from pintle.contract.folders import EXAMPLE_FILE, MANIFEST_FILE, PROFILE_FILE
from pintle.contract.manifest import (
    BINARY,
    FORMAT_VERSION,
    MISSING_STRING,
    MODEL_FILES,
    REGRESSION,
    STRING_TYPE,
    TIME_TYPE,
)
from pintle.contract.times import text_of
from pintle.train.truth import Floats, Truth

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE_ROWS = 16


def example_rows(frame: pd.DataFrame, schema: Mapping[str, Any], score: Floats) -> list[int]:
    """Positions of up to EXAMPLE_ROWS rows: one per feature with missing values, the rest spread over all scores."""
    chosen: list[int] = []
    for item in schema["features"]:
        column = frame[item["name"]]
        missing = (column == MISSING_STRING) if item["type"] == STRING_TYPE else column.isna()
        found = np.flatnonzero(missing.to_numpy(dtype=bool))
        if len(found) and len(chosen) < EXAMPLE_ROWS // 2 and not set(found[:1]) & set(chosen):
            chosen.append(int(found[0]))
    spread = np.argsort(score, kind="stable")[np.linspace(0, len(score) - 1, EXAMPLE_ROWS).astype(int)]
    chosen += [int(row) for row in spread if int(row) not in chosen]
    return sorted(dict.fromkeys(chosen[:EXAMPLE_ROWS]))


def example(
    frame: pd.DataFrame, schema: Mapping[str, Any], task: str, prediction: Floats, rows: list[int]
) -> dict[str, Any]:
    """`example.json`: rows with null for a missing value, and the model's answers."""
    listed = []
    for position in rows:
        row = frame.iloc[position]
        listed.append({item["name"]: _value(row[item["name"]], item["type"]) for item in schema["features"]})
    answers = prediction[rows, 1] if task == BINARY else prediction[rows]
    return {"rows": listed, "answers": np.round(answers, 9).tolist()}


def write_artifact(
    folder: Path,
    model_format: str,
    model: bytes,
    *,
    inputs: str,
    schema: Mapping[str, Any],
    truth: Truth,
    metrics: Mapping[str, float],
    run: Mapping[str, Any],
    profile: Mapping[str, Any],
    example_json: Mapping[str, Any],
) -> str:
    """Write all files, the manifest last; no times in it, so that the same run again makes the same bytes.

    Returns the digest of the model.
    """
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        MODEL_FILES[model_format]: model,
        PROFILE_FILE: canonical(profile),
        EXAMPLE_FILE: canonical(example_json),
    }
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    outputs: dict[str, Any] = {}
    if truth.task != REGRESSION:
        outputs["labels"] = list(truth.labels)
    if truth.task == BINARY:
        outputs["positive"] = truth.labels[1]
    manifest = canonical(
        {
            "formatVersion": FORMAT_VERSION,
            "modelFormat": model_format,
            "files": {
                name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
                for name, data in contents.items()
            },
            "schema": schema,
            "task": truth.task,
            "outputs": outputs,
            "inputs": inputs,
            "run": run,
            "metrics": metrics,
        }
    )
    (folder / MANIFEST_FILE).write_bytes(manifest)
    return digest_bytes(manifest)


def _value(value: Any, kind: str) -> Any:
    if kind == STRING_TYPE:
        return None if value == MISSING_STRING else str(value)
    if np.isnan(value):
        return None
    if kind == TIME_TYPE:
        return text_of(float(value))
    if kind == "Boolean":
        return bool(value)
    # The shortest decimal that is this float32 again.
    return int(value) if kind == "Integer" else float(str(np.float32(value)))
