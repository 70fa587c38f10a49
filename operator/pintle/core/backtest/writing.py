"""A recording as lines of text: JSON lines or CSV, the settings first, then a row for each sample by time."""

from __future__ import annotations

import csv
import heapq
import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pintle.core.backtest.recording import API_VERSION, COLUMNS, KIND, Recording, SeriesKey, Setup

Row = tuple[float, SeriesKey, float]


def json_lines(recording: Recording) -> Iterator[str]:
    """Each with its end of line."""
    setup = recording.setup
    yield json.dumps(head(recording), ensure_ascii=False) + "\n"
    for time, (revision, pod, metric, bin_), value in _rows(recording):
        row = (_time(time), setup.namespace, setup.deployment, revision, pod, metric, bin_, _value(value))
        yield json.dumps(dict(zip(COLUMNS, row, strict=True)), ensure_ascii=False, separators=(",", ":")) + "\n"


def csv_lines(recording: Recording) -> Iterator[str]:
    """The settings are a comment before the names of the columns."""
    setup = recording.setup
    line = _Line()
    writer = csv.writer(line, lineterminator="\n")
    yield "# " + json.dumps(head(recording), ensure_ascii=False) + "\n"
    writer.writerow(COLUMNS)
    yield line.text
    for time, (revision, pod, metric, bin_), value in _rows(recording):
        row = (_time(time), setup.namespace, setup.deployment, revision, pod, metric, bin_, _value(value))
        writer.writerow(row)
        yield line.text


def head(recording: Recording) -> dict[str, Any]:
    """The first record."""
    setup: Setup = recording.setup
    found: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "namespace": setup.namespace,
        "deployment": setup.deployment,
        "phase": setup.phase,
        "tested": setup.tested,
        "control": setup.control,
        "originTime": time_text(setup.origin),
        "untilTime": None if setup.until is None else time_text(setup.until),
        "scrapeSeconds": setup.scrape_seconds,
        "rollout": dict(setup.rollout),
        "guard": None if setup.guard is None else dict(setup.guard),
        "gateway": setup.gateway,
        "versions": dict(setup.versions),
        "weights": [{"time": time_text(item.time), "weights": dict(item.weights)} for item in setup.weights],
        "decided": [dict(item) for item in setup.decided],
        "rows": recording.rows,
    }
    return {key: value for key, value in found.items() if value is not None}


def time_text(seconds: float) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    at = datetime.fromtimestamp(round(seconds, 3), tz=UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _rows(recording: Recording) -> Iterator[Row]:
    """By time; samples of one moment in the order of the series."""
    series = (
        [(time, number, key, value) for time, value in zip(times, values, strict=True)]
        for number, (key, (times, values)) in enumerate(recording.series.items())
    )
    for time, _, key, value in heapq.merge(*series):
        yield time, key, value


def _time(seconds: float) -> float:
    return round(seconds, 3)


def _value(value: float) -> float | int | str:
    """A counter is mostly a whole number; what JSON has no number for is text."""
    if not math.isfinite(value):
        return str(value)
    return int(value) if value == int(value) and abs(value) < 2**53 else value


class _Line:
    """What the csv module wrote last."""

    text = ""

    def write(self, text: str) -> int:
        self.text = text
        return len(text)
