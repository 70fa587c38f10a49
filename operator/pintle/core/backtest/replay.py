"""A recorded rollout, judged and decided again look by look: by the operator's own trial and its own moves.

For each block of the grid: the samples up to its end -> `core.trials.Pair` -> judgement -> `core.rollout.next_move` ->
record. The traffic itself is what it was: other settings would have given the canary other shares, and so other
samples; a replay says what they would have decided from these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pintle.api import reasons
from pintle.api.rollout import Rollout
from pintle.core.backtest.pods import Pods
from pintle.core.backtest.recording import Recording, labels_in, scrape_interval
from pintle.core.backtest.stage import Stage
from pintle.core.judgement.counters import LOOKBACK_SCRAPES
from pintle.core.judgement.history import HISTORY_SECONDS, History, control_history
from pintle.core.judgement.samples import RawSeries
from pintle.core.judgement.settings import Settings
from pintle.core.judgement.trial import LAG_SHARE, MAX_LAG_SECONDS
from pintle.core.judgement.verdict import Judgement, TestResult
from pintle.core.rollout.course import position
from pintle.core.rollout.deeds import ACCEPT, ASK, GO_BACK, PROMOTE, RESUME, RETURN, ROLLBACK, Deed
from pintle.core.rollout.moves import next_move
from pintle.core.rollout.plan import with_blindness
from pintle.core.rollout.record import Record, parse_time
from pintle.core.rollout.trial import CANARY, GUARD, PodState, origin_of, pair_of
from pintle.core.trials.ledger import Ledger
from pintle.core.trials.pair import Pair
from pintle.core.trials.settings import settings_of

ROLLED_BACK = reasons.ROLLED_BACK
PROMOTED = "Promoted"
GUARDED = "InGuard"
UNDECIDED = "Undecided"
DEFAULT_SCRAPE = 15.0
GO_AHEAD = ("promote", "promote-fully", "resume")
_ENDS = {ROLLBACK: ROLLED_BACK, GO_BACK: ROLLED_BACK, RETURN: ROLLED_BACK, ACCEPT: PROMOTED, PROMOTE: PROMOTED}


@dataclass(frozen=True)
class Seen:
    """One look. `at` in unix seconds; `weight` is the tested revision's share in percent after it."""

    at: float
    phase: str
    step: int
    weight: int
    verdict: str
    tests: tuple[TestResult, ...]
    rows: float
    deed: Deed | None
    """What would have been done."""
    reason: str
    says: str
    """What it waits for, or what was done, in words."""
    message: str
    """What the judgement says beside its tests."""


@dataclass(frozen=True)
class Replay:
    """What one set of settings makes of a recording."""

    settings: Settings
    rollout: Rollout
    looks: tuple[Seen, ...]
    outcome: str
    """RolledBack, Promoted, InGuard (promoted; the recording ends in the guard) or Undecided."""
    until: float
    restarts_told: bool
    """By Kubernetes; else only as far as counters show them."""
    left_out: tuple[str, ...]
    """Tests of the user's own, whose queries are in no recording."""

    @property
    def deeds(self) -> tuple[Deed, ...]:
        return tuple(look.deed for look in self.looks if look.deed is not None)

    @property
    def decided(self) -> Deed | None:
        """The first deed that ends a rollout: promotion, or its way back."""
        return next((deed for deed in self.deeds if deed.action in _ENDS), None)


def replay(
    recording: Recording, rollout: Mapping[str, Any] | None = None, guard: Mapping[str, Any] | None = None
) -> Replay:
    """With the recorded settings, or with others in their place.

    Raises pydantic.ValidationError (a ValueError) for what is no rollout or guard, ValueError for limits that
    contradict each other and for a recording that cannot be replayed.
    """
    setup = recording.setup
    grid = setup.scrape_seconds or scrape_interval(recording) or DEFAULT_SCRAPE
    stage = Stage.of(
        setup, setup.rollout if rollout is None else rollout, setup.guard if guard is None else guard, grid
    )
    settings = settings_of(stage.spec.rollout, grid)
    player = _Player(recording, stage, settings)
    looks = tuple(player.looks())
    own = tuple(metric.name for metric in stage.spec.rollout.metrics or () if metric.query)
    return Replay(settings, stage.spec.rollout, looks, _outcome(looks), player.until, player.pods.told, own)


def ends(recording: Recording, grid_seconds: float) -> float:
    """Until when there is something to compare (unix seconds): a block more than both were in the route."""
    setup = recording.setup
    until = recording.last if setup.until is None else setup.until
    for shares in setup.weights:
        if shares.time > setup.origin and any(name not in shares.weights for name in setup.revisions):
            return min(until, shares.time + grid_seconds)
    return until


def raw_series(recording: Recording) -> list[RawSeries]:
    """The samples as the engine takes them."""
    setup = recording.setup
    found = []
    for (revision, pod, metric, bin_), (times, values) in recording.series.items():
        labels = {"namespace": setup.namespace, "deployment": setup.deployment, "revision": revision, "pod": pod}
        found.append(RawSeries(metric, {**labels, **labels_in(bin_)}, np.array(times), np.array(values)))
    return found


