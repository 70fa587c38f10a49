"""When an object already is what is wanted."""

from __future__ import annotations

from typing import Any

import pytest
from pintle.core.compare import covers

COVERED: dict[str, tuple[Any, Any]] = {
    "what the API server added is not ours": ({"a": 1, "b": 2}, {"a": 1}),
    "an absent list is an empty one": ({}, {"hostnames": []}),
    "an absent text is an empty one": ({}, {"annotation": ""}),
    "1000m is 1": ({"requests": {"cpu": "1"}}, {"requests": {"cpu": "1000m"}}),
    "half a core is 500m": ({"limits": {"cpu": "500m"}}, {"limits": {"cpu": "0.5"}}),
    "1024Mi is 1Gi": ({"requests": {"memory": "1Gi"}}, {"requests": {"memory": "1024Mi"}}),
    "2e3 is 2k": ({"requests": {"memory": "2k"}}, {"requests": {"memory": "2e3"}}),
    "items may have more fields": ([{"name": "a", "protocol": "TCP"}], [{"name": "a"}]),
}
OTHER: dict[str, tuple[Any, Any]] = {
    "another value": ({"a": 1}, {"a": 2}),
    "a missing key": ({}, {"a": 1}),
    "one item too many": ({"hostnames": ["a", "b"]}, {"hostnames": ["a"]}),
    "a list that should be empty": ({"hostnames": ["a"]}, {"hostnames": []}),
    "a map that should be empty": ({"emptyDir": {"medium": "Memory"}}, {"emptyDir": {}}),
    "another order": ([{"name": "a"}, {"name": "b"}], [{"name": "b"}, {"name": "a"}]),
    "0 is not absent": ({}, {"replicas": 0}),
    "1 and 1000m are the same only as quantities": ({"value": "1"}, {"value": "1000m"}),
    "another quantity": ({"requests": {"cpu": "1"}}, {"requests": {"cpu": "100m"}}),
}


@pytest.mark.parametrize("sentence", COVERED)
def test_it_is_as_wanted(sentence: str) -> None:
    """Applying it would change nothing."""
    assert covers(*COVERED[sentence])


@pytest.mark.parametrize("sentence", OTHER)
def test_it_is_not_as_wanted(sentence: str) -> None:
    """Applying it would change something."""
    assert not covers(*OTHER[sentence])
