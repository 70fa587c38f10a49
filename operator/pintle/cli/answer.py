"""What a command found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pintle.cli import errors


@dataclass(frozen=True)
class Answer:
    """`view` for programs, `lines` (with colours) for people."""

    kind: str
    view: Mapping[str, Any]
    lines: Sequence[str]
    code: int = errors.DONE
