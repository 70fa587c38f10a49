"""One look at Prometheus for many deployments: a query for each thing and length of time, never one for each object."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import TypeVar

from pintle.controller.watching.drift_targets import Target
from pintle.core.judgement.samples import Sample
from pintle.core.watching import queries, rules
from pintle.core.watching.counts import Counts, LabelCounts, bin_counts, label_counts
from pintle.core.watching.drift import MIN_SHARE
from pintle.core.watching.find import Seen, is_young, label_windows, windows_of
from pintle.core.watching.queries import LabelWindow
from pintle.core.watching.reference import Identity, Reference, identity_of, references
from pintle.ports.metrics import MetricSource, MetricsUnavailable

logger = logging.getLogger("pintle.watching")
Result = TypeVar("Result")
Length = TypeVar("Length", int, LabelWindow)

MANY = 3_000
"""Samples, or findings, that take more than a few milliseconds."""

BLOCKS = (120, 12)
"""Bursts are looked for in blocks of so many parts of the shortest window: 30 s and 5 min of an hour."""
MOST_BURSTS = 10
"""Deployments whose bursts are estimated in one look."""
BURSTS_SECONDS = 3600.0
"""How long an estimate of bursts is good for."""
RULES_SECONDS = 600.0
"""Without recording rules it is asked again after so long whether there are some now."""


@dataclass
class _Bursts:
    at: float = -inf
    effects: Mapping[str, float] = field(default_factory=dict)


class Looker:
    """Asks, and remembers what does not change: references, and for an hour how bursty the traffic is."""

    def __init__(self, source: MetricSource, scrape: float, asked: Callable[[str], None]) -> None:
        """`scrape`: seconds between two samples of a series. `asked` is told how each query ended: ok or error."""
        self._source = source
        self._scrape = scrape
        self._asked = asked
        self._references: dict[Identity, Reference] = {}
        self._bursts: dict[Identity, _Bursts] = {}
        self._rules_again: dict[int, float] = {}
        """By length of the window: when it is asked again whether its rules are loaded."""

    def forget(self, kept: Iterable[Identity]) -> None:
        """All but these revisions are no longer watched."""
        wanted = set(kept)
        self._references = {key: value for key, value in self._references.items() if key in wanted}
        self._bursts = {key: value for key, value in self._bursts.items() if key in wanted}

    async def look(self, targets: Sequence[Target], at: float) -> dict[Identity, Seen]:
        """What Prometheus says about these targets at `at` (unix seconds). Raises MetricsUnavailable."""
        await self._refer(targets)
        windows: dict[Identity, dict[int, Counts]] = {target.identity: {} for target in targets}
        labels: dict[Identity, dict[LabelWindow, LabelCounts]] = {target.identity: {} for target in targets}
        for seconds, wanted in _by_length(targets, _drift_lengths).items():
            for identity, counts in (await self._window(wanted, seconds, at)).items():
                windows.setdefault(identity, {})[seconds] = counts
        for window, wanted in _by_length(targets, _label_windows).items():
            samples = await self._ask(queries.labels(_revisions(wanted), window, at))
            for identity, found in label_counts(samples).items():
                labels.setdefault(identity, {})[window] = found
        young = [target for target in targets if _is_young(target, at)]
        totals = await self._counts(queries.totals(_revisions(young))) if young else {}
        return {
            target.identity: self._seen(target, at, windows[target.identity], labels[target.identity], totals)
            for target in targets
        }

    def is_estimated(self, target: Target, at: float) -> bool:
        """It is known how bursty its rows are."""
        return at - self._bursts.get(target.identity, _Bursts()).at < BURSTS_SECONDS

    async def estimate(self, targets: Sequence[Target], at: float) -> dict[Identity, Mapping[str, float]]:
        """Design effects by feature of the first MOST_BURSTS: for those that would alarm, it is the dearest query."""
        chosen = targets[:MOST_BURSTS]
        try:
            found = await self._ask_bursts(chosen)
        except MetricsUnavailable as error:
            # Judged without; what is too much for Prometheus must not be asked again at every look.
            logger.info("no estimate of bursts: %s", error.message)
            found = {}
        for target in chosen:
            self._bursts[target.identity] = _Bursts(at, found.get(target.identity, {}))
        return {target.identity: self._bursts[target.identity].effects for target in chosen}

    def _seen(
        self,
        target: Target,
        at: float,
        windows: Mapping[int, Counts],
        labels: Mapping[LabelWindow, LabelCounts],
        totals: Mapping[Identity, Counts],
    ) -> Seen:
        identity = target.identity
        return Seen(
            revision=identity.revision,
            at=at,
            lived=at - target.made,
            reference=self._references.get(identity),
            windows=windows,
            since_start=totals.get(identity, Counts()) if _is_young(target, at) else None,
            labels=labels,
            bursts=self._bursts[identity].effects if self.is_estimated(target, at) else {},
        )

    async def _refer(self, targets: Sequence[Target]) -> None:
        """References of revisions that are new; they never change."""
        unknown = [item for item in targets if item.identity not in self._references]
        if unknown:
            wanted = {target.identity for target in unknown}
            found = references(await self._ask(queries.reference(_revisions(unknown))))
            self._references |= {identity: made for identity, made in found.items() if identity in wanted}

    async def _ask_bursts(self, due: Sequence[Target]) -> dict[Identity, dict[str, float]]:
        """Design effects by feature, the larger of the two lengths of blocks."""
        found: dict[Identity, dict[str, float]] = {target.identity: {} for target in due}
        for span, wanted in _by_length(due, _shortest).items():
            for parts in BLOCKS:
                block = span // parts
                # A block has to hold two samples of a series, or its growth is not known.
                if block < 2 * self._scrape:
                    continue
                for sample in await self._ask(queries.dispersion(_revisions(wanted), span, block)):
                    effects = found.get(identity_of(sample.labels))
                    if effects is not None and isfinite(sample.value):
                        feature = sample.labels.get("feature", "")
                        effects[feature] = max(effects.get(feature, 1.0), sample.value)
        return found

    async def _window(self, targets: Sequence[Target], seconds: int, at: float) -> dict[Identity, Counts]:
        """From the recording rules where they are loaded, else from the counters."""
        found: dict[Identity, Counts] = {}
        query = rules.recorded(tuple(_revisions(targets)), seconds, MIN_SHARE)
        if query is not None and at >= self._rules_again.get(seconds, -inf):
            found = {key: value for key, value in (await self._counts(query)).items() if value.near_only is not None}
            if not found:
                self._rules_again[seconds] = at + RULES_SECONDS
        left = [target for target in targets if target.identity not in found]
        return found | await self._raw_window(left, seconds)

    async def _raw_window(self, targets: Sequence[Target], seconds: int) -> dict[Identity, Counts]:
        """From the counters: the long way only for revisions of which a pod restarted or went."""
        if not targets:
            return {}
        changed = {identity_of(item.labels) for item in await self._ask(queries.unsteady(_revisions(targets), seconds))}
        unsteady = [target for target in targets if target.identity in changed]
        steady = [target for target in targets if target.identity not in changed]
        found: dict[Identity, Counts] = {}
        for query, wanted in ((queries.steady_bins, steady), (queries.bins, unsteady)):
            if wanted:
                counts = await self._counts(query(_revisions(wanted), seconds))
                found |= {target.identity: counts[target.identity] for target in wanted if target.identity in counts}
        return found

    async def _counts(self, query: str) -> dict[Identity, Counts]:
        profiles = {identity: reference.profile for identity, reference in self._references.items()}
        samples = await self._ask(query)
        return await apart(lambda: bin_counts(samples, profiles), len(samples))

    async def _ask(self, query: str) -> list[Sample]:
        try:
            samples = await self._source.instant(query)
        except MetricsUnavailable:
            self._asked("error")
            raise
        self._asked("ok")
        return samples


async def apart(work: Callable[[], Result], size: int) -> Result:
    """The result of pure work; of much of it in a thread, so that looks at rollouts do not wait for it."""
    return await asyncio.to_thread(work) if size > MANY else work()


def _revisions(targets: Iterable[Target]) -> list[str]:
    return sorted({target.identity.revision for target in targets})


def _by_length(targets: Iterable[Target], lengths: Callable[[Target], Iterable[Length]]) -> dict[Length, list[Target]]:
    """Targets by length of time that is asked for."""
    found: dict[Length, list[Target]] = {}
    for target in targets:
        for seconds in lengths(target):
            found.setdefault(seconds, []).append(target)
    return found


def _drift_lengths(target: Target) -> set[int]:
    return {window.seconds for window in windows_of(target.monitoring)}


def _label_windows(target: Target) -> tuple[LabelWindow, ...]:
    return label_windows(target.monitoring)


def _shortest(target: Target) -> tuple[int, ...]:
    return (min(_drift_lengths(target)),)


def _is_young(target: Target, at: float) -> bool:
    drift = target.monitoring.drift
    return drift is not None and is_young(drift, at - target.made)
