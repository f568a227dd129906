"""Binary cross-entropy and its gradient, from probabilities and from logits (chapter 6)."""

import numpy as np
from numpy.typing import ArrayLike

from unrolled.activations import Array, sigmoid

EPSILON = 1e-7  # Keras's: a probability counts as no closer to 0 or 1 than this


def _labels(y_true: ArrayLike, y_pred: Array, from_logits: bool) -> Array:
    """y_true as an array of y_pred's shape and dtype, or a ValueError that says what is wrong."""
    y = np.asarray(y_true)
    if y_pred.size == 0:
        raise ValueError(f"y_pred: expected at least one prediction, came shape {y_pred.shape}.")
    if y_pred.shape == (*y.shape, 1):
        y = y[..., None]  # (B,) labels for (B, 1) predictions, as in Keras
    if y.shape != y_pred.shape:
        raise ValueError(f"y_true: expected the shape of y_pred {y_pred.shape}, came {y.shape}.")
    if not ((y >= 0) & (y <= 1)).all():
        raise ValueError(f"y_true: expected labels from 0 to 1, came {y.min()} to {y.max()}.")
    if not from_logits and ((y_pred < 0) | (y_pred > 1)).any():
        came = f"{y_pred.min()} to {y_pred.max()}; for logits set from_logits=True."
        raise ValueError(f"y_pred: expected probabilities from 0 to 1, came {came}")
    return y.astype(y_pred.dtype)


def binary_crossentropy(y_true: ArrayLike, y_pred: Array, from_logits: bool = False) -> float:
    """Mean of -y log p - (1 - y) log(1 - p) over the batch, as Keras computes it (eq-bce).

    y_true: labels from 0 to 1, (B,) or y_pred's shape. y_pred: float array (B, 1) of probabilities,
    kept 1e-7 away from 0 and 1, or of logits, for which the loss is exact however large they are.
    ValueError if shapes or values do not fit. Source: minus the log of eq-likelihood, chapter 6.
    """
    z, y = y_pred, _labels(y_true, y_pred, from_logits)
    if from_logits:
        losses = np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))  # eq-bce-logits
        return float(losses.mean())
    p = np.clip(y_pred, EPSILON, 1 - EPSILON)
    return float(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean())  # eq-bce


def binary_crossentropy_gradient(
    y_true: ArrayLike, y_pred: Array, from_logits: bool = False
) -> Array:
    """Gradient of `binary_crossentropy` with respect to y_pred, of its shape and dtype.

    From probabilities (p - y) / (p (1 - p)) / N, and 0 where p was clipped; from logits
    (σ(z) - y) / N, which stays of use when σ(z) has rounded to 0 or 1. N: predictions in the batch.
    """
    y, N = _labels(y_true, y_pred, from_logits), y_pred.size
    if from_logits:
        return (sigmoid(y_pred) - y) / N  # eq-bce-logits-gradient
    p = np.clip(y_pred, EPSILON, 1 - EPSILON)
    return (p - y) / (p * (1 - p)) * (p == y_pred) / N  # eq-bce-gradient
