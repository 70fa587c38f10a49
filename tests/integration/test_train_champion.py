"""A candidate against the champion, and data that are listed: whole phases as processes, on small real tables."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pintle.contract.digest import digest_bytes
from pintle.contract.run import ChampionRequest, NewRows

from tests.runs import TRAIN_PY, Run, flights

BRIER = {"metric": "brier", "comparedTo": "Champion"}
NOT_WORSE = {**BRIER, "require": "NotWorse", "margin": "0.01"}
# Knows the target of every third row only by chance.
CONFUSED_PY = TRAIN_PY.replace(
    "model.fit(",
    "import numpy as np\nrows.loc[::3, schema['target']] = np.random.default_rng(0).integers(0, 2, len(rows[::3]))\n"
    "model.fit(",
)
WITHOUT_HOUR = [{"name": "number", "type": "Number"}, {"name": "carrier", "type": "String"}]


def trained_champion(root: Path, code: str, model_format: str = "ONNX") -> Run:
    """A run over January to March that has uploaded its model."""
    run = Run(root)
    for month in (1, 2, 3):
        run.partition(month)
    run.ask(modelFormat=model_format)
    assert run.phase("fetch")[0] == 0, run.output
    run.train(code)
    assert run.phase("evaluate")[0] == 0, run.output
    assert run.phase("upload")[0] == 0, run.output
    return run


@pytest.fixture(scope="module")
def champions(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folders in which a champion has been trained: good, confused, or good and left as skops."""
    made: dict[str, Path] = {}

    def champion(kind: str) -> Path:
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp(kind)
            code = CONFUSED_PY if kind == "confused" else TRAIN_PY
            trained_champion(made[kind], code, "Skops" if kind == "skops" else "ONNX")
        return made[kind]

    return champion


def challenger(champions: Callable[[str], Path], kind: str, folder: Path) -> Run:
    """A run over February to April that compares with this champion; nothing is done yet."""
    root = folder / "run"
    shutil.copytree(champions(kind), root)
    for name in ("data", "held", "model", "artifact", "record"):
        shutil.rmtree(root / name, ignore_errors=True)
    run = Run(root)
    for month in (1, 2, 3, 4):
        run.partition(month)
    digest = digest_bytes((run.artifact / "manifest.json").read_bytes())
    uri = "pvc://models/out/delays/delays-0123456789"
    run.ask(run="delays-candidate", champion=ChampionRequest("Champion", 4, uri, digest), gates=(BRIER,))
    return run


def judged(run: Run, code: str = TRAIN_PY) -> dict[str, Any]:
    """The one gate of a run, after fetch, train and evaluate."""
    assert run.phase("fetch")[0] == 0, run.output
    run.train(code)
    exit_code, result = run.phase("evaluate")
    assert exit_code == 0, run.output
    assert len(result["gates"]) == 1
    return dict(result["gates"][0])


def evaluation(run: Run) -> dict[str, Any]:
    return dict(json.loads((run.root / "record" / "evaluate.json").read_text()))


def test_a_better_candidate_passes_with_both_figures(champions: Callable[[str], Path], tmp_path: Path) -> None:
    """Value of each, difference and interval are in the message; the record has all metrics of both, on equal rows."""
    run = challenger(champions, "confused", tmp_path)
    gate = judged(run)
    assert gate["verdict"] == "Pass"
    assert gate["other"] - gate["candidate"] == pytest.approx(gate["value"], abs=1e-5)
    assert 0 < gate["low"] < gate["value"] < gate["high"]
    beside = evaluation(run)["champion"]
    assert (beside["version"], beside["rows"]) == ("v4", 1500)
    assert beside["metrics"]["candidate"]["auc"] > beside["metrics"]["champion"]["auc"]
    assert beside["metrics"]["champion"]["brier"] == pytest.approx(gate["other"], abs=1e-5)


