"""Processes by recorded id: found again, never confused with another, ended for good."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from e2e.cluster import processes
from e2e.cluster.errors import ClusterError
from e2e.cluster.processes import Daemon, Identity

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
DEAF = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
]


def test_a_second_start_finds_the_first(tmp_path: Path) -> None:
    """The same command is started once."""
    daemon = Daemon("sleeper", tmp_path)
    try:
        first = daemon.start(SLEEP)
        assert Daemon("sleeper", tmp_path).start(SLEEP) == first
    finally:
        daemon.stop()
    assert not first.alive()


def test_a_changed_command_replaces_the_process(tmp_path: Path) -> None:
    """A newer binary or another configuration takes the place of what runs."""
    daemon = Daemon("sleeper", tmp_path)
    try:
        first = daemon.start(SLEEP)
        second = daemon.start([*SLEEP, "newer"])
        assert second != first
        assert not first.alive()
        assert second.alive()
    finally:
        daemon.stop()


def test_a_reused_process_id_is_left_alone(tmp_path: Path) -> None:
    """A record whose id now belongs to another process ends nothing."""
    bystander = Daemon("bystander", tmp_path / "other")
    identity = bystander.start(SLEEP)
    record = tmp_path / "pids" / "old.json"
    record.parent.mkdir()
    record.write_text(json.dumps({"pid": identity.pid, "started": identity.started - 1, "command": SLEEP}))
    try:
        old = Daemon("old", tmp_path)
        assert old.identity() is None
        old.stop()
        assert identity.alive()
    finally:
        bystander.stop()


def test_what_ignores_a_request_is_killed(tmp_path: Path) -> None:
    """Stop returns only when the process is gone."""
    daemon = Daemon("deaf", tmp_path)
    identity = daemon.start(DEAF)
    processes.wait_for("deafness", lambda: "deaf" in daemon.tail(), 10)
    daemon.stop(grace=0.1)
    assert not identity.alive()


def test_waiting_ends_at_once_when_the_daemon_dies(tmp_path: Path) -> None:
    """The error carries the end of the log instead of a time-out."""
    daemon = Daemon("broken", tmp_path)
    daemon.start([sys.executable, "-c", "import time; print('bad flag', flush=True); time.sleep(0.2)"])
    started = time.monotonic()
    with pytest.raises(ClusterError, match="bad flag"):
        processes.wait_for("an answer", lambda: False, 30, daemon)
    assert time.monotonic() - started < 10


def test_a_killed_process_is_not_alive(tmp_path: Path) -> None:
    """A zombie counts as gone: its parent may never reap it."""
    daemon = Daemon("victim", tmp_path)
    identity = daemon.start(SLEEP)
    os.kill(identity.pid, signal.SIGKILL)
    assert processes.gone([identity], 5)
    assert daemon.identity() is None


def test_the_environment_carries_no_secret_and_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of the cluster talk to each other directly and inherit no credentials."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    assert not {"HTTPS_PROXY", "AWS_SECRET_ACCESS_KEY"} & processes.environment().keys()


def test_no_process_has_no_identity() -> None:
    """An id that nobody has is None, not an error."""
    assert Identity.of(2**22 + 1) is None
