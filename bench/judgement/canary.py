"""Simulated rollouts, judged by the operator's own sums (`core/judgement/score.py`) with all rollouts at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log

import numpy as np
from pintle.core.judgement.history import WINDOW_SECONDS
from pintle.core.judgement.score import (
    RHO,
    Scores,
    W,
    control_dispersion,
    dispersion_lengths,
    log_evidence,
    mean_block,
    share_block,
    variance,
)
from pintle.core.judgement.score import S as SCORE
from pintle.core.judgement.settings import ERRORS as ERROR_TEST
from pintle.core.judgement.settings import PRESETS, SENSITIVITIES, Settings

from bench.judgement.streams import ERRORS, Arms, Scene, past, rollouts
from bench.judgement.table import Row, Tables, chunks

CHUNK = 500


@dataclass(frozen=True)
class Rule:
    """How a stream is judged."""

    alpha: float = 0.01
    beta: float = 0.05
    tolerated: float = 0.0
    margin: float = 0.01
    min_rows: float = 0.0
    grid: int = 1
    """Seconds of a block; a look follows each."""
    dispersion: bool = True
    loss: bool = False
    """As a loss per row that is 0 or 1, in the mean form: what labels are judged by."""

    history: float | None = None
    """H, where it is not to be found from the stable's past."""

    @classmethod
    def of(cls, settings: Settings) -> Rule:
        """The test of errors as the operator makes it."""
        limits = settings.errors
        alpha = float(np.exp(-settings.fail_threshold(ERROR_TEST)))
        return cls(alpha, settings.beta, limits.tolerated, limits.margin, settings.min_rows)


@dataclass
class Outcome:
    """Per rollout [R]: when (seconds, infinite: never) and after how many canary rows it failed and passed."""

    failed: np.ndarray
    failed_rows: np.ndarray
    passed: np.ndarray
    passed_rows: np.ndarray


def simulate(scene: Scene, rule: Rule, count: int, seed: int) -> Outcome:
    """Judge `count` rollouts at every look; the first verdict counts, a failed rollout cannot pass later."""
    rng = np.random.default_rng(seed)
    parts = [_judge(scene, rule, size, rng) for size in chunks(count, CHUNK)]
    return Outcome(*(np.concatenate([getattr(part, name) for part in parts]) for name in Outcome.__annotations__))


def _judge(scene: Scene, rule: Rule, count: int, rng: np.random.Generator) -> Outcome:
    history = None
    if rule.history is not None:
        history = np.full(count, rule.history)
    elif rule.dispersion:
        history = _history(past(scene, count, rng))
    canary, stable = (_blocks(arm, rule.grid) for arm in rollouts(scene, count, rng))
    scores = Scores.zeros((count,), dispersion_lengths(rule.grid))
    found = Outcome(*(np.full(count, fill) for fill in (np.inf, 0.0, np.inf, 0.0)))
    rows = np.zeros(count)
    for block in range(len(canary.rows)):
        x1, n1, x0, n0 = canary.bad[block], canary.rows[block], stable.bad[block], stable.rows[block]
        scores.add(mean_block(n1, x1, x1, n0, x0, x0) if rule.loss else share_block(x1, n1, x0, n0), block)
        rows += canary.rows[block]
        worse, close = evidence(scores, rule, history)
        open_ = np.isinf(found.failed) & np.isinf(found.passed)
        fails = np.isinf(found.failed) & (worse >= log(1 / rule.alpha))
        passes = open_ & ~fails & (close >= log(1 / rule.beta)) & (rows >= rule.min_rows)
        for hit, when, seen in ((fails, found.failed, found.failed_rows), (passes, found.passed, found.passed_rows)):
            when[hit] = (block + 1) * rule.grid
            seen[hit] = rows[hit]
    return found


