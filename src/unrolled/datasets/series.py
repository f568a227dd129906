"""Two measured series that come with the library, one number a month.

co2.csv holds weekly values with gaps, elnino.csv a row for each year. Both are data of agencies of
the United States in the public domain; `Series.source` names who measured them.
"""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np

SOURCES = {
    "co2": "Keeling and Whorf (2004), Carbon Dioxide Information Analysis Center, Oak Ridge "
    "National Laboratory, U.S. Department of Energy",
    "elnino": "NOAA Climate Prediction Center, ERSST.V3B",
}


class Series(NamedTuple):
    """Measurements at equal steps of time, as `load_series` gives them.

    values: (T,) float64, in `unit`. dates: (T,) datetime64[M], the month of each. period: the
    number of steps after which the seasons repeat. source: who measured and published them.
    """

    name: str
    values: np.ndarray
    dates: np.ndarray
    period: int
    unit: str
    source: str

    def before(self, date: str) -> int:
        """The number of values before a month such as "1992-01": the index of that month."""
        return int(np.searchsorted(self.dates, np.datetime64(date, "M")))


def load_series(name: str) -> Series:
    """The series "co2" or "elnino", as monthly values (T,) with their months.

    "co2": carbon dioxide in the air at Mauna Loa, ppm by volume, March 1958 to December 2001, T =
    526; each value is the mean of the weekly values of a month. Five months, none after April 1964,
    have no measurement and are interpolated linearly. "elnino": temperature of the sea surface off
    Peru and Ecuador (region Nino 1+2), degrees Celsius, January 1950 to December 2010, T = 732.
    ValueError for another name.
    """
    if name not in SOURCES:
        raise ValueError(f"name: expected one of {[*SOURCES]}, came {name!r}.")
    if name == "co2":
        values, dates = _co2()
        return Series(name, values, dates, 12, "ppm", SOURCES[name])
    values, dates = _elnino()
    return Series(name, values, dates, 12, "°C", SOURCES[name])


def path_of(name: str) -> Path:
    """The file that holds a series."""
    return Path(__file__).with_name(f"{name}.csv")


def _rows(name: str) -> list[list[str]]:
    """The rows of a series's file below its header."""
    with path_of(name).open(encoding="utf-8", newline="") as file:
        return [*csv.reader(file)][1:]


def _co2() -> tuple[np.ndarray, np.ndarray]:
    """Monthly means of the weeks that were measured."""
    measured = [(f"{day[:4]}-{day[4:6]}", float(value)) for day, value in _rows("co2") if value]
    months = np.array([month for month, _ in measured], "datetime64[M]")
    weekly = np.array([value for _, value in measured])
    dates = np.arange(months[0], months[-1] + 1)
    place = (months - dates[0]).astype(int)  # the month of each week
    weeks = np.bincount(place, minlength=len(dates))
    sums = np.bincount(place, weights=weekly, minlength=len(dates))
    known = weeks > 0
    steps = np.arange(len(dates))
    values = np.interp(steps, steps[known], sums[known] / weeks[known])
    return values, dates


def _elnino() -> tuple[np.ndarray, np.ndarray]:
    """The years one after the other."""
    rows = _rows("elnino")
    values = np.array([float(value) for _, *year in rows for value in year])
    first = np.datetime64(f"{rows[0][0]}-01", "M")
    return values, np.arange(first, first + len(values))
