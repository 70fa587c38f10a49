"""Drift of one feature: the figures by hand, floors, bursts, young revisions, shares of unseen and missing values."""

from __future__ import annotations

import pytest
from pintle.api.watching import Window
from pintle.core.judgement.findings import Finding
from pintle.core.watching.counts import Counts
from pintle.core.watching.drift import (
    Limits,
    compare,
    find_features,
    find_score,
    floor_of,
    share_test,
    wilson_low,
)
from pintle.core.watching.reference import Bins, Reference

HOUR, DAY = Window(seconds=3600), Window(seconds=86400)
LIMITS = Limits(min_psi=0.1, min_rows=50)
EVEN = Bins({"00": 500.0, "01": 500.0}, {"1h": 0.0, "1d": 0.0})


def found(live: dict[str, float], bins: Bins = EVEN, window: Window = HOUR, **more: float) -> Finding:
    return compare("x", window, live, bins, LIMITS, **more)


def test_the_figures_are_those_of_the_formula() -> None:
    """800 and 200 rows against even halves: q = 800.5/1001 and 200.5/1001, PSI .41491, low .24028 (s .002)."""
    finding = found({"00": 800, "01": 200})
    assert (finding.psi, finding.low) == (pytest.approx(0.41491, abs=1e-5), pytest.approx(0.24028, abs=1e-5))
    assert (finding.verdict, finding.rows, finding.threshold) == ("Fail", 1000, 0.1)


def test_a_bin_without_rows_is_filled_from_the_reference() -> None:
    """A series that does not exist counts 0 rows; it does not shorten the comparison."""
    assert found({"00": 1000}).psi == found({"00": 1000, "01": 0}).psi > 1


@pytest.mark.parametrize(("rows", "verdict"), [(49, "NeedMoreData"), (50, "Fail")])
def test_too_few_rows_say_nothing(rows: int, verdict: str) -> None:
    """Below minRows even a feature that is one value only is not judged."""
    assert found({"00": rows}).verdict == verdict


@pytest.mark.parametrize(
    ("seconds", "named", "floors", "value", "own"),
    [
        (3600, None, {"1h": 0.3, "6h": 0.2, "1d": 0.1}, 0.3, True),
        (7200, None, {"1h": 0.3, "6h": 0.2, "1d": 0.1}, 0.3, True),
        (86400, None, {"1h": 0.3, "6h": 0.2, "1d": 0.1}, 0.1, True),
        (86400, None, {"1h": 0.3, "6h": 0.2}, 0.3, False),
        (30, "7d", {"1h": 0.3, "7d": 0.05}, 0.05, True),
        (600, None, {"1h": 0.3, "6h": 0.2}, 0.3, False),
        (600, None, {}, 0.0, False),
    ],
)
def test_floor_of_a_window(seconds: int, named: str | None, floors: dict[str, float], value: float, own: bool) -> None:
    """The floor named, else of the longest blocks that fit; where there is none the highest other stands in."""
    floor = floor_of(Window(seconds=seconds, floor=named), floors)
    assert (floor.value, floor.own) == (value, own)


def test_what_lies_below_its_floor_is_no_drift() -> None:
    """Blocks of training data lie as far off: low .24 is drift with a floor of .2, not with one of .25."""
    live = {"00": 800.0, "01": 200.0}
    assert found(live, Bins(EVEN.counts, {"1h": 0.2})).verdict == "Fail"
    assert found(live, Bins(EVEN.counts, {"1h": 0.25})).verdict == "Pass"


def test_without_a_floor_people_are_told_and_nothing_else() -> None:
    """A window without a floor of its own still drifts, but may only tell."""
    finding = found({"00": 800, "01": 200}, Bins(EVEN.counts))
    assert (finding.verdict, finding.tells_only) == ("Fail", True)
    assert not found({"00": 800, "01": 200}).tells_only


