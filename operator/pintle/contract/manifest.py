"""The manifest of an artifact: its digest is the model's digest, and it holds the digest of every other file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pintle.contract.digest import canonical, digest_bytes
from pintle.contract.folders import MANIFEST_FILE

FORMAT_VERSION = 1
ONNX, SKOPS = "ONNX", "Skops"
MODEL_FILES = {ONNX: "model.onnx", SKOPS: "model.skops"}
COLUMNS, MATRIX = "Columns", "Matrix"
BINARY, MULTICLASS, REGRESSION = "BinaryClassification", "Multiclass", "Regression"
EXAMPLE_TOLERANCE = 1e-4


@dataclass(frozen=True)
class FileEntry:
    """Size in bytes and hex SHA-256 of one file."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """What manifest.json says. `files` leaves the manifest itself out."""

    modelFormat: str
    files: Mapping[str, FileEntry]
    schema: Mapping[str, Any]
    task: str
    outputs: Mapping[str, Any]
    inputs: str = COLUMNS
    run: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    formatVersion: int = FORMAT_VERSION

    def to_bytes(self) -> bytes:
        """Canonical JSON: the same manifest has the same bytes, hence the same digest."""
        files = {name: {"sha256": entry.sha256, "bytes": entry.bytes} for name, entry in self.files.items()}
        return canonical({**self.__dict__, "files": files})

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Raises ValueError when the bytes are no manifest of this format, or name a file outside the artifact."""
        try:
            raw = json.loads(data)
            version = raw["formatVersion"]
            files = {name: FileEntry(item["sha256"], item["bytes"]) for name, item in raw["files"].items()}
            known = {name: raw[name] for name in cls.__dataclass_fields__ if name in raw and name != "files"}
            manifest = cls(files=files, **known)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"not a manifest: {error!r}") from error
        if version != FORMAT_VERSION:
            raise ValueError(f"manifest of format {version}, this Pintle reads format {FORMAT_VERSION}")
        for name in files:
            if "/" in name or name in ("", ".", "..", MANIFEST_FILE):
                raise ValueError(f"manifest names the file {name!r}: only plain names are allowed")
        return manifest

    @property
    def digest(self) -> str:
        """The model's digest. Of a manifest that was read, take `digest_bytes` of the bytes read instead."""
        return digest_bytes(self.to_bytes())

    @property
    def model_file(self) -> str:
        """Name of the file that holds the model."""
        return MODEL_FILES[self.modelFormat]


def file_entry(path: Path) -> FileEntry:
    """Size and SHA-256 of a file, read in pieces."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
            size += len(piece)
    return FileEntry(digest.hexdigest(), size)


def verify(folder: Path, manifest: Manifest) -> list[str]:
    """What is wrong with the files of an artifact folder, as sentences; empty when every byte is as the manifest says."""
    wrong = []
    for name, expected in manifest.files.items():
        path = folder / name
        if not path.is_file():
            wrong.append(f"{name} is missing")
        elif file_entry(path) != expected:
            wrong.append(f"{name} has other bytes than the manifest says")
    return wrong
