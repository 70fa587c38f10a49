"""No drift, no alarm: rows drawn from the reference itself never Fail, whatever its shape."""

from __future__ import annotations

import numpy as np
import pytest
from pintle.api.watching import Window
from pintle.core.watching.counts import Counts
from pintle.core.watching.drift import Limits, find_features
from pintle.core.watching.reference import Bins, Reference

SHAPES = {
    "even": np.full(10, 0.1),
    "skewed": np.array([0.5, 0.2, 0.1, 0.08, 0.05, 0.03, 0.02, 0.01, 0.006, 0.004]),
    "two": np.array([0.9, 0.1]),
    "rare": np.array([0.9989, 0.001, 0.0001]),
    "many": np.full(100, 0.01),
}
FEATURES = 20
LOOKS = 200


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shape", SHAPES)
def test_rows_like_the_training_data_never_fail(shape: str, seed: int) -> None:
    """200 looks at 20 features, 1,000 to 20,000 rows each: 4,000 chances for a false alarm, none taken."""
    rng = np.random.default_rng([seed, list(SHAPES).index(shape)])
    share = SHAPES[shape]
    names = [f"{index:02d}" for index in range(len(share))]
    training = rng.multinomial(10_000, share, size=FEATURES)
    features = {
        f"f{index}": Bins({**dict(zip(names, map(float, row), strict=True)), "unseen": 0.0, "missing": 0.0})
        for index, row in enumerate(training)
    }
    reference = Reference("p", features)
    for _ in range(LOOKS):
        live = rng.multinomial(int(rng.integers(1_000, 20_000)), share, size=FEATURES)
        counts = Counts(
            {f"f{i}": dict(zip(names, map(float, row), strict=True)) for i, row in enumerate(live)},
        )
        found = find_features([(Window(seconds=3600), counts)], reference, Limits(0.05, 50), {})
        assert [item for item in found if item.verdict == "Fail"] == []
