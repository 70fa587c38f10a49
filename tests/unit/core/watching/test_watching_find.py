"""Findings of look after look: counting, young revisions, skew, labels, errors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pintle.api.watching import Monitoring
from pintle.core.judgement.findings import Findings
from pintle.core.watching.counts import Counts, LabelCounts
from pintle.core.watching.find import Seen, find, signature
from pintle.core.watching.queries import LabelWindow
from pintle.core.watching.reference import Bins, Reference

HOUR, DAY = 3600, 86400
EVEN = Bins({"00": 500.0, "01": 500.0}, {"1h": 0.0, "1d": 0.0})
REFERENCE = Reference("p", {"calm": EVEN, "moving": EVEN}, EVEN, {"00": 0.9, "01": 0.7})
SAME, MOVED, FEW = {"00": 500.0, "01": 500.0}, {"00": 800.0, "01": 200.0}, {"00": 20.0}


def monitoring(**fields: Any) -> Monitoring:
    return Monitoring.model_validate({"drift": {"windows": [{"seconds": HOUR}, {"seconds": DAY}]}, **fields})


def seen(moving: dict[str, float], score: dict[str, float] | None = None, **more: Any) -> Seen:
    counts = Counts({"calm": SAME, "moving": moving}, score or SAME)
    made = {"revision": "ab12cd34", "at": 1e6, "lived": 10.0 * DAY, "reference": REFERENCE}
    return Seen(**{**made, "windows": {HOUR: counts, DAY: counts}, **more})


def looks(*given: Seen, spec: Monitoring | None = None) -> Findings:
    found: Findings | None = None
    for look in given:
        found = find(spec or monitoring(), look, found)
    assert found is not None
    return found


def test_looks_in_a_row_are_counted_by_feature_and_by_cause() -> None:
    """Three looks found the one that moves; the calm one and the predictions are quiet all the time."""
    found = looks(*[seen(MOVED)] * 3)
    assert [(item.feature, item.verdict, item.looks) for item in found.features] == [
        ("moving", "Fail", 3),
        ("calm", "Pass", 0),
    ]
    assert (found.periods["FeatureDrift"], found.quiet["FeatureDrift"]) == (3, 0)
    assert (found.periods["PredictionDrift"], found.quiet["PredictionDrift"]) == (0, 3)


def test_a_quiet_look_begins_the_count_anew() -> None:
    """Found, not found, found: once in a row."""
    found = looks(seen(MOVED), seen(SAME), seen(MOVED))
    assert (found.periods["FeatureDrift"], found.quiet["FeatureDrift"]) == (1, 0)


def test_two_features_that_take_turns_are_not_one_that_lasts() -> None:
    """Each has to be found in every look."""
    turns = [Counts({"calm": MOVED, "moving": SAME}, SAME), Counts({"calm": SAME, "moving": MOVED}, SAME)]
    found = looks(*[seen(SAME, windows={HOUR: turns[n % 2], DAY: turns[n % 2]}) for n in range(4)])
    assert found.periods["FeatureDrift"] == 1


def test_too_few_rows_and_a_silent_prometheus_change_no_count() -> None:
    """A night without traffic, then an outage, between the second look and the third."""
    few = Counts({"calm": FEW, "moving": FEW}, FEW)
    night, outage = seen(FEW, windows={HOUR: few, DAY: few}), seen(SAME, error="Prometheus is gone")
    found = looks(seen(MOVED), seen(MOVED), night)
    assert (found.verdicts["FeatureDrift"], found.periods["FeatureDrift"]) == ("NeedMoreData", 2)
    found = looks(seen(MOVED), seen(MOVED), night, outage)
    assert (found.verdicts["FeatureDrift"], found.error) == ("SourceError", "Prometheus is gone")
    assert looks(seen(MOVED), seen(MOVED), night, outage, seen(MOVED)).periods["FeatureDrift"] == 3


def test_another_revision_begins_anew() -> None:
    """What was found about the one before is not its fault."""
    assert looks(*[seen(MOVED)] * 3, seen(MOVED, revision="00000000")).periods["FeatureDrift"] == 1


def test_without_a_reference_nothing_is_quiet() -> None:
    """A revision whose servers export no profile cannot be judged, and that is said."""
    found = looks(seen(MOVED, reference=None))
    assert found.verdicts["FeatureDrift"] == found.verdicts["TrainingServingSkew"] == "SourceError"
    assert "profile.json" in found.messages["FeatureDrift"]


def test_skew_is_judged_by_all_rows_since_the_start() -> None:
    """Half a day old: its first rows count with the floor of an hour, the longest window that has passed."""
    start = Counts({"calm": SAME, "moving": MOVED}, SAME)
    found = looks(seen(SAME, lived=DAY / 2, since_start=start))
    assert [(item.feature, item.window_seconds) for item in found.skew] == [("moving", HOUR)]
    assert found.verdicts["TrainingServingSkew"] == "Fail"
    assert found.verdicts["FeatureDrift"] == "Pass"


def test_after_the_first_day_skew_is_not_asked_for_any_more() -> None:
    """What changes later is drift."""
    start = Counts({"calm": SAME, "moving": MOVED}, SAME)
    assert "TrainingServingSkew" not in looks(seen(MOVED, lived=DAY + 1.0, since_start=start)).verdicts


def test_before_the_first_window_has_passed_there_is_no_skew() -> None:
    """Ten minutes are no hour: they lie otherwise than the training data by nature."""
    start = Counts({"calm": SAME, "moving": MOVED}, SAME)
    assert looks(seen(MOVED, lived=600.0, since_start=start)).verdicts["TrainingServingSkew"] == "NeedMoreData"


def test_a_replay_says_what_its_day_is() -> None:
    """Windows of 5 s and 100 s that stand for an hour and a day: the first day is over after 120 s."""
    windows = [{"seconds": 5, "floor": "1h"}, {"seconds": 100, "floor": "1d"}]
    spec = Monitoring.model_validate({"drift": {"windows": windows}})
    start = Counts({"calm": SAME, "moving": MOVED}, SAME)
    fast = {"since_start": start}
    assert looks(seen(SAME, lived=120.0, **fast), spec=spec).verdicts["TrainingServingSkew"] == "Fail"
    assert "TrainingServingSkew" not in looks(seen(SAME, lived=121.0, **fast), spec=spec).verdicts


def test_windows_longer_than_a_day_make_the_first_rows_longer() -> None:
    """With a week as the only window the first two weeks count, else there would be no floor to judge by."""
    spec = Monitoring.model_validate({"drift": {"windows": [{"seconds": 7 * DAY}]}})
    start = Counts({"calm": SAME, "moving": MOVED}, SAME)
    for days, verdict in ((6, "NeedMoreData"), (8, "Fail"), (15, None)):
        found = looks(seen(SAME, lived=days * DAY, since_start=start), spec=spec)
        assert found.verdicts.get("TrainingServingSkew") == verdict


def test_estimated_accuracy_is_judged_against_its_bound() -> None:
    """.9 and .7 half and half are .8: above .75, below .85."""
    passed = looks(seen(SAME), spec=monitoring(minEstimatedAccuracy="0.75"))
    assert (passed.verdicts["EstimatedMetric"], passed.estimated_accuracy) == ("Pass", pytest.approx(0.8))
    failed = looks(seen(SAME), spec=monitoring(minEstimatedAccuracy="0.85"))
    assert failed.verdicts["EstimatedMetric"] == "Fail"
    assert "blind to concept drift" in failed.messages["EstimatedMetric"]


def labels(loss: float, rows: float = 2000, predicted: float = 4000) -> LabelCounts:
    return LabelCounts(
        loss_sum=loss * rows,
        loss_squares=2 * loss * loss * rows,
        loss_count=rows,
        truths={"negative": {"00": rows / 2}, "positive": {"01": rows / 2}},
        predicted={"00": predicted / 2, "01": predicted / 2},
    )


LABELLED = monitoring(labelled=[{"metric": "loss", "max": "0.2", "windowSeconds": 3600}])


def test_labels_that_are_a_fair_sample_may_ask_for_a_run() -> None:
    """Loss .3 of half the predictions, the bound is .2."""
    found = looks(seen(SAME, labels={LabelWindow(HOUR): labels(0.3)}), spec=LABELLED)
    assert found.verdicts["LabelledMetric"] == "Fail"
    assert found.labelled is not None
    assert (found.labelled.rows, found.labelled.loss, found.labelled.auc) == (2000, pytest.approx(0.3), 1.0)
    assert found.tells_only == frozenset()


def test_selective_labels_may_not() -> None:
    """The same loss of one prediction in twenty is told, and asks for nothing."""
    found = looks(seen(SAME, labels={LabelWindow(HOUR): labels(0.3, predicted=40000)}), spec=LABELLED)
    assert found.verdicts["LabelledMetric"] == "Fail"
    assert found.tells_only == {"LabelledMetric"}


def test_without_labels_there_is_no_verdict() -> None:
    """None have come yet."""
    found = looks(seen(SAME), spec=LABELLED)
    assert found.verdicts["LabelledMetric"] == "NeedMoreData"
    assert "0 labelled rows, 1000 are needed" in found.messages["LabelledMetric"]


def test_a_bound_for_recall_at_a_declared_threshold() -> None:
    """Half of the positives score above .5: below .9 by far. The message says at which limit it was taken."""
    counts = LabelCounts(
        loss_sum=200.0,
        loss_squares=100.0,
        loss_count=2000,
        truths={"negative": {"00": 1000.0}, "positive": {"00": 500.0, "01": 500.0}},
        predicted={"00": 1500.0, "01": 500.0},
    )
    spec = monitoring(labelled=[{"metric": "recall", "min": "0.9", "threshold": "0.4", "windowSeconds": HOUR}])
    reference = replace(REFERENCE, limits={"00": 0.5})
    found = looks(seen(SAME, reference=reference, labels={LabelWindow(HOUR): counts}), spec=spec)
    assert found.verdicts["LabelledMetric"] == "Fail"
    assert "recall from a score of 0.5 on 0.5" in found.messages["LabelledMetric"]
    assert found.labelled is not None
    assert found.labelled.figures == {("recall", "3600s"): 0.5}
    older = looks(seen(SAME, labels={LabelWindow(HOUR): counts}), spec=spec)
    assert older.verdicts["LabelledMetric"] == "NeedMoreData"
    assert "model_prediction_bin_limit" in older.messages["LabelledMetric"]


def test_labels_of_one_age_are_not_those_of_another() -> None:
    """What came in the hour breaks the bound; of the predictions that are a day old nothing is known."""
    spec = monitoring(labelled=[{"metric": "loss", "max": "0.2", "windowSeconds": HOUR, "labelAgeSeconds": DAY}])
    assert looks(seen(SAME, labels={LabelWindow(HOUR): labels(0.3)}), spec=spec).verdicts["LabelledMetric"] != "Fail"
    found = looks(seen(SAME, labels={LabelWindow(HOUR, DAY): labels(0.3)}), spec=spec)
    assert found.verdicts["LabelledMetric"] == "Fail"
    assert found.labelled is not None
    assert ("loss", "3600s offset 86400s") in found.labelled.figures


def test_figures_that_move_are_not_news() -> None:
    """The signature is the same while the same features last, and another when one is found often enough."""
    second, third = looks(*[seen(MOVED)] * 2), looks(*[seen(MOVED)] * 3)
    more = replace(third, features=tuple(replace(item, low=item.low + 0.01) for item in third.features))
    assert signature(third, 3) == signature(more, 3)
    assert signature(second, 3) != signature(third, 3)
    assert signature(third, 3) == signature(looks(*[seen(MOVED)] * 9), 3)
