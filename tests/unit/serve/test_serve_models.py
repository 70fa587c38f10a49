"""Loading models, and the proof by their example."""

from __future__ import annotations

import json
import string
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pintle.contract.exits import Exit
from pintle.serve import check
from pintle.serve.artifact import open_artifact
from pintle.serve.models import load_model
from pintle.serve.report import Refusal
from pintle.serve.warmup import prove
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

from tests.unit.serve import artifacts

X = np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 1.0], [3.0, 3.0]], dtype=np.float32)
FEATURES = [{"name": "a", "type": "Number"}, {"name": "b", "type": "Number"}]


def logistic(options: dict[str, Any] | None = None) -> bytes:
    model = LogisticRegression().fit(X, [0, 0, 1, 1])
    onnx: bytes = to_onnx(model, X[:1], options=options, target_opset=18).SerializeToString()
    return onnx


def small(folder: Path, onnx: bytes, **changes: Any) -> Path:
    """An artifact around a model of two numbers."""
    settings: dict[str, Any] = {
        "task": "BinaryClassification",
        "outputs": {"labels": [0, 1], "positive": 1},
        "inputs": "Matrix",
        "features": FEATURES,
        "example": {"rows": [{"a": 1.0, "b": 2.0}], "answers": [0.5]},
        "profile": None,
        **changes,
    }
    return artifacts.write(folder, {"model.onnx": onnx}, **settings)


def refusal(folder: Path) -> Refusal:
    """Why the artifact cannot be served."""

    def load() -> None:
        artifact = open_artifact(folder)
        prove(load_model(artifact), artifact.example)

    with pytest.raises(Refusal) as found:
        load()
    assert found.value.code == Exit.REFUSED
    return found.value


@pytest.mark.parametrize(
    ("labels", "positive"), [(("late", "on time"), "late"), ((0, 1), 1), ((False, True), True), (("a", "b", "c"), "a")]
)
def test_a_classifier_answers_its_example(tmp_path: Path, labels: tuple[Any, ...], positive: Any) -> None:
    """Strings, numbers and booleans as labels; binary and multiclass."""
    artifact = open_artifact(artifacts.make_classifier(tmp_path / "m", labels, positive))
    model = load_model(artifact)
    assert prove(model, artifact.example) < 1e-5
    from pintle.serve.rows import RowReader, join

    rows = RowReader(model.inputs, 10).from_rows([dict(artifact.example.rows[0])])
    prediction = model.predict(join([rows], 3))
    assert prediction.labels is not None
    assert prediction.labels[0] in labels
    assert type(prediction.labels[0]) is type(labels[0])


def test_a_regressor_and_a_matrix_model_answer_their_examples(regressor: Path, matrix: Path) -> None:
    """Both shapes of input, both kinds of task."""
    for folder in (regressor, matrix):
        artifact = open_artifact(folder)
        assert prove(load_model(artifact), artifact.example) < 1e-5


def test_answers_that_differ_are_refused(tmp_path: Path) -> None:
    """The message has row, expectation and finding."""
    found = refusal(small(tmp_path, logistic({"zipmap": False})))
    assert found.reason == "AnswersDiffer"
    assert "row 0" in found.message
    assert "0.5" in found.message


@pytest.mark.parametrize("answer", [None, "0.5", [0.5], [0.5, 0.5, 0.0], True])
def test_an_answer_of_another_shape_differs(tmp_path: Path, answer: Any) -> None:
    """Null, text or another number of classes is no answer of this model."""
    example = {"rows": [{"a": 1.0, "b": 2.0}], "answers": [answer]}
    assert refusal(small(tmp_path, logistic({"zipmap": False}), example=example)).reason == "AnswersDiffer"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"features": FEATURES[:1]}, "columns"),
        ({"features": [*FEATURES[:1], {"name": "b", "type": "String"}]}, "number columns only"),
        ({"inputs": "Columns"}, "does not name"),
        ({"outputs": {"labels": [0, 1, 2]}, "task": "Multiclass"}, "3 labels"),
        ({"example": {"rows": [{"c": 1.0}], "answers": [1]}}, "unknown column"),
        ({"example": {"rows": [], "answers": []}}, "at least one"),
        ({"features": []}, "schema.features"),
        ({"features": [FEATURES[0], FEATURES[0]]}, "twice"),
    ],
)
def test_model_and_manifest_that_do_not_fit_are_refused(tmp_path: Path, changes: dict[str, Any], word: str) -> None:
    """What is wrong is named."""
    found = refusal(small(tmp_path, logistic({"zipmap": False}), **changes))
    assert found.reason == "LoadFailed"
    assert word in found.message


