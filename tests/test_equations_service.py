"""The equations on a model in service: int8, the queue, calibration and temperature."""

import math

import numpy as np
import pytest

from test_equations import line_of
from unrolled import saving
from unrolled.activations import sigmoid
from unrolled.experiments.service import drift
from unrolled.experiments.shared import measures
from unrolled.gradcheck import check_gradients

WRITTEN_OUT = 1e-12  # the same formula in another order of additions


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def run_line(label, **names):
    """What the names are bound to after the chapter's line of code has run."""
    names |= {"np": np, "sigmoid": sigmoid}
    exec(line_of(label), names)
    return names


def test_int8_takes_the_nearest_whole_number(rng, record):
    w = rng.normal(size=(5, 3)).astype(np.float32)
    q, scale = saving.quantised(w, axis=0)
    for column in range(3):
        s = max(abs(float(weight)) for weight in w[:, column]) / 127
        assert scale[0, column] == pytest.approx(s, rel=1e-6)
        for row in range(5):
            weight = float(w[row, column])
            expected = min(range(-127, 128), key=lambda k, s=s, weight=weight: abs(k * s - weight))
            found = run_line("eq-int8", w=np.array(weight), s=s)["q"]
            record("eq-int8", abs(int(found) - expected), 0)
            assert q[row, column] == expected


def test_waits_are_those_of_a_queue_watched_from_event_to_event(rng, record):
    came = np.cumsum(rng.exponential(1.0, 60))
    reading = rng.uniform(0, 1.8, 60)
    wait, free = 0.0, came[0]
    for n in range(60):
        begins = max(came[n], free)
        record("eq-queue-wait", abs(wait - (begins - came[n])), WRITTEN_OUT)
        free = begins + reading[n]
        if n < 59:
            gap = came[n + 1] - came[n]
            wait = run_line("eq-queue-wait", wait=wait, took=reading[n], gap=gap)["wait"]


def test_calibration_error_is_a_weighted_mean_of_the_bins(rng, record):
    p = rng.random(200)
    y = (rng.random(200) < p**2).astype(float)
    total, gaps = 0.0, np.zeros(10)
    for k in range(10):
        inside = [n for n in range(200) if k <= 10 * p[n] < k + 1]
        said = math.fsum(p[n] for n in inside) / len(inside)
        positive = math.fsum(y[n] for n in inside) / len(inside)
        total += len(inside) / 200 * abs(said - positive)
        gaps[k] = len(inside) * (said - positive)
    code = line_of("eq-calibration-error").removeprefix("return ")
    counts = np.histogram(p, 10, (0, 1))[0]
    found = eval(code, {"np": np, "gap": gaps, "n": counts})
    record("eq-calibration-error", abs(found - total), WRITTEN_OUT)
    assert measures.calibration_error(measures.reliability(y, p)) == pytest.approx(total, abs=1e-4)


def test_temperature_divides_the_logit(rng, record):
    z = rng.normal(size=50) * 5
    y = (rng.random(50) < 0.5).astype(float)
    for T in (0.5, 1.0, 1.7):
        p = run_line("eq-temperature-scaling", z=z, T=T)["p"]
        expected = [1 / (1 + math.exp(-logit / T)) for logit in z]
        record("eq-temperature-scaling", np.abs(p - expected).max(), WRITTEN_OUT)
        by_hand = -np.mean(y * np.log(expected) + (1 - y) * np.log(1 - np.array(expected)))
        assert drift.loss(z / T, y) == pytest.approx(by_hand, abs=1e-9)


def test_the_gradient_of_the_temperature_by_central_differences(rng, record):
    z = rng.normal(size=40) * 3
    y = (rng.random(40) < 0.5).astype(float)
    for beta in (0.4, 1.0, 2.0):
        names = run_line("eq-temperature-gradient", beta=beta, y=y, z=z)
        slope = np.array([names["slope"]])
        error = check_gradients(
            lambda b: drift.loss(b[0] * z, y), {"b": np.array([beta])}, {"b": slope}
        ).error
        record("eq-temperature-gradient", error, 1e-7, relative=True)
