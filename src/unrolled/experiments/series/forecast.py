"""Forecasts of a measured series, a year ahead: LSTMs against four simple forecasters.

The series is cut by time: a training period, a validation period, on which everything is chosen,
and a test period. The chosen models are fitted again to all values before the test period, and
each forecasts the next `horizon` values from every month of it. Book: the chapter on forecasting.
"""

import itertools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.activations import Array
from unrolled.datasets.series import Series, load_series, path_of
from unrolled.experiments.shared.forecasting import (
    Network,
    Origins,
    Scale,
    Smoothing,
    after,
    autoregression,
    before,
    coverage,
    fit_autoregression,
    forecasts,
    origins_between,
    persistence,
    recursive,
    seasonal_persistence,
    smoothing_forecasts,
    windows,
)
from unrolled.experiments.shared.measures import Clock
from unrolled.experiments.shared.record import Runs, file_hash, once
from unrolled.extras import progress
from unrolled.losses import pinball
from unrolled.seeding import set_random_seed

NAMED_BY = ("series",)
SEEDS = (0, 1, 2)
RUNS: Runs = (({"series": "co2"}, SEEDS), ({"series": "elnino"}, SEEDS))
PERIODS = {  # first months of validation and of test
    "co2": ("1986-01", "1992-01"),
    "elnino": ("1985-01", "1995-01"),
}
QUANTILES = (0.1, 0.5, 0.9)
ORDERS = (12, 24, 36)  # of the autoregression
RATES = (0.003, 0.01)
EVERY = 10  # epochs between two looks at the validation period
NETWORKS = {  # cell, steps at once, and whether it sees changes from the last value of a window
    "LSTM, direct": ("lstm", 12, False),
    "LSTM, recursive": ("lstm", 1, False),
    "LSTM of changes, direct": ("lstm", 12, True),
    "LSTM of changes, recursive": ("lstm", 1, True),
    "linear network of changes, direct": ("linear", 12, True),
}


@dataclass(frozen=True)
class Settings:
    """What is forecast, and how long the networks train; the seed draws weights and batches."""

    series: str = field(default="co2", metadata={"choices": tuple(PERIODS), "help": "series"})
    seed: int = field(default=0, metadata={"help": "seed of weights and batches"})
    horizon: int = field(default=12, metadata={"help": "steps ahead, 12 at most"})
    window: int = field(default=24, metadata={"help": "values that a network reads"})
    units: int = field(default=16, metadata={"help": "units of an LSTM"})
    epochs: int = field(default=100, metadata={"help": "longest training"})


def mae(y: Array, forecast: Array) -> float:
    """Mean absolute error over all origins and steps."""
    return float(np.abs(forecast - y).mean())


# Each model below is a function of (values it may be fitted to) -> (function of origins).


def smoothing_grid() -> list[Smoothing]:
    """All rates that are tried, with a slope and without."""
    level, season = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9), (0.05, 0.1, 0.2, 0.4, 0.6)
    sets = []
    for trend, slope in (True, (0.003, 0.01, 0.03, 0.1, 0.3)), (False, (0.0,)):
        alpha, beta, gamma = np.array([*itertools.product(level, slope, season)]).T
        sets.append(Smoothing(alpha, beta, gamma, trend))
    return sets


def choose_smoothing(values: Array, y: Array, origins: Origins, horizon: int, period: int) -> Any:
    """(error, rates) of the set of rates with the smallest error from these origins."""
    found = []
    for sets in smoothing_grid():
        answers = smoothing_forecasts(values, origins, horizon, period, sets)
        errors = np.abs(answers - y).mean(axis=(1, 2))  # (G,)
        best = int(errors.argmin())
        level, slope, season = (np.asarray(rates)[best] for rates in sets[:3])
        found.append((float(errors[best]), Smoothing(level, slope, season, sets.trend)))
    return min(found, key=lambda pair: pair[0])


def linear(past: Array, order: int, horizon: int, direct: bool) -> Callable[..., Array]:
    """An autoregression fitted to the past: a function of values and origins."""
    coefficients = fit_autoregression(past, order, horizon if direct else 1)
    if direct:
        return lambda values, origins: autoregression(values, origins, coefficients)

    def one_step(x: Array) -> Array:
        return x @ coefficients[:-1, 0] + coefficients[-1, 0]

    return lambda values, origins: recursive(before(values, origins, order), one_step, horizon)


