"""What verdicts are worth: error rates of rollbacks, promotions and drift alarms, simulated (make bench-judgement).

The sums are the operator's own code (`core/judgement`), over thousands of rollouts at once, on all cores. Every table
has the rules of others and its goal beside it; docs/judgement.md says what the figures mean. What is finished is kept
in a folder (`--state`), so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
# A process per core is what there is: no threads of numpy's own.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from bench.judgement import canary, cost, drifting, flights, guard, late, levels, live, raw, robust
from bench.judgement.cells import OutOfTime, Runner, Store, Table, Words
from bench.judgement.table import Printed
from bench.report import arguments

QUICK = 200
STATE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pintle" / "bench-judgement"
PARTS: dict[str, Callable[[], Sequence[Table | Words]]] = {
    "canary": canary.main_tables,
    "earlier": canary.earlier_tables,
    "presets": canary.preset_tables,
    "late": late.late_tables,
    "levels": levels.level_tables,
    "robust": robust.robust_tables,
    "raw": raw.raw_tables,
    "guard": guard.guard_tables,
    "drift": drifting.drift_tables,
    "flights": flights.flight_tables,
    "live": live.live_words,
    "cost": cost.cost_words,
}


def main() -> int:
    parser = arguments("Error rates of the judgement, simulated")
    parser.add_argument("--rollouts", type=int, default=2000, help="per cell")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} rollouts a cell, nothing is kept")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[1], help="ours is printed for each, others' for the first"
    )
    parser.add_argument("--vary", action="store_true", help="one more seed, drawn anew")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="some of the parts")
    parser.add_argument("--state", type=Path, default=STATE, help="where finished chunks are kept")
    parser.add_argument("--seconds", type=float, help="stop after so long; the same command goes on")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    seeds = (*options.seeds, secrets.randbelow(10**6)) if options.vary else tuple(options.seeds)
    trials = QUICK if options.quick else options.rollouts
    runner = Runner(trials, Store(None if options.quick else options.state), options.seconds, options.processes)
    printed = Printed("Judgement, simulated", seeds)
    printed.begin(
        f"{trials} rollouts a cell, seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}",
        "share (its 95 % interval, binomial, Wilson), median time and rows to it where more than half were found",
    )
    try:
        for part in options.only:
            for item in PARTS[part]():
                printed.show(item, runner)
    except OutOfTime:
        return 3
    finally:
        printed.finish(options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
