"""Time in the story: a month of 2013 takes some seconds, and every window, pause and cooldown shrinks alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MONTH_SECONDS = 30.4 * 86400


@dataclass(frozen=True)
class Scale:
    """`month` seconds of ours are a month of 2013; the replay begins with the first month at `began` (unix seconds)."""

    month: float
    first: datetime
    began: float = 0.0

    def seconds(self, **of_2013: float) -> int:
        """Seconds of ours for so much time of 2013, at least 1: `seconds(days=7)`."""
        return max(1, round(timedelta(**of_2013).total_seconds() * self.month / MONTH_SECONDS))

    def due(self, moment: datetime) -> float:
        """Seconds of ours from the beginning to a moment of 2013."""
        return (moment - self.first).total_seconds() * self.month / MONTH_SECONDS

    def then(self, unix: float) -> datetime:
        """The moment of 2013 that is replayed at this time."""
        return self.first + timedelta(seconds=(unix - self.began) * MONTH_SECONDS / self.month)

    def starting(self, began: float) -> Scale:
        return Scale(self.month, self.first, began)

    def __str__(self) -> str:
        return f"1 month = {self.month:.0f} s"


def start_of(month: int) -> datetime:
    """The first moment of a month of 2013 in New York's winter time, in UTC."""
    return datetime(2013, month, 1, 5, tzinfo=UTC)
