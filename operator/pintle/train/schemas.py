"""The schema of a run: as declared, completed from the training rows; and the report of data that break it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pintle.contract.exits import Exit
from pintle.contract.manifest import BINARY, REGRESSION
from pintle.contract.profile import MAX_FEATURES
from pintle.train.columns import (
    Findings,
    feature_column,
    key_column,
    target_column,
    time_column,
)
from pintle.train.outcome import DATA_INVALID, REQUEST_INVALID, Refusal

DEFAULT_TARGET = "target"
MAX_CLASSES = 100
"""Whole numbers with more values than this are no classes, where no task is declared."""


def declared(schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """The declared schema without empty entries."""
    return {key: value for key, value in (schema or {}).items() if value not in (None, [], "")}


def wanted_columns(schema: Mapping[str, Any]) -> set[str] | None:
    """The columns to read, or None for all of them, where features are to be inferred."""
    if "features" not in schema or "target" not in schema:
        return None
    special = (schema[key] for key in ("target", "timeColumn", "keyColumn") if key in schema)
    return {str(feature["name"]) for feature in schema["features"]} | {str(name) for name in special}


def string_columns(schema: Mapping[str, Any]) -> set[str]:
    """Columns that hold text even where it looks like numbers."""
    return {str(item["name"]) for item in schema.get("features", ()) if item.get("type") == "String"}


def columns_to_read(schema: Mapping[str, Any], more: Sequence[Mapping[str, Any]]) -> tuple[set[str] | None, set[str]]:
    """The columns to read (None for all), and those that hold text. `more` are features that the champion has.

    Where the schema is inferred they change nothing: what the candidate learns from must not depend on the champion.
    """
    wanted, strings = wanted_columns(schema), string_columns(schema)
    if wanted is None:
        return None, strings
    others = [item for item in more if item["name"] not in wanted]
    texts = {str(item["name"]) for item in others if item["type"] == "String"}
    return wanted | {str(item["name"]) for item in others}, strings | texts


def columns_of(schema: Mapping[str, Any]) -> list[str]:
    """The columns that the full schema is about, in their order."""
    special = [str(schema[part]) for part in ("target", "timeColumn", "keyColumn") if part in schema]
    return [*(str(item["name"]) for item in schema["features"]), *special]


def more_columns(frame: pd.DataFrame, schema: Mapping[str, Any], more: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Features besides the schema's as a model meets them, as far as they exist and are what they should be."""
    taken, columns = set(columns_of(schema)), {}
    for item in more:
        findings = Findings("", len(frame))
        if item["name"] not in taken:
            column = feature_column(frame, item, findings)
            if not findings.items:
                columns[str(item["name"])] = column
    return pd.DataFrame(columns, index=frame.index)


def complete(schema: Mapping[str, Any], frame: pd.DataFrame) -> tuple[dict[str, Any], list[str]]:
    """The full schema and notes on columns that are no features.

    Raises Refusal(CONFIG) without a target, or when a name has two parts to play.
    """
    full = dict(schema)
    if "target" not in full:
        if DEFAULT_TARGET not in frame:
            message = f"schema.target is not set and there is no column {DEFAULT_TARGET!r}: name the column to predict"
            raise Refusal(Exit.CONFIG, REQUEST_INVALID, message)
        full["target"] = DEFAULT_TARGET
    notes: list[str] = []
    if "features" not in full:
        special = {full.get(key) for key in ("target", "timeColumn", "keyColumn")}
        full["features"], notes = _infer([column for column in frame.columns if column not in special], frame)
    names = [feature["name"] for feature in full["features"]]
    for part in ("target", "timeColumn", "keyColumn"):
        if full.get(part) in names:
            raise Refusal(Exit.CONFIG, REQUEST_INVALID, f"schema.features holds the {part} {full[part]!r}")
    if not names:
        raise Refusal(
            Exit.CONFIG, REQUEST_INVALID, f"no column is left as a feature: {'; '.join(notes) or 'no columns'}"
        )
    if len(names) > MAX_FEATURES:
        message = f"{len(names)} columns could be features, at most {MAX_FEATURES} are possible: list schema.features"
        raise Refusal(Exit.CONFIG, REQUEST_INVALID, message)
    return full, notes


