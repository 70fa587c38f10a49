"""`python -m pintle.train.evaluate`: judges what training left behind, on rows that training has not seen.

    open the model -> ONNX with parity -> predict held rows -> metrics, gates -> profile, example, manifest

It holds no key. A refused model still becomes an artifact, so that a loser stays on record; `upload` says 66.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pintle.contract import folders
from pintle.contract.exits import Exit
from pintle.contract.manifest import COLUMNS, ONNX, REGRESSION
from pintle.contract.run import RunRequest
from pintle.train import champion as rivals
from pintle.train import gates
from pintle.train.artifact import example, example_rows, write_artifact
from pintle.train.baseline import baselines, constants
from pintle.train.convert import PARITY_ROWS, Parity, parity, refuse_without_parity, to_onnx
from pintle.train.metrics import all_metrics
from pintle.train.models import Estimator, Model, OnnxModel, find_model, invalid, load_skops
from pintle.train.outcome import REQUEST_INVALID, Outcome, Refusal, main, read_json, say
from pintle.train.profile import build_profile, score_of
from pintle.train.truth import Floats, Truth, labels_of, task_of, truth_of

if TYPE_CHECKING:
    import pandas as pd

LIBRARIES = ("scikit-learn", "skl2onnx", "onnx", "onnxruntime", "numpy", "pandas")


@dataclass(frozen=True)
class Opened:
    """The model as it will be served, and how far it is from the one that was trained."""

    model: Model
    format: str
    data: bytes
    inputs: str
    parity: Parity | None


def evaluate(request: RunRequest) -> Outcome:
    """The whole phase. Raises Refusal."""
    # The node may have many more cores than this container may use; its share cannot be seen from in here.
    with threadpool_limits(limits=1):
        return _evaluate(request)


def _evaluate(request: RunRequest) -> Outcome:
    import pandas as pd

    schema = _written(Path(folders.DATA) / folders.SCHEMA_FILE)
    fetched = _written(Path(folders.RECORD) / "fetch.json")
    train = pd.read_parquet(Path(folders.DATA) / folders.TRAIN_FILE)
    held = pd.read_parquet(Path(folders.HELD) / folders.EVALUATE_FILE)
    opened = open_model(request.modelFormat, schema, held)
    labels = labels_of(train[schema["target"]]) if opened.model.is_classifier else ()
    task = task_of(opened.model.is_classifier, labels, schema)
    truth, train_truth = (truth_of(part[schema["target"]], task, labels) for part in (held, train))
    prediction = _predict(opened, held, truth)
    metrics = {name: float(f"{value:.9g}") for name, value in all_metrics(truth, prediction).items()}
    say("evaluate: " + ", ".join(f"{name} {value:.4g}" for name, value in metrics.items()) + f" on {len(held):,} rows")
    champion, no_champion = rivals.ask(request, fetched, held, schema, truth) if _compares(request) else (None, "")
    if no_champion:
        say(f"evaluate: compared with the baseline: {no_champion}")
    evidence = _evidence(request, schema, train, held, train_truth, truth, prediction)
    evidence = replace(evidence, champion=champion, no_champion=no_champion)
    judged = [gates.judge(gate, evidence) for gate in request.gates]
    beside = rivals.side_by_side(champion, truth, prediction) if champion else {"problem": no_champion}
    verdict = gates.overall([entry["verdict"] for entry in judged])
    for entry in judged:
        say(f"evaluate: gate {describe(entry)}")
    digest = write_artifact(
        Path(folders.ARTIFACT),
        opened.format,
        opened.data,
        inputs=opened.inputs,
        schema=schema,
        truth=truth,
        metrics=metrics,
        run=_lineage(request, fetched, judged, verdict, opened.parity)
        | ({"champion": beside} if _compares(request) else {}),
        profile=build_profile(train, schema, held, truth, prediction),
        example_json=example(held, schema, task, prediction, example_rows(held, schema, score_of(task, prediction))),
    )
    say(f"evaluate: {verdict}, digest {digest}")
    outcome = _outcome(metrics, judged, verdict, digest, opened.parity)
    if _compares(request):
        outcome.record["champion"] = beside
    return outcome


def _compares(request: RunRequest) -> bool:
    """True when a gate compares with a version."""
    return any(gate.get("comparedTo") not in (None, gates.BASELINE) for gate in request.gates)


def open_model(model_format: str, schema: Mapping[str, Any], held: pd.DataFrame) -> Opened:
    """The model in the format that was asked for; converted and compared where it has to be. Raises Refusal."""
    path = find_model(Path(folders.MODEL))
    if path.suffix == ".onnx":
        if model_format != ONNX:
            message = f"output.modelFormat is {model_format}, but training left an ONNX model"
            raise Refusal(Exit.CONFIG, REQUEST_INVALID, message)
        given = path.read_bytes()
        model = OnnxModel(given, schema)
        return Opened(model, ONNX, given, model.inputs, None)
    names = [str(item["name"]) for item in schema["features"]]
    estimator = load_skops(path, names)
    say(f"evaluate: {path.name} holds a {type(estimator.estimator).__name__}")
    if model_format != ONNX:
        return Opened(estimator, model_format, path.read_bytes(), COLUMNS, None)
    data = to_onnx(estimator, schema, held.head(100))
    converted = OnnxModel(data, schema)
    rows = held.iloc[np.unique(np.linspace(0, len(held) - 1, PARITY_ROWS).astype(int))]
    found = parity(_estimate(estimator, rows), converted.predict(rows), estimator.is_classifier)
    say(
        f"evaluate: ONNX against scikit-learn on {found.rows:,} rows: largest difference {found.largest:.2g}, "
        f"{found.jumps:.2%} of the rows beyond the tolerance"
    )
    refuse_without_parity(found)
    return Opened(converted, ONNX, data, converted.inputs, found)


def describe(entry: Mapping[str, Any]) -> str:
    """One gate as a line for people."""
    parts = [str(entry["metric"])]
    if entry.get("comparedTo"):
        parts.append(f"{entry.get('require', 'Better')} than {entry['comparedTo']}")
    if entry.get("value") is not None:
        parts.append(f"{entry['value']:.4g} [{entry.get('low')}, {entry.get('high')}] against {entry.get('bound')}")
    if entry.get("slices"):
        counts: dict[str, int] = {}
        for item in entry["slices"].values():
            counts[item["verdict"]] = counts.get(item["verdict"], 0) + 1
        parts.append(f"by {entry['slice']}: " + ", ".join(f"{n} {verdict}" for verdict, n in counts.items()))
    return f"{' '.join(parts)}: {entry['verdict']}" + (f" ({entry['why']})" if entry.get("why") else "")


def _written(path: Path) -> dict[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict):
        raise Refusal(Exit.CONFIG, REQUEST_INVALID, f"{path} is missing: fetch has to run before evaluate")
    return value


def _estimate(model: Estimator, rows: pd.DataFrame) -> Floats:
    try:
        return model.predict(rows)
    except Exception as error:
        raise invalid(f"the model cannot predict held rows: {type(error).__name__}: {error}") from error


def _predict(opened: Opened, held: pd.DataFrame, truth: Truth) -> Floats:
    """Predictions for all held rows. Raises Refusal where they are no numbers, or not one per class."""
    model = opened.model
    if isinstance(model, Estimator) and truth.task != REGRESSION and list(model.classes) != list(truth.labels):
        raise invalid(f"classes of the model are {list(model.classes)[:5]}, those of the target {truth.labels[:5]}")
    if isinstance(model, OnnxModel) and truth.task != REGRESSION:
        model.refuse_other_labels(held, truth.labels)
    prediction = _estimate(model, held) if isinstance(model, Estimator) else model.predict(held)
    expected = (len(held),) if truth.task == REGRESSION else (len(held), len(truth.labels))
    if prediction.shape != expected:
        raise invalid(f"the model answers {prediction.shape}, {expected} is needed")
    if not np.isfinite(prediction).all():
        raise invalid(f"the model answers {int((~np.isfinite(prediction)).sum())} values that are no numbers")
    return prediction


def _evidence(
    request: RunRequest,
    schema: Mapping[str, Any],
    train: pd.DataFrame,
    held: pd.DataFrame,
    train_truth: Truth,
    truth: Truth,
    prediction: Floats,
) -> gates.Evidence:
    compared = any(gate.get("comparedTo") for gate in request.gates)
    if compared:
        others = baselines(train, train_truth, held, schema, request.seed)
    else:
        others = constants(train, train_truth, len(held), schema)
    times = held[schema["timeColumn"]] if "timeColumn" in schema else None
    return gates.Evidence(truth, prediction, others, held, times, request.seed)


def _lineage(
    request: RunRequest,
    fetched: Mapping[str, Any],
    judged: list[dict[str, Any]],
    verdict: str,
    found: Parity | None,
) -> dict[str, Any]:
    """Where the model comes from; without times, so that the same run makes the same manifest."""
    return {
        "run": request.run,
        "trainingJob": request.trainingJob,
        "namespace": request.namespace,
        "identity": fetched.get("identity"),
        "code": dict(request.code),
        "image": request.image,
        "trigger": dict(request.trigger),
        "hyperparameters": dict(request.hyperparameters),
        "seed": request.seed,
        "datasets": fetched.get("datasets", []),
        "split": fetched.get("split", {}),
        "gates": judged,
        "verdict": verdict,
        "parity": found.to_json() if found else None,
        "libraries": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
    }


def _outcome(
    metrics: Mapping[str, float], judged: list[dict[str, Any]], verdict: str, digest: str, found: Parity | None
) -> Outcome:
    record: dict[str, Any] = {"verdict": verdict, "digest": digest, "metrics": metrics, "gates": judged}
    record["parity"] = found.to_json() if found else None
    base = {
        "phase": "evaluate",
        "verdict": verdict,
        "metrics": {name: float(f"{value:.6g}") for name, value in metrics.items()},
    }
    brief = [_brief(entry) for entry in judged]
    worst_first = sorted(
        brief, key=lambda entry: (gates.FAIL, gates.NEED_MORE_DATA, gates.PASS).index(entry["verdict"])
    )
    shorter = [{**base, "gates": worst_first[:n], "moreGates": len(brief) - n} for n in range(len(brief) - 1, -1, -1)]
    return Outcome({**base, "gates": brief}, *shorter, record=record)


def _brief(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A gate as the termination message has it: of its slices only how many decided it, and the first of them."""
    keys = ("metric", "verdict", "comparedTo", "value", "low", "high", "candidate", "other", "bound", "why", "slice")
    brief = {key: entry[key] for key in keys if key in entry}
    slices = entry.get("slices", {})
    if slices and entry["verdict"] != gates.PASS:
        lacking = [value for value, item in slices.items() if item["verdict"] == entry["verdict"]]
        say_so = "fail" if entry["verdict"] == gates.FAIL else "are not shown yet to be good enough"
        brief["why"] = f"{len(lacking)} of {len(slices)} slices {say_so}: {', '.join(lacking[:3])}"[:120]
    return brief


if __name__ == "__main__":
    main("evaluate", evaluate)
