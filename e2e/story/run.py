"""The story from beginning to end. What happens is decided on the cluster; this only sends flights and looks on."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from e2e.demo import loading
from e2e.demo import objects as basics
from e2e.demo.flights import features, partitions
from e2e.demo.run import Doors, _await_door
from e2e.demo.terminal import Progress, Step
from e2e.demo.waiting import DemoError, await_condition
from e2e.kubectl import Kubectl, KubectlError
from e2e.story import feedback, objects, worth
from e2e.story.chronicle import Chronicle, Entry, Watcher, deployment_status
from e2e.story.scale import Scale, start_of
from e2e.story.stream import Asked, Flight, Player, Stream, flights_of

HISTORY = (1, 2)
"""Months that lie in storage when the story begins: the first model is trained on January and judged on February."""


@dataclass(frozen=True)
class Plan:
    """What is replayed: months of 2013, `month` seconds each, every `every`-th flight."""

    months: tuple[int, ...] = (2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
    month: float = 40.0
    every: int = 10
    drift: bool = True
    """False: January's flights again and again, and no new data."""
    leak: bool = True
    """False: the last version is trained without the column that live rows lack."""


@dataclass
class Told:
    """Everything the closing page is made of."""

    plan: Plan
    scale: Scale
    chronicle: Chronicle
    stream: Stream
    last: Stream
    """What was asked while the last version was tried."""
    months: list[worth.Month]
    versions: list[dict[str, Any]]
    cure: str
    times: Sequence[tuple[str, float]]
    whys: dict[str, str]
    prometheus: str

    @property
    def asked(self) -> list[Asked]:
        return [*self.stream.asked, *self.last.asked]

    @property
    def stable(self) -> int:
        return int((deployment_status(self.chronicle).get("stable") or {}).get("version") or 0)


def run(doors: Doors, plan: Plan) -> Told:
    """The whole story. Raises DemoError and KubectlError."""
    progress = Progress(steps=7)
    kube = Kubectl(doors.kubeconfig, basics.NAMESPACE)
    scale = Scale(plan.month, start_of(plan.months[0]))
    chronicle = Chronicle()
    with tempfile.TemporaryDirectory() as folder:
        with progress.step(f"Data: January and February lie in storage ({scale})") as step:
            files = _data(kube, doors, Path(folder), plan, step)
        with progress.step("First model: trained on January, judged on February, served") as step:
            url = _first(kube, doors, scale, step)
        with progress.step(f"Replay: {_named(plan.months)} 2013 in order, every {plan.every}th flight") as step:
            watcher = Watcher(kube, chronicle, lambda entry: _tell(step, entry, scale))
            with feedback.door(kube) as labels, watcher:
                flights = _flights(plan)
                player = Player(url, labels, doors.host, step.note)
                scale = scale.starting(time.time() + 1)
                stream = asyncio.run(_replay(player, flights, scale, plan, files, kube, doors, step))
            step.done(
                f"{len(stream.asked):,} flights asked, {len(stream.failed)} failed, {stream.labels:,} truths told"
            )
        title = "A version that looks brilliant" if plan.leak else "A version without the leak"
        with progress.step(f"{title}: trained with the departure delay" if plan.leak else title) as step:
            last = _last(kube, doors, url, plan, scale, chronicle, step)
    with progress.step("The cure: availableAt: Training in the schema") as step:
        cure = _cure(kube) if plan.leak else ""
        step.done(cure or "nothing to cure")
    with progress.step("Worth: every version on every month's live rows") as step:
        versions = [item for item in kube.list("mver") if item["spec"]["modelName"] == basics.NAME]
        versions.sort(key=lambda item: int(item["spec"]["version"]))
        models = worth.read_models(kube, doors.runner_image, versions, "models")
        months = worth.months(stream.asked, models)
        step.done(f"{len(models)} versions, {len(months)} months")
    with progress.step("Why: what the operator says about each decision") as step:
        whys = _whys(kube)
        step.done("read from the cluster")
    return Told(plan, scale, chronicle, stream, last, months, versions, cure, progress.times, whys, doors.prometheus)


