"""The reference pages, made from the same models as the CRDs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pintle.api import meanings
from pintle.api.crd import KINDS, Kind, schema_of
from pintle.api.schema import INT_OR_STRING, RULES, walk
from pintle.contract.names import API_VERSION

_NOTE = "<!-- Made by `python -m pintle.api.generate`; do not edit. -->\n"


def api_page() -> str:
    """`docs/reference/api.md`: every field and every rule."""
    lines = [
        _NOTE,
        f"# API reference: `{API_VERSION}`\n",
        "The API server refuses unknown fields (kubectl's strict validation) and everything that breaks a rule below.",
        "It writes no default into an object: what is left out stays out, and the operator reads it as described.\n",
    ]
    for kind in KINDS:
        lines += _kind_lines(kind)
    return "\n".join(lines).rstrip() + "\n"


def _kind_lines(kind: Kind) -> Iterator[str]:
    schema = schema_of(kind)
    yield f"## {kind.kind}\n"
    yield f"{kind.says} Short name `{kind.short}`, category `mlops`.\n"
    for part in ("spec", "status"):
        yield f"### {kind.kind}: {part}\n"
        yield "| field | type | |"
        yield "|---|---|---|"
        yield from _field_rows(schema["properties"][part], part)
        yield ""
    yield f"### {kind.kind}: rules\n"
    yield "| where | the API server says |"
    yield "|---|---|"
    for path, node in walk(schema):
        for rule in node.get(RULES, []):
            yield f"| `{path or kind.kind}` | {_cell(rule['message'])} |"
    yield ""


def _field_rows(schema: dict[str, Any], part: str) -> Iterator[str]:
    required = {part}
    for path, node in walk(schema, part):
        required |= {f"{path}.{name}" for name in node.get("required", [])}
        if path == part or path.endswith(("[]", "[*]")):
            continue
        words = " ".join(filter(None, ["**required**" if path in required else "", node.get("description", "")]))
        yield f"| `{path}` | {_cell(_type_of(node))} | {_cell(words)} |"


def _type_of(node: dict[str, Any]) -> str:
    """What a value looks like, with its bounds."""
    if "enum" in node:
        return ", ".join(f"`{value}`" for value in node["enum"])
    if node.get(INT_OR_STRING):
        return "integer or string"
    if node["type"] == "array":
        return f"list of {_type_of(node['items'])}, {_between(node, 'Items')} items"
    if node["type"] == "object" and "properties" not in node:
        return f"map of {_type_of(node['additionalProperties'])}, at most {node['maxProperties']}"
    if node["type"] == "string":
        return (
            "time (RFC 3339)" if node.get("format") == "date-time" else f"string, {_between(node, 'Length')} characters"
        )
    if node["type"] == "integer" and ("minimum" in node or "maximum" in node):
        return f"integer, {node.get('minimum', '…')} to {node.get('maximum', '…')}"
    return str(node["type"])


def _between(node: dict[str, Any], what: str) -> str:
    low, high = node.get(f"min{what}", 0), node[f"max{what}"]
    return f"{low} to {high}" if low else f"at most {high}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def reasons_page() -> str:
    """`docs/reference/reasons.md`: every condition and reason, and what to do."""
    lines = [
        _NOTE,
        "# Conditions and reasons\n",
        "## Condition types\n",
        "| type | of | when True |",
        "|---|---|---|",
    ]
    for name, kind in meanings.CONDITIONS.items():
        lines.append(f"| `{name}` | {', '.join(kind.kinds)} | {_cell(kind.says)} |")
    lines += [
        "",
        "## Reasons\n",
        "*Final*: the operator does not try again by itself.\n",
        "| reason | of | it says | do |",
        "|---|---|---|---|",
    ]
    for name, meaning in sorted(meanings.REASONS.items()):
        final = " *Final.*" if meaning.final else ""
        lines.append(f"| `{name}` | {', '.join(meaning.kinds)} | {_cell(meaning.says)}{final} | {_cell(meaning.do)} |")
    return "\n".join(lines) + "\n"