def network(settings: Settings, name: str, rate: float, changes: bool) -> Network:
    """An untrained network, one of NETWORKS or that of the quantiles."""
    set_random_seed(settings.seed)
    if name == "quantiles":
        return Network("lstm", settings.units, settings.horizon, rate, QUANTILES, changes)
    cell, steps, _ = NETWORKS[name]
    return Network(cell, settings.units, min(steps, settings.horizon), rate, changes=changes)


def train(
    settings: Settings, model: Network, past: Array, epochs: int, look: Callable[[], float] | None
) -> list[float]:
    """Fit a network to the scaled past; what `look` gives after every EVERY epochs."""
    x, y = windows(past, settings.window, model.outputs)
    rng = np.random.default_rng(settings.seed)
    seen = []
    for epoch in range(1, epochs + 1):
        model.epoch(x, y, rng)
        if look is not None and epoch % EVERY == 0:
            seen.append(look())
    return seen


def choose_network(
    settings: Settings, name: str, values: Array, start: int, end: int
) -> dict[str, Any]:
    """Learning rate and epochs with the smallest error from the origins of the validation period.

    values: those before the test period, from which nothing is read behind an origin.
    """
    scale = Scale.of(values[:start])
    scaled = scale.to(values)
    origins = origins_between(start, end, settings.horizon)
    x = before(scaled, origins, settings.window)
    y = after(scaled, origins, settings.horizon)
    tried = []
    views = (False, True) if name == "quantiles" else (NETWORKS[name][2],)
    for rate, changes in itertools.product(RATES, views):
        model = network(settings, name, rate, changes)

        def look(model: Network = model) -> float:
            answers = forecasts(model, x, settings.horizon)
            if model.quantiles:
                return pinball(y, answers, model.quantiles)
            return mae(y, answers)

        seen = train(settings, model, scaled[:start], settings.epochs, look)
        best = int(np.argmin(seen))
        choice = {"rate": rate, "changes": changes, "epochs": EVERY * (best + 1)}
        tried.append({**choice, "validation": round(seen[best] * scale.std, 4)})
    return min(tried, key=lambda choice: float(choice["validation"]))


def fitted(settings: Settings, name: str, past: Array, choice: dict[str, Any]) -> Any:
    """The chosen network, fitted to all of the past: a function of values and origins."""
    scale = Scale.of(past)
    model = network(settings, name, choice["rate"], choice["changes"])
    train(settings, model, scale.to(past), choice["epochs"], None)

    def forecast(values: Array, origins: Origins) -> Array:
        x = before(scale.to(values), origins, settings.window)
        return scale.back(forecasts(model, x, settings.horizon))

    return forecast


def simple_models(settings: Settings, series: Series, start: int, end: int) -> dict[str, Any]:
    """The forecasters without a network: name -> (choice, function of values and origins)."""
    H, period = settings.horizon, series.period
    past = series.values[:end]
    origins = origins_between(start, end, H)
    y = after(past, origins, H)
    found: dict[str, Any] = {
        "persistence": ({}, lambda v, o: persistence(v, o, H)),
        "seasonal persistence": ({}, lambda v, o: seasonal_persistence(v, o, H, period)),
    }
    error, rates = choose_smoothing(past, y, origins, H, period)
    chosen = {name: np.asarray(rate).item() for name, rate in rates._asdict().items()}
    found["exponential smoothing"] = (
        {**chosen, "validation": round(error, 4)},
        lambda v, o: smoothing_forecasts(v, o, H, period, rates)[0],
    )
    for direct in (True, False):
        errors = {
            order: mae(y, linear(past[:start], order, H, direct)(past, origins)) for order in ORDERS
        }
        order = min(errors, key=lambda order: errors[order])
        found[f"autoregression, {'direct' if direct else 'recursive'}"] = (
            {"order": order, "validation": round(errors[order], 4)},
            linear(past, order, H, direct),
        )
    return found


