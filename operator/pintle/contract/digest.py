"""Digests and canonical JSON: the same bytes for the same meaning, everywhere."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no white space, UTF-8. Raises TypeError for what JSON cannot hold."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest_bytes(data: bytes) -> str:
    """`sha256:<64 hex>` of the bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def digest_value(value: Any) -> str:
    """`sha256:<64 hex>` of the canonical JSON of the value."""
    return digest_bytes(canonical(value))


def short(digest: str, length: int = 8) -> str:
    """The first hex digits of a `sha256:` digest, for names and labels."""
    return digest.removeprefix("sha256:")[:length]
