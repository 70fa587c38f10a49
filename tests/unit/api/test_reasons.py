"""Reasons are API: named, documented, and written in one place."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from pintle.api import meanings, reasons

PACKAGE = Path(reasons.__file__).parents[1]
# Where a condition or an event is made. `contract` and the images name what containers report, not conditions.
PARTS = ("api", "resources", "core", "ports", "adapters", "controller", "cli")
CONSTANTS = {
    name: value for name, value in vars(reasons).items() if name.isupper() and isinstance(value, str) and name[0] != "_"
}


def test_every_constant_is_documented() -> None:
    """Every constant is a condition type, a reason (or both) with its row."""
    documented = meanings.CONDITIONS.keys() | meanings.REASONS.keys()
    assert {name for name, value in CONSTANTS.items() if value not in documented} == set()


def test_every_row_has_a_constant() -> None:
    """No row of the tables is about a name that no constant has."""
    assert (meanings.CONDITIONS.keys() | meanings.REASONS.keys()) - set(CONSTANTS.values()) == set()


@pytest.mark.parametrize("name", sorted(meanings.REASONS))
def test_reasons_say_what_to_do(name: str) -> None:
    """A reason is CamelCase, belongs to a kind, has a meaning and a runbook line that are sentences."""
    meaning = meanings.REASONS[name]
    assert re.fullmatch(r"[A-Z][A-Za-z]*", name)
    assert meaning.kinds
    assert meaning.says.endswith(".")
    assert meaning.do.endswith(".")


def literals(path: Path) -> list[tuple[int, str]]:
    """String literals in code that are a reason, docstrings and generated tables aside."""
    tree = ast.parse(path.read_text())
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in UNMISTAKABLE
    ]


# Words that are something else too: a run's result in status, values of Kubernetes' own conditions and phases.
AMBIGUOUS = {"Running", "Unchanged", "Pending", "Ready", "Complete", "NeedMoreData", "Succeeded", "Available"}
AMBIGUOUS |= {"Progressing", "Verified", "Validated", "Serving"}
# A Job's own reasons, compared with what Kubernetes writes; and a word of a message.
AMBIGUOUS |= {"DeadlineExceeded", "BackoffLimitExceeded", "Starting"}
# Causes that a spec and a status name, found or not.
AMBIGUOUS |= {"FeatureDrift", "PredictionDrift"}
UNMISTAKABLE = (meanings.REASONS.keys() | meanings.CONDITIONS.keys()) - AMBIGUOUS


def test_no_reason_is_written_as_a_literal() -> None:
    """Whoever sets a condition uses the constant, so that a new reason cannot go undocumented."""
    found = [
        f"{path.relative_to(PACKAGE)}:{line} {value}"
        for part in PARTS
        for path in sorted((PACKAGE / part).rglob("*.py"))
        if path != Path(reasons.__file__)
        for line, value in literals(path)
    ]
    assert found == []
