"""How a phase ends, whatever happens in it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runs import Run

PHASE = """
import os, signal, time
from pintle.contract.exits import Exit
from pintle.train.outcome import Outcome, Refusal, main

def work(request):
    {work}

main("fetch", work)
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def end(run: Run, work: str) -> tuple[int, str]:
    """Exit code and termination message of a phase that does `work`."""
    code = PHASE.replace("{work}", work)
    done = subprocess.run([sys.executable, "-c", code], env=run.variables(), capture_output=True, text=True)
    message = run.root / "message"
    return done.returncode, message.read_text() if message.exists() else ""


def test_fault_of_ours_is_reported_and_recorded(run: Run) -> None:
    """An exception that nobody foresaw ends with 1, which counts against backoffLimit, and is named in both places."""
    code, message = end(run, "raise ZeroDivisionError('oops')")
    assert code == 1
    assert json.loads(message) == {"phase": "fetch", "reason": "Unexpected", "message": "ZeroDivisionError: oops"}
    assert json.loads((run.root / "record" / "fetch.json").read_text())["exitCode"] == 1


def test_refusal_has_its_code_and_its_details_in_the_record(run: Run) -> None:
    """A refusal ends with its own code; details go into the record and not into the message."""
    code, message = end(run, "raise Refusal(Exit.DATA_INVALID, 'DataInvalid', 'short', {'report': 'long'})")
    assert code == 65
    assert "long" not in message
    assert json.loads((run.root / "record" / "fetch.json").read_text())["report"] == "long"


def test_first_report_that_fits_is_taken(run: Run) -> None:
    """A result too long for the kubelet is replaced by the shorter one, and the record keeps the long one."""
    work = "return Outcome({'phase': 'fetch', 'x': ['y' * 99] * 99}, {'phase': 'fetch'}, record={'x': 1})"
    assert end(run, work) == (0, '{"phase":"fetch"}')


def test_stopped_phase_ends_at_once(run: Run) -> None:
    """SIGTERM ends a phase with 143 without a result: it did not refuse anything."""
    assert end(run, "os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)") == (143, "")


def test_request_that_is_none_is_final(run: Run) -> None:
    """Without a run request, or with one that cannot be read, a phase ends with 78."""
    run.environment = {"PINTLE_RUN": "{}"}
    code, message = end(run, "return None")
    assert (code, json.loads(message)["reason"]) == (78, "RequestInvalid")


def test_message_that_cannot_be_written_is_no_failure(run: Run) -> None:
    """Where there is no termination log (a laptop) the phase still succeeds."""
    run.environment = {"PINTLE_TERMINATION_LOG": str(run.root / "no" / "such" / "folder")}
    assert end(run, "return Outcome({'phase': 'fetch'}, record={})")[0] == 0
