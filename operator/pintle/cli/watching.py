"""`get --watch`: the same tree drawn again in its place; without a terminal, once more whenever it changed."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TextIO

from pintle.cli import errors
from pintle.cli.answer import Answer
from pintle.cli.errors import CliError

HOME, CLEAR_LINE, CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
CLEAR = "\x1b[2J"

Printed = Callable[[Answer, argparse.Namespace, TextIO], str]


def watch(look: Callable[[], Answer], arguments: argparse.Namespace, stream: TextIO, printed: Printed) -> int:
    """Until Ctrl-C. A first look that fails raises CliError; a later one is told and tried again."""
    shown = printed(look(), arguments, stream)
    in_place = stream.isatty() and not arguments.output
    stream.write((CLEAR if in_place else "") + drawn(shown, in_place))
    stream.flush()
    try:
        while True:
            time.sleep(max(0.2, arguments.interval))
            text = _looked(look, arguments, stream, printed)
            if in_place or text != shown:
                stream.write(drawn(text, in_place))
                stream.flush()
            shown = text
    except KeyboardInterrupt:
        return errors.DONE


def drawn(text: str, in_place: bool) -> str:
    """In place: over what stands there, line by line, so that nothing flickers."""
    if not in_place:
        return text
    return HOME + "".join(f"{line}{CLEAR_LINE}\n" for line in text.splitlines()) + CLEAR_BELOW


def _looked(look: Callable[[], Answer], arguments: argparse.Namespace, stream: TextIO, printed: Printed) -> str:
    try:
        return printed(look(), arguments, stream)
    except CliError as error:
        return f"{error} Trying again.\n"
