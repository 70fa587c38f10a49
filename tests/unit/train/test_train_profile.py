"""Bins, drift floors and the profile."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pintle.contract.manifest import BINARY
from pintle.contract.profile import FeatureProfile, Profile, bin_of, number_bins, string_bins
from pintle.train.drift import floors, psi_low
from pintle.train.profile import build_profile, number_bin, quantile_edges, string_bin
from pintle.train.truth import Truth

DAY = 86400


def test_quantiles_share_the_rows() -> None:
    """Ten bins of about equal size for a continuous feature; ties and few values make fewer, none of them empty."""
    values = np.random.default_rng(0).normal(size=10_000)
    counts = np.bincount(number_bin(values, quantile_edges(values)))
    assert len(counts) == 10
    assert counts.min() > 900
    for few in (np.zeros(100), np.repeat([0.0, 1.0], 50), np.r_[np.zeros(95), np.arange(5.0)]):
        filled = np.bincount(number_bin(few, quantile_edges(few)))
        assert (filled > 0).all()


def test_numbers_fall_where_the_contract_says() -> None:
    """Vectorised bins of numbers are those of contract.profile.bin_of, on edges, missing and infinite values too."""
    edges = quantile_edges(np.random.default_rng(0).normal(size=1000))
    feature = FeatureProfile("x", "Number", number_bins(edges), (0,) * (len(edges) + 3), tuple(edges))
    values = np.array(
        [*edges, *(np.nextafter(np.float32(e), np.float32(-9)) for e in edges), np.nan, np.inf, -np.inf, 0]
    )
    assert number_bin(values, edges).tolist() == [bin_of(feature, float(value)) for value in values]


def test_strings_fall_where_the_contract_says() -> None:
    """The vectorised bins of strings are those of contract.profile.bin_of."""
    categories, rare = ["b", "a", "missing"], ["c"]
    feature = FeatureProfile("x", "String", string_bins(categories), (0,) * 6, (), tuple(categories), tuple(rare))
    values = ["a", "b", "c", "d", "", "missing", "rare"]
    assert string_bin(pd.Series(values), categories, rare).tolist() == [bin_of(feature, value) for value in values]


def weather(days: int, spread: float, rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Values whose mean changes from day to day by `spread`, and their times in seconds."""
    rng = np.random.default_rng(0)
    seconds = np.sort(rng.integers(0, days * DAY, days * rows))
    return rng.normal(size=days)[seconds // DAY] * spread + rng.normal(size=len(seconds)), seconds


def test_steady_rows_have_floors_of_zero() -> None:
    """Independent rows never look like drift: every floor is 0."""
    values, seconds = weather(60, 0.0)
    assert set(floors(number_bin(values, quantile_edges(values)), 12, seconds).values()) == {0.0}


def test_rows_that_depend_on_their_day_have_floors() -> None:
    """Where days differ, the floor of a day is high, and that of a week lower: weeks average the days out."""
    values, seconds = weather(60, 2.0)
    found = floors(number_bin(values, quantile_edges(values)), 12, seconds)
    assert found["1d"] > 0.5
    assert found["7d"] < found["1d"] / 2


def test_short_history_has_no_floor() -> None:
    """A block length needs data over five of it: ten days have floors up to a day, none for a week."""
    values, seconds = weather(10, 0.0, rows=3000)
    assert set(floors(number_bin(values, quantile_edges(values)), 12, seconds)) == {"1h", "6h", "1d"}
    assert floors(np.array([], dtype=np.int64), 12, np.array([], dtype=np.int64)) == {}


def test_training_blocks_stay_below_their_floor() -> None:
    """At most 1 % of rolling days lie above the floor, so at most 7 % of calendar days even if only these stand out."""
    values, seconds = weather(120, 1.0)
    index = number_bin(values, quantile_edges(values))
    floor = floors(index, 12, seconds)["1d"]
    days = np.zeros((120, 12))
    np.add.at(days, (seconds // DAY, index), 1)
    low = psi_low(days, np.bincount(index, minlength=12).astype(float))
    assert (low > 0.1).mean() > 0
    assert (low > floor).mean() <= 0.07


@pytest.fixture
def profile() -> dict[str, object]:
    """A profile over a number, a string and a boolean."""
    rng = np.random.default_rng(0)
    train = pd.DataFrame(
        {
            "x": np.where(rng.random(3000) < 0.1, np.nan, rng.normal(size=3000)).astype(np.float32),
            "s": pd.Series([f"v{int(k)}" for k in rng.exponential(4, 3000)]).where(rng.random(3000) > 0.05, ""),
            "b": rng.integers(0, 2, 3000).astype(np.float32),
            "t": pd.date_range("2013-01-01", periods=3000, freq="h", tz="UTC"),
        }
    )
    types = {"x": "Number", "s": "String", "b": "Boolean"}
    schema = {"timeColumn": "t", "features": [{"name": name, "type": kind} for name, kind in types.items()]}
    chance = rng.random(1000)
    truth = Truth(BINARY, (0, 1), (rng.random(1000) < chance).astype(np.int64))
    held = pd.DataFrame({"t": pd.date_range("2013-05-06", periods=1000, freq="h", tz="UTC")})
    return build_profile(train, schema, held, truth, np.stack([1 - chance, chance], axis=1))


def test_profile_counts_every_row_once(profile: dict[str, object]) -> None:
    """Counts of each feature sum to the training rows; rare strings are listed; the contract can read it."""
    import json

    found = Profile.from_bytes(json.dumps(profile).encode())
    assert [item.rows for item in found.features] == [3000, 3000, 3000]
    string = found.features[1]
    assert len(string.categories) == 10
    assert string.counts[string.bins.index("rare")] > 0
    assert string.counts[string.bins.index("unseen")] == 0
    assert found.features[0].counts[-2] > 200


def test_score_bins_say_how_accurate_they_are(profile: dict[str, object]) -> None:
    """Accuracy is high where the score is near 0 or 1 and about one half in the middle."""
    output = profile["outputs"][0]  # type: ignore[index]
    accuracy = output["accuracy"][:10]
    assert sum(output["rows"]) == 1000
    assert min(accuracy[0], accuracy[9]) > 0.85
    assert min(accuracy[4:6]) < 0.65


def test_scores_have_floors_of_their_own(profile: dict[str, object]) -> None:
    """Blocks of evaluation rows say how far scores move by themselves; 24 a day are too few rows for days."""
    assert set(profile["outputs"][0]["floors"]) == {"7d"}  # type: ignore[index]
