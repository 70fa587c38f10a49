"""How a container of the server image says what became of it: a JSON line on stdout and the termination message."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from pintle.contract import names
from pintle.contract import result as results
from pintle.contract.exits import Exit


class Refusal(Exception):
    """Why a container cannot do what it is asked for: the exit code and the `reason` of the contract."""

    def __init__(self, code: Exit, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message


def log(event: str, level: str = "info", **fields: Any) -> None:
    """One JSON line on stdout."""
    line = {"time": round(time.time(), 3), "level": level, "event": event, **fields}
    sys.stdout.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def finish(phase: str, result: dict[str, Any], code: Exit = Exit.DONE) -> Exit:
    """Leave the result where the kubelet finds it; returns the code."""
    full = {"phase": phase, **result}
    log("result", "info" if code == Exit.DONE else "error", exit=int(code), **full)
    moved = os.environ.get(names.ENV_TERMINATION_LOG)
    target = Path(moved or results.PATH)
    if moved or target.exists():  # the kubelet makes the file before the container starts; elsewhere there is none
        try:
            target.write_bytes(results.encode(full))
        except OSError as error:
            log("termination message not written", "warning", error=str(error))
    return code


def refuse(phase: str, refusal: Refusal) -> Exit:
    """Report a refusal; returns its exit code."""
    return finish(phase, {"reason": refusal.reason, "message": refusal.message}, refusal.code)
