"""What the containers of a run reported: the reason of a refusal, the model that was made, the version it became."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pintle.api import reasons
from pintle.api.fields import DIGEST_PATTERN
from pintle.contract import names
from pintle.contract.exits import Exit
from pintle.contract.folders import artifact_uri
from pintle.core import pods as podstate
from pintle.core.plan import Obj
from pintle.core.training.states import Run
from pintle.resources.collect_pod import CONTAINER
from pintle.resources.model_version import Trained, gate_message
from pintle.resources.run_job import ANNOTATION_DEFINITION, output_secret_of, train_image_of

_SAID = (
    reasons.DATA_INVALID,
    reasons.NEED_MORE_DATA,
    reasons.UNCHANGED,
    reasons.REQUEST_INVALID,
    reasons.MODEL_INVALID,
    reasons.PARITY_FAILED,
    reasons.STORAGE_UNAVAILABLE,
)
_BY_CODE: Mapping[int, str] = {
    Exit.DATA_INVALID: reasons.DATA_INVALID,
    Exit.UNCHANGED: reasons.UNCHANGED,
    Exit.NEED_MORE_DATA: reasons.NEED_MORE_DATA,
    Exit.TRY_AGAIN: reasons.STORAGE_UNAVAILABLE,
    Exit.CONFIG: reasons.REQUEST_INVALID,
}
_BROKE = {
    names.CONTAINER_FETCH: reasons.FETCH_FAILED,
    names.CONTAINER_TRAIN: reasons.TRAIN_FAILED,
    names.CONTAINER_EVALUATE: reasons.EVALUATE_FAILED,
    names.CONTAINER_UPLOAD: reasons.UPLOAD_FAILED,
}
REGISTERED = (Exit.REFUSED, Exit.NEED_MORE_DATA)
"""With these codes of `upload` a model that was refused lies in storage."""
_DIGEST = re.compile(DIGEST_PATTERN)


def reason_of(failure: podstate.Ended) -> str:
    """Our own containers say why, or tell it by their exit code; of the user's code only that it broke."""
    broke = _BROKE.get(failure.container, reasons.TRAIN_FAILED)
    if failure.container == names.CONTAINER_TRAIN:
        return broke
    if failure.result.get("reason") in _SAID:
        return str(failure.result["reason"])
    if failure.code == Exit.REFUSED:
        return reasons.GATES_FAILED if failure.container == names.CONTAINER_UPLOAD else reasons.MODEL_INVALID
    return _BY_CODE.get(failure.code, broke)


def gates_of(pod: Obj) -> str:
    """The gates of a pod that did not pass, with their figures."""
    evaluated = podstate.ended(pod).get(names.CONTAINER_EVALUATE)
    gates = evaluated.result.get("gates") or () if evaluated else ()
    return "; ".join(f"{gate.get('verdict')}: {gate_message(gate)}" for gate in gates if gate.get("verdict") != "Pass")


def trained(run: Run, pod: Obj) -> Trained | None:
    """What the pod reported, or None where `upload` left no usable result."""
    done = podstate.ended(pod)
    upload, fetched, evaluated = (
        done[name].result if name in done else {}
        for name in (names.CONTAINER_UPLOAD, names.CONTAINER_FETCH, names.CONTAINER_EVALUATE)
    )
    return made_by(run, upload, fetched, evaluated, podstate.image_id(pod, names.CONTAINER_TRAIN))


def made_by(
    run: Run,
    upload: Mapping[str, Any],
    fetched: Mapping[str, Any],
    evaluated: Mapping[str, Any],
    image_id: str | None,
) -> Trained | None:
    """The model of the run by its results, or None without a digest."""
    request = run.request
    if request is None or not _DIGEST.fullmatch(str(upload.get("digest"))):
        return None
    return Trained(
        digest=upload["digest"],
        uri=str(upload.get("uri") or artifact_uri(request.outputUri, request.modelName, request.run)),
        identity=upload.get("identity") or fetched.get("identity"),
        record_uri=upload.get("record"),
        metrics=evaluated.get("metrics") or {},
        gates=_gate_results(evaluated, upload),
        datasets=tuple(fetched.get("datasets") or ()),
        definition=(run.job["metadata"].get("annotations") or {}).get(ANNOTATION_DEFINITION),
        image=train_image_of(run.job),
        image_id=image_id,
        secret=output_secret_of(run.job),
    )


def _gate_results(evaluated: Mapping[str, Any], upload: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """The gates as far as they fitted into the message; the verdict of all of them is never lost."""
    gates = tuple(evaluated.get("gates") or ())
    verdict = upload.get("verdict") or evaluated.get("verdict") or "Pass"
    if verdict == "Pass" or any(gate.get("verdict") != "Pass" for gate in gates):
        return gates
    return (*gates, {"metric": "gates", "verdict": verdict, "why": "the figures are in run.json"})


def data_seen(run: Run) -> tuple[str | None, str | None]:
    """Listing of the data that the run read and time of the latest row that it used: by `fetch`, or by its record."""
    found: dict[str, str] = {}
    for pod in sorted(run.all_pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp") or "")):
        done = podstate.ended(pod)
        judged = names.CONTAINER_EVALUATE in done and done[names.CONTAINER_EVALUATE].code == Exit.DONE
        for name in (names.CONTAINER_FETCH, CONTAINER):
            said = done[name].result if name in done else {}
            # Rows are used up when a model was judged on them, not when they were merely read.
            keys = ("listing", "through") if judged or name == CONTAINER else ("listing",)
            found |= {key: str(said[key]) for key in keys if said.get(key)}
    return found.get("listing", "")[:16] or None, found.get("through", "")[:24] or None


def version_of_run(versions: Iterable[Obj], run: Run, digest: str | None) -> int | None:
    """Number of the version that this run made, if it is registered."""
    for version in versions:
        source = version["spec"].get("source") or {}
        same = source.get("run") == run.name and (digest is None or version["spec"].get("digest") == digest)
        if same and source.get("trainingJob") == run.job["metadata"]["labels"].get(names.LABEL_TRAINING_JOB):
            return int(version["spec"]["version"])
    return None


def identity_of(run: Run, number: int | None) -> str | None:
    """The identity of a version that is registered."""
    for version in run.versions:
        if version["spec"].get("version") == number:
            return (version["spec"].get("source") or {}).get("identity")
    return None
