"""How long a breach lives while a hundred deployments are in rollout: make bench-crowd.

Beside make bench-rollback, where the servers are real and a few deployments are in rollout. Here API server, gateway,
Prometheus and operator are real; a stand-in plays the kubelet, and servers answer without a model and count as real
ones do. A few deployments at a time have open-loop load through the gateway, traffic of the others is made up in their
counters. Half of the answers of the canaries under load begin to fail; for each of them an observer in a process of its
own polls Prometheus ten times a second with the operator's engine.

- t0: the observer's Fail
- t0 -> route write: until the operator decided the write that takes the canary's weight away (by the record's own time)
- t0 -> told: until a watch of the API server saw it
- t0 -> t1: until the last request that reached the canary was sent. Negative: the operator was faster

The loopback device gets an address for the servers meanwhile, which takes root.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from pintle.contract.names import ANNOTATION_ACTION
from pintle.core.rollout.record import Record

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.crowd.backends import Backends, address
from bench.crowd.gateway import gateway
from bench.crowd.loads import Loads, first_and_last, odd
from bench.crowd.routes import Told
from bench.fleet import GATEWAY, Fleet, fleet
from bench.report import Report, arguments
from bench.rollback.observer import Subject, failures, unix
from bench.rollback.telling import tell_times
from tests.builders import digest
from tests.integration.kube import Space, eventually, serving
from tests.integration.objects import model_deployment, model_version

STEPS = [{"weight": 50, "minSeconds": 0}, {"pause": True}]
ROLLOUT = {"sensitivity": "Balanced", "steps": STEPS, "deadlineSeconds": 86_400}
BAD = 0.5
PER_SECOND = 40
"""Requests at each deployment under load; as many rows as are made up for the others."""
QUIET_SCRAPES = 2
APART_SECONDS = 1.0
"""Breaches that have nothing to do with each other do not begin in the same moment."""
STAND_IN_SECONDS = 10.0
"""Seconds between two looks of the stand-in for kubelet and controllers: real ones do not list everything."""
TAIL_SECONDS = 2.0
"""How long after the write a request on the canary would still be noticed."""
LOOK_SECONDS = 0.5
PATIENCE = 120.0


@dataclass
class Bench:
    """What a breach needs."""

    made: Fleet
    loads: Loads
    told: Told
    apart: ProcessPoolExecutor
    url: str
    scrape: float

    def breaches(self, names: Sequence[str]) -> list[dict[str, float]]:
        """Their canaries become bad under load, are taken back, and then are tried again; the times in seconds."""
        made = self.made
        made.live.update(names)
        self.loads.begin({name: f"{self.url}/{name}/predict" for name in names})
        time.sleep(QUIET_SCRAPES * self.scrape)  # traffic that is good, and is seen to be
        subjects = dict(zip(names, map(self._subject, names, made.look_at(names)), strict=True))
        watching = self.apart.submit(failures, made.prometheus, list(subjects.values()), self.scrape, PATIENCE)
        began = time.time()
        for name in names:
            made.bad[name] = BAD
            time.sleep(APART_SECONDS)
        try:
            eventually(lambda: self._refused(names), PATIENCE, LOOK_SECONDS)
        finally:  # who waited for nothing wants to know whether the observers did, too
            failed = dict(zip(names, watching.result(), strict=True))
            print("   seen to fail after " + ", ".join(_seconds(failed[name], began) for name in names), flush=True)
        time.sleep(TAIL_SECONDS)
        seen = self.loads.end()
        written = dict(zip(names, made.look_at(names), strict=True))
        made.bad.clear()
        made.live.clear()
        found = []
        for name, subject in subjects.items():
            t0 = failed[name]
            assert t0 is not None, f"the observer of {name} saw no Fail"
            first, last = first_and_last(subject.tested, seen[name], began)
            for sent in odd(subject.tested, seen[name], began):
                print(f"   {name}: {sent.at - t0:.2f} s after t0, not the canary's: {sent.revision} {sent.failure}")
            write = unix(written[name].since)
            times = {"visible": t0 - first, "write": write - t0, "told": self.told.since(name) - t0}
            found.append({**times, "t1": last - t0, "whole": last - first})
            self._again(subject)
        eventually(lambda: self._in_rollout(names), PATIENCE, LOOK_SECONDS)
        return found

    def _again(self, subject: Subject) -> None:
        """A person's word."""
        word = {"verb": "retry", "id": f"retry-{time.time_ns()}", "by": "bench", "revision": subject.tested}
        body = self.made.space.placed(model_deployment(subject.deployment))
        self.made.space.rest.merge(body, {"metadata": {"annotations": {ANNOTATION_ACTION: json.dumps(word)}}})

    def _subject(self, name: str, record: Record) -> Subject:
        origin = unix(record.course.origin)
        return Subject(self.made.space.name, name, record.canary, record.stable, origin, ROLLOUT)

    def _refused(self, names: Sequence[str]) -> bool:
        return all(not record.canary for record in self.made.look_at(names))

    def _in_rollout(self, names: Sequence[str]) -> bool:
        return all(record.weights.get(record.canary) == STEPS[0]["weight"] for record in self.made.look_at(names))


