"""What is known of a flight one hour before it is scheduled to leave: the one join for training, replay and scoring.

Two paths make the same features: `feature_table` for a data frame of flights, `feature_row` for one flight with its
weather observation, as a client has them. A test holds them together, row by row.

Time. Scheduled times are local to New York; weather hours are UTC. An observation of hour H holds what was measured up
to H:51 (the hourly report), so it is known from H:51 on and not from H:00, as joining by the hour would have it.

Label. `late` = arrived more than 15 minutes after schedule. A flight that was cancelled or diverted has no arrival and
so no label: it is neither late nor on time, and is left out of training and of every figure. Nobody knows that before
it happens, so a client asks about such flights too.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

NEW_YORK = ZoneInfo("America/New_York")
HORIZON = timedelta(hours=1)
REPORTED_AFTER = timedelta(minutes=51)
# Older weather says little; the longest gap in 2013 is six hours.
MAX_AGE = timedelta(hours=6)
LATE_MINUTES = 15
# The data hold one wind of 1,048 mph; no wind above this was ever measured at the ground.
MAX_WIND = 250.0

KEY = "flight_id"
TIME = "scheduled_departure"
TARGET = "late"

CATEGORICAL = ("carrier", "origin", "dest")
SCHEDULE = ("weekday", "departure_minute", "scheduled_minutes", "distance")
WEATHER = {
    "temperature": "temp",
    "dew_point": "dewp",
    "humidity": "humid",
    "wind_direction": "wind_dir",
    "wind_speed": "wind_speed",
    "wind_gust": "wind_gust",
    "precipitation": "precip",
    "pressure": "pressure",
    "visibility": "visib",
}
NUMERIC = (*SCHEDULE, *WEATHER)
FEATURES = (*CATEGORICAL, *NUMERIC)


# --- one flight -------------------------------------------------------------------------------------------------------


class Observations:
    """The weather reports of all airports, looked up by time: mappings with `origin`, `time_hour`, `temp` and so on."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        by_origin: dict[str, list[tuple[datetime, Mapping[str, Any]]]] = {}
        for row in rows:
            by_origin.setdefault(row["origin"], []).append((_utc(row["time_hour"]) + REPORTED_AFTER, row))
        self._rows = {origin: sorted(items, key=lambda item: item[0]) for origin, items in by_origin.items()}
        self._times = {origin: [known for known, _ in items] for origin, items in self._rows.items()}

    def latest(self, origin: str, at: datetime) -> Mapping[str, Any] | None:
        """The newest report that was known at `at` (with a time zone), or None when there is none or it is too old."""
        times = self._times.get(origin, [])
        place = bisect_right(times, at)
        if place == 0 or at - times[place - 1] > MAX_AGE:
            return None
        return self._rows[origin][place - 1][1]


def departure(flight: Mapping[str, Any]) -> datetime:
    """When the flight is scheduled to leave, in UTC. Raises ValueError for a time that the clocks skipped."""
    hour, minute = divmod(int(flight["sched_dep_time"]), 100)
    local = datetime(int(flight["year"]), int(flight["month"]), int(flight["day"]), hour % 24, minute, tzinfo=NEW_YORK)
    scheduled = local.astimezone(UTC)
    if scheduled.astimezone(NEW_YORK).hour != local.hour:
        raise ValueError(f"{local:%Y-%m-%d %H:%M} does not exist in New York: the clocks went forward")
    return scheduled


def decision_time(flight: Mapping[str, Any]) -> datetime:
    """When the prediction is made, in UTC; nothing later may go into it."""
    return departure(flight) - HORIZON


def flight_id(flight: Mapping[str, Any]) -> str:
    """The key of a flight, such as `2013-01-31-UA-1545-EWR`."""
    year, month, day = (int(flight[name]) for name in ("year", "month", "day"))
    return f"{year:04d}-{month:02d}-{day:02d}-{flight['carrier']}-{int(flight['flight'])}-{flight['origin']}"


