"""Twenty rollouts at once on the cluster, behind one gateway: make bench-live. What the judgement finds there.

- identical: another version that is the same; promoted
- errors: a share of failed requests of 1 % becomes 5 %; rolled back
- labels: 10 % of the predictions turn out wrong, of the new version's 15 %, known 20 s later; promotion waits for
  labels; rolled back
- shift, still: identical versions whose rows have moved by 1 (by 0.1) standard deviation in one feature; drift is
  found (is not), and the rollout goes on

Slow requests and restarts are judged as dry runs: what is slow is the machine that all of them share. Prometheus is
away for a while in the middle of all of them. Error rates come from `make bench-judgement`; here every
verdict is shown with the canary's rows beside the median of simulated rollouts of the same rate, weight and rule.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from pintle.core.judgement.settings import LOSS, settings_for

from bench.arena import namespace
from bench.judgement.engine import Rule, judge
from bench.judgement.streams import Scene, past, rollouts
from bench.live.cases import KINDS, WEIGHT, Case, Kind, begun, spec
from bench.live.traffic import traffic
from bench.report import Report, arguments
from e2e.cluster.access import access
from e2e.kubectl import Kubectl, condition
from e2e.story.feedback import services
from e2e.tests.conftest import World

Obj = dict[str, Any]
SIMULATED = 500


def main() -> int:
    parser = arguments(__doc__ or "")
    parser.add_argument("--per-second", type=float, default=8.0, help="requests to each deployment")
    parser.add_argument("--before", type=float, default=630.0, help="seconds of traffic before the rollouts")
    parser.add_argument("--away", type=float, default=15.0, help="seconds without Prometheus")
    parser.add_argument("--patience", type=float, default=1500.0, help="seconds until every rollout is decided")
    names = [kind.name for kind in KINDS]
    parser.add_argument("--only", choices=names, metavar="KIND", help=f"one kind of rollout: {', '.join(names)}")
    options = parser.parse_args()
    kinds = [kind for kind in KINDS if options.only in (None, kind.name)]
    doors = access()
    with namespace(doors.kubeconfig, "live") as kube, services(kube) as root:
        cases = list(begun(kube, World(doors.kubeconfig, doors.gateway, doors.prometheus), root, kinds))
        limit = options.before + options.patience + 120
        with traffic([case.client for case in cases], options.per_second, limit):
            pause("the stable versions answer", options.before)
            drifts = run(cases, kube, options)
    return told(cases, drifts, options)


def run(cases: Sequence[Case], kube: Kubectl, options: argparse.Namespace) -> dict[str, str]:
    """Asks for the new versions, takes Prometheus away once, and waits for a decision on each; FeatureDrift by name."""
    for case in cases:
        case.rolling.apply(case.kind.canary, **spec(case.kind))
        case.began = time.monotonic()
    drifts: dict[str, str] = {}
    absent = False
    deadline = time.monotonic() + options.patience
    while time.monotonic() < deadline and not all(case.entry for case in cases):
        statuses = {item["metadata"]["name"]: item for item in kube.list("mdep")}
        for case in cases:
            look(case, statuses[case.rolling.name], drifts)
        on_trial = [item for item in statuses.values() if (item["status"].get("canary") or {}).get("weight")]
        if not absent and len(on_trial) + sum(case.entry is not None for case in cases) == len(cases):
            absent = True
            without_prometheus(kube, options.away)
        time.sleep(2.0)
    return drifts


def look(case: Case, found: Obj, drifts: dict[str, str]) -> None:
    drift = condition(found, "FeatureDrift")
    # Found once is found; and a revision that has just been promoted is not known yet, which takes nothing back.
    if drift and drifts.get(case.rolling.name) != "True" and drift["status"] != "Unknown":
        drifts[case.rolling.name] = drift["status"]
    for entry in found["status"].get("history") or ():
        if case.entry is None and entry["action"] in ("Promote", "Rollback") and entry["version"] == case.kind.canary:
            case.entry, case.seconds = entry, time.monotonic() - case.began
            figures = f"{entry.get('rule') or ''} after {entry.get('rows') or '?'} rows, {case.seconds:.0f} s"
            print(f"  {case.rolling.name}: {entry['action']} {figures}", flush=True)


def without_prometheus(kube: Kubectl, seconds: float) -> None:
    """The pod is deleted, and so is all that it knew; a new one comes a while later."""
    there = Kubectl(kube.kubeconfig, "monitoring")
    print(f"  Prometheus is away for {seconds:.0f} s", flush=True)
    there.run("scale", "deployment/prometheus", "--replicas=0")
    try:
        time.sleep(seconds)
    finally:
        there.run("scale", "deployment/prometheus", "--replicas=1")
        there.run("rollout", "status", "deployment/prometheus", "--timeout=120s", timeout=130)


def told(cases: Sequence[Case], drifts: dict[str, str], options: argparse.Namespace) -> int:
    report = Report(
        f"{len(cases)} rollouts at once: {options.per_second:g} requests/s each, canary {WEIGHT} %, Balanced, "
        f"Prometheus away for {options.away:.0f} s"
    )
    wrong = []
    for kind in (kind for kind in KINDS if any(case.kind == kind for case in cases)):
        mine = [case for case in cases if case.kind == kind]
        right = [case for case in mine if case.right]
        report.add(f"{kind.name}: {kind.action} {kind.rule}", "", [len(right)], f"of {len(mine)}")
        rows = [float(case.entry["rows"]) for case in right if case.entry and case.entry.get("rows")]
        if rows:
            report.add(f"{kind.name}: canary rows at the verdict", "", rows, simulated(kind, options.per_second))
        wrong += [
            f"{case.rolling.name}: {case.entry or case.rolling.status()}"[:600] for case in mine if not case.right
        ]
        wrong += [
            f"{case.rolling.name}: FeatureDrift={drifts.get(case.rolling.name)}, not {kind.drift}"
            for case in mine
            if kind.drift and drifts.get(case.rolling.name) != kind.drift
        ]
        wrong += [f"{case.rolling.name}: labels: {case.client.refused[0]}" for case in mine if case.client.refused]
        if kind.drift:
            seen = [case for case in mine if drifts.get(case.rolling.name) == kind.drift]
            report.add(f"{kind.name}: FeatureDrift={kind.drift}", "", [len(seen)], f"of {len(mine)}")
    report.finish(options.json)
    for line in wrong:
        print(f"not as it should be: {line}", flush=True)
    return 1 if wrong else 0


def simulated(kind: Kind, per_second: float) -> str:
    """Median rows of simulated rollouts of this kind."""
    settings = settings_for("Balanced", kind.advanced)
    shares = {"errors": (0.05, 0.01), LOSS: (0.15, 0.10)}.get(kind.rule)
    rng = np.random.default_rng(5)
    bad, good = shares or (1e-9, 1e-9)
    scene = Scene(per_second, bad, good, weights=(WEIGHT / 100,))
    canary, stable = rollouts(scene, SIMULATED, rng)
    rule = Rule.of(settings)
    if kind.rule == LOSS:
        limits = settings.loss
        alpha = float(np.exp(-settings.fail_threshold(LOSS)))
        rule = Rule(alpha, settings.beta, limits.tolerated, limits.margin, settings.min_rows, loss=True)
    found = judge(canary, stable, past(scene, SIMULATED, rng), rule)
    rows = found.failed_rows if shares else found.passed_rows
    when = found.failed if shares else found.passed
    reached = rows[np.isfinite(when)]
    return f"simulated: median {np.median(reached):.0f} ({len(reached)} of {SIMULATED})" if len(reached) else ""


def pause(what: str, seconds: float) -> None:
    """Long work shows progress."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        print(f"  {what}; {left:.0f} s to go", flush=True)
        time.sleep(min(60.0, left))


if __name__ == "__main__":
    raise SystemExit(main())
