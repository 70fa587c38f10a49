"""The record of a run, run.json and metrics.jsonl: written by `upload`, or by `record` when the run failed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pintle.contract import folders
from pintle.contract.run import RunRequest
from pintle.train.outcome import read_json

if TYPE_CHECKING:
    from pintle.train.storage import Store

PHASES = ("fetch", "evaluate", "upload")
MAX_METRICS_BYTES = 64 << 20


def output_store(request: RunRequest, uri: str) -> Store:
    """A folder below the output storage, made where it is missing."""
    from pintle.train.storage import open_store

    return open_store(uri, folders.OUTPUT_SECRET if request.outputHasSecret else None, create=True)


def record_uri(request: RunRequest) -> str:
    return folders.record_uri(request.outputUri, request.modelName, request.run)


def run_record(request: RunRequest, **more: Any) -> dict[str, Any]:
    """What was asked for, and what each phase left in the record folder (null where it did not end)."""
    phases = {phase: read_json(Path(folders.RECORD) / f"{phase}.json") for phase in PHASES}
    asked = json.loads(request.to_json())
    asked.pop("known", None)
    return {"run": request.run, "request": asked, "phases": phases, **more}


def write_record(request: RunRequest, record: dict[str, Any]) -> None:
    """Metrics first, run.json last; written again they are replaced. Raises Refusal when storage does not answer."""
    store = output_store(request, record_uri(request))
    metrics = plain_bytes(Path(folders.RECORD_TRAIN) / folders.METRICS_FILE, MAX_METRICS_BYTES)
    if metrics is not None:
        store.put(folders.METRICS_FILE, metrics)
    store.put(folders.RUN_FILE, json.dumps(record, indent=1, ensure_ascii=False).encode())


def plain_bytes(path: Path, limit: int) -> bytes | None:
    """The bytes of a file that training may have written; None where it is missing or no plain file.

    Training could leave a link to a mounted key here, and the next container, which holds that key, would publish it.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with open(handle, "rb") as stream:
        return stream.read(limit) if os.path.isfile(handle) else None
