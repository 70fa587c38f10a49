"""From a pydantic model to a Kubernetes structural schema.

What pydantic writes is not structural: references, `anyOf [.., null]`, `const`, numeric exclusive bounds, `title` and
`additionalProperties: false` are refused or useless there. Defaults are left out on purpose: the API server would write
them into the user's object (docs/decisions/0004-api.md); they appear in the description instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from pintle.api.fields import MESSAGE, cel

Schema = dict[str, Any]
RULES = "x-kubernetes-validations"
INT_OR_STRING = "x-kubernetes-int-or-string"
_DEEPEST = 24
_DROPPED = ("title", "default", "$defs")
# Keys in the order in which a person reads them.
_ORDER = (
    "description",
    "type",
    "format",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "minItems",
    "maxItems",
    "maxProperties",
    "required",
    "properties",
    "items",
    "additionalProperties",
)


class NotStructural(ValueError):
    """The model says something that a structural schema cannot say."""


def structural(model: type[BaseModel]) -> Schema:
    """The structural schema of a model. Raises NotStructural."""
    raw = model.model_json_schema(by_alias=True, mode="validation")
    return _convert(raw, raw.get("$defs", {}), model.__name__)


def _convert(raw: Mapping[str, Any], defs: Mapping[str, Any], path: str) -> Schema:
    node, nullable = _unwrap(_inline(raw, defs, path), defs, path)
    default = node.get("default")
    for key in _DROPPED:
        node.pop(key, None)
    _const(node)
    _bounds(node)
    _pattern(node)
    if node.get(INT_OR_STRING):
        node["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    elif "anyOf" in node or "oneOf" in node or "allOf" in node:
        raise NotStructural(f"{path}: a union other than with null")
    elif "type" not in node:
        raise NotStructural(f"{path}: no type")
    if "properties" in node:
        node["properties"] = {
            name: _convert(child, defs, f"{path}.{name}") for name, child in node["properties"].items()
        }
        node.pop("additionalProperties", None)
    elif isinstance(node.get("additionalProperties"), Mapping):
        node["additionalProperties"] = _convert(node["additionalProperties"], defs, f"{path}[*]")
    if "items" in node:
        node["items"] = _convert(node["items"], defs, f"{path}[]")
    if default not in (None, False, "", [], {}) and not nullable and not isinstance(default, (dict, list)):
        node["description"] = f"{node.get('description', '')} Default: {default}.".strip()
    return _sorted(node)


def _inline(raw: Mapping[str, Any], defs: Mapping[str, Any], path: str) -> Schema:
    """A node without `$ref`; what stands beside the reference wins."""
    node = dict(raw)
    if path.count(".") > _DEEPEST:
        raise NotStructural(f"{path}: a model contains itself")
    while "$ref" in node:
        node = _merge(defs[node.pop("$ref").rpartition("/")[2]], node)
    return node


def _unwrap(node: Schema, defs: Mapping[str, Any], path: str) -> tuple[Schema, bool]:
    """A node without `anyOf [.., null]`: in Kubernetes a field that may be absent is one that is not required."""
    choices = node.get("anyOf")
    if not choices or node.get(INT_OR_STRING):
        node.pop("anyOf", None)
        return node, False
    others = [choice for choice in choices if choice.get("type") != "null"]
    if len(others) == len(choices) or len(others) != 1:
        return node, False
    outer = {key: value for key, value in node.items() if key != "anyOf"}
    inner, _ = _unwrap(_inline(others[0], defs, path), defs, path)
    return _merge(inner, outer), True


def _merge(inner: Mapping[str, Any], outer: Mapping[str, Any]) -> Schema:
    """Both together; CEL rules add up, for the rest `outer` wins."""
    merged = {**inner, **outer}
    both = [*inner.get(RULES, []), *outer.get(RULES, [])]
    if both:
        merged[RULES] = both
    return merged


def _const(node: Schema) -> None:
    if "const" in node:
        node["enum"] = [node.pop("const")]


def _bounds(node: Schema) -> None:
    """Draft 2020 numeric exclusive bounds into the bound and a flag, as OpenAPI v3.0 has them."""
    for exclusive, inclusive in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if exclusive in node:
            node[inclusive] = node[exclusive]
            node[exclusive] = True


def _pattern(node: Schema) -> None:
    """A pattern with a message becomes a CEL rule: "should match '^..$'" helps nobody."""
    message = node.pop(MESSAGE, None)
    if message is None:
        return
    pattern = node.pop("pattern")
    subject = "type(self) == int || string(self)" if node.get(INT_OR_STRING) else "self"
    # In a CEL string literal a backslash is doubled; `r'..'` would spare that, but not every reader knows it.
    quoted = pattern.replace("\\", "\\\\").replace("'", "\\'")
    node[RULES] = [cel(f"{subject}.matches('{quoted}')", message), *node.get(RULES, [])]


def _sorted(node: Schema) -> Schema:
    known = {key: node[key] for key in _ORDER if key in node}
    if RULES in node:
        node[RULES] = [{"rule": entry["rule"], **entry} for entry in node[RULES]]
    return {**known, **{key: value for key, value in node.items() if key not in known}}


def walk(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every node of a structural schema with its path, like `spec.datasets[].name`."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from walk(child, f"{path}.{name}".lstrip("."))
    if "items" in schema:
        yield from walk(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield from walk(schema["additionalProperties"], f"{path}[*]")


def unbounded(schema: Schema) -> list[str]:
    """Paths of strings, lists and maps that could grow without end; they would break CEL's cost limit and etcd's."""
    return [path for path, node in walk(schema) if not _is_bounded(node)]


def _is_bounded(node: Schema) -> bool:
    if node.get("x-kubernetes-preserve-unknown-fields"):
        return False
    kind = node.get("type")
    if kind == "string" or node.get(INT_OR_STRING):
        return "maxLength" in node or "enum" in node
    if kind == "array":
        return "maxItems" in node
    if kind == "object" and "properties" not in node:
        return "maxProperties" in node
    return True
