"""Processes of a server under test: its children too, what they take, and when they may run."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


def free_port() -> int:
    """A port of loopback that nobody listened on a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def family(pid: int) -> list[int]:
    """The process and its children."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += family(int(child))
    return found


def processor_seconds(pid: int) -> float:
    """Processor time of the process and its children so far."""
    fields = [Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split() for member in family(pid)]
    return sum(int(found[11]) + int(found[12]) for found in fields) / os.sysconf("SC_CLK_TCK")


def pin(pid: int, core: int) -> None:
    """All threads of the process and of its children on one core."""
    for member in family(pid):
        for task in Path(f"/proc/{member}/task").iterdir():
            os.sched_setaffinity(int(task.name), {core})


def pause(pid: int) -> None:
    """Stop the process and its children until `awake`: some servers poll while nobody asks them, one a core full."""
    for member in family(pid):
        os.kill(member, signal.SIGSTOP)


@contextmanager
def awake(pid: int) -> Iterator[None]:
    """A paused process and its children run until the end of the block."""
    for member in family(pid):
        os.kill(member, signal.SIGCONT)
    try:
        yield
    finally:
        pause(pid)


def end(process: subprocess.Popen[Any]) -> None:
    """Kill a group's leader and its children: those that left the group, and those whose parent has ended."""
    members = family(process.pid) if process.poll() is None else []
    for member in members:
        with suppress(ProcessLookupError):
            os.kill(member, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def pss(pid: int) -> float:
    """Of the process and its children, in MB."""
    lines = [
        line
        for member in family(pid)
        for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines()
        if line.startswith("Pss:")
    ]
    return sum(int(line.split()[1]) for line in lines) / 1000
