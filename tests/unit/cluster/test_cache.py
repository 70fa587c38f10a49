"""The cache: whole entries only, one maker at a time, names by content."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from e2e.cluster import cache, paths


def test_an_entry_is_made_once() -> None:
    """The second request for the same content does no work."""
    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "program").write_text("1")

    first = cache.build("tool", "v1", "abc", make)
    assert cache.build("tool", "v1", "abc", make) == first
    assert len(made) == 1
    assert (first / "program").read_text() == "1"


def test_a_failed_build_leaves_no_entry() -> None:
    """What was half made is gone, and the next build starts from an empty folder."""

    def fail(folder: Path) -> None:
        (folder / "half").write_text("")
        raise RuntimeError("no space")

    with pytest.raises(RuntimeError, match="no space"):
        cache.build("tool", "v1", "abc", fail)
    assert cache.find("tool", "v1", "abc") is None
    entry = cache.build("tool", "v1", "abc", lambda folder: (folder / "whole").touch())
    assert [file.name for file in entry.iterdir()] == ["whole"]


def _build_forever(started: Path) -> None:
    def make(folder: Path) -> None:
        (folder / "half").write_text("")
        started.touch()
        time.sleep(60)

    cache.build("tool", "v1", "abc", make)


def test_a_killed_build_is_cleared_by_the_next(tmp_path: Path) -> None:
    """SIGKILL in the middle of a build neither blocks nor poisons the cache."""
    started = tmp_path / "started"
    builder = multiprocessing.get_context("spawn").Process(target=_build_forever, args=(started,))
    builder.start()
    deadline = time.monotonic() + 20
    while not started.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert builder.pid
    os.kill(builder.pid, signal.SIGKILL)
    builder.join()
    entry = cache.build("tool", "v1", "abc", lambda folder: (folder / "whole").touch())
    assert [file.name for file in entry.iterdir()] == ["whole"]
    assert not list(paths.cache_dir().glob("*.part"))


@pytest.mark.parametrize("change", ["content", "name", "mode", "word"])
def test_the_digest_changes_with_what_is_built(tmp_path: Path, change: str) -> None:
    """Bytes, names, the executable bit and flags count."""
    file = tmp_path / "main.go"
    file.write_text("package main")
    before = cache.digest([file], "flag", root=tmp_path)
    word = "flag"
    if change == "content":
        file.write_text("package other")
    elif change == "name":
        file = file.rename(tmp_path / "other.go")
    elif change == "mode":
        file.chmod(0o755)
    else:
        word = "other"
    assert cache.digest([file], word, root=tmp_path) != before


def test_the_digest_is_the_same_in_another_checkout(tmp_path: Path) -> None:
    """Two checkouts share what they build."""
    digests = set()
    for checkout in ("a", "b"):
        (tmp_path / checkout).mkdir()
        file = tmp_path / checkout / "main.go"
        file.write_text("package main")
        digests.add(cache.digest([file], root=tmp_path / checkout))
    assert len(digests) == 1
