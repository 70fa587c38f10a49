"""Whole runs: fetch, train, evaluate, upload and record as processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from pintle.contract.digest import digest_bytes
from pintle.contract.manifest import Example, Manifest
from pintle.contract.profile import Profile

from tests.runs import Run, flights


@pytest.fixture(scope="module")
def trained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three months of rows, fetched and trained on once."""
    made = Run(tmp_path_factory.mktemp("trained"))
    for month in (1, 2, 3):
        made.partition(month)
    code, _ = made.phase("fetch")
    assert code == 0, made.output
    made.train()
    return made.root


@pytest.fixture
def trained(trained_folder: Path, tmp_path: Path) -> Run:
    """A run whose train has ended."""
    shutil.copytree(trained_folder, tmp_path, dirs_exist_ok=True)
    return Run(tmp_path)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Three months of rows, nothing done yet."""
    made = Run(tmp_path)
    for month in (1, 2, 3):
        made.partition(month)
    return made


def evaluated(run: Run) -> dict[str, object]:
    """The result of evaluate."""
    code, result = run.phase("evaluate")
    assert code == 0, run.output
    return result


def test_run_leaves_artifact_with_digests_and_record(trained: Run) -> None:
    """A run that passes uploads files that the manifest digests, reports the manifest's digest, and leaves a record."""
    trained.ask(gates=({"metric": "auc", "min": "0.6"},))
    result = evaluated(trained)
    assert result["verdict"] == "Pass"
    code, uploaded = trained.phase("upload")
    assert (code, uploaded["verdict"]) == (0, "Pass")
    data = (trained.artifact / "manifest.json").read_bytes()
    assert uploaded["digest"] == digest_bytes(data)
    manifest = Manifest.from_bytes(data)
    for name, entry in manifest.files.items():
        assert digest_bytes((trained.artifact / name).read_bytes()) == f"sha256:{entry.sha256}"
    assert set(manifest.files) == {"model.onnx", "profile.json", "example.json"}
    assert manifest.raw["run"]["identity"] == uploaded["identity"]
    assert trained.record["verdict"] == "Pass"
    assert trained.record["phases"]["fetch"]["split"]["Evaluate"]["rows"] == 1500
    metrics = (trained.artifact.parent / "runs" / "delays-0123456789" / "metrics.jsonl").read_text()
    assert json.loads(metrics)["rows"] == 3000


def test_artifact_is_what_the_server_reads(trained: Run) -> None:
    """Manifest, profile and example are readable by the contract; the model gives the example's answers again."""
    evaluated(trained)
    folder = trained.root / "artifact"
    manifest = Manifest.from_bytes((folder / "manifest.json").read_bytes())
    profile = Profile.from_bytes((folder / "profile.json").read_bytes())
    example = Example.from_bytes((folder / "example.json").read_bytes())
    assert (manifest.task, manifest.labels, manifest.positive) == ("BinaryClassification", (0, 1), 1)
    assert [item.rows for item in profile.features] == [3000, 3000, 3000]
    assert sum(profile.outputs[0].counts) == 1500
    assert any(row["number"] is None for row in example.rows)
    assert any(row["carrier"] is None for row in example.rows)
    from pintle.train.models import OnnxModel

    frame = pd.DataFrame(example.rows).astype({"number": "float32", "hour": "float32"})
    frame["carrier"] = frame["carrier"].fillna("")
    found = OnnxModel((folder / "model.onnx").read_bytes(), manifest.raw["schema"]).predict(frame)[:, 1]
    assert found == pytest.approx(list(example.answers), abs=1e-6)


def test_same_run_again_makes_the_same_bytes(trained: Run) -> None:
    """A run that is tried again after a disruption ends with the same digest, in another process with other hashes."""
    digests = []
    for hash_seed in ("1", "2"):
        trained.environment = {"PYTHONHASHSEED": hash_seed}
        evaluated(trained)
        code, uploaded = trained.phase("upload")
        assert code == 0
        digests.append(uploaded["digest"])
    assert digests[0] == digests[1]


