"""What of the repository goes into an image, read from its Dockerfile: an image of unchanged content is not rebuilt."""

from __future__ import annotations

import shlex
from pathlib import Path

from . import cache
from .errors import ClusterError


def sources(dockerfile: Path, context: Path) -> list[Path]:
    """The files that its COPY and ADD instructions take from the build context."""
    files: list[Path] = []
    for line in _instructions(dockerfile.read_text()):
        words = shlex.split(line)
        if words[0].upper() not in {"COPY", "ADD"} or any(word.startswith("--from") for word in words):
            continue
        for pattern in [word for word in words[1:] if not word.startswith("--")][:-1]:
            found = sorted(context.glob(pattern.strip("/"))) if pattern.strip("./") else [context]
            if not found:
                raise ClusterError(f"{dockerfile}: COPY {pattern}: there is no such file.")
            for entry in found:
                files += cache.tree(entry) if entry.is_dir() else [entry]
    return files


def content(dockerfile: Path, context: Path, base: str) -> str:
    """Twelve digits that change with the Dockerfile, with what it copies and with its base image."""
    return cache.digest([dockerfile, *sources(dockerfile, context)], base, root=context)


def _instructions(text: str) -> list[str]:
    """The lines of a Dockerfile without comments, those ended by a backslash joined."""
    kept = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(kept).replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.strip()]
