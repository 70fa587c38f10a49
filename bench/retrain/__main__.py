"""How soon a model whose data have drifted is trained again: make bench-retrain.

- visible: an observer of its own that asks Prometheus ten times a second, with the operator's watcher and queries,
  first finds as many periods of drift as the deployment asks for
- run: the Job of the training run is there

API server, Prometheus and operator are real; pods are counters, and a stand-in plays the kubelet. Deployments drift one
after another, each with a TrainingJob of its own. Negative times mean that the operator was faster than the observer.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pintle.contract.names import API_VERSION

from bench.fleet import Fleet, fleet
from bench.report import Report, arguments
from tests.integration.kube import Space, eventually, serving
from tests.integration.objects import training_job
from tests.integration.test_watching import SHIFTED, Watcher

WINDOW, PERIODS = 10, 3
MONITORING = {"drift": {"windows": [{"seconds": WINDOW, "floor": "1h"}], "periodSeconds": 1, "forPeriods": PERIODS}}
FREE = {"cooldownSeconds": 0}
PATIENCE = 180.0


def main() -> None:
    parser = arguments("From drift that can be seen to a training run")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--scrape", type=float, default=1.0)
    options = parser.parse_args()
    report = Report(
        f"Drift to training run: scrapes every {options.scrape} s, a window of {WINDOW} s judged every second, "
        f"{PERIODS} periods in a row"
    )
    visible, created = [], []
    with tempfile.TemporaryDirectory() as folder, serving(gateway=True) as (server, rest):
        rest.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "fleet"}})
        space = Space(server, rest, "fleet")
        with fleet(Path(folder), space, options.scrape, 0.4) as made:
            names = [f"d{number:03d}" for number in range(options.rounds)]
            train(space, names)
            for name in names:
                ask = {"trainingJobRef": {"name": name}, "causes": ["FeatureDrift"]}
                made.begin([name], modelName=name, monitoring=MONITORING, retrain=ask)
            for name in names:
                seconds = asyncio.run(drift(made, name))
                print(f"{name}: visible after {seconds[0]:.2f} s, the run {seconds[1]:+.2f} s from there", flush=True)
                visible.append(seconds[0])
                created.append(seconds[1])
    report.add("first row that has moved -> visible", "s", visible)
    report.add("visible -> run created", "s", created)
    report.finish(options.json)


def train(space: Space, names: list[str]) -> None:
    """A TrainingJob for each; returns when all have their first version."""
    for name in names:
        space.create(training_job(name, retrainPolicy=FREE))
    eventually(lambda: len(space.list(API_VERSION, "ModelVersion")) == len(names), PATIENCE, 0.5)


async def drift(made: Fleet, name: str) -> tuple[float, float]:
    """Seconds from the first row that has moved until it can be seen, and from there to the run."""
    before = runs(made.space, name)
    revision = made.status(name)["stable"]["revision"]
    async with Watcher(made.prometheus, scrape=made.scrape) as observer:
        key = observer.add(name, revision, MONITORING, namespace=made.space.name)
        await observer.look(key)
        eventually(lambda: watched(made, name), PATIENCE)
        made.bins[name] = SHIFTED / SHIFTED.sum()
        began = time.time()
        seen = run = 0.0
        while not (seen and run):
            if time.time() - began > PATIENCE:
                raise AssertionError(f"{name}: seen {seen}, run {run}")
            if not seen and (await observer.look(key)).periods.get("FeatureDrift", 0) >= PERIODS:
                seen = time.time()
            if not run and len(runs(made.space, name)) > len(before):
                run = time.time()
            await asyncio.sleep(0.1)
    return seen - began, run - seen


def watched(made: Fleet, name: str) -> bool:
    """The operator has looked, and found no drift."""
    conditions = made.status(name).get("conditions") or ()
    return any((found["type"], found["status"]) == ("FeatureDrift", "False") for found in conditions)


def runs(space: Space, name: str) -> list[str]:
    """The Jobs of a TrainingJob."""
    return [job["metadata"]["name"] for job in space.list("batch/v1", "Job", f"pintle.dev/training-job={name}")]


if __name__ == "__main__":
    main()
