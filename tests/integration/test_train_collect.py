"""The result of a run, told from its record alone when its pod is gone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.runs import Run


def gone(run: Run) -> None:
    """All that the pod held is lost; storage stays."""
    for folder in ("data", "held", "model", "artifact", "record"):
        shutil.rmtree(run.root / folder, ignore_errors=True)


def test_a_record_tells_what_the_containers_had_reported(tmp_path: Path) -> None:
    """Digest, place, identity, verdict, figures, gates and data: the same as in the lost messages."""
    run = Run(tmp_path)
    for month in (1, 2, 3):
        run.partition(month)
    run.ask(gates=({"metric": "auc", "min": "0.5"}, {"metric": "auc", "min": "0.999"}))
    _, fetched = run.phase("fetch")
    run.train()
    _, evaluated = run.phase("evaluate")
    code, uploaded = run.phase("upload")
    assert code == 66
    gone(run)
    code, told = run.phase("collect")
    assert code == 0, run.output
    for key in ("digest", "uri", "identity", "verdict", "record"):
        assert told[key] == uploaded[key], key
    assert told["datasets"] == fetched["datasets"]
    assert told["metrics"].keys() == evaluated["metrics"].keys()
    assert [gate["verdict"] for gate in told["gates"]] == ["Fail", "Pass"]


def test_a_long_record_still_fits_into_the_message(tmp_path: Path) -> None:
    """Data sets and gates give way, digest and verdict never."""
    run = Run(tmp_path)
    gates = [{"metric": "auc", "verdict": "Pass", "why": "w" * 90}] * 15 + [{"metric": "auc", "verdict": "Fail"}]
    datasets = [{"name": f"d{n}", "digest": "sha256:" + "d" * 64, "rows": n} for n in range(16)]
    phases = {"fetch": {"identity": "i", "datasets": datasets}, "evaluate": {"gates": gates, "metrics": {"auc": 1}}}
    record = {"digest": "sha256:" + "a" * 64, "artifact": "pvc://models/x", "verdict": "Fail", "phases": phases}
    folder = tmp_path / "volumes/models/out/delays/runs/delays-0123456789"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(record))
    code, told = run.phase("collect")
    assert code == 0, run.output
    assert (told["digest"], told["verdict"]) == (record["digest"], "Fail")
    assert [gate["verdict"] for gate in told["gates"]] == ["Fail"]


def test_a_record_of_no_model_is_said_to_be_none(tmp_path: Path) -> None:
    """Missing, no JSON, or of a run that failed: exit code 66, for good."""
    run = Run(tmp_path)
    folder = tmp_path / "volumes/models/out/delays/runs/delays-0123456789"
    for text in (None, "not json", "[]", '{"digest": null}'):
        if text is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "run.json").write_text(text)
        code, told = run.phase("collect")
        assert (code, told["reason"]) == (66, "RecordMissing"), text
