"""The examples as people apply them: accepted by a real API server under kubectl's strict validation."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.kube import Space

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted(path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.rglob("*.yaml"))


@pytest.mark.parametrize("file", FILES)
def test_an_example_is_accepted(space: Space, file: str) -> None:
    """Unknown fields and broken rules are refused, so what is accepted is in the shape of the API."""
    space.kubectl("apply", "--server-side", "--validate=strict", "-f", str(EXAMPLES / file))
