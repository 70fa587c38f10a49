"""Text for a terminal: colours, tables and trees. Lines are made with colours; `plain` takes them off."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_CODES = re.compile(r"\x1b\[[0-9;]*m")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_GOOD_WORDS = frozenset(("True", "Pass", "Done", "Succeeded", "Unchanged", "ok"))
_BAD_WORDS = frozenset(("False", "Fail", "Refused", "Failed", "broken"))


def good(text: str) -> str:
    return f"\x1b[32m{text}\x1b[0m"


def bad(text: str) -> str:
    return f"\x1b[31m{text}\x1b[0m"


def odd(text: str) -> str:
    """Neither good nor bad: something is missing or under way."""
    return f"\x1b[33m{text}\x1b[0m"


def dim(text: str) -> str:
    return f"\x1b[2m{text}\x1b[0m" if text else ""


def bold(text: str) -> str:
    return f"\x1b[1m{text}\x1b[0m"


def judged(word: Any) -> str:
    """A status, verdict or result in its colour."""
    text = str(word or "")
    if not text:
        return ""
    return good(text) if text in _GOOD_WORDS else bad(text) if text in _BAD_WORDS else odd(text)


def plain(text: str) -> str:
    """Without colours."""
    return _CODES.sub("", text)


def clean(value: Any) -> Any:
    """Without control characters at any depth: what an object says may come from somebody else's log."""
    if isinstance(value, str):
        return _CONTROL.sub(" ", value)
    if isinstance(value, Mapping):
        return {key: clean(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [clean(inner) for inner in value]
    return value


def table(header: Sequence[str], rows: Iterable[Sequence[Any]], indent: str = "") -> list[str]:
    """Columns side by side; those that are empty in every row are left out. No rows: no lines."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if not cells:
        return []
    used = [index for index in range(len(header)) if any(row[index] for row in cells)]
    lines = [[dim(header[index]) for index in used], *([row[index] for index in used] for row in cells)]
    widths = [max(len(plain(line[index])) for line in lines) for index in range(len(used))]
    return [
        (indent + "   ".join(cell + " " * (width - len(plain(cell))) for cell, width in zip(line, widths, strict=True)))
        .rstrip()
        for line in lines
    ]  # fmt: skip


@dataclass
class Node:
    """A line of a tree with what hangs below it."""

    line: str
    below: list[Node] = field(default_factory=list)


def tree(root: Node) -> list[str]:
    """The node and all below it, with branches drawn."""
    return [root.line, *_branches(root.below)]


def _branches(nodes: Sequence[Node]) -> list[str]:
    lines = []
    for number, node in enumerate(nodes, start=1):
        last = number == len(nodes)
        lines.append(dim("└─ " if last else "├─ ") + node.line)
        lines += [dim("   " if last else "│  ") + line for line in _branches(node.below)]
    return lines


def aligned(rows: Sequence[Sequence[Any]]) -> list[str]:
    """Columns without a header: the lines of branches that belong together."""
    if not rows:
        return []
    return table([""] * len(rows[0]), rows)[1:]
