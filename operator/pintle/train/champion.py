"""The champion in a run: brought and verified by `fetch`, opened by `evaluate`, asked about the candidate's rows.

Whatever is wrong with it (other bytes than the digest promises, columns that the rows lack, other classes) is no fault
of the candidate: the gate then compares with the baseline, and says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pintle.contract import folders
from pintle.contract.digest import digest_bytes
from pintle.contract.manifest import ONNX, REGRESSION, Manifest, ManifestError
from pintle.contract.run import ChampionRequest, RunRequest
from pintle.train.metrics import all_metrics
from pintle.train.models import Model, OnnxModel, load_skops
from pintle.train.outcome import Refusal, say
from pintle.train.truth import Floats, Truth

if TYPE_CHECKING:
    import pandas as pd

NONE_YET = "there is no champion yet"
_TRAINED_ON = ("Train", "Validate")


@dataclass(frozen=True)
class Champion:
    """The champion's answers for the held rows, in the candidate's order of classes."""

    name: str
    """v3"""
    prediction: Floats
    later: npt.NDArray[np.bool_]
    """Rows that are later than all that it was trained on."""
    through: str = ""
    """Time of the latest row that it was trained on; empty where that is not known: then all rows count."""


def bring(asked: ChampionRequest) -> str:
    """Manifest and model file into /pintle/champion, verified. Returns what is wrong with them, or nothing.

    Raises Refusal(TRY_AGAIN) when its storage does not answer.
    """
    from pintle.train.storage import open_store

    folder, name = Path(folders.CHAMPION), f"v{asked.version}"
    folder.mkdir(parents=True, exist_ok=True)
    store = open_store(asked.storageUri, folders.CHAMPION_SECRET if asked.hasSecret else None)
    data = store.read(folders.MANIFEST_FILE)
    if data is None or digest_bytes(data) != asked.digest:
        return f"{name} has no {folders.MANIFEST_FILE} with the digest {asked.digest}"
    try:
        manifest = Manifest.from_bytes(data)
    except ManifestError as error:
        return f"{name}: {error}"
    model = store.read(manifest.model_file)
    if model is None or digest_bytes(model) != f"sha256:{manifest.files[manifest.model_file].sha256}":
        return f"{manifest.model_file} of {name} is not what its manifest says"
    (folder / manifest.model_file).write_bytes(model)
    (folder / folders.MANIFEST_FILE).write_bytes(data)
    say(f"fetch: {name}, which the candidate is compared with, {len(model) / 1e6:,.1f} MB")
    return ""


def features_of_champion() -> list[dict[str, Any]]:
    """The features that the champion was trained on, as its manifest has them; none where there is no champion."""
    try:
        manifest = Manifest.from_bytes((Path(folders.CHAMPION) / folders.MANIFEST_FILE).read_bytes())
    except (OSError, ManifestError):
        return []
    return [{"name": feature.name, "type": feature.type} for feature in manifest.features]


def ask(
    request: RunRequest, fetched: Mapping[str, Any], held: pd.DataFrame, schema: Mapping[str, Any], truth: Truth
) -> tuple[Champion | None, str]:
    """The champion's answers for the held rows; or None and why there are none."""
    asked = request.champion
    if asked is None:
        return None, NONE_YET
    if problem := str((fetched.get("champion") or {}).get("problem") or ""):
        return None, problem
    name = f"v{asked.version}"
    try:
        manifest = Manifest.from_bytes((Path(folders.CHAMPION) / folders.MANIFEST_FILE).read_bytes())
        if problem := _does_not_fit(manifest, held, schema, truth):
            return None, f"{name} {problem}"
        prediction = _in_order(_opened(manifest).predict(held), manifest, truth)
    except (OSError, ManifestError) as error:
        return None, f"{name} cannot be opened: {error}"
    except Refusal as refusal:
        return None, f"{name} cannot read the rows: {refusal.message}"
    except Exception as error:  # an estimator of an older library may fail in any way
        return None, f"{name} cannot read the rows: {type(error).__name__}: {error}"
    expected = (len(held),) if truth.task == REGRESSION else (len(held), len(truth.labels))
    if prediction.shape != expected or not np.isfinite(prediction).all():
        return None, f"{name} answers with something that is no prediction"
    through = trained_through(manifest)
    return Champion(name, prediction, _later(held, schema, through), through), ""


def trained_through(manifest: Manifest) -> str:
    """Time of the latest row that a version was trained on, ISO 8601; empty where its manifest does not tell."""
    run = manifest.raw.get("run") or {}
    split = run.get("split") or {}
    spans = [split.get(role) or {} for role in _TRAINED_ON]
    spans = spans if any(span.get("through") for span in spans) else list(run.get("datasets") or ())
    ends = [str(span["through"]) for span in spans if span.get("through") and span.get("role", "Train") in _TRAINED_ON]
    return max(ends, default="")


def side_by_side(champion: Champion, truth: Truth, candidate: Floats) -> dict[str, Any]:
    """For the record: all metrics of both on the rows that are new to both."""
    rows = truth.rows(champion.later)
    found = {"version": champion.name, "rows": len(rows), "trainedThrough": champion.through or None}
    if not len(rows):
        return found
    models = {"candidate": candidate[champion.later], "champion": champion.prediction[champion.later]}
    return found | {"metrics": {who: _rounded(all_metrics(rows, answers)) for who, answers in models.items()}}


def _does_not_fit(manifest: Manifest, held: pd.DataFrame, schema: Mapping[str, Any], truth: Truth) -> str:
    """Why the champion cannot be asked about these rows, or nothing."""
    if manifest.task != truth.task:
        return f"is for {manifest.task}, the candidate for {truth.task}"
    kinds = {str(item["name"]): item["type"] == "String" for item in schema["features"]}
    missing = [item.name for item in manifest.features if item.name not in held]
    if missing:
        return f"wants the columns {', '.join(missing[:5])}, which the rows do not have"
    other = [item.name for item in manifest.features if kinds.get(item.name, item.is_string) != item.is_string]
    if other:
        return f"wants {', '.join(other[:5])} in another type than the rows have"
    if truth.task != REGRESSION and set(manifest.labels) != set(truth.labels):
        return f"has the classes {list(manifest.labels)[:5]}, the rows have {list(truth.labels)[:5]}"
    return ""


def _opened(manifest: Manifest) -> Model:
    path = Path(folders.CHAMPION) / manifest.model_file
    if manifest.model_format == ONNX:
        return OnnxModel(path.read_bytes(), manifest.raw["schema"])
    return load_skops(path, [item.name for item in manifest.features])


def _in_order(prediction: Floats, manifest: Manifest, truth: Truth) -> Floats:
    """Its classes in the order of the candidate's."""
    if truth.task == REGRESSION or list(manifest.labels) == list(truth.labels):
        return prediction
    return np.asarray(prediction[:, [manifest.labels.index(label) for label in truth.labels]])


def _later(held: pd.DataFrame, schema: Mapping[str, Any], through: str) -> npt.NDArray[np.bool_]:
    if "timeColumn" not in schema or not through:
        return np.ones(len(held), dtype=bool)
    import pandas as pd

    # Ends of spans are whole seconds, cut off.
    border = pd.Timestamp(through)
    border = border.tz_localize("UTC") if border.tzinfo is None else border.tz_convert("UTC")
    return np.asarray(held[schema["timeColumn"]].dt.floor("s") > border, dtype=bool)


def _rounded(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.9g}") for name, value in metrics.items()}
