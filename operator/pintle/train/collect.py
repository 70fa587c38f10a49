"""`python -m pintle.train.collect`: tells a run's result from its record, when the pod that had it is gone.

It holds the output key and reads one file, runs/<run>/run.json. The artifact is verified when its version is checked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pintle.contract import folders
from pintle.contract.exits import Exit
from pintle.contract.run import RunRequest
from pintle.train.outcome import Outcome, Refusal, main
from pintle.train.recording import output_store, record_uri

RECORD_MISSING = "RecordMissing"
_GATE = ("metric", "verdict", "comparedTo", "value", "low", "high", "candidate", "other", "bound", "why", "slice")
_DATASET = ("name", "digest", "rows", "from", "through")


def collect(request: RunRequest) -> Outcome:
    """The whole phase. Raises Refusal where there is no record of a model."""
    uri = f"{record_uri(request)}/{folders.RUN_FILE}"
    data = output_store(request, record_uri(request)).read(folders.RUN_FILE)
    try:
        record = json.loads(data) if data is not None else {}
    except ValueError:
        record = {}
    if not isinstance(record, Mapping) or not record.get("digest"):
        raise Refusal(Exit.REFUSED, RECORD_MISSING, f"{uri} tells of no model")
    reports = _reports(record, uri)
    return Outcome(*reports, record=reports[-1])


def _reports(record: Mapping[str, Any], uri: str) -> list[dict[str, Any]]:
    """From the fullest to the shortest: the first that fits into the termination message is reported."""
    phases = record.get("phases") or {}
    fetched, evaluated = phases.get("fetch") or {}, phases.get("evaluate") or {}
    least = {
        "phase": "collect",
        "uri": record.get("artifact"),
        "digest": record["digest"],
        "identity": fetched.get("identity"),
        **{key: fetched[key] for key in ("listing", "through") if fetched.get(key)},
        "verdict": record.get("verdict"),
        "record": uri,
    }
    figures = {"metrics": evaluated.get("metrics") or {}}
    # Those that did not pass first: they may be all that there is room for.
    gates = sorted(
        (_part(item, _GATE) for item in evaluated.get("gates") or ()), key=lambda g: g.get("verdict") == "Pass"
    )
    datasets = {"datasets": [_part(item, _DATASET) for item in fetched.get("datasets") or ()]}
    return [
        {**least, **figures, **datasets, "gates": gates},
        {**least, **figures, **datasets, "gates": gates[:1]},
        {**least, **figures, "gates": gates[:1]},
        least,
    ]


def _part(item: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: item[key] for key in keys if item.get(key) is not None}


if __name__ == "__main__":
    main("collect", collect)
