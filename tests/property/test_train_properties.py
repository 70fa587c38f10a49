"""Properties of what runs in a run: drift formula, bootstrap, selection, results."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pintle.contract.manifest import BINARY
from pintle.contract.psi import psi
from pintle.train.bootstrap import interval, resample
from pintle.train.drift import psi_low
from pintle.train.metrics import METRICS
from pintle.train.outcome import _first_that_fits
from pintle.train.partitions import select
from pintle.train.storage import ObjectInfo
from pintle.train.truth import Truth

COUNTS = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)), min_size=2, max_size=14)
NOW = datetime(2026, 1, 5, tzinfo=UTC)


@given(COUNTS)
def test_psi_is_never_negative_and_low_below_it(pairs: list[tuple[int, int]]) -> None:
    """PSI is at least 0, its lower end never above it, and 0 for the same proportions."""
    window, reference = zip(*pairs, strict=True)
    found = psi(window, reference)
    assert found.psi >= -1e-12
    assert found.low <= found.psi + 1e-12


@given(COUNTS)
def test_scalar_and_vectorised_psi_are_equal(pairs: list[tuple[int, int]]) -> None:
    """The operator's formula and that of the drift floors give the same lower end."""
    window, reference = zip(*pairs, strict=True)
    found = psi_low(np.array([window], dtype=float), np.array(reference, dtype=float))[0]
    expected = psi(window, reference).low
    assert found == expected or abs(found - expected) <= 1e-9 * max(1, abs(expected))


@given(st.lists(st.integers(1, 10_000), min_size=2, max_size=14), st.integers(1, 50))
def test_rows_like_the_reference_are_no_drift(reference: list[int], times: int) -> None:
    """A window with the reference's own proportions is never above 0, however many rows it has."""
    assert psi([count * times for count in reference], reference).low <= 0


@given(st.integers(0, 2**31), st.integers(2, 30), st.sampled_from(["auc", "brier", "logLoss", "accuracy"]))
def test_bootstrap_is_symmetric(seed: int, blocks: int, name: str) -> None:
    """Exchanging the two models turns the interval of the difference around, end for end."""
    rng = np.random.default_rng(seed)
    rows = blocks * 10
    block = np.arange(rows) % blocks
    truth = Truth(BINARY, (0, 1), np.r_[0, 1, rng.integers(0, 2, rows - 2)])
    chances = rng.random((2, rows))
    first, second = (np.stack([1 - p, p], axis=1) for p in chances)
    counts = resample(blocks, seed, resamples=50)
    metric = METRICS[name]
    a, b = (metric.estimate(truth, p, block, counts) for p in (first, second))
    value = metric.value(truth, first) - metric.value(truth, second)
    one, other = interval(value, a - b, blocks), interval(-value, b - a, blocks)
    assert np.allclose([one.low, one.high], [-other.high, -other.low], atol=1e-9)


@given(st.integers(0, 2**31), st.integers(1, 200))
def test_resamples_are_seeded_and_complete(seed: int, blocks: int) -> None:
    """Every resample draws as many blocks as there are; the same seed draws the same."""
    counts = resample(blocks, seed, resamples=5)
    assert (counts.sum(axis=1) == blocks).all()
    assert (counts == resample(blocks, seed, resamples=5)).all()


@given(
    st.sets(st.tuples(st.integers(2000, 2030), st.integers(1, 12)), max_size=30),
    st.integers(1, 6),
    st.integers(0, 6),
    st.randoms(),
)
def test_selection_is_a_window_from_the_newest(
    months: set[tuple[int, int]], latest: int, skip: int, random: Any
) -> None:
    """The chosen partitions are the newest but `skip`, in order of time, whatever the order of the listing."""
    names = [f"{year}-{month:02d}.parquet" for year, month in months]
    random.shuffle(names)
    objects = [ObjectInfo(name, 1, NOW - timedelta(days=1)) for name in names]
    found = select(objects, {"partition": "{yyyy}-{MM}", "latest": latest, "skip": skip}, NOW)
    ordered = sorted(f"{year}-{month:02d}" for year, month in months)
    kept = ordered[: max(len(ordered) - skip, 0)]
    assert list(found.partitions) == kept[-latest:]
    assert len(found.objects) == len(found.partitions)


@given(st.integers(0, 16), st.text(max_size=3000))
def test_results_always_fit(gates: int, why: str) -> None:
    """Whatever the messages are, what is reported is JSON below 1,500 bytes."""
    entry = {"metric": "m" * 63, "verdict": "Fail", "value": 0.123456, "why": "w" * 120}
    reports = [{"phase": "evaluate", "gates": [entry] * n} for n in range(gates, -1, -1)]
    assert len(_first_that_fits(reports)) <= 1500
    data = _first_that_fits([{"phase": "fetch", "reason": "DataInvalid", "message": why}])
    assert len(data) <= 1500
    assert json.loads(data)["phase"] == "fetch"
