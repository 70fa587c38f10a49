"""Which objects of a data set a run takes: pure functions over a listing.

A partition is a file or a folder directly below storageUri; its name (without extension) says its time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pintle.train.storage import ObjectInfo

SUFFIXES = (".parquet", ".csv", ".csv.gz")
TOKENS = {"yyyy": r"\d{4}", "MM": r"\d{2}", "dd": r"\d{2}", "HH": r"\d{2}"}


@dataclass(frozen=True)
class Selection:
    """Objects to read, the partitions they belong to (oldest first), and why others were left out."""

    objects: tuple[ObjectInfo, ...]
    partitions: tuple[str, ...]
    notes: tuple[str, ...]


def data_objects(objects: Sequence[ObjectInfo]) -> list[ObjectInfo]:
    """Parquet and CSV objects; what a path part beginning with `_` or `.` hides (`_SUCCESS`, checksums) is left out."""
    return [
        info
        for info in objects
        if info.name.endswith(SUFFIXES) and not any(part[:1] in ("_", ".") for part in info.name.split("/"))
    ]


def partition_of(name: str) -> str:
    """`2013-01` of `2013-01.parquet`, of `2013-01/part-0.parquet` and of `2013-01.csv.gz`."""
    first, _, rest = name.partition("/")
    if rest:
        return first
    for suffix in SUFFIXES:
        if first.endswith(suffix):
            return first[: -len(suffix)]
    return first


def pattern_of(form: str) -> re.Pattern[str]:
    """A regular expression for `{yyyy}-{MM}`. Raises ValueError for an unknown or repeated placeholder."""
    pieces, seen = [], set()
    for literal, token in re.findall(r"([^{}]+)|\{([^{}]*)\}", form):
        if literal:
            pieces.append(re.escape(literal))
            continue
        if token not in TOKENS or token in seen:
            raise ValueError(
                f"select.partition {form!r}: {{{token}}} is not one of {{yyyy}}, {{MM}}, {{dd}}, {{HH}}, once"
            )
        seen.add(token)
        pieces.append(f"(?P<{token}>{TOKENS[token]})")
    if "yyyy" not in seen:
        raise ValueError(f"select.partition {form!r} names no {{yyyy}}: partitions could not be sorted by time")
    return re.compile("".join(pieces))


def select(objects: Sequence[ObjectInfo], spec: Mapping[str, Any] | None, now: datetime) -> Selection:
    """The objects that `select` picks; all of them where there is no `select`. Raises ValueError for a wrong `select`.

    Newest `skip` partitions are left out, then `latest` are taken; excluded and unsettled ones do not count.
    """
    found = data_objects(objects)
    if not spec:
        return Selection(tuple(found), tuple(sorted({partition_of(info.name) for info in found})), ())
    candidates, notes = _candidates(found, spec, now)
    skip, latest = int(spec.get("skip") or 0), int(spec.get("latest") or 1)
    newest_first = sorted(candidates, key=lambda item: candidates[item], reverse=True)
    chosen = set(newest_first[skip : skip + latest])
    if len(chosen) < latest:
        notes.append(f"{len(chosen)} of {latest} partitions exist")
    objects_chosen = [info for info in found if partition_of(info.name) in chosen]
    return Selection(tuple(objects_chosen), tuple(sorted(chosen, key=lambda item: candidates[item])), tuple(notes))


def _candidates(
    found: Sequence[ObjectInfo], spec: Mapping[str, Any], now: datetime
) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Partitions that may be taken, with their sort keys, and notes on those that may not."""
    pattern = pattern_of(str(spec.get("partition") or ""))
    settled_before = now - timedelta(seconds=int(spec.get("settleSeconds") or 0))
    modified: dict[str, datetime] = {}
    for info in found:
        partition = partition_of(info.name)
        modified[partition] = max(info.modified, modified.get(partition, info.modified))
    candidates: dict[str, tuple[str, ...]] = {}
    notes = []
    for partition, changed in sorted(modified.items()):
        match = pattern.fullmatch(partition)
        if match is None:
            continue
        reason = _excluded(partition, spec)
        if reason is not None:
            notes.append(f"{partition} excluded: {reason}")
        elif changed > settled_before:
            notes.append(f"{partition} changed at {changed:%Y-%m-%dT%H:%M:%SZ}, not settled yet")
        else:
            candidates[partition] = tuple(match.groupdict().get(token) or "" for token in TOKENS)
    return candidates, notes


def _excluded(partition: str, spec: Mapping[str, Any]) -> str | None:
    for entry in spec.get("exclude") or ():
        if str(entry["from"]) <= partition <= str(entry["to"]):
            return str(entry.get("reason", "")) or "no reason given"
    return None
