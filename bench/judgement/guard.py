"""The guard after a rollout: the new version has all traffic but the previous one's holdback, or all of it."""

from __future__ import annotations

from dataclasses import replace
from math import erfc, log, sqrt

import numpy as np
from pintle.core.judgement.score import bound_block
from pintle.core.judgement.settings import Settings
from pintle.core.judgement.weighing import Scores

from bench.judgement.canary import OURS
from bench.judgement.cells import Findings, Job, Line, Table
from bench.judgement.drifting import noted
from bench.judgement.engine import Rule, judge
from bench.judgement.peers import Threshold
from bench.judgement.scrapes import Mishap, scraped
from bench.judgement.streams import Arms, Scene, blocks, past, rollouts

GRID = 15
HOLDBACK = f"{OURS}, holdback 5 %"
GROSS = f"{OURS}, no holdback"
BEFORE = "before and after, z"
ALONE = "success >= 95 %, 1 min, 3"
COLUMNS = (HOLDBACK, GROSS, BEFORE, ALONE)
RULE = Rule(alpha=0.01, grid=GRID)
SCENE = Scene(20, weights=(0.95,), seconds=3600)
INCIDENT = replace(SCENE, incident=(1200, 1500))
MISHAP = Mishap(interval=GRID)


def gross(arm: Arms, alpha: float) -> np.ndarray:
    """Seconds [R] to a rollback without a control: errors surely above the bound of gross failure."""
    bound, arm = Settings().gross_errors, blocks(arm, GRID)
    scores = Scores.of_grid(arm.rows.shape[1:], GRID)
    found = np.full(arm.rows.shape[1], np.inf)
    for block, (rows, bad) in enumerate(zip(arm.rows, arm.bad, strict=True)):
        scores.add(bound_block(bad, rows, bound), block)
        hit = scores.evidence(0.0, 0.0, 1.0)[0] >= log(1 / alpha)
        found = np.where(hit & np.isinf(found), (block + 1) * GRID, found)
    return found


def before_and_after(arm: Arms, before: Arms, alpha: float) -> np.ndarray:
    """Whether the hour is worse than the one before, by a z test at its end."""
    (x1, n1), (x0, n0) = ((part.bad.sum(axis=0), part.rows.sum(axis=0)) for part in (arm, before))
    pooled = (x1 + x0) / (n1 + n0)
    z = (x1 / n1 - x0 / n0) / np.sqrt(np.maximum(pooled * (1 - pooled) * (1 / n1 + 1 / n0), 1e-12))
    return np.array([erfc(value / sqrt(2)) / 2 < alpha for value in z])


def guarded(scene: Scene, count: int, rng: np.random.Generator) -> Findings:
    """An hour's guard, by all four."""
    before = scraped(past(scene, count, rng), "stable", MISHAP, rng)
    new, old = rollouts(scene, count, rng)
    new, old = scraped(new, "canary", MISHAP, rng), scraped(old, "stable", MISHAP, rng)
    compared = judge(new, old, before, RULE).failed
    whole = Arms(new.rows + old.rows, new.bad + old.bad) if scene.canary_errors == scene.stable_errors else new
    alone = Threshold().judge(whole, old).failed
    nothing = [0.0] * count
    return {
        HOLDBACK: (compared.tolist(), nothing),
        GROSS: (gross(whole, RULE.alpha).tolist(), nothing),
        BEFORE: noted(before_and_after(whole, before, RULE.alpha)),
        ALONE: (alone.tolist(), nothing),
    }


def guard_tables() -> list[Table]:
    """20 rows/s."""
    cells = {
        "the same version": SCENE,
        "the same version, an incident 1 -> 10 % of 5 min": INCIDENT,
        "errors 1 -> 5 %: found": replace(SCENE, canary_errors=0.05),
        "errors 1 -> 5 %, the same incident: found": replace(INCIDENT, canary_errors=0.05),
        "errors 1 -> 50 %: found": replace(SCENE, canary_errors=0.5),
    }
    lines = tuple(
        Line(name, Job(guarded, (scene,), chunk=100), tuple((column, column) for column in COLUMNS))
        for name, scene in cells.items()
    )
    return [Table("An hour's guard, 20 rows/s, scraped every 15 s, alpha .01: rollbacks", COLUMNS, lines)]
