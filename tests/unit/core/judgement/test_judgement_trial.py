"""A trial from raw samples to the judgement: scenes of what a canary may do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from pintle.contract import metrics as names
from pintle.core.judgement.counters import LOOKBACK_SCRAPES
from pintle.core.judgement.facts import PodFacts
from pintle.core.judgement.history import History, control_history
from pintle.core.judgement.odd_pods import odd_pod
from pintle.core.judgement.samples import RawSeries
from pintle.core.judgement.settings import Settings, settings_for
from pintle.core.judgement.trial import Trial
from pintle.core.judgement.verdict import FAIL, NEED_MORE_DATA, PASS, SOURCE_ERROR, Judgement, TestResult

from tests.unit.core.judgement.counter_world import Pod, steady, stored

ORIGIN = 10_000.0
CALM = History(dispersion={"errors": 1.0, "slow": 1.0, "loss": 1.0}, features={"a": 1.0})
SECOND = settings_for("Balanced", grid_seconds=1)


def pods() -> tuple[Pod, Pod]:
    return Pod("new", "new-1"), Pod("old", "old-1")


def judge(
    each: Callable[[Pod, int], None],
    seconds: int,
    settings: Settings = SECOND,
    history: History | None = CALM,
    extra: list[RawSeries] | None = None,
) -> Judgement:
    """The judgement after so many seconds of what `each` does to the two pods."""
    world = pods()
    steady(world, seconds + 10, each, start=ORIGIN - 10)
    trial = Trial("new", "old", ORIGIN, settings, history)
    trial.feed([*stored(world), *(extra or [])], ORIGIN + seconds + 0.5)
    return trial.judgement(ORIGIN + seconds + 0.5)


def test(judgement: Judgement, name: str) -> TestResult:
    return next(item for item in judgement.tests if item.name == name)


test.__test__ = False  # type: ignore[attr-defined]


def healthy(pod: Pod, second: int) -> None:
    """One request a second to the canary, nine to the stable; one in a hundred fails."""
    rows = 1 if pod.revision == "new" else 9
    bad = 1 if second % 11 == 0 and pod.revision == "old" else 1 if second % 100 == 50 and rows == 1 else 0
    pod.answer(rows - bad, bad, missing={"a": 0})


def failing(pod: Pod, second: int) -> None:
    """A quarter of the canary's requests fails."""
    bad = float(second % 4 == 0)
    pod.answer(1 - bad, bad) if pod.revision == "new" else pod.answer(9)


def test_identical_versions_pass() -> None:
    """Equal shares and rows enough: every test passes, and the numbers are those that were counted."""
    judgement = judge(healthy, 3000)
    assert judgement.verdict == PASS, judgement
    assert (judgement.rows, judgement.at) == (3000, ORIGIN + 3000)
    assert {item.name for item in judgement.tests} == {"errors", "slow", "missing"}


def test_few_rows_need_more_data() -> None:
    """After a minute nothing is known yet, and the message says how long it may take."""
    judgement = judge(healthy, 60)
    assert judgement.verdict == NEED_MORE_DATA
    assert "min more" in test(judgement, "errors").message


def test_errors_fail() -> None:
    """A quarter of the requests failing is found within a minute or so, by the test of errors alone."""
    judgement = judge(failing, 80)
    assert judgement.verdict == FAIL
    assert [item.name for item in judgement.failing] == ["errors"]
    assert test(judgement, "errors").difference == pytest.approx(0.25, abs=0.02)


def turning(what: str) -> Callable[[Pod, int], None]:
    """Ten good minutes; then half of the canary's requests fail, are slow, or lack a feature."""

    def each(pod: Pod, second: int) -> None:
        new = pod.revision == "new"
        rows = 4.0 if new else 36.0
        odd = rows / 2 if new and second > 610 else 0.0
        bad = odd if what == "errors" else 0.0
        slow, lacking = (odd if what == name else 0.0 for name in ("slow", "missing"))
        pod.answer(rows - bad, bad, slow, {"a": lacking})

    return each


