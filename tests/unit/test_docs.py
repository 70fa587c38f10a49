"""The documentation holds together: links lead somewhere, decisions are in the index, what is to be typed exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from pintle.cli.commands import COMMANDS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / "examples").rglob("*.md")])


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file that exists, and a heading that is in it."""
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_every_page_and_decision_is_in_the_index() -> None:
    """docs/README.md leads to all of them; to dated reports by their folder."""
    index = (DOCS / "README.md").read_text()
    assert "(soak)" in index
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if page.parent != DOCS / "soak"} - {"README.md"}
    assert {page for page in pages if f"({page})" not in index} == set()


def test_figures_come_from_scripts_that_exist() -> None:
    """Each `make bench-NAME` in docs/limits.md has its script."""
    names = set(re.findall(r"make bench-(\w+)", (DOCS / "limits.md").read_text()))
    assert names
    assert {name for name in names if not (ROOT / "bench" / name).exists()} == set()


def test_commands_of_the_plugin_exist() -> None:
    """Every `kubectl pintle WORD` in the pages is a command."""
    for page in PAGES:
        used = set(re.findall(r"kubectl pintle ([a-z-]+)", page.read_text()))
        assert used <= set(COMMANDS), page


def test_targets_of_make_exist() -> None:
    """Every `make TARGET` in a line of commands, or in backticks, is in the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        used = set(re.findall(r"(?:^|`|    )make ([a-z-]+)", page.read_text(), re.MULTILINE))
        assert {name for name in used if not name.startswith("bench-")} <= targets, page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_predictions_are_asked_for_as_json(page: Path) -> None:
    """curl sends a form by itself, which a server answers with 415: commands with a body say what it is."""
    for block in re.findall(r"^```[a-z]*\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("curl ") and " -d " in line:
                assert "-H content-type:application/json" in line, line


def test_values_of_the_chart_exist() -> None:
    """What the front page has helm set is in the values."""
    values = yaml.safe_load((ROOT / "charts" / "pintle" / "values.yaml").read_text())
    named = re.findall(r"--set ([a-zA-Z.]+)=", (ROOT / "README.md").read_text())
    assert "image.runner" in named
    for name in named:
        group, key = name.split(".")
        assert key in values[group], name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_keys_of_yaml_are_words(page: Path) -> None:
    """kubectl reads YAML 1.1, where a bare `on:` or `no:` is a boolean: such a key is quoted."""

    def keys(value: object) -> list[object]:
        if isinstance(value, dict):
            return [*value, *(key for inner in value.values() for key in keys(inner))]
        return [key for inner in value for key in keys(inner)] if isinstance(value, list) else []

    for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        for body in yaml.safe_load_all(block):
            assert all(isinstance(key, str) for key in keys(body)), block
