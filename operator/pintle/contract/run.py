"""The run request: what the operator tells the containers of a run, as JSON in one environment variable."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pintle.contract.digest import digest_value


@dataclass(frozen=True)
class DatasetRequest:
    """One data set as the user wrote it. `select` has the keys partition, latest, skip, settleSeconds, exclude."""

    name: str
    role: str
    """Train, Validate or Evaluate."""
    storageUri: str
    digest: str | None = None
    select: Mapping[str, Any] | None = None
    hasSecret: bool = False


@dataclass(frozen=True)
class ChampionRequest:
    """The version that gates compare with. Its folder, as `storageUri` names it, has a manifest of this digest."""

    name: str
    """As gates name it: Champion, or v3."""
    version: int
    storageUri: str
    digest: str
    hasSecret: bool = False


@dataclass(frozen=True)
class NewRows:
    """How many rows there must be that are later than all that earlier runs were trained and judged on."""

    after: str
    """Time of the latest row that was used, ISO 8601."""
    atLeast: int


@dataclass(frozen=True)
class RunRequest:
    """Everything `fetch`, `evaluate`, `upload` and `record` need. Field names are the JSON keys."""

    run: str
    trainingJob: str
    namespace: str
    modelName: str
    datasets: tuple[DatasetRequest, ...]
    outputUri: str
    outputHasSecret: bool = False
    modelFormat: str = "ONNX"
    schema: Mapping[str, Any] | None = None
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    gates: tuple[Mapping[str, Any], ...] = ()
    code: Mapping[str, Any] = field(default_factory=dict)
    """{"kind": "ConfigMap" or "Image", "name", "digest": "sha256:..."}; the digest is "" for code inside the image."""
    image: str = ""
    trigger: Mapping[str, Any] = field(default_factory=dict)
    known: tuple[str, ...] = ()
    """Identities that have been trained already; `fetch` ends with UNCHANGED when this run has one of them."""
    champion: ChampionRequest | None = None
    """None where no gate compares with a version, or there is none yet: the baseline takes its place."""
    newRows: NewRows | None = None
    """For runs that nobody asked for by hand; `fetch` ends with NEED_MORE_DATA where there are fewer."""

    def to_json(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> RunRequest:
        """Raises ValueError when the text is not a run request."""
        try:
            raw = json.loads(text)
            raw["datasets"] = tuple(DatasetRequest(**item) for item in raw["datasets"])
            raw["gates"] = tuple(raw.get("gates", ()))
            raw["known"] = tuple(raw.get("known", ()))
            raw["champion"] = ChampionRequest(**raw["champion"]) if raw.get("champion") else None
            raw["newRows"] = NewRows(**raw["newRows"]) if raw.get("newRows") else None
            return cls(**raw)
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"not a run request: {error}") from error


def identity(request: RunRequest, dataset_digests: Mapping[str, str]) -> str:
    """The run identity: code, image, parameters, seed, schema and the bytes of the data (DESIGN §3).

    `dataset_digests` maps each data set's name to the digest over its selected partitions.
    """
    return digest_value(
        {
            "code": request.code.get("digest", ""),
            "image": request.image,
            "hyperparameters": dict(request.hyperparameters),
            "seed": request.seed,
            "schema": request.schema,
            "modelFormat": request.modelFormat,
            "datasets": sorted([item.name, item.role, dataset_digests[item.name]] for item in request.datasets),
        }
    )
