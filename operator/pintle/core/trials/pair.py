"""The two halves of a trial, fed at two paces, and the one judgement that they give together.

Each half is a `Trial` of its own over the same origin and grid, fed with all of its counters at once: so each gives the
same judgement for the same samples, whenever they were fetched. Alpha is divided as if they were one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pintle.core.judgement.facts import PodFacts
from pintle.core.judgement.history import History
from pintle.core.judgement.samples import RawSeries
from pintle.core.judgement.settings import ALPHA_SHARES, ERRORS, LOSS, MISSING, RESTARTS, SLOW, Settings
from pintle.core.judgement.trial import Trial
from pintle.core.judgement.verdict import Judgement, TestResult
from pintle.core.trials import selectors

FAST_TESTS = (ERRORS, SLOW, RESTARTS)
SLOW_TESTS = (MISSING, LOSS)


class Pair:
    """`fast` and `slow` halves of the trial of one rollout or guard."""

    def __init__(self, tested: str, control: str, origin: float, settings: Settings, history: History) -> None:
        self._fast = Trial(tested, control, origin, part(settings, FAST_TESTS), history)
        self._slow = Trial(tested, control, origin, part(settings, SLOW_TESTS), history)
        self.fast_until = self.slow_until = origin
        """How far each half has been fed, in unix seconds."""

    @property
    def slow_seconds(self) -> float:
        """The limit of the durations that is read."""
        return self._fast.slow_seconds

    @property
    def fast_due(self) -> float:
        """From when on `feed_fast` can change what is judged, in unix seconds."""
        return self._fast.due

    @property
    def slow_due(self) -> float:
        """From when on `feed_slow` can."""
        return self._slow.due

    def feed_fast(self, series: Iterable[RawSeries], until: float) -> None:
        """Series of `selectors.FAST`, with all samples up to `until` that were not fed before."""
        self._fast.feed(series, until)
        self.fast_until = max(self.fast_until, until)

    def feed_slow(self, series: Iterable[RawSeries], until: float) -> None:
        """The same with those of `selectors.SLOW`, and at times `selectors.REFERENCE`."""
        self._slow.feed(series, until)
        self.slow_until = max(self.slow_until, until)

    def feed(self, series: Iterable[RawSeries], until: float) -> None:
        """Everything that the trial reads, up to `until`."""
        given = list(series)
        self.feed_fast(_of(given, selectors.FAST), until)
        self.feed_slow(_of(given, (*selectors.SLOW, *selectors.REFERENCE)), until)

    def judgement(self, now: float, facts: PodFacts, own: Iterable[TestResult] = ()) -> Judgement:
        """What both halves say, with the tests of the user's own beside theirs."""
        fast, slow = self._fast.judgement(now, facts), self._slow.judgement(now)
        message = "; ".join(dict.fromkeys(part for part in (fast.message, slow.message) if part))
        return replace(fast, tests=(*fast.tests, *slow.tests, *own), message=message, shift=slow.shift)


def part(settings: Settings, tests: tuple[str, ...]) -> Settings:
    """The settings for some of the tests: their thresholds are what they are when all tests are made together."""
    made = tuple(test for test in settings.tests if test in tests)
    if not made:
        return replace(settings, tests=())
    share = sum(ALPHA_SHARES[test] for test in made) / sum(ALPHA_SHARES[test] for test in settings.tests)
    return replace(settings, tests=made, alpha=settings.alpha * share)


def _of(series: Iterable[RawSeries], metrics: Iterable[str]) -> list[RawSeries]:
    """Only the series of these metrics."""
    wanted = frozenset(metrics)
    return [item for item in series if item.metric in wanted]
