"""What the split of alpha costs, and how soon tests other than that of errors find something gross."""

from __future__ import annotations

import numpy as np
from pintle.core.judgement.history import UNKNOWN_DISPERSION
from pintle.core.judgement.settings import MISSING, SLOW, Settings

from bench.judgement.canary import OURS, OURS_ALONE, OURS_PASSED, cell
from bench.judgement.cells import Line, Table
from bench.judgement.engine import Rule
from bench.judgement.streams import Scene

FEATURES = (1, 20, 100)


def level_tables() -> list[Table]:
    """Canary 1 row/s beside 9 of the stable, as shipped (Balanced)."""
    settings = Settings()
    lines = [
        Line(f"errors 1 -> 25 %, alpha {alpha:g}: found", cell(Scene(10, 0.25), Rule(alpha=alpha), False), OURS_ALONE)
        for alpha in (0.05, 0.01, 0.005, 0.001)
    ]
    limits = settings.missing
    whole = float(np.exp(-settings.fail_threshold(MISSING)))
    for features in FEATURES:
        rule = Rule(whole / features, tolerated=limits.tolerated, margin=limits.margin, history=UNKNOWN_DISPERSION)
        job = cell(Scene(10, 1.0, 0.02), rule, False)
        lines.append(Line(f"1 of {features} features always missing: found", job, OURS_ALONE))
    rule = Rule(whole / 20, tolerated=limits.tolerated, margin=limits.margin, history=UNKNOWN_DISPERSION)
    job = cell(Scene(10, 0.02, 0.02), rule, False)
    lines.append(Line("a feature missing in 2 % of both: false rollbacks", job, OURS_ALONE))
    slow = settings.slow
    rule = Rule(float(np.exp(-settings.fail_threshold(SLOW))), tolerated=slow.tolerated, margin=slow.margin, late=False)
    for share in (0.03, 0.05, 0.10, 0.30):
        equal = share == 0.03
        word, picks = ("promoted", OURS_PASSED) if equal else ("found", OURS_ALONE)
        lines.append(Line(f"slow 3 -> {share:.0%}: {word}", cell(Scene(10, share, 0.03), rule, False), picks))
    title = "Other tests and levels, canary 1 row/s, share 10 %, Balanced, past of missing shares unknown"
    return [Table(title, (OURS,), tuple(lines))]
