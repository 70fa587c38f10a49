"""What real life does to a rollout that was only ever simulated: everything at the default scrape interval of 15 s.

Pods are scraped each at a moment of its own, so that an incident begins for one of them a block before the other.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.judgement.canary import COLUMNS, FAILED, OURS, PEERS, findings
from bench.judgement.cells import Findings, Job, Line, Table
from bench.judgement.engine import Rule, judge
from bench.judgement.scrapes import Mishap, scraped
from bench.judgement.streams import DAY, Scene, past, rollouts

GRID = 15
RULE = Rule(alpha=0.01, grid=GRID)
NORMAL = Mishap(interval=GRID)
SCENE = Scene(100)
INCIDENT = replace(SCENE, incident=(600, 900))
WEIGHTS = (0.05, 0.25, 0.5)
LONG = Scene(10, daily=0.8, seconds=DAY, step=GRID)
WEEK = replace(LONG, weekend=0.3, seconds=7 * DAY, step=60)

CASES: dict[str, tuple[Scene, Mishap]] = {
    "as it should be": (SCENE, NORMAL),
    **{
        f"bursts of {size} within {spread} s": (replace(SCENE, burst=size, spread=spread), NORMAL)
        for size in (5, 10, 20, 50)
        for spread in (1, 20)
    },
    "a day, traffic x 0.2 to 1.8, errors against it": (LONG, NORMAL),
    "a week of such days, weekends x 0.3": (WEEK, NORMAL),
    "an incident of 5 min hits both": (INCIDENT, NORMAL),
    "the same while weights go 5-25-50": (replace(SCENE, weights=WEIGHTS, incident=(500, 800)), NORMAL),
    "weights 50-5-50-5-50-5, two changes in the incident": (
        replace(SCENE, weights=(0.5, 0.05) * 3, incident=(550, 950)),
        NORMAL,
    ),
    "every pod restarts every 5 min": (SCENE, replace(NORMAL, restart_seconds=300)),
    "every pod restarts every minute": (SCENE, replace(NORMAL, restart_seconds=60)),
    **{f"{lost:.0%} of the scrapes lost": (SCENE, replace(NORMAL, lost=lost)) for lost in (0.01, 0.05, 0.1, 0.2)},
    "20% lost, an incident hits both": (INCIDENT, replace(NORMAL, lost=0.2)),
    **{
        f"the canary's clock is {skew} s late, incident": (INCIDENT, replace(NORMAL, skew=skew)) for skew in (2, 15, 60)
    },
    "a pod of the canary hides its errors": (SCENE, replace(NORMAL, liar="canary")),
    "a pod of the stable hides its errors": (SCENE, replace(NORMAL, liar="stable")),
    "no traffic for an hour": (replace(SCENE, gap=(900, 4500), seconds=5400), NORMAL),
    **{f"{rate:,} rows/s, the canary a tenth": (Scene(rate), NORMAL) for rate in (1, 10, 1_000, 10_000)},
    **{f"error rate {errors:g}": (Scene(100, errors, errors), NORMAL) for errors in (1e-4, 1e-3, 0.1, 0.3, 0.5)},
}
FIVE_MORE = 0.1
"""Errors grow fivefold, by this at most."""


def befallen(scene: Scene, mishap: Mishap, rule: Rule, count: int, rng: np.random.Generator) -> Findings:
    """Ours and the others', on what scrapes show of the streams."""
    before = past(scene, count, rng)
    canary, stable = rollouts(scene, count, rng)
    if scene.step == 1:
        before, stable = (scraped(arm, "stable", mishap, rng) for arm in (before, stable))
        canary = scraped(canary, "canary", mishap, rng)
    found = findings(OURS, judge(canary, stable, before, rule, scene.step))
    for name, peer in PEERS.items():
        found |= findings(name, peer.judge(canary, stable, scene.step))
    return found


def job(scene: Scene, mishap: Mishap) -> Job:
    rule = replace(RULE, grid=max(GRID, scene.step))
    return Job(befallen, (scene, mishap, rule), chunk=max(25, min(250, 250 * 3600 * scene.step // scene.seconds)))


def worse(scene: Scene) -> Scene:
    errors = min(5 * scene.stable_errors, scene.stable_errors + FIVE_MORE)
    return replace(scene, canary_errors=errors)


def robust_tables() -> list[Table]:
    """Identical revisions, then a canary with five times the errors."""
    rows = "canary 10 rows/s, 30 min, scraped every 15 s, alpha .01"
    same = tuple(Line(name, job(*case), FAILED, "<= .01") for name, case in CASES.items())
    found = tuple(
        Line(f"{name}: {scene.stable_errors:g} to {worse(scene).canary_errors:g}", job(worse(scene), mishap), FAILED)
        for name, (scene, mishap) in CASES.items()
    )
    return [
        Table(f"Identical revisions, false rollbacks; {rows}", COLUMNS, same),
        Table(f"Five times the errors (10 points more at most), found; {rows}", COLUMNS, found),
    ]
