"""What the plugin shows people: golden files in tests/golden/cli.

PINTLE_GOLDEN=write pytest tests/unit/cli   # to write them anew, and read the difference
"""

from __future__ import annotations

import copy
import os
from pathlib import Path

import pytest
from pintle.cli import difference, lineage, model_tree, run_list, why, why_text
from pintle.cli.facts import World
from pintle.cli.text import clean, plain, table

from tests.story import DELAYS, FARES, JOB, LOST, NOW, OBJECTS, VERSIONS

GOLDEN = Path(__file__).parents[2] / "golden" / "cli"
WORLD = World.of(OBJECTS)
TREE = model_tree.models(WORLD)


def explained(obj: dict[str, object]) -> list[str]:
    return why_text.lines(why.explain(WORLD, obj, NOW), NOW)


SHOWN = {
    "get": model_tree.lines(TREE, NOW),
    "why-canary": explained(DELAYS),
    "why-guard": explained(FARES),
    "why-version-not-found": explained(LOST),
    "why-trainingjob": explained(JOB),
    "why-version": explained(VERSIONS[-1]),
    "lineage-deployment": lineage.lines(lineage.lineage(WORLD, DELAYS)),
    "lineage-guard": lineage.lines(lineage.lineage(WORLD, FARES)),
    "lineage-version": lineage.lines(lineage.lineage(WORLD, VERSIONS[2])),
    "runs": run_list.lines(run_list.all_runs(WORLD.jobs), NOW),
    "diff": difference.lines(difference.difference(VERSIONS[1], VERSIONS[2])),
}


@pytest.mark.parametrize("name", SHOWN)
def test_shown(name: str) -> None:
    """The text is that of its golden file, as a person without colours reads it."""
    text = "".join(plain(line) + "\n" for line in SHOWN[name])
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("PINTLE_GOLDEN") == "write":
        file.write_text(text)
    assert text == file.read_text()


def test_what_an_object_says_cannot_steer_the_terminal() -> None:
    """Control characters of a log line that got into a message are taken out; colours are the plugin's own."""
    evil = copy.deepcopy(DELAYS)
    evil["status"]["conditions"][2]["message"] = "\x1b[2Jgone\r\nand\x07back"
    text = "\n".join(why_text.lines(clean(why.explain(WORLD, evil, NOW)), NOW))
    assert "[2Jgone and back" in plain(text)
    assert "\x1b[2J" not in text


def test_a_table_leaves_out_what_nobody_has() -> None:
    """A column without a value in any row takes no room; colours take none either."""
    assert table(("A", "B", "C"), []) == []
    rows = [("\x1b[31mx\x1b[0m", "", "1"), ("yy", None, "2")]
    assert [plain(line) for line in table(("A", "B", "C"), rows)] == ["A    C", "x    1", "yy   2"]


def test_a_dataset_that_lost_its_place_is_told() -> None:
    """diff shows what only one of the versions has."""
    old, new = copy.deepcopy(VERSIONS[1]), copy.deepcopy(VERSIONS[2])
    del new["spec"]["datasets"][1]
    old["spec"]["source"]["parameters"].append({"name": "subsample", "value": "0.8"})
    view = difference.difference(old, new)
    assert [(pair["name"], "new" in pair) for pair in view["data"]] == [("train", True), ("held", False)]
    assert {"name": "subsample", "old": "0.8", "same": False} in view["parameters"]
    assert any("subsample   0.8" in plain(line) for line in difference.lines(view))


def test_an_empty_object_is_no_error() -> None:
    """A deployment that the operator has not seen yet can be asked about too."""
    bare = {key: value for key, value in DELAYS.items() if key != "status"}
    assert any("is the operator running?" in line for line in explained(bare))
    assert "no revision yet" in "\n".join(lineage.lines(lineage.lineage(WORLD, bare)))
    assert model_tree.lines(model_tree.models(World.of([bare])), NOW)
