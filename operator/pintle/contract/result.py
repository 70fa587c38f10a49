"""Results of containers: one JSON object each, as termination message.

The kubelet shares 12 KiB among the containers of a pod, so a result stays below MAX_BYTES; the full record lies
beside the artifact.
"""

from __future__ import annotations

import json
from typing import Any

MAX_BYTES = 1500
PATH = "/dev/termination-log"


def encode(result: dict[str, Any]) -> bytes:
    """The result as bytes, its `message` shortened where needed. Raises ValueError when the rest alone is too large."""
    data = _dump(result)
    if len(data) <= MAX_BYTES:
        return data
    message = str(result.get("message", ""))
    room = len(message.encode()) - (len(data) - MAX_BYTES) - 8
    if room < 0:
        raise ValueError(f"a result of {len(data)} bytes does not fit into {MAX_BYTES}")
    while len(data) > MAX_BYTES and room >= 0:
        cut = message.encode()[:room].decode(errors="ignore") + "…"
        data = _dump({**result, "message": cut})
        room -= 16
    if len(data) > MAX_BYTES:
        raise ValueError(f"a result of {len(data)} bytes does not fit into {MAX_BYTES}")
    return data


def decode(text: str | None) -> dict[str, Any] | None:
    """The result, or None where the message is no result (a log tail, cut off, empty)."""
    if not text:
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) and "phase" in value else None


def _dump(result: dict[str, Any]) -> bytes:
    return json.dumps(result, separators=(",", ":"), ensure_ascii=False).encode()