def measured(y: Array, forecast: Array, choice: dict[str, Any]) -> dict[str, Any]:
    """Mean absolute errors: of all, by step, by origin; and what was chosen."""
    errors = np.abs(forecast - y)
    return {
        "mae": round(float(errors.mean()), 4),
        "by_step": np.round(errors.mean(axis=0), 4).tolist(),
        "by_origin": np.round(errors.mean(axis=1), 4).tolist(),
        "choice": choice,
    }


def spread(y: Array, answers: Array) -> dict[str, Any]:
    """Of quantiles (N, horizon, 3): pinball loss, coverage of the outer two, and their distance."""
    low, _, high = np.moveaxis(np.sort(answers, axis=2), 2, 0)
    return {
        "pinball": round(pinball(y, answers, QUANTILES), 4),
        "coverage": round(float(coverage(y, low, high)), 4),
        "coverage_by_step": np.round(coverage(y, low, high, axis=0), 4).tolist(),
        "coverage_by_origin": np.round(coverage(y, low, high, axis=1), 4).tolist(),
        "width": round(float((high - low).mean()), 4),
    }


def around(past: Array, model: Callable[..., Array], origins: Origins, horizon: int) -> Array:
    """(horizon, 3): at each step the quantiles of what a model missed from these origins."""
    missed = after(past, origins, horizon) - model(past, origins)
    return np.quantile(missed, QUANTILES, axis=0).T


def network_answers(
    settings: Settings, name: str, values: Array, origins: Origins, partial: Path
) -> tuple[dict[str, Any], Array]:
    """The choice of a network, and what it forecasts once it is fitted again."""
    series = load_series(settings.series)
    start, end = (series.before(month) for month in PERIODS[settings.series])

    def make() -> dict[str, Any]:
        choice = choose_network(settings, name, values[:end], start, end)
        answers = fitted(settings, name, values[:end], choice)(values, origins)
        return {"choice": choice, "answers": answers.tolist()}

    made = once(partial, name, make)
    return made["choice"], np.array(made["answers"])


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Choose on the validation period, fit again, and forecast the test period once."""
    clock = Clock()
    series = load_series(settings.series)
    values = series.values
    start, end = (series.before(month) for month in PERIODS[settings.series])
    origins = origins_between(end, len(values), settings.horizon)
    y = after(values, origins, settings.horizon)

    simple = simple_models(settings, series, start, end)
    models = {
        name: measured(y, forecast(values, origins), choice)
        for name, (choice, forecast) in simple.items()
    }
    clock.lap("simple")
    drawn: dict[str, Any] = {}
    for name in progress(NETWORKS, settings.series, file=sys.stderr):
        choice, answers = network_answers(settings, name, values, origins, partial)
        models[name] = measured(y, answers, choice)
        drawn[name] = np.round(answers[:, -1], 3).tolist()
    clock.lap("networks")
    choice, answers = network_answers(settings, "quantiles", values, origins, partial)
    clock.lap("quantiles")

    order = models["autoregression, direct"]["choice"]["order"]
    held_out = origins_between(start, end, settings.horizon)
    of_training = linear(values[:start], order, settings.horizon, direct=True)
    missed = around(values[:end], of_training, held_out, settings.horizon)
    final = simple["autoregression, direct"][1](values, origins)
    band = final[:, :, None] + missed
    return {
        "data": {
            "name": f"series {settings.series}",
            "sha256": file_hash(path_of(settings.series)),
        },
        "seconds": clock.seconds,
        "figures": {
            "models": models,
            "quantiles": {
                "LSTM": {**spread(y, answers), "choice": choice},
                "autoregression and its errors": spread(y, band),
            },
            "drawn": drawn,
            "fan": np.round(answers[:, -1], 3).tolist(),
            "origins": [int(origins[0]), int(origins[-1]) + 1],
        },
        "curves": {},
    }


def both_errors(runs: Sequence[dict[str, Any]], first: str, second: str) -> tuple[Array, Array]:
    """(origins,) absolute errors of two models from the same origins, the mean of all seeds."""
    one, two = (
        np.mean([run["figures"]["models"][name]["by_origin"] for run in runs], axis=0)
        for name in (first, second)
    )
    return one, two
