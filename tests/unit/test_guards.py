"""The list of what each e2e test guards: complete, and in step with the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from e2e.guard_list import GUARDS, Guard

ROOT = Path(__file__).parents[2]


def e2e_tests() -> set[str]:
    """Names of all end-to-end tests."""
    files = (ROOT / "e2e" / "tests").glob("test_*.py")
    return {name for file in files for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.M)}


def disabled(guard: Guard) -> str:
    """The file as it is when the guarded text is replaced."""
    return (ROOT / guard.file).read_text().replace(guard.line, guard.instead)


def label(guard: Guard) -> str:
    return f"{guard.test}-{guard.file.rsplit('/', 1)[-1]}"


def test_every_e2e_test_guards_something() -> None:
    """No e2e test is without a line that it guards, and no line is guarded by a test that does not exist."""
    assert {guard.test for guard in GUARDS} == e2e_tests()


def test_no_test_name_is_the_beginning_of_another() -> None:
    """`pytest -k NAME` runs exactly the one test."""
    names = sorted(e2e_tests())
    assert [(one, other) for one in names for other in names if one != other and one in other] == []


@pytest.mark.parametrize("guard", GUARDS, ids=label)
def test_guarded_text_stands_once_in_its_file(guard: Guard) -> None:
    """What would be replaced is unambiguous, and something else comes in its place."""
    assert (ROOT / guard.file).read_text().count(guard.line) == 1
    assert guard.instead != guard.line
    assert guard.why


@pytest.mark.parametrize("guard", GUARDS, ids=label)
def test_disabled_code_can_still_be_read(guard: Guard) -> None:
    """With the behaviour disabled the file is valid Python or YAML: the test must fail, not the installation."""
    text = disabled(guard)
    if guard.file.endswith(".py"):
        compile(text, guard.file, "exec")
    else:
        assert list(yaml.safe_load_all(text))
