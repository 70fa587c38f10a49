"""The model that training left behind: opened with care, asked for predictions on named columns."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from pintle.contract import names
from pintle.contract.exits import Exit
from pintle.contract.manifest import COLUMNS, MATRIX, STRING_TYPE
from pintle.contract.trusted import LIBRARY_TYPES
from pintle.train.outcome import MODEL_INVALID, Refusal
from pintle.train.truth import Floats

if TYPE_CHECKING:
    import pandas as pd

PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth")
BATCH_ROWS = 8192


class Model(Protocol):
    """A model over named columns."""

    is_classifier: bool

    def predict(self, frame: pd.DataFrame) -> Floats:
        """Probabilities [n, classes], or values [n]."""
        ...


def invalid(message: str) -> Refusal:
    """The refusal of a model that cannot be used."""
    return Refusal(Exit.REFUSED, MODEL_INVALID, message)


def find_model(folder: Path) -> Path:
    """The one model file. Raises Refusal where there is none, two, a pickle, or a link to somewhere else."""
    found = [path for path in (folder / "model.onnx", folder / "model.skops") if path.is_symlink() or path.exists()]
    if len(found) == 1 and not found[0].is_symlink() and found[0].is_file():
        return found[0]
    if len(found) == 1:
        raise invalid(f"{found[0].name} is not a plain file")
    if found:
        raise invalid("training left both model.onnx and model.skops: save one model")
    others = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    pickles = [name for name in others if name.endswith(PICKLES)]
    if pickles:
        raise invalid(f"{pickles[0]} is a pickle, which runs code when it is opened: use pintle.train.save(model)")
    listing = f"; it left {', '.join(others[:5])}" if others else ""
    raise invalid(f"training left no model.onnx and no model.skops{listing}: call pintle.train.save(model)")


class Estimator:
    """A scikit-learn estimator out of a skops file, unwrapped from a search."""

    def __init__(self, estimator: Any, features: Sequence[str]) -> None:
        while hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        self.estimator = estimator
        self.is_classifier = hasattr(estimator, "predict_proba")
        if not self.is_classifier and hasattr(estimator, "classes_"):
            raise invalid(f"{type(estimator).__name__} has classes but no predict_proba: probabilities are needed")
        self.features = [str(name) for name in getattr(estimator, "feature_names_in_", features)]
        unknown = [name for name in self.features if name not in features]
        if unknown:
            message = f"the model wants the columns {', '.join(unknown[:5])}, which are no features of the schema"
            raise invalid(f"{message}: fit on rows[features]")

    @property
    def classes(self) -> tuple[Any, ...]:
        """The classes in the order of the probabilities; empty for a regression."""
        raw = self.estimator.classes_ if self.is_classifier else ()
        return tuple(item.item() if hasattr(item, "item") else item for item in raw)

    def predict(self, frame: pd.DataFrame) -> Floats:
        rows = frame[self.features]
        raw = self.estimator.predict_proba(rows) if self.is_classifier else self.estimator.predict(rows)
        return np.asarray(raw, dtype=np.float64)


def load_skops(path: Path, features: Sequence[str]) -> Estimator:
    """Raises Refusal for a file that is no skops, or that holds types which are not trusted."""
    from skops import io

    policy = os.environ.get(names.ENV_TRUSTED_TYPES, "").replace(",", " ").split()
    trusted = [*LIBRARY_TYPES, *policy]
    try:
        unknown = [name for name in io.get_untrusted_types(file=path) if name not in trusted]
        if unknown:
            message = f"{path.name} holds types that are not trusted: {', '.join(sorted(unknown)[:8])}"
            raise invalid(f"{message}; the operator's policy can allow them ({names.ENV_TRUSTED_TYPES})")
        return Estimator(io.load(path, trusted=trusted), features)
    except Refusal:
        raise
    except Exception as error:  # a file that training wrote: whatever is wrong with it is the model's fault
        raise invalid(f"{path.name} cannot be loaded: {type(error).__name__}: {error}") from error


class OnnxModel:
    """An ONNX model whose inputs are the features (Columns) or one matrix of them (Matrix)."""

    def __init__(self, data: bytes, schema: Mapping[str, Any]) -> None:
        # Before it is loaded: its Linux wheels otherwise report usage to Microsoft.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        # onnxruntime reports usage to its maker unless this is set before it is loaded.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise invalid(f"onnxruntime cannot load the model: {error}") from error
        self._features = [(str(item["name"]), item["type"] == STRING_TYPE) for item in schema["features"]]
        self.inputs = self._kind_of_inputs()
        self._label, self._score = self._outputs()
        self.is_classifier = self._label is not None

    def predict(self, frame: pd.DataFrame) -> Floats:
        batches = [self._run(frame.iloc[i : i + BATCH_ROWS]) for i in range(0, len(frame), BATCH_ROWS)]
        return np.concatenate(batches)

    def refuse_other_labels(self, frame: pd.DataFrame, labels: Sequence[Any]) -> None:
        """Raises Refusal where the model's label is not `labels[largest probability]`: other classes, other order."""
        rows = frame.head(BATCH_ROWS)
        found, probabilities = self._session_run([str(self._label), self._score], rows)
        expected = np.asarray(probabilities).argmax(axis=1)
        index = {label: number for number, label in enumerate(labels)}
        given = [index.get(label) for label in np.asarray(found).reshape(-1).tolist()]
        wrong = sum(1 for one, other in zip(given, expected, strict=True) if one != other)
        # A tie between two classes may go either way.
        if wrong > len(rows) // 100:
            message = f"output {self._label} does not name the classes {list(labels)[:5]} in the order of {self._score}"
            raise invalid(f"{message} ({wrong} of {len(rows)} rows)")

    def _run(self, rows: pd.DataFrame) -> Floats:
        found = np.asarray(self._session_run([self._score], rows)[0], dtype=np.float64)
        if self.is_classifier and found.ndim != 2:
            raise invalid(f"output {self._score} has {found.ndim} dimensions, [rows, classes] is needed")
        return found if self.is_classifier else found.reshape(len(rows))

    def _session_run(self, outputs: list[str], rows: pd.DataFrame) -> list[Any]:
        if self.inputs == MATRIX:
            columns = [name for name, _ in self._features]
            feed = {self._session.get_inputs()[0].name: rows[columns].to_numpy(dtype=np.float32)}
        else:
            feed = {
                name: rows[[name]].astype(object).to_numpy() if text else rows[[name]].to_numpy(dtype=np.float32)
                for name, text in self._features
            }
        try:
            return list(self._session.run(outputs, feed))
        except Exception as error:
            raise invalid(f"onnxruntime cannot run the model on these rows: {error}") from error

    def _outputs(self) -> tuple[str | None, str]:
        """Names of the label (None for a regression) and of the probabilities or values."""
        outputs = self._session.get_outputs()
        if listed := [item.name for item in outputs if not item.type.startswith("tensor(")]:
            raise invalid(f"output {listed[0]} is no tensor: convert with zipmap=False")
        floats = [item.name for item in outputs if item.type == "tensor(float)"]
        labels = [item.name for item in outputs if item.name not in floats]
        if not floats:
            raise invalid("the model has no float32 output")
        return (labels[0] if labels else None), ("probabilities" if "probabilities" in floats else floats[-1])

    def _kind_of_inputs(self) -> str:
        given = {item.name: item.type for item in self._session.get_inputs()}
        wanted = {name: "tensor(string)" if text else "tensor(float)" for name, text in self._features}
        if given == wanted:
            return COLUMNS
        if list(given.values()) == ["tensor(float)"] and not any(text for _, text in self._features):
            return MATRIX
        raise invalid(
            f"inputs of the model are {_listed(given)}, the features need {_listed(wanted)}, or one float matrix"
        )


def _listed(types: Mapping[str, str]) -> str:
    entries = [f"{name}: {kind}" for name, kind in types.items()]
    return ", ".join(entries[:6]) + (", …" if len(entries) > 6 else "")
