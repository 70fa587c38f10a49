"""A year of flights: alarms on training days that were held back, what spring moves, and the guard after a rollout.

The reference and its floors are those that `pintle.train` makes, of January and February; looks are every six hours.
Nothing here is drawn at random but which flight falls to which revision.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from math import erfc, sqrt
from pathlib import Path
from types import ModuleType

import numpy as np
from pintle.contract.psi import MIN_PSI, MIN_ROWS
from pintle.core.judgement.drift import psi_low
from pintle.core.judgement.history import UNKNOWN_DISPERSION
from pintle.core.judgement.score import mean_block
from pintle.core.judgement.weighing import Scores

from bench.judgement.canary import OURS
from bench.judgement.cells import Findings, Job, Line, Table, Words
from bench.judgement.drifting import PEERS, PEERS_PSI, noted

ROOT = Path(__file__).parents[2]
HOUR, DAY, WEEK = 3600, 86_400, 604_800
TRAINED = (datetime(2013, 1, 1, 5, tzinfo=UTC).timestamp(), datetime(2013, 3, 1, 5, tzinfo=UTC).timestamp())
"""Two months of New York's time."""
SUMMER = datetime(2013, 7, 1, 4, tzinfo=UTC).timestamp()
LOOK = DAY // 4
ALPHA = 0.01
NO_FLOOR = "without floors"
BEFORE = "before and after"
WEATHER = "weather"
PLAN = "carrier, route, timetable"


@dataclass(frozen=True)
class Year:
    """All flights with an arrival, by time: `seconds` [n], bin of each feature [n], loss of a model [n]."""

    seconds: np.ndarray
    index: dict[str, np.ndarray]
    bins: dict[str, int]
    loss: np.ndarray
    weather: frozenset[str]

    def trained(self) -> np.ndarray:
        """Flights [n] of the months of the reference."""
        return np.asarray((self.seconds >= TRAINED[0]) & (self.seconds < TRAINED[1]))


def example() -> tuple[ModuleType, ModuleType, ModuleType]:
    """The example's own modules: features, source, train."""
    folder = str(ROOT / "examples" / "flights")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    import features
    import source
    import train

    return features, source, train


@cache
def year() -> Year:
    """Once per process; some seconds."""
    from pintle.train.profile import number_bin, quantile_edges, string_bin

    features, source, train = example()
    table = features.feature_table(source.read_flights(), source.read_weather(), ())
    table = table[table[features.TARGET].notna()].sort_values(features.TIME, kind="stable")
    table = table.astype({features.TARGET: int}).astype(dict.fromkeys(features.NUMERIC, "float32"))
    seconds = table[features.TIME].dt.tz_localize(None).to_numpy(dtype="datetime64[s]").astype(np.int64)
    first = table[(seconds >= TRAINED[0]) & (seconds < TRAINED[1])]
    index, bins = {}, {}
    for name in features.FEATURES:
        if name in features.CATEGORICAL:
            names = list(first[name].value_counts().index)
            index[name], bins[name] = string_bin(table[name], names[:10], names[10:]), 13
        else:
            edges = quantile_edges(first[name].to_numpy(dtype=np.float64))
            index[name], bins[name] = number_bin(table[name].to_numpy(dtype=np.float64), edges), len(edges) + 3
    chance = train.fit(first, {}, seed=7).predict_proba(table[list(features.FEATURES)])[:, 1]
    loss = (chance - table[features.TARGET].to_numpy()) ** 2
    return Year(seconds, index, bins, loss, frozenset(features.WEATHER))


def counted(index: np.ndarray, size: int, block: np.ndarray) -> np.ndarray:
    """Counts [blocks, bins] of rows [n] that lie in a block each; rows of block -1 are left out."""
    kept = block >= 0
    flat = np.bincount(block[kept] * size + index[kept], minlength=(int(block.max()) + 1) * size)
    return flat.reshape(-1, size).astype(np.float64)


