"""`python -m pintle.serve.pack FOLDER`: makes an artifact of a model that was trained elsewhere.

FOLDER holds the model file (or what MLflow logged), `describe.json` with what a manifest says of it (modelFormat, task,
schema, outputs, inputs) and `rows.json`, a list of example rows. The model answers the rows as it will in a serving
pod; `example.json` and `manifest.json` are written, the digest is printed.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pintle.contract.digest import digest_bytes
from pintle.contract.exits import Exit
from pintle.contract.folders import EXAMPLE_FILE, MANIFEST_FILE
from pintle.contract.manifest import BINARY, FORMAT_VERSION, Example, Manifest, ManifestError, parse_manifest
from pintle.contract.names import ENV_TRUSTED_TYPES
from pintle.serve.artifact import LOAD_FAILED, Artifact
from pintle.serve.http import Rejected
from pintle.serve.models import Model, Prediction, load_model
from pintle.serve.report import Refusal
from pintle.serve.rows import RowReader, join

DESCRIBE_FILE, ROWS_FILE = "describe.json", "rows.json"
_OURS = (MANIFEST_FILE, EXAMPLE_FILE, DESCRIBE_FILE, ROWS_FILE)


def main(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Exit:
    """Prints the digest, or why there is none; the exit code is the contract's."""
    if len(arguments) != 1:
        print("usage: python -m pintle.serve.pack FOLDER", file=sys.stderr)
        return Exit.CONFIG
    trusted = tuple(environment.get(ENV_TRUSTED_TYPES, "").replace(",", " ").split())
    try:
        print(pack(Path(arguments[0]), trusted))
    except Refusal as refusal:
        print(f"{refusal.reason}: {refusal.message}", file=sys.stderr)
        return refusal.code
    return Exit.DONE


def pack(folder: Path, trusted: tuple[str, ...] = ()) -> str:
    """Write example and manifest; the digest of the artifact. Raises Refusal."""
    try:
        described = json.loads((folder / DESCRIBE_FILE).read_bytes())
        rows = json.loads((folder / ROWS_FILE).read_bytes())
        raw = {**described, "formatVersion": FORMAT_VERSION, "files": _files(folder)}
        manifest = parse_manifest(raw)
        answers = _answers(load_model(Artifact(folder, manifest, Example((), ()), None), trusted), manifest, rows)
    except (OSError, ValueError, TypeError, ManifestError) as error:
        raise Refusal(Exit.CONFIG, "RequestInvalid", f"{folder}: {error}") from error
    except Rejected as rejected:
        raise Refusal(Exit.CONFIG, "RequestInvalid", f"{ROWS_FILE}: {rejected.message}") from rejected
    example = json.dumps({"rows": rows, "answers": answers}, indent=1).encode()
    (folder / EXAMPLE_FILE).write_bytes(example)
    raw["files"][EXAMPLE_FILE] = _entry(example)
    data = json.dumps(raw, indent=1).encode()
    (folder / MANIFEST_FILE).write_bytes(data)
    return digest_bytes(data)


def _files(folder: Path) -> dict[str, dict[str, Any]]:
    return {
        path.name: _entry(path.read_bytes())
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name not in _OURS and not path.name.startswith(".")
    }


def _entry(data: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def _answers(model: Model, manifest: Manifest, rows: Any) -> list[Any]:
    """As `example.json` has them: P(positive), all probabilities, the value or values, or the detector's score."""
    read = RowReader(model.inputs, len(rows)).from_rows([dict(row) for row in rows])
    try:
        prediction: Prediction = model.predict(join([read], len(model.inputs.numbers)))
    except Exception as error:
        raise Refusal(Exit.REFUSED, LOAD_FAILED, f"the model cannot answer {ROWS_FILE}: {error!r}") from error
    found = prediction.score if manifest.task == BINARY else prediction.figures
    answers: list[Any] = found.astype(float).tolist()
    return answers


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
