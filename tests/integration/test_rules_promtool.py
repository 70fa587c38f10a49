"""The chart's rules and alerts against known answers, by Prometheus' own tool."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from pintle.contract.profile import reference_ratios
from pintle.contract.psi import psi

from e2e.cluster.binaries import PROMETHEUS, PROMTOOL

FILE = Path(__file__).parent / "rules" / "recording_test.yaml"
WHERE = "no promtool: python -c 'from e2e.cluster.binaries import PROMTOOL; PROMTOOL.path()' builds it"


@pytest.fixture(scope="module")
def promtool() -> str:
    """From PINTLE_PROMTOOL, the cache of built programs or the PATH; it is not built for a test."""
    built = PROMTOOL.cached()
    found = os.environ.get("PINTLE_PROMTOOL") or (str(built / "promtool") if built else shutil.which("promtool"))
    if not found:
        pytest.skip(WHERE)
    return found


def run(promtool: str, file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([promtool, "test", "rules", str(file)], capture_output=True, text=True, timeout=120)


def test_the_rules_give_the_known_answers(promtool: str) -> None:
    """Rows, freedom, PSI and its lower end, a restart, and two alerts."""
    said = run(promtool, FILE)
    assert said.returncode == 0, said.stdout + said.stderr


def test_the_test_of_the_rules_can_fail(promtool: str, tmp_path: Path) -> None:
    """A PSI that is off in the tenth digit is told."""
    text = FILE.read_text().replace("../../../charts", str(FILE.parents[3] / "charts"))
    wrong = text.replace("0.19907219654", "0.19907219664")
    assert wrong != text
    (tmp_path / "wrong.yaml").write_text(wrong)
    assert run(promtool, tmp_path / "wrong.yaml").returncode != 0


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
