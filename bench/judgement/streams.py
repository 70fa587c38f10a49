"""Streams of requests that are simulated: rows and bad ones per second, of canary and stable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.float64]
SECONDS = 1800
HISTORY = 3600
SHARE = 0.1
"""The canary's part of the traffic, where it does not change."""
ERRORS = 0.01


@dataclass(frozen=True)
class Arms:
    """Rows and bad rows [T, R] per second and rollout."""

    rows: Counts
    bad: Counts


@dataclass(frozen=True)
class Scene:
    """What the rollouts of one cell meet. Rates are rows per second of both revisions together."""

    rate: float
    canary_errors: float = ERRORS
    stable_errors: float = ERRORS
    burst: int = 1
    """So many rows in a row have the same outcome,"""
    spread: int = 1
    """spread over so many seconds."""
    weights: tuple[float, ...] = (SHARE,)
    """Share of the canary, for equal parts of the time."""
    incident: tuple[int, int] | None = None
    """From and until which second both revisions fail at INCIDENT_ERRORS."""
    past_incident: tuple[int, int] | None = None
    """The same in the history of the stable."""
    seconds: int = SECONDS


INCIDENT_ERRORS = 0.10


def rollouts(scene: Scene, count: int, rng: np.random.Generator) -> tuple[Arms, Arms]:
    """Canary and stable [T, count]."""
    weight = np.repeat(scene.weights, -(-scene.seconds // len(scene.weights)))[: scene.seconds]
    canary = _arm(scene, scene.rate * weight, scene.canary_errors, scene.incident, count, rng)
    stable = _arm(scene, scene.rate * (1 - weight), scene.stable_errors, scene.incident, count, rng)
    return canary, stable


def past(scene: Scene, count: int, rng: np.random.Generator) -> Arms:
    """The hour of the stable before the rollout, [HISTORY, count]: it had all the traffic."""
    return _arm(scene, np.full(HISTORY, scene.rate), scene.stable_errors, scene.past_incident, count, rng)


def _arm(
    scene: Scene, rate: Counts, errors: float, incident: tuple[int, int] | None, count: int, rng: np.random.Generator
) -> Arms:
    """One revision: `rate` [T] rows per second. Bursts arrive at random, each all good or all bad."""
    lead = scene.spread - 1
    share = np.full(len(rate) + lead, errors)
    if incident:
        share[incident[0] + lead : incident[1] + lead] = INCIDENT_ERRORS
    pace = np.concatenate([np.full(lead, rate[0]), rate])
    bursts = rng.poisson(pace[:, None] / scene.burst, (len(pace), count))
    failed = rng.binomial(bursts, share[:, None])
    good, bad = (_laid_out(part * scene.burst, scene.spread, rng)[lead:] for part in (bursts - failed, failed))
    return Arms(good + bad, bad)


def _laid_out(rows: npt.NDArray[np.int64], spread: int, rng: np.random.Generator) -> Counts:
    """Rows [T, R] that begin in a second, each put into one of the `spread` seconds from there on."""
    if spread == 1:
        return rows.astype(np.float64)
    found = np.zeros(rows.shape)
    left = rows.copy()
    for offset in range(spread):
        now = rng.binomial(left, 1 / (spread - offset))
        left -= now
        found[offset:] += now[: len(now) - offset]
    return found
