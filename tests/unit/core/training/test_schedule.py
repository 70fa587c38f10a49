"""Times of a schedule around now."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pintle.core.training.schedule import ScheduleError, last_time, next_time


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NOON = at("2026-03-29T12:00:00")


@pytest.mark.parametrize(
    ("schedule", "zone", "now", "last", "following"),
    [
        ("0 3 * * *", "UTC", NOON, "2026-03-29T03:00", "2026-03-30T03:00"),
        ("0 12 * * *", "UTC", NOON, "2026-03-29T12:00", "2026-03-30T12:00"),
        ("0 12 * * *", "UTC", at("2026-03-29T11:59:59.999999"), "2026-03-28T12:00", "2026-03-29T12:00"),
        ("0 12 * * *", "UTC", at("2026-03-29T12:00:00.5"), "2026-03-29T12:00", "2026-03-30T12:00"),
        ("0 0 * * 1", "UTC", NOON, "2026-03-23T00:00", "2026-03-30T00:00"),
        ("0 0 29 2 *", "UTC", NOON, "2024-02-29T00:00", "2028-02-29T00:00"),
        ("0 9 * * *", "Europe/Berlin", at("2026-03-28T12:00"), "2026-03-28T08:00", "2026-03-29T07:00"),
        ("30 2 * * *", "Europe/Berlin", NOON, "2026-03-29T01:00", "2026-03-30T00:30"),
        ("30 2 * * *", "Europe/Berlin", at("2026-10-25T12:00"), "2026-10-25T00:30", "2026-10-26T01:30"),
        ("0 18 * * *", "America/New_York", NOON, "2026-03-28T22:00", "2026-03-29T22:00"),
    ],
    ids=["today", "now", "just before", "just after", "weekly", "leap day", "summer", "skipped", "twice", "behind UTC"],
)
def test_times_around_now(schedule: str, zone: str, now: datetime, last: str, following: str) -> None:
    """Now itself has come; an hour that the clocks skip is made up for, one that comes twice counts once."""
    assert last_time(schedule, zone, now) == at(last)
    assert next_time(schedule, zone, now) == at(following)


@pytest.mark.parametrize(
    ("schedule", "zone"),
    [("61 * * * *", "UTC"), ("0 0 30 2 *", "UTC"), ("* * * * *", "Nowhere"), ("* * * * *", "../../etc/passwd")],
)
def test_what_is_no_schedule_says_so(schedule: str, zone: str) -> None:
    """One error for expression and zone, with the words that are wrong."""
    for ask in (last_time, next_time):
        with pytest.raises(ScheduleError, match=r"schedule|time zone"):
            ask(schedule, zone, NOON)
