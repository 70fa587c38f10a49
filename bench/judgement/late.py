"""A canary that turns bad late: how soon that is found, with late onsets (core/judgement/onsets.py) and without."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.judgement.canary import OURS, PEERS, compared
from bench.judgement.cells import Findings, Job, Line, Table
from bench.judgement.engine import Outcome, Rule, judge
from bench.judgement.streams import Arms, Counts, Scene, past, rollouts

GRID = 15
RULE = Rule(alpha=0.01, grid=GRID)
WHOLE = f"{OURS}, whole rollout only"
COLUMNS = (OURS, WHOLE, *PEERS)
BETWEEN = 30
"""The turn lies half-way between two onsets."""
AFTER = {"from the beginning": 0, "10 min": 600 + BETWEEN, "1 h": 3600 + BETWEEN, "4 h": 4 * 3600 + BETWEEN}
WATCHED = 1800
"""Seconds after the turn that are simulated."""
RATE = 100


def turned(scene: Scene, good: int, rule: Rule, count: int, rng: np.random.Generator) -> Findings:
    """Rollouts whose canary is as good as the stable for `good` seconds, before what the scene says begins.

    When and rows are those since then; what was rolled back before it is not found.
    """
    before = past(scene, count, rng)
    canary, stable = rollouts(scene, count, rng)
    rows = np.zeros(count)
    if good:
        calm = rollouts(replace(scene, canary_errors=scene.stable_errors, seconds=good), count, rng)
        canary, stable = _joined(calm[0], canary), _joined(calm[1], stable)
        rows = calm[0].rows.sum(axis=0)
    found = {
        OURS: judge(canary, stable, before, rule, scene.step),
        WHOLE: judge(canary, stable, before, replace(rule, late=False), scene.step),
        **{name: peer.judge(canary, stable, scene.step) for name, peer in PEERS.items()},
    }
    return {f"{name} failed": _since(outcome, good, rows) for name, outcome in found.items()}


def _joined(first: Arms, second: Arms) -> Arms:
    return Arms(np.concatenate([first.rows, second.rows]), np.concatenate([first.bad, second.bad]))


def _since(found: Outcome, good: int, rows: Counts) -> tuple[list[float], list[float]]:
    later = found.failed > good
    when = np.where(later, found.failed - good, np.inf)
    return when.tolist(), np.where(later, found.failed_rows - rows, 0.0).tolist()


def late_tables() -> list[Table]:
    """Canary 10 rows/s of 100."""
    picks = tuple((column, f"{column} failed") for column in COLUMNS)
    lines = []
    for errors in (0.5, 0.25, 0.05, 0.02):
        for word, good in AFTER.items():
            scene = Scene(RATE, errors, seconds=WATCHED, step=GRID)
            chunk = max(25, min(250, 250 * 3600 // (good + WATCHED)))
            name = f"errors 1 -> {errors:.0%}, " + (f"after {word}" if good else word)
            lines.append(Line(name, Job(turned, (scene, good, RULE), chunk=chunk), picks))
    same = Scene(RATE, seconds=4 * 3600, step=GRID)
    alone = tuple((column, f"{column} failed") for column in (OURS, *PEERS))
    job = Job(compared, (same, RULE, True), chunk=100)
    lines.append(Line("identical for 4 h: false rollbacks", job, alone, "<= .01"))
    title = f"Canaries that turn bad late, 10 rows/s, share 10 %, scraped every {GRID} s, alpha .01: found since then"
    return [Table(title, COLUMNS, tuple(lines))]
