"""Tables of rollouts: the error test of Pintle beside the rules of others, on the same streams."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from pintle.core.judgement.settings import PRESETS, SENSITIVITIES

from bench.judgement.cells import Findings, Job, Line, Table
from bench.judgement.engine import Outcome, Rule, judge
from bench.judgement.peers import RepeatedZ, Stepwise, Threshold
from bench.judgement.streams import ERRORS, Scene, past, rollouts

OURS = "Pintle"
PEERS = {
    "success >= 97.5 %, 1 min, 3": Threshold(0.975),
    "success >= 95 %, 1 min, 3": Threshold(0.95),
    "Flagger: 99 %, 10, 50/2": Stepwise(),
    "z test, every 30 s": RepeatedZ(),
}
"""Argo Rollouts' shape at the limit that the goals' figures belong to, and at that of its documentation."""
COLUMNS = (OURS, *PEERS)
FAILED = tuple((column, f"{column} failed") for column in COLUMNS)
PASSED = tuple((column, f"{column} passed") for column in COLUMNS[:-1])
"""A z test at every look has no way to pass."""
OURS_ALONE = ((OURS, f"{OURS} failed"),)
OURS_PASSED = ((OURS, f"{OURS} passed"),)


def findings(name: str, found: Outcome) -> Findings:
    """As cells keep it."""
    return {
        f"{name} failed": (found.failed.tolist(), found.failed_rows.tolist()),
        f"{name} passed": (found.passed.tolist(), found.passed_rows.tolist()),
    }


def compared(scene: Scene, rule: Rule, peers: bool, count: int, rng: np.random.Generator) -> Findings:
    """Ours, and beside it the others' on the same streams."""
    before = past(scene, count, rng) if rule.dispersion and rule.history is None else None
    canary, stable = rollouts(scene, count, rng)
    found = findings(OURS, judge(canary, stable, before, rule, scene.step))
    for name, peer in PEERS.items() if peers else ():
        found |= findings(name, peer.judge(canary, stable, scene.step))
    return found


def cell(scene: Scene, rule: Rule, peers: bool = True) -> Job:
    size = scene.seconds // scene.step
    return Job(compared, (scene, rule, peers), chunk=min(250, max(25, 250 * 3600 // size)))


def main_tables() -> list[Table]:
    """10 % canary share, alpha .01, 30 minutes, a look every second."""
    made = []
    for rate, goals in ((1, GOALS_1), (10, GOALS_10)):
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
        lines = []
        for (name, scene_), goal in zip(cells.items(), goals, strict=True):
            lines.append(Line(name, cell(scene_, Rule()), FAILED, goal))
            if scene_.burst > 1:
                plain = cell(scene_, Rule(dispersion=False), peers=False)
                without = WITHOUT[rate, scene_.spread]
                lines.append(Line(f"    over {scene_.spread} s, without dispersion", plain, OURS_ALONE, without))
        title = f"Canary {rate} row(s)/s, share 10 %, alpha .01, 30 min, a look every second"
        made.append(Table(title, COLUMNS, tuple(lines)))
    return made


GOALS_1 = (".0015", ".000", ".004", ".0015", "<= .003", "1.000, 47 s, 46", "1.000, 312 s, 316", ".395")
GOALS_10 = (".003", ".007", ".010", ".005", "<= .006", "1.000, 5 s, 45", "1.000, 29 s, 283", "1.000, 190 s, 1,884")
WITHOUT = {(1, 1): ".19", (1, 20): ".23", (10, 1): ".52", (10, 20): ".47"}
"""Goals without dispersion, by rate and spread of the bursts."""


def earlier_tables() -> list[Table]:
    """The figures that peers' shapes are compared with: blocks and looks of 30 s, no dispersion factor."""
    plain = Rule(grid=30, dispersion=False)
    lines = []
    for rate, goal, theirs in ((0.1, ".00", ".49, .29"), (1, ".02", ".94, .38"), (10, ".04", "0, .36")):
        scene = Scene(rate * 10, seconds=3600)
        for alpha, bound in ((0.05, f"{goal}; 97.5 % and z: {theirs}"), (0.01, "<= .012")):
            job = cell(scene, replace(plain, alpha=alpha), peers=alpha == 0.05)
            picks = FAILED if alpha == 0.05 else OURS_ALONE
            lines.append(Line(f"identical, {rate:g} rows/s, alpha {alpha:g}: false rollbacks", job, picks, bound))
    steps = Scene(10, seconds=3600, weights=(0.05, 0.25, 0.5), incident=(1050, 1350))
    job = cell(steps, replace(plain, alpha=0.05))
    lines.append(Line("incident, weights 5-25-50, alpha .05: false rb.", job, FAILED, ".03; 97.5 % and z: 1.00, 1.00"))
    return [
        Table("An hour, blocks and looks of 30 s, no dispersion factor", COLUMNS, tuple(lines)),
        _promotions(plain),
    ]


def _promotions(plain: Rule) -> Table:
    loss = replace(plain, margin=0.02, loss=True, late=False)
    accuracy = Scene(10, 0.1, 0.1, seconds=7200)
    few = replace(accuracy, canary_errors=0.01, stable_errors=0.01)
    goals = iter([".994 in 1,310", "<= .05", ".991 in 1,790", "<= .05", ".973 in 2,440"])
    lines = []
    pairs = [("1 % err., margin 1 point", few, plain), ("accuracy 90 %, 2 points", accuracy, loss)]
    for name, scene, rule in pairs:
        # Of accuracy others' success rates are another thing: their thresholds mean nothing there.
        peers = rule is plain
        picks = PASSED if peers else OURS_PASSED
        lines.append(Line(f"equal, {name}: promoted", cell(scene, rule, peers), picks, next(goals)))
        worse = replace(scene, canary_errors=scene.stable_errors + rule.margin)
        job = cell(worse, replace(rule, alpha=1e-9), peers)
        lines.append(Line(f"worse by it, {name}: promoted", job, picks, next(goals)))
    job = cell(replace(accuracy, canary_errors=0.12), loss)
    picks = (OURS_ALONE[0], FAILED[-1])
    lines.append(Line("accuracy 90 -> 88 %: found", job, picks, next(goals)))
    title = "Two hours, blocks and looks of 30 s, no dispersion factor, canary 1 row/s"
    return Table(title, COLUMNS, tuple(lines))


def preset_tables() -> list[Table]:
    """What a sensitivity costs: the test of errors with its part of alpha, as shipped; canary 10 rows/s."""
    lines = []
    for name in SENSITIVITIES:
        rule = Rule.of(PRESETS[name])
        for title, errors in (
            ("identical: false rollbacks", ERRORS),
            ("1 -> 2 %: found", 0.02),
            ("1 -> 5 %: found", 0.05),
        ):
            job = cell(Scene(100, errors), rule, peers=False)
            lines.append(Line(f"{name}: {title}", job, OURS_ALONE))
            if errors == ERRORS:
                lines.append(Line(f"{name}: identical: promoted", job, OURS_PASSED))
        worse = ERRORS + PRESETS[name].errors.margin
        job = cell(Scene(100, worse), rule, peers=False)
        bound = f"<= {PRESETS[name].beta:g}"
        lines.append(Line(f"{name}: worse by the margin ({worse:.1%}): promoted", job, OURS_PASSED, bound))
    return [Table("Presets as shipped (errors have half of alpha), canary 10 rows/s, 30 min", (OURS,), tuple(lines))]
