"""`python -m pintle.serve.fetch`: the init container that downloads a model and verifies every byte of it.

It alone holds the storage key. manifest.json is checked against PINTLE_MODEL_DIGEST, each file against the manifest;
what the manifest does not list is not downloaded. manifest.json is written last: a folder with it is complete.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from pintle.contract import folders, names
from pintle.contract.digest import digest_bytes
from pintle.contract.exits import Exit
from pintle.contract.manifest import FileEntry, Manifest, ManifestError
from pintle.serve import report
from pintle.serve.report import Refusal
from pintle.serve.storage import BadUri, Source, StorageError, open_source

PHASE = "verify"
MAX_MANIFEST_BYTES = 4 << 20


def main(
    environment: Mapping[str, str] = os.environ,
    secret: PurePosixPath | Path = folders.MODEL_SECRET,
    volumes: PurePosixPath | Path = folders.VOLUMES,
) -> Exit:
    """Fetch by the environment; the exit code and the termination message are the contract's."""
    digest = environment.get(names.ENV_MODEL_DIGEST, "")
    target = Path(environment.get(names.ENV_MODEL_DIR, str(folders.MODEL)))
    try:
        try:
            source = open_source(environment.get(names.ENV_MODEL_URI, ""), secret, volumes)
            fetch(source, digest, target)
        except BadUri as error:
            raise Refusal(Exit.CONFIG, "RequestInvalid", f"{names.ENV_MODEL_URI}: {error}") from error
        except (StorageError, OSError) as error:
            raise Refusal(Exit.TRY_AGAIN, "StorageUnavailable", str(error)) from error
    except Refusal as refusal:
        return report.refuse(PHASE, refusal)
    return report.finish(PHASE, {"digest": digest})


def fetch(source: Source, digest: str, target: Path) -> Manifest:
    """Download into `target` and verify. Raises Refusal, StorageError, OSError."""
    if not digest.startswith("sha256:") or len(digest) != len("sha256:") + 64:
        raise Refusal(Exit.CONFIG, "RequestInvalid", f"{names.ENV_MODEL_DIGEST} must be sha256: and 64 hex digits")
    target.mkdir(parents=True, exist_ok=True)
    (target / folders.MANIFEST_FILE).unlink(missing_ok=True)
    data = _read_manifest(source)
    found = digest_bytes(data)
    if found != digest:
        raise Refusal(
            Exit.DATA_INVALID, "DigestMismatch", f"{folders.MANIFEST_FILE} has the digest {found}, expected {digest}"
        )
    try:
        manifest = Manifest.from_bytes(data)
    except ManifestError as error:
        raise Refusal(Exit.DATA_INVALID, "ManifestInvalid", str(error)) from error
    for name, entry in manifest.files.items():
        _download(source, name, entry, target)
    partial = target / f".{folders.MANIFEST_FILE}.part"
    partial.write_bytes(data)
    partial.replace(target / folders.MANIFEST_FILE)
    return manifest


def _read_manifest(source: Source) -> bytes:
    data = b""
    for chunk in source.read(folders.MANIFEST_FILE):
        data += chunk
        if len(data) > MAX_MANIFEST_BYTES:
            message = f"{folders.MANIFEST_FILE} is larger than {MAX_MANIFEST_BYTES} bytes"
            raise Refusal(Exit.DATA_INVALID, "ManifestInvalid", message)
    return data


def _download(source: Source, name: str, entry: FileEntry, target: Path) -> None:
    """One file, by way of a hidden partial file, so that a file under its own name has been verified."""
    partial = target / f".{name}.part"
    hasher, size = hashlib.sha256(), 0
    try:
        with partial.open("wb") as file:
            for chunk in source.read(name):
                size += len(chunk)
                if size > entry.bytes:
                    break  # the rest cannot make it right, and may fill the node's disk
                hasher.update(chunk)
                file.write(chunk)
        if size != entry.bytes:
            found = f"more than {entry.bytes}" if size > entry.bytes else str(size)
            message = f"{name} has {found} bytes, the manifest says {entry.bytes}"
            raise Refusal(Exit.DATA_INVALID, "DigestMismatch", message)
        if hasher.hexdigest() != entry.sha256:
            message = f"{name} has the digest sha256:{hasher.hexdigest()}, the manifest says sha256:{entry.sha256}"
            raise Refusal(Exit.DATA_INVALID, "DigestMismatch", message)
        partial.replace(target / name)
    finally:
        partial.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
