"""Contributions for models whose library tells none: Shapley values by sampling, from predictions alone.

A row is made out of one of the version's own example rows, one column after the other in a random order; what each
column changes is its contribution, averaged over example rows and orders, each order forth and back (Strumbelj and
Kononenko 2014; Mitchell et al. 2022). Contributions and base, the mean over the example rows, add up to the row's
answer. Of models in which no more than two columns act on each other the contributions are exact: forth and back are
then all orders that matter.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pintle.serve.models import Batch, Float32, Model, Prediction

BACKGROUND = 16
"""Example rows that a row is compared with at most."""
PREDICTED = 50_000
"""Rows that the model answers for one request at most."""
SLICE = 4_096
"""Rows of one call of the model: more need more memory and are no quicker."""
LEAST = 1e-7
"""Probabilities nearer to 0 or 1 are taken as this far from it: log-odds have to be finite."""
Float64 = npt.NDArray[np.float64]


class SampledContributions:
    """Explains the rows of one model. The same row gets the same contributions each time."""

    def __init__(self, model: Model, examples: Batch) -> None:
        """Raises ValueError where the model answers no number to any of the examples."""
        begins = _margins(model.predict(examples))
        answered = np.flatnonzero(np.isfinite(begins).all(axis=1))[:BACKGROUND]
        if not len(answered):
            raise ValueError("the model answers no number to any of the example rows")
        self._model = model
        self._examples, self._begins = examples.take(answered), begins[answered]
        self._is_number = np.array([not feature.is_string for feature in model.inputs.features])
        columns = len(self._is_number)
        rng = np.random.default_rng(0)
        forth = np.array([rng.permutation(columns) for _ in answered])
        self._place = np.concatenate([forth, columns - 1 - forth])
        """[paths, columns]: as which one a column is taken from the row. A path for each example, and its way back."""
        steps = np.arange(1, columns)
        self._taken = (self._place[:, None, :] < steps[:, None]).reshape(-1, columns)
        """[paths x steps, columns]: what a row on the way has from the row that is explained, ..."""
        self._example = np.tile(np.arange(len(answered)), 2).repeat(len(steps))
        """... and [paths x steps]: the example that it has the rest from."""

    @property
    def most_rows(self) -> int:
        """Rows that may be explained at once."""
        return max(1, PREDICTED // max(1, len(self._example)))

    def explain(self, batch: Batch, prediction: Prediction) -> Float32:
        """[rows, columns + 1], the base last.

        Of the log-odds of P(positive), or of the label's where there are more than two classes; of the value; of a
        detector's score.
        """
        own = _margins(prediction)
        likely = own.argmax(axis=1)
        ends = own[np.arange(len(own)), likely]
        begins = np.tile(self._begins[:, likely].T, 2)
        between = self._between(batch, likely)
        shape = (*begins.shape, 1)
        whole = np.concatenate(
            [begins.reshape(shape), between, np.broadcast_to(ends[:, None, None], shape)], axis=2
        )  # [rows, paths, columns + 1]
        place = np.broadcast_to(self._place, (len(batch), *self._place.shape))
        changes = np.take_along_axis(np.diff(whole, axis=2), place, axis=2).mean(axis=1)
        return np.concatenate([changes, begins.mean(axis=1, keepdims=True)], axis=1).astype(np.float32)

    def _between(self, batch: Batch, likely: npt.NDArray[np.intp]) -> Float64:
        """Margins on the way from the examples to the rows, [rows, paths, columns - 1]."""
        ways = len(self._example)
        found = np.empty((len(batch), ways))
        together = max(1, SLICE // max(1, ways))
        for start in range(0, len(batch) if ways else 0, together):
            rows = slice(start, min(start + together, len(batch)))
            margins = _margins(self._model.predict(self._mixed(batch, rows)))
            chosen = likely[rows].repeat(ways)
            found[rows] = margins[np.arange(len(margins)), chosen].reshape(-1, ways)
        paths, columns = self._place.shape
        return found.reshape(len(batch), paths, columns - 1)

    def _mixed(self, batch: Batch, rows: slice) -> Batch:
        """All rows on the way from the examples to these rows, one row after the other."""
        taken, is_number = self._taken, self._is_number
        numbers = np.where(taken[:, is_number], batch.numbers[rows, None, :], self._examples.numbers[self._example])
        strings: list[list[str]] = []
        for column, examples, own in zip(
            batch.strings, self._examples.strings, taken[:, ~is_number].T.tolist(), strict=True
        ):
            others = [examples[index] for index in self._example.tolist()]
            strings.append(
                [
                    value if is_own else other
                    for value in column[rows]
                    for is_own, other in zip(own, others, strict=True)
                ]
            )
        return Batch(numbers.reshape(len(numbers) * len(taken), -1 if is_number.any() else 0), strings)


def _margins(prediction: Prediction) -> Float64:
    """What is explained, [rows, 1]: log-odds of P(positive), the value, a detector's score; of more than two classes
    the log-odds of each, [rows, classes]."""
    shares = prediction.probabilities
    if shares is None:
        return prediction.score.astype(np.float64)[:, None]
    if shares.shape[1] == 2:
        shares = prediction.score[:, None]
    clipped = shares.astype(np.float64).clip(LEAST, 1 - LEAST)
    odds: Float64 = np.log(clipped) - np.log1p(-clipped)
    return odds
