"""Activations against decimal arithmetic with 50 digits, and far out where e^x overflows."""

import math
import warnings
from decimal import Decimal, localcontext

import numpy as np
import pytest

from unrolled.activations import sigmoid, sigmoid_derivative, tanh, tanh_derivative

POINTS = np.array([-700.0, -36.5, -20.0, -3.2, -1.0, -1e-3, 0.0, 1e-9, 0.4, 1.0, 5.5, 17.0, 40.0])


def exact(formula, points=POINTS):
    with localcontext() as context:
        context.prec = 50
        return np.array([float(formula(Decimal(float(x)))) for x in points])


def exact_sigmoid(x):
    return 1 / (1 + (-x).exp())


def exact_tanh(x):
    return (x.exp() - (-x).exp()) / (x.exp() + (-x).exp())


def relative(value, expected):
    return np.max(np.abs(value - expected) / np.maximum(np.abs(expected), 1e-300))


def test_sigmoid_keeps_its_digits_in_both_tails(record):
    error = relative(sigmoid(POINTS), exact(exact_sigmoid))
    record("eq-sigmoid", error, 2e-15, relative=True)


def test_tanh(record):
    record("eq-tanh", relative(tanh(POINTS), exact(exact_tanh)), 2e-15, relative=True)


def test_sigmoid_derivative(record):
    points = POINTS[(POINTS > -700) & (POINTS < 20)]  # beyond, 1 - s has no digits left
    expected = exact(lambda x: (-x).exp() / (1 + (-x).exp()) ** 2, points)
    error = np.max(np.abs(sigmoid_derivative(sigmoid(points)) - expected))
    record("eq-sigmoid-derivative", error, 5e-16)


def test_tanh_derivative(record):
    expected = exact(lambda x: 4 / (x.exp() + (-x).exp()) ** 2)
    error = np.max(np.abs(tanh_derivative(tanh(POINTS)) - expected))
    record("eq-tanh-derivative", error, 5e-16)


def test_values_known_by_heart():
    x = np.array([0.0, math.log(3), -math.log(3)])
    np.testing.assert_allclose(sigmoid(x), [1 / 2, 3 / 4, 1 / 4], rtol=1e-15)
    np.testing.assert_allclose(sigmoid_derivative(sigmoid(x)), [1 / 4, 3 / 16, 3 / 16], rtol=1e-15)
    np.testing.assert_allclose(tanh(np.log([1.0, 2.0, 0.5])), [0, 3 / 5, -3 / 5], atol=1e-16)
    np.testing.assert_allclose(tanh_derivative(np.array([0.0, 0.6, -0.6])), [1, 0.64, 0.64])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("far", [1e2, 1e4, 1e30, np.inf])
def test_far_out_nothing_overflows_or_warns(dtype, far):
    x = np.array([[-far], [far]], dtype)
    with warnings.catch_warnings(), np.errstate(over="raise", invalid="raise", divide="raise"):
        warnings.simplefilter("error")
        values = [sigmoid(x), tanh(x), sigmoid_derivative(sigmoid(x)), tanh_derivative(tanh(x))]
    for value, expected in zip(values, [[0, 1], [-1, 1], [0, 0], [0, 0]], strict=True):
        assert value.dtype == dtype
        assert value.shape == x.shape
        np.testing.assert_allclose(value.ravel(), expected, atol=1e-40)


def test_nan_stays_nan():
    x = np.array([np.nan, 0.0])
    assert np.isnan([sigmoid(x)[0], tanh(x)[0]]).all()
    assert sigmoid(x)[1] == 0.5
