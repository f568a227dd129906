"""The functions that gates, states and outputs go through, with their derivatives (chapters 3, 5).

Names and values are those of Keras. A derivative is taken from the function's value, which the
way forward has computed already.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


def sigmoid(x: Array) -> Array:
    """Logistic function σ(x) = 1 / (1 + e^-x), for any x without a warning (eq-sigmoid, chapter 5).

    x: float array of any shape. Returns an array of the same shape and dtype, exact to a few units
    in the last place: far out on the left, where e^-x overflows to infinity, it is exactly 0.
    """
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))  # eq-sigmoid


def sigmoid_derivative(s: Array) -> Array:
    """Derivative of σ at x from s = σ(x), shaped as s (eq-sigmoid-derivative, chapter 5)."""
    return s * (1 - s)  # eq-sigmoid-derivative


def tanh(x: Array) -> Array:
    """Hyperbolic tangent (e^x - e^-x) / (e^x + e^-x), same shape and dtype (eq-tanh, chapter 3)."""
    return np.tanh(x)  # eq-tanh


def tanh_derivative(t: Array) -> Array:
    """Derivative of tanh at x from t = tanh(x), shaped as t (eq-tanh-derivative, chapter 3)."""
    return 1 - t**2  # eq-tanh-derivative


def relu(x: Array) -> Array:
    """Rectified linear unit: x where it is above 0, else 0; same shape and dtype, as in Keras."""
    return np.maximum(x, 0)


def relu_derivative(r: Array) -> Array:
    """Derivative of relu at x from r = relu(x), shaped as r: 1 above 0, else 0, as in Keras."""
    return (r > 0).astype(r.dtype)


def softmax(x: Array) -> Array:
    """Probabilities e^x_k / Σ_j e^x_j over the last axis, as in Keras, for any finite x.

    x: float array (..., K). Returns an array of its shape and dtype, whose last axis sums to 1. The
    largest x of each row is subtracted first: that changes no quotient, and no e^x overflows.
    """
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)  # eq-softmax


def log_softmax(x: Array) -> Array:
    """Logarithms of the probabilities softmax(x), as in Keras, finite for any finite x.

    x: float array (..., K). Returns an array of its shape and dtype. The largest x of each row is
    subtracted first, as in `softmax`; a probability too small for its dtype still has a logarithm.
    """
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def softmax_backward(dy: Array, y: Array) -> Array:
    """Gradient of the loss with respect to x from dy, that with respect to y = softmax(x).

    dy, y: (..., K). Each y depends on every x of its row, so the derivative is a matrix,
    ∂y_k/∂x_j = y_k ([k = j] - y_j); dy times it is what is returned, shaped as y. As in Keras.
    """
    return y * (dy - (dy * y).sum(axis=-1, keepdims=True))
