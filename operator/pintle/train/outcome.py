"""How a container of a run says what became of it: log lines, the record, the termination message, an exit code."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pintle.contract import folders, names
from pintle.contract import result as results
from pintle.contract.exits import Exit
from pintle.contract.run import RunRequest

DATA_INVALID = "DataInvalid"
NEED_MORE_DATA = "NeedMoreData"
UNCHANGED = "Unchanged"
STORAGE_UNAVAILABLE = "StorageUnavailable"
REQUEST_INVALID = "RequestInvalid"
MODEL_INVALID = "ModelInvalid"
PARITY_FAILED = "ParityFailed"
UNEXPECTED = "Unexpected"


class Refusal(Exception):
    """Why a container ends without doing its work. `details` goes into the record only."""

    def __init__(self, code: Exit, reason: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = dict(details or {})


class Outcome:
    """What a phase has done: results from the fullest to the shortest (the first that fits is reported), and a code."""

    def __init__(self, *reports: Mapping[str, Any], code: Exit = Exit.DONE, record: Mapping[str, Any]) -> None:
        self.reports = [dict(report) for report in reports]
        self.code = code
        self.record = dict(record)


def say(text: str) -> None:
    """One line for people, with the time of day (UTC)."""
    print(f"{time.strftime('%H:%M:%S', time.gmtime())} {text}", flush=True)


def run_request() -> RunRequest:
    """The request that the operator gave. Raises Refusal where there is none, or a wrong one."""
    text = os.environ.get(names.ENV_RUN)
    if not text:
        raise Refusal(Exit.CONFIG, REQUEST_INVALID, f"{names.ENV_RUN} is not set: there is no run request")
    try:
        return RunRequest.from_json(text)
    except ValueError as error:
        raise Refusal(Exit.CONFIG, REQUEST_INVALID, str(error)) from error


def run_phase(phase: str, work: Callable[[RunRequest], Outcome]) -> int:
    """Do a phase's work and report it, whatever happens. Returns the exit code; 1 for what nobody foresaw."""
    started = time.time()
    try:
        outcome = work(run_request())
    except Refusal as refusal:
        report = {"phase": phase, "reason": refusal.reason, "message": refusal.message}
        # By its identity the operator names the version that an unchanged run would have made again; by its listing it
        # knows whether there is anything new since.
        report |= {key: refusal.details[key] for key in ("identity", "listing") if key in refusal.details}
        outcome = Outcome(report, code=refusal.code, record={**report, **refusal.details})
        say(f"{phase}: {refusal.reason}: {refusal.message}")
    except Exception as error:
        traceback.print_exc()
        report = {"phase": phase, "reason": UNEXPECTED, "message": f"{type(error).__name__}: {error}"}
        write_record(phase, {**report, "exitCode": 1})
        terminate(report)
        return 1
    write_record(phase, {**outcome.record, "exitCode": int(outcome.code)})
    terminate(*outcome.reports)
    say(f"{phase}: ended after {time.time() - started:.1f} s with exit code {int(outcome.code)}")
    return int(outcome.code)


def terminate(*reports: Mapping[str, Any]) -> None:
    """Leave the first report that fits for the kubelet. A message that cannot be written is no reason to fail."""
    path = Path(os.environ.get(names.ENV_TERMINATION_LOG, results.PATH))
    try:
        path.write_bytes(_first_that_fits(reports))
    except OSError as error:
        say(f"the termination message was not written: {error}")


def write_record(phase: str, record: Mapping[str, Any]) -> None:
    """`record/<phase>.json`, whole or not at all."""
    write_json(Path(folders.RECORD) / f"{phase}.json", {"phase": phase, **record})


def write_json(path: Path, value: Any) -> None:
    """Write beside, then rename: a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8")
    part.replace(path)


def read_json(path: Path) -> Any:
    """The value, or None where there is no such file or it is no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def main(phase: str, work: Callable[[RunRequest], Outcome]) -> None:
    """Entry point of a phase."""
    # As process 1 of a container Python would ignore SIGTERM, and a stopped run would wait for its whole grace period.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.exit(run_phase(phase, work))


def _first_that_fits(reports: Sequence[Mapping[str, Any]]) -> bytes:
    for report in reports[:-1]:
        try:
            return results.encode(dict(report))
        except ValueError:
            continue
    return results.encode(dict(reports[-1]))