@pytest.mark.parametrize(("what", "verdict"), [("errors", FAIL), ("missing", FAIL), ("slow", PASS)])
def test_what_turns_bad_late_is_found_by_what_came_since(what: str, verdict: str) -> None:
    """After ten good minutes, 15 s of which 14 are bad. A slow machine is forgiven: its Pass stands."""
    found = test(judge(turning(what), 615), what)
    assert found.verdict == verdict
    assert ("46.67% of 60, control 0.00% of 540 in the last 15 s" in found.message) == (verdict == FAIL)
    assert (found.tested.rows == 60) == (verdict == FAIL)


def test_late_onsets_are_found_by_the_replay() -> None:
    """Looks of a second each and one look at everything find the same, to the last bit."""
    world = pods()
    steady(world, 630, turning("missing"), start=ORIGIN - 10)
    looks, replay = (Trial("new", "old", ORIGIN, SECOND, CALM) for _ in range(2))
    for second in range(621):
        looks.feed(stored(world, ORIGIN + second - 10, ORIGIN + second), ORIGIN + second)
    replay.feed(stored(world), ORIGIN + 620)
    assert looks.judgement(ORIGIN + 620) == replay.judgement(ORIGIN + 620)
    assert "in the last" in test(replay.judgement(ORIGIN + 620), "missing").message


def test_a_clients_mistake_is_no_error() -> None:
    """client_rejected counts as a request and not as bad."""

    def rejected(pod: Pod, second: int) -> None:
        pod.answer(9)
        pod.count(names.REQUESTS, 1, result="client_rejected" if pod.revision == "new" else "ok", route="default")

    errors = test(judge(rejected, 60), "errors")
    assert (errors.tested.bad, errors.tested.rows) == (0, 600)


def test_schema_rejections_are_errors() -> None:
    """A row that clients may send and the model cannot take is the model's fault."""

    def rejected(pod: Pod, second: int) -> None:
        pod.answer(9)
        pod.count(names.REQUESTS, 1, result="schema_rejected" if pod.revision == "new" else "ok", route="default")

    assert test(judge(rejected, 300), "errors").verdict == FAIL


def test_requests_by_header_are_judged_never() -> None:
    """route="direct" is left out, however bad it is."""

    def tester(pod: Pod, second: int) -> None:
        healthy(pod, second)
        pod.count(names.REQUESTS, 5, result="server_error", route="direct")

    errors = test(judge(tester, 300), "errors")
    assert (errors.tested.rows, errors.verdict) == (300, NEED_MORE_DATA)


def test_dry_run_decides_nothing() -> None:
    """A failing test on trial is shown, and the judgement does not fail."""
    judgement = judge(failing, 200, replace(SECOND, dry_run=frozenset({"errors"})))
    assert test(judgement, "errors").verdict == FAIL
    assert judgement.verdict == NEED_MORE_DATA
    assert not judgement.failing


def test_slow_requests_fail() -> None:
    """Half of the canary's requests above the limit: the test of slow requests fails, errors do not."""

    def slow(pod: Pod, second: int) -> None:
        rows = 4 if pod.revision == "new" else 36
        pod.answer(rows, slow=rows / 2 if pod.revision == "new" else 0)

    judgement = judge(slow, 60)
    assert [item.name for item in judgement.failing] == ["slow"]
    assert "slower than 0.25 s" in test(judgement, "slow").message


def stalling(canary: tuple[int, ...], stable: tuple[int, ...]) -> Callable[[Pod, int], None]:
    """All requests are fast, but for three seconds after each of these moments since the origin: all are slow then."""

    def each(pod: Pod, second: int) -> None:
        new = pod.revision == "new"
        rows = 5 if new else 45
        stalls = any(at < second - 10 <= at + 3 for at in (canary if new else stable))
        pod.answer(rows, slow=rows if stalls else 0)

    return each


NOISY = stalling((120, 200), (150, 290, 330))


