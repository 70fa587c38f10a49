"""`python -m pintle.train.fetch`: brings the data of a run, or says what is wrong with them.

    list -> select partitions -> download and digest -> identity known? -> champion -> read -> schema -> check
         -> split -> enough new rows? -> write

It holds the data keys, and that of the champion's storage. Raw files lie in held/, which `train` never mounts, and are
gone when it ends.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pintle.contract import folders
from pintle.contract.digest import digest_value, short
from pintle.contract.exits import Exit
from pintle.contract.run import DatasetRequest, RunRequest, identity
from pintle.train import champion, schemas
from pintle.train.listing import listing_digest, selected
from pintle.train.outcome import (
    DATA_INVALID,
    NEED_MORE_DATA,
    REQUEST_INVALID,
    UNCHANGED,
    Outcome,
    Refusal,
    main,
    say,
    write_json,
)
from pintle.train.partitions import Selection
from pintle.train.storage import Store

if TYPE_CHECKING:
    import pandas as pd

    from pintle.train.columns import Findings
    from pintle.train.split import Split

ROLES = ("Train", "Validate", "Evaluate")
Listed = tuple[DatasetRequest, Store, Selection]


@dataclass(frozen=True)
class Fetched:
    """The bytes of one data set: where they lie, and what they are."""

    request: DatasetRequest
    digest: str
    selection: Selection
    files: tuple[tuple[str, Path], ...]


@dataclass(frozen=True)
class Read:
    """The rows of one data set, in the types a model meets."""

    fetched: Fetched
    frame: pd.DataFrame


def fetch(request: RunRequest) -> Outcome:
    """The whole phase. Raises Refusal; once the data are listed, with the digest of the listing."""
    now = datetime.now(UTC)
    listed = [(item, *selected(item, now)) for item in _checked(request.datasets)]
    listing = short(listing_digest([(item, selection) for item, _, selection in listed]), 16)
    try:
        outcome = _fetch(request, listed)
    except Refusal as refusal:
        refusal.details["listing"] = listing
        raise
    for report in (*outcome.reports, outcome.record):
        report["listing"] = listing
    return outcome


def _fetch(request: RunRequest, listed: list[Listed]) -> Outcome:
    raw = Path(folders.HELD) / ".objects"
    try:
        fetched = [_download(*entry, raw) for entry in listed]
        run_identity = identity(request, {item.request.name: item.digest for item in fetched})
        if run_identity in request.known:
            record = {"identity": run_identity, "datasets": [_lineage(item) for item in fetched]}
            message = "code, image, parameters, seed, schema and data are those of an earlier run"
            raise Refusal(Exit.UNCHANGED, UNCHANGED, message, record)
        problem = champion.bring(request.champion) if request.champion else ""
        read, schema, notes = _read(fetched, schemas.declared(request.schema), champion.features_of_champion())
    finally:
        shutil.rmtree(raw, ignore_errors=True)
    parts = _split(read, schema)
    if problem:
        notes.append(problem)
    for note in (*notes, *parts.notes):
        say(f"fetch: {note}")
    _refuse_without_new_rows(request, parts, schema)
    _write(parts, schema)
    return _outcome(run_identity, read, schema, parts, (*notes, *parts.notes), problem)


def _checked(datasets: tuple[DatasetRequest, ...]) -> tuple[DatasetRequest, ...]:
    if not any(item.role == "Train" for item in datasets):
        raise Refusal(Exit.CONFIG, REQUEST_INVALID, "no data set has the role Train")
    for item in datasets:
        if item.role not in ROLES:
            message = f"data set {item.name}: role {item.role!r} is not one of {', '.join(ROLES)}"
            raise Refusal(Exit.CONFIG, REQUEST_INVALID, message)
    return datasets


def _download(item: DatasetRequest, store: Store, selection: Selection, raw: Path) -> Fetched:
    """Copy and digest. The digest is over names, sizes and SHA-256 of all selected objects."""
    for note in selection.notes:
        say(f"fetch: {item.name}: {note}")
    if not selection.objects:
        _nothing_selected(item, selection)
    entries, files = [], []
    for number, info in enumerate(selection.objects):
        target = raw / item.name / str(number)
        sha256 = store.download(info.name, target)
        size = target.stat().st_size
        entries.append([info.name, size, sha256])
        files.append((info.name, target))
        say(f"fetch: {item.name}: {info.name}, {size / 1e6:,.1f} MB ({number + 1} of {len(selection.objects)})")
    digest = digest_value(entries)
    if item.digest and item.digest != digest:
        message = f"data set {item.name}: the digest of its bytes is {digest}, declared is {item.digest}"
        raise Refusal(Exit.DATA_INVALID, DATA_INVALID, message)
    return Fetched(item, digest, selection, tuple(files))


def _nothing_selected(item: DatasetRequest, selection: Selection) -> None:
    why = f" ({'; '.join(selection.notes)})" if selection.notes else ""
    if item.select:
        message = f"data set {item.name}: no partition below {item.storageUri} can be taken{why}"
        raise Refusal(Exit.NEED_MORE_DATA, NEED_MORE_DATA, message)
    message = f"data set {item.name}: no .parquet or .csv file below {item.storageUri}"
    raise Refusal(Exit.CONFIG, REQUEST_INVALID, message)


def _read(
    fetched: list[Fetched], schema: dict[str, Any], of_champion: list[dict[str, Any]]
) -> tuple[list[Read], dict[str, Any], list[str]]:
    """Rows by data set, the full schema, notes. All data sets are checked before the first complaint.

    What the champion needs besides is read for the rows that are held back (schemas.more_columns).
    """
    import pandas as pd

    from pintle.train.reading import read_frame

    notes: list[str] = []
    full: dict[str, Any] | None = None
    read: list[Read] = []
    findings: list[Findings] = []
    # Training rows first: an inferred schema comes from them alone.
    for item in sorted(fetched, key=lambda one: ROLES.index(one.request.role)):
        known = full or schema
        frame = read_frame(item.files, *schemas.columns_to_read(known, of_champion))
        if full is None:
            full, notes = schemas.complete(schema, frame)
        canonical, wrong = schemas.canonical_frame(frame, full, item.request.name)
        read.append(Read(item, pd.concat([canonical, schemas.more_columns(frame, full, of_champion)], axis=1)))
        findings.append(wrong)
        say(f"fetch: {item.request.name}: {len(frame):,} rows of {', '.join(item.selection.partitions)}")
    assert full is not None  # there is a Train data set
    schemas.check_labels([(one.fetched.request.role, one.frame) for one in read], full, findings)
    if any(one.items for one in findings):
        print(schemas.report(findings), flush=True)
    schemas.refuse_if_wrong(findings)
    return read, full, notes


def _split(read: list[Read], schema: Mapping[str, Any]) -> Split:
    import pandas as pd

    from pintle.train.split import split

    def rows(role: str) -> pd.DataFrame | None:
        parts = [one.frame for one in read if one.fetched.request.role == role]
        return pd.concat(parts, ignore_index=True) if parts else None

    train = rows("Train")
    assert train is not None  # checked when the request was
    return split(train, rows("Validate"), rows("Evaluate"), schema)


def _refuse_without_new_rows(request: RunRequest, parts: Split, schema: Mapping[str, Any]) -> None:
    """Raises Refusal where too few rows are later than all that earlier runs used. Without times nobody can tell."""
    asked = request.newRows
    if asked is None or "timeColumn" not in schema:
        return
    import pandas as pd

    border = pd.Timestamp(asked.after)
    border = border.tz_localize("UTC") if border.tzinfo is None else border.tz_convert("UTC")
    frames = (frame for frame in (parts.train, parts.validate, parts.evaluate) if frame is not None)
    rows = sum(int((frame[schema["timeColumn"]].dt.floor("s") > border).sum()) for frame in frames)
    if rows < asked.atLeast:
        message = f"{rows} rows are later than {asked.after}, the latest that a run has used; {asked.atLeast} needed"
        raise Refusal(Exit.NEED_MORE_DATA, NEED_MORE_DATA, message)


def _write(parts: Split, schema: Mapping[str, Any]) -> None:
    from pintle.train.statistics import statistics

    data, held = Path(folders.DATA), Path(folders.HELD)
    data.mkdir(parents=True, exist_ok=True)
    held.mkdir(parents=True, exist_ok=True)
    # Columns that the champion alone needs are none of training's business.
    columns = schemas.columns_of(schema)
    parts.train[columns].to_parquet(data / folders.TRAIN_FILE, index=False)
    (data / folders.VALIDATE_FILE).unlink(missing_ok=True)
    if parts.validate is not None:
        parts.validate[columns].to_parquet(data / folders.VALIDATE_FILE, index=False)
    parts.evaluate.to_parquet(held / folders.EVALUATE_FILE, index=False)
    write_json(data / folders.SCHEMA_FILE, schema)
    write_json(data / folders.STATISTICS_FILE, statistics(parts.train, schema))


def _outcome(
    run_identity: str,
    read: list[Read],
    schema: Mapping[str, Any],
    parts: Split,
    notes: tuple[str, ...],
    problem: str,
) -> Outcome:
    lineage = [{**_lineage(one.fetched), "rows": len(one.frame), **_span(one.frame, schema)} for one in read]
    sizes = {
        role: {"rows": len(frame), **_span(frame, schema)}
        for role, frame in (("Train", parts.train), ("Validate", parts.validate), ("Evaluate", parts.evaluate))
        if frame is not None
    }
    say("fetch: " + ", ".join(f"{role} {size['rows']:,} rows" for role, size in sizes.items()))
    record = {"identity": run_identity, "datasets": lineage, "split": sizes, "notes": list(notes)}
    if problem:
        record["champion"] = {"problem": problem}
    base: dict[str, Any] = {"phase": "fetch", "identity": run_identity}
    ends = [str(size["through"]) for size in sizes.values() if "through" in size]
    if ends:
        base["through"] = record["through"] = max(ends)
    keys = ("name", "digest", "rows", "from", "through")
    full = [{key: entry[key] for key in keys if key in entry} for entry in lineage]
    brief = [{"name": entry["name"], "digest": short(entry["digest"], 12), "rows": entry["rows"]} for entry in lineage]
    # Sixteen data sets with full digests do not fit into a termination message; the record has them all.
    return Outcome(
        {**base, "datasets": full}, {**base, "datasets": brief}, {**base, "moreDatasets": len(lineage)}, record=record
    )


def _lineage(item: Fetched) -> dict[str, Any]:
    return {
        "name": item.request.name,
        "role": item.request.role,
        "storageUri": item.request.storageUri,
        "digest": item.digest,
        "partitions": list(item.selection.partitions),
        "objects": len(item.files),
    }


def _span(frame: pd.DataFrame, schema: Mapping[str, Any]) -> dict[str, str]:
    """First and last time of the rows, where they have one."""
    if "timeColumn" not in schema or not len(frame):
        return {}
    times = frame[schema["timeColumn"]]
    return {"from": f"{times.min():%Y-%m-%dT%H:%M:%SZ}", "through": f"{times.max():%Y-%m-%dT%H:%M:%SZ}"}


if __name__ == "__main__":
    main("fetch", fetch)
