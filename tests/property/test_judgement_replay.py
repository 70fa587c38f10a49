"""Whatever befalls pods and scrapes, a trial counts everything once, and the same samples give the same judgement."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pintle.core.judgement.counters import LOOKBACK_SCRAPES, Blocks
from pintle.core.judgement.settings import Limits, Settings
from pintle.core.judgement.trial import Trial

from tests.unit.core.judgement.counter_world import Pod, stored

ORIGIN = 1_000.0
SECONDS = 60
GRID = 2.0


@dataclass
class Life:
    """What happens to one pod: when it begins and ends, restarts, lost scrapes, its traffic, its scrape's phase."""

    revision: str
    begins: int
    ends: int
    restarts: set[int]
    lost: set[int]
    phase: float
    seed: int


lives = st.builds(
    Life,
    revision=st.sampled_from(["new", "old"]),
    begins=st.sampled_from([-20, -20, 5, 17, 30]),
    ends=st.sampled_from([25, SECONDS, SECONDS]),
    restarts=st.sets(st.integers(-10, SECONDS), max_size=3),
    lost=st.sets(st.integers(0, SECONDS), max_size=15),
    phase=st.floats(0.0, 0.99),
    seed=st.integers(0, 10_000),
)
SOON = Settings(grid_seconds=GRID, min_rows=10, errors=Limits(0, 0.4), missing=Limits(0.1, 0.5), loss=Limits(0, 0.6))
"""Passes are reached within these seconds, and some of them are lost again."""
strictness = st.sampled_from([Settings(grid_seconds=GRID), SOON])
cuts = st.lists(st.floats(ORIGIN - 15, ORIGIN + SECONDS + 5), max_size=6)


def live(life: Life, index: int) -> tuple[Pod, np.ndarray]:
    """A pod that has lived, and (requests, errors, missing) that a scrape saw since the origin.

    Every second ends with a scrape, unless it is lost. What is counted between the last scrape and a restart nobody can
    know; that is taken off the truth.
    """
    rng = np.random.default_rng(life.seed)
    pod = Pod(life.revision, f"{life.revision}-{index}")
    truth, unseen = np.zeros(3), np.zeros(3)
    pod.answer(0, missing={"a": 0})
    for second in range(life.begins, life.ends):
        if second in life.restarts:
            pod.restart()
            unseen[:] = 0
        if second > life.begins or life.begins > 0:  # a young pod has answered before its first scrape
            ok, bad = rng.poisson(3), rng.poisson(0.3)
            missing = rng.binomial(ok, 0.3)
            pod.answer(ok, bad, missing={"a": missing})
            pod.learn(int(ORIGIN), rng.random(rng.poisson(0.5)))
            unseen += (ok + bad, bad, missing)
        time = ORIGIN + second + life.phase
        if second not in life.lost or second == life.begins:
            pod.scrape(time)
            truth += unseen if time > ORIGIN else 0
            unseen[:] = 0
    return pod, truth


def trial_of(pods: list[Pod], at: list[float], strict: Settings) -> Trial:
    """A trial that was fed up to each of the moments, ranges overlapping by three seconds, and judged each time."""
    trial = Trial("new", "old", ORIGIN, strict)
    before = ORIGIN - LOOKBACK_SCRAPES * GRID
    for until in [*sorted(at), ORIGIN + SECONDS + 5]:
        trial.feed(stored(pods, before - 3, until), until)
        trial.judgement(until)
        before = max(before, until)
    return trial


@settings(max_examples=40, deadline=None)
@given(st.lists(lives, min_size=1, max_size=5), cuts, strictness)
def test_any_chunking_gives_the_same_judgement(found: list[Life], at: list[float], strict: Settings) -> None:
    """Looks at any moments and one replay of it all end in equal judgements, to the last bit."""
    pods = [live(life, index)[0] for index, life in enumerate(found)]
    replay, looks = trial_of(pods, [], strict), trial_of(pods, at, strict)
    assert looks.judgement(ORIGIN + SECONDS) == replay.judgement(ORIGIN + SECONDS)


@settings(max_examples=40, deadline=None)
@given(st.lists(lives, min_size=1, max_size=5))
def test_everything_that_was_scraped_is_counted_once(found: list[Life]) -> None:
    """Sums over the blocks equal what happened since the origin, through restarts, lost scrapes and new pods."""
    # The first pod was there before: without any past nobody could tell an old pod from a young one.
    found[0] = replace(found[0], begins=-20)
    pods, truths = zip(*(live(life, index) for index, life in enumerate(found)), strict=True)
    assume(not any(hidden_restart(life, pod) for life, pod in zip(found, pods, strict=True)))
    blocks = Blocks(("new", "old"), ORIGIN, GRID)
    blocks.feed(stored(pods, ORIGIN - 30))
    total = np.zeros((2, len(blocks.channels)))
    for block in range(SECONDS):
        grown = blocks.take(block)
        total += 0 if grown is None else grown
    requests = [("requests", "ok"), ("requests", "server_error")]
    for arm, revision in enumerate(("new", "old")):
        expected = np.zeros(3)
        for life, truth in zip(found, truths, strict=True):
            expected += truth if life.revision == revision else 0
        every, bad = (total[arm, blocks.number(*channels)].sum() for channels in (requests, requests[1:]))
        missing = total[arm, blocks.number(("missing", "a"))].sum()
        assert (every, bad, missing) == pytest.approx(tuple(expected))


def hidden_restart(life: Life, pod: Pod) -> bool:
    """No counter fell between the scrapes around a restart, so that nobody can see it; cohorts may by themselves."""
    by_series = [dict(samples) for (metric, _), samples in pod.samples.items() if "loss" not in metric]
    times = sorted({time for samples in by_series for time in samples})
    for second in life.restarts:
        moment = ORIGIN + second + life.phase
        before, after = [time for time in times if time < moment], [time for time in times if time >= moment]
        if before and after:
            last, first = before[-1], after[0]
            if not any(samples.get(first, 0) < samples.get(last, 0) for samples in by_series):
                return True
    return False
