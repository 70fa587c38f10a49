"""Ours beside other Python model servers: the same model, each server alone on one core, the load on another.

    make bench-peers
    python bench/peers --only xgboost

Four models, a group each (groups.py): the trees as ONNX and in scikit-learn, XGBoost's and LightGBM's own files. Each
peer has an environment of its own, built from versions and hashes in `environments/` (Linux x86_64, Python 3.11), below
PINTLE_PEERS (default ~/.cache/pintle/peers). The servers of a group are asked in turn, so that a machine that changes
its pace hurts all alike. Fresh rows in every request. Ratios: median of ours, best of the peer.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.peers import environment
from bench.peers.groups import GROUPS, Group
from bench.peers.measuring import measure, measure_bursts, share_of_bare
from bench.peers.models import COLUMNS, TREES
from bench.peers.processes import pause, pss
from bench.peers.servers import Server
from bench.peers.telling import table, tell, tell_bursts, tell_ratios
from bench.report import Report, arguments


def main() -> None:
    parser = arguments("The model server beside others")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--repeat", type=int, default=3, help="measurements of each scenario and server")
    parser.add_argument("--only", choices=tuple(GROUPS), metavar="GROUP", help=f"one model: {', '.join(GROUPS)}")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("the bench needs wrk: a client in Python is slower than the servers")
    chosen = {name: group for name, group in GROUPS.items() if options.only in (None, name)}
    names = list(dict.fromkeys(name for group in chosen.values() for name in (environment.OURS, *group.environments)))
    for name in names:  # all of them before anything is measured, because an index may not answer
        environment.environment(name)
    report = Report(f"Model servers, {TREES} trees, {COLUMNS} numbers, one core each, load by wrk on another")
    servers: dict[str, Server] = {}
    for group in chosen.values():
        for server in run_group(report, group, options):
            servers[server.name] = server
    sizes = {name: environment.size(name) for name in names}
    for name, size in sizes.items():
        report.add(
            f"{name}: site-packages", "MB", [size], f"{environment.count(name)} packages {environment.version(name)}"
        )
    tell_ratios(report, servers)
    report.finish(options.json)
    print("\n" + "\n".join(table(servers, sizes)))


def run_group(report: Report, group: Group, options: argparse.Namespace) -> list[Server]:
    """Train the model, start its servers, ask them in turn; their figures go into the report."""
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        folder = Path(scratch)
        group.make(folder)
        servers = []
        for name, start in group.servers.items():
            servers.append(stack.enter_context(start(name, folder, cores[0])))
            pause(servers[-1].pid)
        os.sched_setaffinity(0, {cores[-1]})
        stack.callback(os.sched_setaffinity, 0, cores)
        for server in servers:
            report.add(f"{server.name}: process start to first 200", "s", [server.started])
        for scenario in group.scenarios:
            measure(servers, scenario, options.seconds, options.repeat)
            tell(report, servers, scenario.name)
        if group.bursts:
            measure_bursts(servers, options.seconds, options.repeat)
            tell_bursts(report, servers)
        for server in servers:
            server.pss = pss(server.pid)
            report.add(f"{server.name}: PSS after load", "MB", [server.pss])
        if group.binary:
            share_of_bare(report, servers[0], folder / "ours", cores[0], options.seconds, options.repeat)
    return servers


if __name__ == "__main__":
    main()
