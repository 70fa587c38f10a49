"""Kernel settings: what the cluster changes is written down before and put back afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

_ROOT = Path("/proc/sys")


def _file(name: str, root: Path) -> Path:
    return root / name.replace(".", "/")


def read(names: Iterable[str], root: Path = _ROOT) -> dict[str, str]:
    """The present values of those that exist on this machine."""
    values = {}
    for name in names:
        try:
            values[name] = _file(name, root).read_text().strip()
        except OSError:
            continue
    return values


def write(values: Mapping[str, str], root: Path = _ROOT) -> list[str]:
    """Set those that differ; returns the names that the system refused."""
    refused = []
    for name, value in values.items():
        file = _file(name, root)
        try:
            if file.read_text().strip() != value:
                file.write_text(value)
        except OSError:
            refused.append(name)
    return refused


def remember(names: Iterable[str], record: Path, root: Path = _ROOT) -> None:
    """Write down the present values, unless an earlier start did: its values are the ones to go back to."""
    if record.exists():
        return
    record.parent.mkdir(parents=True, exist_ok=True)
    part = record.with_suffix(".part")
    part.write_text(json.dumps(read(names, root), indent=1))
    part.replace(record)


def restore(record: Path, root: Path = _ROOT) -> None:
    """Put everything back and forget the record."""
    try:
        values = json.loads(record.read_text())
    except (OSError, ValueError):
        return
    # Setting ip_forward sets every interface's forwarding too, so the single ones come after it.
    write(dict(sorted(values.items(), key=lambda item: item[0] != "net.ipv4.ip_forward")), root)
    record.unlink()
