"""What befalls the way from a pod's counters to the blocks of the grid, for all rollouts at once.

`scraped` gives what `core.judgement.counters.Blocks` makes of the samples of such pods (a test compares the two).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.judgement.streams import Arms

PODS = {"canary": 2, "stable": 3}


@dataclass(frozen=True)
class Mishap:
    """What befalls the scrapes of a rollout."""

    lost: float = 0.0
    """Share of scrapes that are lost."""
    restart_seconds: int = 0
    """Every pod restarts so often, on average; what it had counted since its last scrape is lost."""
    interval: int = 1
    """Seconds between two scrapes of a pod, each at a moment of its own."""
    skew: int = 0
    """So many seconds later than the stable's is what the canary's samples bear."""
    liar: str = ""
    """One pod of `canary` or `stable` says that all of its requests were answered well."""


def scraped(arm: Arms, revision: str, mishap: Mishap, rng: np.random.Generator) -> Arms:
    """Rows and bad ones as the samples of all pods show them, by the second in which the growth is seen [T, R]."""
    left, left_bad = (part.astype(np.int64) for part in (arm.rows - arm.bad, arm.bad))
    rows, bad = np.zeros(arm.rows.shape), np.zeros(arm.rows.shape)
    for pod in range(PODS[revision]):
        share = 1 / (PODS[revision] - pod)
        mine, mine_bad = rng.binomial(left, share), rng.binomial(left_bad, share)
        left, left_bad = left - mine, left_bad - mine_bad
        if mishap.liar == revision and pod == 0:
            mine, mine_bad = mine + mine_bad, np.zeros_like(mine_bad)
        good_grown, bad_grown = grown(mine, mine_bad, *moments(mine.shape, mishap, rng))
        rows += good_grown + bad_grown
        bad += bad_grown
    if mishap.skew and revision == "canary":
        rows, bad = (np.concatenate([np.zeros_like(part[: mishap.skew]), part[: -mishap.skew]]) for part in (rows, bad))
    return Arms(rows, bad)


def moments(shape: tuple[int, ...], mishap: Mishap, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """When one pod is scraped [T, R], at the end of a second, and when its process begins anew, at the start of one."""
    seconds = np.arange(shape[0])[:, None]
    phase = rng.integers(0, mishap.interval, shape[1])
    kept = (seconds % mishap.interval == phase) & (rng.random(shape) >= mishap.lost)
    restarts = np.zeros(shape, dtype=bool)
    if mishap.restart_seconds:
        restarts = rng.random(shape) < 1 / mishap.restart_seconds
    return kept, restarts


def grown(good: np.ndarray, bad: np.ndarray, kept: np.ndarray, restarts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Growth [T, R] of both counters as scrapes show it. A drop of either is a restart of both, and nothing else is."""
    places = np.arange(len(good))[:, None]
    began = np.maximum.accumulate(np.where(restarts, places, 0), axis=0)
    last = np.maximum.accumulate(np.where(kept, places, -1), axis=0)
    last = np.concatenate([np.full((1, good.shape[1]), -1), last[:-1]])
    values, growth = [], []
    for part in (good, bad):
        total = np.cumsum(part, axis=0)
        value = total - np.take_along_axis(total - part, began, axis=0) * (began > 0)
        before = np.where(last >= 0, np.take_along_axis(value, np.maximum(last, 0), axis=0), 0)
        values.append(value)
        growth.append(value - before)
    dropped = (growth[0] < 0) | (growth[1] < 0)
    seen_good, seen_bad = (
        np.where(kept, np.where(dropped, value, part), 0).astype(np.float64)
        for value, part in zip(values, growth, strict=True)
    )
    return seen_good, seen_bad