class _Player:
    def __init__(self, recording: Recording, stage: Stage, settings: Settings) -> None:
        self._stage, self._settings = stage, settings
        self._series = raw_series(recording)
        self.pods = Pods(recording, settings.grid_seconds)
        self.until = ends(recording, settings.grid_seconds)
        self._words = _words(recording)

    def looks(self) -> list[Seen]:
        made: list[Seen] = []
        record = self._stage.begin()
        trial: _Trial | None = None
        while (pair := pair_of(record)) is not None:
            if trial is None or trial.subject != _subject(record, pair):
                trial = _Trial(self._series, self.pods, _subject(record, pair), self._settings)
                # Also a trial that keeps its origin goes on from here: time does not turn back.
                trial.go_on_after(made[-1].at if made else 0.0)
            at = trial.next_look
            if at > self.until:
                break
            ready = {name: self.pods.ready(name, at) for name in pair}
            judgement = trial.judgement(at)
            look = self._stage.look(record, judgement, ready, at)
            move = next_move(look)
            if move.reason == reasons.PAUSED and self._words and self._words[0].time <= at:
                word = self._words.pop(0)
                move = next_move(self._stage.heard(look, word.verb, word.by))
            before, record = record, with_blindness(look, move.record)
            deed = record.last if record.last != before.last else None
            made.append(
                Seen(
                    at=at,
                    phase=GUARD if before.in_guard else CANARY,
                    step=position(record, look.steps) if record.canary else 0,
                    weight=record.weights.get(pair[0], 0),
                    verdict=look.sight.verdict,
                    tests=judgement.tests,
                    rows=judgement.rows,
                    deed=deed,
                    reason=move.reason,
                    says=deed.why if deed else move.message,
                    message=look.sight.notes,
                )
            )
        return made


@dataclass(frozen=True)
class _Word:
    """A person's go-ahead: promote, promote-fully or resume."""

    time: float
    verb: str
    by: str


def _words(recording: Recording) -> list[_Word]:
    """What people said that let a rollout go on, oldest first; it is said again where the replay waits for a person."""
    found = []
    for entry in recording.setup.decided:
        verb = str(entry.get("why", "")).partition(":")[0] if entry.get("action") == ASK else "resume"
        if entry.get("by") and entry.get("action") in (ASK, RESUME) and verb in GO_AHEAD:
            found.append(_Word(parse_time(str(entry["time"])).timestamp(), verb, str(entry["by"])))
    return sorted(found, key=lambda word: word.time)


Subject = tuple[str, str, float]


def _subject(record: Record, pair: tuple[str, str]) -> Subject:
    """Tested, control (empty where it has no traffic) and origin: another trial begins when one of them changes."""
    tested, control = pair
    return tested, control if record.weights[control] > 0 else "", origin_of(record)


class _Trial:
    """The trial of one rollout or guard, fed as the operator feeds it."""

    def __init__(self, series: list[RawSeries], pods: Pods, subject: Subject, settings: Settings) -> None:
        self.subject = subject
        tested, control, self._origin = subject
        self._pods, self._settings = pods, settings
        self._pair = Pair(tested, control, self._origin, settings, self._history(series))
        self._series = [item for item in series if self._read(item)]
        since = self._origin - LOOKBACK_SCRAPES * settings.grid_seconds
        self._fed = [int(item.times.searchsorted(since, "right")) for item in self._series]
        self._block = 0
        self._ledger = Ledger(tested, control, self._origin)
        self._ledger.update(self._states(self._origin), (), self._origin)

    @property
    def next_look(self) -> float:
        """When the next block is closed."""
        grid = self._settings.grid_seconds
        return self._origin + (self._block + 1) * grid + min(LAG_SHARE * grid, MAX_LAG_SECONDS)

    def go_on_after(self, at: float) -> None:
        """The next look is later than this; it takes all blocks until then at once, as an operator that was away."""
        while self.next_look <= at:
            self._block += 1

    def judgement(self, at: float) -> Judgement:
        """Of everything up to `at`."""
        self._pair.feed(list(self._since_last(at)), at)
        self._ledger.update(self._states(at), (), at)
        self._block += 1
        return self._pair.judgement(at, self._ledger.facts(at))

    def _since_last(self, at: float) -> Iterator[RawSeries]:
        for place, item in enumerate(self._series):
            start, end = self._fed[place], int(item.times.searchsorted(at, "right"))
            if end > start:
                self._fed[place] = end
                yield replace(item, times=item.times[start:end], values=item.values[start:end])

    def _states(self, at: float) -> list[PodState]:
        return [state for state in self._pods.at(at) if state.revision in self.subject[:2]]

    def _history(self, series: list[RawSeries]) -> History:
        """From the control's hour before the trial."""
        control, origin = self.subject[1], self._origin
        if not control:
            return History()
        found = []
        for item in series:
            begin, end = item.times.searchsorted([origin - HISTORY_SECONDS, origin], "right")
            if item.labels["revision"] == control and end > begin:
                found.append(replace(item, times=item.times[begin:end], values=item.values[begin:end]))
        return control_history(found, control, origin, self._settings)

    def _read(self, item: RawSeries) -> bool:
        """What the operator asks for: of the durations the total and one limit."""
        limit = item.labels.get("le")
        return item.labels["revision"] in self.subject[:2] and (
            limit is None or float(limit) in (self._pair.slow_seconds, float("inf"))
        )


def _outcome(looks: tuple[Seen, ...]) -> str:
    found = [look.deed.action for look in looks if look.deed is not None and look.deed.action in _ENDS]
    if not found:
        return GUARDED if looks and looks[-1].phase == GUARD else UNDECIDED
    if found[-1] == PROMOTE and looks[-1].reason != "Complete":
        return GUARDED
    return _ENDS[found[-1]]


def deed_seconds(deed: Deed) -> float:
    """When it was done, in unix seconds."""
    return parse_time(deed.time).timestamp()