def _seconds(at: float | None, since: float) -> str:
    return "never" if at is None else f"{at - since:.1f} s"


def main() -> int:
    parser = arguments("Breaches among many rollouts")
    parser.add_argument("--breaches", type=int, default=100)
    parser.add_argument("--deployments", type=int, default=100, help="all of them in rollout")
    parser.add_argument("--at-once", type=int, default=3, help="breaches at a time")
    parser.add_argument("--scrape", type=float, default=5.0)
    parser.add_argument("--look", type=float, default=0.25)
    options = parser.parse_args()
    samples: list[dict[str, float]] = []
    with (
        ProcessPoolExecutor(1, get_context("spawn")) as apart,
        Loads(PER_SECOND, 2 * PATIENCE) as loads,
        tempfile.TemporaryDirectory() as folder,
        address(),
        serving(gateway=True) as (server, rest),
    ):
        rest.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "crowd"}})
        space = Space(server, rest, "crowd")
        with (
            gateway(space, GATEWAY, Path(folder)) as url,
            fleet(
                Path(folder),
                space,
                options.scrape,
                options.look,
                features=1,
                accepts=False,
                stand_in_seconds=STAND_IN_SECONDS,
            ) as made,
            Backends(space, lambda name, revision: made.failed(name, revision, 1) > 0) as backends,
            Told(rest, space.name) as told,
        ):
            made.on_pod = backends.add
            for version in (1, 2):
                made.space.create(model_version(version=version, digest=digest(str(version))))
            made.begin([f"d{number:03d}" for number in range(options.deployments)], rollout=ROLLOUT)
            print(f"{options.deployments} deployments serve", flush=True)
            made.ask_for(2, made.names)
            print(f"{options.deployments} are in rollout", flush=True)
            bench = Bench(made, loads, told, apart, url, options.scrape)
            failed = False
            while len(samples) < options.breaches and not failed:
                begin = len(samples) % options.deployments
                try:
                    found = bench.breaches(made.names[begin : begin + options.at_once])
                except AssertionError as error:  # what was measured until then is told
                    print(f"error: {error}\n{made.operator.log.read_text()[-4000:]}", flush=True)
                    failed = True
                    continue
                samples += found
                for sample in found:
                    print("   " + ", ".join(f"{name} {value:.2f}" for name, value in sample.items()), flush=True)
                print(f"  {len(samples)}/{options.breaches}", flush=True)
    if samples:
        tell(samples, options)
    return 1 if failed else 0


def tell(samples: Sequence[dict[str, float]], options: argparse.Namespace) -> None:
    note = f"scrapes {options.scrape:g} s, looks {options.look:g} s, {options.deployments} in rollout"
    report = Report("A breach among many rollouts, from the first bad answer to the last request on the canary")
    tell_times(report, samples, note)
    report.finish(options.json)


if __name__ == "__main__":
    raise SystemExit(main())