def test_a_pass_stays_on_a_noisy_machine() -> None:
    """Shown within a minute; then every revision stalls now and then, which takes nothing back of it."""
    early, late = test(judge(NOISY, 60), "slow"), test(judge(NOISY, 400), "slow")
    assert (early.verdict, late.verdict) == (PASS, PASS)
    assert "shown earlier" in late.message, "by these bursts alone it could not be shown: else this test shows nothing"
    assert late.pass_evidence >= late.pass_threshold


def test_a_pass_ends_where_the_difference_reaches_the_margin() -> None:
    """Shown once, and since then the canary stalls far more often than the stable: it has to be shown anew."""
    slow = test(judge(stalling((120, 140, 160, 180), ()), 200), "slow")
    assert slow.difference is not None
    assert slow.difference > 0.05
    assert slow.verdict == NEED_MORE_DATA


def test_a_pass_does_not_keep_a_canary_from_failing() -> None:
    """Shown once; then half of the canary's requests are slow: it fails."""

    def turning(pod: Pod, second: int) -> None:
        rows = 4 if pod.revision == "new" else 36
        pod.answer(rows, slow=rows / 2 if pod.revision == "new" and second > 110 else 0)

    assert test(judge(turning, 100), "slow").verdict == PASS
    assert test(judge(turning, 300), "slow").verdict == FAIL


def test_a_pass_is_found_by_the_replay() -> None:
    """Nobody looked while it could be shown: the one who takes over finds it, and the same evidence, in the samples."""
    world = pods()
    steady(world, 410, NOISY, start=ORIGIN - 10)
    looks, replay = (Trial("new", "old", ORIGIN, SECOND, CALM) for _ in range(2))
    for second in range(401):
        looks.feed(stored(world, ORIGIN + second - 10, ORIGIN + second), ORIGIN + second)
        looks.judgement(ORIGIN + second)
    replay.feed(stored(world), ORIGIN + 400)
    assert looks.judgement(ORIGIN + 400) == replay.judgement(ORIGIN + 400)
    assert "shown earlier" in test(replay.judgement(ORIGIN + 400), "slow").message


@pytest.mark.parametrize("features", [1, 20, 100])
def test_one_feature_that_is_always_missing_is_found_fast(features: int) -> None:
    """One column of many missing in the canary: found within 60 rows, whatever the number of columns, no past known."""

    def lacking(pod: Pod, second: int) -> None:
        rows = 1 if pod.revision == "new" else 9
        missing = dict.fromkeys((f"f{place}" for place in range(features)), 0.0)
        missing["f0"] = rows if pod.revision == "new" else second % 20 == 0
        pod.answer(rows, missing=missing)

    judgement = judge(lacking, 60, history=None)
    assert [item.name for item in judgement.failing] == ["missing"]
    assert "feature f0" in test(judgement, "missing").message


def reference(feature: str, share: float) -> RawSeries:
    labels = {"revision": "new", "pod": "new-1", "feature": feature, "bin": "missing"}
    return RawSeries(names.FEATURE_REFERENCE_RATIO, labels, np.array([ORIGIN]), np.array([share]))


def of_its_own(share: float) -> Callable[[Pod, int], None]:
    """The canary has a feature that the stable lacks, missing in a share of its rows."""

    def each(pod: Pod, second: int) -> None:
        new = pod.revision == "new"
        pod.answer(20 if new else 180, missing={"late": 20 * share} if new else {"other": 0.0})

    return each


def test_a_new_feature_is_compared_with_its_training_rows() -> None:
    """Known only after departure: in training 2 % missing, live all of it; the stable never had that feature."""
    judgement = judge(of_its_own(1.0), 60, extra=[reference("late", 0.02)])
    missing = test(judgement, "missing")
    assert missing.verdict == FAIL
    assert missing.difference == pytest.approx(0.98)
    assert missing.control.rows == 0


def test_a_new_feature_like_its_training_rows_passes() -> None:
    """A few points more than in training are another time, not a fault."""
    assert test(judge(of_its_own(0.05), 120, extra=[reference("late", 0.02)]), "missing").verdict == PASS


def test_a_new_feature_without_reference_is_left_out() -> None:
    """Nothing to compare with: no test, and no obstacle to promotion either."""
    assert "missing" not in {item.name for item in judge(of_its_own(1.0), 60).tests}


