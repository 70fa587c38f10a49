"""From raw samples to what a block saw: each rule of counting by a case worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from pintle.contract import metrics as names
from pintle.core.judgement.counters import Blocks, channel_of
from pintle.core.judgement.samples import RawSeries

ORIGIN, GRID = 100.0, 10.0
OK = ("requests", "ok")
BAD = ("requests", "server_error")


def series(
    samples: dict[float, float], result: str = "ok", pod: str = "p", revision: str = "a", **more: str
) -> RawSeries:
    labels = {"revision": revision, "pod": pod, "result": result, "route": "default", **more}
    return RawSeries(names.REQUESTS, labels, np.array(list(samples)), np.array(list(samples.values())))


def counted(*given: RawSeries, blocks: int = 6) -> dict[str, list[float]]:
    """Growth per block of revision `a`, by result."""
    found = Blocks(("a", "b"), ORIGIN, GRID)
    found.feed(given)
    taken = [found.take(block) for block in range(blocks)]
    return {
        str(channel[1]): [0.0 if cell is None else float(cell[0, number]) for cell in taken]
        for channel, number in found.channels.items()
    }


def test_growth_belongs_to_the_block_in_which_it_ends() -> None:
    """Samples at 98, 108 and 120: the first block holds what came by 108, the second ends with 120 itself."""
    assert counted(series({98: 5, 108: 7, 120: 12, 121: 13}), blocks=3)["ok"] == [2, 5, 1]


def test_what_was_before_the_origin_does_not_count() -> None:
    """A sample at the origin is where counting begins."""
    assert counted(series({90: 5, 100: 9, 110: 10}), blocks=1)["ok"] == [1]


def test_a_lost_scrape_makes_the_next_growth_larger() -> None:
    """Nothing is lost: the growth of two intervals ends in the second."""
    assert counted(series({95: 0, 105: 2, 125: 8}), blocks=3)["ok"] == [2, 0, 6]


def test_a_drop_means_a_start_from_0() -> None:
    """9, then 4: four since the restart."""
    assert counted(series({95: 0, 105: 9, 115: 4}), blocks=2)["ok"] == [9, 4]


def test_a_restart_is_one_of_all_series_of_the_pod() -> None:
    """Errors went from 1 to 3 across a restart that the other series shows: three are new, not two."""
    found = counted(series({95: 0, 105: 9, 115: 4}), series({95: 0, 105: 1, 115: 3}, "server_error"), blocks=2)
    assert found == {"ok": [9, 4], "server_error": [1, 3]}


def test_a_restart_of_one_pod_is_none_of_another() -> None:
    """Pods are told apart."""
    found = counted(series({95: 0, 105: 9, 115: 4}), series({95: 0, 105: 1, 115: 3}, pod="q"), blocks=2)
    assert found["ok"] == [10, 6]


@pytest.mark.parametrize("gap", [False, True])
def test_a_series_that_was_away_during_a_restart_starts_from_0(gap: bool) -> None:
    """Labels of a cohort appear again only later: no second restart is made of that."""
    rest = {95.0: 0.0, 105: 50, 115: 4, 125: 5, 135: 7}
    if gap:
        rest.pop(105)
        rest[95] = 50
    away = series({95: 30, 105: 30, 135: 2}, "server_error")
    found = counted(series(rest), away, blocks=4)
    assert found["server_error"] == [0, 0, 0, 2]
    assert found["ok"][1:] == [4, 1, 2]


def test_a_restart_in_an_earlier_look_holds_for_series_that_come_later() -> None:
    """The same over several feeds, with only the living series in the second."""
    blocks = Blocks(("a", "b"), ORIGIN, GRID)
    blocks.feed([series({95: 0, 105: 50}), series({95: 30, 105: 30}, "server_error")])
    blocks.feed([series({115: 4, 125: 5})])
    blocks.feed([series({135: 7}), series({135: 2}, "server_error")])
    taken = [blocks.take(block) for block in range(4)]
    numbers = blocks.number(OK, BAD)
    assert [list(cell[0, numbers]) for cell in taken if cell is not None] == [[50, 0], [4, 0], [1, 0], [2, 2]]


@pytest.mark.parametrize("complete", [True, False])
def test_a_forgotten_cohort_is_no_restart(complete: bool) -> None:
    """A server forgets old cohorts and shows them from 0 when a label comes: the pod's requests go on."""
    labels = {"revision": "a", "pod": "p", "cohort": "0"}
    samples = {95.0: 7.0, 105: 7, 115: 0, 125: 2} if complete else {95.0: 7.0, 115: 0, 125: 2}
    cohort = RawSeries(
        names.FEEDBACK_LOSS_COUNT,
        labels,
        np.array(list(samples)),
        np.array([float(value) for value in samples.values()]),
    )
    found = counted(series({95: 1000, 105: 1002, 115: 1005, 125: 1006}), cohort, blocks=3)
    assert found["ok"] == [2, 3, 1]
    assert found["0.0"] == [0, 0, 2]


