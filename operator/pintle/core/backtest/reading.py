"""A recording out of its lines. What is wrong is told with the number of the line and what to do about it."""

from __future__ import annotations

import csv
import json
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from typing import Any

from pintle.core.backtest.recording import (
    API_VERSION,
    CANARY,
    COLUMNS,
    KIND,
    PHASES,
    Recording,
    SeriesKey,
    Setup,
    Shares,
    bin_of,
    labels_in,
)

FORM = "docs/backtest.md has the form"
NEEDED = ("time", "revision", "pod", "metric", "value")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CUT = "the file was cut off: copy or record it again"


class RecordingInvalid(ValueError):
    """What is wrong with a recording: in which line (from 1), and what to do."""

    def __init__(self, line: int, what: str, todo: str = FORM) -> None:
        super().__init__(f"line {line}: {what}; {todo}")
        self.line = line


def read(lines: Iterable[str]) -> Recording:
    """From JSON lines or CSV, whichever they are. Raises RecordingInvalid."""
    numbered: Iterator[tuple[int, str]] = enumerate(lines, start=1)
    number, text = next(((n, line) for n, line in numbered if line.strip()), (1, ""))
    if not text:
        raise RecordingInvalid(1, "the file is empty", _CUT)
    is_csv = text.lstrip().startswith("#")
    said = _object(number, text.lstrip().lstrip("#").strip(), "the first line has to be the settings")
    setup = _setup(number, said)
    if text.endswith("\n") and said.get("rows") is not None:
        numbered = _ended(numbered)
    rows = _of_csv(numbered, number) if is_csv else _of_json(numbered)
    return _collected(setup, rows, said.get("rows"), number)


