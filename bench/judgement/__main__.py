"""What verdicts are worth: error rates of rollbacks, promotions and drift alarms, simulated (make bench-judgement).

The sums are the operator's own code (`core/judgement`), over thousands of rollouts at once. Every table has its goal
beside it; docs/judgement.md says what the figures mean.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.judgement import canary, drifting, others, raw
from bench.judgement.table import Tables
from bench.report import arguments

QUICK = 200


def main() -> None:
    parser = arguments("Error rates of the judgement, simulated")
    parser.add_argument("--rollouts", type=int, default=2000, help="per cell")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} rollouts a cell, a tenth of the days")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=("canary", "earlier", "presets", "others", "raw", "drift"), help="one part")
    options = parser.parse_args()
    count = QUICK if options.quick else options.rollouts
    tables = Tables("Judgement, simulated")
    tables.begin(f"{count} rollouts a cell, seed {options.seed}; the share's 95 % interval is binomial (Wilson)")
    parts = {
        "canary": lambda: canary.main_table(tables, count, options.seed),
        "earlier": lambda: canary.earlier_table(tables, count, options.seed),
        "presets": lambda: canary.preset_table(tables, count, options.seed),
        "others": lambda: others.others_table(tables, count, options.seed),
        "raw": lambda: raw.raw_table(tables, max(count // 40, 10), options.seed),
        "drift": lambda: drifting.every_table(tables, count, options.seed),
    }
    for name, part in parts.items():
        if options.only in (None, name):
            part()
    tables.finish(options.json)


if __name__ == "__main__":
    main()
