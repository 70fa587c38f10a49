"""The artifact folder on disk: manifest, example, profile, and the model's bytes, verified once more."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pintle.contract.exits import Exit
from pintle.contract.folders import EXAMPLE_FILE, MANIFEST_FILE, PROFILE_FILE
from pintle.contract.manifest import Example, Manifest, ManifestError
from pintle.contract.profile import Profile
from pintle.serve.report import Refusal

LOAD_FAILED = "LoadFailed"


@dataclass(frozen=True)
class Artifact:
    """A model on disk. `profile` is None where the artifact has none: the model serves, its drift is not counted."""

    folder: Path
    manifest: Manifest
    example: Example
    profile: Profile | None

    def model_bytes(self) -> bytes:
        """The model file. Raises Refusal when it is not what the manifest says (changed since it was fetched)."""
        return self.file_bytes(self.manifest.model_file)

    def file_bytes(self, name: str) -> bytes:
        """A file that the manifest lists. Raises Refusal as `model_bytes`."""
        return _verified(self.folder, name, self.manifest)


def open_artifact(folder: Path) -> Artifact:
    """Raises Refusal (REFUSED, LoadFailed) where a file is missing, differs from the manifest or cannot be read."""
    try:
        manifest = Manifest.from_bytes(_read(folder, MANIFEST_FILE))
        example = Example.from_bytes(_verified(folder, EXAMPLE_FILE, manifest))
        profile = None
        if PROFILE_FILE in manifest.files:
            profile = Profile.from_bytes(_verified(folder, PROFILE_FILE, manifest))
    except ManifestError as error:
        raise Refusal(Exit.REFUSED, LOAD_FAILED, str(error)) from error
    return Artifact(folder, manifest, example, profile)


def _verified(folder: Path, name: str, manifest: Manifest) -> bytes:
    entry = manifest.files.get(name)
    if entry is None:
        raise Refusal(Exit.REFUSED, LOAD_FAILED, f"{MANIFEST_FILE} lists no {name}")
    data = _read(folder, name)
    if len(data) != entry.bytes or hashlib.sha256(data).hexdigest() != entry.sha256:
        raise Refusal(Exit.REFUSED, LOAD_FAILED, f"{name} is not the file that {MANIFEST_FILE} lists")
    return data


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise Refusal(Exit.REFUSED, LOAD_FAILED, f"cannot read {folder / name}: {error.strerror}") from error
