"""PromQL to look at a figure of `why` oneself: Pintle's own tests as it counts them, a user's as it was written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pintle.cli.facts import name_of, namespace_of
from pintle.cli.kubectl import Obj
from pintle.contract import metrics

BAD_RESULTS = ("schema_rejected", "server_error")
"""Answers that count as errors of a revision; a unit test compares with the judgement's own."""
_WINDOW = "1h"


def query_of(deployment: Obj, test: str) -> str:
    """A query for the figure of this test, or nothing where it does not come from Prometheus."""
    for metric in (deployment["spec"].get("rollout") or {}).get("metrics") or ():
        if metric.get("name") == test and metric.get("query"):
            return _filled(str(metric["query"]), deployment)
    chosen = f'namespace="{namespace_of(deployment)}",deployment="{name_of(deployment)}"'
    return _own(chosen).get(test, "")


def _filled(query: str, deployment: Obj) -> str:
    """With the names of the deployment; $revision is left for the reader to choose."""
    return query.replace("$namespace", namespace_of(deployment)).replace("$deployment", name_of(deployment))


def _own(chosen: str) -> Mapping[str, str]:
    judged = f'{chosen},route!="{metrics.ROUTE_DIRECT}"'
    bad = f'{judged},result=~"{"|".join(BAD_RESULTS)}"'
    return {
        "errors": _share(f"{metrics.REQUESTS}{{{bad}}}", f"{metrics.REQUESTS}{{{judged}}}"),
        "slow": f"histogram_quantile(0.99, sum by (revision, le) (increase("
        f"{metrics.REQUEST_DURATION}_bucket{{{chosen}}}[{_WINDOW}])))",
        "missing": _share(f'{metrics.FEATURE_BIN}{{{chosen},bin="missing"}}', f"{metrics.PREDICTIONS}{{{chosen}}}"),
        "loss": _share(f"{metrics.FEEDBACK_LOSS_SUM}{{{chosen}}}", f"{metrics.FEEDBACK_LOSS_COUNT}{{{chosen}}}"),
    }


def _share(part: str, whole: str) -> str:
    return f"sum by (revision) (increase({part}[{_WINDOW}])) / sum by (revision) (increase({whole}[{_WINDOW}]))"


def with_queries(deployment: Obj, entries: Any, key: str) -> list[dict[str, Any]]:
    """The entries, each with the query of the test that it names under `key`, where there is one."""
    made = []
    for entry in entries or ():
        query = query_of(deployment, str(entry.get(key, "")))
        made.append({**entry, **({"query": query} if query else {})})
    return made
