"""Recordings of the small world of pods that the tests of the judgement have."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from pintle.core.backtest.recording import Recording, Setup, bin_of
from pintle.core.judgement.samples import RawSeries

from tests.unit.core.judgement.counter_world import Pod, stored

ORIGIN = 1_000_000.0
SCRAPE = 5
NEW, OLD = "bbbbbbbb", "aaaaaaaa"
SETUP = Setup(
    namespace="n",
    deployment="d",
    tested=NEW,
    control=OLD,
    origin=ORIGIN,
    scrape_seconds=float(SCRAPE),
    rollout={"sensitivity": "Balanced", "steps": [{"weight": 20, "minSeconds": 30}, {"weight": 50, "minSeconds": 30}]},
    guard={"seconds": 60, "holdbackWeight": 10},
)
Happens = Callable[[dict[str, Pod], int], None]


def recording_of(series: Iterable[RawSeries], setup: Setup = SETUP) -> Recording:
    """As `why --record` makes it of what Prometheus answers."""
    made = Recording(setup)
    for item in series:
        key = item.labels["revision"], item.labels["pod"], item.metric, bin_of(item.labels)
        made.add(key, zip(item.times.tolist(), item.values.tolist(), strict=True))
    return made


def lived(
    seconds: int, bad: float = 0.01, happens: Happens = lambda pods, second: None, seed: int = 0, **changes: Any
) -> tuple[Recording, list[RawSeries]]:
    """Two old pods with ten minutes of past and a new one, scraped every five seconds; `happens` may act on them.

    A pod that is taken out of the mapping is gone.
    """
    rng = np.random.default_rng(seed)
    pods = {name: Pod(name.partition("-")[0], name) for name in (f"{OLD}-0", f"{OLD}-1", f"{NEW}-0")}
    gone: list[Pod] = []
    for second in range(-620, seconds):
        before = dict(pods)
        happens(pods, second)
        gone += [pod for name, pod in before.items() if name not in pods]
        for pod in pods.values():
            is_new = pod.revision == NEW
            requests = 0 if is_new and second < 0 else int(rng.poisson(5 if is_new else 10))
            wrong = int(rng.binomial(requests, bad if is_new else 0.01))
            slow, missing = int(rng.binomial(requests, 0.02)), int(rng.binomial(requests - wrong, 0.02))
            pod.answer(requests - wrong, wrong, slow, {"fare": missing})
            if second % SCRAPE == 0 and (not is_new or second >= -10):
                pod.scrape(ORIGIN + second + 0.25)
    series = stored([*pods.values(), *gone])
    return recording_of(series, replace(SETUP, **{"until": ORIGIN + seconds, **changes})), series
