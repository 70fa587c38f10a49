"""`python -m pintle.train.upload`: copies the artifact to storage and writes the record. It never loads a model.

Files first, manifest last: an artifact without manifest is none. Everything has names derived from the run, so that
doing it again does nothing new. Ends with 66 where the gates refuse the model, 68 where they lack data.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pintle.contract import folders
from pintle.contract.digest import digest_bytes
from pintle.contract.exits import Exit
from pintle.contract.run import RunRequest
from pintle.train.outcome import MODEL_INVALID, Outcome, Refusal, main, say
from pintle.train.recording import output_store, record_uri, run_record, write_record

CODES = {"Pass": Exit.DONE, "Fail": Exit.REFUSED, "NeedMoreData": Exit.NEED_MORE_DATA}


def upload(request: RunRequest) -> Outcome:
    """The whole phase. Raises Refusal."""
    folder = Path(folders.ARTIFACT)
    try:
        manifest = (folder / folders.MANIFEST_FILE).read_bytes()
        content = json.loads(manifest)
        files = {str(name): int(entry["bytes"]) for name, entry in content["files"].items()}
        verdict, identity = str(content["run"]["verdict"]), content["run"]["identity"]
        code = CODES[verdict]
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"evaluate left no manifest that can be read: {error!r}"
        raise Refusal(Exit.REFUSED, MODEL_INVALID, message) from error
    digest = digest_bytes(manifest)
    uri = folders.artifact_uri(request.outputUri, request.modelName, request.run)
    copy(request, uri, folder, files, manifest)
    report: dict[str, Any] = {
        "phase": "upload",
        "uri": uri,
        "digest": digest,
        "identity": identity,
        "verdict": verdict,
        "record": f"{record_uri(request)}/{folders.RUN_FILE}",
    }
    write_record(request, run_record(request, verdict=verdict, digest=digest, artifact=uri))
    (Path(folders.RECORD) / folders.UPLOADED_MARK).write_text(digest)
    say(f"upload: {verdict}, {uri} is {digest}")
    return Outcome(report, {key: value for key, value in report.items() if key != "record"}, code=code, record=report)


def copy(request: RunRequest, uri: str, folder: Path, files: dict[str, int], manifest: bytes) -> None:
    """Copy all files, the manifest last. Nothing where storage has this manifest already."""
    store = output_store(request, uri)
    if store.read(folders.MANIFEST_FILE) == manifest:
        say(f"upload: {uri} is there already")
        return
    for number, (name, size) in enumerate(sorted(files.items()), start=1):
        say(f"upload: {name}, {size / 1e6:,.1f} MB ({number} of {len(files)})")
        store.put(name, folder / name)
    store.put(folders.MANIFEST_FILE, manifest)


if __name__ == "__main__":
    main("upload", upload)
