"""What the images hold is what the server needs: each with the packages of its lock file, and no others."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from pintle.serve import pack

from tests.unit.serve import only
from tests.unit.serve.test_serve_formats import CASES, boosted, describe, estimator, make, mlmodel

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
PROVE = """
import json, sys
from pathlib import Path
import pintle.serve.__main__, pintle.serve.server, pintle.serve.fetch, pintle.serve.check, obstore.store
from pintle.serve.artifact import open_artifact
from pintle.serve.models import load_model
from pintle.serve.report import Refusal
from pintle.serve.warmup import prove
found = {}
for folder in map(Path, FOLDERS):
    try:
        artifact = open_artifact(folder)
        prove(load_model(artifact, ("pickle",)), artifact.example)
        found[folder.name] = ""
    except Refusal as refusal:
        found[folder.name] = refusal.message
try:
    import pintle.serve.grpc_service
    found["grpc"] = ""
except ImportError as error:
    found["grpc"] = str(error)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, classifier: Path) -> list[str]:
    """An artifact of every format, the folder called like it."""
    import skops.io

    root = tmp_path_factory.mktemp("formats")
    onnx = root / "ONNX"
    onnx.symlink_to(classifier)
    for kind in ("XGBoost", "LightGBM"):
        make(root / kind, kind, "binary")
    objective, target, task = CASES["XGBoost", "binary"]
    folder = describe(root / "MLflow", "MLflow", task)
    boosted("XGBoost", target, objective).save_model(folder / "model.ubj")
    mlmodel(folder, xgboost={"data": "model.ubj"})
    pack.pack(folder)
    pack.pack(estimator(root / "Skops", "Skops", skops.io.dumps, "model.skops"))
    pack.pack(estimator(root / "Pickle", "Pickle", pickle.dumps, "model.pkl"), ("pickle",))
    return [str(path) for path in sorted(root.iterdir())]


def proven(folders: list[str], requirements: str) -> dict[str, str]:
    """Why each of the formats is not served with these packages; empty where it is."""
    code = PROVE.replace("FOLDERS", repr(folders))
    command = [sys.executable, only.__file__, str(ROOT / "requirements" / requirements), code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_the_full_image_serves_every_format(folders: list[str]) -> None:
    """And speaks gRPC."""
    found = proven(folders, "serve-full.txt")
    assert found == dict.fromkeys(("ONNX", "XGBoost", "LightGBM", "MLflow", "Skops", "Pickle", "grpc"), "")


def test_the_lean_image_serves_onnx_and_refuses_the_others(folders: list[str]) -> None:
    """It starts without any library that it does not hold, and names the one that is missing."""
    found = proven(folders, "serve.txt")
    assert found.pop("ONNX") == ""
    for name, module in {"XGBoost": "xgboost", "LightGBM": "lightgbm", "MLflow": "yaml", "Skops": "skops"}.items():
        assert f"this server image has no {module}" in found[name]
    assert "this server image has no joblib" in found["Pickle"]
    assert "grpc" in found["grpc"]
