"""Times of a cron schedule around now, in its time zone. Pure: the same question has the same answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError


class ScheduleError(ValueError):
    """A schedule or a time zone that does not exist. The message is for a person."""


def last_time(schedule: str, zone: str, now: datetime) -> datetime | None:
    """The latest time of the schedule that is not after now, in UTC; None where there never was one.

    Raises ScheduleError.
    """
    # Going back it starts below what it is given: a second later, so that now itself counts.
    start = now.astimezone(_zone(zone)).replace(microsecond=0) + timedelta(seconds=1)
    return _first(schedule, start, reverse=True)


def next_time(schedule: str, zone: str, now: datetime) -> datetime | None:
    """The first time of the schedule after now, in UTC; None where there will be none. Raises ScheduleError."""
    return _first(schedule, now.astimezone(_zone(zone)).replace(microsecond=0), reverse=False)


def _first(schedule: str, start: datetime, reverse: bool) -> datetime | None:
    try:
        moment = next(CronSim(schedule, start, reverse=reverse), None)
    except CronSimError as error:
        raise ScheduleError(f"schedule {schedule!r}: {error}") from error
    return moment.astimezone(UTC) if moment is not None else None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise ScheduleError(f"time zone {name!r} is not known") from error
