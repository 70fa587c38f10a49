"""Native files of XGBoost and LightGBM in a real server process: from many sides, with explanations beside."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.unit.serve.process import ServerProcess, value
from tests.unit.serve.test_serve_formats import ROWS, make


@pytest.mark.parametrize("kind", ["XGBoost", "LightGBM"])
def test_answers_stay_right_while_explanations_are_asked_for(tmp_path: Path, kind: str) -> None:
    """Predictions on the event loop, explanations in the worker thread: every row gets its own answer."""
    folder, _ = make(tmp_path / "m", kind, "binary")
    with ServerProcess(folder) as server, httpx.Client(base_url=server.ready().url, timeout=30) as http:
        expected = [item["probabilities"] for item in http.post("/predict", json={"rows": ROWS}).json()["predictions"]]

        def ask(number: int) -> bool:
            index, explain = number % len(ROWS), number % 4 == 0
            body = {"rows": [ROWS[index]], "explain": explain}
            found = http.post("/predict", json=body).json()["predictions"][0]
            return found["probabilities"] == expected[index] and ("contributions" in found) is explain

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(ask, range(200)))
        assert value(server.metrics(), "model_predictions_total") == 203
        server.terminate()
        assert server.exit_code() == 0
