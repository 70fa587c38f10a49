"""Storage of runs against a real S3 server (versitygw over a folder, on loopback)."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pintle.contract.digest import digest_bytes
from pintle.train.outcome import Refusal
from pintle.train.storage import open_store

from e2e.cluster import binaries
from e2e.cluster.ports import free_ports
from tests.unit.train.runs import Run

ACCESS, SECRET = "pintle-test", "pintle-test-secret"
PATIENCE_SECONDS = 30


class Gateway:
    """versitygw over `folder`: every folder in it is a bucket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_ports(1)[0]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when the server takes connections."""
        program = binaries.VERSITYGW.path()
        address = f"127.0.0.1:{self.port}"
        command = [str(program), "--port", address, "--access", ACCESS, "--secret", SECRET, "--quiet", "posix"]
        self._process = subprocess.Popen(
            [*command, str(self.folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise RuntimeError(f"versitygw does not listen on {address}")

    def stop(self) -> None:
        """Ends the server; it can be started again."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE_SECONDS)
            self._process = None

    def key(self, folder: Path, secret: str = SECRET) -> Path:
        """The files of a storage Secret."""
        folder.mkdir(parents=True, exist_ok=True)
        values = {"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": secret, "AWS_REGION": "us-east-1"}
        for name, value in {**values, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}"}.items():
            # A Secret written with a text editor often ends with a newline.
            (folder / name).write_text(value + "\n")
        return folder


@pytest.fixture(autouse=True)
def only_key_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever keys the developer's shell holds are not those of these tests."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A server with the buckets `data` and `models`."""
    folder = tmp_path_factory.mktemp("buckets")
    for bucket in ("data", "models"):
        (folder / bucket).mkdir()
    made = Gateway(folder)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def run(gateway: Gateway, tmp_path: Path) -> Iterator[Run]:
    """Three months in the bucket, keys where the kubelet mounts them, no key in the environment."""
    made = Run(tmp_path)
    for month in (1, 2, 3):
        made.partition(month)
    shutil.copytree(tmp_path / "volumes" / "data" / "months", gateway.folder / "data" / "months", dirs_exist_ok=True)
    train, test = (replace(item, storageUri="s3://data/months", hasSecret=True) for item in made.request.datasets)
    made.ask(datasets=(train, test), outputUri="s3://models/out", outputHasSecret=True)
    for name in ("data-train", "data-test", "output"):
        gateway.key(tmp_path / "secrets" / name)
    yield made
    shutil.rmtree(gateway.folder / "models" / "out", ignore_errors=True)


def test_run_reads_from_and_writes_to_buckets(run: Run, gateway: Gateway) -> None:
    """fetch and upload work with keys from files; artifact and record lie in the bucket under the reported digest."""
    assert run.phase("fetch")[0] == 0, run.output
    run.train()
    assert run.phase("evaluate")[0] == 0, run.output
    code, result = run.phase("upload")
    assert code == 0, run.output
    artifact = gateway.folder / "models" / "out" / "delays" / run.request.run
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


def test_wrong_key_is_named_and_tried_again(run: Run, gateway: Gateway) -> None:
    """A key that the store refuses ends with 75, and the message sends to the Secret; the key itself is nowhere."""
    gateway.key(run.root / "secrets" / "data-train", secret="wrong-secret")
    code, result = run.phase("fetch")
    assert (code, result["reason"]) == (75, "StorageUnavailable")
    assert "check the key in its Secret" in result["message"]
    assert "wrong-secret" not in run.output + str(result)


def test_missing_bucket_is_said(gateway: Gateway, tmp_path: Path) -> None:
    """A bucket that does not exist is storage that cannot be read, by its URI."""
    with pytest.raises(Refusal, match="s3://nowhere/x") as refused:
        open_store("s3://nowhere/x", gateway.key(tmp_path)).list()  # type: ignore[arg-type]
    assert refused.value.code == 75


def test_large_objects_survive_both_ways(gateway: Gateway, tmp_path: Path) -> None:
    """An object of many parts comes back byte for byte, in pieces, with its digest."""
    store = open_store("s3://models/large", gateway.key(tmp_path / "key"))  # type: ignore[arg-type]
    data = os.urandom(1 << 20) * 24
    (tmp_path / "up").write_bytes(data)
    store.put("a/model.onnx", tmp_path / "up")
    assert store.download("a/model.onnx", tmp_path / "down") == hashlib.sha256(data).hexdigest()
    assert (tmp_path / "down").read_bytes() == data
    assert [(info.name, info.size) for info in store.list()] == [("a/model.onnx", len(data))]


def test_long_listings_are_complete(gateway: Gateway, tmp_path: Path) -> None:
    """More objects than one answer of the S3 protocol holds (1,000) are all listed."""
    folder = gateway.folder / "data" / "many"
    folder.mkdir()
    for number in range(1100):
        (folder / f"{number:04d}.csv").write_text("a\n1\n")
    found = open_store("s3://data/many", gateway.key(tmp_path)).list()  # type: ignore[arg-type]
    assert [info.name for info in found] == [f"{number:04d}.csv" for number in range(1100)]


def test_upload_finishes_after_the_store_came_back(run: Run, gateway: Gateway) -> None:
    """A store that is down at upload ends with 75; the next try uploads the same artifact, with the manifest last."""
    run.phase("fetch")
    run.train()
    run.phase("evaluate")
    gateway.stop()
    try:
        assert run.phase("upload")[0] == 75
        assert not (run.root / "record" / "uploaded").exists()
    finally:
        gateway.start()
    code, result = run.phase("upload")
    assert code == 0
    assert result["digest"] == digest_bytes((run.root / "artifact" / "manifest.json").read_bytes())
