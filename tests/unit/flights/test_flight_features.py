"""The features of the flights example: two paths, one truth, nothing from the future."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import features
import pandas as pd
import pytest
import source

pytestmark = pytest.mark.slow

CLOCK_CHANGES = ((3, 10), (11, 3))


@pytest.fixture(scope="module")
def flights() -> pd.DataFrame:
    return source.read_flights()


@pytest.fixture(scope="module")
def weather() -> pd.DataFrame:
    return source.read_weather()


@pytest.fixture(scope="module")
def observations(weather: pd.DataFrame) -> features.Observations:
    return features.Observations(weather.to_dict("records"))


@pytest.fixture(scope="module")
def sample(flights: pd.DataFrame) -> pd.DataFrame:
    """Every 40th flight, all of the two days on which the clocks change, and the last day, which has no weather."""
    day = list(zip(flights["month"], flights["day"], strict=True))
    chosen = pd.Series([pair in CLOCK_CHANGES or pair == (12, 31) for pair in day]) | (flights.index % 40 == 0)
    return flights[chosen]


def same(one: Any, other: Any) -> bool:
    missing = other is None or (isinstance(other, float) and math.isnan(other))
    return one is None if missing else one == other


def test_the_two_paths_agree_on_real_rows(
    sample: pd.DataFrame, weather: pd.DataFrame, observations: features.Observations
) -> None:
    """One flight at a time gives exactly the features, key, time and label that the table has, missing ones too."""
    table = {row[features.KEY]: row for row in features.feature_table(sample, weather).to_dict("records")}
    assert len(table) == len(sample) > 10_000
    for flight in sample.to_dict("records"):
        expected = table[features.flight_id(flight)]
        seen = observations.latest(flight["origin"], features.decision_time(flight))
        row = features.feature_row(flight, seen)
        assert list(row) == list(features.FEATURES)
        different = {name: (row[name], expected[name]) for name in row if not same(row[name], expected[name])}
        assert not different, features.flight_id(flight)
        assert features.departure(flight) == expected[features.TIME]
        truth = expected[features.TARGET]
        assert features.label(flight) == (None if pd.isna(truth) else truth)


def test_departures_are_the_hours_that_the_data_state(flights: pd.DataFrame, weather: pd.DataFrame) -> None:
    """Local times become the UTC hours of the data's own `time_hour` on every flight, summer time included."""
    table = features.feature_table(flights, weather).set_index(features.KEY)[features.TIME].dt.floor("h")
    key = (
        pd.to_datetime(flights[["year", "month", "day"]]).dt.strftime("%Y-%m-%d-")
        + flights["carrier"]
        + "-"
        + flights["flight"].astype(str)
        + "-"
        + flights["origin"]
    )
    stated = pd.to_datetime(flights["time_hour"], utc=True).set_axis(key)
    assert table.index.is_unique
    assert (table.reindex(stated.index) == stated).all()


def test_weather_was_reported_an_hour_before_departure(
    sample: pd.DataFrame, observations: features.Observations
) -> None:
    """The joined observation was complete at minute 51 of its hour, an hour or more before departure."""
    found = 0
    for flight in sample[:2000].to_dict("records"):
        at = features.departure(flight) - timedelta(hours=1)
        seen = observations.latest(flight["origin"], at)
        if seen is None:
            continue
        known = datetime.fromisoformat(seen["time_hour"]) + timedelta(minutes=51)
        assert known <= at
        assert seen["origin"] == flight["origin"]
        found += 1
    assert found > 1900


def flight(**changes: Any) -> dict[str, Any]:
    return {
        "year": 2013, "month": 1, "day": 31, "sched_dep_time": 1030, "sched_arr_time": 1200, "arr_delay": 3.0,
        "carrier": "UA", "flight": 1545, "origin": "EWR", "dest": "IAH", "distance": 1400,
    } | changes  # fmt: skip


