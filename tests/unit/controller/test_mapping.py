"""Who wakes a look."""

from __future__ import annotations

import pytest
from pintle.contract import names
from pintle.controller.mapping import woken_by
from pintle.controller.store import Store
from pintle.core.plan import Key
from pintle.ports.kinds import JOB, MODEL_DEPLOYMENT, MODEL_VERSION, POD, SERVICE, TRAINING_JOB

from tests.unit.controller.fakes import obj, stored

TJ = stored(obj(TRAINING_JOB, "train", spec={"modelName": "delays"}), 1)
PLAIN_TJ = stored(obj(TRAINING_JOB, "delays", spec={}), 1)
MV = stored(obj(MODEL_VERSION, "delays-v1", spec={"modelName": "delays"}), 2)
MD = stored(obj(MODEL_DEPLOYMENT, "web", spec={"modelName": "delays"}), 3)
OTHER = stored(obj(MODEL_DEPLOYMENT, "other", spec={"modelName": "tips"}), 4)
ASKING = stored(
    obj(MODEL_DEPLOYMENT, "asks", spec={"modelName": "tips", "retrain": {"trainingJobRef": {"name": "train"}}}), 4
)
JOB_OF_TJ = stored(obj(JOB, "run", owner=TJ), 5)


def key(kind: str, name: str) -> Key:
    return Key(kind, "team", name)


CASES = {
    "a TrainingJob wakes itself": (TJ, {key("TrainingJob", "train")}),
    "a Job wakes the TrainingJob that owns it": (JOB_OF_TJ, {key("TrainingJob", "train")}),
    "a run's pod wakes the TrainingJob of its label": (
        stored(obj(POD, "run-0", owner=JOB_OF_TJ, labels={names.LABEL_TRAINING_JOB: "train"}), 6),
        {key("TrainingJob", "train")},
    ),
    "a check pod wakes the ModelVersion that owns it": (
        stored(obj(POD, "check", owner=MV), 7),
        {key("ModelVersion", "delays-v1")},
    ),
    "a server pod wakes the ModelDeployment of its label": (
        stored(obj(POD, "web-0", labels={names.LABEL_DEPLOYMENT: "web"}), 8),
        {key("ModelDeployment", "web")},
    ),
    "a Service wakes its ModelDeployment once": (
        stored(obj(SERVICE, "web", owner=MD, labels={names.LABEL_DEPLOYMENT: "web"}), 9),
        {key("ModelDeployment", "web")},
    ),
    "a ModelVersion wakes trainings and deployments of its model": (
        MV,
        {
            key("ModelVersion", "delays-v1"),
            key("TrainingJob", "train"),
            key("TrainingJob", "delays"),
            key("ModelDeployment", "web"),
        },
    ),
    "a ModelDeployment wakes the versions of its model": (
        MD,
        {key("ModelDeployment", "web"), key("ModelVersion", "delays-v1")},
    ),
    "a ModelDeployment of another model wakes only itself": (OTHER, {key("ModelDeployment", "other")}),
    "a ModelDeployment wakes the TrainingJob that it asks for new versions": (
        ASKING,
        {key("ModelDeployment", "asks"), key("TrainingJob", "train"), key("ModelDeployment", "other")},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_wakes(name: str) -> None:
    """The sentence in the case's name holds."""
    store = Store()
    for known in (TJ, PLAIN_TJ, MV, MD, OTHER):
        store.put(known)
    changed, woken = CASES[name]
    assert woken_by(changed, store) == woken


SERVING = {"alias": {"name": "champion", "version": 1, "sequence": 1}, "stable": {"version": 1, "readyReplicas": 2}}
FIGURES = {"rollout": {"step": 1}, "conditions": [], "history": [], "stable": {"version": 1, "readyReplicas": 1}}
CHANGES = {
    "figures of a rollout": ({**SERVING, **FIGURES}, {}, False),
    "the alias that it claims": ({**SERVING, "alias": {"name": "champion", "version": 2, "sequence": 2}}, {}, True),
    "the version that it serves": ({**SERVING, "stable": {"version": 2}}, {}, True),
    "a canary": ({**SERVING, "canary": {"version": 2}}, {}, True),
    "its spec": (SERVING, {"follow": "Latest"}, True),
}


@pytest.mark.parametrize("name", CHANGES)
def test_others_of_its_model_are_woken_by_what_they_read(name: str) -> None:
    """Versions and deployments of the model look again when this changes in a ModelDeployment, or they do not."""
    status, spec, read = CHANGES[name]
    neighbour = stored(obj(MODEL_DEPLOYMENT, "api", spec={"modelName": "delays"}), 9)
    before = {**MD, "status": SERVING}
    after = {**MD, "spec": {**MD["spec"], **spec}, "status": status}
    store = Store()
    for known in (MV, neighbour, after):
        store.put(known)
    others = {key("ModelVersion", "delays-v1"), key("ModelDeployment", "api")}
    assert woken_by(after, store, before) == {key("ModelDeployment", "web")} | (others if read else set())


def test_the_training_job_hears_of_every_change() -> None:
    """It reads what the deployment asks for, and that comes with the figures."""
    store = Store()
    store.put(ASKING)
    assert key("TrainingJob", "train") in woken_by({**ASKING, "status": FIGURES}, store, ASKING)
