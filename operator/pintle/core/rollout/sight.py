"""What can be seen of a rollout now: the judgement of its own trial, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pintle.core.judgement.settings import RESTARTS
from pintle.core.judgement.verdict import FAIL, NEED_MORE_DATA, PASS, SOURCE_ERROR, Judgement, TestResult
from pintle.core.plan import Policy
from pintle.core.rollout.deeds import Figures
from pintle.core.rollout.observed import DeploymentObserved
from pintle.core.rollout.record import Record
from pintle.core.rollout.trial import origin_of, pair_of

SAME_ORIGIN = 0.002
"""Seconds. The record keeps milliseconds."""


@dataclass(frozen=True)
class Sight:
    """A judgement of other revisions, or of an earlier rollout of the same ones, is not here."""

    judgement: Judgement | None = None
    blind: str = ""
    """Why nothing can be judged now; empty when it can, or when there is nothing to judge."""
    lasting: bool = False
    """Blind for longer than a scrape or two: time that counts for nobody."""

    @property
    def verdict(self) -> str:
        """Pass, Fail, NeedMoreData or SourceError."""
        if self.judgement is not None and self.judgement.verdict == FAIL:
            return FAIL
        if self.blind:
            return SOURCE_ERROR
        return self.judgement.verdict if self.judgement is not None else NEED_MORE_DATA

    @property
    def notes(self) -> str:
        """What a person should know of the judgement beside its tests; the same from look to look."""
        if self.judgement is None:
            return ""
        shift = self.judgement.shift
        return "; ".join(part for part in (self.judgement.message, shift.message if shift else "") if part)

    @property
    def rows(self) -> int:
        """Requests that the tested revision has answered since the origin."""
        return int(self.judgement.rows) if self.judgement is not None else 0


def sight_of(observed: DeploymentObserved, record: Record, now: datetime, policy: Policy) -> Sight:
    """Raises nothing: what does not belong to this record is not seen."""
    pair = pair_of(record)
    if pair is None or not policy.has_metrics:
        return Sight(blind=observed.metrics_error or "" if policy.has_metrics else "")
    concurrent = record.weights[pair[1]] > 0 or not record.in_guard
    judgement = observed.judgement
    if judgement is not None and not _belongs(judgement, record, pair, concurrent):
        judgement = None
    blind = observed.metrics_error or _blindness(judgement)
    return Sight(judgement, blind, bool(blind) and _lasts(judgement, record, now, policy))


def failing(sight: Sight) -> TestResult | None:
    """The test that counts, fails, and has the most evidence beyond what it needs; None where none does."""
    judgement = sight.judgement
    if judgement is None or judgement.verdict != FAIL:
        return None
    return max(judgement.failing, key=lambda test: (test.fail_evidence - test.fail_threshold, test.name), default=None)


def gross(sight: Sight, control: str) -> TestResult | None:
    """The failing test that may act where the control has no traffic: what was judged without one, or restarts."""
    judgement = sight.judgement
    found = failing(sight)
    if judgement is None or found is None or judgement.control != control:
        return found
    return next((test for test in judgement.failing if test.name == RESTARTS), None)


def weakest(judgement: Judgement) -> TestResult | None:
    """The test that counts and has the least evidence for promotion."""
    counted = [test for test in judgement.tests if not test.dry_run and test.verdict == PASS]
    return min(counted, key=lambda test: (test.pass_evidence - test.pass_threshold, test.name), default=None)


def undecided(judgement: Judgement) -> list[str]:
    """Names of the tests that promotion does not wait for, and that have rows and no verdict yet."""
    counted = [test for test in judgement.tests if not test.dry_run and not test.required]
    return [test.name for test in counted if test.verdict == NEED_MORE_DATA and test.tested.rows]


def figures_of(test: TestResult | None, passes: bool = False) -> Figures:
    """What a test decided from."""
    if test is None:
        return Figures()
    return Figures(
        rule=test.name,
        query=test.query,
        value=_rounded(test.tested.share),
        stable_value=_rounded(test.control.share),
        rows=_rounded(test.tested.rows),
        stable_rows=_rounded(test.control.rows),
        evidence=_rounded(test.pass_evidence if passes else test.fail_evidence),
        threshold=_rounded(test.pass_threshold if passes else test.fail_threshold),
    )


def in_words(test: TestResult) -> str:
    """One line for people: what was measured of both, and on how much."""
    tested, control = test.tested, test.control
    against = f" against {_short(control.share)} of {control.rows:.0f}" if control.rows else ""
    about = f" ({test.subject})" if test.subject else ""
    note = f"; {test.note}" if test.note else ""
    return f"{test.name}{about}: {_short(tested.share)} of {tested.rows:.0f}{against}{note}"


def _belongs(judgement: Judgement, record: Record, pair: tuple[str, str], concurrent: bool) -> bool:
    tested, control = pair
    controls = (control,) if concurrent else (control, "")
    same_origin = abs(judgement.origin - origin_of(record)) < SAME_ORIGIN
    return judgement.tested == tested and judgement.control in controls and same_origin


def _blindness(judgement: Judgement | None) -> str:
    if judgement is None:
        return ""
    if judgement.source_error:
        return judgement.source_error
    broken = [test for test in judgement.tests if test.verdict == SOURCE_ERROR and not test.dry_run]
    return f"{broken[0].name}: {broken[0].message or 'no answer'}" if broken else ""


def _lasts(judgement: Judgement | None, record: Record, now: datetime, policy: Policy) -> bool:
    # A failed query between two good ones, or pods before their first scrape, are no reason to write anything down.
    origin = datetime.fromtimestamp(origin_of(record), tz=UTC)
    since = max(seen_at(judgement), origin) if judgement is not None else origin
    return now - since > 2 * policy.scrape + timedelta(seconds=5)


def seen_at(judgement: Judgement) -> datetime:
    """End of what the judgement has seen."""
    return datetime.fromtimestamp(judgement.at, tz=UTC)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}") if value < 10000 else float(round(value))


def _short(value: float) -> str:
    return f"{value:.3g}"