def test_dropped_rows_are_in_no_bin() -> None:
    """Rows that monitoring did not count are not rows of a feature."""

    def dropping(pod: Pod, second: int) -> None:
        pod.answer(10, missing={"a": 5})
        pod.count(names.MONITOR_DROPPED, 4, reason="queue_full")

    assert test(judge(dropping, 100), "missing").tested.share == pytest.approx(5 / 6)


def test_rows_of_one_request_count_as_one() -> None:
    """Requests of 200 rows each, all rows of one alike: three such requests are no evidence."""

    def batches(pod: Pod, second: int) -> None:
        pod.answer(1, missing={"a": 0})
        pod.count(names.PREDICTIONS, 199)
        if pod.revision == "new" and second in (20, 30, 40):
            pod.count(names.FEATURE_BIN, 200, feature="a", bin="missing")

    missing = test(judge(batches, 60), "missing")
    assert missing.tested.bad == 600
    assert missing.verdict == NEED_MORE_DATA


def labelled(loss: float) -> Callable[[Pod, int], None]:
    """Labels come at once; the canary's loss is higher by so much."""
    rng = np.random.default_rng(5)

    def each(pod: Pod, second: int) -> None:
        rows = 4 if pod.revision == "new" else 36
        pod.answer(rows)
        if second > 10:  # since the origin
            truths = rng.random(rows) * 0.2 + (loss if pod.revision == "new" else 0.0)
            pod.learn(int(ORIGIN), truths)

    return each


def test_a_higher_loss_fails() -> None:
    """Labels of predictions since the origin: a higher mean loss is found."""
    judgement = judge(labelled(0.1), 200)
    assert [item.name for item in judgement.failing] == ["loss"]


def scoring(levels: tuple[str, ...]) -> Callable[[Pod, int], None]:
    """The stable's scores are of two levels alike; the canary's are spread over `levels`. Nothing else is amiss."""

    def each(pod: Pod, second: int) -> None:
        healthy(pod, second)
        for level in levels if pod.revision == "new" else ("04", "05"):
            pod.count(names.SCORE_LEVEL, 6 / len(levels), output="probability", level=level)

    return each


def test_scores_that_lie_otherwise_are_told_and_decide_nothing() -> None:
    """The judgement is the same, test by test; beside it stands how far the scores are from the stable's."""
    alike, otherwise = judge(scoring(("04", "05")), 3000), judge(scoring(("05", "06")), 3000)
    assert alike.shift is not None
    assert otherwise.shift is not None
    assert (alike.shift.verdict, otherwise.shift.verdict) == (PASS, FAIL)
    assert otherwise.shift.low > otherwise.shift.threshold
    assert replace(otherwise, shift=None) == replace(alike, shift=None)
    assert otherwise.verdict == PASS


def test_without_levels_scores_are_not_compared() -> None:
    """A regression, or a server that does not count them: nothing is said."""
    assert judge(healthy, 100).shift is None


def scale(revision: str, value: float) -> RawSeries:
    labels = {"revision": revision, "pod": f"{revision}-1"}
    return RawSeries(names.FEEDBACK_LOSS_SCALE, labels, np.array([ORIGIN]), np.array([value]))


def test_losses_of_unlike_scales_are_not_compared() -> None:
    """A regression's loss is in units of its scale: with another one nothing is said, and the judgement says why."""
    unlike = judge(labelled(0.1), 200, extra=[scale("new", 8), scale("old", 16)])
    assert "loss" not in {item.name for item in unlike.tests}
    assert "PINTLE_LOSS_SCALE" in unlike.message
    alike = judge(labelled(0.1), 200, extra=[scale("new", 8), scale("old", 8)])
    assert test(alike, "loss").verdict == FAIL


