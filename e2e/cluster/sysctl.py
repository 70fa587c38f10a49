"""Kernel settings: what the cluster changes is written down before and put back afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

_ROOT = Path("/proc/sys")


def _file(name: str, root: Path) -> Path:
    return root / (name if "/" in name else name.replace(".", "/"))


def read(names: Iterable[str], root: Path = _ROOT) -> dict[str, str]:
    """The present values of those that exist on this machine; `*` in a name stands for any one part of it."""
    values = {}
    for pattern in names:
        # Slashes as in the file system: an interface's name may have a dot.
        for file in sorted(root.glob(pattern.replace(".", "/"))):
            try:
                values["/".join(file.relative_to(root).parts)] = file.read_text().strip()
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
    # Setting ip_forward, or forwarding for all, sets every interface's too, so the single ones come after it.
    first = ("net/ipv4/ip_forward", "net.ipv4.ip_forward", "net/ipv4/conf/all/forwarding")
    for name in first:
        write({name: values[name]} if name in values else {}, root)
    write(values, root)
    record.unlink()
