"""What is known of one rollout: fed raw samples in any chunking, it gives a Judgement; the same samples, the same one.

    feed(series, until)  ->  growth per block of the grid  ->  a closed block adds its terms to the sums  ->  judgement
                                                               and is looked at: what passes, stays (score.passing)

All that is kept are sums (and the newest value of every series), however long the rollout is. A Trial that is made
anew and fed everything since LOOKBACK_SCRAPES before the origin is the same as one that lived all along.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from pintle.contract import metrics as names
from pintle.core.judgement import outcomes
from pintle.core.judgement.counters import MISSING_BIN, ROWS, Blocks, Channel
from pintle.core.judgement.drift import prediction_shift
from pintle.core.judgement.facts import PodFacts
from pintle.core.judgement.freshness import freshness
from pintle.core.judgement.history import UNKNOWN_DISPERSION, WINDOW_SECONDS, History, slow_bucket, stable_dispersion
from pintle.core.judgement.odd_pods import odd_pod
from pintle.core.judgement.restarts import restarts_result
from pintle.core.judgement.results import Evidence, incomparable, missing_result, result
from pintle.core.judgement.samples import FloatArray, RawSeries
from pintle.core.judgement.score import RHO, TERMS, W, bound_block, passing, share_block
from pintle.core.judgement.settings import ERRORS, LOSS, MISSING, RESTARTS, SLOW, Limits, Settings
from pintle.core.judgement.sums import padded
from pintle.core.judgement.verdict import Judgement, ScoreShift, TestResult
from pintle.core.judgement.weighing import Scores, Weighed

LAG_SHARE, MAX_LAG_SECONDS = 0.25, 1.0
"""A block is closed so much (of the grid) after its end: a scrape carries the time of its start, and can be read only
when it is over."""
ENTRIES = (ERRORS, SLOW, LOSS)
"""The first rows of the sums; the features follow in the order in which they turned up."""
WHOLE_ONLY = (SLOW, LOSS)
"""Judged by the whole rollout alone: a minute in which a machine is slow is no reason to go back after a good hour, and
labels come in heaps, long after what they are about."""


class Trial:
    """The accumulator of one rollout (or guard): revision `tested` against revision `control` since `origin`.

    The caller feeds series of one deployment in one namespace only; what belongs to other revisions, was asked for by
    header, or is read by no test is passed over. `control` is "" where there is nothing to compare with: then only
    gross failure counts.
    """

    def __init__(
        self, tested: str, control: str, origin: float, settings: Settings, history: History | None = None
    ) -> None:
        self.tested, self.control, self.origin = tested, control, origin
        self.settings = settings
        self.history = history or History()
        self.slow_seconds = self.history.slow_seconds
        """The histogram's limit in use."""
        if history is None and settings.slow_seconds is not None:
            self.slow_seconds = slow_bucket(settings.slow_seconds)
        self._blocks = Blocks((tested, control), origin, settings.grid_seconds)
        self._lag = min(LAG_SHARE * settings.grid_seconds, MAX_LAG_SECONDS)
        self._scores = Scores.of_grid((len(ENTRIES),), settings.grid_seconds)
        self._seen = np.zeros((2, len(ENTRIES), 2))
        """[arms, entries, (bad, rows)] since the origin."""
        self._shown = np.zeros(len(ENTRIES))
        """[entries] evidence with which a standing Pass was reached; 0: none stands."""
        self._features: dict[str, int] = {}
        self._bound: set[str] = set()
        """Features that only the tested revision has: compared with the training rows."""
        self._reference: dict[str, float] = {}
        self._scales: dict[str, float] = {}
        """By revision: what a regression's errors are divided by."""
        self._answered = np.zeros(2)
        """Rows and requests of both arms: rows of one request may be bad all together."""
        self._levels: dict[Channel, FloatArray] = {}
        """By level of the score: rows of both arms [2]."""
        self._early: list[FloatArray] = []
        """Control's (bad, rows) of errors and slow requests, until ten minutes of it are together."""
        self._learned: dict[str, float] = {}
        self._weighed: tuple[int, Weighed] | None = None
        """Number of closed blocks, and their evidence."""
        self._judged: tuple[int, tuple[TestResult, ...], ScoreShift | None] = (-1, (), None)

    @property
    def at(self) -> float:
        """End of the last closed block; the origin before there is one."""
        return self.origin + self._blocks.closed * self.settings.grid_seconds

    @property
    def due(self) -> float:
        """From when on the next block can be closed, in unix seconds: nothing fed before can change a verdict."""
        return self._blocks.end(self._blocks.closed) + self._lag

    def feed(self, series: Iterable[RawSeries], until: float) -> None:
        """Take raw samples and close the blocks that are complete.

        `series` has everything up to `until` (unix seconds) that was not fed before; ranges may overlap, what is known
        is passed over. Begin LOOKBACK_SCRAPES before the origin.
        """
        given = list(series)
        for item in given:
            if item.metric in (names.FEATURE_REFERENCE_RATIO, names.FEEDBACK_LOSS_SCALE):
                self._refer(item)
        self._blocks.feed(given)
        while self.due <= until:
            block = self._blocks.closed
            grown = self._blocks.take(block)
            if grown is None:
                self._scores.turn(block)
            else:
                self._score(grown, block)
            self._learn(grown)
            self._pass()

    def judgement(self, now: float, facts: PodFacts | None = None) -> Judgement:
        """The judgement of all blocks closed so far; `now` (unix seconds) tells how old the newest samples are."""
        closed, tests, shift = self._judged
        if closed != self._blocks.closed:
            tests, shift = self._counter_tests(), self._shift()
            self._judged = (self._blocks.closed, tests, shift)
        error = ""
        if facts is not None:
            error = freshness(self._blocks.newest, facts.ready, now, self.settings.grid_seconds)
            if RESTARTS in self.settings.tests:
                tests = (*tests, restarts_result(facts, bool(self.control), self.settings))
        return Judgement(
            tested=self.tested,
            control=self.control,
            origin=self.origin,
            at=self.at,
            tests=tests,
            rows=float(self._seen[0, ENTRIES.index(ERRORS), 1]),
            source_error=error,
            message=self._message(),
            shift=shift,
        )

    def _refer(self, item: RawSeries) -> None:
        """Remember the share of training rows that lacked a feature, and the scale of a revision's losses."""
        labels = item.labels
        if item.metric == names.FEEDBACK_LOSS_SCALE:
            if len(item.values) and labels.get("revision") in (self.tested, self.control):
                self._scales[labels["revision"]] = float(item.values[-1])
        elif labels.get("revision") == self.tested and labels.get("bin") == MISSING_BIN and len(item.values):
            self._reference[labels.get("feature", "")] = float(item.values[-1])

    def _score(self, grown: FloatArray, block: int) -> None:
        """Add a block's growth [2, channels] to the sums."""
        rows = outcomes.counted_rows(self._blocks, grown)
        compared = self._compared(self._blocks.end(block))
        counts = np.zeros((2, len(self._seen[0]), 2))
        counts[:, ENTRIES.index(ERRORS)] = np.stack(outcomes.requests(self._blocks, grown), axis=-1)
        counts[:, ENTRIES.index(SLOW)] = np.stack(
            outcomes.slow_requests(self._blocks, grown, self.slow_seconds), axis=-1
        )
        for feature, number in compared.items():
            counts[:, self._features[feature], 0] = np.minimum(grown[:, number], rows)
            counts[:, self._features[feature], 1] = rows
            if feature in self._bound:
                counts[1, self._features[feature]] = 0.0
        losses = outcomes.losses(self._blocks, grown, self.origin)
        for part in losses.values():
            counts[:, ENTRIES.index(LOSS)] += part[:, [1, 0]]
        self._scores.add(self._terms(counts, losses), block)
        self._seen += counts
        channels, levels = outcomes.levels(self._blocks, grown)
        if levels.any():
            for channel, both in zip(channels, levels.T, strict=True):
                self._levels[channel] = self._levels.get(channel, np.zeros(2)) + both
        self._answered += (outcomes.growth_of(self._blocks, grown, ROWS).sum(), counts[:, 0, 1].sum())

    def _terms(self, counts: FloatArray, losses: dict[float, FloatArray]) -> FloatArray:
        """Terms [entries, 10] of a block from its counts [2, entries, (bad, rows)]."""
        (bad, rows), (control_bad, control_rows) = counts[0].T, counts[1].T
        terms = share_block(bad, rows, control_bad, control_rows)
        terms[ENTRIES.index(LOSS)] = outcomes.loss_block(losses) if self.control else np.zeros(TERMS)
        for feature in self._bound:
            place = self._features[feature]
            terms[place] = bound_block(bad[place], rows[place], self._reference[feature])
        if not self.control:
            place = ENTRIES.index(ERRORS)
            terms[place] = bound_block(bad[place], rows[place], self.settings.gross_errors)
        return terms

    def _compared(self, end: float) -> dict[str, int]:
        """Features of the tested revision that can be compared by the end of a block -> number of their channel.

        Every one gets its place in the sums, the first time it turns up.
        """
        tested, control = self._blocks.seen
        alive = not self.control or any(time <= end for time in control.values())
        found = {}
        for channel, number in self._blocks.channels.items():
            if channel[0] != "missing" or tested.get(number, end + 1) > end:
                continue
            feature = str(channel[1])
            if control.get(number, end + 1) > end:
                if not alive or feature not in self._reference:
                    continue
                self._bound.add(feature)
            self._features.setdefault(feature, len(ENTRIES) + len(self._features))
            found[feature] = number
        size = len(ENTRIES) + len(self._features)
        if size > self._seen.shape[1]:
            self._seen = padded(self._seen, size, axis=1)
            self._scores = self._scores.resized(size)
            self._shown = padded(self._shown, size)
        return found

    def _learn(self, grown: FloatArray | None) -> None:
        """Without a past of the control, its first ten minutes in the trial tell how bursty it is."""
        wanted = {test for test in (ERRORS, SLOW) if test not in self.history.dispersion and test not in self._learned}
        if not wanted or not self.control:
            return
        if grown is None:
            self._early.append(np.zeros(4))
        else:
            errors = outcomes.requests(self._blocks, grown)
            slow = outcomes.slow_requests(self._blocks, grown, self.slow_seconds)
            self._early.append(np.array([part[1] for part in (*errors, *slow)]))
        if len(self._early) * self.settings.grid_seconds < WINDOW_SECONDS:
            return
        columns = np.array(self._early).T
        self._early = []
        for test, (bad, rows) in ((ERRORS, columns[:2]), (SLOW, columns[2:])):
            found = stable_dispersion(bad, rows, self.settings.grid_seconds, nothing=1.0)
            if test in wanted and found is not None:
                self._learned[test] = found

    @property
    def _rows_per_request(self) -> float:
        return max(1.0, float(self._answered[0] / self._answered[1])) if self._answered[1] else 1.0

    def _dispersions(self) -> FloatArray:
        """H [entries]; rows of one request may all be alike, so where rows are counted H is at least their number."""
        cluster = self._rows_per_request
        known = {**self._learned, **self.history.dispersion}
        found = [known.get(test, UNKNOWN_DISPERSION) for test in ENTRIES]
        found[ENTRIES.index(LOSS)] = max(found[ENTRIES.index(LOSS)], cluster)
        found += [max(self.history.features.get(name, UNKNOWN_DISPERSION), cluster) for name in self._features]
        return np.array(found)

    def _limits(self) -> list[Limits]:
        """Limits per entry. Without control errors are compared with the bound itself."""
        settings = self.settings
        limits = [settings.errors if self.control else Limits(0.0, 0.0), settings.slow, settings.loss]
        return limits + [settings.new_feature if name in self._bound else settings.missing for name in self._features]

    def _weigh(self) -> Weighed:
        """Evidence [entries] of all closed blocks."""
        if self._weighed is not None and self._weighed[0] == self._blocks.closed:
            return self._weighed[1]
        tolerated, margin = np.array([(limits.tolerated, limits.margin) for limits in self._limits()]).T
        rho = np.full(len(tolerated), RHO)
        rho[ENTRIES.index(LOSS)] = self.history.loss_rho
        late = np.ones(len(tolerated), dtype=bool)
        late[[ENTRIES.index(test) for test in WHOLE_ONLY]] = False
        weighed = self._scores.evidence(tolerated, margin, self._dispersions(), rho, late)
        self._weighed = (self._blocks.closed, weighed)
        return weighed

    def _pass(self) -> None:
        """Look at the block that was just closed: at every one of them, whenever anybody asks."""
        enough = self._seen[0, :, 1] >= self.settings.min_rows
        if not self._shown.any() and not enough.any():
            return
        margin = np.array([limits.margin for limits in self._limits()])
        # In a replay of hours most blocks have nothing new to show, and evidence is what takes the time.
        close = self._weigh().close if (enough & (self._shown == 0)).any() else np.zeros_like(margin)
        threshold = self.settings.pass_threshold
        self._shown = passing(self._shown, close, threshold, enough, self._scores.difference(), margin)

    def _counter_tests(self) -> tuple[TestResult, ...]:
        """All tests whose counters exist."""
        weighed = self._weigh()
        late = weighed.onset > 0
        found = Evidence(
            self._seen,
            self._scores.difference(),
            self._scores.total[:, W],
            weighed.worse,
            weighed.close,
            self._shown,
            np.where(late, (self._blocks.closed - weighed.onset) * self.settings.grid_seconds, 0.0),
            weighed.since,
        )
        elapsed, control = self.at - self.origin, bool(self.control)
        tests = [
            result(test, found, place, self.settings, elapsed, control, self.slow_seconds)
            for place, test in enumerate(ENTRIES)
            if test in self.settings.tests and (test == ERRORS or self._seen[0, place, 1] > 0)
            if test != LOSS or self._same_scale or LOSS in self.settings.required
        ]
        if not self._same_scale:
            # Who has asked for this test is not to get a promotion without it.
            tests = [incomparable(item) if item.name == LOSS else item for item in tests]
        tests = [replace(item, note=self._odd_pods()) if item.name == ERRORS else item for item in tests]
        if MISSING in self.settings.tests and self._features:
            tests.append(missing_result(found, self._features, self.settings, elapsed, control))
        return tuple(tests)

    def _odd_pods(self) -> str:
        """What is to be said of pods that fail otherwise than the others of their revision."""
        dispersion = float(self._dispersions()[ENTRIES.index(ERRORS)])
        words = []
        for arm, whose in enumerate(("", "the control's ")):
            pods = {pod: counts for (place, pod), counts in self._blocks.errors.items() if place == arm}
            if found := odd_pod(pods, dispersion):
                words.append(whose + found)
        return "; ".join(words)

    def _shift(self) -> ScoreShift | None:
        if not self.control or not self._levels:
            return None
        tested, control = np.array(list(self._levels.values())).T
        return prediction_shift(tested, control, self._rows_per_request)

    @property
    def _same_scale(self) -> bool:
        return len(set(self._scales.values())) <= 1

    def _message(self) -> str:
        if not self.control:
            return "no revision to compare with: only gross failure counts"
        if not self._same_scale:
            return "losses are not compared: model_feedback_loss_scale differs, set PINTLE_LOSS_SCALE for both"
        if not self.history.known and ERRORS not in self._learned:
            return f"dispersion {UNKNOWN_DISPERSION:g} assumed until ten minutes of the control are known"
        return ""