def feature_row(flight: Mapping[str, Any], observation: Mapping[str, Any] | None) -> dict[str, Any]:
    """The features of one flight as JSON values; None where a value is missing.

    `observation` is what `Observations.latest(origin, decision_time(flight))` gave.
    """
    scheduled = departure(flight).astimezone(NEW_YORK)
    row: dict[str, Any] = {name: str(flight[name]) for name in CATEGORICAL}
    row["weekday"] = scheduled.weekday()
    row["departure_minute"] = scheduled.hour * 60 + scheduled.minute
    row["scheduled_minutes"] = (_minutes(flight["sched_arr_time"]) - row["departure_minute"]) % 1440
    row["distance"] = int(flight["distance"])
    for name, source in WEATHER.items():
        row[name] = _measured(source, None if observation is None else observation[source])
    return row


def label(flight: Mapping[str, Any]) -> int | None:
    """1 = late, 0 = on time, None = it never arrived where it was going."""
    delay = flight.get("arr_delay")
    if delay is None or math.isnan(delay):
        return None
    return int(delay > LATE_MINUTES)


# --- many flights -----------------------------------------------------------------------------------------------------


def feature_table(flights: pd.DataFrame, weather: pd.DataFrame, extra: Sequence[str] = ()) -> pd.DataFrame:
    """One row per flight, by scheduled departure: KEY, TIME, FEATURES, TARGET (missing without an arrival).

    `extra` names columns of `flights` to carry along, such as `dep_delay`: not known before departure, not a feature.
    """
    table = flights[[*CATEGORICAL, "distance", *extra]].copy()
    local = pd.to_datetime(flights[["year", "month", "day"]]) + pd.to_timedelta(
        _minutes(flights["sched_dep_time"]), unit="min"
    )
    # The hour that comes twice in November is taken as its first, as in `departure`; there is no such flight.
    table[TIME] = local.dt.tz_localize(NEW_YORK, ambiguous=[True] * len(local)).dt.tz_convert("UTC").dt.as_unit("us")
    table[KEY] = (
        local.dt.strftime("%Y-%m-%d-") + flights["carrier"] + "-" + flights["flight"].astype(str) + "-"
    ) + flights["origin"]
    table["weekday"] = local.dt.day_of_week.astype("int64")
    table["departure_minute"] = _minutes(flights["sched_dep_time"])
    table["scheduled_minutes"] = (_minutes(flights["sched_arr_time"]) - table["departure_minute"]) % 1440
    delay = flights["arr_delay"]
    table[TARGET] = (delay > LATE_MINUTES).astype("Int64").mask(delay.isna())
    joined = _with_weather(table, weather)
    return joined[[KEY, TIME, *FEATURES, TARGET, *extra]].sort_values([TIME, KEY], ignore_index=True)


def _with_weather(table: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """`table` with the newest report that was known at each row's decision time."""
    reports = pd.DataFrame({name: weather[source] for name, source in WEATHER.items()})
    for name in ("wind_speed", "wind_gust"):
        reports[name] = reports[name].mask(reports[name] > MAX_WIND)
    reports["origin"] = weather["origin"]
    reports["known"] = (pd.to_datetime(weather["time_hour"], utc=True) + REPORTED_AFTER).dt.as_unit("us")
    return pd.merge_asof(
        table.assign(decided=table[TIME] - HORIZON).sort_values("decided"),
        reports.sort_values("known"),
        left_on="decided",
        right_on="known",
        by="origin",
        tolerance=pd.Timedelta(MAX_AGE),
    )


def _minutes(clock: Any) -> Any:
    """Minutes since midnight of clock times written as 1359; 2400 is midnight."""
    return (clock // 100 * 60 + clock % 100) % 1440


def _measured(source: str, value: Any) -> float | None:
    if value is None or math.isnan(value) or (source.startswith("wind_") and source != "wind_dir" and value > MAX_WIND):
        return None
    return float(value)


def _utc(value: str | datetime) -> datetime:
    return value.astimezone(UTC) if isinstance(value, datetime) else datetime.fromisoformat(value).astimezone(UTC)
