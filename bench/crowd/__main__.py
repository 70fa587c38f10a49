"""How long a breach lives while a hundred deployments are in rollout: make bench-crowd.

Beside make bench-rollback, where gateway, servers and load are real and a few deployments are in rollout. Here API
server, Prometheus and operator are real, pods are counters, and a stand-in plays the kubelet. Half of the answers of
some canaries begin to fail; for each of them an observer in a process of its own polls Prometheus ten times a second
with the operator's engine. From its Fail (t0) to the route's write it is the operator's time; negative: it was faster.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.fleet import STEPS, Fleet, fleet
from bench.report import Report, arguments
from bench.rollback.observer import Subject, failures, unix
from tests.builders import digest
from tests.integration.kube import Space, eventually, serving
from tests.integration.objects import model_deployment, model_version

ROLLOUT = {"sensitivity": "Balanced", "steps": STEPS, "deadlineSeconds": 86_400}
BAD = 0.5
LOOK_SECONDS = 0.5
PATIENCE = 120.0


def main() -> int:
    parser = arguments("Breaches among many rollouts")
    parser.add_argument("--breaches", type=int, default=100)
    parser.add_argument("--deployments", type=int, default=100, help="all of them in rollout")
    parser.add_argument("--at-once", type=int, default=5, help="breaches at a time")
    parser.add_argument("--scrape", type=float, default=5.0)
    parser.add_argument("--look", type=float, default=0.25)
    options = parser.parse_args()
    samples: list[dict[str, float]] = []
    with (
        ProcessPoolExecutor(1, get_context("spawn")) as apart,
        tempfile.TemporaryDirectory() as folder,
        serving(gateway=True) as (server, rest),
    ):
        rest.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "crowd"}})
        with fleet(Path(folder), Space(server, rest, "crowd"), options.scrape, options.look, features=1) as made:
            for version in (1, 2):
                made.space.create(model_version(version=version, digest=digest(str(version))))
            made.begin([f"d{number:03d}" for number in range(options.deployments)], rollout=ROLLOUT)
            print(f"{options.deployments} deployments serve", flush=True)
            made.ask_for(2, made.names)
            print(f"{options.deployments} are in rollout", flush=True)
            while len(samples) < options.breaches:
                begin = len(samples) % options.deployments
                samples += breaches(made, made.names[begin : begin + options.at_once], apart, options)
                last = samples[-1]
                told = ", ".join(f"{name} {value:.2f}" for name, value in last.items())
                print(f"  {len(samples)}/{options.breaches}: {told}", flush=True)
    return told_of(samples, options)


def breaches(
    made: Fleet, names: Sequence[str], apart: ProcessPoolExecutor, options: argparse.Namespace
) -> list[dict[str, float]]:
    """Their canaries become bad, are taken back, and then are tried again; the times in seconds."""
    made.look()
    subjects = [_subject(made, name) for name in names]
    watching = apart.submit(failures, made.prometheus, subjects, options.scrape, PATIENCE)
    made.bad.update(dict.fromkeys(names, BAD))
    eventually(lambda: _refused(made, names), PATIENCE, LOOK_SECONDS)
    found = []
    for name, failed in zip(names, watching.result(), strict=True):
        assert failed is not None, f"the observer of {name} saw no Fail"
        found.append({"visible": failed - made.first_bad.pop(name), "write": unix(made.record(name).since) - failed})
        made.bad.pop(name)
    for subject in subjects:
        again(made, subject)
    eventually(lambda: _in_rollout(made, names), PATIENCE, LOOK_SECONDS)
    return found


def again(made: Fleet, subject: Subject) -> None:
    """A person's word."""
    word = {"verb": "retry", "id": f"retry-{time.time_ns()}", "by": "bench", "revision": subject.tested}
    body = made.space.placed(model_deployment(subject.deployment))
    made.space.rest.merge(body, {"metadata": {"annotations": {"pintle.dev/action": json.dumps(word)}}})


def _subject(made: Fleet, name: str) -> Subject:
    record = made.record(name)
    return Subject(made.space.name, name, record.canary, record.stable, unix(record.course.origin), ROLLOUT)


def _refused(made: Fleet, names: Sequence[str]) -> bool:
    made.look()
    return all(not made.record(name).canary for name in names)


def _in_rollout(made: Fleet, names: Sequence[str]) -> bool:
    made.look()
    return all(made.record(name).weights.get(made.record(name).canary) for name in names)


def told_of(samples: Sequence[dict[str, float]], options: argparse.Namespace) -> int:
    note = f"scrapes {options.scrape:g} s, looks {options.look:g} s, {options.deployments} in rollout"
    report = Report("A breach among many rollouts, from the first bad answer to the route's write")
    for key, name in (("visible", "first bad answer -> visible in Prometheus (t0)"), ("write", "t0 -> route write")):
        report.add_with_tail(name, "s", [sample[key] for sample in samples], note)
    report.finish(options.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
