"""Rollouts judged by the operator's own sums (`core/judgement/score.py`), all rollouts at once."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np
from pintle.core.judgement.history import WINDOW_SECONDS
from pintle.core.judgement.score import (
    RHO,
    W,
    control_dispersion,
    dispersion_lengths,
    log_evidence,
    mean_block,
    share_block,
    variance,
)
from pintle.core.judgement.score import S as SCORE
from pintle.core.judgement.settings import ERRORS, Settings
from pintle.core.judgement.weighing import Scores

from bench.judgement.streams import Arms, blocks


@dataclass(frozen=True)
class Rule:
    """How a stream is judged by Pintle."""

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
    late: bool = True
    """Late onsets are looked for, as the operator does for errors and missing values."""
    history: float | None = None
    """H, where it is not to be found from the stable's past."""

    @classmethod
    def of(cls, settings: Settings, grid: int = 1) -> Rule:
        """The test of errors as the operator makes it."""
        limits = settings.errors
        alpha = float(np.exp(-settings.fail_threshold(ERRORS)))
        return cls(alpha, settings.beta, limits.tolerated, limits.margin, settings.min_rows, grid)


@dataclass
class Outcome:
    """Per rollout [R]: when (seconds, infinite: never) and after how many canary rows it failed and passed."""

    failed: np.ndarray
    failed_rows: np.ndarray
    passed: np.ndarray
    passed_rows: np.ndarray

    @classmethod
    def never(cls, count: int) -> Outcome:
        return cls(*(np.full(count, fill) for fill in (np.inf, 0.0, np.inf, 0.0)))


def judge(canary: Arms, stable: Arms, past: Arms | None, rule: Rule, step: int = 1) -> Outcome:
    """The first verdict counts; a failed rollout cannot pass later. `past` is the stable's hour before."""
    size = rule.grid // step
    history = None
    if rule.history is not None:
        history = np.full(canary.rows.shape[1], rule.history)
    elif rule.dispersion and past is not None:
        history = past_dispersion(blocks(past, size), rule.grid)
    canary, stable = blocks(canary, size), blocks(stable, size)
    scores = Scores.of_grid(canary.rows.shape[1:], rule.grid, rule.late)
    found = Outcome.never(canary.rows.shape[1])
    rows = np.zeros(canary.rows.shape[1])
    for block in range(len(canary.rows)):
        x1, n1, x0, n0 = canary.bad[block], canary.rows[block], stable.bad[block], stable.rows[block]
        scores.add(mean_block(n1, x1, x1, n0, x0, x0) if rule.loss else share_block(x1, n1, x0, n0), block)
        rows += n1
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
        return scores.evidence(rule.tolerated, rule.margin, history)[:2]
    s, w = scores.total[..., SCORE], scores.total[..., W]
    one = np.ones_like(s)
    worse = log_evidence(s - rule.tolerated * w, variance(scores.total, rule.tolerated), one, RHO)
    return worse, log_evidence(rule.margin * w - s, variance(scores.total, rule.margin), one, RHO)


def past_dispersion(arm: Arms, grid: int = 1) -> np.ndarray:
    """H [R] from blocks of the past: as `history.stable_dispersion`, for all rollouts at once."""
    size = int(WINDOW_SECONDS) // grid
    windows = [
        control_dispersion(arm.bad[start : start + size].T, arm.rows[start : start + size].T, dispersion_lengths(grid))
        for start in range(0, len(arm.rows), size)
    ]
    found = np.array(windows)
    found[:, np.isnan(found).all(axis=0)] = 1.0
    return np.asarray(np.nanmedian(found, axis=0))
