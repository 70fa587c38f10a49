"""Hand-made model versions for the tests of rollouts: small ONNX graphs that misbehave on a share of the rows.

Rows have `x` (uniform from 0 to 1, so that a share of the rows is a range of x), `y` and a string `kind`. A version may
fail, be slow, or take all memory for rows with x below a bound, score otherwise, or want a column that live rows lack.
"""

from __future__ import annotations

import base64
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
from onnx import TensorProto, helper
from pintle.train.artifact import example, example_rows, write_artifact
from pintle.train.profile import build_profile
from pintle.train.truth import Truth

from e2e.kubectl import Kubectl
from e2e.tests.objects import API, claim, config_map, restricted_pod

MODEL = "late"
FOLDER = "made"
Obj = dict[str, Any]


@dataclass(frozen=True)
class Made:
    """What a version does. Shares are of rows, by x; the score is sigmoid(slope * y + offset)."""

    version: int
    errors: float = 0.0
    """These rows end in an error of the model."""
    slow: float = 0.0
    """These take `slow_megabytes` of work."""
    deadly: float = 0.0
    """These ask for more memory than a pod has."""
    slope: float = 1.0
    offset: float = 0.0
    extra: bool = False
    """Was trained with a column `extra` that live rows do not have."""
    slow_megabytes: int = 60


def row(rng: random.Random) -> Obj:
    """A live row, spread as the training rows are."""
    return {"x": round(rng.random(), 6), "y": round(rng.gauss(0, 1), 6), "kind": rng.choice(["a", "b", "c"])}


def load_versions(kube: Kubectl, image: str, versions: Sequence[Made], claim_name: str = "models") -> None:
    """Puts the artifacts onto the claim and applies their ModelVersions; waits until all are Ready."""
    objects = []
    kube.apply(claim(claim_name))
    for made in versions:
        files, digest = artifact(made)
        encoded = {name: base64.b64encode(data).decode() for name, data in files.items()}
        kube.apply({**config_map(f"made-v{made.version}"), "data": {}, "binaryData": encoded})
        objects.append(model_version(made.version, digest, claim_name))
    _copy(kube, image, [made.version for made in versions], claim_name)
    kube.apply(*objects)
    for made in versions:
        kube.wait("mver", f"{MODEL}-v{made.version}", "Ready", timeout=240)


def model_version(number: int, digest: str, claim_name: str = "models") -> Obj:
    return {
        "apiVersion": API,
        "kind": "ModelVersion",
        "metadata": {"name": f"{MODEL}-v{number}"},
        "spec": {
            "modelName": MODEL,
            "version": number,
            "modelFormat": "ONNX",
            "storageUri": f"pvc://{claim_name}/{FOLDER}/v{number}",
            "digest": digest,
        },
    }


def artifact(made: Made) -> tuple[dict[str, bytes], str]:
    """The files of the artifact and its digest."""
    table, schema = _training_rows(made)
    session = onnxruntime.InferenceSession(graph(made), providers=["CPUExecutionProvider"])
    good = table[table["x"] >= max(made.errors, made.slow, made.deadly)].reset_index(drop=True)
    feed = {
        item["name"]: good[item["name"]].to_numpy(dtype=object if item["type"] == "String" else np.float32)[:, None]
        for item in schema["features"]
    }
    prediction = session.run(["probabilities"], feed)[0].astype(np.float64)
    truth = Truth("BinaryClassification", (0, 1), good["late"].to_numpy(dtype=np.int64))
    rows = example_rows(good, schema, prediction[:, 1])
    with tempfile.TemporaryDirectory() as folder:
        digest = write_artifact(
            Path(folder),
            "ONNX",
            graph(made),
            inputs="Columns",
            schema=schema,
            truth=truth,
            metrics={},
            run={"made": made.version},
            profile=build_profile(table, schema, good, truth, prediction),
            example_json=example(good, schema, "BinaryClassification", prediction, rows),
        )
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}, digest


