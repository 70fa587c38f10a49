"""Texts in so many bytes: cut where it hurts least."""

from __future__ import annotations


def clip(text: str, limit: int) -> str:
    """At most `limit` bytes of UTF-8, cut at the end."""
    data = text.encode()
    return text if len(data) <= limit else data[: limit - 3].decode(errors="ignore") + "…"


def clip_start(text: str, limit: int) -> str:
    """At most `limit` bytes of UTF-8, cut at the start: of a log the end matters."""
    data = text.encode()
    return text if len(data) <= limit else "…" + data[len(data) - limit + 3 :].decode(errors="ignore")


def clip_middle(text: str, limit: int) -> str:
    """At most `limit` bytes of UTF-8, cut in the middle: what it is about stays, and so does the end of a log."""
    data = text.encode()
    if len(data) <= limit:
        return text
    head = limit // 3
    return clip(text, head) + data[len(data) - (limit - head) :].decode(errors="ignore")
