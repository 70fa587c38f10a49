"""How a command ends when it does not end well: a sentence that says what to do, and an exit code for programs."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

DONE = 0
NOT_DONE = 1
"""The answer is no: a word that was refused or came too late, a chain that is broken."""
USAGE = 2
NOT_FOUND = 3
NO_ACCESS = 4
"""No cluster, or not allowed."""
TIME_IS_OVER = 5
INTERRUPTED = 130


class CliError(Exception):
    """Ends the command with a sentence on stderr."""

    def __init__(self, message: str, code: int = NOT_DONE) -> None:
        super().__init__(message)
        self.code = code


def not_found(what: str, name: str, there: Iterable[str], where: str) -> CliError:
    """There is no such thing; names that look like it, or all of the few that there are."""
    known = sorted(set(there))
    near = get_close_matches(name, known, n=3, cutoff=0.5) or known[:5]
    hint = f"Did you mean {' or '.join(near)}?" if near else "There is none at all; another namespace: -n NAME."
    return CliError(f"There is no {what} {name} in {where}. {hint}", NOT_FOUND)
