"""The summary line is what CI goes by: a broken stage or an empty test run must never look green."""

from __future__ import annotations

from pathlib import Path

from e2e.suite import STAGES, Outcome, Stage, add_counts, run, summary

REPORT = (
    '<testsuites><testsuite tests="{tests}" failures="{failures}" errors="{errors}" skipped="{skipped}"/></testsuites>'
)


def report(folder: Path, **counts: int) -> Path:
    path = folder / "report.xml"
    path.write_text(REPORT.format(**{"tests": 0, "failures": 0, "errors": 0, "skipped": 0} | counts))
    return path


def test_counts_of_a_report_are_added(tmp_path: Path) -> None:
    """Failures and errors both count as failed; skipped tests are neither passed nor failed."""
    outcome = Outcome()
    assert add_counts(report(tmp_path, tests=10, failures=1, errors=2, skipped=3), outcome)
    assert (outcome.passed, outcome.failed, outcome.skipped) == (4, 3, 3)


def test_a_run_without_a_test_is_a_broken_stage(tmp_path: Path) -> None:
    """A stage of tests that found none has not shown anything."""
    assert not add_counts(report(tmp_path), Outcome())
    assert not add_counts(tmp_path / "missing.xml", Outcome())


def test_a_broken_stage_that_is_no_test_run_shows_in_the_count() -> None:
    """The last line says that something failed although no test did."""
    outcome = Outcome(passed=3)
    run(Stage("cluster", ["false"]), outcome)
    assert outcome.broken == ["cluster"]
    assert summary(outcome)[-1] == "3 passed, 1 failed, 0 skipped"


def test_what_disturbs_runs_alone_and_after_the_others() -> None:
    """Every e2e test is in one of two stages; that of those which disturb has no workers, and comes last."""
    beside, alone = STAGES["test"]()[-2:]
    assert "not disturbs" in beside.command[beside.command.index("-m", 3) + 1]
    assert "disturbs and" in alone.command[alone.command.index("-m", 3) + 1]
    assert "-n" in beside.command
    assert "-n" not in alone.command
    assert beside.tests
    assert alone.tests


def test_figures_that_tests_measured_stand_in_the_summary(tmp_path: Path) -> None:
    """A report of a soak says what was measured, not only that it was good enough."""
    path = report(tmp_path, tests=1)
    case = '<testcase><properties><property name="figure" value="p99 3.2 ms"/></properties></testcase></testsuite>'
    path.write_text(path.read_text().replace('skipped="0"/>', f'skipped="0">{case}'))
    outcome = Outcome()
    assert add_counts(path, outcome)
    assert "p99 3.2 ms" in summary(outcome)


def test_names_of_test_files_are_unique() -> None:
    """The soak collects them all in one run, and pytest takes two of one name for the same module."""
    root = Path(__file__).parents[3]
    names = [file.name for folder in ("tests", "e2e") for file in (root / folder).rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
