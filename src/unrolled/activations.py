"""The two squashing functions of recurrent networks, with their derivatives (chapters 3 and 5)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


def sigmoid(x: Array) -> Array:
    """Logistic function σ(x) = 1 / (1 + e^-x), stable for any x (eq-sigmoid, chapter 5).

    x: float array of any shape. Returns an array of the same shape and dtype.
    """
    e = np.exp(-np.abs(x))  # the exponent is never positive, so nothing overflows
    return np.where(x >= 0, 1, e) / (1 + e)  # eq-sigmoid


def sigmoid_derivative(s: Array) -> Array:
    """Derivative of σ at x from s = σ(x), shaped as s (eq-sigmoid-derivative, chapter 5)."""
    return s * (1 - s)  # eq-sigmoid-derivative


def tanh(x: Array) -> Array:
    """Hyperbolic tangent (e^x - e^-x) / (e^x + e^-x), same shape and dtype (eq-tanh, chapter 3)."""
    return np.tanh(x)  # eq-tanh


def tanh_derivative(t: Array) -> Array:
    """Derivative of tanh at x from t = tanh(x), shaped as t (eq-tanh-derivative, chapter 3)."""
    return 1 - t**2  # eq-tanh-derivative
