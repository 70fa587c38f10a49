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

EXAMPLES = 16
"""Example rows that a row is compared with at most."""
SLICE_ROWS, SLICE_VALUES = 4_096, 250_000
"""Of one call of the model: more need more memory and are no quicker."""
LEAST = 1e-7
"""Probabilities nearer to 0 or 1 are taken as this far from it: log-odds have to be finite."""
Float64 = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


class SampledContributions:
    """Explains the rows of one model. The same row gets the same contributions each time."""

    method = "Sampled"

    def __init__(self, model: Model, examples: Batch, budget: int) -> None:
        """`budget`: rows that the model may be asked for at a time; where one row asks for more, it is compared with
        fewer examples, and with one at least. Raises ValueError where the model answers none of the examples.
        """
        begins = _margins(model.predict(examples))
        answered = np.flatnonzero(np.isfinite(begins).all(axis=1))
        if not len(answered):
            raise ValueError("the model answers no number to any of the example rows")
        self._model = model
        self._is_number = np.array([not feature.is_string for feature in model.inputs.features])
        columns = len(self._is_number)
        self._steps = columns - 1
        self._budget = budget
        answered = answered[: min(EXAMPLES, max(1, budget // (2 * columns)))]
        self._examples, self._begins = examples.take(answered), begins[answered]
        rng = np.random.default_rng(0)
        forth = np.array([rng.permutation(columns) for _ in answered])
        self._place = np.concatenate([forth, columns - 1 - forth])
        """[paths, columns]: as which one a column is taken from the row. A path for each example, and its way back."""

    @property
    def most_rows(self) -> int:
        """Rows that may be explained at once."""
        return max(1, self._budget // max(1, len(self._place) * self._steps))

    def explain(self, batch: Batch, prediction: Prediction) -> Float32:
        """[rows, columns + 1], the base last.

        Of the log-odds of P(positive), or of the label's where there are more than two classes; of the value; of a
        detector's score.
        """
        own = _margins(prediction)
        likely = own.argmax(axis=1)
        begins = np.tile(self._begins[:, likely].T, 2)  # [rows, paths]
        ends = np.broadcast_to(own.max(axis=1)[:, None], begins.shape)
        between = self._between(batch, likely)
        whole = np.concatenate([begins[:, :, None], between, ends[:, :, None]], axis=2)  # [rows, paths, columns + 1]
        place = np.broadcast_to(self._place, (len(batch), *self._place.shape))
        changes = np.take_along_axis(np.diff(whole, axis=2), place, axis=2).mean(axis=1)
        return np.concatenate([changes, begins.mean(axis=1, keepdims=True)], axis=1).astype(np.float32)

    def _between(self, batch: Batch, likely: Indices) -> Float64:
        """Margins on the way from the examples to the rows, [rows, paths, columns - 1]."""
        found = np.empty((len(batch), len(self._place), self._steps))
        margins = found.reshape(-1)
        size = max(1, min(SLICE_ROWS, SLICE_VALUES // len(self._is_number)))
        for start in range(0, len(margins), size):
            row, path, step = np.unravel_index(np.arange(start, min(start + size, len(margins))), found.shape)
            answers = _margins(self._model.predict(self._mixed(batch, row, path, step)))
            margins[start : start + size] = answers[np.arange(len(row)), likely[row]]
        return found

    def _mixed(self, batch: Batch, row: Indices, path: Indices, step: Indices) -> Batch:
        """Rows on the way: those columns that have had their turn are the row's, the others the example's."""
        own = self._place[path] <= step[:, None]
        example = path % len(self._examples)
        numbers = np.where(own[:, self._is_number], batch.numbers[row], self._examples.numbers[example])
        strings: list[list[str]] = []
        at = list(zip(row.tolist(), example.tolist(), strict=True))
        for column, others, is_own in zip(
            batch.strings, self._examples.strings, own[:, ~self._is_number].T.tolist(), strict=True
        ):
            strings.append(
                [column[here] if mine else others[there] for (here, there), mine in zip(at, is_own, strict=True)]
            )
        return Batch(numbers, strings)


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
