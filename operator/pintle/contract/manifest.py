"""The artifact folder: `manifest.json`, `profile.json` and `example.json`, as `evaluate` writes and servers read them.

Column types on their way into a model: Number, Integer and Boolean are float32 (missing = NaN), Timestamp too
(`contract.times`), String is a string (missing = MISSING_STRING, because a string tensor has no null).
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any

from pintle.contract.folders import EXAMPLE_FILE, MANIFEST_FILE

FORMAT_VERSION = 1
ONNX = "ONNX"
SKOPS = "Skops"
XGBOOST = "XGBoost"
LIGHTGBM = "LightGBM"
MLFLOW = "MLflow"
PICKLE = "Pickle"
MODEL_FILES: Mapping[str, str] = {
    ONNX: "model.onnx",
    SKOPS: "model.skops",
    XGBOOST: "model.ubj",
    LIGHTGBM: "model.txt",
    MLFLOW: "MLmodel",
    PICKLE: "model.pkl",
}
OTHER_MODEL_FILES: Mapping[str, tuple[str, ...]] = {XGBOOST: ("model.json",), PICKLE: ("model.joblib",)}
"""Names that a model file may have instead."""
BINARY = "BinaryClassification"
MULTICLASS = "Multiclass"
REGRESSION = "Regression"
OUTLIERS = "OutlierDetection"
TASKS = (BINARY, MULTICLASS, REGRESSION, OUTLIERS)
COLUMNS = "Columns"
MATRIX = "Matrix"
MATRIX_INPUT = "input"
"""Name of a Matrix model's tensor, where its file has no name for it."""
TIME_TYPE = "Timestamp"
NUMBER_TYPES = ("Number", "Integer", "Boolean", TIME_TYPE)
STRING_TYPE = "String"
MISSING_STRING = ""
TOLERANCE = 1e-4
"""Largest allowed difference between an example's answer and the server's."""

_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,126}")


class ManifestError(ValueError):
    """The artifact is not what this version of Pintle can read. The message is for a person."""


@dataclass(frozen=True)
class FileEntry:
    """Size and digest of one file of the artifact."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Feature:
    """One input column of the model."""

    name: str
    type: str = "Number"
    required: bool = False

    @property
    def is_string(self) -> bool:
        return self.type == STRING_TYPE

    @property
    def is_time(self) -> bool:
        """Sent as ISO 8601, a number to the model."""
        return self.type == TIME_TYPE


@dataclass(frozen=True)
class Manifest:
    """What the artifact holds and what the model answers. `raw` is the whole JSON object."""

    model_format: str
    files: Mapping[str, FileEntry]
    features: tuple[Feature, ...]
    task: str
    labels: tuple[Any, ...] = ()
    """Classes in the order of the probability columns; empty for a regression."""
    positive: Any = None
    inputs: str = COLUMNS
    output_names: tuple[str, ...] = ()
    """Of a regression with several outputs, in their order; the first one is the score. Empty where there is one."""
    raw: Mapping[str, Any] = field(default_factory=dict)

    @property
    def model_file(self) -> str:
        return model_file(self.model_format, self.files)

    @property
    def positive_index(self) -> int | None:
        """Column of the positive class, for a binary classification; the last label where none is named."""
        if self.task != BINARY:
            return None
        return self.labels.index(self.positive) if self.positive in self.labels else len(self.labels) - 1

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Raises ManifestError."""
        return parse_manifest(_object(data, MANIFEST_FILE))


@dataclass(frozen=True)
class Example:
    """Rows with the answers that the model gave when it was evaluated.

    An answer is the probability of the positive class, the list of probabilities, the value, the list of values of
    several outputs, or the score of an outlier detector.
    """

    rows: tuple[Mapping[str, Any], ...]
    answers: tuple[Any, ...]

    @classmethod
    def from_bytes(cls, data: bytes) -> Example:
        """Raises ManifestError; an example without rows proves nothing and is refused."""
        raw = _object(data, EXAMPLE_FILE)
        rows, answers = raw.get("rows"), raw.get("answers")
        if not isinstance(rows, list) or not isinstance(answers, list) or not rows or len(rows) != len(answers):
            raise ManifestError(f"{EXAMPLE_FILE} must hold as many answers as rows, and at least one")
        if not all(isinstance(row, dict) for row in rows):
            raise ManifestError(f"{EXAMPLE_FILE}: every row must be an object of columns")
        return cls(tuple(rows), tuple(answers))


