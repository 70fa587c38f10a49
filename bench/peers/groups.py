"""What is compared with what: a group is one model, our server for it, its peers, and what they are asked.

All servers of a group stand side by side and are asked in turn, so a ratio is only told within a group.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.peers import models
from bench.peers.servers import INFER, V1, Server, bentoml, kserve, litserve, mlserver, ours
from bench.serving.rows import instances, tensors

OURS, MLSERVER = "pintle, onnx", "mlserver as it comes"
KSERVE_ONNX, BENTOML_ONNX, LITSERVE_ONNX = (
    f"{name}, onnxruntime by hand" for name in ("kserve", "bentoml", "litserve")
)
OURS_SKLEARN, BATCHING, KSERVE = "pintle, scikit-learn", "mlserver, adaptive batching", "kserve"
BENTOML, BENTOML_BATCHING = "bentoml", "bentoml, adaptive batching"
LITSERVE, LITSERVE_BATCHING = "litserve", "litserve, batching"
XGBOOST = OURS_XGBOOST, MLSERVER_XGBOOST, KSERVE_XGBOOST = "pintle, xgboost", "mlserver, xgboost", "kserve, xgboost"
LIGHTGBM = OURS_LIGHTGBM, MLSERVER_LIGHTGBM, KSERVE_LIGHTGBM = (
    "pintle, lightgbm",
    "mlserver, lightgbm",
    "kserve, lightgbm",
)
Start = Callable[[str, Path, int], AbstractContextManager[Server]]
"""Starts a server: its name, the folder of the group's models, the core it runs on."""


@dataclass(frozen=True)
class Scenario:
    """Rows of a request and connections that send one after another."""

    name: str
    rows: int
    connections: int


ONE_16, ONE_64, MANY_64 = (
    Scenario("1 row, c16", 1, 16),
    Scenario("1 row, c64", 1, 64),
    Scenario("100 rows, c64", 100, 64),
)
BURSTS = "320 req/s in bursts of 16"


@dataclass(frozen=True)
class Group:
    """One model: who trains it, who serves it, what is asked."""

    make: Callable[[Path], None]
    servers: dict[str, Start]
    """Ours first."""
    environments: tuple[str, ...]
    scenarios: tuple[Scenario, ...] = (ONE_64, MANY_64)
    bursts: bool = False
    binary: bool = False
    """Whether ours is asked for binary tensors, too, beside bare calls of onnxruntime."""


def boosted(names: tuple[str, str, str], make: Callable[[Path], None], runtime: str, file: str) -> Group:
    """Trees in their library's own file; `names` of ours, mlserver's and KServe's server end with the library's."""
    starts: tuple[Start, ...] = (
        partial(ours, path=INFER, body=partial(tensors, name="input")),
        partial(mlserver, runtime=runtime, file=file),
        partial(kserve, runtime=names[0].split()[-1]),
    )
    return Group(make, dict(zip(names, starts, strict=True)), ("mlserver", "kserve"))


SKLEARN_RUNTIME, SKLEARN_FILE = "mlserver_sklearn.SKLearnModel", "model.joblib"
BATCH = 64
"""Requests of a batch at most. The wait for them is what does best: 1 ms for mlserver, 10 ms for LitServe."""
GROUPS = {
    "onnx": Group(
        models.make_onnx,
        {
            OURS: partial(ours, path=INFER, body=tensors),
            MLSERVER: partial(mlserver, runtime=SKLEARN_RUNTIME, file=SKLEARN_FILE),
            KSERVE_ONNX: partial(kserve, runtime="onnx"),
            BENTOML_ONNX: partial(bentoml, runtime="onnx", batching=True),
            LITSERVE_ONNX: partial(litserve, runtime="onnx"),  # batches cost it more than they save so quick a model
        },
        ("mlserver", "kserve", "bentoml", "litserve"),
        (ONE_16, ONE_64, MANY_64),
        bursts=True,
        binary=True,
    ),
    "sklearn": Group(
        models.make_sklearn,
        {
            OURS_SKLEARN: partial(ours, path=V1, body=instances),
            BATCHING: partial(
                mlserver,
                runtime=SKLEARN_RUNTIME,
                file=SKLEARN_FILE,
                batching={"max_batch_size": BATCH, "max_batch_time": 0.001},
            ),
            KSERVE: partial(kserve, runtime="sklearn"),
            BENTOML: partial(bentoml, runtime="sklearn"),
            BENTOML_BATCHING: partial(bentoml, runtime="sklearn", batching=True),
            LITSERVE: partial(litserve, runtime="sklearn"),
            LITSERVE_BATCHING: partial(litserve, runtime="sklearn", batch=BATCH, seconds=0.01),
        },
        ("mlserver", "kserve", "bentoml", "litserve"),
        (ONE_16, ONE_64, MANY_64),
        bursts=True,
    ),
    "xgboost": boosted(XGBOOST, models.make_xgboost, "mlserver_xgboost.XGBoostModel", "model.ubj"),
    "lightgbm": boosted(LIGHTGBM, models.make_lightgbm, "mlserver_lightgbm.LightGBMModel", "model.txt"),
}
