"""Figures of a test or a decision in one phrase. They come from status as text, rounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def comparison(item: Mapping[str, Any]) -> str:
    """`0.051 against 0.01, n 1,203 and 22,800, evidence 9.1 of 5.3`; what is unknown is left out."""
    parts = []
    if item.get("value") is not None:
        other = item.get("stableValue")
        parts.append(str(item["value"]) + (f" against {other}" if other is not None else ""))
    if item.get("rows") is not None:
        other = item.get("stableRows")
        parts.append(f"n {count(item['rows'])}" + (f" and {count(other)}" if other is not None else ""))
    parts += [
        f"{words} {item[key]}" + (f" of {item[limit]}" if item.get(limit) is not None else "")
        for key, limit, words in (
            ("evidence", "threshold", "evidence"),
            ("passEvidence", "passThreshold", "that it is not worse"),
        )
        if item.get(key) is not None
    ]
    return ", ".join(parts)


def count(number: Any) -> str:
    """With commas, where it is a number."""
    try:
        return f"{int(float(number)):,}"
    except (TypeError, ValueError):
        return str(number)