def test_a_window_longer_than_the_revision_lived_may_only_tell() -> None:
    """Ten minutes in a window of a day are not a day: the highest floor is taken, and no run is asked for."""
    bins = Bins(EVEN.counts, {"1h": 0.25, "1d": 0.05})
    young = found({"00": 800, "01": 200}, bins, DAY, lived=600.0)
    assert (young.threshold, young.verdict, young.tells_only) == (0.25, "Pass", True)
    grown = found({"00": 800, "01": 200}, bins, DAY, lived=86400.0)
    assert (grown.threshold, grown.verdict, grown.tells_only) == (0.1, "Fail", False)


def test_bursts_count_as_often_as_they_are_independent() -> None:
    """1,000 rows in bursts of ten say as much as 100: no drift is shown. A floor has its bursts in it already."""
    live = {"00": 800.0, "01": 200.0}
    assert found(live, bursts=10.0).verdict == "Pass"
    assert found(live, bursts=10.0).low < 0 < found(live).low
    high = found(live, Bins(EVEN.counts, {"1h": 0.2}), bursts=2.0)
    assert (high.low, high.threshold, high.verdict) == (pytest.approx(0.24028, abs=1e-5), 0.2, "Fail")


def test_share_of_values_never_seen_in_training() -> None:
    """10 % unseen of 400 rows is at least 6.3 % (Wilson, z 3) and told; 3 % is at least 1.3 % and is not."""
    bins = Bins({"a": 990.0, "unseen": 0.0, "missing": 10.0})
    assert wilson_low(40, 400) == pytest.approx(0.063436, abs=1e-5)
    bad = share_test("s", "unseen", 3600, {"a": 360, "unseen": 40}, bins, LIMITS)
    assert (bad.verdict, bad.tells_only, bad.bin, bad.threshold) == ("Fail", True, "unseen", 0.02)
    assert share_test("s", "unseen", 3600, {"a": 388, "unseen": 12}, bins, LIMITS).verdict == "Pass"


def test_missing_values_that_training_had_are_allowed_ten_times() -> None:
    """1 % missing in training: 9 % in production is no news for the share test, 30 % is."""
    bins = Bins({"a": 990.0, "unseen": 0.0, "missing": 10.0})
    assert share_test("s", "missing", 3600, {"a": 910, "missing": 90}, bins, LIMITS).verdict == "Pass"
    assert share_test("s", "missing", 3600, {"a": 700, "missing": 300}, bins, LIMITS).verdict == "Fail"


def test_every_feature_is_shown_in_its_strongest_window() -> None:
    """Of a window that fails and one that does not the first counts; features come the strongest first."""
    reference = Reference("p", {"calm": EVEN, "moved": EVEN})
    even = {"00": 500.0, "01": 500.0}
    windows = [
        (HOUR, Counts({"calm": even, "moved": {"00": 800.0, "01": 200.0}})),
        (DAY, Counts({"calm": even, "moved": even})),
    ]
    first, second = find_features(windows, reference, LIMITS, {})
    assert (first.feature, first.window_seconds, first.verdict) == ("moved", 3600, "Fail")
    assert (second.feature, second.verdict) == ("calm", "Pass")


def test_what_may_act_goes_before_what_may_only_tell() -> None:
    """A weaker drift in a window with a floor is the finding, not the stronger one without."""
    bins = Bins(EVEN.counts, {"1d": 0.0})
    windows = [
        (HOUR, Counts({"x": {"00": 1000.0}})),
        (DAY, Counts({"x": {"00": 800.0, "01": 200.0}})),
    ]
    (finding,) = find_features(windows, Reference("p", {"x": bins}), LIMITS, {})
    assert (finding.window_seconds, finding.tells_only) == (86400, False)


def test_predictions_are_compared_with_those_at_evaluation() -> None:
    """The score is a finding of its own; a version without a reference for it has none."""
    moved = [(HOUR, Counts({}, {"00": 800.0, "01": 200.0}))]
    finding = find_score(moved, Reference("p", {}, EVEN), LIMITS)
    assert finding is not None
    assert (finding.feature, finding.verdict) == ("score", "Fail")
    assert find_score(moved, Reference("p"), LIMITS) is None
