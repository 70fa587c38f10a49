"""Queries that users write: filled in for a revision, and refused unless they stay in their own namespace.

The operator's access to Prometheus is not the user's: a query that reads another namespace would tell one team what
belongs to another. So every selector has to carry namespace="<its own>", which a real parser of PromQL checks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import promql_parser

_PLACE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_FORBIDDEN_CALLS = {"info": "info() reads series of other namespaces"}


class QueryInvalid(Exception):
    """The query is wrong; the message says what to change."""


def filled_in(query: str, values: Mapping[str, str]) -> str:
    """The query with $name and ${name} replaced. Raises QueryInvalid for a name that is none of `values`."""

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name not in values:
            known = ", ".join(f"${known}" for known in values)
            raise QueryInvalid(f"{found[0]} is none of {known}")
        return values[name]

    return _PLACE.sub(value, query)


def check_namespace(query: str, namespace: str) -> None:
    """Raises QueryInvalid for what is no PromQL, and for a selector that could match series of another namespace."""
    selectors, calls = _parts(query)
    for call in calls:
        if call in _FORBIDDEN_CALLS:
            raise QueryInvalid(f"{_FORBIDDEN_CALLS[call]}; leave it out")
    for selector in selectors:
        if not any(_binds(matcher, namespace) for matcher in _matchers(selector)):
            raise QueryInvalid(f'{_written(selector)} needs the matcher namespace="$namespace"')


def _parts(query: str) -> tuple[list[Any], list[str]]:
    """All vector selectors of a query, at any depth, and the names of the functions it calls."""
    selectors: list[Any] = []
    calls: list[str] = []

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            selectors.append(node)
        elif isinstance(node, promql_parser.Call):
            calls.append(node.func.name)
        return True

    try:
        promql_parser.walk(promql_parser.parse(query), pre_visit=visit)
    except ValueError as error:
        raise QueryInvalid(f"it is no PromQL: {error}") from None
    return selectors, calls


def _matchers(selector: Any) -> Iterator[Any]:
    # Alternatives ("or" between matchers) bind nothing, whatever stands in one of them.
    return iter(() if selector.matchers.or_matchers else selector.matchers.matchers)


def _binds(matcher: Any, namespace: str) -> bool:
    return bool(
        matcher.name == "namespace" and matcher.op == promql_parser.MatchOp.Equal and matcher.value == namespace
    )


def _written(selector: Any) -> str:
    """The selector as a person finds it in the query."""
    return str(selector.name or selector)[:100]