def test_a_zipmap_is_refused_with_the_way_out(tmp_path: Path) -> None:
    """The default of skl2onnx gives a list of dictionaries: the message says how to convert."""
    assert "ZipMap" in refusal(small(tmp_path, logistic())).message


def test_bytes_that_are_no_model_are_refused(tmp_path: Path) -> None:
    """Neither crash nor stack trace."""
    found = refusal(small(tmp_path, b"no model"))
    assert found.reason == "LoadFailed"
    assert found.message.startswith("model.onnx cannot be loaded")


def test_a_file_changed_after_fetching_is_refused(tmp_path: Path) -> None:
    """A container that restarts does not serve what the init container has not verified."""
    folder = small(tmp_path, logistic({"zipmap": False}))
    (folder / "model.onnx").write_bytes(b"other")
    assert "is not the file" in refusal(folder).message


def skops_artifact(folder: Path) -> Path:
    import pandas as pd
    import skops.io
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    frame = pd.DataFrame(X, columns=["a", "b"])
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, [0, 0, 1, 1])
    return artifacts.write(
        folder,
        {"model.skops": skops.io.dumps(model)},
        task="BinaryClassification",
        outputs={"labels": [0, 1], "positive": 1},
        features=FEATURES,
        example={"rows": [{"a": 1.0, "b": 2.0}], "answers": model.predict_proba(frame)[1:2, 1].tolist()},
        profile=None,
        model_format="Skops",
    )


def test_a_skops_model_answers_its_example(tmp_path: Path) -> None:
    """Where scikit-learn is installed the second format is served."""
    artifact = open_artifact(skops_artifact(tmp_path))
    assert prove(load_model(artifact), artifact.example) < 1e-5


def test_without_scikit_learn_a_skops_model_is_refused_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server image has no scikit-learn: the message says what to do."""
    folder = skops_artifact(tmp_path)
    monkeypatch.setitem(sys.modules, "skops", None)
    monkeypatch.setitem(sys.modules, "skops.io", None)
    found = refusal(folder)
    assert found.reason == "LoadFailed"
    assert "modelFormat: ONNX" in found.message


def test_a_skops_type_outside_the_policy_is_refused(tmp_path: Path) -> None:
    """Only the operator's list makes a type trusted; the artifact cannot."""
    import skops.io

    folder = skops_artifact(tmp_path)
    example = json.loads((folder / "example.json").read_text())
    data = skops.io.dumps({"model": string.Template("x")})
    artifacts.write(
        folder,
        {"model.skops": data},
        task="BinaryClassification",
        outputs={"labels": [0, 1]},
        features=FEATURES,
        example=example,
        profile=None,
        model_format="Skops",
    )
    assert "string.Template" in refusal(folder).message


def test_the_check_reports_by_the_contract(classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows, largest difference, format and task; or reason and message with exit code 66."""
    log = tmp_path / "log"
    monkeypatch.setenv("PINTLE_TERMINATION_LOG", str(log))
    assert check.main({"PINTLE_MODEL_DIR": str(classifier)}) == Exit.DONE
    result = json.loads(log.read_text())
    assert 0 <= result.pop("maxDifference") < 1e-5
    assert result == {"phase": "check", "rows": 20, "modelFormat": "ONNX", "task": "BinaryClassification"}
    assert check.main({"PINTLE_MODEL_DIR": str(tmp_path / "absent")}) == Exit.REFUSED
    result = json.loads(log.read_text())
    assert (result["phase"], result["reason"]) == ("check", "LoadFailed")
