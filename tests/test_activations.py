"""Activations against decimal arithmetic with 50 digits, Keras, and far out where e^x overflows."""

import math
import warnings
from decimal import Decimal, localcontext

import numpy as np
import pytest

from unrolled.activations import (
    log_softmax,
    relu,
    relu_derivative,
    sigmoid,
    sigmoid_derivative,
    softmax,
    softmax_backward,
    tanh,
    tanh_derivative,
)
from unrolled.gradcheck import check_gradients

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


def test_known_values():
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


@pytest.mark.parametrize(("dtype", "far"), [(np.float32, 88.0), (np.float64, 709.0)])
def test_sigmoid_is_exact_to_its_last_digits_in_both_dtypes(dtype, far):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-far, far, 300), rng.uniform(-4, 4, 300)]).astype(dtype)
    expected = exact(exact_sigmoid, x)
    off = np.abs(sigmoid(x) - expected) / np.spacing(expected.astype(dtype))
    assert off.max() < 5  # units in the last place; those of exp differ between processors


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_is_exactly_0_where_its_exponential_overflows(dtype):
    x = np.array([-1e3, -np.inf, np.inf, np.nan], dtype)
    with warnings.catch_warnings(), np.errstate(all="raise", under="ignore"):
        warnings.simplefilter("error")
        values = sigmoid(x)
    np.testing.assert_array_equal(values, np.array([0, 0, 1, np.nan], dtype))


def test_relu_by_hand():
    x = np.array([-2.0, -0.0, 0.0, 1e-300, 3.0, np.inf, -np.inf, np.nan])
    np.testing.assert_array_equal(relu(x), [0, 0, 0, 1e-300, 3, np.inf, 0, np.nan])
    np.testing.assert_array_equal(relu_derivative(relu(x[:7])), [0, 0, 0, 1, 1, 1, 0])


def test_softmax_by_hand():
    x = np.log([[1.0, 2.0, 5.0], [3.0, 3.0, 4.0]])
    np.testing.assert_allclose(softmax(x), [[1 / 8, 2 / 8, 5 / 8], [0.3, 0.3, 0.4]], rtol=1e-15)
    np.testing.assert_allclose(softmax(x[0]), [1 / 8, 2 / 8, 5 / 8], rtol=1e-15)  # one row alone


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_far_out(dtype):
    x = np.array([[1e4, -1e4, 0], [1e4, 1e4, -1e4], [-1e4, -1e4, -1e4], [0, -np.inf, 0]], dtype)
    with warnings.catch_warnings(), np.errstate(all="raise", under="ignore"):
        warnings.simplefilter("error")
        y = softmax(x)
    expected = [[1, 0, 0], [0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3], [0.5, 0, 0.5]]
    np.testing.assert_allclose(y, expected, rtol=1e-6)


def test_softmax_keeps_nan_in_its_row():
    y = softmax(np.array([[np.nan, 1.0], [0.0, 0.0]]))
    np.testing.assert_array_equal(y, [[np.nan, np.nan], [0.5, 0.5]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_softmax(dtype):
    x = np.array([[0, np.log(3), -np.inf], [1e4, 1e4, -1e4], [7, 7, 7]], dtype)
    with warnings.catch_warnings(), np.errstate(all="raise", under="ignore"):
        warnings.simplefilter("error")
        y = log_softmax(x)
    expected = np.log([[1 / 4, 3 / 4, 1], [1 / 2, 1 / 2, 1], [1 / 3, 1 / 3, 1 / 3]])
    expected[:2, 2] = -np.inf, -2e4 - np.log(2)
    assert y.dtype == dtype
    np.testing.assert_allclose(y, expected, rtol=1e-6)
    np.testing.assert_array_equal(log_softmax(x[0]), y[0])  # one row alone


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4), (3, 1)])
def test_softmax_backward_by_central_differences(shape):
    rng = np.random.default_rng(1)
    x, dy = rng.standard_normal((2, *shape))
    dx = softmax_backward(dy, softmax(x))
    check = check_gradients(lambda x: np.vdot(dy, softmax(x)), {"x": x}, {"x": dx})
    assert check.error < 1e-8 or np.abs(dx).max() == 0  # of one class alone the probability is 1


def test_relu_derivative_by_central_differences():
    x, dy = np.random.default_rng(2).standard_normal((2, 3, 4))
    dx = dy * relu_derivative(relu(x))
    check = check_gradients(lambda x: np.vdot(dy, relu(x)), {"x": x}, {"x": dx})
    assert check.error < 1e-8


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu", "softmax"])
def test_keras_agrees(name, dtype):
    import keras
    import tensorflow as tf

    rng = np.random.default_rng(3)
    x = (5 * rng.standard_normal((6, 4, 7))).astype(dtype)
    dy = rng.standard_normal(x.shape).astype(dtype)
    x[0, 0, 0] = 0
    tensor = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        theirs = getattr(keras.ops, name)(tensor)
    y = {"sigmoid": sigmoid, "tanh": tanh, "relu": relu, "softmax": softmax}[name](x)
    if name == "softmax":
        dx = softmax_backward(dy, y)
    else:
        derivative = {"sigmoid": sigmoid_derivative, "tanh": tanh_derivative}
        dx = dy * derivative.get(name, relu_derivative)(y)
    their_dx = tape.gradient(theirs, tensor, output_gradients=tf.constant(dy))
    close = {"rtol": 1e-5, "atol": 1e-6} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-14}
    assert y.dtype == dx.dtype == dtype
    np.testing.assert_allclose(y, theirs.numpy(), **close)
    np.testing.assert_allclose(dx, their_dx.numpy(), **close)