def test_refused_model_is_uploaded_and_says_66(trained: Run) -> None:
    """A loser stays registered: artifact and record are there, and upload ends with 66."""
    trained.ask(gates=({"metric": "auc", "min": "0.99"},))
    assert evaluated(trained)["verdict"] == "Fail"
    code, uploaded = trained.phase("upload")
    assert (code, uploaded["verdict"]) == (66, "Fail")
    assert (trained.artifact / "manifest.json").exists()
    assert trained.record["verdict"] == "Fail"


def test_gates_without_enough_data_say_68(trained: Run) -> None:
    """A gate that has too few blocks is neither passed nor failed: the run ends with NeedMoreData."""
    trained.ask(gates=({"metric": "auc", "min": "0.6", "blockBy": "Week"},))
    assert evaluated(trained)["verdict"] == "NeedMoreData"
    code, _ = trained.phase("upload")
    assert code == 68


def test_trained_identity_is_unchanged(run: Run) -> None:
    """A run whose identity is known ends with 67 before anything is trained; another seed is another identity."""
    _, first = run.phase("fetch")
    run.ask(known=(first["identity"],))
    code, again = run.phase("fetch")
    assert (code, again["reason"], again["identity"]) == (67, "Unchanged", first["identity"])
    run.ask(seed=8)
    code, other = run.phase("fetch")
    assert code == 0
    assert other["identity"] != first["identity"]


def test_changed_byte_changes_the_identity(run: Run) -> None:
    """The identity covers all bytes of the selected partitions."""
    _, first = run.phase("fetch")
    run.partition(1, flights(1, seed=1))
    _, second = run.phase("fetch")
    run.partition(4)
    _, third = run.phase("fetch")
    assert len({first["identity"], second["identity"], third["identity"]}) == 3


def test_declared_digest_must_hold(run: Run) -> None:
    """Other bytes than declared are refused with 65; the declared ones pass."""
    _, first = run.phase("fetch")
    train, test = run.request.datasets
    run.ask(datasets=(replace(train, digest=first["datasets"][0]["digest"]), test))
    assert run.phase("fetch")[0] == 0
    run.ask(datasets=(replace(train, digest="sha256:" + "0" * 64), test))
    code, result = run.phase("fetch")
    assert (code, result["reason"]) == (65, "DataInvalid")


def test_train_sees_no_evaluate_rows(run: Run) -> None:
    """After fetch the data folder holds no row of the evaluation month, and the raw files are gone everywhere."""
    run.phase("fetch")
    rows = pd.read_parquet(run.root / "data" / "train.parquet")
    assert rows["time"].max() < pd.Timestamp("2013-03-01", tz="UTC")
    files = sorted(
        path.relative_to(run.root).as_posix() for folder in ("data", "held") for path in files_below(run, folder)
    )
    assert files == ["data/schema.json", "data/statistics.json", "data/train.parquet", "held/evaluate.parquet"]


def files_below(run: Run, folder: str) -> list[Path]:
    return [path for path in (run.root / folder).rglob("*") if path.is_file()]


def test_bad_data_train_nothing_and_leave_a_report(run: Run) -> None:
    """Data that break the schema end with 65, name column, rule, rows and examples, and leave the full report."""
    bad = flights(2)
    bad.loc[:11, "hour"] = 25
    run.partition(2, bad)
    features = [{"name": "hour", "type": "Integer", "max": "23"}, {"name": "altitude", "type": "Number"}]
    run.ask(schema={"target": "late", "timeColumn": "time", "features": features})
    code, result = run.phase("fetch")
    assert (code, result["reason"]) == (65, "DataInvalid")
    assert "train: hour: not 'at most 23' in 12 rows (25)" in result["message"]
    report = json.loads((run.root / "record" / "fetch.json").read_text())["report"]
    assert "altitude  column is present" in report
    assert not (run.root / "data" / "train.parquet").exists()