def parse_manifest(raw: Mapping[str, Any]) -> Manifest:
    """The manifest from its JSON object. Raises ManifestError."""
    if raw.get("formatVersion") != FORMAT_VERSION:
        raise ManifestError(f"{MANIFEST_FILE} has formatVersion {raw.get('formatVersion')!r}, not {FORMAT_VERSION}")
    model_format = str(raw.get("modelFormat"))
    if model_format not in MODEL_FILES:
        raise ManifestError(f"modelFormat {model_format!r} is not one of {', '.join(MODEL_FILES)}")
    files = _files(raw.get("files"))
    if model_file(model_format, files) not in files:
        raise ManifestError(f"{MANIFEST_FILE} lists no {MODEL_FILES[model_format]}")
    task = raw.get("task")
    if task not in TASKS:
        raise ManifestError(f"task {task!r} is not one of {', '.join(TASKS)}")
    inputs = raw.get("inputs", COLUMNS)
    if inputs not in (COLUMNS, MATRIX):
        raise ManifestError(f"inputs {inputs!r} is neither {COLUMNS} nor {MATRIX}")
    outputs = raw.get("outputs") or {}
    labels = tuple(outputs.get("labels") or ()) if isinstance(outputs, Mapping) else ()
    if task in (BINARY, MULTICLASS) and len(labels) < 2:
        raise ManifestError(f"a {task} needs at least two labels in outputs.labels")
    features = _features(raw.get("schema"))
    named = _output_names(outputs.get("names"), str(task))
    return Manifest(model_format, files, features, task, labels, outputs.get("positive"), inputs, named, raw)


def _output_names(raw: Any, task: str) -> tuple[str, ...]:
    if raw is None:
        return ()
    if task != REGRESSION:
        raise ManifestError(f"outputs.names is for a {REGRESSION} with several outputs, not for a {task}")
    if not isinstance(raw, list) or len(raw) < 2 or len(set(map(str, raw))) != len(raw):
        raise ManifestError("outputs.names must be a list of at least two names, each another")
    if wrong := [name for name in raw if not isinstance(name, str) or not name]:
        raise ManifestError(f"outputs.names holds {wrong[0]!r}, which is no name")
    return tuple(raw)


def model_file(model_format: str, files: Container[str]) -> str:
    """Name of the model file: the first name of the format that is there, else the usual one."""
    usual = MODEL_FILES[model_format]
    return next((name for name in (usual, *OTHER_MODEL_FILES.get(model_format, ())) if name in files), usual)


def _files(raw: Any) -> dict[str, FileEntry]:
    if not isinstance(raw, Mapping) or not raw:
        raise ManifestError(f"{MANIFEST_FILE} lists no files")
    files: dict[str, FileEntry] = {}
    for name, entry in raw.items():
        if not _FILE_NAME.fullmatch(name) or name == MANIFEST_FILE:
            raise ManifestError(f"{name!r} cannot be a file of an artifact: one folder, letters, digits and ._- only")
        try:
            sha256, size = str(entry["sha256"]).removeprefix("sha256:"), int(entry["bytes"])
        except (KeyError, TypeError, ValueError):
            raise ManifestError(f"file {name} needs sha256 and bytes") from None
        if not re.fullmatch(r"[0-9a-f]{64}", sha256) or size < 0:
            raise ManifestError(f"file {name} needs a sha256 of 64 hex digits and its size in bytes")
        files[name] = FileEntry(sha256, size)
    return files


def _features(schema: Any) -> tuple[Feature, ...]:
    raw = schema.get("features") if isinstance(schema, Mapping) else None
    if not isinstance(raw, list) or not raw:
        raise ManifestError("schema.features is empty: a server needs the names and types of the columns")
    features: list[Feature] = []
    for item in raw:
        kind = item.get("type", "Number") if isinstance(item, Mapping) else None
        if kind not in (*NUMBER_TYPES, STRING_TYPE) or not isinstance(item.get("name"), str):
            known = ", ".join((*NUMBER_TYPES, STRING_TYPE))
            raise ManifestError(f"feature {item!r} needs a name and a type: one of {known}")
        features.append(Feature(item["name"], kind, bool(item.get("required", False))))
    if len({feature.name for feature in features}) != len(features):
        raise ManifestError("schema.features names a column twice")
    return tuple(features)


def _object(data: bytes, name: str) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError as error:
        raise ManifestError(f"{name} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ManifestError(f"{name} must be a JSON object")
    return value
