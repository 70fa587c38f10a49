"""Makes the two recordings beside this file: a seeded simulation of pods that count, scraped every 15 seconds.

    python examples/recordings/make.py

bad: errors go from 1 % to 6 % with the canary. good: the canary answers as the stable does, and one of its pods is
started anew in the middle. Both: two pods of the stable with a past of twenty minutes, 20 requests a second.
"""

from __future__ import annotations

import gzip
import io
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pintle.contract import metrics as names
from pintle.core.backtest.recording import Recording, Setup, Shares
from pintle.core.backtest.writing import csv_lines, json_lines

HERE = Path(__file__).parent
ORIGIN = 1_795_269_600.0
PAST, SCRAPE = 1200, 15
REQUESTS_PER_SECOND = 20
STABLE, CANARY = "5e1f00d1", "ca9a27b3"
STEPS = [{"weight": 10, "minSeconds": 60}, {"weight": 50, "minSeconds": 60}]
LIMITS = (("0.05", 0.9), ("0.25", 0.99), ("+Inf", 1.0))


@dataclass
class Pod:
    """Counters of one server."""

    revision: str
    name: str
    phase: float
    counters: dict[tuple[str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.answer(random.Random(0), 0, 0.0)

    def answer(self, rng: random.Random, requests: int, errors: float) -> None:
        """So many requests of one row each; a share of them fails, one row in fifty lacks its distance."""
        bad = sum(rng.random() < errors for _ in range(requests))
        missing = sum(rng.random() < 0.02 for _ in range(requests - bad))
        self._count(names.REQUESTS, "result=ok&route=default", requests - bad)
        self._count(names.REQUESTS, "result=server_error&route=default", bad)
        self._count(names.PREDICTIONS, "", requests - bad)
        self._count(names.FEATURE_BIN, "feature=distance&bin=missing", missing)
        took = [rng.random() for _ in range(requests)]
        for limit, share in LIMITS:
            self._count(names.REQUEST_DURATION + "_bucket", f"le={limit}", sum(each <= share for each in took))

    def restart(self) -> None:
        """The process begins again; so do its counters."""
        self.counters = dict.fromkeys(self.counters, 0)

    def _count(self, metric: str, bin_: str, amount: int) -> None:
        self.counters[metric, bin_] = self.counters.get((metric, bin_), 0) + amount


def simulate(seed: int, errors: float, seconds: int, restart: int, until: int) -> Recording:
    """The canary's errors; `restart`: the second at which its pod begins anew (0: never)."""
    rng = random.Random(seed)
    setup = Setup(
        namespace="shop",
        deployment="delays",
        tested=CANARY,
        control=STABLE,
        origin=ORIGIN,
        until=ORIGIN + until,
        scrape_seconds=float(SCRAPE),
        rollout={"sensitivity": "Balanced", "steps": STEPS},
        guard={"seconds": 120, "holdbackWeight": 10},
        versions={STABLE: 3, CANARY: 4},
        weights=(Shares(ORIGIN, {STABLE: 90, CANARY: 10}), Shares(ORIGIN + 61, {STABLE: 50, CANARY: 50})),
    )
    recording = Recording(setup)
    pods = [Pod(STABLE, f"delays-{STABLE}-{number}", rng.random() * SCRAPE) for number in range(2)]
    pods.append(Pod(CANARY, f"delays-{CANARY}-0", rng.random() * SCRAPE))
    found: dict[tuple[str, str, str, str], list[tuple[float, float]]] = {}
    for second in range(-PAST, seconds):
        share = 0.0 if second < 0 else 0.1 if second < 61 else 0.5
        if restart and second == restart:
            pods[2].restart()
        for pod in pods:
            part = share if pod.revision == CANARY else (1 - share) / 2
            wanted = sum(rng.random() < part for _ in range(REQUESTS_PER_SECOND))
            pod.answer(rng, wanted, errors if pod.revision == CANARY else 0.01)
            if second % SCRAPE == int(pod.phase) and (pod.revision == STABLE or second >= -2 * SCRAPE):
                for (metric, bin_), value in pod.counters.items():
                    key = pod.revision, pod.name, metric, bin_
                    found.setdefault(key, []).append((ORIGIN + second + pod.phase % 1, value))
    for key, samples in found.items():
        recording.add(key, samples)
    return recording


def packed(lines: Iterable[str]) -> bytes:
    """The same lines are the same bytes, whenever they are packed."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", filename="", mtime=0) as file:
        file.write("".join(lines).encode())
    return buffer.getvalue()


def recordings() -> dict[str, list[str]]:
    """File name -> lines."""
    bad = simulate(seed=1, errors=0.06, seconds=300, restart=0, until=290)
    good = simulate(seed=2, errors=0.01, seconds=600, restart=200, until=590)
    return {"bad-canary.jsonl.gz": list(json_lines(bad)), "good-canary.csv.gz": list(csv_lines(good))}


if __name__ == "__main__":
    for name, lines in recordings().items():
        (HERE / name).write_bytes(packed(lines))
        print(f"{name}: {len(lines)} lines")
