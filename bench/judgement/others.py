"""What the split of alpha costs, and how soon tests other than that of errors find something gross."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from pintle.core.judgement.history import UNKNOWN_DISPERSION
from pintle.core.judgement.settings import MISSING, SLOW, Settings

from bench.judgement.canary import Rule, simulate
from bench.judgement.streams import Scene
from bench.judgement.table import Row, Tables

FEATURES = (1, 20, 100)


def others_table(tables: Tables, count: int, seed: int) -> None:
    """Canary 1 row/s beside 9 of the stable, as shipped (Balanced)."""
    settings = Settings()
    tables.table("Other tests and levels, canary 1 row/s, share 10 %, Balanced")
    for alpha in (0.05, 0.01, 0.005, 0.001):
        found = simulate(Scene(10, 0.25), Rule(alpha=alpha), count, seed)
        tables.add(Row.of(f"errors 1 -> 25 %, alpha {alpha:g}: found", found.failed, found.failed_rows))
    missing = settings.missing
    for features in FEATURES:
        alpha = float(np.exp(-settings.fail_threshold(MISSING))) / features
        rule = Rule(alpha, tolerated=missing.tolerated, margin=missing.margin, history=UNKNOWN_DISPERSION)
        found = simulate(Scene(10, 1.0, 0.02), rule, count, seed)
        name = f"1 of {features} features always missing, past unknown: found"
        tables.add(Row.of(name, found.failed, found.failed_rows))
    rule = replace(rule, alpha=float(np.exp(-settings.fail_threshold(MISSING))) / 20)
    equal = Scene(10, 0.02, 0.02)
    found = simulate(equal, rule, count, seed)
    tables.add(Row.of("a feature missing in 2 % of both, past unknown: false rollbacks", found.failed))
    slow = settings.slow
    alpha = float(np.exp(-settings.fail_threshold(SLOW)))
    rule = Rule(alpha, tolerated=slow.tolerated, margin=slow.margin)
    for share in (0.03, 0.05, 0.10, 0.30):
        found = simulate(Scene(10, share, 0.03), rule, count, seed)
        word = "promoted" if share == 0.03 else "found"
        when, rows = (found.passed, found.passed_rows) if share == 0.03 else (found.failed, found.failed_rows)
        tables.add(Row.of(f"slow 3 -> {share:.0%}: {word}", when, rows))
