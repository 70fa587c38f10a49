"""Where things are mounted in the pods of a run, of a check and of a server."""

from __future__ import annotations

import os
from pathlib import PurePosixPath

# PINTLE_ROOT moves everything below another folder: a laptop, a test. In a pod it is never set.
ROOT = PurePosixPath(os.environ.get("PINTLE_ROOT", "/pintle"))
DATA = ROOT / "data"
HELD = ROOT / "held"
CODE = ROOT / "code"
MODEL = ROOT / "model"
ARTIFACT = ROOT / "artifact"
CHAMPION = ROOT / "champion"
RECORD = ROOT / "record"
RECORD_TRAIN = RECORD / "train"
VOLUMES = ROOT / "volumes"
SECRETS = ROOT / "secrets"

TRAIN_FILE = "train.parquet"
VALIDATE_FILE = "validate.parquet"
EVALUATE_FILE = "evaluate.parquet"
SCHEMA_FILE = "schema.json"
STATISTICS_FILE = "statistics.json"
METRICS_FILE = "metrics.jsonl"
RUN_FILE = "run.json"
MANIFEST_FILE = "manifest.json"
PROFILE_FILE = "profile.json"
EXAMPLE_FILE = "example.json"
UPLOADED_MARK = "uploaded"


def data_secret(dataset: str) -> PurePosixPath:
    """Folder with the storage key of one data set, mounted in `fetch` only."""
    return SECRETS / f"data-{dataset}"


OUTPUT_SECRET = SECRETS / "output"
CHAMPION_SECRET = SECRETS / "champion"
MODEL_SECRET = SECRETS / "model"


def claim_of(uri: str) -> str | None:
    """The claim that a `pvc://claim/path` URI names, or None for another scheme."""
    if not uri.startswith("pvc://"):
        return None
    return uri.removeprefix("pvc://").split("/", 1)[0]


def claim_path(uri: str) -> PurePosixPath:
    """Where the path of a `pvc://claim/path` URI lies in a container that mounts the claim.

    Raises ValueError for another scheme, and for a path that would leave the claim.
    """
    claim = claim_of(uri)
    if not claim:
        raise ValueError(f"{uri} is not of the form pvc://claim/path")
    rest = uri.removeprefix("pvc://")[len(claim) :].strip("/")
    if ".." in PurePosixPath(rest).parts:
        raise ValueError(f"{uri} leaves the claim: remove '..'")
    return VOLUMES / claim / rest


def artifact_uri(output_uri: str, model: str, run: str) -> str:
    """Where a run's artifact lies."""
    return f"{output_uri.rstrip('/')}/{model}/{run}"


def record_uri(output_uri: str, model: str, run: str) -> str:
    """Where a run's record lies, whatever became of the run."""
    return f"{output_uri.rstrip('/')}/{model}/runs/{run}"