def graph(made: Made) -> bytes:
    """The ONNX model: score = sigmoid(slope * y + offset), plus the version's faults, which add zero to it."""
    numbers = ["x", "y", *(["extra"] if made.extra else [])]
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in numbers]
    inputs.append(helper.make_tensor_value_info("kind", TensorProto.STRING, [None, 1]))
    nodes, constants = _score(made)
    nodes += _fault_nodes(made, constants)
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2]),
    ]
    body = helper.make_graph(nodes, "made", inputs, outputs, constants)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _score(made: Made) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Nodes from the inputs to `logit`. A missing `extra` counts as nothing, a known one decides nearly all."""
    constants = [
        _constant("slope", [made.slope]),
        _constant("offset", [made.offset]),
        _constant("one", [1.0]),
    ]
    nodes = [
        helper.make_node("Mul", ["y", "slope"], ["steep"]),
        helper.make_node("Add", ["steep", "offset"], ["plain"]),
    ]
    if not made.extra:
        nodes.append(helper.make_node("Identity", ["plain"], ["logit"]))
        return nodes, constants
    constants.append(_constant("zero", [0.0]))
    nodes += [
        helper.make_node("IsNaN", ["extra"], ["unknown"]),
        helper.make_node("Where", ["unknown", "zero", "extra"], ["known"]),
        helper.make_node("Add", ["plain", "known"], ["logit"]),
    ]
    return nodes, constants


def _fault_nodes(made: Made, constants: list[onnx.TensorProto]) -> list[onnx.NodeProto]:
    """From `logit` to the outputs. A fault is a tensor of zero whose making fails, or takes long, for a bad row."""
    nodes: list[onnx.NodeProto] = []
    parts = ["logit"]
    if made.errors:
        # Gather from a table of one row fails with an index of 7.
        constants += [_constant("table", [0.0]), _constant("errors", [made.errors]), _constant("seven", [7.0])]
        nodes += [
            *_flag("errors", "failing"),
            helper.make_node("Mul", ["failing", "seven"], ["place"]),
            helper.make_node("Cast", ["place"], ["index"], to=TensorProto.INT64),
            helper.make_node("Gather", ["table", "index"], ["none_of_it"]),
        ]
        parts.append("none_of_it")
    for name, share, megabytes in (("slow", made.slow, made.slow_megabytes), ("deadly", made.deadly, 4_000)):
        if share:
            constants += [_constant(name, [share]), _constant(f"{name}_size", [megabytes * 250_000.0])]
            nodes += [
                *_flag(name, f"{name}_row"),
                helper.make_node("ReduceMax", [f"{name}_row"], [f"{name}_any"], keepdims=0),
                helper.make_node("Mul", [f"{name}_any", f"{name}_size"], [f"{name}_wide"]),
                helper.make_node("Add", [f"{name}_wide", "one"], [f"{name}_count"]),
                helper.make_node("Cast", [f"{name}_count"], [f"{name}_shape"], to=TensorProto.INT64),
                helper.make_node("ConstantOfShape", [f"{name}_shape"], [f"{name}_zeros"]),
                helper.make_node("ReduceSum", [f"{name}_zeros"], [f"{name}_sum"], keepdims=0),
            ]
            parts.append(f"{name}_sum")
    for number, part in enumerate(parts[1:]):
        nodes.append(helper.make_node("Add", [parts[0] if number == 0 else f"sum{number - 1}", part], [f"sum{number}"]))
    last = f"sum{len(parts) - 2}" if len(parts) > 1 else "logit"
    nodes += [
        helper.make_node("Sigmoid", [last], ["late"]),
        helper.make_node("Sub", ["one", "late"], ["timely"]),
        helper.make_node("Concat", ["timely", "late"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
    ]
    return nodes


def _flag(share: str, out: str) -> list[onnx.NodeProto]:
    """1 for rows with x below the share, else 0."""
    return [
        helper.make_node("Less", ["x", share], [f"{out}_is"]),
        helper.make_node("Cast", [f"{out}_is"], [out], to=TensorProto.FLOAT),
    ]


def _constant(name: str, values: list[float]) -> onnx.TensorProto:
    return helper.make_tensor(name, TensorProto.FLOAT, [len(values)], values)


def _training_rows(made: Made) -> tuple[pd.DataFrame, Obj]:
    rng = random.Random(7)
    table = pd.DataFrame([row(rng) for _ in range(4000)])
    chance = 1 / (1 + np.exp(-(table["y"].to_numpy())))
    table["late"] = (np.random.default_rng(7).random(len(table)) < chance).astype(int)
    features = [
        {"name": "x", "type": "Number", "required": True},
        {"name": "y", "type": "Number"},
        {"name": "kind", "type": "String"},
    ]
    if made.extra:
        table["extra"] = np.where(table["late"] == 1, 3.0, -3.0)
        features.append({"name": "extra", "type": "Number"})
    return table, {"target": "late", "features": features}


def _copy(kube: Kubectl, image: str, versions: Sequence[int], claim_name: str) -> None:
    script = (
        "import pathlib, shutil\n"
        "for source in sorted(pathlib.Path('/in').iterdir()):\n"
        f"    out = pathlib.Path('/out/{FOLDER}') / source.name; out.mkdir(parents=True, exist_ok=True)\n"
        "    for path in source.glob('[!.]*'): shutil.copyfile(path, out / path.name)\n"
    )
    volumes: dict[str, Obj] = {f"/in/v{number}": {"configMap": {"name": f"made-v{number}"}} for number in versions}
    volumes["/out"] = {"persistentVolumeClaim": {"claimName": claim_name}}
    pod = f"load-v{'-'.join(str(number) for number in versions)}"
    kube.apply(restricted_pod(pod, image, ["python", "-c", script], volumes))
    kube.run("wait", f"pod/{pod}", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=120s", timeout=130)
    kube.run("delete", "pod", pod, "--wait=false")
