"""The equations on forecasting: pinball loss, autoregression, smoothing, coverage."""

import numpy as np
import pytest

from unrolled.experiments.shared import forecasting
from unrolled.experiments.shared.forecasting import Smoothing
from unrolled.gradcheck import check_gradients
from unrolled.losses import pinball, pinball_gradient

LEVELS = (0.1, 0.5, 0.9)
WRITTEN_OUT = 1e-12  # the same formula in another order of additions


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_pinball_is_written_out(rng, record):
    y, q = rng.normal(size=40), rng.normal(size=(40, 3))
    total = 0.0
    for row, forecasts in zip(y, q, strict=True):
        for tau, forecast in zip(LEVELS, forecasts, strict=True):
            error = row - forecast
            total += tau * error if error >= 0 else (1 - tau) * -error
    record("eq-pinball", abs(pinball(y, q, LEVELS) - total / 120), WRITTEN_OUT)


def test_pinball_gradient_by_central_differences(rng, record):
    y, q = rng.normal(size=(6, 4)), rng.normal(size=(6, 4, 3))

    def loss(q):
        return pinball(y, q, LEVELS)

    error = check_gradients(loss, {"q": q}, {"q": pinball_gradient(y, q, LEVELS)}).error
    record("eq-pinball-gradient", error, 1e-7, relative=True)


def test_the_smallest_pinball_loss_is_at_the_quantile(rng):
    y = rng.gamma(2.0, size=501)
    for tau in LEVELS:
        tried = np.linspace(y.min(), y.max(), 2001)
        losses = [pinball(y, np.full((501, 1), q), [tau]) for q in tried]
        assert abs(tried[np.argmin(losses)] - np.quantile(y, tau)) < 0.02


@pytest.mark.parametrize("horizon", [1, 3])
def test_autoregression_is_a_weighted_sum(horizon, rng, record):
    values = np.sin(np.arange(80)) + 0.3 * rng.normal(size=80)
    coefficients = forecasting.fit_autoregression(values, 4, horizon)
    found = forecasting.autoregression(values, [10, 50], coefficients)
    for row, origin in enumerate((10, 50)):
        for h in range(horizon):
            *weights, constant = coefficients[:, h]
            by_hand = constant + sum(w * values[origin - 4 + k] for k, w in enumerate(weights))
            record("eq-autoregression", abs(found[row, h] - by_hand), WRITTEN_OUT)


@pytest.mark.parametrize("trend", [True, False])
def test_smoothing_is_written_out(trend, rng, record):
    values, m = 0.1 * np.arange(30) + rng.normal(size=30), 4
    sets = np.array([[0.3, 0.7], [0.1, 0.2], [0.4, 0.05]])  # rates of level, slope, season
    level, slope, season = forecasting.smooth(values, m, Smoothing(*sets, trend=trend))
    ahead = forecasting.smoothing_forecasts(values, [12, 20], 3, m, Smoothing(*sets, trend=trend))
    for g, (alpha, beta, gamma) in enumerate(sets.T):
        start = [sum(values[k : k + m]) / m for k in (0, m)]
        l, b = start[0], (start[1] - start[0]) / m if trend else 0.0
        s = {k - m: values[k] - l for k in range(m)}
        states = []
        for t, y in enumerate(values):
            l_new = alpha * (y - s[t - m]) + (1 - alpha) * (l + b)
            b = beta * (l_new - l) + (1 - beta) * b if trend else 0.0
            l = l_new
            s[t] = gamma * (y - l) + (1 - gamma) * s[t - m]
            states.append((l, b, s[t]))
            found = level[t, g], slope[t, g], season[t + m, g]
            error = np.abs(np.subtract(found, states[-1])).max()
            record("eq-smoothing", error, WRITTEN_OUT)
        for row, origin in enumerate((12, 20)):
            l, b, _ = states[origin - 1]
            for h in (1, 2, 3):
                expected = l + h * b + states[origin - 1 + h - m][2]
                error = abs(ahead[g, row, h - 1] - expected)
                record("eq-smoothing-forecast", error, WRITTEN_OUT)


def test_coverage_counts_what_lies_inside(rng, record):
    y = rng.normal(size=(30, 2))
    low, high = y - rng.uniform(-0.2, 1, y.shape), y + rng.uniform(-0.2, 1, y.shape)
    inside = sum(a <= v <= b for a, v, b in zip(low.flat, y.flat, high.flat, strict=True))
    assert 0 < inside < 60
    record("eq-coverage", abs(forecasting.coverage(y, low, high) - inside / 60), 1e-15)
