"""Simulated features, judged by the operator's own lower end of PSI (`core/judgement/drift.py`), many days at once."""

from __future__ import annotations

from collections.abc import Iterator
from math import erf

import numpy as np
from pintle.contract.psi import MIN_PSI, MIN_ROWS
from pintle.core.judgement.drift import EFFECT_SECONDS, design_effect, drifts, psi_low

from bench.judgement.cells import Findings, Job, Line, Table

FEATURES, BINS, REFERENCE_ROWS = 20, 10, 10_000
LOOK_SECONDS = 30
DAY = 86_400
WINDOWS = (600, 3600, 21_600, 86_400)
PEERS_WINDOW = 300
PEERS_PSI = 0.2
EMPTY = 1e-4
"""What peers put for the share of an empty bin."""
OURS, PEERS = "Pintle", "PSI > 0.2"
PLAIN = "counts as they are"
COLUMNS = (OURS, PEERS)
BOTH = ((OURS, OURS), (PEERS, PEERS))
DAYS = 0.05
"""Of so many days as rollouts are asked for: 100 of 2,000."""
CUTS = np.array([-1.2816, -0.8416, -0.5244, -0.2533, 0.0, 0.2533, 0.5244, 0.8416, 1.2816])
"""Deciles of the normal distribution."""
SHAPES = {
    "even": np.full(10, 0.1),
    "bell": np.array([1, 3, 8, 16, 22, 22, 16, 8, 3, 1]) / 100,
    "steep": 0.5 ** np.arange(1, 11) / (1 - 0.5**10),
    "one heavy": np.array([0.82, *[0.02] * 9]),
    "two of ten": np.array([0.5, 0.46, *[0.005] * 8]),
    "long tail": 1 / np.arange(1, 11) / (1 / np.arange(1, 11)).sum(),
    "rare bins": np.array([0.3, 0.3, 0.3, 0.09, *[0.00167] * 6]) / 1.00002,
}


def normal_shares(shift: float | np.ndarray) -> np.ndarray:
    """Shares [..., 10] of the deciles' bins once the values have moved by `shift` standard deviations."""
    edges = CUTS - np.asarray(shift)[..., None]
    below = 0.5 * (1 + np.vectorize(erf)(edges / np.sqrt(2)))
    full = np.concatenate([np.zeros((*below.shape[:-1], 1)), below, np.ones((*below.shape[:-1], 1))], axis=-1)
    return np.diff(full, axis=-1)


def peers(counts: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """PSI above 0.2, as it is mostly done: plain shares, a small number for an empty bin."""
    live = np.maximum(counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1), EMPTY)
    share = np.maximum(reference / reference.sum(axis=-1, keepdims=True), EMPTY)
    return ((live - share) * np.log(live / share)).sum(axis=-1) > PEERS_PSI


def reference(shares: np.ndarray, days: int, rng: np.random.Generator) -> np.ndarray:
    """Counts [days, B] of the training rows, a new sample for every feature-day."""
    return rng.multinomial(REFERENCE_ROWS, shares, days).astype(np.float64)


def day(shares: np.ndarray, rate: float, days: int, rng: np.random.Generator, burst: int = 1) -> np.ndarray:
    """Counts [days, looks, B] between two looks; `shares` [B] or [looks, B]; alike rows come `burst` at a time."""
    looks = shares.shape[0] if shares.ndim == 2 else DAY // LOOK_SECONDS
    pace = np.broadcast_to(shares, (looks, BINS)) * rate * LOOK_SECONDS / burst
    return rng.poisson(pace, (days, looks, BINS)).astype(np.float64) * burst


def windowed(counts: np.ndarray, seconds: int) -> np.ndarray:
    """Sums [days, looks, B] over the window that ends with each look; shorter at the beginning."""
    total = np.cumsum(counts, axis=1)
    length = seconds // LOOK_SECONDS
    total[:, length:] -= total[:, :-length].copy()
    return total


