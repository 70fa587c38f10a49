"""The whole life of a cluster from source, on one aside that disturbs no other."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.soak
@pytest.mark.skipif(
    platform.system() != "Linux" or os.geteuid() != 0, reason="a cluster from source needs Linux and root"
)
def test_a_killed_cluster_comes_up_again_and_leaves_nothing() -> None:
    """Up, everything killed at once, up again with its pods running, down: no process, mount, interface or rule."""
    command = [sys.executable, "-m", "e2e.cluster", "lifecycle"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
