"""Forecasts of a series: windows, scaling, the simple forecasters and the networks.

values: (T,) the whole series. origin: the index of the first value that is to be forecast; nothing
from there on may be read. A forecaster answers with (N, horizon): for each of N origins the next
`horizon` values. Book: the chapter on forecasting.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.activations import Array
from unrolled.layers import GRU, LSTM, Dense, Recurrent, SimpleRNN
from unrolled.losses import mean_squared_error_gradient, pinball_gradient
from unrolled.optimizers import Adam

CELLS: dict[str, type[Recurrent]] = {"lstm": LSTM, "gru": GRU, "rnn": SimpleRNN}
Origins = Sequence[int] | NDArray[np.int_]
BATCH = 32  # windows in an update


def before(values: Array, origins: Origins, length: int) -> Array:
    """(N, length): the last values before each origin; each origin has at least so many."""
    return np.stack([values[origin - length : origin] for origin in origins])


def after(values: Array, origins: Origins, horizon: int) -> Array:
    """(N, horizon): the values from each origin on, which a forecast is measured by."""
    return np.stack([values[origin : origin + horizon] for origin in origins])


def origins_between(start: int, end: int, horizon: int) -> NDArray[np.int_]:
    """Every origin from `start` on whose `horizon` values end before `end`: a rolling origin."""
    return np.arange(start, end - horizon + 1)


def windows(values: Array, length: int, horizon: int) -> tuple[Array, Array]:
    """All pairs of neighbours: x (N, length) and the values that follow, y (N, horizon)."""
    origins = origins_between(length, len(values), horizon)
    return before(values, origins, length), after(values, origins, horizon)


class Scale(NamedTuple):
    """Mean and standard deviation of the values that a model may see before it is measured."""

    mean: float
    std: float

    @classmethod
    def of(cls, values: Array) -> "Scale":
        return cls(float(values.mean()), float(values.std()))

    def to(self, values: Array) -> Array:
        """In units of the standard deviation, from the mean on."""
        return (values - self.mean) / self.std

    def back(self, scaled: Array) -> Array:
        """In the units of the series."""
        return scaled * self.std + self.mean


# Without training


def persistence(values: Array, origins: Origins, horizon: int) -> Array:
    """The last value, at all steps."""
    return np.repeat(before(values, origins, 1), horizon, axis=1)


def seasonal_persistence(values: Array, origins: Origins, horizon: int, period: int) -> Array:
    """The value one period before each step; horizon must not exceed the period."""
    return before(values, origins, period)[:, :horizon]


# Linear autoregression


def fit_autoregression(values: Array, order: int, horizon: int) -> Array:
    """Least squares: (order + 1, horizon) coefficients, the last row the constants.

    A column forecasts one step ahead of the last `order` values, the next column two steps ….
    """
    x, y = windows(values, order, horizon)
    ones = np.ones((len(x), 1))
    coefficients, *_ = np.linalg.lstsq(np.hstack([x, ones]), y, rcond=None)
    return np.asarray(coefficients)


def autoregression(values: Array, origins: Origins, coefficients: Array) -> Array:
    """Forecasts of all steps at once, direct: one column of coefficients for each."""
    x = before(values, origins, len(coefficients) - 1)
    return x @ coefficients[:-1] + coefficients[-1]  # eq-autoregression


def recursive(x: Array, one_step: Callable[[Array], Array], horizon: int) -> Array:
    """Forecasts (N, horizon) by a forecaster of one step that reads its own answers.

    x: (N, length) the values before each origin. one_step: (N, length) -> (N,).
    """
    window, answers = x, []
    for _ in range(horizon):
        y = one_step(window)
        answers.append(y)
        window = np.column_stack([window[:, 1:], y])
    return np.column_stack(answers)


# Exponential smoothing


class Smoothing(NamedTuple):
    """The rates of exponential smoothing, numbers or arrays (G,): how fast each part follows.

    level, slope, season: α, β, γ from 0 to 1. trend: whether there is a slope at all.
    """

    level: Array
    slope: Array
    season: Array
    trend: bool


def smooth(values: Array, period: int, rates: Smoothing) -> tuple[Array, Array, Array]:
    """Level, slope and season after each value: (T, G), (T, G), (T + period, G).

    Additive, after Holt and Winters. Row t + period of the seasons belongs to step t. The first
    period gives the level and the seasons to start with, the first two the slope.
    """
    alpha, beta, gamma, trend = rates
    G = np.size(alpha)
    T = len(values)
    level, slope = np.zeros((T, G)), np.zeros((T, G))
    season = np.zeros((T + period, G))
    first, second = values[:period], values[period : 2 * period]
    l = np.full(G, first.mean())
    b = np.full(G, (second.mean() - first.mean()) / period if trend else 0.0)
    season[:period] = (first - first.mean())[:, None]
    for t, y in enumerate(values):
        before, s = l, season[t]
        l = alpha * (y - s) + (1 - alpha) * (l + b)  # eq-smoothing
        b = beta * (l - before) + (1 - beta) * b if trend else b  # eq-smoothing
        season[t + period] = gamma * (y - l) + (1 - gamma) * s  # eq-smoothing
        level[t], slope[t] = l, b
    return level, slope, season


def smoothing_forecasts(
    values: Array, origins: Origins, horizon: int, period: int, rates: Smoothing
) -> Array:
    """(G, N, horizon): forecasts for each of G sets of rates; horizon must not exceed period."""
    level, slope, season = smooth(values[: max(origins)], period, rates)
    last = np.asarray(origins) - 1
    ahead = np.arange(1, horizon + 1)[:, None]
    line = level[last][:, None] + ahead * slope[last][:, None]  # (N, horizon, G)
    seasons = np.stack([season[origin : origin + horizon] for origin in origins])
    return (line + seasons).transpose(2, 0, 1)  # eq-smoothing-forecast


# Networks


class Network:
    """A recurrent layer that reads a window, and a Dense layer that answers at its end.

    cell: one of CELLS, or "linear" for the Dense layer alone, on all values of the window. outputs:
    the steps that it forecasts at once. quantiles: levels for each of these steps, trained with the
    pinball loss; () trains one number a step with the squared error. changes: what comes in and
    what goes out is counted from the last value of the window, so that the network does not see the
    level. All of it is in scaled units.
    """

    def __init__(
        self,
        cell: str,
        units: int,
        outputs: int,
        rate: float,
        quantiles: Sequence[float] = (),
        changes: bool = False,
    ) -> None:
        self.outputs, self.quantiles, self.changes = outputs, tuple(quantiles), changes
        self.recurrent = None if cell == "linear" else CELLS[cell](units)
        self.head = Dense(outputs * max(1, len(quantiles)))
        self.optimizer = Adam(rate, global_clipnorm=1.0)

    def _forward(self, x: Array) -> tuple[Array, Array, tuple[Any, Any]]:
        """Answers from the level on, (N, outputs, K), the level (N, 1), and caches."""
        level = x[:, -1:] if self.changes else np.zeros((len(x), 1))
        h, of_recurrent = (x - level).astype("float32"), None
        if self.recurrent is not None:
            h, of_recurrent = self.recurrent.forward(h[:, :, None], training=True)
        z, of_head = self.head.forward(h, training=True)
        return z.reshape(len(x), self.outputs, -1), level, (of_recurrent, of_head)

    def __call__(self, x: Array) -> Array:
        """(N, outputs), or (N, outputs, K) of K quantiles, from windows x (N, length)."""
        z, level, _ = self._forward(x)
        answers = z + level[:, :, None]
        return answers if self.quantiles else answers[:, :, 0]

    def step(self, x: Array, y: Array) -> None:
        """One update from windows x (B, length) and what followed them, y (B, outputs)."""
        z, level, (of_recurrent, of_head) = self._forward(x)
        target = y - level
        if self.quantiles:
            dz = pinball_gradient(target, z, self.quantiles)
        else:
            dz = mean_squared_error_gradient(target, z[:, :, 0])
        dh, gradients = self.head.backward(dz.reshape(len(x), -1), of_head)
        weights = self.head.weights
        if self.recurrent is not None:
            _, of_cell = self.recurrent.backward(dh, of_recurrent)
            weights, gradients = self.recurrent.weights + weights, of_cell + gradients
        self.optimizer.apply(gradients, weights)

    def epoch(self, x: Array, y: Array, rng: np.random.Generator) -> None:
        """One pass over all windows, in random order."""
        order = rng.permutation(len(x))
        for start in range(0, len(x), BATCH):
            rows = order[start : start + BATCH]
            self.step(x[rows], y[rows])


def forecasts(network: Network, x: Array, horizon: int) -> Array:
    """(N, horizon) or (N, horizon, K): at once, or one step after the other if it gives one."""
    if network.outputs == horizon:
        return network(x)
    return recursive(x, lambda window: network(window)[:, 0], horizon)


# Measures


def coverage(y: Array, low: Array, high: Array, axis: int | None = None) -> Array:
    """The share of y that lies between low and high, all of one shape."""
    return np.asarray(((low <= y) & (y <= high)).mean(axis=axis))  # eq-coverage