def first_alarm(
    shares: np.ndarray, rate: float, days: int, rng: np.random.Generator, min_psi: float = MIN_PSI, burst: int = 1,
    divided: bool = False,
) -> np.ndarray:  # fmt: skip
    """Seconds [days] to the first alarm in any of WINDOWS, one feature; infinite without one."""
    base = shares if shares.ndim == 1 else shares[0]
    expected = reference(base, days, rng)[:, None]
    counts = day(shares, rate, days, rng, burst)
    effect = np.ones((days, 1))
    if divided:
        effect = design_effect(counts, [int(seconds // LOOK_SECONDS) for seconds in EFFECT_SECONDS])[:, None]
    alarm = np.zeros(counts.shape[:2], dtype=bool)
    for seconds in WINDOWS:
        alarm |= drifts(windowed(counts, seconds), expected, 0.0, min_psi, MIN_ROWS, effect)
    return _first(alarm)


def _first(alarm: np.ndarray) -> np.ndarray:
    return np.where(alarm.any(axis=1), (alarm.argmax(axis=1) + 1) * LOOK_SECONDS, np.inf)


def drift_tables() -> list[Table]:
    """All that needs no real data."""
    return [one_look(), whole_day(), shapes(), shifts(), bursts()]


def noted(hits: np.ndarray) -> tuple[list[float], list[float]]:
    """Findings without a time."""
    return np.where(hits, 0.0, np.inf).tolist(), [0.0] * len(hits)


def timed(when: np.ndarray) -> tuple[list[float], list[float]]:
    """Findings at 1 row/s: seconds are rows."""
    return when.tolist(), when.tolist()


def pieces(total: int, size: int) -> Iterator[int]:
    """Sizes that add up to `total`, none above `size`: thousands of days do not fit into memory at once."""
    yield from (min(size, total - start) for start in range(0, total, size))


def looked_once(rows: int, count: int, rng: np.random.Generator) -> Findings:
    """20 features, no drift, one look at n rows: whether any of them is flagged."""
    expected = rng.multinomial(REFERENCE_ROWS, SHAPES["even"], (count, FEATURES)).astype(float)
    counts = rng.multinomial(rows, SHAPES["even"], (count, FEATURES)).astype(float)
    return {
        OURS: noted(drifts(counts, expected).any(axis=1)),
        PEERS: noted(peers(counts, expected).any(axis=1)),
    }


def one_look() -> Table:
    lines = [
        Line(f"{rows} rows", Job(looked_once, (rows,)), BOTH, f"0; {goal}")
        for rows, goal in ((50, ".998"), (200, ".001"), (1000, "0"))
    ]
    return Table("One look without drift, 20 features, 10,000 training rows: any flagged", COLUMNS, tuple(lines))


def looked_all_day(rate: float, count: int, rng: np.random.Generator) -> Findings:
    """The same, looked at every 30 s for a day."""
    theirs, ours = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    for place in range(count):
        expected = reference(SHAPES["even"], FEATURES, rng)[:, None]
        counts = day(SHAPES["even"], rate, FEATURES, rng)
        whole = windowed(counts, PEERS_WINDOW)[:, PEERS_WINDOW // LOOK_SECONDS - 1 :]
        theirs[place] = peers(whole, expected).any()
        ours[place] = any(drifts(windowed(counts, seconds), expected).any() for seconds in WINDOWS)
    return {OURS: noted(ours), PEERS: noted(theirs)}


def whole_day() -> Table:
    lines = [
        Line(f"{rate:g} rows/s", Job(looked_all_day, (rate,), chunk=20, trials=DAYS), BOTH, f"0; {goal}")
        for rate, goal in ((0.1, "1.0"), (1, "0"), (10, "0"))
    ]
    title = "A look every 30 s for a day without drift, 20 features: any alarm (ours: 10m 1h 6h 24h, theirs: 5 min)"
    return Table(title, COLUMNS, tuple(lines))


def reached(count: int, rng: np.random.Generator) -> Findings:
    """Feature-days of seven shapes at three rates; `count` of each."""
    levels: list[np.ndarray] = []
    for shares in SHAPES.values():
        for rate in (0.1, 1, 10):
            levels += [
                highest(reference(shares, size, rng), day(shares, rate, size, rng)) for size in pieces(count, 20)
            ]
    top = np.concatenate(levels)
    return {f"minPSI {min_psi:g}": noted(top > min_psi) for min_psi in (0.05, 0.1)}


def shapes() -> Table:
    job = Job(reached, (), chunk=20, trials=8 / 15)
    lines = [
        Line(f"minPSI {min_psi:g}", job, ((OURS, f"minPSI {min_psi:g}"),), "0 of 22,400") for min_psi in (0.05, 0.1)
    ]
    return Table("False alarms over feature-days, seven shapes of bins, 0.1, 1 and 10 rows/s", (OURS,), tuple(lines))


def highest(expected: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The highest lower end [days] that any look at any of WINDOWS with enough rows finds."""
    found = np.full(len(counts), -np.inf)
    for seconds in WINDOWS:
        live = windowed(counts, seconds)
        low = np.where(live.sum(axis=-1) >= MIN_ROWS, psi_low(live, expected[:, None])[1], -np.inf)
        found = np.maximum(found, low.max(axis=1))
    return found


def shifted(
    sigma: float, still_looks: int, moved_looks: int, wave: bool, count: int, rng: np.random.Generator
) -> Findings:
    """When a feature that moves by `sigma` is found, after `still_looks` looks without; 1 row/s."""
    still = normal_shares(0.0)
    moved = np.full(moved_looks, sigma) * (np.sin(2 * np.pi * np.arange(moved_looks) / moved_looks) if wave else 1.0)
    shares = np.concatenate([np.tile(still, (still_looks, 1)), normal_shares(moved)])
    ours, theirs = [], []
    for size in pieces(count, 20):
        expected = reference(still, size, rng)[:, None]
        counts = day(shares, 1.0, size, rng)
        alarm = np.zeros(counts.shape[:2], dtype=bool)
        for seconds in WINDOWS:
            alarm |= drifts(windowed(counts, seconds), expected)
        ours.append(_first(alarm))
        flagged = peers(windowed(counts, PEERS_WINDOW), expected)
        flagged[:, : PEERS_WINDOW // LOOK_SECONDS - 1] = False
        theirs.append(_first(flagged))
    begin = still_looks * LOOK_SECONDS
    return {OURS: timed(np.concatenate(ours) - begin), PEERS: timed(np.concatenate(theirs) - begin)}


def shifts() -> Table:
    """One feature moves; 1 row/s. What alarms before the change is a negative time: it counts as found at once."""
    looks = DAY // LOOK_SECONDS
    lines = []
    for sigma, first, later in ((0.5, "420-510; 300", "600; 270"), (1.0, "60-90; 300", "330; 150")):
        early = Job(shifted, (sigma, 0, looks // 4, False), chunk=40, trials=4 * DAYS)
        late = Job(shifted, (sigma, looks // 2, looks, False), chunk=20, trials=DAYS)
        lines.append(Line(f"{sigma} sigma at the start (6 h)", early, BOTH, first))
        lines.append(Line(f"{sigma} sigma after 12 h", late, BOTH, later))
    small = Job(shifted, (0.25, 0, looks, False), chunk=20, trials=DAYS)
    lines.append(Line("0.25 sigma", small, BOTH, "silent; alarms"))
    lines.append(
        Line("daily sine of 0.25 sigma", Job(shifted, (0.25, 0, looks, True), 20, DAYS), BOTH, "silent; alarms")
    )
    return Table("A shift, 1 row/s: found within 24 h, median time (and so rows) to the alarm", COLUMNS, tuple(lines))


def in_bursts(rate: float, size: int, count: int, rng: np.random.Generator) -> Findings:
    """Rows that come `size` alike at a time, no drift."""
    found: dict[str, list[np.ndarray]] = {OURS: [], PLAIN: []}
    for part in pieces(count, 20):
        for name, divided in ((PLAIN, False), (OURS, True)):
            found[name].append(first_alarm(SHAPES["even"], rate, part, rng, burst=size, divided=divided))
    return {name: noted(np.isfinite(np.concatenate(parts))) for name, parts in found.items()}


def bursts() -> Table:
    picks = ((OURS, OURS), (PLAIN, PLAIN))
    lines = [
        Line(
            f"{rate:g} rows/s, bursts of {size}",
            Job(in_bursts, (rate, size), chunk=20, trials=DAYS),
            picks,
            "0; .5 - 1.0" if size == 5 else "",
        )
        for size in (5, 20, 50)
        for rate in (0.1, 1, 10)
    ]
    title = "Bursts of alike rows without drift, a feature-day: alarms"
    return Table(title, (OURS, PLAIN), tuple(lines))
