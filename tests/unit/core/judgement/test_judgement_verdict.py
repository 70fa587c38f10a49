"""How the outcomes of tests become one verdict."""

from __future__ import annotations

import pytest
from pintle.core.judgement.verdict import FAIL, NEED_MORE_DATA, PASS, SOURCE_ERROR, Arm, Judgement, TestResult


def judgement(*tests: tuple[str, bool], source_error: str = "") -> Judgement:
    """A judgement of tests given as (verdict, dry run)."""
    results = tuple(
        TestResult(f"t{index}", verdict, Arm(10, 1), Arm(90, 9), 0.0, 1.0, 5.0, 1.0, 3.0, dry_run=dry)
        for index, (verdict, dry) in enumerate(tests)
    )
    return Judgement("b", "a", 0.0, 60.0, results, 10, source_error)


@pytest.mark.parametrize(
    ("tests", "error", "expected"),
    [
        ([(PASS, False), (PASS, False)], "", PASS),
        ([(PASS, False), (FAIL, False)], "", FAIL),
        ([(PASS, False), (NEED_MORE_DATA, False)], "", NEED_MORE_DATA),
        ([(FAIL, False), (NEED_MORE_DATA, False)], "", FAIL),
        ([(FAIL, False)], "Prometheus does not answer", SOURCE_ERROR),
        ([(PASS, False), (FAIL, True), (NEED_MORE_DATA, True)], "", PASS),
        ([(PASS, True)], "", NEED_MORE_DATA),
        ([], "", NEED_MORE_DATA),
    ],
)
def test_verdict(tests: list[tuple[str, bool]], error: str, expected: str) -> None:
    """No source: SourceError. One counted Fail: Fail. All counted Pass: Pass. Otherwise more data are needed."""
    assert judgement(*tests, source_error=error).verdict == expected


@pytest.mark.parametrize(
    ("evidence", "required", "dry", "expected"),
    [
        (2.4, False, False, PASS),
        (2.6, False, False, NEED_MORE_DATA),
        (2.6, False, True, PASS),
        (0.0, True, False, NEED_MORE_DATA),
    ],
)
def test_nothing_is_promoted_while_a_test_leans_to_a_fail(
    evidence: float, required: bool, dry: bool, expected: str
) -> None:
    """Promotion does not wait for labels, but for the end of a suspicion: half of the evidence for a Fail."""
    passed = TestResult("errors", PASS, Arm(10, 0), Arm(90, 0), 0.0, 0.0, 5.0, 4.0, 3.0)
    labels = TestResult(
        "loss", NEED_MORE_DATA, Arm(9, 2), Arm(80, 8), 0.1, evidence, 5.0, 0.0, 3.0, dry_run=dry, required=required
    )
    assert Judgement("b", "a", 0.0, 60.0, (passed, labels), 10).verdict == expected


def test_failing_leaves_out_dry_runs() -> None:
    """What is only shown is not among the reasons."""
    assert [test.name for test in judgement((FAIL, True), (FAIL, False)).failing] == ["t1"]


def test_share_of_no_rows_is_zero() -> None:
    """An arm that has seen nothing has no bad share."""
    assert (Arm().share, Arm(4, 1).share) == (0.0, 0.25)
