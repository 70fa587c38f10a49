"""What runs and checks consist of, and what TrainingJob and ModelVersion say in every state, as files to be read.

`PINTLE_GOLDEN=write pytest tests/golden/resources` writes them anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.builders import DIGEST, digest, model_deployment, model_version, training_job
from tests.scenes import Scene, TrainingScene, VersionScene, result
from tests.world import World

HERE = Path(__file__).parent


def compare(name: str, text: str) -> None:
    """The text is that of the golden file."""
    file = HERE / name
    if os.environ.get("PINTLE_GOLDEN") == "write":
        file.write_text(text)
    assert text == file.read_text(), f"{name} differs; PINTLE_GOLDEN=write if that is meant"


def as_yaml(item: dict[str, Any]) -> str:
    """Without what the API server gives."""
    given = ("uid", "resourceVersion", "generation", "creationTimestamp")
    metadata = {key: value for key, value in item["metadata"].items() if key not in given}
    # By way of JSON: no two places share an object, which YAML would show as an anchor.
    return yaml.safe_dump(json.loads(json.dumps({**item, "metadata": metadata})), sort_keys=False, width=140)


def one_claim() -> Scene:
    """Data and models on one claim, code in a ConfigMap, everything else by default."""
    job = training_job().dataset("train", "Train", "pvc://work/data").output("pvc://work/models")
    scene = TrainingScene(job)
    scene.look()
    return scene


def everything() -> Scene:
    """Two stores with keys, a claim, an image of one's own and all options."""
    world = World()
    world.add(model_version("late", 1).made_by("delays", "delays-old", digest("7")).obj())
    key = {"secretRef": {"name": "data-key"}}
    job = training_job().spec(modelName="late", source=None, seed=7, backoffLimit=1, activeDeadlineSeconds=600)
    job.trainer(
        image="team/trainer:3",
        command=["./train"],
        args=["--fast"],
        env=[
            {"name": "THREADS", "value": "2"},
            {"name": "PINTLE_SEED", "value": "tries to override"},
            {"name": "HOME", "value": "/pintle/model"},
            {"name": "TRACKER", "valueFrom": {"secretKeyRef": {"name": "tracker", "key": "token"}}},
        ],
        resources={"requests": {"cpu": "2"}, "limits": {"memory": "4Gi", "nvidia.com/gpu": "1"}},
        nodeSelector={"pool": "gpu"},
        tolerations=[{"key": "gpu", "operator": "Exists"}],
    )
    select = {"partition": "{yyyy}-{MM}", "latest": 3, "skip": 1, "settleSeconds": 0}
    job.dataset("train", "Train", "s3://lake/months", storage=key, select=select)
    job.dataset("holdout", "Evaluate", "pvc://data/months", digest=digest("e"))
    job.output("s3://models/late", "model-key").parameter("depth", "6").parameter("rate", "0.1")
    job.gate("auc", min="0.7")
    job.spec(schema={"target": "late", "timeColumn": "time", "features": [{"name": "wind", "type": "Number"}]})
    scene = TrainingScene(job, world=world, with_code=False)
    scene.look()
    return scene


def triggered() -> Scene:
    """A run that drift asks for, whose gate compares with a champion in another store."""
    world = World()
    champion = model_version("delays", 1).spec(storageUri="s3://old/1", storage={"secretRef": {"name": "old-key"}})
    world.add(champion.ready().alias("champion", "ModelDeployment/web", 3).obj())
    scene = TrainingScene(training_job().gate("auc", comparedTo="Champion"), world=world)
    scene.settle()
    scene.succeeds("a", through="2013-02-28T00:00:00Z")
    scene.settle()
    scene.world.remove("Job", scene.job["metadata"]["name"])
    scene.world.edit("TrainingJob", "delays", retrainPolicy={"minNewRows": 500})
    scene.world.tick(7200)
    scene.asks(("FeatureDrift", "d1"))
    scene.settle()
    return scene


@pytest.mark.parametrize("build", [one_claim, everything, triggered], ids=lambda build: build.__name__)
def test_the_job_of_a_run(build: Callable[[], Scene]) -> None:
    """As it is sent to the API server."""
    compare(f"job-{build.__name__}.yaml", as_yaml(build().world.list("Job")[0]))


def test_the_pod_that_lists_the_data() -> None:
    """The keys of the data sets and nothing else."""
    key = {"secretRef": {"name": "data-key"}}
    job = (
        training_job()
        .dataset("train", "Train", "s3://lake/months", storage=key)
        .dataset("late", "Validate", "pvc://data/b")
    )
    scene = TrainingScene(job.spec(triggers={"onNewData": {"pollSeconds": 600}}))
    scene.settle()
    scene.succeeds("a")
    scene.settle()
    made = next(pod for pod in scene.world.list("Pod") if pod["metadata"]["name"] == "delays-listing-1")
    compare("listing.yaml", as_yaml(made))


