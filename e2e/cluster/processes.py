"""Processes that outlive the command which started them, known by recorded id."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import ClusterError

_PLAIN_ENVIRONMENT = ("PATH", "HOME", "LANG", "TMPDIR")


def environment(**more: str) -> dict[str, str]:
    """What a part of the cluster gets: no proxy settings (they would catch its own traffic), no credentials."""
    kept = {name: os.environ[name] for name in _PLAIN_ENVIRONMENT if name in os.environ}
    return {**kept, **more}


@dataclass(frozen=True)
class Identity:
    """A process id is used again by the system; together with the start time it is not."""

    pid: int
    started: int

    @staticmethod
    def of(pid: int) -> Identity | None:
        """None when there is no such process, or only its remains wait to be reaped."""
        try:
            state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            return None
        return None if state in {"Z", "X"} else Identity(pid, int(rest[18]))

    def alive(self) -> bool:
        """Whether this very process still runs."""
        return Identity.of(self.pid) == self


@dataclass(frozen=True)
class Daemon:
    """A named process with its record and its log under `folder`."""

    name: str
    folder: Path

    @property
    def log(self) -> Path:
        """Standard output and error."""
        return self.folder / "logs" / f"{self.name}.log"

    @property
    def _record(self) -> Path:
        return self.folder / "pids" / f"{self.name}.json"

    def identity(self) -> Identity | None:
        """The recorded process, if it still runs."""
        try:
            recorded = json.loads(self._record.read_text())
            identity = Identity(recorded["pid"], recorded["started"])
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return identity if identity.alive() else None

    def runs(self, command: Sequence[str | Path]) -> bool:
        """Whether it runs, and was started with this command."""
        try:
            recorded = json.loads(self._record.read_text())["command"]
        except (OSError, ValueError, TypeError, KeyError):
            return False
        return self.identity() is not None and recorded == [str(word) for word in command]

    def start(self, command: Sequence[str | Path], environ: Mapping[str, str] | None = None) -> Identity:
        """Start it in a session of its own; one that runs already with another command is replaced."""
        running = self.identity()
        if running and self.runs(command):
            return running
        self.stop()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._record.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(environ if environ is not None else environment()),
                cwd="/",
                start_new_session=True,
            )
        identity = Identity.of(child.pid)
        _CHILDREN[child.pid] = child
        if identity is None:
            raise ClusterError(f"{self.name} ended at once.\n{self.tail()}")
        part = self._record.with_suffix(".part")
        content = {"pid": identity.pid, "started": identity.started, "command": [str(word) for word in command]}
        part.write_text(json.dumps(content))
        part.replace(self._record)
        return identity

    def stop(self, grace: float = 10.0) -> None:
        """SIGTERM, and SIGKILL after `grace` seconds. Only ever the recorded process."""
        identity = self.identity()
        if identity:
            end([identity], grace)
        self._record.unlink(missing_ok=True)

    def tail(self, lines: int = 15) -> str:
        """The last lines of its log, for a message."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"


# Children of this very process must be reaped here; those of an earlier command belong to init.
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


def reap() -> None:
    """Collect ended children, so that they do not stay as zombies while this process lives."""
    for pid, child in list(_CHILDREN.items()):
        if child.poll() is not None:
            del _CHILDREN[pid]


def end(identities: Sequence[Identity], grace: float) -> None:
    """SIGTERM to all, SIGKILL after `grace` seconds to those still there, and wait for their end."""
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        left = [one for one in identities if one.alive()]
        for one in left:
            try:
                os.kill(one.pid, number)
            except ProcessLookupError:
                continue
        if gone(left, patience):
            return


def gone(identities: Sequence[Identity], patience: float) -> bool:
    """Whether all of them end within `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        reap()
        if not any(one.alive() for one in identities):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)  # between two looks; the limit ends it


def wait_for(what: str, ready: Callable[[], bool], patience: float, daemon: Daemon | None = None) -> None:
    """Wait until `ready`; a daemon that ends meanwhile is an error at once, with the end of its log."""
    deadline = time.monotonic() + patience
    while not ready():
        reap()
        if daemon and daemon.identity() is None:
            raise ClusterError(f"{daemon.name} ended while waiting for {what}.\n{daemon.tail()}")
        if time.monotonic() > deadline:
            end_of_log = f"\n{daemon.tail()}" if daemon else ""
            raise ClusterError(f"{what}: not within {patience:.0f} s.{end_of_log}")
        time.sleep(0.05)  # between two looks; the limit ends it
