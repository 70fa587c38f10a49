"""What the server asks of a model, whatever its format: numbers and strings in, a Prediction out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from pintle.contract.exits import Exit
from pintle.contract.manifest import Feature
from pintle.serve.artifact import LOAD_FAILED, Artifact
from pintle.serve.report import Refusal

Float32 = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Inputs:
    """The columns of a model: which are numbers, which are strings, each in the order of the manifest."""

    features: tuple[Feature, ...]

    @property
    def numbers(self) -> tuple[Feature, ...]:
        return tuple(feature for feature in self.features if not feature.is_string)

    @property
    def strings(self) -> tuple[Feature, ...]:
        return tuple(feature for feature in self.features if feature.is_string)


@dataclass(slots=True)
class Batch:
    """Rows of one or more requests: `numbers` [rows, number columns], `strings[column][row]`."""

    numbers: Float32
    strings: list[list[str]]

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, rows: Indices) -> Batch:
        """Some of the rows."""
        return Batch(self.numbers[rows], [[column[row] for row in rows] for column in self.strings])


@dataclass(slots=True)
class Prediction:
    """Answers to a batch: a classifier has `labels` [rows] and `probabilities` [rows, classes], a regressor with
    several outputs `values` [rows, outputs], an outlier detector `labels` (True = outlier).

    `score` [rows] is what is binned and compared: P(positive), the largest probability, the (first) value, or the
    detector's score.
    """

    score: Float32
    labels: list[Any] | None = None
    probabilities: Float32 | None = None
    values: Float32 | None = None
    contributions: Float32 | None = None
    """[rows, columns + 1], the last one the base; only where a request asked for it, which is a batch of its own."""

    @property
    def figures(self) -> Float32:
        """All numbers of the answers: [rows], or [rows, classes or outputs]."""
        if self.probabilities is not None:
            return self.probabilities
        return self.score if self.values is None else self.values

    def part(self, start: int, stop: int) -> Prediction:
        """The answers to some of the rows."""
        return Prediction(
            self.score[start:stop],
            None if self.labels is None else self.labels[start:stop],
            None if self.probabilities is None else self.probabilities[start:stop],
            None if self.values is None else self.values[start:stop],
        )

    def take(self, rows: Indices) -> Prediction:
        """The answers to these rows."""
        return Prediction(
            self.score[rows],
            None if self.labels is None else [self.labels[row] for row in rows],
            None if self.probabilities is None else self.probabilities[rows],
            None if self.values is None else self.values[rows],
        )


class Model(Protocol):
    """A loaded model. `predict` may be called from a thread, never by two at once."""

    inputs: Inputs
    matrix_input: str | None
    """Name of the single [rows, columns] input of a Matrix model."""

    def predict(self, batch: Batch) -> Prediction:
        """Raises any Exception where the model cannot answer."""
        ...


def load_model(artifact: Artifact, trusted_types: tuple[str, ...] = ()) -> Model:
    """The model of an artifact. Raises Refusal (REFUSED, LoadFailed) with what a person can do about it."""
    try:
        from pintle.serve.formats import open_format

        return open_format(artifact, artifact.manifest.model_format, artifact.manifest.model_file, trusted_types)
    except Refusal:
        raise
    except Exception as error:
        message = f"{artifact.manifest.model_file} cannot be loaded: {str(error) or repr(error)}"
        raise Refusal(Exit.REFUSED, LOAD_FAILED, message) from error
