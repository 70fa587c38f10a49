"""A cache of built things, by name, version and content; a half-finished build never gets into it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import paths


def digest(files: Iterable[Path], *words: str, root: Path | None = None) -> str:
    """Twelve hexadecimal digits over names, modes and bytes of `files` and over `words`.

    Names count relative to `root`, so that two checkouts share what they build.
    """
    total = hashlib.sha256()
    for word in words:
        total.update(word.encode() + b"\0")
    for file in sorted(set(files)):
        name = file.relative_to(root) if root else file
        executable = b"x" if file.stat().st_mode & 0o100 else b"-"
        total.update(str(name).encode() + b"\0" + executable + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()[:12]


def tree(folder: Path) -> list[Path]:
    """All files of a folder that count as its content: no caches of an interpreter, no editor's leavings."""
    return [
        file
        for file in sorted(folder.rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts and file.suffix not in {".pyc", ".swp", ".orig"}
    ]


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Only one process at a time does `name`; the lock goes with the process, however it ends."""
    folder = paths.cache_dir() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def find(name: str, version: str, content: str) -> Path | None:
    """The finished entry, or None."""
    entry = entry_path(name, version, content)
    return entry if entry.is_dir() else None


def entry_path(name: str, version: str, content: str) -> Path:
    """Where the entry lies, or would lie."""
    return paths.cache_dir() / "-".join(part for part in (name, version, content) if part)


def build(name: str, version: str, content: str, make: Callable[[Path], None]) -> Path:
    """The folder that `make` fills, made at most once.

    `make` works in a temporary folder beside the entry, which is renamed when all of it is there. What an
    earlier build left when it was killed is removed: the lock tells that nobody is working in it any more.
    """
    entry = entry_path(name, version, content)
    if entry.is_dir():
        return entry
    with lock(name):
        if entry.is_dir():
            return entry
        for stale in entry.parent.glob(f".{name}-*.part"):
            shutil.rmtree(stale, ignore_errors=True)
        part = entry.parent / f".{name}-{os.getpid()}.part"
        part.mkdir(parents=True)
        try:
            make(part)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        part.rename(entry)
    return entry
