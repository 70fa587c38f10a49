"""A Pass that was reached stays: what that gives a good canary, and how often it lets a bad one through.

    python -m bench.judgement.staying [--rollouts N] [--seed N]

30 minutes, a block and a look every second, canary 5 rows/s beside 45; Balanced, each test with its part of alpha.
Columns: false or true rollbacks; Pass at some look before a Fail (what JUDGEMENT's beta bounds); what would be promoted
at the end; the same if every look stood alone.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from math import log, sqrt
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import numpy.typing as npt
from pintle.core.judgement.score import control_dispersion, dispersion_lengths, passing, share_block
from pintle.core.judgement.settings import BALANCED, ERRORS, PRESETS, SLOW, Limits
from pintle.core.judgement.weighing import Scores

Counts = npt.NDArray[np.float64]
SECONDS, WINDOW = 1800, 600
CANARY, STABLE = 5.0, 45.0
"""Rows per second."""
LOOKS = "failed", "passed at some look", "Pass at the end", "if none stayed"


@dataclass(frozen=True)
class Scene:
    """What rollouts meet. Shares are of bad rows; bursts are rows that come in one second and are all alike."""

    stable: float
    canary: float
    later: float | None = None
    """The canary's share from the middle on."""
    burst: int = 1
    burst_from: int = 0
    """Second; before it, and in the stable's past, every row has an outcome of its own (0: bursts in the past, too)."""


def arm(scene: Scene, rate: float, share: Counts, count: int, rng: np.random.Generator) -> tuple[Counts, Counts]:
    """(bad, rows) [T, count] of one revision whose share of bad rows is `share` [T]."""
    size = np.where(np.arange(len(share)) >= scene.burst_from, scene.burst, 1)[:, None]
    bursts = rng.poisson(rate / size, (len(share), count))
    bad = rng.binomial(bursts, share[:, None])
    return (bad * size).astype(float), (bursts * size).astype(float)


def history(scene: Scene, count: int, rng: np.random.Generator) -> Counts:
    """H [count], from an hour of the stable."""
    past = replace(scene, burst=1 if scene.burst_from else scene.burst, burst_from=0)
    windows = []
    for _ in range(6):
        bad, rows = arm(past, CANARY + STABLE, np.full(WINDOW, scene.stable), count, rng)
        windows.append(control_dispersion(bad.T, rows.T, dispersion_lengths(1)))
    return np.asarray(np.nan_to_num(np.nanmedian(np.array(windows), axis=0), nan=1.0))


def judged(test: str, scene: Scene, limits: Limits, alpha: float, count: int, rng: np.random.Generator) -> list[float]:
    """Shares of rollouts, in the order of LOOKS."""
    settings = PRESETS[BALANCED]
    bound, known = log(1 / settings.beta), history(scene, count, rng)
    share = np.full(SECONDS, scene.canary)
    share[SECONDS // 2 :] = scene.canary if scene.later is None else scene.later
    x1, n1 = arm(scene, CANARY, share, count, rng)
    x0, n0 = arm(scene, STABLE, np.full(SECONDS, scene.stable), count, rng)
    scores = Scores.of_grid((count,), 1, test == ERRORS)
    rows, shown = np.zeros(count), np.zeros(count)
    failed, passed = np.zeros((2, count), dtype=bool)
    for block in range(SECONDS):
        scores.add(share_block(x1[block], n1[block], x0[block], n0[block]), block)
        rows += n1[block]
        worse, close, *_ = scores.evidence(limits.tolerated, limits.margin, known)
        enough = rows >= settings.min_rows
        shown = passing(shown, close, bound, enough, scores.difference(), limits.margin)
        failed |= worse >= log(1 / alpha)
        passed |= ~failed & (shown > 0)
    alone = ~failed & enough & (close >= bound)
    return [float(part.mean()) for part in (failed, passed, ~failed & (shown > 0), alone)]


def scenes(share: float, margin: float) -> dict[str, tuple[Scene, bool]]:
    """By name, with whether a Fail may come first: else beta has to hold by itself."""
    equal = Scene(share, share)
    bad = replace(equal, canary=share + margin)
    return {
        "identical": (equal, True),
        "identical, bursts of 20 in the past, too": (replace(equal, burst=20), True),
        "identical, bursts of 20 from 5 min on": (replace(equal, burst=20, burst_from=300), True),
        "worse by the margin, never rolled back": (bad, False),
        "the same, bursts of 20 in the past, too": (replace(bad, burst=20), False),
        "worse by the margin from 15 min on": (replace(equal, later=share + margin), True),
        "worse by twice the margin from 15 min on": (replace(equal, later=share + 2 * margin), True),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="A Pass stays: what it gives and what it costs")
    parser.add_argument("--rollouts", type=int, default=2000, help="per cell")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    count = options.rollouts
    settings = PRESETS[BALANCED]
    print(f"{count} rollouts a cell, seed {options.seed}; standard error of a share at most {0.5 / sqrt(count):.3f}")
    for test, share in ((ERRORS, 0.01), (SLOW, 0.03)):
        limits = settings.limits(test)
        print(f"\n{test}: {share:.0%} bad, tolerated {limits.tolerated:g}, margin {limits.margin:g}")
        print(f"  {'':<44}" + "".join(f"{name:>22}" for name in LOOKS), flush=True)
        for place, (name, (scene, fails)) in enumerate(scenes(share, limits.margin).items()):
            alpha = float(np.exp(-settings.fail_threshold(test))) if fails else 1e-12
            rng = np.random.default_rng([options.seed, place])
            sizes = [min(500, count - start) for start in range(0, count, 500)]
            parts = np.array([judged(test, scene, limits, alpha, size, rng) for size in sizes])
            found = np.average(parts, axis=0, weights=sizes)
            print(f"  {name:<44}" + "".join(f"{part:>22.4f}" for part in found), flush=True)


if __name__ == "__main__":
    main()
