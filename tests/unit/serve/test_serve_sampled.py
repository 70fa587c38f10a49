"""Contributions by sampling, held against Shapley values that are added up over all subsets of the columns."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pintle.contract.manifest import Feature
from pintle.serve.models import Batch, Inputs, Prediction
from pintle.serve.sampled import EXAMPLES, SLICE_VALUES, SampledContributions

Values = np.ndarray
BUDGET = 50_000
NUMBERS = tuple(Feature(name, "Number", False) for name in "abcd")
WEIGHTS = np.array([2.0, -3.0, 0.5, 0.0])


class Formula:
    """A model that answers what a function says of its numbers; remembers how many rows a call had."""

    matrix_input = None

    def __init__(self, of: Callable[[Values], Values], features: tuple[Feature, ...] = NUMBERS) -> None:
        self.inputs = Inputs(features)
        self.calls: list[int] = []
        self._of = of

    def predict(self, batch: Batch) -> Prediction:
        self.calls.append(len(batch))
        return Prediction(self._of(batch.numbers.astype(float)).astype(np.float32))


def batch_of(values: Values) -> Batch:
    return Batch(np.asarray(values, dtype=np.float32), [])


def explained(model: Formula, examples: Values, rows: Values) -> Values:
    batch = batch_of(rows)
    return SampledContributions(model, batch_of(examples), BUDGET).explain(batch, model.predict(batch)).astype(float)


def exactly(of: Callable[[Values], Values], examples: Values, row: Values) -> Values:
    """Shapley values of one row, over all subsets of the columns and all examples."""
    columns = len(row)
    found = np.zeros(columns)
    for column in range(columns):
        others = [other for other in range(columns) if other != column]
        for size in range(columns):
            weight = factorial(size) * factorial(columns - size - 1) / factorial(columns)
            for chosen in combinations(others, size):
                without = examples.copy()
                without[:, list(chosen)] = row[list(chosen)]
                with_it = without.copy()
                with_it[:, column] = row[column]
                found[column] += weight * (of(with_it) - of(without)).mean()
    return found


def linear(values: Values) -> Values:
    return values @ WEIGHTS + 1


def pairs(values: Values) -> Values:
    a, b, c, d = values.T
    return a * b - 2 * b * d + np.where(c > 0, a, -d) + c


@pytest.mark.parametrize("of", [linear, pairs])
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, EXAMPLES))
@settings(max_examples=25, deadline=None)
def test_where_at_most_two_columns_act_on_each_other_they_are_exact(
    of: Callable[[Values], Values], seed: int, count: int
) -> None:
    """Each order forth and back: a column is then as often before as after each other one."""
    rng = np.random.default_rng(seed)
    examples, rows = rng.normal(size=(count, 4)), rng.normal(size=(5, 4))
    found = explained(Formula(of), examples, rows)
    for row, contributions in zip(rows, found, strict=True):
        assert contributions[:-1] == pytest.approx(exactly(of, examples, row), abs=1e-4)
        assert contributions[-1] == pytest.approx(of(examples).mean(), abs=1e-4)


def test_where_more_columns_do_they_add_up_and_are_near() -> None:
    """Sampled orders leave an error, and the sum none."""

    def product(values: Values) -> Values:
        return np.prod(1 + values, axis=1)

    rng = np.random.default_rng(1)
    examples, rows = rng.uniform(0, 1, size=(EXAMPLES, 4)), rng.uniform(0, 1, size=(40, 4))
    found = explained(Formula(product), examples, rows)
    assert found.sum(axis=1) == pytest.approx(product(rows), abs=1e-4)
    exact = np.array([exactly(product, examples, row) for row in rows])
    assert np.abs(found[:, :-1] - exact).mean() < 0.1 * np.abs(exact).mean()
    assert not np.allclose(found[:, :-1], exact, atol=1e-3)


def test_a_column_that_the_model_does_not_look_at_contributes_nothing() -> None:
    """And one whose value all examples share with the row."""
    examples = np.array([[1.0, 2.0, 3.0, 4.0], [1.0, 5.0, 6.0, 7.0]])
    found = explained(Formula(linear), examples, np.array([[1.0, 0.0, 0.0, 0.0]]))
    assert (found[0, 0], found[0, 3]) == (0, 0)


def test_strings_and_numbers_keep_their_places() -> None:
    """In the schema's order, however a batch holds them."""
    features = (Feature("carrier", "String", False), Feature("hour", "Number", False), Feature("to", "String", False))

    class Named(Formula):
        def predict(self, batch: Batch) -> Prediction:
            named = [4.0 * (carrier == "AA") - (to == "LAX") for carrier, to in zip(*batch.strings, strict=True)]
            return Prediction((np.array(named) + 2 * batch.numbers[:, 0]).astype(np.float32))

    model = Named(linear, features)
    examples = Batch(np.array([[0.0], [1.0]], dtype=np.float32), [["AA", "DL"], ["JFK", "JFK"]])
    rows = Batch(np.array([[3.0], [0.5]], dtype=np.float32), [["DL", "AA"], ["LAX", "JFK"]])
    found = SampledContributions(model, examples, BUDGET).explain(rows, model.predict(rows))
    assert found.tolist() == [pytest.approx([-2, 5, -1, 3]), pytest.approx([2, 0, 0, 3])]


