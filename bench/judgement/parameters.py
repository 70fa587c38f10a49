"""What each parameter of rollout.advanced costs: Balanced with one of them changed, on the same simulated rollouts.

    python -m bench.judgement.parameters [--rollouts N] [--seed N]

30 minutes, canary 5 rows/s beside 45, 1 % errors, a block and a look every second. Rows are the canary's, medians of
those that got there.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from pintle.core.judgement.facts import PodFacts
from pintle.core.judgement.restarts import restarts_result
from pintle.core.judgement.score import passing, share_block
from pintle.core.judgement.settings import BALANCED, ERRORS, PRESETS, Limits, Settings
from pintle.core.judgement.verdict import FAIL, PASS
from pintle.core.judgement.weighing import Scores

from bench.judgement.staying import CANARY, SECONDS, STABLE, Counts, Scene, arm, history

PLAIN = PRESETS[BALANCED]
SHARE = 0.01
CHANGED: dict[str, Settings] = {
    "Balanced": PLAIN,
    "alpha 0.1": replace(PLAIN, alpha=0.1),
    "alpha 0.001": replace(PLAIN, alpha=0.001),
    "beta 0.2": replace(PLAIN, beta=0.2),
    "beta 0.01": replace(PLAIN, beta=0.01),
    "minRows 2000": replace(PLAIN, min_rows=2000),
    "errors.tolerated 0.002": replace(PLAIN, errors=Limits(0.002, 0.01)),
    "errors.tolerated 0.005": replace(PLAIN, errors=Limits(0.005, 0.01)),
    "errors.margin 0.005": replace(PLAIN, errors=Limits(0.0, 0.005)),
    "errors.margin 0.02": replace(PLAIN, errors=Limits(0.0, 0.02)),
}
SCENES = {
    "equal": Scene(SHARE, SHARE),
    "1 -> 1.5 %": Scene(SHARE, 0.015),
    "1 -> 2 %": Scene(SHARE, 0.02),
    "1 -> 5 %": Scene(SHARE, 0.05),
}


@dataclass
class Ends:
    """Per rollout [R]: canary rows at the first Fail, and at the first Pass before it; infinite where there is none."""

    failed: Counts
    passed: Counts


def ends(scene: Scene, count: int, rng: np.random.Generator) -> dict[str, Ends]:
    """By name of the settings, on the same streams."""
    known = history(scene, count, rng)
    x1, n1 = arm(scene, CANARY, np.full(SECONDS, scene.canary), count, rng)
    x0, n0 = arm(scene, STABLE, np.full(SECONDS, scene.stable), count, rng)
    scores, rows = Scores.of_grid((count,), 1), np.zeros(count)
    found = {name: Ends(*np.full((2, count), np.inf)) for name in CHANGED}
    none, yes = np.zeros(count), np.ones(count, dtype=bool)
    for block in range(SECONDS):
        scores.add(share_block(x1[block], n1[block], x0[block], n0[block]), block)
        rows += n1[block]
        for name, settings in CHANGED.items():
            limits, ended = settings.errors, found[name]
            worse, close, *_ = scores.evidence(limits.tolerated, limits.margin, known)
            enough = yes & (rows >= settings.min_rows)
            shown = passing(none, close, settings.pass_threshold, enough, scores.difference(), limits.margin)
            fails = np.isinf(ended.failed) & (worse >= settings.fail_threshold(ERRORS))
            ended.failed[fails] = rows[fails]
            passes = np.isinf(ended.failed) & np.isinf(ended.passed) & (shown > 0)
            ended.passed[passes] = rows[passes]
    return found


def told(rows: Counts) -> str:
    """Share that got there, and median rows of those."""
    there = np.isfinite(rows)
    return f"{there.mean():.3f}" + (f" {np.median(rows[there]):>6.0f}" if there.mean() >= 0.5 else " " * 7)


def errors_table(count: int, seed: int) -> None:
    """False rollbacks and promotions of equal versions; rollbacks and promotions of worse ones."""
    heads = [f"{scene}: {what}" for scene in SCENES for what in ("Fail", "Pass")]
    print(f"\n{count} rollouts a cell, seed {seed}; share and median rows")
    print(f"  {'':<24}" + "".join(f"{head:>18}" for head in heads), flush=True)
    sizes = [min(500, count - start) for start in range(0, count, 500)]
    cells: dict[str, list[str]] = {name: [] for name in CHANGED}
    for place, scene in enumerate(SCENES.values()):
        rng = np.random.default_rng([seed, place])
        parts = [ends(scene, size, rng) for size in sizes]
        for name in CHANGED:
            for what in ("failed", "passed"):
                cells[name].append(told(np.concatenate([getattr(part[name], what) for part in parts])))
    for name, texts in cells.items():
        print(f"  {name:<24}" + "".join(f"{text:>18}" for text in texts), flush=True)


def restarts_table() -> None:
    """Exact: so many kills of a pod fail beside a stable without any; so long without one passes."""
    print("\nrestarts: one canary pod, one stable pod without an event")
    print(f"  {'':<40}{'kills in 10 min that fail':>28}{'pod-minutes to Pass':>24}")
    limits = PLAIN.restarts
    changed = {
        "Balanced, tolerated four times": replace(PLAIN, restarts=Limits(limits.tolerated * 4, limits.margin)),
        "Balanced, tolerated a quarter": replace(PLAIN, restarts=Limits(limits.tolerated / 4, limits.margin)),
        "Balanced, margin a fifth": replace(PLAIN, restarts=Limits(limits.tolerated, limits.margin / 5)),
    }
    for name, settings in {**PRESETS, **changed}.items():
        kills = next(n for n in range(1, 100) if verdict(settings, n, 600) == FAIL)
        calm = next(minutes for minutes in range(1, 1000) if verdict(settings, 0, minutes * 60) == PASS)
        print(f"  {name:<40}{kills:>28}{calm:>24}")


def verdict(settings: Settings, kills: int, seconds: float) -> str:
    facts = PodFacts(tested_restarts=kills, tested_pod_seconds=seconds, control_pod_seconds=seconds)
    return restarts_result(facts, True, settings).verdict


def main() -> None:
    parser = argparse.ArgumentParser(description="What each parameter of rollout.advanced costs")
    parser.add_argument("--rollouts", type=int, default=1000, help="per cell")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    restarts_table()
    errors_table(options.rollouts, options.seed)


if __name__ == "__main__":
    main()