def held_back(length: int, split: bool) -> Findings:
    """Feature-days (or weeks) of the training months. `split`: reference and floors of every other judge the rest."""
    from pintle.train.drift import BLOCKS, floors

    data = year()
    inside = data.trained()
    seconds = data.seconds[inside]
    block = ((seconds - TRAINED[0]) // length).astype(np.int64)
    named = {seconds: name for name, seconds in BLOCKS.items()}[length]
    ours, plain, theirs = [], [], []
    for parity in (0, 1) if split else (None,):
        judged = np.ones(len(block), dtype=bool) if parity is None else block % 2 == parity
        known = judged if parity is None else ~judged
        for name, every in data.index.items():
            index, size = every[inside], data.bins[name]
            reference = np.bincount(index[known], minlength=size).astype(np.float64)
            floor = floors(index[known], size, seconds[known]).get(named, np.inf)
            live = counted(index, size, np.where(judged, block, -1))
            live = live[live.sum(axis=1) >= MIN_ROWS]
            psi, low = psi_low(live, reference)
            ours.append(low > max(MIN_PSI, floor))
            plain.append(low > MIN_PSI)
            theirs.append(psi > PEERS_PSI)
    columns = ((OURS, ours), (NO_FLOOR, plain), (PEERS, theirs))
    return {name: noted(np.concatenate(parts)) for name, parts in columns}


@cache
def alarms(length: int) -> dict[str, dict[str, float]]:
    """By rule and feature: seconds from 1 March to the first alarm before July; infinite without one."""
    from pintle.train.drift import BLOCKS, floors

    data = year()
    inside = data.trained()
    ends = np.arange(TRAINED[1] + LOOK, SUMMER + 1, LOOK)
    begin, end = data.seconds.searchsorted(ends - length), data.seconds.searchsorted(ends)
    named = {seconds: name for name, seconds in BLOCKS.items()}[length]
    found: dict[str, dict[str, float]] = {OURS: {}, NO_FLOOR: {}, PEERS: {}}
    for name, index in data.index.items():
        size = data.bins[name]
        total = np.concatenate([np.zeros((1, size)), np.cumsum(np.eye(size)[index], axis=0)])
        live = total[end] - total[begin]
        psi, low = psi_low(live, np.bincount(index[inside], minlength=size).astype(np.float64))
        floor = floors(index[inside], size, data.seconds[inside]).get(named, np.inf)
        enough = live.sum(axis=1) >= MIN_ROWS
        rules = ((OURS, low > max(MIN_PSI, floor)), (NO_FLOOR, low > MIN_PSI), (PEERS, psi > PEERS_PSI))
        for rule, hit in rules:
            hit &= enough
            found[rule][name] = float(ends[hit.argmax()] - TRAINED[1]) if hit.any() else np.inf
    return found


def spring(length: int, weather: bool) -> Findings:
    """Features that move by the season, or those of the timetable."""
    chosen = year().weather
    found = {}
    for rule, of in alarms(length).items():
        when = [at for name, at in of.items() if (name in chosen) == weather]
        found[rule] = (when, [0.0] * len(when))
    return found


def dates() -> Iterable[str]:
    """First alarm of each feature that has one."""
    for length, word in ((WEEK, "7 days"), (DAY, "a day")):
        found = sorted((when, name) for name, when in alarms(length)[OURS].items())
        said = [
            f"{name} {datetime.fromtimestamp(TRAINED[1] + when, UTC):%d %b}"
            for when, name in found
            if np.isfinite(when)
        ]
        never = [name for when, name in found if not np.isfinite(when)]
        yield f"windows of {word}: {', '.join(said)}; never: {', '.join(never)}"


def guarded(worse: float, count: int, rng: np.random.Generator) -> Findings:
    """A week's guard of a model like the one before (or worse, by so much loss per flight), labels by the hour.

    With a holdback of 5 % the operator's own test; without one the week is compared with the week before.
    """
    data = year()
    ours, theirs = [], []
    weeks = np.arange(TRAINED[1] + WEEK, data.seconds[-1] - WEEK, HOUR)
    for begin in rng.choice(weeks, count):
        now = slice(*data.seconds.searchsorted([begin, begin + WEEK]))
        before = data.loss[slice(*data.seconds.searchsorted([begin - WEEK, begin]))]
        loss = np.minimum(data.loss[now] + worse, 1.0)
        ours.append(with_holdback(loss, data.loss[now], (data.seconds[now] - begin) // HOUR, rng))
        error = sqrt(loss.var() / len(loss) + before.var() / len(before))
        theirs.append(erfc((loss.mean() - before.mean()) / error / sqrt(2)) / 2 < ALPHA)
    return {OURS: noted(np.array(ours)), BEFORE: noted(np.array(theirs))}


def with_holdback(new: np.ndarray, old: np.ndarray, hour: np.ndarray, rng: np.random.Generator) -> bool:
    """Whether the guard fails a model with losses `new` [n] where 5 % of the flights got `old` ones."""
    held = rng.random(len(new)) < 0.05
    blocks = int(WEEK // HOUR)
    hour = hour.astype(np.int64)
    sums = [
        [np.bincount(hour[arm], loss[arm] ** power, minlength=blocks) for power in (0, 1, 2)]
        for arm, loss in ((~held, new), (held, old))
    ]
    scores = Scores.of_grid((), HOUR, late=False)
    for block in range(blocks):
        scores.add(mean_block(*(part[block] for arm in sums for part in arm)), block)
        if scores.evidence(0.0, 0.02, UNKNOWN_DISPERSION)[0] >= np.log(1 / ALPHA):
            return True
    return False


def once(name: str, length: int, flag: bool, count: int, rng: np.random.Generator) -> Findings:
    """What is not drawn: the same at every count."""
    return held_back(length, flag) if name == "held back" else spring(length, flag)


def flight_tables() -> list[Table | Words]:
    """Reference: January and February."""
    every = tuple((rule, rule) for rule in (OURS, NO_FLOOR, PEERS))

    def line(name: str, goal: str, *args: str | int | bool) -> Line:
        return Line(name, Job(once, args, trials=0), every, goal)

    columns = (OURS, NO_FLOOR, PEERS)
    quiet = (
        line("training feature-days, the reference with them", "-; .57", "held back", DAY, False),
        line("training feature-weeks, the reference with them", "-; .41", "held back", WEEK, False),
        line("held-back feature-days (reference: every other)", "<= .03 (.022)", "held back", DAY, True),
    )
    moved = tuple(
        line(f"{what}, windows of {word}", "", "spring", length, what == WEATHER)
        for what in (WEATHER, PLAN)
        for word, length in (("7 days", WEEK), ("a day", DAY))
    )
    guards = (
        Line("the same model: false rollbacks", Job(guarded, (0.0,), chunk=100), ((OURS, OURS), (BEFORE, BEFORE))),
        Line("0.1 more loss: found", Job(guarded, (0.1,), chunk=100), ((OURS, OURS), (BEFORE, BEFORE))),
        Line("0.2 more loss: found", Job(guarded, (0.2,), chunk=100), ((OURS, OURS), (BEFORE, BEFORE))),
    )
    return [
        Table("Flights, January and February: alarms on their own days, 16 features", columns, quiet),
        Table("Flights, March to June: features that alarm, median time from 1 March", columns, moved),
        Words(
            "First alarms, with floors (goal: pressure 19 March, temperature and dew point 9 April by 7 days)", dates
        ),
        Table(
            "Flights, a week's guard by the loss of real labels, March to December (holdback 5 % / none), alpha .01",
            (OURS, BEFORE),
            guards,
        ),
    ]
