"""Benches are run seldom: what they use of the operator must still be there."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BENCHES = sorted(path.parent.name for path in (ROOT / "bench").glob("*/__main__.py"))


@pytest.mark.parametrize("name", BENCHES)
def test_a_bench_can_be_started(name: str) -> None:
    """All that it imports is there, and it has a beginning."""
    module = importlib.import_module(f"bench.{name}.__main__")
    assert callable(module.main)
    assert module.__doc__
