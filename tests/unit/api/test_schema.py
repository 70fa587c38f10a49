"""From models to structural schemas."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pintle.api.crd import KINDS, Kind, schema_of
from pintle.api.fields import ApiModel, Name, cel, map_list, ruled, rules, says
from pintle.api.schema import RULES, NotStructural, structural, unbounded, walk
from pydantic import Field

# https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
FORBIDDEN = {"$ref", "$defs", "definitions", "title", "const", "allOf", "oneOf", "not", "default", "nullable"}

kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)


class Inner(ApiModel):
    """An inner thing."""

    name: Name

    model_config = ruled(cel("self.name != 'x'", "not x"))


class Outer(ApiModel):
    optional: Inner | None = Field(default=None, description="The words at the field.")
    fixed: Literal["A"] = "A"
    above: Annotated[int, Field(gt=0, lt=10)] = 3
    things: list[Inner] | None = Field(default=None, max_length=3, json_schema_extra=map_list("name"))
    labels: dict[str, Annotated[str, Field(max_length=5)]] | None = Field(default=None, max_length=2)
    from_: Annotated[str, Field(max_length=4)] | None = Field(default=None, alias="from")
    more: Name | None = Field(default=None, json_schema_extra=rules(cel("self != 'y'", "not y")))


def of(name: str) -> dict[str, Any]:
    return structural(Outer)["properties"][name]


def test_references_are_inlined() -> None:
    """A referenced model stands where it is used, with the words of the field instead of the type's."""
    assert of("optional")["properties"]["name"]["maxLength"] == 63
    assert of("optional")["description"] == "The words at the field."
    assert of("things")["items"]["description"] == "An inner thing."


def test_optional_is_not_required() -> None:
    """What may be None is left out of `required` and has one type."""
    assert of("optional")["type"] == "object"
    assert "required" not in structural(Outer)


def test_const_becomes_enum() -> None:
    """A Literal of one value is an enum of one value."""
    assert of("fixed")["enum"] == ["A"]


def test_exclusive_bounds_become_flags() -> None:
    """gt and lt are bound and flag, as OpenAPI 3.0 has them."""
    assert of("above") == {
        "description": "Default: 3.",
        "type": "integer",
        "minimum": 0,
        "exclusiveMinimum": True,
        "maximum": 10,
        "exclusiveMaximum": True,
    }


def test_list_map_keys_and_aliases() -> None:
    """List-map keys stay, and a field appears under its JSON name."""
    assert of("things")["x-kubernetes-list-map-keys"] == ["name"]
    assert of("from")["maxLength"] == 4


def test_rules_of_type_and_field_add_up() -> None:
    """A rule at the field does not drop the rules of its type, the pattern's included."""
    assert [rule["message"] for rule in of("more")[RULES]] == [
        "lower-case letters, digits and '-', beginning and ending with a letter or digit",
        "not y",
    ]


def test_a_pattern_with_a_message_becomes_a_rule() -> None:
    """Backslashes and quotes survive the way into a CEL string."""

    class Model(ApiModel):
        text: Annotated[str, Field(max_length=9, pattern=r"^'\d$", json_schema_extra=says("say it so"))]

    node = structural(Model)["properties"]["text"]
    assert "pattern" not in node
    assert node[RULES] == [{"rule": r"self.matches('^\'\\d$')", "message": "say it so"}]


def test_unions_are_refused() -> None:
    """A union of two types has no structural schema."""

    class Model(ApiModel):
        value: int | list[int]

    with pytest.raises(NotStructural, match=r"Model\.value"):
        structural(Model)


def test_a_model_that_contains_itself_is_refused() -> None:
    """Recursion ends with an error, not in an endless loop."""
    with pytest.raises(NotStructural):
        structural(Node)


class Node(ApiModel):
    next: Node | None = None


def test_unbounded_names_what_could_grow() -> None:
    """The walk finds strings, lists, maps and opaque objects without a bound."""

    class Model(ApiModel):
        text: str
        many: list[Annotated[str, Field(max_length=1)]]
        pairs: dict[str, str]
        opaque: dict[str, Any] = Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})

    assert unbounded(structural(Model)) == ["text", "many", "pairs", "pairs[*]", "opaque"]


@kinds
def test_everything_is_bounded(kind: Kind) -> None:
    """Every string, list and map of spec and status has an upper bound."""
    assert unbounded(schema_of(kind)) == []


@kinds
def test_only_structural_words(kind: Kind) -> None:
    """No key that the API server refuses in, or takes for more than, a structural schema; no default to be written."""
    for path, node in walk(schema_of(kind)):
        assert not FORBIDDEN & node.keys(), path
        assert node.get("additionalProperties") is not False, path
        assert "type" in node or node.get("x-kubernetes-int-or-string"), path


@kinds
def test_no_floats(kind: Kind) -> None:
    """Numbers with decimals are strings in the whole API."""
    assert [path for path, node in walk(schema_of(kind)) if node.get("type") == "number"] == []


@kinds
def test_list_maps_name_required_keys(kind: Kind) -> None:
    """Every list of named things merges by a key that every entry must have; the others are atomic."""
    for path, node in walk(schema_of(kind)):
        if node.get("type") != "array":
            continue
        merge = node["x-kubernetes-list-type"]
        assert merge in ("map", "atomic"), path
        if merge == "map":
            assert set(node["x-kubernetes-list-map-keys"]) <= set(node["items"]["required"]), path
