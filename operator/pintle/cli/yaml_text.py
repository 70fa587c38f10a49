"""YAML out of plain data, without a package: each text that could be read as something else stands in quotes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

# Surely a text to every YAML reader, of 1.1 and of 1.2. What begins with a digit is quoted: it may be a number or time.
_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@+-]*( [A-Za-z0-9_./@+(][A-Za-z0-9_./@+()%,-]*)*")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
_WORDS = frozenset(("true", "false", "yes", "no", "on", "off", "null", "y", "n"))


def to_yaml(value: Any) -> str:
    """A document. Mappings, lists, texts, numbers, booleans and None."""
    return "\n".join(_lines(value)) + "\n"


def _lines(value: Any) -> list[str]:
    if isinstance(value, Mapping) and value:
        made = []
        for key, inner in value.items():
            made += _entry(f"{_scalar(str(key))}:", inner, "  " if isinstance(inner, Mapping) else "")
        return made
    if isinstance(value, list | tuple) and value:
        made = []
        for inner in value:
            nested = _lines(inner)
            made += ["- " + nested[0], *("  " + line for line in nested[1:])]
        return made
    return [_scalar(value)]


def _entry(head: str, value: Any, indent: str) -> list[str]:
    if isinstance(value, Mapping | list | tuple) and value:
        return [head, *(indent + line for line in _lines(value))]
    return [f"{head} {_scalar(value)}"]


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        surely = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
        return value if surely else f'"{"".join(map(_escaped, value))}"'
    if isinstance(value, Mapping):
        return "{}"
    if isinstance(value, list | tuple):
        return "[]"
    return json.dumps(value)


def _escaped(letter: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    return letter if letter.isprintable() else f"\\U{ord(letter):08x}"