def _named(months: Sequence[int]) -> str:
    first, last = (datetime(2013, month, 1) for month in (months[0], months[-1]))
    return f"{first:%B} to {last:%B}" if first != last else f"{first:%B}"


def _data(kube: Kubectl, doors: Doors, folder: Path, plan: Plan, step: Step) -> dict[int, Path]:
    kube.apply(basics.namespace(), *basics.example("claims.yaml"))
    months = sorted({*HISTORY, *plan.months})
    written = partitions.write(folder, months, extra=(objects.LEAK,), done=lambda item: step.note(item.path.name))
    files = {int(item.path.stem[-2:]): item.path for item in written}
    copied = loading.load(kube, doors.runner_image, [files[month] for month in HISTORY], step.note)
    step.done(f"{sum(item.rows for item in written):,} flights written, {copied} months in storage")
    return files


def _first(kube: Kubectl, doors: Doors, scale: Scale, step: Step) -> str:
    """Train and serve; returns the address that answers predictions."""
    kube.apply(basics.code(), objects.training_job(scale, champion=False))
    trained = await_condition(kube, step, "trainingjob", basics.NAME, "Succeeded", 600)
    number = trained["status"].get("latestVersion")
    if not number:
        raise DemoError(f"the first run made no version: {trained['status']}")
    deployment = objects.model_deployment(scale, doors.gateway_ref)
    kube.apply(deployment, objects.training_job(scale))
    await_condition(kube, step, "modeldeployment", basics.NAME, "Ready", 300)
    root = doors.gateway.rstrip("/") + deployment["spec"]["traffic"]["gateway"]["path"]
    _await_door(f"{root}/v2/health/ready", doors.host, step)
    step.done(f"version {number} answers at {root}/predict")
    return f"{root}/predict"


def _flights(plan: Plan) -> list[Flight]:
    if plan.drift:
        return flights_of(plan.months, plan.every)
    # The year without drift: January's flights, dated into each month.
    january = flights_of((1,), plan.every)
    first = start_of(1)
    return [
        replace(flight, at=start_of(month) + (flight.at - first))
        for month in plan.months
        for flight in january
        if flight.at - first < start_of(month + 1) - start_of(month)
    ]


async def _replay(
    player: Player,
    flights: Sequence[Flight],
    scale: Scale,
    plan: Plan,
    files: dict[int, Path],
    kube: Kubectl,
    doors: Doors,
    step: Step,
) -> Stream:
    stream = Stream()
    playing = asyncio.create_task(player.play(flights, scale, stream))
    landing = asyncio.create_task(_land(scale, plan, files, kube, doors, stream))
    while not playing.done():
        await asyncio.wait([playing], timeout=1)
        if stream.now:
            step.note(
                f"{stream.now:%d %B}: {len(stream.asked):,} of {len(flights):,} asked, {len(stream.failed)} failed"
            )
    landing.cancel()
    await asyncio.gather(landing, return_exceptions=True)
    playing.result()
    return stream


async def _land(scale: Scale, plan: Plan, files: dict[int, Path], kube: Kubectl, doors: Doors, stream: Stream) -> None:
    """Each month's data land as a partition when the month is over."""
    for month in plan.months if plan.drift else ():
        if month in HISTORY:
            continue
        wait = scale.began + scale.due(start_of(month + 1)) - time.time()
        await asyncio.sleep(max(0.0, wait))
        if stream.stopped:
            return
        await asyncio.to_thread(loading.load, kube, doors.runner_image, [files[month]], lambda _: None)


