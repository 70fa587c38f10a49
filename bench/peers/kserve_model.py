"""A KServe model server (V1) with the model of the bench, in an environment of its own.

python kserve_model.py FOLDER sklearn|onnx|xgboost|lightgbm
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import kserve
import numpy as np
from runtimes import load


class Delays(kserve.Model):
    """Instances are rows; predictions are what the runtime gives."""

    def __init__(self, folder: Path, runtime: str) -> None:
        super().__init__("delays")
        self._run = load(folder, runtime)
        self.ready = True

    async def predict(self, payload: dict[str, Any], headers: Any = None, response_headers: Any = None) -> Any:
        return {"predictions": self._run(np.array(payload["instances"], dtype=np.float32)).tolist()}


if __name__ == "__main__":
    folder, runtime = Path(sys.argv.pop(1)), sys.argv.pop(1)
    kserve.ModelServer(workers=1, enable_grpc=False, enable_latency_logging=False).start([Delays(folder, runtime)])
