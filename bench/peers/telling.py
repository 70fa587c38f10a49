"""What is told: every figure of a server, ours against the targets, and the servers of all groups in one table."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.peers import groups
from bench.peers.environment import OURS
from bench.peers.groups import BURSTS, MANY_64, ONE_16, ONE_64
from bench.peers.servers import Server
from bench.report import Report

BEST_ONNX = (groups.KSERVE_ONNX, groups.BENTOML_ONNX, groups.LITSERVE_ONNX)
"""The target for the best peer with ONNX holds where it holds for each of them."""


@dataclass(frozen=True)
class Ratio:
    """How many times better ours is than a peer; `tail` compares p99 instead of requests per second."""

    ours: str
    peer: str
    scenario: str
    targets: str = ""
    tail: bool = False


RATIOS = (
    Ratio(groups.OURS, groups.MLSERVER, ONE_64.name, "set 30, stretch 60"),
    *(Ratio(groups.OURS, peer, ONE_64.name, "set 8, stretch 18") for peer in BEST_ONNX),
    Ratio(groups.OURS, groups.MLSERVER, ONE_16.name, "set 15, stretch 30", tail=True),
    *(Ratio(groups.OURS, peer, ONE_16.name, "set 4, stretch 8", tail=True) for peer in BEST_ONNX),
    Ratio(groups.OURS_SKLEARN, groups.BATCHING, ONE_64.name, "set 5, stretch 12"),
    *(
        Ratio(groups.OURS_SKLEARN, peer, ONE_64.name)
        for peer in (
            groups.KSERVE,
            groups.BENTOML,
            groups.BENTOML_BATCHING,
            groups.LITSERVE,
            groups.LITSERVE_BATCHING,
        )
    ),
    Ratio(groups.OURS, groups.MLSERVER, BURSTS, "set 20, stretch 40", tail=True),
    Ratio(groups.OURS, groups.MLSERVER, MANY_64.name, "set 3.5, stretch 5.5"),
    *(
        Ratio(ours, peer, scenario.name)
        for ours, peers in (
            (groups.OURS_XGBOOST, (groups.MLSERVER_XGBOOST, groups.KSERVE_XGBOOST)),
            (groups.OURS_LIGHTGBM, (groups.MLSERVER_LIGHTGBM, groups.KSERVE_LIGHTGBM)),
        )
        for peer in peers
        for scenario in (ONE_64, MANY_64)
    ),
)


def tell(report: Report, servers: Sequence[Server], scenario: str) -> None:
    """Requests per second, p99 and processor time of each server."""
    for server in servers:
        report.add(f"{server.name}: {scenario}", "req/s", server.per_second[scenario])
        report.add(f"{server.name}: {scenario}, p99", "ms", server.p99[scenario])
        report.add(f"{server.name}: {scenario}, processor time", "us/req", server.processor[scenario])


def tell_bursts(report: Report, servers: Sequence[Server]) -> None:
    """p99 of each server."""
    for server in servers:
        report.add(f"{server.name}: {BURSTS}, p99", "ms", server.p99[BURSTS])


def tell_ratios(report: Report, servers: Mapping[str, Server]) -> None:
    """Median of ours against the best of the peer, for the servers that were asked."""
    for ratio in RATIOS:
        if ratio.ours in servers and ratio.peer in servers:
            told = tell_tail if ratio.tail else tell_rate
            told(report, ratio, servers[ratio.ours], servers[ratio.peer])


def tell_rate(report: Report, ratio: Ratio, ours: Server, peer: Server) -> None:
    """Requests per second, and beside it the same by processor time, which other work takes nothing from."""
    name, scenario = f"{ours.name} / {peer.name}: {ratio.scenario}", ratio.scenario
    times = statistics.median(ours.per_second[scenario]) / peer.best(scenario)
    report.add(name, "times", [times], ratio.targets)
    spent = min(peer.processor[scenario]) / statistics.median(ours.processor[scenario])
    report.add(f"{name}, by processor time", "times", [spent])


def tell_tail(report: Report, ratio: Ratio, ours: Server, peer: Server) -> None:
    """p99 of the peer over ours."""
    times = min(peer.p99[ratio.scenario]) / statistics.median(ours.p99[ratio.scenario])
    report.add(f"p99 of {peer.name} / {ours.name}: {ratio.scenario}", "times", [times], ratio.targets)


def table(servers: Mapping[str, Server], sizes: Mapping[str, float]) -> list[str]:
    """One line a server, medians: requests per second and p99 in ms of each scenario, start, PSS, packages."""
    columns = (*(scenario.name for scenario in (ONE_16, ONE_64, MANY_64)), "ready s", "PSS MB", "packages MB")
    lines = [f"{'medians: req/s; p99 ms':<32}" + "".join(f"{column:>17}" for column in columns)]
    for name, server in servers.items():
        cells = [_cell(server, scenario.name) for scenario in (ONE_16, ONE_64, MANY_64)]
        cells += [f"{server.started:.1f}", f"{server.pss:.0f}", _size(name, sizes)]
        lines.append(f"{name:<32}" + "".join(f"{cell:>17}" for cell in cells))
    return lines


def _cell(server: Server, scenario: str) -> str:
    if scenario not in server.per_second:
        return "-"
    return f"{statistics.median(server.per_second[scenario]):,.0f}; {statistics.median(server.p99[scenario]):.1f}"


def _size(name: str, sizes: Mapping[str, float]) -> str:
    """Servers are named after their package first: `kserve, onnxruntime by hand`, `mlserver as it comes`."""
    package = name.replace(",", " ").split()[0]
    # the image that is measured serves ONNX; for other formats it is built with their libraries
    return f"{sizes[package]:.0f}" if package != OURS or name == groups.OURS else "-"
