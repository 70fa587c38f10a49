"""The ModelVersion that a run registers: immutable, with its lineage. Nobody owns it, so it outlives the job."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pintle.api.fields import DIGEST_PATTERN
from pintle.contract import folders, names
from pintle.contract.run import RunRequest
from pintle.resources.pods import labels

_DIGEST = re.compile(DIGEST_PATTERN)
MAX_METRICS, MAX_GATES, MAX_DATASETS, MAX_PARAMETERS = 32, 16, 16, 64


@dataclass(frozen=True)
class Trained:
    """What the containers of a run reported, and where they ran."""

    digest: str
    uri: str
    identity: str | None = None
    record_uri: str | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    gates: Sequence[Mapping[str, Any]] = ()
    datasets: Sequence[Mapping[str, Any]] = ()
    definition: str | None = None
    image: str | None = None
    image_id: str | None = None
    secret: str | None = None


def version_name(model: str, number: int) -> str:
    """Name of the ModelVersion with this number."""
    return f"{model}-v{number}"


def model_version(request: RunRequest, number: int, trained: Trained) -> dict[str, Any]:
    """The ModelVersion object, create-only."""
    spec: dict[str, Any] = {
        "modelName": request.modelName,
        "version": number,
        "modelFormat": request.modelFormat,
        "storageUri": trained.uri,
        "digest": trained.digest,
        "schema": dict(request.schema) if request.schema else None,
        "storage": {"secretRef": {"name": trained.secret}} if trained.secret else None,
        "datasets": _datasets(request, trained.datasets),
        "metrics": _metrics(trained.metrics),
        "gates": [_gate(item) for item in trained.gates[:MAX_GATES]],
        "source": _lineage(request, trained),
    }
    return {
        "apiVersion": names.API_VERSION,
        "kind": "ModelVersion",
        "metadata": {
            "name": version_name(request.modelName, number),
            "namespace": request.namespace,
            "labels": _labels(request),
        },
        "spec": {key: value for key, value in spec.items() if value not in (None, [])},
    }


def decimal(value: Any) -> str | None:
    """A figure as the API takes it: at most nine decimals, no exponent. None for what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    if abs(value) >= 1e12:
        return None
    text = format(Decimal(repr(value)).quantize(Decimal("1e-9")), "f").rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def gate_message(gate: Mapping[str, Any]) -> str:
    """One gate's figures in words: `auc = 0.61 (0.58 to 0.64), bound 0.7: below min`."""
    text = str(gate.get("metric", "?"))
    if gate.get("slice"):
        text += f" by {gate['slice']}"
    if gate.get("comparedTo"):
        text += f" against {gate['comparedTo']}"
    value, low, high = (decimal(gate.get(key)) for key in ("value", "low", "high"))
    if value is not None:
        text += f" = {value}"
    if low is not None and high is not None:
        text += f" ({low} to {high})"
    own, other = (decimal(gate.get(key)) for key in ("candidate", "other"))
    if own is not None and other is not None:
        text += f", {own} against {other}"
    if gate.get("bound") is not None:
        bound = gate["bound"]
        text += f", bound {decimal(bound) or bound}"
    return f"{text}: {gate['why']}" if gate.get("why") else text


def _record_uri(request: RunRequest) -> str:
    return f"{folders.record_uri(request.outputUri, request.modelName, request.run)}/{folders.RUN_FILE}"


def _labels(request: RunRequest) -> dict[str, str]:
    own = labels("version", training_job=request.trainingJob, run=request.run, model=request.modelName)
    del own[names.LABEL_COMPONENT]
    return own


def _metrics(metrics: Mapping[str, Any]) -> list[dict[str, str]]:
    figures = {name[:63]: decimal(value) for name, value in sorted(metrics.items())}
    return [{"name": name, "value": value} for name, value in figures.items() if value is not None][:MAX_METRICS]


def _gate(gate: Mapping[str, Any]) -> dict[str, str]:
    verdict = gate.get("verdict")
    known = ("Pass", "Fail", "NeedMoreData", "SourceError")
    return {
        "metric": str(gate.get("metric", ""))[:63],
        "verdict": str(verdict) if verdict in known else "SourceError",
        "message": gate_message(gate)[:1024],
    }


def _datasets(request: RunRequest, reported: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Declared data sets with what `fetch` found; one that it did not report is left out."""
    found = {item.get("name"): item for item in reported}
    lineage = []
    for declared in request.datasets[:MAX_DATASETS]:
        item = found.get(declared.name)
        # Sixteen full digests do not fit into a termination message; short ones stay in the record.
        if item is None or not _DIGEST.fullmatch(str(item.get("digest"))):
            continue
        entry: dict[str, Any] = {
            "name": declared.name,
            "role": declared.role,
            "storageUri": declared.storageUri,
            "digest": item["digest"],
        }
        if isinstance(item.get("rows"), int):
            entry["rows"] = item["rows"]
        entry |= {key: str(item[key])[:40] for key in ("from", "through") if item.get(key)}
        lineage.append(entry)
    return lineage


def _lineage(request: RunRequest, trained: Trained) -> dict[str, Any]:
    parameters = sorted(request.hyperparameters.items())[:MAX_PARAMETERS]
    lineage = {
        "trainingJob": request.trainingJob,
        "run": request.run,
        "identity": trained.identity,
        "definition": trained.definition,
        "codeDigest": request.code.get("digest") or None,
        "image": trained.image,
        "imageID": (trained.image_id or "")[:512] or None,
        "parameters": [{"name": name, "value": value} for name, value in parameters],
        "seed": request.seed,
        "trigger": _trigger(request.trigger) or None,
        "recordUri": trained.record_uri or _record_uri(request),
    }
    return {key: value for key, value in lineage.items() if value not in (None, [])}


def _trigger(trigger: Mapping[str, Any]) -> str:
    """What started the run, with its figures: `FeatureDrift of delays: wind 0.31 (id 7f3a)`."""
    text = str(trigger.get("kind") or "")
    if trigger.get("source"):
        text += f" {'by' if text == 'Person' else 'of'} {trigger['source']}"
    if trigger.get("message"):
        text += f": {trigger['message']}"
    return (text + (f" (id {trigger['id']})" if trigger.get("id") else ""))[:256]
