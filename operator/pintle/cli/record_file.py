"""Recordings in files: JSON lines or CSV by the name, packed where it ends in .gz; - is standard input or output."""

from __future__ import annotations

import gzip
import io
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pintle.cli import errors
from pintle.cli.errors import CliError
from pintle.core.backtest.reading import RecordingInvalid, read
from pintle.core.backtest.recording import Recording
from pintle.core.backtest.writing import csv_lines, json_lines

_GZIP = b"\x1f\x8b"


def load(name: str) -> Recording:
    """Raises CliError: what is wrong, in which line, and what to do."""
    try:
        with _opened(name) as lines:
            return read(lines)
    except RecordingInvalid as error:
        raise CliError(f"{name}, {error}.") from error
    except FileNotFoundError as error:
        raise CliError(f"There is no file {name}.", errors.NOT_FOUND) from error
    except (EOFError, gzip.BadGzipFile) as error:
        raise CliError(f"{name} was cut off, or is not packed by gzip ({error}): copy or record it again.") from error
    except UnicodeDecodeError as error:
        raise CliError(
            f"{name} is no text ({error.reason} at byte {error.start}): docs/backtest.md has the form."
        ) from error
    except OSError as error:
        raise CliError(f"{name} cannot be read: {error.strerror or error}.", errors.NOT_FOUND) from error


def save(recording: Recording, name: str) -> None:
    """Whole or not at all: a file that is there is replaced at the end. Raises CliError."""
    lines = csv_lines(recording) if name.removesuffix(".gz").endswith(".csv") else json_lines(recording)
    if name == "-":
        sys.stdout.writelines(lines)
        return
    target = Path(name)
    try:
        handle, part = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                _write(file, lines, packed=name.endswith(".gz"))
            # As a file that a shell would make: mkstemp lets only its owner read.
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(part, 0o666 & ~mask)
            os.replace(part, target)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CliError(f"{name} cannot be written: {error.strerror or error}.", errors.NOT_FOUND) from error


def _write(file: IO[bytes], lines: Iterable[str], packed: bool) -> None:
    # Without a name and a time in it, the same recording is the same bytes.
    raw = gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) if packed else file
    for line in lines:
        raw.write(line.encode())
    if packed:
        raw.close()


@contextmanager
def _opened(name: str) -> Iterator[Iterable[str]]:
    """Its lines, unpacked where they are packed, whatever the name says."""
    if name == "-":
        yield io.TextIOWrapper(_unpacked(io.BufferedReader(io.BytesIO(sys.stdin.buffer.read()))), encoding="utf-8")
        return
    with open(name, "rb") as file:
        yield io.TextIOWrapper(_unpacked(file), encoding="utf-8", newline="")


def _unpacked(file: io.BufferedReader) -> IO[bytes]:
    return gzip.GzipFile(fileobj=file) if file.peek(2)[:2] == _GZIP else file  # type: ignore[return-value]
