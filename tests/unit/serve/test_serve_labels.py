"""Series of labels: they begin with 0, are bounded, and forget nothing that no scrape has seen."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from pintle.serve import labels
from pintle.serve.labels import LabelCounts, Series

OWN = Series("0a1b2c3d", "3")
CELLS = (("00", "negative"), ("00", "positive"))
FEEDBACK, COUNT = "model_feedback_total", "model_feedback_loss_count"
Lines = dict[str, float]


def head(name: str, found: Mapping[str, str]) -> bytes:
    wanted = ("revision", "version", "cohort", "score_bin", "truth")
    return " ".join(found[key] for key in wanted if key in found).encode() + b"|"


def counts() -> LabelCounts:
    return LabelCounts(OWN, head, CELLS)


def scrape(made: LabelCounts) -> dict[str, Lines]:
    return {
        name: {text.split("|")[0]: float(text.split("|")[1]) for text in (line.decode() for line in lines)}
        for name, lines in made.render().items()
    }


def test_the_own_series_of_the_window_are_there_from_the_start() -> None:
    """All bins and truths, with 0."""
    made = counts()
    made.begin(3600)
    found = scrape(made)
    assert found[FEEDBACK] == {"0a1b2c3d 3 3600 00 negative": 0, "0a1b2c3d 3 3600 00 positive": 0}
    assert {name: list(lines.values()) for name, lines in found.items() if name != FEEDBACK} == {
        "model_feedback_loss_sum": [0],
        "model_feedback_loss_squares_sum": [0],
        "model_feedback_loss_count": [0],
    }
    made.add(OWN, 3600, ("00", "positive"), 0.25)
    made.begin(3600)
    found = scrape(made)
    assert found[FEEDBACK]["0a1b2c3d 3 3600 00 positive"] == 1
    assert found["model_feedback_loss_sum"] == {"0a1b2c3d 3 3600": 0.25}
    assert found["model_feedback_loss_squares_sum"] == {"0a1b2c3d 3 3600": 0.0625}


def test_a_series_that_appears_with_a_label_is_0_in_its_first_scrape() -> None:
    """A counter that begins above 0 would lose its first labels for whoever differences it."""
    made = counts()
    other = Series("deadbeef", "2")
    for _ in range(3):
        made.add(other, 60, ("07", "positive"), 0.5)
    first, second = scrape(made), scrape(made)
    assert set(first[FEEDBACK].values()) == {0}
    assert first[COUNT] == {"deadbeef 2 60": 0}
    assert set(first[FEEDBACK]) == set(second[FEEDBACK]), "a stable set of series"
    assert second[FEEDBACK]["deadbeef 2 60 07 positive"] == 3
    assert second[COUNT] == {"deadbeef 2 60": 3}


def test_cohorts_are_bounded_and_the_current_one_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """After two scrapes (0, then the count) those without a label for longest are forgotten."""
    monkeypatch.setattr(labels, "MAX_COHORTS", 3)
    made = counts()
    for window in range(10):
        made.add(OWN, window, ("00", "positive"), 0.1)
    made.add(OWN, 0, ("00", "negative"), 0.1)
    found: Lines = {}
    for expected in (11, 11, 3):
        made.begin(99)
        found = scrape(made)[COUNT]
        assert len(found) == expected
    assert set(found) == {f"0a1b2c3d 3 {window}" for window in (99, 0, 9)}
    assert made.dropped == 0


def test_revisions_are_bounded_and_the_own_one_stays() -> None:
    """Of the others the last three that got labels."""
    made = counts()
    made.begin(0)
    for number in range(6):
        made.add(Series(f"{number:08x}", "1"), 0, ("00", "positive"), 0.1)
    for _ in range(3):
        found = scrape(made)
    assert sorted(key.split(" ")[0] for key in found[COUNT]) == ["00000003", "00000004", "00000005", "0a1b2c3d"]


def test_what_no_scrape_has_seen_is_kept_or_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels of very many windows between two scrapes: bounded, and those that are lost are counted."""
    monkeypatch.setattr(labels, "MAX_UNSEEN", 20)
    made = counts()
    for window in range(25):
        made.add(OWN, window, ("00", "positive"), 0.1)
    assert made.dropped == 5
    scrape(made)
    assert sum(scrape(made)[COUNT].values()) == 20