def test_an_old_pod_is_counted_from_its_first_sample_on() -> None:
    """What a pod had counted before anybody looked is none of this rollout's, also where no lookback was fed."""
    found = counted(series({103: 1e6, 113: 1e6 + 4}), series({104: 5e5, 114: 5e5 + 1}, pod="q"), blocks=2)
    assert found["ok"] == [0, 5]


def test_a_new_pod_is_counted_from_0() -> None:
    """First seen long after the others: all it has counted came since."""
    known = {float(time): 0.0 for time in range(95, 175, 10)}
    assert counted(series(known), series({165: 3, 175: 5}, pod="q"), blocks=8)["ok"] == [0] * 6 + [3, 2]


def test_a_pod_whose_first_scrapes_were_lost_is_an_old_one() -> None:
    """Up to five scrapes after the first sample of all nobody is young."""
    known = {float(time): 0.0 for time in range(95, 175, 10)}
    assert counted(series(known), series({135: 900, 145: 905}, pod="q"), blocks=6)["ok"] == [0, 0, 0, 0, 5, 0]


def test_a_pod_that_is_scraped_twice_counts_once() -> None:
    """Two scrape jobs for the same pod: one is read. A slow answer would look like a restart beside a quick one."""
    slow = series({95: 1000, 105: 1004, 115: 1009}, job="pods")
    quick = series({95.1: 999, 105.1: 1003, 115.1: 1008}, job="monitor")
    assert counted(slow, quick, blocks=2)["ok"] == counted(quick, slow, blocks=2)["ok"] == [4, 5]


def test_a_pod_that_comes_back_with_another_address_goes_on() -> None:
    """A pod is known by its name."""
    there = series({95: 0, 105: 4}, instance="10.0.0.1:8081")
    back = series({115: 1, 125: 3}, instance="10.0.0.2:8081")
    assert counted(there, back, blocks=3)["ok"] == [4, 1, 2]


def test_samples_that_were_fed_before_are_passed_over() -> None:
    """Ranges of looks overlap."""
    blocks = Blocks(("a", "b"), ORIGIN, GRID)
    for samples in ({95: 0, 105: 4}, {95: 0, 105: 4, 106: 5}, {105: 4, 106: 5}):
        blocks.feed([series(samples)])
    cell = blocks.take(0)
    assert cell is not None
    assert cell[0, blocks.number(OK)] == [5]


def test_a_revision_is_seen_since_its_first_pod() -> None:
    """The order in which pods are listed does not matter."""
    pods = [series({125: 0}, pod="young"), series({95: 0}, pod="old")]
    for given in (pods, pods[::-1]):
        blocks = Blocks(("a", "b"), ORIGIN, GRID)
        blocks.feed(given)
        assert list(blocks.seen[0].values()) == [95]


def test_sums_of_losses_do_not_depend_on_the_order() -> None:
    """0.1 + 0.2 + 0.3 in any order, to the last bit: a replay must equal what was judged live."""
    pods = {"p": 0.1, "q": 0.2, "r": 0.3}

    def loss(pod: str, value: float) -> RawSeries:
        labels = {"revision": "a", "pod": pod, "cohort": "100"}
        return RawSeries(names.FEEDBACK_LOSS_SUM, labels, np.array([95.0, 105]), np.array([0.0, value]))

    found = set()
    for order in (("p", "q", "r"), ("r", "q", "p")):
        blocks = Blocks(("a", "b"), ORIGIN, GRID)
        blocks.feed([loss(pod, pods[pod]) for pod in order])
        cell = blocks.take(0)
        assert cell is not None
        found.add(float(cell[0, 0]))
    assert len(found) == 1


@pytest.mark.parametrize(
    ("metric", "labels", "expected"),
    [
        (names.REQUESTS, {"result": "ok", "route": "default"}, OK),
        (names.REQUESTS, {"result": "ok", "route": "direct"}, None),
        (names.REQUEST_DURATION + "_bucket", {"le": "0.25"}, ("le", 0.25)),
        (names.REQUEST_DURATION + "_bucket", {"le": "1.0"}, ("le", 1.0)),
        (names.REQUEST_DURATION + "_bucket", {"le": "+Inf"}, ("le", float("inf"))),
        (names.REQUEST_DURATION + "_sum", {}, None),
        (names.FEATURE_BIN, {"feature": "a", "bin": "missing"}, ("missing", "a")),
        (names.FEATURE_BIN, {"feature": "a", "bin": "03"}, None),
        (names.FEEDBACK_LOSS_SUM, {"cohort": "3600"}, ("loss", 3600.0, 1)),
        (names.FEEDBACK_LOSS_SUM, {"cohort": "may"}, None),
        ("up", {}, None),
    ],
)
def test_channels(metric: str, labels: dict[str, str], expected: tuple[object, ...] | None) -> None:
    """Which series are read, and as what."""
    assert channel_of(metric, labels) == expected
