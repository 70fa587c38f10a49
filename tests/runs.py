"""A run in a temporary folder: the containers of the run pod as processes, their folders below one root."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pintle.contract import folders, names
from pintle.contract.run import DatasetRequest, RunRequest

MONTHS = {"partition": "{yyyy}-{MM}"}
TRAIN_PY = """
import pintle.train as pt
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

schema, rows = pt.schema(), pt.load("Train")
names = [feature["name"] for feature in schema["features"]]
strings = [feature["name"] for feature in schema["features"] if feature["type"] == "String"]
codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
model = make_pipeline(
    ColumnTransformer([("codes", codes, strings)], remainder="passthrough"),
    HistGradientBoostingClassifier(random_state=pt.seed(), **pt.hyperparameters()),
)
model.fit(rows[names], rows[schema["target"]])
pt.log(step=1, rows=len(rows))
pt.save(model)
"""


def flights(month: int, rows: int = 1500, seed: int = 0) -> pd.DataFrame:
    """Rows of one month whose target depends on a number, an hour, a carrier and the day; some values are missing."""
    rng = np.random.default_rng([seed, month])
    seconds = np.sort(rng.uniform(0, 28 * 86400, rows))
    number, hour = rng.normal(size=rows), rng.integers(0, 24, rows)
    carrier = rng.choice(["AA", "UA", "DL", "B6"], rows)
    day = rng.normal(size=28)[(seconds // 86400).astype(int)]
    odds = 1.5 * number + (hour - 12) / 6 + 0.5 * day + (carrier == "AA")
    return pd.DataFrame(
        {
            "time": pd.Timestamp(f"2013-{month:02d}-01") + pd.to_timedelta(seconds, unit="s"),
            "id": np.arange(rows) + month * 100_000,
            "number": np.where(rng.random(rows) < 0.1, np.nan, number),
            "hour": hour,
            "carrier": np.where(rng.random(rows) < 0.05, None, carrier),
            "late": rng.random(rows) < 1 / (1 + np.exp(-odds)),
        }
    )


class Run:
    """One run below `root`: claims `data` and `models`, monthly partitions, and a request that tests change."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.output = ""
        self.environment: dict[str, str] = {}
        (root / "volumes" / "models").mkdir(parents=True, exist_ok=True)
        (root / "volumes" / "data" / "months").mkdir(parents=True, exist_ok=True)
        self.request = RunRequest(
            run="delays-0123456789",
            trainingJob="delays",
            namespace="team",
            modelName="delays",
            datasets=(
                DatasetRequest("train", "Train", "pvc://data/months", select={**MONTHS, "latest": 2, "skip": 1}),
                DatasetRequest("test", "Evaluate", "pvc://data/months", select={**MONTHS, "latest": 1}),
            ),
            outputUri="pvc://models/out",
            schema={"target": "late", "timeColumn": "time", "keyColumn": "id"},
            hyperparameters={"max_iter": "30"},
            seed=7,
            code={"kind": "ConfigMap", "name": "code", "digest": "sha256:00"},
            image="runner",
        )

    def ask(self, **fields: Any) -> None:
        """Change the request."""
        self.request = replace(self.request, **fields)

    def partition(self, month: int, frame: pd.DataFrame | None = None) -> None:
        """Write a month of rows."""
        path = self.root / "volumes" / "data" / "months" / f"2013-{month:02d}.parquet"
        (flights(month) if frame is None else frame).to_parquet(path, index=False)

    def phase(self, name: str) -> tuple[int, dict[str, Any]]:
        """Run `fetch`, `evaluate`, `upload` as their containers would. Returns exit code and termination message."""
        message = self.root / "message"
        message.write_text("")
        done = subprocess.run(
            [sys.executable, "-m", f"pintle.train.{name}"], env=self.variables(), capture_output=True, text=True
        )
        self.output = done.stdout + done.stderr
        text = message.read_text()
        assert len(text.encode()) <= 1500
        return done.returncode, json.loads(text) if text else {}

    def train(self, code: str = TRAIN_PY) -> None:
        """Run a train.py with what `train` gets, and with nothing of the run request."""
        variables = {
            **os.environ,
            names.ENV_DATA_DIR: str(self.root / "data"),
            names.ENV_MODEL_DIR: str(self.root / "model"),
            names.ENV_RECORD_DIR: str(self.root / "record" / "train"),
            names.ENV_HYPERPARAMETERS: json.dumps(dict(self.request.hyperparameters)),
            names.ENV_SEED: str(self.request.seed),
            "OMP_NUM_THREADS": "1",
        }
        done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def variables(self) -> dict[str, str]:
        """The environment of a container of ours."""
        return {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            names.ENV_ROOT: str(self.root),
            names.ENV_TERMINATION_LOG: str(self.root / "message"),
            names.ENV_RUN: self.request.to_json(),
            **self.environment,
        }

    @property
    def artifact(self) -> Path:
        """Where the artifact ends up."""
        return self.root / "volumes" / "models" / "out" / "delays" / "delays-0123456789"

    @property
    def record(self) -> dict[str, Any]:
        """The record that the run left in storage."""
        path = self.root / "volumes" / "models" / "out" / "delays" / "runs" / "delays-0123456789" / folders.RUN_FILE
        return dict(json.loads(path.read_text()))