def test_a_loss_that_was_asked_for_holds_where_it_cannot_be_compared() -> None:
    """`advanced.loss` makes promotion wait for it: with unlike scales it does, however bad or good the figures look."""
    asked = settings_for("Balanced", {"loss": {"margin": "0.05"}}, grid_seconds=1)
    for loss in (0.0, 0.5):
        judgement = judge(labelled(loss), 2000, asked, extra=[scale("new", 8), scale("old", 16)])
        assert test(judgement, "loss").verdict == NEED_MORE_DATA
        assert "not compared" in test(judgement, "loss").message
        assert judgement.verdict == NEED_MORE_DATA


def test_labels_that_came_to_the_other_revisions_pods_count() -> None:
    """A label may come at any replica: it counts for the revision that predicted, wherever it was taken."""
    foreign = Pod("new", "old-1")

    def each(pod: Pod, second: int) -> None:
        pod.answer(5)
        if second > 10 and pod.name == "old-1":
            pod.learn(int(ORIGIN), [0.1])
            foreign.learn(int(ORIGIN), [0.9])
            foreign.scrape(ORIGIN - 9.5 + second)

    new, old = pods()
    foreign.learn(int(ORIGIN), [])
    steady((new, old), 110, each, ORIGIN - 10)
    trial = Trial("new", "old", ORIGIN, SECOND, CALM)
    trial.feed(stored((new, old, foreign)), ORIGIN + 100.5)
    judgement = trial.judgement(ORIGIN + 100.5)
    assert test(judgement, "loss").tested.share == pytest.approx(0.9)
    assert (judgement.rows, test(judgement, "errors").control.rows) == (500, 500)


def test_labels_of_one_request_count_as_one() -> None:
    """Requests of 50 rows, all labelled alike: a few bad requests are no evidence."""

    def batches(pod: Pod, second: int) -> None:
        pod.answer(1)
        pod.count(names.PREDICTIONS, 49)
        if second > 10:
            pod.learn(int(ORIGIN), [0.8 if pod.revision == "new" and second in (13, 15) else 0.1] * 50)

    loss = test(judge(batches, 8), "loss")
    assert loss.difference is not None
    assert loss.difference > 0.02
    assert loss.verdict == NEED_MORE_DATA


def test_labels_of_older_predictions_do_not_count() -> None:
    """A cohort that began before the origin is none of this rollout's, however bad its loss is."""

    def older(pod: Pod, second: int) -> None:
        pod.answer(5)
        pod.learn(int(ORIGIN) - 3600, [0.9 if pod.revision == "new" else 0.1])

    assert "loss" not in {item.name for item in judge(older, 200).tests}


def test_cohorts_are_strata() -> None:
    """A worse time with a larger canary share is no worse canary: cohorts are compared each for itself."""
    rng = np.random.default_rng(8)

    def mixed(pod: Pod, second: int) -> None:
        new = pod.revision == "new"
        pod.answer(10)
        if second > 10:
            pod.learn(int(ORIGIN), (rng.random(1 if new else 19) < 0.1).astype(float))
            pod.learn(int(ORIGIN) + 3600, (rng.random(10) < 0.5).astype(float))

    loss = test(judge(mixed, 400), "loss")
    assert loss.tested.share - loss.control.share > 0.1
    assert loss.difference == pytest.approx(0.0, abs=0.05)
    assert loss.verdict != FAIL


def test_promotion_does_not_wait_for_labels() -> None:
    """Few labels hold up nobody, unless limits for the loss were given."""

    def one_label(pod: Pod, second: int) -> None:
        healthy(pod, second)
        if second == 100:
            pod.learn(int(ORIGIN), [0.2])

    assert judge(one_label, 3000).verdict == PASS
    asked = settings_for("Balanced", {"loss": {"margin": "0.05"}}, grid_seconds=1)
    assert judge(one_label, 3000, asked).verdict == NEED_MORE_DATA


def test_an_incident_that_hits_both_fails_nobody() -> None:
    """Half of all requests fail for two minutes, in both revisions."""

    def incident(pod: Pod, second: int) -> None:
        rows = 2 if pod.revision == "new" else 18
        bad = rows / 2 if 100 < second < 220 else 0
        pod.answer(rows - bad, bad)

    assert test(judge(incident, 400), "errors").verdict != FAIL


