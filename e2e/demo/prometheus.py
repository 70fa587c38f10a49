"""Asks the cluster's Prometheus for what the serving pods counted."""

from __future__ import annotations

import time
from collections.abc import Mapping

import httpx
from pintle.contract import metrics

from e2e.demo import objects
from e2e.demo.compare import Count

WAIT_SECONDS = 60.0
SELECTED = f'namespace="{objects.NAMESPACE}",deployment="{objects.NAME}"'
QUERIES = {
    "requests answered": f'sum({metrics.REQUESTS}{{{SELECTED},result="ok"}})',
    "requests rejected": f'sum({metrics.REQUESTS}{{{SELECTED},result!="ok"}})',
    "predictions": f"sum({metrics.PREDICTIONS}{{{SELECTED}}})",
    "carriers counted in bins": f'sum({metrics.FEATURE_BIN}{{{SELECTED},feature="carrier"}})',
}


def read(url: str) -> dict[str, float]:
    """The present value of each of QUERIES; 0 where there is no such series yet. Raises httpx.HTTPError."""
    # The doors are on this machine: whatever proxy the environment names is not for them.
    with httpx.Client(timeout=10, trust_env=False) as client:
        return {name: _value(client, url, query) for name, query in QUERIES.items()}


def _value(client: httpx.Client, url: str, query: str) -> float:
    answer = client.get(f"{url.rstrip('/')}/api/v1/query", params={"query": query})
    answer.raise_for_status()
    found = answer.json()["data"]["result"]
    return float(found[0]["value"][1]) if found else 0.0


def await_counts(url: str, before: Mapping[str, float], sent: Mapping[str, int]) -> list[Count]:
    """The growth of each counter, as soon as all are equal to `sent` or when WAIT_SECONDS are over."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        now = read(url)
        counts = [Count(name, now[name] - before[name], sent[name]) for name in QUERIES]
        if all(count.equal for count in counts) or time.monotonic() > deadline:
            return counts
        time.sleep(0.5)  # between two questions