def report(time_hour: str, **changes: Any) -> dict[str, Any]:
    return {"origin": "EWR", "time_hour": time_hour} | dict.fromkeys(features.WEATHER.values(), 1.0) | changes


@pytest.mark.parametrize(
    ("minute", "hour_seen"),
    [(50, "2013-01-31T13:00:00Z"), (51, "2013-01-31T14:00:00Z"), (52, "2013-01-31T14:00:00Z")],
)
def test_a_report_is_not_known_before_minute_51(minute: int, hour_seen: str) -> None:
    """At 9:50 in New York the 8 o'clock report is the last one; at 9:51 it is that of 9 o'clock."""
    log = features.Observations([report("2013-01-31T13:00:00Z"), report("2013-01-31T14:00:00Z")])
    seen = log.latest("EWR", features.decision_time(flight(sched_dep_time=1000 + minute)))
    assert seen is not None
    assert seen["time_hour"] == hour_seen


def test_weather_of_yesterday_is_missing_not_stale() -> None:
    """Six hours after the last report there is no weather, in both paths."""
    rows = [report("2013-01-31T08:00:00Z")]
    at_the_limit, over_it = flight(sched_dep_time=1051), flight(sched_dep_time=1052)
    log = features.Observations(rows)
    assert log.latest("EWR", features.decision_time(at_the_limit)) is not None
    assert log.latest("EWR", features.decision_time(over_it)) is None
    table = features.feature_table(pd.DataFrame([at_the_limit, over_it]), pd.DataFrame(rows))
    assert table["temperature"].isna().tolist() == [False, True]


def test_an_impossible_wind_is_missing(weather: pd.DataFrame) -> None:
    """The one wind of 1,048 mph in the data is a broken instrument, in both paths."""
    broken = weather[weather["wind_speed"] > features.MAX_WIND].to_dict("records")
    assert len(broken) == 1
    time = datetime.fromisoformat(broken[0]["time_hour"])
    local = (time + timedelta(hours=2)).astimezone(features.NEW_YORK)
    one = flight(
        month=local.month, day=local.day, sched_dep_time=local.hour * 100 + local.minute, origin=broken[0]["origin"]
    )
    assert features.feature_row(one, broken[0])["wind_speed"] is None
    table = features.feature_table(pd.DataFrame([one]), pd.DataFrame(broken))
    assert table["wind_speed"].isna().all()
    assert table["temperature"].notna().all()


def test_without_an_arrival_there_is_no_label() -> None:
    """A cancelled flight is neither late nor on time; 15 minutes are on time, 16 are late."""
    delays = [math.nan, 15.0, 16.0]
    one_each = [flight(flight=number, arr_delay=delay) for number, delay in enumerate(delays, 1)]
    assert [features.label(item) for item in one_each] == [None, 0, 1]
    table = features.feature_table(pd.DataFrame(one_each), pd.DataFrame([report("2013-01-31T13:00:00Z")]))
    assert table[features.TARGET].isna().tolist() == [True, False, False]


def test_what_is_known_only_later_is_no_feature() -> None:
    """No delay, real time or tail number (assigned late) is among the features, and the table carries none unasked."""
    later = {"dep_delay", "dep_time", "arr_delay", "arr_time", "air_time", "tailnum"}
    assert not later & set(features.FEATURES)
    table = features.feature_table(
        pd.DataFrame([flight(dep_delay=40.0)]), pd.DataFrame([report("2013-01-31T13:00:00Z")])
    )
    assert not later & set(table.columns)


def test_a_time_that_the_clocks_skipped_is_refused() -> None:
    """2:30 on 10 March does not exist in New York; half past midnight does, in winter time."""
    with pytest.raises(ValueError, match="the clocks went forward"):
        features.departure(flight(month=3, day=10, sched_dep_time=230))
    assert features.departure(flight(month=3, day=10, sched_dep_time=30)) == datetime(2013, 3, 10, 5, 30, tzinfo=UTC)
