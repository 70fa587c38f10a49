"""Conditions and statuses: since when, how long, and whether anything changed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pintle.core.conditions import (
    Condition,
    changed,
    clip,
    clip_middle,
    clip_start,
    parse_time,
    set_conditions,
    timestamp,
    transitions,
)

from tests.builders import START, training_job

LATER = START + timedelta(hours=1)


def test_the_time_of_a_condition_moves_with_its_status_only() -> None:
    """Another reason or message is no transition."""
    parent = training_job().condition("Succeeded", "Unknown", "Pending", "old").generation(3).obj()
    same = set_conditions(parent, [Condition("Succeeded", "Unknown", "Running", "new")], LATER)[0]
    assert (same["lastTransitionTime"], same["reason"], same["observedGeneration"]) == (timestamp(START), "Running", 3)
    other = set_conditions(parent, [Condition("Succeeded", "True", "Trained")], LATER)[0]
    assert other["lastTransitionTime"] == timestamp(LATER)


def test_conditions_that_are_not_wanted_any_more_go() -> None:
    """The list is whole."""
    parent = training_job().condition("Old", "True", "Old").obj()
    assert [item["type"] for item in set_conditions(parent, [Condition("New", "True", "New")], LATER)] == ["New"]


@pytest.mark.parametrize(
    ("condition", "events"),
    [
        (Condition("Succeeded", "Unknown", "Pending", "another message"), []),
        (Condition("Succeeded", "Unknown", "Running"), [("Normal", "Running")]),
        (Condition("Succeeded", "False", "TrainFailed"), [("Warning", "TrainFailed")]),
        (Condition("Available", "False", "NoReadyPods"), [("Warning", "NoReadyPods")]),
        (Condition("Available", "False", "NotServing"), [("Normal", "NotServing")]),
        (Condition("Progressing", "False", "RevisionNotReady"), [("Warning", "RevisionNotReady")]),
        (Condition("Progressing", "False", "Complete"), [("Normal", "Complete")]),
        (Condition("Ready", "False", "WaitingForVersion"), [("Normal", "WaitingForVersion")]),
        (Condition("Ready", "False", "Replacing"), [("Normal", "Replacing")]),
        (Condition("AliasConflict", "True", "AliasConflict"), [("Warning", "AliasConflict")]),
    ],
)
def test_events_come_with_another_status_or_reason(condition: Condition, events: list[tuple[str, str]]) -> None:
    """False is a warning, unless all goes as it was asked; a conflict is one when it is True."""
    parent = training_job().condition("Succeeded", "Unknown", "Pending").obj()
    assert [(event.type, event.reason) for event in transitions(parent, [condition])] == events


def test_a_status_without_empty_fields_is_compared() -> None:
    """None and empty are the same as absent; 0 and False are values."""
    parent = training_job().status({"runs": [], "highestVersion": 2}).obj()
    assert changed(parent, {"highestVersion": 2, "definition": None}) is None
    assert changed(parent, {"highestVersion": 0, "more": {"a": None}}) == {"highestVersion": 0}


@pytest.mark.parametrize("cut", [clip, clip_start, clip_middle])
@pytest.mark.parametrize("letter", ["a", "€", "😀"])
def test_a_text_is_cut_to_bytes_and_stays_text(cut: object, letter: str) -> None:
    """Whatever the letters, at most so many bytes, and what fits stays whole."""
    assert callable(cut)
    for limit in range(20, 40):
        assert 0 < len(cut(letter * 100, limit).encode()) <= limit
        assert cut(letter * 3, limit) == letter * 3


def test_what_is_cut_keeps_the_end_that_matters() -> None:
    """A sentence its beginning, a log its end, a failure both."""
    text = "begin " + "x" * 100 + " end"
    assert clip(text, 30).startswith("begin")
    assert clip_start(text, 30).endswith("end")
    assert clip_middle(text, 30).startswith("begin")
    assert clip_middle(text, 30).endswith("end")


def test_times_are_read_as_kubernetes_writes_them() -> None:
    """UTC, with and without fractions; nonsense is no time."""
    assert parse_time(timestamp(START)) == START
    assert parse_time("2026-01-05T12:00:00.000000Z") == START
    assert parse_time("soon") is None
    assert parse_time(None) is None