def evidence(scores: Scores, rule: Rule, history: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """As the operator has it; without dispersion the plain score test, for comparison."""
    if history is not None:
        return scores.evidence(rule.tolerated, rule.margin, history)
    s, w = scores.total[..., SCORE], scores.total[..., W]
    one = np.ones_like(s)
    worse = log_evidence(s - rule.tolerated * w, variance(scores.total, rule.tolerated), one, RHO)
    return worse, log_evidence(rule.margin * w - s, variance(scores.total, rule.margin), one, RHO)


def _history(arm: Arms) -> np.ndarray:
    """H [R]: as `history.stable_dispersion`, for all rollouts at once."""
    size = int(WINDOW_SECONDS)
    windows = [
        control_dispersion(arm.bad[start : start + size].T, arm.rows[start : start + size].T, dispersion_lengths(1))
        for start in range(0, len(arm.rows), size)
    ]
    found = np.array(windows)
    found[:, np.isnan(found).all(axis=0)] = 1.0
    return np.asarray(np.nanmedian(found, axis=0))


def _blocks(arm: Arms, grid: int) -> Arms:
    if grid == 1:
        return arm
    rows, bad = (part.reshape(-1, grid, part.shape[1]).sum(axis=1) for part in (arm.rows, arm.bad))
    return Arms(rows, bad)


def main_table(tables: Tables, count: int, seed: int) -> None:
    """10 % canary share, alpha .01, 30 minutes, a look every second."""
    for rate, goals in ((1, GOALS_1), (10, GOALS_10)):
        tables.table(f"Canary {rate} row(s)/s, share 10 %, alpha .01, 30 min, a look every second")
        scene = Scene(rate * 10)
        steps = replace(scene, weights=(0.05, 0.25, 0.5), incident=(500, 800))
        cells = {
            "identical, errors 1 %: false rollbacks": scene,
            "bursts of 8 alike within 1 s: false rollbacks": replace(scene, burst=8),
            "bursts of 8 alike over 20 s: false rollbacks": replace(scene, burst=8, spread=20),
            "incident 1 -> 10 %, 5 min, weights 5-25-50": steps,
            "incident in the stable's history": replace(scene, past_incident=(1500, 1800)),
            "errors 1 -> 25 %: found": replace(scene, canary_errors=0.25),
            "errors 1 -> 5 %: found": replace(scene, canary_errors=0.05),
            "errors 1 -> 2 %: found": replace(scene, canary_errors=0.02),
        }
        for place, (name, cell) in enumerate(cells.items()):
            found = simulate(cell, Rule(), count, seed + place)
            tables.add(Row.of(name, found.failed, found.failed_rows, goals[place]))
            if cell.burst > 1:
                plain = simulate(cell, Rule(dispersion=False), count, seed + place)
                tables.add(Row.of("    the same without dispersion", plain.failed, None, WITHOUT[rate, cell.spread]))


GOALS_1 = (".0015", ".000", ".004", ".0015", "<= .003", "1.000, 47 s, 46", "1.000, 312 s, 316", ".395")
GOALS_10 = (".003", ".007", ".010", ".005", "<= .006", "1.000, 5 s, 45", "1.000, 29 s, 283", "1.000, 190 s, 1,884")
WITHOUT = {(1, 1): ".19", (1, 20): ".23", (10, 1): ".52", (10, 20): ".47"}
"""Goals without dispersion, by rate and spread of the bursts."""


def earlier_table(tables: Tables, count: int, seed: int) -> None:
    """The figures that peers' shapes are compared with: blocks and looks of 30 s, no dispersion factor."""
    tables.table("An hour, blocks and looks of 30 s, no dispersion factor")
    plain = Rule(grid=30, dispersion=False)
    for rate, goal in ((0.1, ".00"), (1, ".02"), (10, ".04")):
        scene = Scene(rate * 10, seconds=3600)
        for alpha, bound in ((0.05, goal), (0.01, "<= .012")):
            found = simulate(scene, replace(plain, alpha=alpha), count, seed)
            tables.add(
                Row.of(f"identical, {rate:g} rows/s, alpha {alpha:g}: false rollbacks", found.failed, None, bound)
            )
    steps = Scene(10, seconds=3600, weights=(0.05, 0.25, 0.5), incident=(1050, 1350))
    found = simulate(steps, replace(plain, alpha=0.05), count, seed)
    tables.add(Row.of("incident, weights 5-25-50, alpha .05: false rollbacks", found.failed, None, ".03"))
    loss = replace(plain, margin=0.02, loss=True)
    accuracy = Scene(10, 0.1, 0.1, seconds=7200)
    pairs = [
        ("errors 1 %, margin 1 point", replace(accuracy, canary_errors=0.01, stable_errors=0.01), plain),
        ("accuracy 90 %, margin 2 points", accuracy, loss),
    ]
    goals = iter([".994 in 1,310", "<= .05", ".991 in 1,790", "<= .05", ".973 in 2,440"])
    tables.table("Two hours, blocks and looks of 30 s, no dispersion factor, canary 1 row/s")
    for name, scene, rule in pairs:
        found = simulate(scene, rule, count, seed)
        tables.add(Row.of(f"equal, {name}: promoted", found.passed, found.passed_rows, next(goals)))
        worse = replace(scene, canary_errors=scene.stable_errors + rule.margin)
        found = simulate(worse, replace(rule, alpha=1e-9), count, seed)
        tables.add(Row.of(f"worse by it, {name}: promoted", found.passed, found.passed_rows, next(goals)))
    found = simulate(replace(accuracy, canary_errors=0.12), loss, count, seed)
    tables.add(Row.of("accuracy 90 -> 88 %: found", found.failed, found.failed_rows, next(goals)))


def preset_table(tables: Tables, count: int, seed: int) -> None:
    """What a sensitivity costs: the test of errors with its part of alpha, as shipped; canary 10 rows/s."""
    tables.table("Presets as shipped (errors have half of alpha), canary 10 rows/s, 30 min")
    for name in SENSITIVITIES:
        rule = Rule.of(PRESETS[name])
        cells = [("identical: false rollbacks", ERRORS), ("1 -> 2 %: found", 0.02), ("1 -> 5 %: found", 0.05)]
        for title, errors in cells:
            found = simulate(Scene(100, errors), rule, count, seed)
            tables.add(Row.of(f"{name}: {title}", found.failed, found.failed_rows))
            if errors == ERRORS:
                tables.add(Row.of(f"{name}: identical: promoted", found.passed, found.passed_rows))
        worse = ERRORS + PRESETS[name].errors.margin
        found = simulate(Scene(100, worse), rule, count, seed)
        bound = f"<= {PRESETS[name].beta:g}"
        tables.add(Row.of(f"{name}: worse by the margin ({worse:.1%}): promoted", found.passed, None, bound))