def test_the_pod_that_reads_a_record() -> None:
    """`upload` of the run's own Job, with its key and place, and another command."""
    scene = everything()
    assert isinstance(scene, TrainingScene)
    scene.settle()
    scene.job_ends("Complete")
    scene.settle()
    scene.world.tick(31)
    scene.look()
    compare("collect.yaml", as_yaml(scene.world.list("Pod")[0]))


def test_the_version_of_a_run() -> None:
    """As it is registered: digest, figures, gates, data and lineage."""
    scene = everything()
    assert isinstance(scene, TrainingScene)
    scene.settle()
    scene.succeeds("a", gates=[{"metric": "auc", "verdict": "Pass", "value": 0.72, "low": 0.71, "high": 0.73}])
    scene.look()
    version = scene.world.get("ModelVersion", "late-v2")
    assert version is not None
    compare("modelversion.yaml", as_yaml(version))


CHECKS = {
    "claim": model_version(),
    "bucket": model_version().spec(storageUri="s3://models/1", storage={"secretRef": {"name": "key"}}),
    "gates": model_version().gate("auc", "Fail"),
}


@pytest.mark.parametrize("name", CHECKS)
def test_the_pod_of_a_check(name: str) -> None:
    """As it is sent to the API server; where gates refuse, only the bytes are looked at."""
    scene = VersionScene(CHECKS[name])
    scene.look()
    compare(f"check-{name}.yaml", as_yaml(scene.world.list("Pod")[0]))


# What the conditions say ----------------------------------------------------------------------------------------------


def run(act: Callable[[TrainingScene], Any]) -> Callable[[], Scene]:
    """A run that has started, and then this."""

    def build() -> Scene:
        scene = TrainingScene()
        scene.settle()
        act(scene)
        scene.settle()
        return scene

    return build


def later(act: Callable[[TrainingScene], Any], seconds: float) -> Callable[[TrainingScene], Any]:
    def build(scene: TrainingScene) -> None:
        act(scene)
        scene.settle()
        scene.world.tick(seconds)

    return build


def lost(scene: TrainingScene) -> None:
    scene.job_ends("Complete")
    scene.settle()
    scene.world.tick(31)
    scene.settle()
    scene.collector(66, result("collect", reason="RecordMissing", message="run.json tells of no model"))


def unchanged(scene: TrainingScene) -> None:
    scene.world.add(model_version("delays", 3).made_by("delays", "old", digest("7")).obj())
    scene.fails_in("fetch", 67, result("fetch", reason="Unchanged", message="same", identity=digest("7")))


def back(scene: TrainingScene) -> None:
    scene.succeeds("a")
    scene.settle()
    scene.world.tick(5)
    scene.world.edit("TrainingJob", "delays", seed=1)
    scene.settle()
    scene.succeeds("b")
    scene.settle()
    scene.world.edit("TrainingJob", "delays", seed=0)


def edited(**spec: Any) -> Callable[[TrainingScene], Any]:
    return lambda scene: scene.world.edit("TrainingJob", "delays", **spec)