def test_a_worse_candidate_is_refused_and_kept_with_the_figures_that_beat_it(
    champions: Callable[[str], Path], tmp_path: Path
) -> None:
    """66 from upload; artifact and record are there, and the manifest says what it lost against."""
    run = challenger(champions, "good", tmp_path)
    gate = judged(run, CONFUSED_PY)
    assert (gate["verdict"], gate["why"]) == ("Fail", "is worse than v4")
    assert gate["high"] < 0
    code, uploaded = run.phase("upload")
    assert (code, uploaded["verdict"]) == (66, "Fail")
    manifest = json.loads((run.artifact.parent / "delays-candidate" / "manifest.json").read_text())
    assert manifest["run"]["champion"]["metrics"]["champion"]["brier"] == pytest.approx(gate["other"], abs=1e-5)


def test_equal_models_are_not_shown_to_differ(champions: Callable[[str], Path], tmp_path: Path) -> None:
    """Better stays open, NotWorse with a margin passes."""
    run = challenger(champions, "good", tmp_path)
    assert judged(run)["verdict"] == "NeedMoreData"
    run.ask(gates=(NOT_WORSE,))
    code, result = run.phase("evaluate")
    assert (code, result["verdict"]) == (0, "Pass")


def test_a_champion_kept_as_skops_is_asked_as_well(champions: Callable[[str], Path], tmp_path: Path) -> None:
    """Its format is its own affair."""
    run = challenger(champions, "skops", tmp_path)
    run.ask(gates=(NOT_WORSE,))
    gate = judged(run)
    assert (gate["verdict"], gate["why"]) == ("Pass", "against v4")


def test_rows_that_the_champion_was_trained_on_do_not_count(champions: Callable[[str], Path], tmp_path: Path) -> None:
    """The candidate is judged on February, which the champion knows by heart: nothing can be said."""
    run = challenger(champions, "good", tmp_path)
    train, test = run.request.datasets
    months = {"partition": "{yyyy}-{MM}", "latest": 1}
    run.ask(datasets=(replace(train, select={**months, "skip": 3}), replace(test, select={**months, "skip": 2})))
    gate = judged(run)
    assert gate["verdict"] == "NeedMoreData"
    assert gate["why"].startswith("0 rows, 50 needed, later than 2013-02-28")
    assert gate["why"].endswith("which v4 was trained on")


def test_other_bytes_than_promised_are_not_compared_with(champions: Callable[[str], Path], tmp_path: Path) -> None:
    """The baseline takes the champion's place, and gate and record say why; the run does not fail for it."""
    run = challenger(champions, "good", tmp_path)
    (run.artifact / "model.onnx").write_bytes(b"another model")
    gate = judged(run)
    assert gate["why"].endswith("linear (model.onnx of v4 is not what its manifest says)")
    assert evaluation(run)["champion"] == {"problem": "model.onnx of v4 is not what its manifest says"}
    assert not (run.root / "champion" / "model.onnx").exists()


def test_a_champion_that_is_gone_from_storage_is_not_compared_with(
    champions: Callable[[str], Path], tmp_path: Path
) -> None:
    """Its folder is empty: the baseline, with the reason."""
    run = challenger(champions, "good", tmp_path)
    shutil.rmtree(run.artifact)
    assert "v4 has no manifest.json" in judged(run)["why"]


def test_without_a_champion_the_baseline_counts(champions: Callable[[str], Path], tmp_path: Path) -> None:
    """The first model of all has nobody else to beat."""
    run = challenger(champions, "good", tmp_path)
    run.ask(champion=None)
    gate = judged(run)
    assert gate["why"].endswith("linear (there is no champion yet)")


def test_columns_of_the_champion_alone_reach_it_and_not_the_training(
    champions: Callable[[str], Path], tmp_path: Path
) -> None:
    """The candidate has dropped the hour: both are compared all the same, and train.parquet has no hour."""
    run = challenger(champions, "good", tmp_path)
    run.ask(schema={**(run.request.schema or {}), "features": WITHOUT_HOUR})
    gate = judged(run)
    assert (gate["verdict"], gate["why"]) == ("Fail", "is worse than v4")
    assert "hour" not in pd.read_parquet(run.root / "data" / "train.parquet")
    assert "hour" in pd.read_parquet(run.root / "held" / "evaluate.parquet")


def test_a_champion_whose_columns_are_gone_is_not_compared_with(
    champions: Callable[[str], Path], tmp_path: Path
) -> None:
    """Nobody delivers the hour any more: the baseline, with the name of the column."""
    run = challenger(champions, "good", tmp_path)
    for month in (1, 2, 3, 4):
        run.partition(month, flights(month).drop(columns="hour"))
    assert judged(run)["why"].endswith("(v4 wants the columns hour, which the rows do not have)")