def test_without_a_past_dispersion_is_assumed() -> None:
    """H = 4 until ten minutes of the control are there, and the judgement says so; then what they say."""
    early, late = judge(healthy, 300, history=None), judge(healthy, 900, history=None)
    assert "dispersion 4" in early.message
    assert late.message == ""
    calm = test(judge(healthy, 900), "errors").pass_evidence
    assert test(late, "errors").pass_evidence == pytest.approx(calm, rel=0.3)
    assert test(early, "errors").pass_evidence < 0.7 * test(judge(healthy, 300), "errors").pass_evidence


def test_without_control_only_gross_failure_counts() -> None:
    """No holdback: a third of all requests failing fails, a tenth does not."""

    def alone(share: float) -> TestResult:
        pod = Pod("new", "new-1")
        steady([pod], 120, lambda pod, _: pod.answer(10 * (1 - share), 10 * share, missing={"a": 10}), ORIGIN - 10)
        trial = Trial("new", "", ORIGIN, SECOND)
        trial.feed([*stored([pod]), reference("a", 0.0)], ORIGIN + 100)
        judgement = trial.judgement(ORIGIN + 100)
        assert [item.name for item in judgement.tests if not item.dry_run] == ["errors"]
        assert test(judgement, "missing").dry_run
        return test(judgement, "errors")

    assert alone(0.4).verdict == FAIL
    assert alone(0.1).verdict == PASS


def test_no_traffic_needs_more_data() -> None:
    """Series that are there and do not grow are no fault of the source."""
    judgement = judge(lambda pod, _: None, 120)
    facts = PodFacts(ready={"new-1": ORIGIN - 50, "old-1": ORIGIN - 50})
    assert judgement.verdict == NEED_MORE_DATA
    trial = Trial("new", "old", ORIGIN, SECOND)
    world = pods()
    steady(world, 120, lambda pod, _: None, ORIGIN - 10)
    trial.feed(stored(world), ORIGIN + 110)
    assert trial.judgement(ORIGIN + 110, facts).verdict == NEED_MORE_DATA
    assert trial.judgement(ORIGIN + 115, facts).verdict == SOURCE_ERROR


def test_a_source_error_hides_no_test() -> None:
    """The tests are shown as they stand; the verdict is SourceError, so nothing is aborted."""
    world = pods()
    steady(world, 200, failing, ORIGIN - 10)
    trial = Trial("new", "old", ORIGIN, SECOND, CALM)
    trial.feed(stored(world), ORIGIN + 200)
    judgement = trial.judgement(ORIGIN + 260, PodFacts(ready={"new-1": 0, "old-1": 0}))
    assert judgement.verdict == SOURCE_ERROR
    assert test(judgement, "errors").verdict == FAIL


def test_a_feed_that_lags_holds_its_blocks_open() -> None:
    """A block is closed a quarter of the interval after its end: what a scrape of its last moment says is there."""
    trial = Trial("new", "old", ORIGIN, SECOND)
    trial.feed([], ORIGIN + 3.2)
    assert trial.at == ORIGIN + 2
    trial.feed([], ORIGIN + 3.25)
    assert trial.at == ORIGIN + 3


def test_a_sample_that_comes_late_is_not_lost() -> None:
    """Written to Prometheus only after its block was closed: it counts into the next one."""
    world = pods()
    steady(world, 30, healthy, ORIGIN - 10)
    trial = Trial("new", "old", ORIGIN, SECOND)
    for until in range(int(ORIGIN), int(ORIGIN) + 25):
        trial.feed(stored(world, until - LOOKBACK_SCRAPES - 3, until - 2), until)  # two seconds behind
    assert trial.judgement(ORIGIN).rows == 21


