"""A KServe model server (V1) with the model of the bench, in an environment of its own: scikit-learn or onnxruntime.

python kserve_model.py FOLDER sklearn|onnx
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import kserve
import numpy as np


class Delays(kserve.Model):
    """Instances are rows; predictions are classes, and with onnxruntime what the session gives."""

    def __init__(self, folder: Path, runtime: str) -> None:
        super().__init__("delays")
        if runtime == "onnx":
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options)
            self._run = lambda rows: session.run(["probabilities"], {"X": rows})[0]
        else:
            import joblib

            self._run = joblib.load(folder / "model.joblib").predict
        self.ready = True

    async def predict(self, payload: dict[str, Any], headers: Any = None, response_headers: Any = None) -> Any:
        return {"predictions": self._run(np.array(payload["instances"], dtype=np.float32)).tolist()}


if __name__ == "__main__":
    folder, runtime = Path(sys.argv.pop(1)), sys.argv.pop(1)
    kserve.ModelServer(workers=1, enable_grpc=False, enable_latency_logging=False).start([Delays(folder, runtime)])
