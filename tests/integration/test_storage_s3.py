"""Storage of runs against a real S3 server (versitygw over a folder, on loopback)."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pintle.contract.digest import digest_bytes
from pintle.train.outcome import Refusal
from pintle.train.storage import open_store

from e2e.cluster.s3 import S3Server
from tests.runs import Run


def key(server: S3Server, folder: Path, **other: str) -> Path:
    """The files of a storage Secret, as the kubelet mounts them; `other` replaces values."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in {**server.environment(), **other}.items():
        # A Secret written with a text editor often ends with a newline.
        (folder / name).write_text(value + "\n")
    return folder


@pytest.fixture(autouse=True)
def only_key_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever keys the developer's shell holds are not those of these tests."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server with the buckets `data` and `models`; in a folder of its own, so that it can be started again."""
    with S3Server(tmp_path_factory.mktemp("s3")) as made:
        for bucket in ("data", "models"):
            made.make_bucket(bucket)
        yield made


@pytest.fixture
def run(server: S3Server, tmp_path: Path) -> Iterator[Run]:
    """Three months in the bucket, keys where the kubelet mounts them, no key in the environment."""
    made = Run(tmp_path)
    for month in (1, 2, 3):
        made.partition(month)
    shutil.copytree(tmp_path / "volumes" / "data" / "months", server.buckets / "data" / "months", dirs_exist_ok=True)
    train, test = (replace(item, storageUri="s3://data/months", hasSecret=True) for item in made.request.datasets)
    made.ask(datasets=(train, test), outputUri="s3://models/out", outputHasSecret=True)
    for name in ("data-train", "data-test", "output"):
        key(server, tmp_path / "secrets" / name)
    yield made
    shutil.rmtree(server.buckets / "models" / "out", ignore_errors=True)


def test_run_reads_from_and_writes_to_buckets(run: Run, server: S3Server) -> None:
    """fetch and upload work with keys from files; artifact and record lie in the bucket under the reported digest."""
    assert run.phase("fetch")[0] == 0, run.output
    run.train()
    assert run.phase("evaluate")[0] == 0, run.output
    code, result = run.phase("upload")
    assert code == 0, run.output
    artifact = server.buckets / "models" / "out" / "delays" / run.request.run
    assert result["uri"] == f"s3://models/out/delays/{run.request.run}"
    assert digest_bytes((artifact / "manifest.json").read_bytes()) == result["digest"]
    assert sorted(path.name for path in artifact.iterdir()) == [
        "example.json",
        "manifest.json",
        "model.onnx",
        "profile.json",
    ]
    assert (artifact.parent / "runs" / run.request.run / "run.json").is_file()


def test_identity_does_not_depend_on_where_data_lie(run: Run) -> None:
    """The same bytes in a bucket and on a claim are the same data: nothing is trained again after a move."""
    _, bucket = run.phase("fetch")
    datasets = (replace(item, storageUri="pvc://data/months", hasSecret=False) for item in run.request.datasets)
    run.ask(datasets=tuple(datasets))
    _, claim = run.phase("fetch")
    assert bucket["identity"] == claim["identity"]


def test_wrong_key_is_named_and_tried_again(run: Run, server: S3Server) -> None:
    """A key that the store refuses ends with 75, and the message sends to the Secret; the key itself is nowhere."""
    key(server, run.root / "secrets" / "data-train", AWS_SECRET_ACCESS_KEY="wrong-secret")
    code, result = run.phase("fetch")
    assert (code, result["reason"]) == (75, "StorageUnavailable")
    assert "check the key in its Secret" in result["message"]
    assert "wrong-secret" not in run.output + str(result)


def test_missing_bucket_is_said(server: S3Server, tmp_path: Path) -> None:
    """A bucket that does not exist is storage that cannot be read, by its URI."""
    with pytest.raises(Refusal, match="s3://nowhere/x") as refused:
        open_store("s3://nowhere/x", key(server, tmp_path)).list()  # type: ignore[arg-type]
    assert refused.value.code == 75


def test_large_objects_survive_both_ways(server: S3Server, tmp_path: Path) -> None:
    """An object of many parts comes back byte for byte, in pieces, with its digest."""
    store = open_store("s3://models/large", key(server, tmp_path / "key"))  # type: ignore[arg-type]
    data = os.urandom(1 << 20) * 24
    (tmp_path / "up").write_bytes(data)
    store.put("a/model.onnx", tmp_path / "up")
    assert store.download("a/model.onnx", tmp_path / "down") == hashlib.sha256(data).hexdigest()
    assert (tmp_path / "down").read_bytes() == data
    assert [(info.name, info.size) for info in store.list()] == [("a/model.onnx", len(data))]


def test_long_listings_are_complete(server: S3Server, tmp_path: Path) -> None:
    """More objects than one answer of the S3 protocol holds (1,000) are all listed."""
    folder = server.buckets / "data" / "many"
    folder.mkdir()
    for number in range(1100):
        (folder / f"{number:04d}.csv").write_text("a\n1\n")
    found = open_store("s3://data/many", key(server, tmp_path)).list()  # type: ignore[arg-type]
    assert [info.name for info in found] == [f"{number:04d}.csv" for number in range(1100)]


def test_upload_finishes_after_the_store_came_back(run: Run, server: S3Server) -> None:
    """A store that is down at upload ends with 75; the next try uploads the same artifact, with the manifest last."""
    run.phase("fetch")
    run.train()
    run.phase("evaluate")
    server.stop()
    try:
        assert run.phase("upload")[0] == 75
        assert not (run.root / "record" / "uploaded").exists()
    finally:
        server.start()
    key(server, run.root / "secrets" / "output")
    code, result = run.phase("upload")
    assert code == 0
    assert result["digest"] == digest_bytes((run.root / "artifact" / "manifest.json").read_bytes())
