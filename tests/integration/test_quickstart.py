"""The quickstart's two scripts, as its pods start them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "quickstart"


def test_the_written_file_trains_the_model(tmp_path: Path) -> None:
    """data.py writes a CSV file, train.py learns from it with the schema's columns and leaves a model."""
    subprocess.run([sys.executable, EXAMPLE / "data.py", tmp_path / "data"], check=True, timeout=60)
    csv = tmp_path / "data" / "tumours.csv"
    header = csv.read_text().splitlines()[0].split(",")
    assert header == ["patient", "radius", "texture", "smoothness", "concavity", "symmetry", "malignant"]
    csv.rename(tmp_path / "data" / "train.csv")
    schema = {"target": "malignant", "features": [{"name": name, "type": "Number"} for name in header[1:-1]]}
    (tmp_path / "data" / "schema.json").write_text(json.dumps(schema))
    environment = os.environ | {"PINTLE_ROOT": str(tmp_path), "PINTLE_HYPERPARAMETERS": '{"c": "1"}'}
    subprocess.run([sys.executable, EXAMPLE / "train.py"], check=True, timeout=60, env=environment)
    assert (tmp_path / "model" / "model.skops").is_file()
    logged = json.loads((tmp_path / "record" / "train" / "metrics.jsonl").read_text())
    assert logged["rows"] == 569
    assert logged["trainAccuracy"] > 0.9
