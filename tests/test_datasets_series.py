"""The series that the book ships, and the synthetic sounds."""

import csv

import numpy as np
import pytest

from unrolled import datasets
from unrolled.datasets import series, sounds


@pytest.mark.parametrize(
    ("name", "count", "first", "last"),
    [("co2", 526, "1958-03", "2001-12"), ("elnino", 732, "1950-01", "2010-12")],
)
def test_a_series_has_a_value_for_each_month(name, count, first, last):
    found = datasets.load_series(name)
    assert found.values.shape == found.dates.shape == (count,)
    assert found.values.dtype == np.float64
    assert np.isfinite(found.values).all()
    assert found.dates[[0, -1]].astype(str).tolist() == [first, last]
    assert (np.diff(found.dates).astype(int) == 1).all()
    assert (found.name, found.period) == (name, 12)
    assert len(found.source) > 20
    assert found.before(first) == 0
    assert found.before(last) == count - 1


def test_co2_is_the_mean_of_the_weeks_of_a_month():
    found = datasets.load_series("co2")
    with series.path_of("co2").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file)][1:]
    for month in ("1958-03", "1984-04", "2001-12"):  # with one, with missing, and with all weeks
        weeks = [float(v) for day, v in rows if day.startswith(month.replace("-", "")) and v]
        value = found.values[found.before(month)]
        if weeks:
            assert value == pytest.approx(np.mean(weeks), abs=1e-9)
    measured = {f"{day[:4]}-{day[4:6]}" for day, value in rows if value}
    missing = [k for k, month in enumerate(found.dates.astype(str)) if month not in measured]
    assert found.dates[missing].astype(str).tolist() == [
        *("1958-06", "1958-10", "1964-02", "1964-03", "1964-04")
    ]
    for month in missing[:2]:  # one month alone: halfway between its neighbours
        around = found.values[[month - 1, month + 1]]
        assert found.values[month] == pytest.approx(around.mean(), abs=1e-9)


def test_elnino_has_its_years_in_order():
    found = datasets.load_series("elnino")
    with series.path_of("elnino").open(encoding="utf-8", newline="") as file:
        rows = {row[0]: row[1:] for row in csv.reader(file)}
    for month in ("1950-01", "1983-06", "2010-12"):
        year, number = month.split("-")
        assert found.values[found.before(month)] == float(rows[year][int(number) - 1])


def test_another_name_is_refused():
    with pytest.raises(ValueError, match="expected one of"):
        datasets.load_series("sunspots")


# Sounds


def frequencies(x):
    """(N, 2): the frequency of the first and of the last third, from the turns of its phase."""
    thirds = np.array_split(x[:, :, 0], 3, axis=1)
    found = []
    for part in (thirds[0], thirds[2]):
        spectrum = np.fft.rfft(part, axis=1)
        spectrum = np.pad(spectrum, ((0, 0), (0, part.shape[1] - spectrum.shape[1])))
        analytic = np.fft.ifft(spectrum, axis=1)  # of the positive frequencies alone
        turns = np.unwrap(np.angle(analytic), axis=1) / (2 * np.pi)
        middle = slice(part.shape[1] // 5, -part.shape[1] // 5)
        found.append(np.diff(turns[:, middle], axis=1).mean(axis=1))
    return np.stack(found, axis=1)


def test_a_sound_is_what_its_label_says():
    x, y = datasets.tones(90, 900, noise=0.0, seed=3)
    assert x.shape == (90, 900, 1)
    assert x.dtype == np.float32
    assert np.bincount(y).tolist() == [30, 30, 30]
    first, last = frequencies(x).T
    ratio = last / first
    assert (np.abs(ratio[y == 0] - 1) < 0.03).all()
    assert (ratio[y == 1] > 1.4).all()
    assert (ratio[y == 2] < 1 / 1.4).all()
    assert first.min() > 0.9 * sounds.LOW
    assert last.max() < 1.1 * sounds.HIGH


def test_neither_loudness_nor_mean_frequency_tells_the_kinds_apart():
    x, y = datasets.tones(3000, 300, seed=1)
    loudness = x[:, :, 0].std(axis=1)
    middle = (x[:, 1:, 0] * x[:, :-1, 0] < 0).mean(axis=1)  # crossings of zero
    for found in (loudness, middle):
        means = [found[y == kind].mean() for kind in range(3)]
        assert max(means) - min(means) < 0.15 * found.std()


def test_after_the_sound_comes_noise_alone():
    x, _ = datasets.tones(200, 400, sound=100, noise=0.1, seed=0)
    assert x[:, :100].std() > 0.4
    assert x[:, 100:].std() == pytest.approx(0.1, rel=0.03)
    assert np.array_equal(datasets.tones(200, 400, sound=100, seed=0)[0], x)
    assert not np.array_equal(datasets.tones(200, 400, sound=100, seed=1)[0], x)


@pytest.mark.parametrize(("count", "length", "sound"), [(0, 10, None), (3, 10, 11), (3, 10, 0)])
def test_sounds_that_cannot_be_are_refused(count, length, sound):
    with pytest.raises(ValueError, match="count, length, sound"):
        datasets.tones(count, length, sound)