BAD = result("fetch", reason="DataInvalid", message="wind: 3 rows are no numbers, e.g. 'gale'")
FEW = result("fetch", reason="NeedMoreData", message="no partition can be taken")
REFUSED = {
    "metric": "auc",
    "verdict": "Fail",
    "value": 0.6,
    "low": 0.58,
    "high": 0.62,
    "bound": 0.7,
    "why": "below min",
}
NO_IMAGE: Callable[[TrainingScene], Any] = lambda s: s.pod(lambda p: p.waiting("train", "ImagePullBackOff", "no tag"))  # noqa: E731
DRIFT: Callable[[TrainingScene], Any] = lambda s: s.asks(("FeatureDrift", "d1"))  # noqa: E731
RUNS: dict[str, Callable[[], Scene]] = {
    "the code is not there": lambda: _settled(TrainingScene(with_code=False)),
    "suspended before it starts": lambda: _settled(TrainingScene(training_job().spec(suspend=True))),
    "nothing names code or image": lambda: _settled(TrainingScene(training_job().spec(source=None))),
    "the pod waits for a node": run(lambda s: s.pod(lambda p: p.unscheduled("0/1 nodes: not enough cpu"))),
    "it trains": run(lambda s: s.pod(lambda p: p.ended("fetch", 0).running("train"))),
    "an image cannot be pulled yet": run(NO_IMAGE),
    "an image cannot be pulled for too long": run(later(NO_IMAGE, 300)),
    "suspended while it runs": run(edited(suspend=True)),
    "it made a version": run(lambda s: s.succeeds()),
    "the gates refuse": run(lambda s: s.succeeds(code=66, gates=[REFUSED])),
    "the same was trained before": run(unchanged),
    "back to an earlier definition": run(back),
    "the data break the schema": run(lambda s: s.fails_in("fetch", 65, BAD)),
    "too few data": run(lambda s: s.fails_in("fetch", 68, FEW)),
    "the code breaks": run(lambda s: s.fails_in("train", 1, "KeyError: 'wind'", attempt=3)),
    "the code takes too much memory": run(lambda s: s.fails_in("train", 137, reason="OOMKilled")),
    "it takes too long": run(lambda s: s.job_ends("Failed", "DeadlineExceeded")),
    "its Job is missing": run(lambda s: s.world.remove("Job", s.job["metadata"]["name"])),
    "its Job is deleted": run(later(lambda s: s.world.remove("Job", s.job["metadata"]["name"]), 10)),
    "its result went with its pod": run(later(lambda s: s.job_ends("Complete"), 31)),
    "its record does not exist": run(lost),
    "replaced by a new definition": run(edited(seed=1)),
    "a gate names a version that is not there": lambda: _settled(
        TrainingScene(training_job().gate("auc", comparedTo="v7"))
    ),
    "drift starts a run": run(later(lambda s: (s.succeeds(), s.asks(("FeatureDrift", "d1"))), 7200)),
    "drift asks, and a person is to decide": run(
        lambda s: (s.succeeds(), s.settle(), s.world.tick(7200), edited(retrainPolicy={"mode": "Suggest"})(s), DRIFT(s))
    ),
    "drift asks after too many failures": run(
        lambda s: (s.fails_in("train", 1, "oh"), edited(retrainPolicy={"maxConsecutiveFailures": 1})(s), DRIFT(s))
    ),
}


def version(act: Callable[[VersionScene], Any], builder: Any = None, attempts: int = 1) -> Callable[[], Scene]:
    """A version whose check pods all do this."""

    def build() -> Scene:
        scene = VersionScene(builder or model_version())
        for _ in range(attempts):
            scene.settle()
            act(scene)
            scene.settle()
            scene.world.tick(1000)
        return scene

    return build


def pods(build: Callable[[Any], Any]) -> Callable[[VersionScene], Any]:
    return lambda scene: scene.pod(build, int(scene.pods[-1].rpartition("-")[2]))


FETCHED = result("verify", digest=DIGEST)
LOST = result("verify", reason="StorageUnavailable", message="403 from the bucket")
WRONG = result("verify", reason="DigestMismatch", message="model.onnx has another digest")
DIFFER = result("check", reason="AnswersDiffer", message="row 3: 0.2 instead of 0.7")
ANSWERED = result("check", rows=20, maxDifference=0.0)
TAKEN = model_version().annotations({"pintle.dev/alias": "champion"})
WELL = pods(lambda p: p.ended("fetch", 0, FETCHED).ended("check", 0, ANSWERED).phase("Succeeded"))
VERSIONS: dict[str, Callable[[], Scene]] = {
    "first visit": version(lambda s: None),
    "all is well": version(WELL),
    "the bytes are others": version(pods(lambda p: p.ended("fetch", 65, WRONG).phase("Failed"))),
    "the answers are others": version(pods(lambda p: p.ended("fetch", 0, FETCHED).ended("check", 66, DIFFER))),
    "the gates refused it": version(lambda s: None, model_version().gate("auc", "Fail", "auc = 0.6, bound 0.7")),
    "storage cannot be read": version(pods(lambda p: p.ended("fetch", 75, LOST).phase("Failed"))),
    "storage could never be read": version(pods(lambda p: p.ended("fetch", 75, LOST).phase("Failed")), attempts=3),
    "a person asks for an alias that is taken": version(
        lambda s: (WELL(s), s.world.add(model_deployment("prod").owns_alias("champion", 2, 1).obj())), TAKEN
    ),
}


def _settled(scene: Scene) -> Scene:
    scene.settle()
    return scene


def table(states: dict[str, Callable[[], Scene]]) -> str:
    lines = []
    for name, build in states.items():
        lines.append(name)
        for condition in build().status["conditions"]:
            verdict = f"{condition['type']}={condition['status']}/{condition['reason']}"
            lines.append(f"    {verdict:<38}{condition['message']}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(("name", "states"), [("trainingjob", RUNS), ("modelversion", VERSIONS)])
def test_the_conditions_of_every_state(name: str, states: dict[str, Callable[[], Scene]]) -> None:
    """State by state: type, status, reason and the sentence that a person reads."""
    compare(f"conditions-{name}.txt", table(states))
