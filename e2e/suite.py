"""Runs the stages of `make check`, `make test` and `make soak`: the time of each, one summary line at the end."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]


@dataclass(frozen=True)
class Stage:
    """A command with a name; `tests` stages are pytest runs whose counts go into the summary."""

    name: str
    command: list[str]
    tests: bool = False


@dataclass
class Outcome:
    """What happened so far."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    broken: list[str] = field(default_factory=list)
    times: list[tuple[str, float, str]] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)
    """What tests measured: their record_property("figure", ...)."""


def lint_stages() -> list[Stage]:
    return [
        Stage("format", [str(BIN / "ruff"), "format", "--check", "-q", "."]),
        Stage("lint", [str(BIN / "ruff"), "check", "-q", "."]),
        Stage("types", [str(BIN / "mypy"), "--no-error-summary"]),
        Stage("imports", [str(BIN / "lint-imports"), "--no-cache"]),
        Stage("generated", [sys.executable, "-m", "pintle.api.generate", "--check"]),
    ]


def pytest_stage(name: str, *args: str) -> Stage:
    return Stage(name, [*PYTEST, *args], tests=True)


UNIT = pytest_stage("unit", "-n", "2", "tests/unit", "tests/golden")
QUICK = pytest_stage("unit", "-n", "2", "-m", "not slow and not soak", "tests/unit", "tests/golden")
PROPERTY = pytest_stage("property", "-n", "2", "tests/property")
STAGES = {
    "check": lambda: [*lint_stages(), QUICK],
    "test": lambda: [
        UNIT,
        PROPERTY,
        Stage("cluster", [sys.executable, "-m", "e2e.cluster", "up"]),
        Stage("promtool", [sys.executable, "-m", "e2e.cluster", "promtool"]),
        pytest_stage("integration", "-n", "2", "tests/integration"),
        Stage("install", [sys.executable, "-m", "e2e.install"]),
        pytest_stage(
            "e2e", "-n", os.environ.get("PINTLE_E2E_WORKERS", "4"), "-m", "not soak and not disturbs", "e2e/tests"
        ),
        # What takes the operator or Prometheus away from everybody comes last, one by one.
        pytest_stage("disturbed", "-m", "disturbs and not soak", "e2e/tests"),
    ],
    "soak": lambda: [
        Stage("cluster", [sys.executable, "-m", "e2e.cluster", "up"]),
        Stage("install", [sys.executable, "-m", "e2e.install"]),
        pytest_stage("soak", "-m", "soak", "tests", "e2e/tests"),
    ],
}


def run(stage: Stage, outcome: Outcome) -> None:
    """Runs one stage and adds its counts. A stage that is no test run counts as one failure when it breaks."""
    print(f"==> {stage.name}", flush=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        # Figures are properties of tests, which the other family of reports does not have.
        extra = [f"--junitxml={report}", "-o", "junit_family=xunit1"] if stage.tests else []
        code = subprocess.run([*stage.command, *extra], cwd=ROOT, check=False).returncode
        found = add_counts(report, outcome) if stage.tests else code == 0
    if code != 0 or not found:
        outcome.broken.append(stage.name)
    outcome.times.append((stage.name, time.monotonic() - started, "ok" if code == 0 and found else "FAILED"))


def add_counts(report: Path, outcome: Outcome) -> bool:
    """Adds the counts of a JUnit report; False when it holds no test, which is a broken stage."""
    if not report.exists():
        return False
    root = ElementTree.parse(report).getroot()
    outcome.figures += [item.get("value", "") for item in root.iter("property") if item.get("name") == "figure"]
    total = 0
    for suite in root.iter("testsuite"):
        tests, failures, errors, skipped = (int(suite.get(k, "0")) for k in ("tests", "failures", "errors", "skipped"))
        total += tests
        outcome.failed += failures + errors
        outcome.skipped += skipped
        outcome.passed += tests - failures - errors - skipped
    return total > 0


def summary(outcome: Outcome) -> list[str]:
    """Times of the stages, what broke, and as the last line the counts."""
    lines = ["time per stage"]
    lines += [f"  {name:<12} {seconds:7.1f} s  {word}" for name, seconds, word in outcome.times]
    lines += [f"stage failed: {name}" for name in outcome.broken]
    # A broken stage that is no test run must show in the count, too.
    failed = outcome.failed or len(outcome.broken)
    lines += outcome.figures
    return [*lines, f"{outcome.passed} passed, {failed} failed, {outcome.skipped} skipped"]


def write_report(lines: list[str]) -> None:
    """docs/soak/<date>.md; a second run of a day replaces the first."""
    folder = ROOT / "docs" / "soak"
    folder.mkdir(exist_ok=True)
    today = datetime.now(UTC).date().isoformat()
    minutes = os.environ.get("PINTLE_SOAK_MINUTES")
    command = f"PINTLE_SOAK_MINUTES={minutes} make soak" if minutes else "make soak"
    text = "\n".join([f"# Soak of {today}", "", f"    {command}", "", "```", *lines, "```", ""])
    (folder / f"{today}.md").write_text(text)


def main(argv: list[str]) -> int:
    name = argv[0] if argv else "check"
    if name not in STAGES:
        print(f"no such suite: {name}; there are {', '.join(STAGES)}", file=sys.stderr)
        return 2
    outcome = Outcome()
    for stage in STAGES[name]():
        run(stage, outcome)
        if stage.name in ("cluster", "install") and stage.name in outcome.broken:
            break
    lines = summary(outcome)
    print("\n" + "\n".join(lines))
    if name == "soak":
        write_report(lines)
    return 1 if outcome.broken or outcome.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
