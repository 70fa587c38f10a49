"""A folder that MLflow logged: which flavour of it this server opens, and which file that is.

Only files that a library reads without running code are opened; of what MLflow keeps as pickles the message says what
to log instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pintle.contract.manifest import LIGHTGBM, MLFLOW, ONNX, PICKLE, SKOPS, XGBOOST, Manifest
from pintle.serve.libraries import library, refused

FLAVOURS = ("onnx", "xgboost", "lightgbm", "sklearn")


def flavour_of(data: bytes, file: str, manifest: Manifest) -> tuple[str, str]:
    """Format and name of the model file that an MLmodel file names. Raises Refusal."""
    yaml = library("yaml", MLFLOW)
    try:
        raw = yaml.safe_load(data)
    except yaml.YAMLError as error:
        raise refused(f"{file} cannot be read: {str(error)[:200]}") from error
    flavours = raw.get("flavors") if isinstance(raw, Mapping) else None
    flavours = flavours if isinstance(flavours, Mapping) else {}
    for name in FLAVOURS:
        if isinstance(flavours.get(name), Mapping):
            model_format, data_file = _opened(name, flavours[name])
            if data_file not in manifest.files:
                raise refused(f"{file} names {data_file!r}, which the manifest does not list")
            return model_format, data_file
    found = ", ".join(map(str, flavours)) or "none"
    raise refused(f"{file} has the flavours {found}; this server opens {', '.join(FLAVOURS)}")


def _opened(name: str, flavour: Mapping[str, Any]) -> tuple[str, str]:
    """Format and file of one flavour."""
    if name == "sklearn":
        file = str(flavour.get("pickled_model"))
        skops = flavour.get("serialization_format") == "skops" or file.endswith(".skops")
        return (SKOPS if skops else PICKLE), file
    file = str(flavour.get("data"))
    if file.endswith((".pkl", ".pickle")):
        raise refused(f"the {name} flavour was logged as a pickle ({file}): log the booster itself (model.booster_)")
    if file.endswith(".skops"):
        return SKOPS, file  # the library's scikit-learn wrapper: its types are the policy's to trust
    return {"onnx": ONNX, "xgboost": XGBOOST, "lightgbm": LIGHTGBM}[name], file
