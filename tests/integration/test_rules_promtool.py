"""The chart's rules and alerts against known answers, by Prometheus' own tool."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from pintle.contract.profile import reference_ratios
from pintle.contract.psi import psi

from e2e.cluster import promtool
from e2e.cluster.binaries import PROMETHEUS, PROMTOOL

FILE = Path(__file__).parent / "rules" / "recording_test.yaml"


@pytest.fixture(scope="module")
def tool() -> str:
    """`make test` builds it before; it is not built for a test."""
    found = promtool.find()
    if not found:
        pytest.skip("`python -m e2e.cluster promtool` has not built it")
    return found


def run(tool: str, file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([tool, "test", "rules", str(file)], capture_output=True, text=True, timeout=120)


def test_the_rules_give_the_known_answers(tool: str) -> None:
    """Rows, freedom, PSI and its lower end, a restart, and two alerts."""
    said = run(tool, FILE)
    assert said.returncode == 0, said.stdout + said.stderr


def test_the_test_of_the_rules_can_fail(tool: str, tmp_path: Path) -> None:
    """A PSI that is off in the tenth digit is told."""
    text = FILE.read_text().replace("../../../charts", str(FILE.parents[3] / "charts"))
    wrong = text.replace("0.19907219654", "0.19907219664")
    assert wrong != text
    (tmp_path / "wrong.yaml").write_text(wrong)
    assert run(tool, tmp_path / "wrong.yaml").returncode != 0


def test_the_answers_are_those_of_the_formula() -> None:
    """What stands in the file is what `contract.psi` gives."""
    text, expected = FILE.read_text(), psi([240.0, 960.0, 0.0], [400, 600, 0])
    assert repr(expected.psi) in text
    assert repr(expected.low) in text
    assert all(repr(ratio) in text for ratio in reference_ratios([400, 600, 0]))


def test_the_tool_is_that_of_the_prometheus_in_use() -> None:
    """Both modules require the same version of it."""
    wanted = [
        re.search(r"github.com/prometheus/prometheus (v\S+)", (binary.module / "go.mod").read_text())
        for binary in (PROMETHEUS, PROMTOOL)
    ]
    assert wanted[0] is not None
    assert wanted[1] is not None
    assert wanted[0][1] == wanted[1][1]
