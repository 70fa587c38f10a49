"""A cache and a cluster folder of the test's own, and a stand-in for the commands that would be run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.cluster.errors import ClusterError


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing of the real cache or cluster is read or written."""
    monkeypatch.setenv("PINTLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PINTLE_CLUSTER_DIR", str(tmp_path / "cluster"))
    monkeypatch.setenv("PINTLE_CLUSTER_RUN_DIR", str(tmp_path / "run"))
    for name in ("PINTLE_KUBECONFIG", "PINTLE_CLUSTER", "PINTLE_IMAGE_PREFIX", "PINTLE_RUN_ID", "PINTLE_GATEWAY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


class Commands:
    """Records commands; `answers` maps a piece of a command to its output, or to an error."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.given: list[str] = []
        self.answers: dict[str, str | ClusterError] = {}

    def run(self, *words: object, given: str | None = None, patience: float = 0) -> str:
        """In place of `shell.run`."""
        command = " ".join(str(word) for word in words)
        self.ran.append(command)
        if given is not None:
            self.given.append(given)
        for piece, answer in self.answers.items():
            if piece in command:
                if isinstance(answer, ClusterError):
                    raise answer
                return answer
        return ""

    def matching(self, piece: str) -> list[str]:
        """Those that contain the piece."""
        return [command for command in self.ran if piece in command]


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Commands]:
    """`commands(module, ...)` replaces `run` in these modules by one recorder."""

    def replace(*modules: object) -> Commands:
        recorder = Commands()
        for module in modules:
            monkeypatch.setattr(module, "run", recorder.run)
        return recorder

    return replace
