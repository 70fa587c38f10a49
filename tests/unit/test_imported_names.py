"""What tests and benches import of Pintle exists: mypy looks at the package only, and nobody collects benches."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("tests", "e2e", "bench", "examples")


def imported(folder: str) -> set[tuple[str, str, str]]:
    """(module, name, one file that imports it) of all `from pintle... import ...` under a folder."""
    found = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "pintle":
                for alias in node.names:
                    found[str(node.module), alias.name] = str(path.relative_to(ROOT))
    return {(module, name, path) for (module, name), path in found.items()}


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_is_imported_exists(folder: str) -> None:
    """A name that was moved or renamed is found here, and not by the first who runs a bench again."""
    missing = []
    for module, name, path in sorted(imported(folder)):
        there = importlib.import_module(module)
        submodule = hasattr(there, "__path__") and importlib.util.find_spec(f"{module}.{name}")
        if not hasattr(there, name) and not submodule:
            missing.append(f"{path}: from {module} import {name}")
    assert missing == []
