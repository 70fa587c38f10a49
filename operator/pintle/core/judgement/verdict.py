"""The four outcomes of a check, and what a judgement of two revisions consists of (docs/judgement.md)."""

from __future__ import annotations

from dataclasses import dataclass

PASS = "Pass"
FAIL = "Fail"
NEED_MORE_DATA = "NeedMoreData"
SOURCE_ERROR = "SourceError"
VERDICTS = (PASS, FAIL, NEED_MORE_DATA, SOURCE_ERROR)
"""Only Fail may roll back; NeedMoreData and SourceError hold, the latter without ever aborting anything."""
LEANING = 0.5
"""Of the evidence in nats that a Fail takes: with so much of it nothing is promoted. Equal versions have that much with
a probability of at most the root of the test's part of alpha, and lose it again."""


@dataclass(frozen=True)
class Arm:
    """What one revision has shown: rows (or requests, or pod-seconds) seen and the bad ones (or their summed loss)."""

    rows: float = 0.0
    bad: float = 0.0

    @property
    def share(self) -> float:
        """Bad per row; 0 without rows."""
        return self.bad / self.rows if self.rows else 0.0


@dataclass(frozen=True)
class TestResult:
    """One test of a look. Evidence and thresholds are in nats: Fail and Pass mean that evidence reached a threshold.

    A Pass stays once it is reached, while the difference is below the margin; `pass_evidence` is then what it was
    reached with, or more.
    """

    __test__ = False
    """The name is the field's, not pytest's."""

    name: str
    verdict: str
    tested: Arm
    control: Arm
    difference: float | None
    """Tested minus control, as the blocks with both of them show it; None before there is such a block."""
    fail_evidence: float
    fail_threshold: float
    pass_evidence: float
    pass_threshold: float
    dry_run: bool = False
    """Shown, but neither rolls back nor holds up a promotion."""
    query: str = ""
    subject: str = ""
    """What it is about beside the revision, such as `feature fare`; empty where the name says it all."""
    message: str = ""
    note: str = ""
    """What else a person should know of it: one pod stands out."""
    required: bool = True
    """Promotion waits for its Pass; a test that is not required may fail, and is waited for while it leans to that."""

    @property
    def leans(self) -> bool:
        """Not sure yet, and nearer to a Fail than to nothing."""
        return self.verdict == NEED_MORE_DATA and self.fail_evidence >= LEANING * self.fail_threshold


@dataclass(frozen=True)
class ScoreShift:
    """How far the scores of the tested revision lie from the control's: for people. It decides nothing.

    A better model may score differently. `low` is what PSI is at least, `threshold` what it has to exceed for Fail.
    """

    verdict: str
    """Fail, Pass or NeedMoreData."""
    rows: float
    control_rows: float
    psi: float
    low: float
    threshold: float

    @property
    def message(self) -> str:
        """Without figures: those of a condition have to come to rest."""
        return "its scores lie otherwise than the stable's, which decides nothing" if self.verdict == FAIL else ""


@dataclass(frozen=True)
class Judgement:
    """A look at one rollout: revision `tested` beside revision `control` ("" where there is none).

    `origin` is the start of the rollout, where the grid of blocks begins; `at` is the end of the last closed block that
    was judged, both in unix seconds. `rows` are the requests that `tested` has answered since the origin.
    """

    tested: str
    control: str
    origin: float
    at: float
    tests: tuple[TestResult, ...]
    rows: float
    source_error: str = ""
    message: str = ""
    """What a person should know of the tests as a whole; does not change from look to look."""
    shift: ScoreShift | None = None
    """None where the servers do not count their scores by levels, or there is no control."""

    @property
    def verdict(self) -> str:
        """SourceError before all else; Fail if one test that counts fails; Pass if all required ones pass, and no other
        one leans to a Fail."""
        if self.source_error:
            return SOURCE_ERROR
        counted = [test for test in self.tests if not test.dry_run]
        if any(test.verdict == FAIL for test in counted):
            return FAIL
        required = [test for test in counted if test.required]
        if required and not self.leaning and all(test.verdict == PASS for test in required):
            return PASS
        return NEED_MORE_DATA

    @property
    def leaning(self) -> tuple[TestResult, ...]:
        """The tests that count, are not required, and lean to a Fail."""
        return tuple(test for test in self.tests if test.leans and not test.required and not test.dry_run)

    @property
    def failing(self) -> tuple[TestResult, ...]:
        """The tests that count and fail."""
        return tuple(test for test in self.tests if test.verdict == FAIL and not test.dry_run)
