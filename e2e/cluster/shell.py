"""Running a command to its end."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .errors import ClusterError


def run(*words: str | Path, given: str | None = None, patience: float = 120.0) -> str:
    """Its standard output; a failure is an error with what it said."""
    command = [str(word) for word in words]
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=patience)
    except FileNotFoundError:
        raise ClusterError(f"{command[0]} is not installed.") from None
    except subprocess.TimeoutExpired:
        raise ClusterError(f"{' '.join(command)}: no end within {patience:.0f} s") from None
    if done.returncode:
        raise ClusterError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def succeeds(*words: str | Path, given: str | None = None, patience: float = 60.0) -> bool:
    """Whether it ends with 0."""
    try:
        run(*words, given=given, patience=patience)
    except ClusterError:
        return False
    return True