def test_storage_of_the_champion_that_denies_is_tried_again(champions: Callable[[str], Path], tmp_path: Path) -> None:
    """That is no verdict about the candidate: 75, as with any storage."""
    run = challenger(champions, "good", tmp_path)
    if os.geteuid() == 0:
        shutil.rmtree(run.artifact)
        run.artifact.write_text("no folder")
    else:
        run.artifact.chmod(0)
    code, result = run.phase("fetch")
    run.artifact.chmod(0o755)
    assert (code, result["reason"]) == (75, "StorageUnavailable")


# Listing --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Three months of rows."""
    made = Run(tmp_path)
    for month in (1, 2, 3):
        made.partition(month)
    return made


def listed(run: Run) -> str:
    code, result = run.phase("listing")
    assert code == 0, run.output
    return str(result["listing"])


def test_fetch_tells_the_listing_of_what_it_read(run: Run) -> None:
    """The same digest, shortened, whatever came of the run: done, unchanged, bad data."""
    digest = listed(run).removeprefix("sha256:")[:16]
    code, first = run.phase("fetch")
    assert (code, first["listing"]) == (0, digest)
    run.ask(known=(first["identity"],))
    code, again = run.phase("fetch")
    assert (code, again["listing"]) == (67, first["listing"])
    run.ask(known=(), schema={"target": "nothing"})
    code, bad = run.phase("fetch")
    assert (code, bad["listing"]) == (65, first["listing"])


def test_a_partition_that_lands_or_changes_is_seen(run: Run) -> None:
    """A new month and a month with other bytes change the listing; a file that no data set takes does not."""
    before = listed(run)
    (run.root / "volumes" / "data" / "months" / "notes.txt").write_text("hello")
    (run.root / "volumes" / "data" / "months" / "1999-01.parquet").write_text("too old to be taken")
    assert listed(run) == before
    run.partition(4)
    landed = listed(run)
    run.partition(4, flights(4, seed=9))
    assert len({before, landed, listed(run)}) == 3


def test_a_partition_that_is_still_written_is_not_listed(run: Run) -> None:
    """settleSeconds holds for the listing as for the run."""
    train, test = run.request.datasets
    held = {"partition": "{yyyy}-{MM}", "latest": 1, "settleSeconds": 600}
    run.ask(datasets=(train, replace(test, select=held)))
    for month in (1, 2, 3):
        os.utime(run.root / "volumes" / "data" / "months" / f"2013-{month:02d}.parquet", (1_000_000, 1_000_000))
    before = listed(run)
    run.partition(4)
    code, result = run.phase("listing")
    assert (code, result["message"]) == (0, "train: 2 partitions to 2013-03; test: 2013-03")
    os.utime(run.root / "volumes" / "data" / "months" / "2013-04.parquet", (1_000_000, 1_000_000))
    assert listed(run) != before


def test_data_that_cannot_be_listed_say_why(run: Run) -> None:
    """The reasons are those of fetch."""
    train = run.request.datasets[0]
    run.ask(datasets=(replace(train, storageUri="pvc://nowhere/x"),))
    code, result = run.phase("listing")
    assert (code, result["reason"]) == (78, "RequestInvalid")


# Rows that no run has used --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "at_least", "expected"),
    [
        ("2013-02-28T23:59:59Z", 1500, 0),
        ("2013-02-28T23:59:59Z", 1501, 68),
        ("2013-03-31T23:59:59Z", 1, 68),
        ("2012-12-31T00:00:00Z", 4500, 0),
    ],
)
def test_too_few_new_rows_need_more_data(run: Run, after: str, at_least: int, expected: int) -> None:
    """Counted are the rows of all data sets that are later than those of earlier runs; March has 1,500."""
    run.ask(newRows=NewRows(after, at_least))
    code, result = run.phase("fetch")
    assert code == expected
    if expected:
        assert result["reason"] == "NeedMoreData"
        assert f"later than {after}" in result["message"]
        assert "through" not in result
        assert result["listing"]
        assert not (run.root / "data" / "train.parquet").exists()
    else:
        assert result["through"].startswith("2013-03-2")