def _ended(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """What was written by a program ends with the end of a line; a number that was cut off would still be one."""
    number, line = 1, "\n"
    for number, line in lines:
        yield number, line
    if not line.endswith("\n"):
        raise RecordingInvalid(number, "the last line does not end", _CUT)


def _of_json(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in lines:
        if line.strip():
            yield number, _object(number, line, "a row has to be a JSON object")


def _of_csv(lines: Iterable[tuple[int, str]], before: int) -> Iterator[tuple[int, Mapping[str, Any]]]:
    found = ((number, line) for number, line in lines if line.strip() and not line.startswith("#"))
    number, header = next(found, (before + 1, ""))
    columns = next(csv.reader([header]), [])
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        raise RecordingInvalid(
            number, f"the columns {', '.join(missing)} are missing", f"write {','.join(COLUMNS)} as the second line"
        )
    for number, line in found:
        try:
            cells = next(csv.reader([line], strict=True))
        except csv.Error as error:
            raise RecordingInvalid(number, f"this is no CSV ({error})", _CUT) from None
        if len(cells) != len(columns):
            raise RecordingInvalid(number, f"{len(cells)} cells where there are {len(columns)} columns", _CUT)
        yield number, dict(zip(columns, cells, strict=True))


def _object(number: int, text: str, what: str) -> Mapping[str, Any]:
    try:
        said = json.loads(text)
    except ValueError:
        todo = _CUT if text.startswith("{") and not text.rstrip().endswith("}") else FORM
        raise RecordingInvalid(number, f"{what}, and this is no JSON", todo) from None
    if not isinstance(said, dict):
        raise RecordingInvalid(number, f"{what}, and this is none")
    return said


def _collected(
    setup: Setup, rows: Iterable[tuple[int, Mapping[str, Any]]], expected: Any, first_line: int
) -> Recording:
    found: dict[SeriesKey, list[tuple[float, float, int]]] = {}
    count, last = 0, first_line
    for number, row in rows:
        key, time, value = _row(setup, number, row)
        found.setdefault(key, []).append((time, value, number))
        count, last = count + 1, number
    if isinstance(expected, int) and count != expected:
        raise RecordingInvalid(
            last,
            f"here the file ends after {count} rows of {expected}",
            f"{_CUT}, or, if rows were taken out on purpose, correct `rows` in line {first_line}",
        )
    if not count:
        raise RecordingInvalid(last, "there are settings and no samples", _CUT)
    recording = Recording(setup)
    for key, samples in found.items():
        recording.series[key] = _ordered(samples)
    return recording


def _ordered(samples: list[tuple[float, float, int]]) -> tuple[array[float], array[float]]:
    samples.sort(key=lambda sample: (sample[0], sample[2]))
    kept = samples[:1]
    for before, sample in pairwise(samples):
        if before[0] != sample[0]:
            kept.append(sample)
        elif before[1] != sample[1] and before[1] == before[1]:
            raise RecordingInvalid(
                sample[2],
                f"line {before[2]} has another value of the same series at the same time",
                "take one of the two out, or give the pods or the bins different names",
            )
    return array("d", (time for time, _, _ in kept)), array("d", (value for _, value, _ in kept))


def _row(setup: Setup, number: int, row: Mapping[str, Any]) -> tuple[SeriesKey, float, float]:
    missing = [name for name in NEEDED if row.get(name) in (None, "")]
    if missing:
        raise RecordingInvalid(number, f"{', '.join(missing)} is missing", FORM)
    for name, own in (("namespace", setup.namespace), ("deployment", setup.deployment)):
        if row.get(name) not in (None, "", own):
            raise RecordingInvalid(
                number, f"{name} {row[name]}, where the settings say {own}", "keep one deployment to a file"
            )
    try:
        bin_ = _spelt(str(row.get("bin") or ""))
    except ValueError as error:
        raise RecordingInvalid(
            number, f"bin {row['bin']!r} cannot be read: {error}", "write labels as name=value&name=value"
        ) from None
    key = (str(row["revision"]), str(row["pod"]), str(row["metric"]), bin_)
    return key, _moment(number, "time", row["time"]), _number(number, "value", row["value"])


@lru_cache(maxsize=2**16)
def _spelt(bin_: str) -> str:
    """One spelling of the same labels, so that the same series is one. Raises ValueError."""
    return bin_of(labels_in(bin_))


def _setup(number: int, said: Mapping[str, Any]) -> Setup:
    if said.get("kind") != KIND:
        what = "the first line has to be the settings" if "metric" in said else f"kind has to be {KIND}"
        raise RecordingInvalid(number, what)
    if said.get("apiVersion") != API_VERSION:
        raise RecordingInvalid(
            number, f"apiVersion {said.get('apiVersion')} is not {API_VERSION}", "use the plugin that recorded it"
        )
    missing = [name for name in ("namespace", "deployment", "tested", "control", "originTime") if not said.get(name)]
    if missing:
        raise RecordingInvalid(number, f"the settings lack {', '.join(missing)}")
    if said.get("phase", CANARY) not in PHASES:
        raise RecordingInvalid(number, f"phase is {said['phase']}", f"write {' or '.join(PHASES)}")
    _revisions(number, said)
    until, scrape = said.get("untilTime"), said.get("scrapeSeconds")
    try:
        return Setup(
            namespace=str(said["namespace"]),
            deployment=str(said["deployment"]),
            tested=str(said["tested"]),
            control=str(said["control"]),
            origin=_moment(number, "originTime", said["originTime"]),
            phase=str(said.get("phase", CANARY)),
            until=None if until is None else _moment(number, "untilTime", until),
            scrape_seconds=None if scrape is None else _positive(number, scrape),
            rollout=dict(said.get("rollout") or {}),
            guard=None if said.get("guard") is None else dict(said["guard"]),
            gateway=bool(said.get("gateway", True)),
            versions={str(name): int(version) for name, version in dict(said.get("versions") or {}).items()},
            weights=tuple(_shares(number, item) for item in said.get("weights") or ()),
            decided=tuple(dict(item) for item in said.get("decided") or ()),
        )
    except (TypeError, KeyError, AttributeError) as error:
        raise RecordingInvalid(number, f"the settings cannot be read ({error})") from None


def _revisions(number: int, said: Mapping[str, Any]) -> None:
    if said["tested"] == said["control"]:
        raise RecordingInvalid(number, "tested and control are the same revision", "name the two that were compared")
    for name in (said["tested"], said["control"]):
        if not _REVISION.fullmatch(str(name)):
            raise RecordingInvalid(number, f"{name!r} is no name of a revision")


def _shares(number: int, item: Mapping[str, Any]) -> Shares:
    weights = {str(name): int(weight) for name, weight in item["weights"].items()}
    return Shares(_moment(number, "time", item["time"]), weights)


def _moment(number: int, name: str, said: Any) -> float:
    """Unix seconds from a number or an RFC 3339 text."""
    try:
        if isinstance(said, str) and "T" in said:
            at = datetime.fromisoformat(said)
            if at.tzinfo is None:
                raise RecordingInvalid(number, f"{name} {said} has no time zone", "write it with Z or an offset")
            return at.timestamp()
        at_seconds = float(said)
    except (TypeError, ValueError) as error:
        if isinstance(error, RecordingInvalid):
            raise
        raise RecordingInvalid(
            number, f"{name} {said!r} is no time", "write unix seconds or 2026-11-21T12:00:00.000Z"
        ) from None
    if not 0 <= at_seconds < 1e11:
        raise RecordingInvalid(number, f"{name} {said!r} is no time in seconds", "milliseconds have to be divided")
    return at_seconds


def _number(number: int, name: str, said: Any) -> float:
    if isinstance(said, bool):
        said = str(said)
    try:
        return float(said)
    except (TypeError, ValueError):
        raise RecordingInvalid(number, f"{name} {said!r} is no number", "write the counter as it was scraped") from None


def _positive(number: int, said: Any) -> float:
    seconds = _number(number, "scrapeSeconds", said)
    if not seconds > 0:
        raise RecordingInvalid(number, f"scrapeSeconds is {said}", "write the seconds between two scrapes")
    return seconds