def _tell(step: Step, entry: Entry, scale: Scale) -> None:
    when = f"{scale.then(entry.time):%d %b}" if scale.began else ""
    detail = f": {entry.detail}" if entry.detail else ""
    step.note(f"{when} {entry.title}{detail}"[:220], changed=True)


def _last(kube: Kubectl, doors: Doors, url: str, plan: Plan, scale: Scale, chronicle: Chronicle, step: Step) -> Stream:
    """Trains the last version and sends November's flights again until its rollout has ended, one way or the other."""
    before = {int(item["spec"]["version"]) for item in kube.list("mver") if item["spec"]["modelName"] == basics.NAME}
    job = objects.brilliant()
    if not plan.leak:
        job["spec"]["schema"]["features"].pop()
        job["spec"]["trainer"]["command"] = ["python", "/pintle/code/train.py"]
        job["spec"]["seed"] = 8
        # Learnt from what the champion has learnt from, it is as good, and not better.
        job["spec"]["gates"] = [gate for gate in job["spec"]["gates"] if gate.get("comparedTo") != "Champion"]
    kube.apply(objects.brilliant_code(), job)
    await_condition(kube, step, "trainingjob", objects.BRILLIANT, "Succeeded", 600)
    number = max(int(item["spec"]["version"]) for item in kube.list("mver") if item["spec"]["modelName"] == basics.NAME)
    if number in before:
        raise DemoError(f"trainingjob/{objects.BRILLIANT} made no version")
    # That a version is no worse takes more requests to show than that it is.
    longer = 1 if plan.leak else 3
    flights = flights_of((plan.months[-1],), max(1, plan.every // (2 * longer)))
    # The same month again: time goes on, the flights are those of the last month.
    again = Scale(plan.month * 8 * longer, flights[0].at).starting(time.time() + 0.5)
    watcher = Watcher(kube, chronicle, lambda entry: _tell(step, entry, scale))
    with feedback.door(kube) as labels, watcher:
        player = Player(url, labels, doors.host, step.note)
        stream = asyncio.run(_until_decided(player, flights, again, kube, number))
    failed = len(stream.failed)
    step.done(f"version {number}: {_fate(kube, number)}; {failed} of {len(stream.asked):,} requests failed")
    return stream


async def _until_decided(player: Player, flights: Sequence[Flight], scale: Scale, kube: Kubectl, number: int) -> Stream:
    stream = Stream()
    playing = asyncio.create_task(player.play(flights, scale, stream))
    while not playing.done():
        await asyncio.wait([playing], timeout=2)
        if await asyncio.to_thread(_fate, kube, number):
            stream.stop()
            break
    await playing
    return stream


def _fate(kube: Kubectl, number: int) -> str:
    """What became of a version; empty as long as it is open."""
    status = (kube.get("mdep", basics.NAME) or {}).get("status", {})
    refused = [item for item in status.get("refused") or [] if item.get("version") == number]
    if refused:
        return f"refused: {refused[0].get('why', '')}"
    stable = status.get("stable") or {}
    if stable.get("version") == number and stable.get("weight") == 100 and not status.get("rollout"):
        return "promoted"
    return ""


def _cure(kube: Kubectl) -> str:
    """Applies the spec that says when the column is known; the API server must refuse it."""
    try:
        kube.apply(objects.brilliant(with_availability=True))
    except KubectlError as error:
        return "refused: " + str(error).partition("Invalid value: ")[2][:400]
    raise DemoError("a column with availableAt: Training was accepted as a feature")


def _whys(kube: Kubectl) -> dict[str, str]:
    """`kubectl pintle why` of the deployment and of both TrainingJobs, as a user would type it."""
    found = {}
    for kind, name in (("mdep", basics.NAME), ("tj", basics.NAME)):
        try:
            said = kube.plugin("why", f"{kind}/{name}")
        except KubectlError as error:
            said = str(error)
        found[f"kubectl pintle why {kind}/{name}"] = said
    return found


__all__ = ["Plan", "Told", "features", "run"]
