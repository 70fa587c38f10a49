"""The API for train.py, on a laptop and in a run pod."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pintle.train as pt
import pytest


@pytest.fixture
def laptop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, no variable of a run."""
    monkeypatch.chdir(tmp_path)
    for name in ("ROOT", "DATA_DIR", "MODEL_DIR", "RECORD_DIR", "HYPERPARAMETERS", "SEED"):
        monkeypatch.delenv(f"PINTLE_{name}", raising=False)
    return tmp_path / "pintle-run"


def test_import_is_light() -> None:
    """`import pintle.train` loads neither pandas nor numpy nor scikit-learn nor skops."""
    code = "import sys, pintle.train; print(*{'pandas', 'numpy', 'sklearn', 'skops', 'obstore'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == ""


def test_recorder_is_light() -> None:
    """The sidecar waits with nothing but the standard library loaded."""
    code = (
        "import sys, pintle.train.record; print(*{'pandas', 'numpy', 'sklearn', 'skops', 'obstore'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == ""


def test_laptop_reads_parquet_or_csv(laptop: Path) -> None:
    """Rows come from pintle-run/data, as Parquet or CSV; what is missing is named."""
    with pytest.raises(FileNotFoundError, match=r"train\.parquet nor train\.csv"):
        pt.load("Train")
    (laptop / "data").mkdir(parents=True)
    (laptop / "data" / "train.csv").write_text("a,b\n1,2\n")
    assert pt.load("Train").shape == (1, 2)
    pd.DataFrame({"a": [1, 2]}).to_parquet(laptop / "data" / "train.parquet")
    assert pt.load("Train").shape == (2, 1)


def test_evaluate_rows_cannot_be_loaded(laptop: Path) -> None:
    """There is no way to ask for the rows that the model is judged on."""
    with pytest.raises(ValueError, match="Train or Validate"):
        pt.load("Evaluate")


def test_hyperparameters_are_numbers_where_they_look_like_it(laptop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Strings of the request become int, float, bool or stay what they are; a laptop has none."""
    assert (pt.hyperparameters(), pt.seed()) == ({}, 0)
    given = {"depth": "3", "rate": "0.1", "tiny": "1e-3", "deep": "true", "loss": "log"}
    monkeypatch.setenv("PINTLE_HYPERPARAMETERS", json.dumps(given))
    monkeypatch.setenv("PINTLE_SEED", "7")
    assert pt.hyperparameters() == {"depth": 3, "rate": 0.1, "tiny": 0.001, "deep": True, "loss": "log"}
    assert pt.seed() == 7


def test_log_appends_lines_that_json_can_read(laptop: Path) -> None:
    """Each call is a line with time, step and values; NaN, which JSON has not, is a string."""
    pt.log(step=1, loss=0.5)
    pt.log(auc=float("nan"), note="done")
    lines = [json.loads(line) for line in (laptop / "record" / "train" / "metrics.jsonl").read_text().splitlines()]
    assert lines[0]["step"] == 1
    assert lines[0]["loss"] == 0.5
    assert lines[1]["auc"] == "nan"
    assert lines[1]["time"] >= lines[0]["time"]


def test_metrics_go_where_training_may_write(laptop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether PINTLE_RECORD_DIR names the record or its train part, lines go into the train part."""
    for given in (tmp_path / "record", tmp_path / "record" / "train"):
        monkeypatch.setenv("PINTLE_RECORD_DIR", str(given))
        pt.log(x=1)
    assert len((tmp_path / "record" / "train" / "metrics.jsonl").read_text().splitlines()) == 2


def test_onnx_is_saved_as_it_is(laptop: Path) -> None:
    """Bytes and a ModelProto become model.onnx unchanged."""
    import onnx

    assert pt.save(b"bytes").read_bytes() == b"bytes"
    proto = onnx.ModelProto(producer_name="test")
    assert pt.save(proto).read_bytes() == proto.SerializeToString()


def test_what_is_no_model_is_not_saved(laptop: Path) -> None:
    """A dictionary is refused where it is saved, not minutes later."""
    with pytest.raises(TypeError, match="dict is neither"):
        pt.save({})
