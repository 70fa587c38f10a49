"""The closing page: what exists, what it measured, where to look next."""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from e2e.demo import objects
from e2e.demo.compare import Comparison, Count
from e2e.demo.flights import PARTITIONS, REPLAY_MONTH, features
from e2e.demo.terminal import clock
from e2e.kubectl import condition

WIDTH = 100


@dataclass(frozen=True)
class Page:
    """Everything the page says."""

    trained: Mapping[str, Any]
    version: Mapping[str, Any]
    deployment: Mapping[str, Any]
    comparison: Comparison
    counts: Sequence[Count]
    times: Sequence[tuple[str, float]]
    url: str
    row: Mapping[str, Any]
    kubeconfig: str

    def __str__(self) -> str:
        parts = [("What exists", self._exists()), ("What it measured", self._measured())]
        parts += [("Where the time went", self._times()), ("Where to look next", self._next())]
        lines: list[str] = []
        for title, body in parts:
            lines += ["", f"── {title} ".ljust(WIDTH, "─"), *body]
        return "\n".join(lines)

    def _exists(self) -> list[str]:
        spec = self.version["spec"]
        spans = "; ".join(_span(item) for item in spec.get("datasets", []))
        stable = self.deployment.get("status", {}).get("stable", {})
        return [
            f"TrainingJob      {objects.NAME:<12} {_condition(self.trained, 'Succeeded')}",
            f"ModelVersion     {self.version['metadata']['name']:<12} {_condition(self.version, 'Ready')}",
            f"                 {spec['digest'][:23]}…  {spec['storageUri']}",
            *([f"                 {spans}"] if spans else []),
            f"ModelDeployment  {objects.NAME:<12} {_condition(self.deployment, 'Available')}",
            f"                 revision {stable.get('revision', '?')}, version {stable.get('version', '?')}, "
            f"{stable.get('readyReplicas', '?')} pods, {self.url}",
        ]

    def _measured(self) -> list[str]:
        found = self.comparison
        held = calendar.month_name[PARTITIONS[-1]]
        month = calendar.month_name[REPLAY_MONTH]
        offline = {item["name"]: float(item["value"]) for item in self.version["spec"].get("metrics", [])}
        judged = ", ".join(f"{name} {offline[name]:.4f}" for name in ("auc", "brier") if name in offline)
        counted = [
            f"{item.name} {item.counted:,.0f} of {item.sent:,}{'' if item.equal else '  ✗'}" for item in self.counts
        ]
        return [
            f"offline, {held:<9}  {judged or 'no figures'}   (held back from training; what the gates saw)",
            f"live, {month:<12}  {found.judged:,} flights on {found.days} days, {found.late:.1%} late; "
            f"{found.never_arrived:,} more were cancelled or diverted",
            f"  AUC              {found.auc}   95 % by whole days",
            f"  Brier loss       {found.brier}",
            f"  saved on always answering the share of late flights in training: {found.gain}",
            f"requests           {found.sent:,} sent, {found.failed:,} failed, {found.per_second:,.0f} per second; "
            f"median {found.median_ms:.1f} ms, p99 {found.p99_ms:.1f} ms; version {', '.join(found.versions)}",
            *_in_lines("Prometheus         ", counted),
        ]

    def _times(self) -> list[str]:
        total = sum(seconds for _, seconds in self.times)
        return [f"{clock(seconds):>12}  {title}" for title, seconds in self.times] + [f"{clock(total):>12}  in all"]

    def _next(self) -> list[str]:
        space, name = objects.NAMESPACE, self.version["metadata"]["name"]
        pairs = ", ".join(f'"{key}": {_json(self.row[key])}' for key in features.FEATURES)
        return [
            f"export KUBECONFIG={self.kubeconfig}",
            f"kubectl -n {space} get tj,mver,mdep",
            f"kubectl -n {space} get mver {name} -o yaml        # lineage, data, digest, figures",
            f"kubectl -n {space} get events --sort-by=.lastTimestamp",
            f"curl -d '{{\"rows\": [{{{pairs}}}]}}' {self.url}",
            "make bench-flights   # the same model on every month: where it is good, and where a linear fit is as good",
            "make demo-clean      # removes the demo; cluster and operator stay",
        ]


def _condition(obj: Mapping[str, Any], kind: str) -> str:
    found = condition(obj, kind)
    return f"{kind}={found.get('status', '?')} {found.get('reason', '')}"


def _span(dataset: Mapping[str, Any]) -> str:
    since, until = str(dataset.get("from", ""))[:10], str(dataset.get("through", ""))[:10]
    return f"{dataset.get('role', dataset.get('name'))} {since} … {until}" if since else str(dataset.get("name"))


def _in_lines(head: str, items: Sequence[str]) -> list[str]:
    return [(head if index == 0 else " " * len(head)) + item for index, item in enumerate(items)]


def _json(value: Any) -> str:
    if value is None:
        return "null"
    return f'"{value}"' if isinstance(value, str) else f"{value}"
