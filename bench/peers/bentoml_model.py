"""A BentoML service with the model of the bench, in an environment of its own.

MODEL_FOLDER=FOLDER MODEL_RUNTIME=sklearn|onnx MODEL_BATCHING=yes|no bentoml serve bentoml_model:Delays

One worker, because it has one core; no access log. What its documentation says of a model that takes many rows at once:
a batchable method. The batch size counts rows here, and a request over it would be cut in two: room for ten of a
hundred rows. The latency stays at its default of a minute: a limit that is reached is answered with 503.
"""

from __future__ import annotations

import os
from pathlib import Path

import bentoml
import numpy as np
from runtimes import load

BATCHING = {"batchable": True, "batch_dim": 0, "max_batch_size": 1_000}


@bentoml.service(name="delays", workers=1, logging={"access": {"enabled": False}})
class Delays:
    """Instances are rows; predictions are what the runtime gives."""

    def __init__(self) -> None:
        self._run = load(Path(os.environ["MODEL_FOLDER"]), os.environ["MODEL_RUNTIME"])

    @bentoml.api(route="/predict", **(BATCHING if os.environ["MODEL_BATCHING"] == "yes" else {}))
    def predict(self, instances: np.ndarray) -> np.ndarray:
        return self._run(instances.astype(np.float32))
