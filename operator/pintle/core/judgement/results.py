"""From evidence to the result of a test, with the words for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import log

import numpy as np
import numpy.typing as npt

from pintle.contract import metrics as names
from pintle.core.judgement.counters import BAD_RESULTS
from pintle.core.judgement.samples import FloatArray
from pintle.core.judgement.score import N0, N1, X0, X1, S, W
from pintle.core.judgement.settings import ERRORS, LOSS, MISSING, SLOW, Settings
from pintle.core.judgement.verdict import FAIL, NEED_MORE_DATA, PASS, Arm, TestResult

QUERIES: Mapping[str, str] = {
    ERRORS: f'{names.REQUESTS}{{route!="direct",result=~"{"|".join(BAD_RESULTS)}"}} of {{route!="direct"}}',
    SLOW: f'{names.REQUEST_DURATION}_bucket{{le="+Inf"}} less {names.REQUEST_DURATION}_bucket{{le="%g"}}',
    MISSING: f'{names.FEATURE_BIN}{{feature="%s",bin="missing"}} of {names.PREDICTIONS}',
    LOSS: f"{names.FEEDBACK_LOSS_SUM} of {names.FEEDBACK_LOSS_COUNT}, cohorts since the start",
}
"""The counters whose growth per scrape interval is compared, for people."""
SECONDS_IN_MINUTE = 60
TOO_LONG_SECONDS = 7 * 86400


@dataclass(frozen=True)
class Evidence:
    """What the sums of a trial say: `seen` [2 arms, entries, (bad, rows)], the rest [entries]."""

    seen: FloatArray
    difference: FloatArray
    compared: FloatArray
    """W: 0 before the first block with both revisions."""
    worse: FloatArray
    close: FloatArray
    shown: FloatArray
    """With which a standing Pass was reached, 0 where none stands: see score.passing."""
    onset_seconds: FloatArray
    """`worse` is that of so many seconds up to now; 0: of the whole rollout."""
    since: FloatArray
    """Terms [entries, 10] of the blocks since the onset."""

    def proven(self, places: int | npt.NDArray[np.int64]) -> float:
        """Evidence of the weakest of these entries that it is close enough: now, or when its Pass was reached."""
        return float(np.maximum(self.close, self.shown)[places].min())

    def passes(self, places: int | npt.NDArray[np.int64]) -> bool:
        """A Pass of all of these entries stands."""
        return bool((self.shown[places] > 0).all())

    def arm(self, arm: int, place: int) -> Arm:
        bad, rows = self.seen[arm, place]
        return Arm(float(rows), float(bad))


def result(
    test: str, found: Evidence, place: int, settings: Settings, elapsed: float, control: bool, slow_seconds: float
) -> TestResult:
    """Result of errors, slow or loss. Without a control only errors count: all else has no bound of its own."""
    query = QUERIES[test] % slow_seconds if test == SLOW else QUERIES[test]
    words = f"slower than {slow_seconds:g} s" if test == SLOW else ""
    if test == ERRORS and not control:
        words = f"without a control only more than {settings.gross_errors:.0%} errors count"
    dry_run = not control and test != ERRORS
    threshold = settings.fail_threshold(test)
    return _result(test, found, place, place, settings, threshold, elapsed, words, query, dry_run)


def missing_result(
    found: Evidence, features: Mapping[str, int], settings: Settings, elapsed: float, control: bool
) -> TestResult:
    """Result of the feature that looks worst. Alpha is split over the features; all of them have to pass."""
    places = np.array(list(features.values()))
    worse, proven = found.worse[places], np.maximum(found.close, found.shown)[places]
    worst = int(worse.argmax() if worse.any() else proven.argmin())
    name = list(features)[worst]
    threshold = settings.fail_threshold(MISSING) + log(len(features))
    words, query = f"feature {name}", QUERIES[MISSING] % name
    return _result(MISSING, found, int(places[worst]), places, settings, threshold, elapsed, words, query, not control)


def incomparable(test: TestResult) -> TestResult:
    """A test of losses whose scales differ: it can neither fail nor pass."""
    message = "not compared: model_feedback_loss_scale differs"
    return replace(test, verdict=NEED_MORE_DATA, difference=None, fail_evidence=0.0, pass_evidence=0.0, message=message)


def _result(
    test: str,
    found: Evidence,
    place: int,
    places: int | npt.NDArray[np.int64],
    settings: Settings,
    threshold: float,
    elapsed: float,
    words: str,
    query: str,
    dry_run: bool,
) -> TestResult:
    tested, control = found.arm(0, place), found.arm(1, place)
    worse, close = float(found.worse[place]), found.proven(places)
    if worse >= threshold:
        verdict = FAIL
    elif found.passes(places):
        verdict = PASS
    else:
        verdict = NEED_MORE_DATA
    parts = [words, _figures(tested, control)]
    difference = float(found.difference[place]) if found.compared[place] > 0 else None
    if verdict == FAIL and (seconds := float(found.onset_seconds[place])):
        # The shares of the whole rollout would hide what came late.
        tested, control, difference = _since_onset(found.since[place])
        parts = [words, f"{_figures(tested, control)} in the last {_length(seconds)}"]
    if verdict == PASS and found.close[places].min() < settings.pass_threshold:
        parts.append("shown earlier")
    if verdict == NEED_MORE_DATA:
        parts.append(_wait(tested, close, settings, elapsed))
    return TestResult(
        name=test,
        verdict=verdict,
        tested=tested,
        control=control,
        difference=difference,
        fail_evidence=worse,
        fail_threshold=threshold,
        pass_evidence=close,
        pass_threshold=settings.pass_threshold,
        dry_run=dry_run or test in settings.dry_run,
        query=query,
        subject=words,
        message="; ".join(part for part in parts if part),
        required=test in settings.required,
    )


def _figures(tested: Arm, control: Arm) -> str:
    words = f"{tested.share:.2%} of {tested.rows:.0f}"
    return f"{words}, control {control.share:.2%} of {control.rows:.0f}" if control.rows else words


def _since_onset(terms: FloatArray) -> tuple[Arm, Arm, float]:
    """Both arms and the difference in terms [10]; blocks without one of them are not in it."""
    tested, control = (Arm(float(terms[rows]), float(terms[bad])) for bad, rows in ((X1, N1), (X0, N0)))
    return tested, control, float(terms[S] / terms[W])


def _length(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < SECONDS_IN_MINUTE else f"{seconds / SECONDS_IN_MINUTE:.0f} min"


def _wait(tested: Arm, close: float, settings: Settings, elapsed: float) -> str:
    """How much longer at the pace so far: evidence grows about as the rows do."""
    if tested.rows <= 0 or close <= 0 or elapsed <= 0:
        return ""
    factor = max(settings.pass_threshold / close, settings.min_rows / tested.rows) - 1
    seconds = factor * elapsed
    if not 0 < seconds < TOO_LONG_SECONDS:
        return ""
    if seconds < SECONDS_IN_MINUTE:
        return "less than a minute more at this pace"
    return f"about {seconds / SECONDS_IN_MINUTE:.0f} min more at this pace"
