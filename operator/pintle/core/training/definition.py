"""What a run is defined by, and what it is called.

The definition digest covers what makes another model: code bytes, image as written, command, arguments and environment
of the trainer, hyperparameters, seed, schema, data sets with their selection, and the model's format. Outside it are
how and where a run is carried out (resources, node selector, tolerations, keys, output place, back-off, deadline,
suspend, history), what it is measured by (gates) and what asks for more runs (triggers, retrain policy): a change of
these trains nothing, unless the last run of the definition has failed. What counts as such a change is told by the
spec digest.

Only what differs from the API's default is digested, and an image that is not written counts as "": neither an
upgrade of the operator with another default image nor a field that a later version adds trains anything again.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any

from pintle.api import reasons
from pintle.api.trainingjob import TrainingJobSpec
from pintle.contract.digest import digest_bytes, digest_value, short
from pintle.contract.run import ChampionRequest, DatasetRequest, NewRows, RunRequest
from pintle.core.conditions import FALSE, conditions_of
from pintle.core.plan import Obj
from pintle.core.training.triggers import Trigger

TRAIN_FILE = "train.py"
MAX_KNOWN = 100
"""Identities that a run is told; 72 bytes each, in an environment variable."""


def code_of(spec: TrainingJobSpec, config_map: Obj | None) -> dict[str, Any]:
    """`RunRequest.code`: kind, name and digest of the code and of how it is called.

    Command, arguments and environment are part of the digest, because the run identity knows the code by it alone;
    it stays "" for an image that is started as it is.
    """
    trainer = spec.trainer
    called = {
        "command": list(trainer.command or ()),
        "args": list(trainer.args or ()),
        "env": {item.name: item.model_dump(exclude_none=True) for item in trainer.env or ()},
    }
    if spec.source and spec.source.configMapRef:
        digest = digest_value({"files": files_of(config_map or {}), **called})
        return {"kind": "ConfigMap", "name": spec.source.configMapRef.name, "digest": digest}
    return {
        "kind": "Image",
        "name": trainer.image or "",
        "digest": digest_value(called) if any(called.values()) else "",
    }


def files_of(config_map: Obj) -> dict[str, str]:
    """Digest of each file of a ConfigMap; text and binary data with the same bytes are the same file."""
    files = {name: digest_bytes(text.encode()) for name, text in (config_map.get("data") or {}).items()}
    for name, text in (config_map.get("binaryData") or {}).items():
        try:
            files[name] = digest_bytes(base64.b64decode(text))
        except (binascii.Error, ValueError):
            files[name] = digest_bytes(text.encode())
    return files


def definition_digest(spec: TrainingJobSpec, code: Mapping[str, Any]) -> str:
    """`sha256:` digest of the definition; `code` is that of `code_of`."""
    return digest_value(
        {
            "code": {"kind": code["kind"], "digest": code["digest"]},
            "image": spec.trainer.image or "",
            "hyperparameters": parameters_of(spec),
            "seed": spec.seed,
            "schema": spec.schema_.model_dump(by_alias=True, exclude_defaults=True),
            "datasets": sorted((_dataset(item) for item in spec.datasets), key=lambda item: item["name"]),
            "modelFormat": spec.output.modelFormat,
        }
    )


def spec_digest(spec: TrainingJobSpec) -> str:
    """Short digest (10 hex) of all that a failed run could have failed for: the spec without suspend, history, triggers
    and retrain policy.

    Holding a job back, remembering more of it, or asking for more runs of it later does not say "again". As in the
    definition, defaults are left out.
    Short, because it stands in the status for each run, and is compared with its few predecessors only.
    """
    outside = {"suspend", "runsHistoryLimit", "triggers", "retrainPolicy"}
    return short(digest_value(spec.model_dump(by_alias=True, exclude_defaults=True, exclude=outside, mode="json")), 10)


def parameters_of(spec: TrainingJobSpec) -> dict[str, str]:
    """Hyperparameters by name; their order means nothing."""
    return {item.name: item.value for item in spec.hyperparameters or ()}


def run_name(parent: Obj, definition: str, why: Mapping[str, Any]) -> str:
    """Name of a run and of its Job: `<trainingjob>-<10 hex>`.

    The uid is in it, because artifacts lie below the run's name: a TrainingJob that is deleted and made anew must not
    write over what its namesake has left. The words of a trigger are not: figures may change while it waits.
    """
    name, uid = parent["metadata"]["name"], parent["metadata"]["uid"]
    named = {key: value for key, value in why.items() if key != "message"}
    run = digest_value({"trainingJob": uid, "definition": definition, "trigger": named})
    return f"{name}-{short(run, 10)}"


def because(trigger: Trigger, attempt: int = 1, generation: int | None = None) -> dict[str, Any]:
    """`RunRequest.trigger`: why a run is made. A changed spec has its generation.

    An attempt above 1 follows one that another definition cut short.
    """
    why = trigger.to_json() | ({} if generation is None else {"generation": generation})
    return why if attempt == 1 else {**why, "attempt": attempt}


def run_request(
    parent: Obj,
    spec: TrainingJobSpec,
    code: Mapping[str, Any],
    run: str,
    why: Mapping[str, Any],
    known: Iterable[str] = (),
    champion: ChampionRequest | None = None,
    new_rows: NewRows | None = None,
) -> RunRequest:
    """What the containers of the run are told."""
    name = parent["metadata"]["name"]
    return RunRequest(
        run=run,
        trainingJob=name,
        namespace=parent["metadata"]["namespace"],
        modelName=spec.modelName or name,
        datasets=tuple(
            DatasetRequest(
                name=item.name,
                role=item.role,
                storageUri=item.storageUri,
                digest=item.digest,
                select=item.select.model_dump(by_alias=True, exclude_none=True) if item.select else None,
                hasSecret=bool(item.storage and item.storage.secretRef),
            )
            for item in spec.datasets
        ),
        outputUri=spec.output.storageUri,
        outputHasSecret=bool(spec.output.storage and spec.output.storage.secretRef),
        modelFormat=spec.output.modelFormat,
        schema=spec.schema_.model_dump(by_alias=True, exclude_none=True),
        hyperparameters=parameters_of(spec),
        seed=spec.seed,
        gates=tuple(gate.model_dump(exclude_none=True) for gate in spec.gates or ()),
        code=dict(code),
        image=spec.trainer.image or "",
        trigger=dict(why),
        known=tuple(known),
        champion=champion,
        newRows=new_rows,
    )


def known_identities(versions: Iterable[Obj], with_refused: bool = False) -> tuple[str, ...]:
    """Identities that need no other training, newest first: of versions that no gate refused and whose bytes exist.

    `with_refused`: nobody has changed anything, so what was refused would be refused again.
    """
    usable = [
        version
        for version in versions
        if (version["spec"].get("source") or {}).get("identity")
        and (with_refused or not refused(version))
        and not _lost(version)
    ]
    usable.sort(key=lambda version: int(version["spec"]["version"]), reverse=True)
    identities = dict.fromkeys(str(version["spec"]["source"]["identity"]) for version in usable)
    return tuple(identities)[:MAX_KNOWN]


def refused(version: Obj) -> bool:
    """True when a gate of the version did not pass."""
    return any(gate.get("verdict") != "Pass" for gate in version["spec"].get("gates") or ())


def _lost(version: Obj) -> bool:
    return (conditions_of(version).get(reasons.VERIFIED) or {}).get("status") == FALSE


def _dataset(item: Any) -> dict[str, Any]:
    made: dict[str, Any] = item.model_dump(by_alias=True, exclude_defaults=True, exclude={"storage"})
    return made