def test_pickle_is_refused(run: Run) -> None:
    """A pickle is never opened; the message says what to do instead."""
    run.phase("fetch")
    run.train("import pickle, pintle.train as pt; (pt.output_dir() / 'model.pkl').write_bytes(pickle.dumps({}))")
    code, result = run.phase("evaluate")
    assert (code, result["reason"]) == (66, "ModelInvalid")
    assert "pintle.train.save" in result["message"]


def test_untrusted_types_need_the_operators_policy(run: Run) -> None:
    """A type outside scikit-learn and numpy is refused by name, with the way to allow it."""
    run.phase("fetch")
    run.train(
        "import pintle.train as pt, fractions\n"
        "from sklearn.linear_model import LogisticRegression\n"
        "model = LogisticRegression(); rows = pt.load('Train')\n"
        "model.fit(rows[['hour']], rows['late']); model.extra = fractions.Fraction(1, 2); pt.save(model)"
    )
    code, result = run.phase("evaluate")
    assert (code, result["reason"]) == (66, "ModelInvalid")
    assert "fractions.Fraction" in result["message"]
    assert "PINTLE_TRUSTED_TYPES" in result["message"]


def test_failed_run_leaves_its_record(run: Run) -> None:
    """The sidecar writes run.json on SIGTERM when upload has not, with the reason of the phase that refused."""
    run.ask(schema={"target": "nothing"})
    code, _ = run.phase("fetch")
    assert code == 65
    assert stop_recorder(run) == 0
    assert run.record["phases"]["fetch"]["reason"] == "DataInvalid"
    assert run.record["verdict"] is None


def test_recorder_keeps_off_a_record_that_upload_wrote(trained: Run) -> None:
    """After an upload the sidecar writes nothing."""
    evaluated(trained)
    trained.phase("upload")
    before = trained.record
    assert stop_recorder(trained) == 0
    assert trained.record == before


def stop_recorder(run: Run) -> int:
    """Start the sidecar, stop it as the kubelet does once it says that it waits; its exit code."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pintle.train.record"], env=run.variables(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        assert "waiting" in process.stdout.readline()
        os.kill(process.pid, signal.SIGTERM)
        process.stdout.read()
    return process.wait(timeout=60)


def test_linked_metrics_are_not_published(trained: Run) -> None:
    """Training cannot make upload publish a file that only upload can read."""
    evaluated(trained)
    key = trained.root / "key"
    key.write_text("secret")
    metrics = trained.root / "record" / "train" / "metrics.jsonl"
    metrics.unlink()
    metrics.symlink_to(key)
    assert trained.phase("upload")[0] == 0
    assert not (trained.artifact.parent / "runs" / "delays-0123456789" / "metrics.jsonl").exists()


def test_wrong_request_says_78(run: Run) -> None:
    """A request that can never work is final, with the reason: unknown scheme, unmounted claim, unknown metric."""
    train = run.request.datasets[0]
    for uri in ("ftp://somewhere/x", "pvc://nowhere/x"):
        run.ask(datasets=(replace(train, storageUri=uri),))
        code, result = run.phase("fetch")
        assert (code, result["reason"]) == (78, "RequestInvalid")


def test_missing_partitions_say_68(run: Run) -> None:
    """A data set whose partitions do not exist yet needs more data."""
    train = run.request.datasets[0]
    run.ask(datasets=(replace(train, select={"partition": "{yyyy}-{MM}", "latest": 1, "skip": 9}),))
    code, result = run.phase("fetch")
    assert (code, result["reason"]) == (68, "NeedMoreData")


def test_sixteen_data_sets_fit_into_the_message(run: Run) -> None:
    """The longest request still gives a result below 1,500 bytes that holds the identity."""
    train, test = run.request.datasets
    many = tuple(replace(train, name=f"{'n' * 37}{number:03d}") for number in range(15))
    run.ask(datasets=(*many, test))
    code, result = run.phase("fetch")
    assert code == 0
    assert result["identity"].startswith("sha256:")
