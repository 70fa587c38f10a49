"""Streams of requests that are simulated: rows and bad ones per moment, of canary and stable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.float64]
SECONDS = 1800
HISTORY = 3600
DAY = 86_400
SHARE = 0.1
"""The canary's part of the traffic, where it does not change."""
ERRORS = 0.01
INCIDENT_ERRORS = 0.10


@dataclass(frozen=True)
class Arms:
    """Rows and bad rows [T, R] per moment (`Scene.step` seconds) and rollout."""

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
    """spread over so many moments."""
    weights: tuple[float, ...] = (SHARE,)
    """Share of the canary, for equal parts of the time."""
    incident: tuple[int, int] | None = None
    """From and until which second both revisions fail at INCIDENT_ERRORS."""
    past_incident: tuple[int, int] | None = None
    """The same in the history of the stable."""
    gap: tuple[int, int] | None = None
    """From and until which second nobody asks."""
    daily: float = 0.0
    """By so much of itself the rate swings over a day, and the error rate against it."""
    weekend: float = 1.0
    """Days 6 and 7 of a week have this part of the traffic, and as much more errors."""
    seconds: int = SECONDS
    step: int = 1
    """Seconds of a moment: of long rollouts not every second is simulated."""


def rollouts(scene: Scene, count: int, rng: np.random.Generator) -> tuple[Arms, Arms]:
    """Canary and stable [T, count]."""
    moments = scene.seconds // scene.step
    weight = np.repeat(scene.weights, -(-moments // len(scene.weights)))[:moments]
    pace = scene.rate * traffic(scene, 0, moments)
    canary = _arm(scene, pace * weight, scene.canary_errors, scene.incident, 0, count, rng)
    stable = _arm(scene, pace * (1 - weight), scene.stable_errors, scene.incident, 0, count, rng)
    return canary, stable


def past(scene: Scene, count: int, rng: np.random.Generator) -> Arms:
    """The hour of the stable before the rollout, [HISTORY / step, count]: it had all the traffic."""
    moments = HISTORY // scene.step
    calm = traffic(Scene(scene.rate, daily=scene.daily, weekend=scene.weekend, step=scene.step), -HISTORY, moments)
    return _arm(scene, scene.rate * calm, scene.stable_errors, scene.past_incident, -HISTORY, count, rng)


def traffic(scene: Scene, begin: int, moments: int) -> Counts:
    """Share of the rate [moments] that there is from second `begin` on."""
    seconds = begin + np.arange(moments) * scene.step
    found = np.asarray(_season(scene, seconds))
    if scene.gap:
        found = np.where((seconds >= scene.gap[0]) & (seconds < scene.gap[1]), 0.0, found)
    return found


def _season(scene: Scene, seconds: Counts) -> Counts:
    weekend = np.where((seconds // DAY) % 7 >= 5, scene.weekend, 1.0)
    return np.asarray((1 + scene.daily * np.sin(2 * np.pi * seconds / DAY)) * weekend)


def _arm(
    scene: Scene,
    rate: Counts,
    errors: float,
    incident: tuple[int, int] | None,
    begin: int,
    count: int,
    rng: np.random.Generator,
) -> Arms:
    """One revision: `rate` [T] rows per second. Bursts arrive at random, each all good or all bad."""
    lead = scene.spread - 1
    share = np.minimum(errors / np.maximum(_season(scene, begin + np.arange(len(rate)) * scene.step), 1e-9), 1.0)
    if incident:
        share[incident[0] // scene.step : incident[1] // scene.step] = INCIDENT_ERRORS
    share = np.concatenate([np.full(lead, errors), share])
    pace = np.concatenate([np.full(lead, rate[0]), rate]) * scene.step
    bursts = rng.poisson(pace[:, None] / scene.burst, (len(pace), count))
    failed = rng.binomial(bursts, share[:, None])
    good, bad = (_laid_out(part * scene.burst, scene.spread, rng)[lead:] for part in (bursts - failed, failed))
    return Arms(good + bad, bad)


def _laid_out(rows: npt.NDArray[np.int64], spread: int, rng: np.random.Generator) -> Counts:
    """Rows [T, R] that begin in a moment, each put into one of the `spread` moments from there on."""
    if spread == 1:
        return rows.astype(np.float64)
    found = np.zeros(rows.shape)
    left = rows.copy()
    for offset in range(spread):
        now = rng.binomial(left, 1 / (spread - offset))
        left -= now
        found[offset:] += now[: len(now) - offset]
    return found


def blocks(arm: Arms, size: int) -> Arms:
    """The same in blocks of `size` moments; what does not fill one is left out."""
    if size == 1:
        return arm
    whole = len(arm.rows) // size * size
    rows, bad = (part[:whole].reshape(-1, size, part.shape[1]).sum(axis=1) for part in (arm.rows, arm.bad))
    return Arms(rows, bad)
