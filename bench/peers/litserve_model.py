"""A LitServe server with the model of the bench, in an environment of its own.

python litserve_model.py FOLDER sklearn|onnx PORT BATCH SECONDS

One worker, because it has one core; the queue that its documentation has for more than a hundred requests a second; no
access log. BATCH requests at most become one call of the model, and the first waits SECONDS at most for others: 1 and 0
turn batching off.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import litserve
import numpy as np
from runtimes import load


class Delays(litserve.LitAPI):
    """Instances are rows; predictions are what the runtime gives."""

    def __init__(self, folder: Path, runtime: str, **batching: Any) -> None:
        super().__init__(**batching)
        self._model = (folder, runtime)

    def setup(self, device: str) -> None:
        self._run = load(*self._model)

    def decode_request(self, request):  # no annotation: it would become the schema of a query
        return np.array(request["instances"], dtype=np.float32)

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self._run(rows)

    def encode_response(self, output: np.ndarray) -> dict[str, Any]:
        return {"predictions": output.tolist()}


class BatchedDelays(Delays):
    """Requests may have different numbers of rows, so they are joined and not stacked."""

    def batch(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        return inputs

    def predict(self, rows: list[np.ndarray]) -> list[np.ndarray]:
        found = self._run(np.concatenate(rows))
        return np.split(found, np.cumsum([len(item) for item in rows])[:-1])

    def unbatch(self, output: list[np.ndarray]) -> list[np.ndarray]:
        return output


if __name__ == "__main__":
    folder, runtime, port, size, seconds = sys.argv[1:]
    batching = {"max_batch_size": int(size), "batch_timeout": float(seconds)}
    model = (BatchedDelays if int(size) > 1 else Delays)(Path(folder), runtime, **batching)
    server = litserve.LitServer(model, accelerator="cpu", workers_per_device=1, fast_queue=True)
    quiet = {"log_level": "warning", "access_log": False, "generate_client_file": False}
    server.run(host="127.0.0.1", port=int(port), num_api_servers=1, **quiet)