def test_history_finds_bursts_and_the_slow_limit() -> None:
    """An hour of a stable whose errors come eight at a time: H near 8; its 95 % lie below 0.1 s."""
    rng = np.random.default_rng(2)
    pod = Pod("old", "old-1")

    def bursty(pod: Pod, second: int) -> None:
        bad = 8 * rng.binomial(1, 0.02)
        pod.answer(10 - bad, bad)
        pod.count(names.REQUEST_DURATION + "_bucket", 9, le="0.05")
        pod.count(names.REQUEST_DURATION + "_bucket", 9.8, le="0.1")

    steady([pod], 3600, bursty, ORIGIN - 3600, phase=0.0)
    history = control_history(stored([pod]), "old", ORIGIN, SECOND)
    assert history.dispersion["errors"] == pytest.approx(8, rel=0.3)
    assert history.slow_seconds == 0.1
    assert history.known


def test_milliseconds_are_never_slow_by_themselves() -> None:
    """A stable that answers all in a millisecond: a request is slow from 25 ms on, not from the next bucket."""
    pod = Pod("old", "old-1")

    def quick(pod: Pod, second: int) -> None:
        pod.answer(10)
        for limit in ("0.001", "0.025", "0.25"):
            pod.count(names.REQUEST_DURATION + "_bucket", 10, le=limit)

    steady([pod], 900, quick, ORIGIN - 900, phase=0.0)
    assert control_history(stored([pod]), "old", ORIGIN, SECOND).slow_seconds == 0.025


def test_history_of_nothing() -> None:
    """A stable that was never scraped: nothing is known."""
    assert control_history([], "old", ORIGIN, SECOND) == History()


def test_a_calm_hour_means_no_bursts() -> None:
    """No errors at all in plenty of requests: H = 1, not the 4 of the unknown."""
    pod = Pod("old", "old-1")
    steady([pod], 1200, lambda pod, _: pod.answer(5), ORIGIN - 1200)
    assert control_history(stored([pod]), "old", ORIGIN, SECOND).dispersion["errors"] == 1.0


def test_a_short_past_is_unknown() -> None:
    """Eight minutes are not ten."""
    pod = Pod("old", "old-1")
    steady([pod], 480, lambda pod, _: pod.answer(5), ORIGIN - 480)
    assert not control_history(stored([pod]), "old", ORIGIN, SECOND).known


def judged_pods(bad: dict[str, int]) -> str:
    """Note of the errors after ten minutes of two pods each; `bad`: name -> failures in a hundred requests."""
    world = tuple(Pod(name.partition("-")[0], name) for name in ("new-a", "new-b", "old-c", "old-d"))

    def each(pod: Pod, second: int) -> None:
        failed = int(second % 100 < bad.get(pod.name, 0))
        pod.answer(1 - failed, failed)

    steady(world, 610, each, start=ORIGIN - 10)
    trial = Trial("new", "old", ORIGIN, SECOND, CALM)
    trial.feed(stored(world), ORIGIN + 600.5)
    return test(trial.judgement(ORIGIN + 600.5), "errors").note


@pytest.mark.parametrize(
    ("bad", "note"),
    [
        ({}, ""),
        ({"new-a": 5, "new-b": 5}, ""),
        ({"new-a": 30}, "pod a 180 of 600"),
        ({"new-a": 20, "new-b": 20, "old-c": 20}, "the control's pod c 120 of 600"),
        ({"new-b": 30, "old-d": 30}, "pod b 180 of 600; the control's pod d 180 of 600"),
    ],
    ids=["none", "all alike", "one of the canary", "one of the stable", "one of each"],
)
def test_a_pod_that_fails_otherwise_than_its_siblings_is_named(bad: dict[str, int], note: str) -> None:
    """A broken node or exporter is one pod's; the note says which, and decides nothing."""
    assert judged_pods(bad) == note


@pytest.mark.slow
def test_pods_that_differ_by_chance_are_not_named() -> None:
    """Of 2,000 revisions with three like pods at most a few are said to have an odd one, bursts or not."""
    rng = np.random.default_rng(3)
    named = {1: 0, 8: 0}
    for burst in named:
        for _ in range(2_000):
            counts = rng.binomial(600 // burst, 0.02, size=3) * burst
            pods = {f"p-{place}": np.array([bad, 600.0]) for place, bad in enumerate(counts)}
            named[burst] += odd_pod(pods, dispersion=float(burst)) != ""
    assert max(named.values()) <= 10, named
