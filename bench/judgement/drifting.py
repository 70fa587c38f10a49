"""Simulated features, judged by the operator's own lower end of PSI (`core/judgement/drift.py`), many days at once."""

from __future__ import annotations

from math import erf

import numpy as np
from pintle.contract.psi import MIN_PSI, MIN_ROWS
from pintle.core.judgement.drift import EFFECT_SECONDS, design_effect, drifts, psi_low

from bench.judgement.table import Row, Tables, chunks

FEATURES, BINS, REFERENCE_ROWS = 20, 10, 10_000
LOOK_SECONDS = 30
DAY = 86_400
WINDOWS = (600, 3600, 21_600, 86_400)
PEERS_WINDOW = 300
PEERS_PSI = 0.2
EMPTY = 1e-4
"""What peers put for the share of an empty bin."""
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


def every_table(tables: Tables, count: int, seed: int) -> None:
    """All that needs no real data."""
    rng = np.random.default_rng([seed, 2])
    days = max(count // 20, 10)
    one_look(tables, count, rng)
    whole_day(tables, days, rng)
    shapes(tables, count, rng)
    shifts(tables, days * 4, rng)
    bursts(tables, days, rng)


def one_look(tables: Tables, count: int, rng: np.random.Generator) -> None:
    """20 features, no drift: how often any of them is flagged by one look at n rows."""
    tables.table("One look without drift, 20 features, 10,000 training rows: any flagged")
    shares = SHAPES["even"]
    for rows, goal in ((50, ".998"), (200, ".001"), (1000, "0")):
        expected = rng.multinomial(REFERENCE_ROWS, shares, (count, FEATURES)).astype(float)
        counts = rng.multinomial(rows, shares, (count, FEATURES)).astype(float)
        for name, decide, bound in (("PSI > 0.2", peers, goal), ("lower end", drifts, "0")):
            found = np.where(decide(counts, expected).any(axis=1), 0.0, np.inf)
            tables.add(Row.of(f"{rows} rows, {name}", found, None, bound))


def whole_day(tables: Tables, days: int, rng: np.random.Generator) -> None:
    """The same, looked at every 30 s for a day."""
    tables.table("A look every 30 s for a day without drift, 20 features: any alarm (peers: windows of 5 min)")
    for rate, goal in ((0.1, "1.0"), (1, "0"), (10, "0")):
        theirs, ours = np.zeros(days, dtype=bool), np.zeros(days, dtype=bool)
        for place in range(days):
            expected = reference(SHAPES["even"], FEATURES, rng)[:, None]
            counts = day(SHAPES["even"], rate, FEATURES, rng)
            whole = windowed(counts, PEERS_WINDOW)[:, PEERS_WINDOW // LOOK_SECONDS - 1 :]
            theirs[place] = peers(whole, expected).any()
            ours[place] = any(drifts(windowed(counts, seconds), expected).any() for seconds in WINDOWS)
        for name, found, bound in (("PSI > 0.2", theirs, goal), ("lower end, windows 10m 1h 6h 24h", ours, "0")):
            tables.add(Row.of(f"{rate:g} rows/s, {name}", np.where(found, 0.0, np.inf), None, bound))


def shapes(tables: Tables, count: int, rng: np.random.Generator) -> None:
    """Feature-days of seven shapes at three rates."""
    tables.table("False alarms over feature-days, seven shapes of bins, 0.1, 1 and 10 rows/s")
    each = max(count * 8 // 15, 10)
    levels: list[np.ndarray] = []
    for shares in SHAPES.values():
        for rate in (0.1, 1, 10):
            levels += [highest(reference(shares, size, rng), day(shares, rate, size, rng)) for size in chunks(each, 20)]
    reached = np.concatenate(levels)
    for min_psi in (0.05, 0.1):
        tables.add(Row.of(f"minPSI {min_psi:g}", np.where(reached > min_psi, 0.0, np.inf), None, "0 of 22,400"))


def highest(expected: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The highest lower end [days] that any look at any of WINDOWS with enough rows finds."""
    found = np.full(len(counts), -np.inf)
    for seconds in WINDOWS:
        live = windowed(counts, seconds)
        low = np.where(live.sum(axis=-1) >= MIN_ROWS, psi_low(live, expected[:, None])[1], -np.inf)
        found = np.maximum(found, low.max(axis=1))
    return found


def shifts(tables: Tables, days: int, rng: np.random.Generator) -> None:
    """One feature moves; 1 row/s."""
    tables.table("A shift, 1 row/s: found within 24 h, median time (and so rows) to the alarm")
    looks = DAY // LOOK_SECONDS
    goals = {0.5: ("420-510", "600"), 1.0: ("60-90", "330")}
    for sigma in (0.5, 1.0):
        moved = normal_shares(sigma)
        still = normal_shares(0.0)
        late = np.concatenate([np.tile(still, (looks // 2, 1)), np.tile(moved, (looks, 1))])
        found = _shifted(np.tile(moved, (looks // 4, 1)), still, days * 4, rng)
        tables.add(Row.of(f"{sigma} sigma at the start (6 h)", found, found, goals[sigma][0]))
        found = _shifted(late, still, days, rng) - DAY / 2
        tables.add(Row.of(f"{sigma} sigma after 12 h", found, found, goals[sigma][1]))
    still = normal_shares(0.0)
    found = _shifted(np.tile(normal_shares(0.25), (looks, 1)), still, days, rng)
    tables.add(Row.of("0.25 sigma", found, found, "silent"))
    wave = normal_shares(0.25 * np.sin(2 * np.pi * np.arange(looks) / looks))
    found = _shifted(wave, still, days, rng)
    tables.add(Row.of("daily sine of 0.25 sigma", found, found, "silent"))


def _shifted(shares: np.ndarray, still: np.ndarray, days: int, rng: np.random.Generator) -> np.ndarray:
    """Seconds [days] to the alarm where the reference is `still` and the rows follow `shares` [looks, B]; 1 row/s."""
    found = []
    for start in range(0, days, 20):
        size = min(20, days - start)
        expected = reference(still, size, rng)[:, None]
        counts = day(shares, 1.0, size, rng)
        alarm = np.zeros(counts.shape[:2], dtype=bool)
        for seconds in WINDOWS:
            alarm |= drifts(windowed(counts, seconds), expected)
        found.append(_first(alarm))
    return np.concatenate(found)


def bursts(tables: Tables, days: int, rng: np.random.Generator) -> None:
    """Rows that come five alike at a time, no drift."""
    tables.table("Bursts of 5 alike rows without drift, a feature-day: alarms")
    for rate in (0.1, 1, 10):
        for name, divided in (("counts as they are", False), ("divided by the design effect", True)):
            found = first_alarm(SHAPES["even"], rate, days, rng, burst=5, divided=divided)
            tables.add(Row.of(f"{rate:g} rows/s, {name}", found, None, "0" if divided else ".5 - 1.0"))