def _infer(columns: Sequence[Any], frame: pd.DataFrame) -> tuple[list[dict[str, Any]], list[str]]:
    features, notes = [], []
    for column in columns:
        kind = _type_of(frame[column])
        if kind is None:
            notes.append(f"{column} is no feature: it holds {'nothing' if frame[column].isna().all() else 'no values'}")
        else:
            features.append({"name": str(column), "type": kind})
    return features, notes


def _type_of(column: pd.Series) -> str | None:
    if column.isna().all():
        return None
    if pd.api.types.is_bool_dtype(column):
        return "Boolean"
    if pd.api.types.is_integer_dtype(column):
        return "Integer"
    if pd.api.types.is_float_dtype(column):
        return "Number"
    present = column.dropna()
    if present.map(lambda value: isinstance(value, bool)).all():
        return "Boolean"
    return "String" if present.map(lambda value: isinstance(value, str)).all() else None


def canonical_frame(frame: pd.DataFrame, schema: Mapping[str, Any], dataset: str) -> tuple[pd.DataFrame, Findings]:
    """Features, target, time and key as `columns` brings them, and everything that is wrong with them."""
    findings = Findings(dataset, len(frame))
    columns = {str(item["name"]): feature_column(frame, item, findings) for item in schema["features"]}
    columns[str(schema["target"])] = target_column(frame, str(schema["target"]), schema.get("task"), findings)
    if "timeColumn" in schema:
        columns[str(schema["timeColumn"])] = time_column(frame, str(schema["timeColumn"]), findings)
    if "keyColumn" in schema:
        columns[str(schema["keyColumn"])] = key_column(frame, str(schema["keyColumn"]), findings)
    return pd.DataFrame(columns), findings


def check_labels(
    parts: Sequence[tuple[str, pd.DataFrame]], schema: Mapping[str, Any], findings: Sequence[Findings]
) -> None:
    """Note targets of the other roles that no training row has, and a number of classes that is not the declared one.

    `parts` are (role, frame), `findings` those of the same data sets. Says nothing about a regression.
    """
    target, task = str(schema["target"]), schema.get("task")
    if any(item.column == target for one in findings for item in one.items):
        return
    trained = pd.concat([frame[target] for role, frame in parts if role == "Train"])
    if task == REGRESSION or (task is None and pd.api.types.is_float_dtype(trained)):
        return
    labels = set(trained.unique())
    if task is None and len(labels) > MAX_CLASSES and pd.api.types.is_numeric_dtype(trained):
        return
    if len(labels) < 2 or (task == BINARY and len(labels) != 2):
        rule = "has two classes in training" if task == BINARY else "has at least two classes in training"
        findings[0].add(target, rule, trained.notna(), trained)
        return
    for (role, frame), one in zip(parts, findings, strict=True):
        if role != "Train":
            one.add(target, "is a class of the training rows", ~frame[target].isin(labels), frame[target])


def report(all_findings: Sequence[Findings]) -> str:
    """A table for people of everything that is wrong."""
    lines = ["The data break the schema; nothing was trained."]
    for findings in all_findings:
        if not findings.items:
            continue
        lines += ["", f"data set {findings.dataset}, {findings.rows:,} rows"]
        widths = [max(len(item.column) for item in findings.items), max(len(item.rule) for item in findings.items)]
        widths = [max(widths[0], len("column")), max(widths[1], len("rule"))]
        lines.append(f"  {'column':<{widths[0]}}  {'rule':<{widths[1]}}  {'rows':>9}  examples")
        for item in sorted(findings.items, key=lambda item: -item.rows):
            row = f"  {item.column:<{widths[0]}}  {item.rule:<{widths[1]}}  {item.rows:>9,}  {', '.join(item.examples)}"
            lines.append(row.rstrip())
    return "\n".join(lines)


def refuse_if_wrong(all_findings: Sequence[Findings]) -> None:
    """Raises Refusal(DATA_INVALID) with the essentials as message and everything in its details."""
    wrong = [findings for findings in all_findings if findings.items]
    if not wrong:
        return
    sentences = []
    for findings in wrong:
        for item in sorted(findings.items, key=lambda item: -item.rows):
            examples = f" ({', '.join(item.examples)})" if item.examples else ""
            sentences.append(f"{findings.dataset}: {item.column}: not '{item.rule}' in {item.rows} rows{examples}")
    details = {
        "report": report(wrong),
        "findings": [{"dataset": f.dataset, "rows": f.rows, "items": [vars(item) for item in f.items]} for f in wrong],
    }
    raise Refusal(Exit.DATA_INVALID, DATA_INVALID, "; ".join(sentences), details)
