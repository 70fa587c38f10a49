"""The answers to a batch, and each request's share of them.

What many requests of a batch need alike (the text of figures, the tokens) is made once for the whole batch, when the
first of them asks for it: a call for each row would cost more than the row's own work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from pintle.serve.models import Prediction

if TYPE_CHECKING:
    from pintle.serve.tokens import TokenWriter


class Answers:
    """A batch's prediction, and texts of its rows. Belongs to the event loop's thread."""

    __slots__ = ("_figures", "_spaced", "_tokens", "prediction")

    def __init__(self, prediction: Prediction) -> None:
        self.prediction = prediction
        self._figures: list[bytes] | None = None
        self._tokens: bytes | None = None
        self._spaced: dict[bytes, bytes] = {}

    def figures(self) -> list[bytes]:
        """JSON of each row's figures: its value, or its probabilities or values with commas between."""
        if self._figures is None:
            figures = np.ascontiguousarray(self.prediction.figures)
            if figures.ndim == 1:
                text, between = _json(figures)[1:-1], b","
            else:
                text, between = _json(figures)[2:-2], b"],["
            self._figures = text.split(between)
        return self._figures

    def tokens(self, writer: TokenWriter, separator: bytes) -> bytes:
        """A token for each row, all of one length, the separator behind each; the writer is the same in all calls."""
        if self._tokens is None:
            self._tokens = writer.write(self.prediction)
        if separator not in self._spaced:
            self._spaced[separator] = spaced(self._tokens, len(self.prediction.score), separator)
        return self._spaced[separator]


class Share:
    """The answers to one request's rows, `start` to `stop` of the batch."""

    __slots__ = ("answers", "start", "stop")

    def __init__(self, answers: Answers, start: int, stop: int) -> None:
        self.answers = answers
        self.start = start
        self.stop = stop

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def prediction(self) -> Prediction:
        """The answers as arrays and lists."""
        whole = self.answers.prediction
        if len(self) == len(whole.score):
            return whole
        return whole.part(self.start, self.stop)

    def labels(self) -> list[Any] | None:
        """Of a classifier, for each row."""
        labels = self.answers.prediction.labels
        return None if labels is None else labels[self.start : self.stop]

    def figures(self) -> list[bytes]:
        """JSON of each row's figures, as `Answers.figures`."""
        return self.answers.figures()[self.start : self.stop]

    def tokens(self, writer: TokenWriter, separator: bytes) -> bytes:
        """A token for each row, the separator between two."""
        text = self.answers.tokens(writer, separator)
        width = len(text) // len(self.answers.prediction.score)
        return text[self.start * width : self.stop * width - len(separator)]


def spaced(text: bytes, count: int, separator: bytes) -> bytes:
    """The text in `count` parts of one length, the separator behind each."""
    if count == 1:
        return text + separator
    width = len(text) // count
    parts = np.empty((count, width + len(separator)), dtype=np.uint8)
    parts[:, :width] = np.frombuffer(text, dtype=np.uint8).reshape(count, width)
    parts[:, width:] = np.frombuffer(separator, dtype=np.uint8)
    return parts.tobytes()


def _json(values: object) -> bytes:
    """Of a C-contiguous array; float32 keeps its short decimal form, and what is no number is null."""
    return orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)
