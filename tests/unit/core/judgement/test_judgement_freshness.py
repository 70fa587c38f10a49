"""When a source cannot be judged, and when it merely has nothing to tell."""

from __future__ import annotations

import pytest
from pintle.core.judgement.freshness import freshness

NOW = 1_000.0


@pytest.mark.parametrize(
    ("newest", "ready", "scrape", "expected"),
    [
        ({"a": NOW - 1}, {"a": 0}, 1, ""),
        ({"a": NOW - 3}, {"a": 0}, 1, ""),
        ({"a": NOW - 3.1}, {"a": 0}, 1, "newest sample of any pod is 3 s old"),
        ({"a": NOW - 31}, {"a": 0}, 15, ""),
        ({"a": NOW - 46}, {"a": 0}, 15, "newest sample of any pod is 46 s old"),
        ({"a": NOW}, {"a": 0, "b": NOW - 10}, 1, ""),
        ({"a": NOW}, {"a": 0, "b": NOW - 16}, 1, "pod b has been ready for 16 s"),
        ({"a": NOW, "b": NOW - 12}, {"a": 0, "b": 0}, 1, ""),
        ({"a": NOW, "b": NOW - 16}, {"a": 0, "b": 0}, 1, "newest sample of pod b is 16 s old"),
        ({"a": NOW - 500}, {}, 1, ""),
        ({}, {}, 1, ""),
        ({}, {"a": NOW - 60}, 1, "Prometheus has no series"),
    ],
)
def test_freshness(newest: dict[str, float], ready: dict[str, float], scrape: float, expected: str) -> None:
    """Three scrapes for all pods together, more for a single one, and time to be discovered for a new one."""
    found = freshness(newest, ready, NOW, scrape)
    assert expected in found
    assert bool(expected) == bool(found)
