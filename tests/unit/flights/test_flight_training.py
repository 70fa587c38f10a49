"""The training code of the flights example, as a run pod starts it."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import features
import pandas as pd
import pytest
import source
import train

pytestmark = pytest.mark.slow

EXAMPLE = Path(features.__file__).parent


@pytest.fixture(scope="module")
def january() -> pd.DataFrame:
    table = features.feature_table(source.read_flights((1,)), source.read_weather())
    return table[table[features.TARGET].notna()].astype({features.TARGET: "int64"})


def test_the_script_trains_logs_and_saves(
    january: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a run's folders and parameters in the environment, `python train.py` leaves a model and its figures."""
    (tmp_path / "data").mkdir()
    january[::10].to_parquet(tmp_path / "data" / "train.parquet")
    monkeypatch.setenv("PINTLE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PINTLE_MODEL_DIR", str(tmp_path / "model"))
    monkeypatch.setenv("PINTLE_RECORD_DIR", str(tmp_path / "record" / "train"))
    monkeypatch.setenv("PINTLE_HYPERPARAMETERS", json.dumps({"iterations": "5", "rows_per_leaf": "50"}))
    monkeypatch.setenv("PINTLE_SEED", "7")
    monkeypatch.delitem(sys.modules, "train")
    runpy.run_path(str(EXAMPLE / "train.py"), run_name="__main__")
    assert (tmp_path / "model" / "model.skops").stat().st_size > 1000
    logged = json.loads((tmp_path / "record" / "train" / "metrics.jsonl").read_text())
    assert logged["trainRows"] == len(january[::10])
    assert 0.6 < logged["trainAuc"] < 0.9


def test_the_same_seed_gives_the_same_model(january: pd.DataFrame) -> None:
    """Two fits on the same rows answer alike to the last bit: a run can be repeated."""
    rows = january[::10]
    one, other = (train.fit(rows, {"iterations": 5}, seed=7) for _ in range(2))
    assert (one.predict_proba(rows) == other.predict_proba(rows)).all()


def test_a_route_never_seen_is_answered(january: pd.DataFrame) -> None:
    """An airline, a destination and missing weather that training never met get an answer, not an error."""
    rows = january[::10]
    strange = rows[list(features.FEATURES)].head(2).assign(carrier="ZZ", dest="ZZZ", temperature=float("nan"))
    assert train.fit(rows, {"iterations": 5}, seed=7).predict_proba(strange).shape == (2, 2)


def test_an_unknown_hyperparameter_is_an_error() -> None:
    """A misspelt name must not train the default silently."""
    with pytest.raises(ValueError, match="no such hyperparameter: leafs; there are iterations"):
        train.model({"leafs": 3}, seed=0)


def test_the_code_fits_into_a_config_map() -> None:
    """train.py and features.py together stay far below the megabyte that a ConfigMap takes."""
    assert sum((EXAMPLE / name).stat().st_size for name in ("train.py", "features.py")) < 50_000