def test_of_many_classes_the_log_odds_of_the_label_are_explained() -> None:
    """The most likely class of each row, and its own base."""

    class Classes(Formula):
        def predict(self, batch: Batch) -> Prediction:
            shares = np.exp(np.stack([batch.numbers[:, 0], batch.numbers[:, 1], np.zeros(len(batch))], axis=1))
            shares = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
            return Prediction(shares.max(axis=1), shares.argmax(axis=1).tolist(), shares)

    model = Classes(linear, NUMBERS[:2])
    examples, rows = batch_of([[0, 0], [1, -1], [-1, 0.5]]), batch_of([[2, 0], [0, 2], [-1, -1]])
    prediction = model.predict(rows)
    found = SampledContributions(model, examples, BUDGET).explain(rows, prediction)
    assert prediction.labels == [0, 1, 2]
    shares = prediction.score.astype(float)
    assert found.sum(axis=1) == pytest.approx(np.log(shares / (1 - shares)), abs=1e-4)
    assert found[0, 0] > 0
    assert found[1, 1] > 0


def test_a_certain_answer_has_finite_contributions() -> None:
    """Probabilities of 0 and 1 are a little less than certain here."""

    class Certain(Formula):
        def predict(self, batch: Batch) -> Prediction:
            share = (batch.numbers[:, 0] > 0).astype(np.float32)
            return Prediction(share, share.tolist(), np.stack([1 - share, share], axis=1))

    model = Certain(linear)
    rows = batch_of([[1, 0, 0, 0]])
    found = SampledContributions(model, batch_of([[-1, 0, 0, 0]]), BUDGET).explain(rows, model.predict(rows))
    assert found[0].tolist() == pytest.approx([32.2, 0, 0, 0, -16.1], abs=0.1)


def test_a_model_of_one_column() -> None:
    """All of the difference is that column's."""
    found = explained(
        Formula(lambda values: values[:, 0] ** 2, NUMBERS[:1]), np.array([[1.0], [3.0]]), np.array([[4.0]])
    )
    assert found.tolist() == [[11.0, 5.0]]


@pytest.mark.parametrize("columns", [2, 30, 200, 4_000])
def test_the_work_is_bounded(columns: int) -> None:
    """Few enough values a call for any memory, few enough rows in all for those who wait behind them."""
    features = tuple(Feature(f"f{index}", "Number", False) for index in range(columns))
    model = Formula(lambda values: values.sum(axis=1), features)
    rng = np.random.default_rng(0)
    source = SampledContributions(model, batch_of(rng.normal(size=(40, columns))), BUDGET)
    model.calls.clear()
    rows = batch_of(rng.normal(size=(source.most_rows, columns)))
    found = source.explain(rows, Prediction(rows.numbers.sum(axis=1)))
    assert sum(model.calls) <= BUDGET < sum(model.calls) * (1 + 2 / source.most_rows)
    assert max(model.calls) * columns <= SLICE_VALUES
    assert found.sum(axis=1) == pytest.approx(rows.numbers.sum(axis=1), abs=1e-2)


def test_examples_without_an_answer_are_left_out() -> None:
    """One that has one is enough; none is an error that says so."""
    model = Formula(linear)
    nothing = [np.nan] * 4
    found = SampledContributions(model, batch_of([nothing, [0, 0, 0, 0]]), BUDGET)
    rows = batch_of([[1, 0, 0, 0]])
    assert found.explain(rows, model.predict(rows)).tolist() == [[2, 0, 0, 0, 1]]
    with pytest.raises(ValueError, match="no number to any of the example rows"):
        SampledContributions(model, batch_of([nothing]), BUDGET)


def test_the_same_row_is_explained_the_same_way() -> None:
    """Alone or among others, by this replica or another."""
    rng = np.random.default_rng(3)
    examples, rows = rng.normal(size=(EXAMPLES, 4)), rng.normal(size=(300, 4))
    together = explained(Formula(pairs), examples, rows)
    assert explained(Formula(pairs), examples, rows[7:8])[0].tolist() == together[7].tolist()
