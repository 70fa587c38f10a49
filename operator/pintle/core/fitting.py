"""A status that the API server takes, whatever went into it: texts, lists and counts cut to the bounds of the API.

A status that breaks a bound would be refused as a whole, and with it everything else that it says.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from pintle.api.crd import KINDS, schema_of
from pintle.core.clipping import clip_middle

_SCHEMA = Mapping[str, Any]
# From this length on both ends of a text are kept.
SENTENCE = 40


def fitted(kind: str, status: Mapping[str, Any]) -> dict[str, Any]:
    """The status of an object of this kind within all bounds. Raises KeyError for a kind that is not Pintle's."""
    return dict(_fit(status, _status_schemas()[kind]))


@cache
def _status_schemas() -> dict[str, _SCHEMA]:
    return {kind.kind: schema_of(kind)["properties"]["status"] for kind in KINDS}


def _fit(value: Any, schema: _SCHEMA) -> Any:
    if isinstance(value, Mapping):
        fields: _SCHEMA = schema.get("properties", {})
        return {key: _fit(inner, fields[key]) if key in fields else inner for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_fit(inner, schema.get("items", {})) for inner in value[: schema.get("maxItems")]]
    # What has a form of its own (times, digests) is never cut: a piece of it would be wrong.
    if isinstance(value, str) and "maxLength" in schema and _is_free(schema):
        limit = schema["maxLength"]
        return clip_middle(value, limit) if limit >= SENTENCE else value[:limit]
    if isinstance(value, int) and not isinstance(value, bool) and "maximum" in schema:
        return max(schema.get("minimum", value), min(value, schema["maximum"]))
    return value


def _is_free(schema: _SCHEMA) -> bool:
    return not schema.keys() & {"enum", "format", "pattern", "x-kubernetes-validations"}
