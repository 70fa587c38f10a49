"""The same from raw samples: pods with scrape phases of their own, lost scrapes, restarts, through `Trial` itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from pintle.contract import metrics as names
from pintle.core.judgement.counters import LOOKBACK_SCRAPES
from pintle.core.judgement.history import control_history
from pintle.core.judgement.samples import RawSeries
from pintle.core.judgement.settings import ERRORS, Settings
from pintle.core.judgement.trial import Trial
from pintle.core.judgement.verdict import FAIL

from bench.judgement.cells import Findings, Job, Line, Table
from bench.judgement.scrapes import PODS, Mishap
from bench.judgement.streams import HISTORY, Arms, Scene, past, rollouts

ORIGIN = 1_000_000.0
SETTINGS = Settings(alpha=0.01, grid_seconds=1, tests=(ERRORS,))
OURS = "Pintle"
RAW = 0.025
"""Of so many rollouts as asked for: one by one they are slow."""


def samples(arm: Arms, revision: str, start: float, mishap: Mishap, rng: np.random.Generator) -> list[RawSeries]:
    """Series of ok and failed requests of the pods of one revision; `arm` has one rollout, [T, 1], from `start` on."""
    rows, bad = (part[:, 0].astype(np.int64) for part in (arm.rows, arm.bad))
    found = []
    left = PODS[revision]
    for pod in range(PODS[revision]):
        mine, mine_bad = (rng.binomial(part, 1 / left) for part in (rows - bad, bad))
        rows, bad, left = rows - mine - mine_bad, bad - mine_bad, left - 1
        found += _pod(f"{revision}-{pod}", revision, mine, mine_bad, start, mishap, rng)
    return found


def _pod(
    pod: str, revision: str, ok: np.ndarray, bad: np.ndarray, start: float, mishap: Mishap, rng: np.random.Generator
) -> list[RawSeries]:
    # From LOOKBACK scrapes before the start on, where nothing has been counted yet.
    lead = np.zeros(LOOKBACK_SCRAPES, dtype=np.int64)
    ok, bad = (np.concatenate([lead, part]) for part in (ok, bad))
    times = start - LOOKBACK_SCRAPES + np.arange(len(ok)) + rng.random()
    kept = rng.random(len(ok)) >= mishap.lost
    restarts = np.zeros(len(ok), dtype=bool)
    if mishap.restart_seconds:
        restarts = rng.random(len(ok)) < 1 / mishap.restart_seconds
    began = np.maximum.accumulate(np.where(restarts, np.arange(len(ok)), 0))
    found = []
    for result, counts in (("ok", ok), ("server_error", bad)):
        total = np.cumsum(counts)
        # A restart comes at the beginning of a second: the process has counted from there on.
        values = (total - (total - counts)[began] * (began > 0))[kept].astype(np.float64)
        labels = {"revision": revision, "pod": pod, "result": result, "route": "default", "job": "pods"}
        found.append(RawSeries(names.REQUESTS, labels, times[kept], values))
    return found


def judged(scene: Scene, mishap: Mishap, rng: np.random.Generator) -> tuple[float, float]:
    """One rollout, looked at every second: seconds to Fail (infinite: never) and canary rows by then."""
    before = past(scene, 1, rng)
    return through_trial(before, *rollouts(scene, 1, rng), mishap, rng)


def through_trial(
    before: Arms, canary: Arms, stable: Arms, mishap: Mishap, rng: np.random.Generator
) -> tuple[float, float]:
    """The same for streams [T, 1] that are known."""
    past_series = samples(before, "stable", ORIGIN - HISTORY, mishap, rng)
    history = control_history(past_series, "stable", ORIGIN, SETTINGS)
    series = samples(canary, "canary", ORIGIN, mishap, rng) + samples(stable, "stable", ORIGIN, mishap, rng)
    trial = Trial("canary", "stable", ORIGIN, SETTINGS, history)
    fed = [0] * len(series)
    for second in range(len(canary.rows)):
        until = ORIGIN + second + 1.25
        look = []
        for place, item in enumerate(series):
            end = int(item.times.searchsorted(until, "right"))
            look.append(
                RawSeries(item.metric, item.labels, item.times[fed[place] : end], item.values[fed[place] : end])
            )
            fed[place] = end
        trial.feed(look, until)
        judgement = trial.judgement(until)
        if judgement.verdict == FAIL:
            return second + 1.0, judgement.rows
    return np.inf, 0.0


def judged_often(scene: Scene, mishap: Mishap, count: int, rng: np.random.Generator) -> Findings:
    """Rollouts one by one."""
    found = np.array([judged(scene, mishap, rng) for _ in range(count)])
    return {OURS: (found[:, 0].tolist(), found[:, 1].tolist())}


def raw_tables() -> list[Table]:
    """Canary 1 row/s; figures beside those of whole seconds above."""
    mishaps = {
        "": Mishap(),
        ", a tenth of the scrapes lost": Mishap(lost=0.1),
        ", restarts every 5 min": Mishap(restart_seconds=300),
    }
    scene = Scene(10)
    cells = (
        ("identical: false rollbacks", scene, "as above"),
        ("errors 1 -> 5 %: found", replace(scene, canary_errors=0.05), "1.000, 312 s, 316"),
        ("errors 1 -> 25 %: found", replace(scene, canary_errors=0.25), "1.000, 47 s, 46"),
    )
    lines = [
        Line(f"{name}{words}", Job(judged_often, (cell, mishap), chunk=5, trials=RAW), ((OURS, OURS),), goal)
        for words, mishap in mishaps.items()
        for name, cell, goal in cells
    ]
    title = "From raw samples, through `Trial` itself, 2 and 3 pods, canary 1 row/s, share 10 %, alpha .01, 30 min"
    return [Table(title, (OURS,), tuple(lines))]
