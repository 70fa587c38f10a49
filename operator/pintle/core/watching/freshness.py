"""How old the newest row is that a version was trained on."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from pintle.core.plan import Obj

_DATE = re.compile(r"(\d{4})(?:-?(\d{2})(?:-?(\d{2}))?)?(?!\d)")


def trained_through(version: Obj) -> datetime | None:
    """Time of the newest training row of a ModelVersion, or None where `through` says no date.

    A partition's name counts as the end of its year, month or day. Data sets with another role than Train count only
    where there is none.
    """
    datasets = version["spec"].get("datasets") or ()
    training = [item for item in datasets if item.get("role") == "Train"] or datasets
    times = [moment for item in training if (moment := moment_of(item.get("through") or "")) is not None]
    return max(times, default=None)


def moment_of(text: str) -> datetime | None:
    """A time, or the end of the year, month or day that a partition's name has in it; UTC where no zone is given."""
    try:
        # Python reads a bare date as its first moment; for a partition that is its last.
        moment = datetime.fromisoformat(text) if len(text) > len("2013-03-31") else None
    except ValueError:
        moment = None
    if moment is not None:
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    found = None
    for match in _DATE.finditer(text):
        found = _end(*(int(part) if part else None for part in match.groups())) or found
    return found


def _end(year: int | None, month: int | None, day: int | None) -> datetime | None:
    assert year is not None, "the pattern has it"
    try:
        start = datetime(year, month or 1, day or 1, tzinfo=UTC)
    except ValueError:
        return None
    if day:
        return start + timedelta(days=1)
    if month:
        return (start.replace(day=28) + timedelta(days=4)).replace(day=1)
    return start.replace(year=year + 1) if year < datetime.max.year else None
