"""What the control showed before the rollout: how bursty its outcomes are, and which latency is slow for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil

import numpy as np

from pintle.contract.metrics import DURATION_BUCKETS
from pintle.core.judgement.counters import YOUNG_SCRAPES, Blocks
from pintle.core.judgement.outcomes import EVERY_LATENCY, counted_rows, growth_of, requests, slow_requests
from pintle.core.judgement.samples import FloatArray, RawSeries
from pintle.core.judgement.score import RHO, control_dispersion, dispersion_lengths
from pintle.core.judgement.settings import ERRORS, LOSS, SLOW, Settings

HISTORY_SECONDS = 3600.0
"""How far back the past of the control is read."""
WINDOW_SECONDS = 600.0
UNKNOWN_DISPERSION = 4.0
"""Where ten minutes of the control's past are not to be had."""
FAST_SHARE = 0.95
DEFAULT_SLOW_SECONDS = 0.25
LEAST_SLOW_SECONDS = 0.025
"""No smaller latency is chosen by itself: of milliseconds a busy node alone decides, and no user feels them."""
MIN_REQUESTS = 50
"""Fewer requests choose no latency."""
USUAL_VARIANCE = 0.1
"""Of a loss between 0 and 1; RHO belongs to it."""


@dataclass(frozen=True)
class History:
    """Facts that are fixed at the start of a trial, from the same samples the same.

    `dispersion` maps a test to H, `features` a feature's missing share; what is absent counts as UNKNOWN_DISPERSION.
    """

    dispersion: Mapping[str, float] = field(default_factory=dict)
    features: Mapping[str, float] = field(default_factory=dict)
    slow_seconds: float = DEFAULT_SLOW_SECONDS
    loss_rho: float = RHO
    """RHO in the unit of the loss: a test of tiny losses must not wait for five whole ones."""

    @property
    def known(self) -> bool:
        """There were ten minutes to learn from."""
        return ERRORS in self.dispersion


def slow_bucket(seconds: float) -> float:
    """The histogram's limit that stands for a latency: the smallest that is not below it, or the largest there is."""
    return next((limit for limit in DURATION_BUCKETS if limit >= seconds), DURATION_BUCKETS[-1])


def control_history(series: Iterable[RawSeries], control: str, origin: float, settings: Settings) -> History:
    """Read the raw samples of the hour before `origin`; series of other revisions are passed over.

    A rollout without control, or without samples, gets History(): H = 4 for every test, slow = 0.25 s.
    """
    grid = settings.grid_seconds
    count = int(HISTORY_SECONDS // grid)
    blocks = Blocks((control,), origin - count * grid, grid)
    blocks.feed(series)
    taken = [blocks.take(index) for index in range(count)]
    width = len(blocks.channels)
    grown = np.array([np.zeros(width) if cell is None else _padded(cell[0], width) for cell in taken])
    if not width or not grown.any():
        return History(slow_seconds=slow_bucket(settings.slow_seconds or DEFAULT_SLOW_SECONDS))
    first = _first_block(blocks)
    slow_seconds = _slow_seconds(blocks, grown, settings)
    dispersion: dict[str, float] = {}
    features: dict[str, float] = {}
    _learn(dispersion, ERRORS, stable_dispersion(*requests(blocks, grown), grid, first, nothing=1.0))
    slow = slow_requests(blocks, grown, slow_seconds)
    _learn(dispersion, SLOW, stable_dispersion(*slow, grid, first, nothing=1.0))
    rows = counted_rows(blocks, grown)
    for channel, number in blocks.channels.items():
        if channel[0] == "missing":
            found = stable_dispersion(np.minimum(grown[:, number], rows), rows, grid, first)
            _learn(features, str(channel[1]), found)
    rho = _learn_loss(blocks, grown, grid, first, dispersion)
    return History(dispersion, features, slow_seconds, rho)


def stable_dispersion(
    bad: FloatArray,
    rows: FloatArray,
    grid_seconds: float,
    first: int = 0,
    variance: float | None = None,
    nothing: float | None = None,
) -> float | None:
    """H from bad and all rows [K] per block: the median over windows of ten minutes of `control_dispersion`.

    The median is not spoilt by one incident. Windows end with the newest block, none begins before block `first`.
    With `variance`, `bad` are sums of losses of that variance per row. None without a window that has rows;
    `nothing` where rows are plenty and none of them was bad.
    """
    size = max(1, round(WINDOW_SECONDS / grid_seconds))
    lengths = dispersion_lengths(grid_seconds)
    found: list[float] = []
    windows = 0
    for start in range(len(rows) % size, len(rows), size):
        if start < first:
            continue
        window = slice(start, start + size)
        if not rows[window].any():
            continue
        windows += 1
        ratio = float(control_dispersion(bad[window], rows[window], lengths, variance))
        if ratio == ratio:
            found.append(ratio)
    if found:
        return float(np.median(found))
    return nothing if windows and rows.sum() >= MIN_REQUESTS else None


def _learn(into: dict[str, float], name: str, found: float | None) -> None:
    if found is not None:
        into[name] = found


def _learn_loss(blocks: Blocks, grown: FloatArray, grid: float, first: int, into: dict[str, float]) -> float:
    """H of the loss, and the RHO that fits its variance."""
    n, total, squares = (
        growth_of(blocks, grown, *(channel for channel in blocks.channels if channel[0] == LOSS and channel[2] == part))
        for part in range(3)
    )
    rows = float(n.sum())
    if rows < MIN_REQUESTS:
        return RHO
    variance = float(squares.sum()) / rows - (float(total.sum()) / rows) ** 2
    if variance <= 0:
        return RHO
    _learn(into, LOSS, stable_dispersion(total, n, grid, first, variance))
    return RHO * variance / USUAL_VARIANCE


def _slow_seconds(blocks: Blocks, grown: FloatArray, settings: Settings) -> float:
    """The limit given, or the smallest bucket from LEAST_SLOW_SECONDS on that holds 95 % of the control's requests."""
    if settings.slow_seconds is not None:
        return slow_bucket(settings.slow_seconds)
    every = float(growth_of(blocks, grown, EVERY_LATENCY).sum())
    if every < MIN_REQUESTS:
        return DEFAULT_SLOW_SECONDS
    for limit in DURATION_BUCKETS:
        fast = float(growth_of(blocks, grown, ("le", limit)).sum())
        if limit >= LEAST_SLOW_SECONDS and fast >= FAST_SHARE * every:
            return limit
    return DURATION_BUCKETS[-1]


def _first_block(blocks: Blocks) -> int:
    """The block from which on the control was scraped; a few lost scrapes at the beginning do not count."""
    begins = min(blocks.seen[0].values())
    return max(ceil((begins - blocks.origin) / blocks.grid_seconds) - YOUNG_SCRAPES, 0)


def _padded(cell: FloatArray, width: int) -> FloatArray:
    return np.concatenate([cell, np.zeros(width - len(cell))])
