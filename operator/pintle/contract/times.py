"""Times on their way into a model: days since 1970-01-01T00:00Z, as every number float32.

Whole days are exact; float32 keeps the time of a day to within a minute and a half until the year 2059.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

SECONDS_OF_DAY = 86_400.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def days_of(text: str) -> float:
    """Of an ISO 8601 date or time; without a zone it is UTC. Raises ValueError."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return (found - _EPOCH).total_seconds() / SECONDS_OF_DAY


def text_of(days: float) -> str:
    """The time that is so many days, to the microsecond: `days_of` gives the same float32 again."""
    return (_EPOCH + timedelta(days=days)).isoformat()
