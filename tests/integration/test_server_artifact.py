"""What a run makes is what a server serves: the two halves share the contract only, so this is where they meet."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from pintle.contract.exits import Exit
from pintle.serve import check, fetch

from tests.runs import Run
from tests.unit.serve.artifacts import digest_of
from tests.unit.serve.process import ServerProcess


def test_a_run_is_fetched_proven_and_counts_its_own_rows_like_its_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From claim to claim: the uploaded artifact verifies, answers its example, and serving the training rows fills
    every bin of features with exactly the profile's counts.
    """
    run = Run(tmp_path)
    for month in (1, 2, 3, 4):
        run.partition(month)
    assert run.phase("fetch")[0] == 0, run.output
    run.train()
    rows = pd.read_parquet(tmp_path / "data" / "train.parquet")
    assert run.phase("evaluate")[0] == 0, run.output
    code, uploaded = run.phase("upload")
    assert code == 0, run.output

    model = tmp_path / "served"
    monkeypatch.setenv("PINTLE_TERMINATION_LOG", str(tmp_path / "message"))
    environment = {
        "PINTLE_MODEL_URI": uploaded["uri"],
        "PINTLE_MODEL_DIGEST": uploaded["digest"],
        "PINTLE_MODEL_DIR": str(model),
    }
    assert fetch.main(environment, volumes=tmp_path / "volumes") == Exit.DONE
    assert digest_of(model) == uploaded["digest"]
    assert check.main(environment) == Exit.DONE
    assert json.loads((tmp_path / "message").read_text())["rows"] > 0

    profile = json.loads((model / "profile.json").read_text())
    names = [feature["name"] for feature in profile["features"]]
    columns = {name: json_values(rows[name]) for name in names}
    with ServerProcess(model) as server:
        answer = httpx.post(server.ready().url + "/predict", json={"columns": columns}, timeout=30)
        assert answer.status_code == 200, answer.text
        counted = server.metrics()["model_feature_bin_total"]
    for feature in profile["features"]:
        for name, count in zip(feature["bins"], feature["counts"], strict=True):
            labels = {"profile": profile["profile"], "feature": feature["name"], "bin": name}
            assert counted[frozenset(labels.items())] == count, labels


def json_values(column: pd.Series) -> list[object]:
    """A column as a client writes it."""
    return [None if value is None or value != value or value == "" else _plain(value) for value in column.tolist()]


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value
