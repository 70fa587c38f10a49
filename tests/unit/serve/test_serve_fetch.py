"""Downloading and verifying an artifact."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pintle.contract.digest import digest_bytes
from pintle.contract.exits import Exit
from pintle.serve import fetch
from pintle.serve.storage import BadUri, open_source, read_keys

from tests.unit.serve.artifacts import digest_of


@pytest.fixture
def volume(tmp_path: Path, classifier: Path) -> Path:
    """A claim `models` with the artifact below delays/run1."""
    shutil.copytree(classifier, tmp_path / "volumes" / "models" / "delays" / "run1")
    return tmp_path / "volumes"


@pytest.fixture
def source(volume: Path) -> Path:
    return volume / "models" / "delays" / "run1"


class Fetch:
    """Runs fetch by an environment; `code` and `result` are what the pod would report."""

    def __init__(self, tmp_path: Path, volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.target = tmp_path / "model"
        self.secret = tmp_path / "secret"
        self._volume = volume
        self._log = tmp_path / "termination"
        monkeypatch.setenv("PINTLE_TERMINATION_LOG", str(self._log))

    def __call__(self, digest: str, uri: str = "pvc://models/delays/run1") -> tuple[Exit, str | None, str]:
        environment = {"PINTLE_MODEL_URI": uri, "PINTLE_MODEL_DIGEST": digest, "PINTLE_MODEL_DIR": str(self.target)}
        code = fetch.main(environment, self.secret, self._volume)
        result = json.loads(self._log.read_text())
        assert result["phase"] == "verify"
        return code, result.get("reason"), result.get("message", "")

    def files(self) -> set[str]:
        return {file.name for file in self.target.iterdir()} if self.target.exists() else set()


@pytest.fixture
def run(tmp_path: Path, volume: Path, monkeypatch: pytest.MonkeyPatch) -> Fetch:
    return Fetch(tmp_path, volume, monkeypatch)


def test_a_model_is_fetched_from_a_claim(run: Fetch, source: Path) -> None:
    """All files of the manifest arrive byte for byte, others do not; a second run (restarted pod) does the same."""
    (source / "stranger.txt").write_text("not in the manifest")
    for _ in range(2):
        assert run(digest_of(source)) == (Exit.DONE, None, "")
        assert run.files() == {"manifest.json", "model.onnx", "example.json", "profile.json"}
        for name in run.files():
            assert (run.target / name).read_bytes() == (source / name).read_bytes()


def test_another_manifest_is_refused_with_both_digests(run: Fetch, source: Path) -> None:
    """The digest is over the bytes of manifest.json; nothing is downloaded by a manifest that is not the one."""
    code, reason, message = run("sha256:" + "0" * 64)
    assert (code, reason) == (Exit.DATA_INVALID, "DigestMismatch")
    assert digest_of(source) in message
    assert "0" * 64 in message
    assert run.files() == set()


@pytest.mark.parametrize("change", ["same size", "shorter", "longer"])
def test_a_changed_file_is_refused(run: Fetch, source: Path, change: str) -> None:
    """A byte changed, cut off or added: the file is named, and no manifest marks the folder as complete."""
    data = (source / "model.onnx").read_bytes()
    (source / "model.onnx").write_bytes(
        {"same size": b"x" + data[1:], "shorter": data[1:], "longer": data + b"x"}[change]
    )
    code, reason, message = run(digest_of(source))
    assert (code, reason) == (Exit.DATA_INVALID, "DigestMismatch")
    assert message.startswith("model.onnx")
    assert "model.onnx" not in run.files()
    assert "manifest.json" not in run.files()


def test_a_manifest_left_by_an_earlier_run_does_not_stand_for_a_failed_one(run: Fetch, source: Path) -> None:
    """The folder is not complete while a fetch has failed."""
    digest = digest_of(source)
    run(digest)
    (source / "profile.json").write_text("{}")
    assert run(digest)[0] == Exit.DATA_INVALID
    assert "manifest.json" not in run.files()


@pytest.mark.parametrize("name", ["../escape", "/etc/passwd", "a/b", "..", ".hidden", "manifest.json", ""])
def test_a_file_name_that_leaves_the_folder_is_refused(run: Fetch, source: Path, name: str) -> None:
    """Even under the right digest a manifest cannot write outside the model folder."""
    manifest = json.loads((source / "manifest.json").read_text())
    manifest["files"][name] = {"sha256": "0" * 64, "bytes": 1}
    (source / "manifest.json").write_text(json.dumps(manifest))
    code, reason, _ = run(digest_of(source))
    assert (code, reason) == (Exit.DATA_INVALID, "ManifestInvalid")


@pytest.mark.parametrize("change", [{"modelFormat": "Pickle"}, {"formatVersion": 2}, {"files": {}}, {"task": "Magic"}])
def test_a_manifest_that_cannot_be_served_is_refused(run: Fetch, source: Path, change: dict[str, object]) -> None:
    """Pickle, a later format, no files, an unknown task."""
    manifest = {**json.loads((source / "manifest.json").read_text()), **change}
    (source / "manifest.json").write_text(json.dumps(manifest))
    code, reason, message = run(digest_of(source))
    assert (code, reason) == (Exit.DATA_INVALID, "ManifestInvalid")
    assert message


@pytest.mark.parametrize("missing", ["manifest.json", "model.onnx"])
def test_storage_that_cannot_be_read_is_tried_again(run: Fetch, source: Path, missing: str) -> None:
    """A missing file may still arrive, an outage ends: not a final answer."""
    digest = digest_of(source)
    (source / missing).unlink()
    code, reason, message = run(digest)
    assert (code, reason) == (Exit.TRY_AGAIN, "StorageUnavailable")
    assert missing in message


@pytest.mark.parametrize(
    ("uri", "digest"),
    [
        ("", "sha256:" + "0" * 64),
        ("http://x/y", "sha256:" + "0" * 64),
        ("pvc://models/../other", "sha256:" + "0" * 64),
        ("s3://", "sha256:" + "0" * 64),
        ("pvc://models/delays/run1", "md5:00"),
        ("pvc://models/delays/run1", ""),
    ],
)
def test_a_wrong_request_is_final(run: Fetch, uri: str, digest: str) -> None:
    """What no retry can mend ends with its own code."""
    assert run(digest, uri)[:2] == (Exit.CONFIG, "RequestInvalid")


def test_keys_are_read_from_files(tmp_path: Path) -> None:
    """A mounted Secret is a folder of files; white space at the ends is none of the key."""
    (tmp_path / "AWS_ACCESS_KEY_ID").write_text("me\n")
    (tmp_path / "OTHER").write_text("ignored")
    assert read_keys(tmp_path) == {"AWS_ACCESS_KEY_ID": "me"}
    assert read_keys(tmp_path / "absent") == {}
    with pytest.raises(BadUri):
        open_source("s3://bucket/../x", tmp_path)


class _Bucket(BaseHTTPRequestHandler):
    """Answers GETs of an S3 client from a folder; remembers paths and who signed."""

    root: Path
    seen: list[tuple[str, str]]

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers.get("Authorization", "")))
        file = self.root / self.path.lstrip("/")
        data = file.read_bytes() if file.is_file() else b"<Error><Code>NoSuchKey</Code></Error>"
        self.send_response(200 if file.is_file() else 404)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", '"x"')
        self.send_header("Last-Modified", "Tue, 01 Jan 2013 00:00:00 GMT")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def bucket(volume: Path) -> Iterator[ThreadingHTTPServer]:
    handler = type("Bucket", (_Bucket,), {"root": volume, "seen": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_model_is_fetched_from_a_bucket(run: Fetch, source: Path, bucket: ThreadingHTTPServer) -> None:
    """Endpoint (http) and key come from files; requests are signed with that key."""
    run.secret.mkdir()
    keys = {
        "AWS_ACCESS_KEY_ID": "AKIAME",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{bucket.server_port}",
        "AWS_REGION": "eu-west-3",
    }
    for name, text in keys.items():
        (run.secret / name).write_text(text)
    assert run(digest_of(source), "s3://models/delays/run1") == (Exit.DONE, None, "")
    assert digest_bytes((run.target / "manifest.json").read_bytes()) == digest_of(source)
    seen = bucket.RequestHandlerClass.seen  # type: ignore[attr-defined]
    assert seen[0][0] == "/models/delays/run1/manifest.json"
    assert all("AKIAME" in signed and "eu-west-3" in signed for _, signed in seen)
    code, reason, message = run(digest_of(source), "s3://models/delays/nothing")
    assert (code, reason) == (Exit.TRY_AGAIN, "StorageUnavailable")
    assert "secret" not in message
