"""Losses with their gradients, and accuracies, named and computed as in Keras (chapter 7).

Each row of y_pred (B, K), or each time step of y_pred (B, T, K), has one loss. What a loss function
returns is the mean of them all; with `weights`, of each times its weight: Σ w ℓ / N, whatever the
weights sum to. `mask_weights` makes weights from a mask and from Keras's sample_weight. Labels may
lack a last axis of length 1 or have one more: (B,) or (B, 1), (B, T) or (B, T, 1).

What does not fit raises a ValueError that names the argument; what is no number, a TypeError.
"""

from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unrolled.activations import Array, log_softmax, sigmoid, softmax

EPSILON = 1e-7  # Keras's: a probability counts as no closer to 0 or 1 than this


def _numbers(name: str, values: ArrayLike) -> NDArray[Any]:
    """values as an array, or a TypeError that names the first which is no number."""
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"{name}: expected rows of one length, came several.") from None
    if array.dtype.kind not in "fiub":
        items = np.asarray(values, object).ravel()
        came = next((repr(v) for v in items if not isinstance(v, Real)), f"dtype {array.dtype}")
        raise TypeError(f"{name}: expected numbers, came {came}.")
    return array


def _predictions(y_pred: ArrayLike, from_logits: bool) -> Array:
    """y_pred as a float array that is not empty: any logits, or probabilities."""
    p = _numbers("y_pred", y_pred)
    if p.dtype.kind != "f":
        raise TypeError(f"y_pred: expected a float array, came dtype {p.dtype}.")
    if p.ndim == 0 or p.size == 0:
        raise ValueError(f"y_pred: expected at least one prediction, came shape {p.shape}.")
    if not from_logits and ((p < 0) | (p > 1)).any():
        came = f"{p.min()} to {p.max()}; for logits set from_logits=True."
        raise ValueError(f"y_pred: expected probabilities from 0 to 1, came {came}")
    return p


def _targets(y_true: ArrayLike, y_pred: Array) -> NDArray[Any]:
    """y_true in y_pred's shape."""
    y = _numbers("y_true", y_true)
    if y_pred.shape == (*y.shape, 1):
        y = y[..., None]  # (B,) labels for (B, 1) predictions, as in Keras
    if y.shape != y_pred.shape:
        raise ValueError(f"y_true: expected the shape of y_pred {y_pred.shape}, came {y.shape}.")
    return y


def _labels(y_true: ArrayLike, y_pred: Array) -> Array:
    """y_true, from 0 to 1, as an array of y_pred's shape and dtype."""
    y = _targets(y_true, y_pred)
    if not ((y >= 0) & (y <= 1)).all():
        raise ValueError(f"y_true: expected labels from 0 to 1, came {y.min()} to {y.max()}.")
    return y.astype(y_pred.dtype)


def _classes(y_true: ArrayLike, y_pred: Array) -> NDArray[np.intp]:
    """y_true, whole numbers from 0 to K - 1, as indices (B, 1) or (B, T, 1) into y_pred."""
    if y_pred.ndim < 2:
        raise ValueError(f"y_pred: expected axes (B, K) or (B, T, K), came shape {y_pred.shape}.")
    *shape, K = y_pred.shape
    y = _numbers("y_true", y_true)
    if y.shape not in (tuple(shape), (*shape, 1)):
        expected = f"shape {tuple(shape)}, one label for each row of y_pred {y_pred.shape}"
        raise ValueError(f"y_true: expected {expected}, came {y.shape}.")
    fits = (y >= 0) & (y < K) & (y == np.floor(y))
    if not fits.all():
        raise ValueError(f"y_true: expected whole numbers from 0 to {K - 1}, came {y[~fits][0]}.")
    return y.astype(np.intp).reshape(*shape, 1)


def _not_negative(name: str, values: ArrayLike) -> NDArray[Any]:
    w = _numbers(name, values)
    fits = (w >= 0) & (w < np.inf)
    if not fits.all():
        raise ValueError(f"{name}: expected finite numbers, 0 or more, came {w[~fits][0]}.")
    return w


def _weights(weights: ArrayLike | None, y_pred: Array) -> Array:
    """The weights in y_pred's dtype, with a last axis of length 1 that they share with y_pred."""
    if weights is None:
        return np.ones(1, y_pred.dtype)
    w, shape = _not_negative("weights", weights), y_pred.shape[:-1] or y_pred.shape
    if w.shape != shape:
        raise ValueError(f"weights: expected shape {shape}, one for each loss, came {w.shape}.")
    return w.astype(y_pred.dtype).reshape(shape + (1,) * (y_pred.ndim - len(shape)))


def mask_weights(
    sample_weight: ArrayLike | None, mask: ArrayLike | None, shape: tuple[int, ...]
) -> Array | None:
    """The weights with which a loss here is that of Keras for this sample_weight and mask.

    shape: that of the losses, (B,) or (B, T). mask: True where a step counts, of that shape or with
    a last axis of length 1; the loss becomes the sum over the steps that count, divided by their
    number, since all other weights are 0 and these are N / (steps that count). If none counts, the
    loss is 0. sample_weight: likewise, or (B, 1) for (B, T), a weight for each sequence; it
    multiplies, and nothing is divided by its sum. Returns float64 of that shape, or None if both
    are None. ValueError for (B,) with (B, T), as in Keras: use (B, 1).
    """
    if sample_weight is None and mask is None:
        return None
    weights = np.ones(shape)
    if sample_weight is not None:
        w = _not_negative("sample_weight", sample_weight)
        w = w[..., 0] if w.shape == (*shape, 1) else w
        if w.shape not in (shape, (*shape[:1], 1)):
            expected = f"shape {shape}, or {(*shape[:1], 1)} for one weight a row"
            raise ValueError(f"sample_weight: expected {expected}, came {w.shape}.")
        weights *= w
    if mask is not None:
        m = _numbers("mask", mask)
        m = m[..., 0] if m.shape == (*shape, 1) else m
        if m.shape != shape:
            raise ValueError(f"mask: expected shape {shape}, came {m.shape}.")
        if not ((m == 0) | (m == 1)).all():
            raise ValueError(f"mask: expected True or False, came {m.min()} to {m.max()}.")
        weights *= m * (m.size / max(m.sum(), 1))
    return weights


def binary_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    weights: ArrayLike | None = None,
) -> float:
    """Mean of -y log p - (1 - y) log(1 - p) over the batch, as Keras computes it (eq-bce).

    y_true: labels from 0 to 1, in y_pred's shape or without a last axis of length 1. y_pred: float
    array (B, 1) or (B, T, 1) of probabilities, kept 1e-7 away from 0 and 1, or of logits, for which
    the loss is exact however large they are; of several outputs (B, K) the loss is the mean over K,
    and (B,) counts as (B, 1). weights: (B,) or (B, T), not negative. ValueError or TypeError if
    shapes or values do not fit. Source: minus the log of eq-likelihood, chapter 7.
    """
    z = _predictions(y_pred, from_logits)
    y, w = _labels(y_true, z), _weights(weights, z)
    if from_logits:
        losses = np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))  # eq-bce-logits
    else:
        p = np.clip(z, EPSILON, 1 - EPSILON)
        losses = -(y * np.log(p) + (1 - y) * np.log(1 - p))  # eq-bce
    return float((w * losses).mean())


def binary_crossentropy_gradient(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    weights: ArrayLike | None = None,
) -> Array:
    """Gradient of `binary_crossentropy` with respect to y_pred, of its shape and dtype.

    From probabilities w (p - y) / (p (1 - p)) / N, and 0 where p was clipped; from logits
    w (σ(z) - y) / N, which stays of use when σ(z) has rounded to 0 or 1. N: predictions in the
    batch. w: the weights, or 1.
    """
    z = _predictions(y_pred, from_logits)
    y, w, N = _labels(y_true, z), _weights(weights, z), z.size
    if from_logits:
        return w * (sigmoid(z) - y) / N  # eq-bce-logits-gradient
    p = np.clip(z, EPSILON, 1 - EPSILON)
    return w * ((p - y) / (p * (1 - p)) * (p == z)) / N  # eq-bce-gradient


def sparse_categorical_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    weights: ArrayLike | None = None,
) -> float:
    """Mean of -log p_y, where p_y is the probability of the class y, as Keras computes it.

    y_true: the classes, whole numbers from 0 to K - 1, (B,) or (B, T), or with a last axis of
    length 1. y_pred: float array (B, K) or (B, T, K) of logits, p = softmax(z), for which nothing
    overflows, or of probabilities: these are kept 1e-7 away from 0 and 1 and then divided by their
    sum. weights: (B,) or (B, T), not negative. ValueError or TypeError if shapes or values do not
    fit. Source: Keras. Of logits (0, z) it is the `binary_crossentropy` of z.
    """
    z = _predictions(y_pred, from_logits)
    y, w = _classes(y_true, z), _weights(weights, z)
    if from_logits:
        losses = -np.take_along_axis(log_softmax(z), y, axis=-1)  # -log softmax(z)_y
    else:
        p = np.clip(z, EPSILON, 1 - EPSILON)
        log_sum = np.log(p.sum(axis=-1, keepdims=True))
        losses = log_sum - np.log(np.take_along_axis(p, y, axis=-1))  # -log(p_y / Σ p)
    return float((w * losses).mean())


def sparse_categorical_crossentropy_gradient(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    weights: ArrayLike | None = None,
) -> Array:
    """Gradient of `sparse_categorical_crossentropy` with respect to y_pred, shaped as it.

    From logits w (softmax(z) - [k = y]) / N; from probabilities w (1 / Σ p - [k = y] / p_y) / N,
    and 0 where p was clipped. N: losses in the batch, B or B T. w: the weights, or 1.
    """
    z = _predictions(y_pred, from_logits)
    y, w = _classes(y_true, z), _weights(weights, z)
    *_, K = z.shape
    N, one_hot = y.size, (np.arange(K) == y).astype(z.dtype)
    if from_logits:
        return w * (softmax(z) - one_hot) / N  # eq-softmax-gradient
    p = np.clip(z, EPSILON, 1 - EPSILON)
    return w * ((1 / p.sum(axis=-1, keepdims=True) - one_hot / p) * (p == z)) / N


def mean_squared_error(
    y_true: ArrayLike, y_pred: ArrayLike, weights: ArrayLike | None = None
) -> float:
    """Mean of (y_pred - y_true)² over the batch and the outputs, as Keras computes it.

    y_true: finite numbers, in y_pred's shape or without a last axis of length 1. y_pred: float
    array (B, K) or (B, T, K); (B,) counts as (B, 1). weights: (B,) or (B, T), not negative.
    ValueError or TypeError if shapes or values do not fit.
    """
    z = _predictions(y_pred, from_logits=True)
    return float((_weights(weights, z) * _errors(y_true, z) ** 2).mean())


def mean_squared_error_gradient(
    y_true: ArrayLike, y_pred: ArrayLike, weights: ArrayLike | None = None
) -> Array:
    """Gradient of `mean_squared_error` with respect to y_pred, 2 w (y_pred - y_true) / N.

    Shape and dtype are those of y_pred. N: predictions in the batch, B K or B T K. Source: Keras.
    """
    z = _predictions(y_pred, from_logits=True)
    return 2 * _weights(weights, z) * _errors(y_true, z) / z.size


def _errors(y_true: ArrayLike, y_pred: Array) -> Array:
    """y_pred - y_true, of y_pred's shape and dtype."""
    return y_pred - _numbers_to_meet(y_true, y_pred)


def _numbers_to_meet(y_true: ArrayLike, y_pred: Array) -> Array:
    """y_true, finite numbers, in y_pred's shape and dtype."""
    y = _targets(y_true, y_pred)
    if not np.isfinite(y).all():
        raise ValueError(f"y_true: expected finite numbers, came {y[~np.isfinite(y)][0]}.")
    return y.astype(y_pred.dtype)


def pinball(y_true: ArrayLike, y_pred: ArrayLike, quantiles: Sequence[float]) -> float:
    """Mean pinball loss of forecasts of quantiles, smallest where they are the quantiles.

    An error y - q costs its size times τ if y is above q, and times 1 - τ if it is below
    (eq-pinball). quantiles: the levels τ, K numbers between 0 and 1. y_pred: float array (B, K) or
    (B, T, K), a forecast q for each level. y_true: finite numbers, one for all levels: (B,) or
    (B, T), or with a last axis of length 1. The mean is over all of y_pred; for one level it is
    scikit-learn's `mean_pinball_loss` with alpha=τ. ValueError or TypeError if shapes or values do
    not fit. Source: Koenker and Bassett (1978).
    """
    error, tau = _above(y_true, y_pred, quantiles)
    losses = np.maximum(tau * error, (tau - 1) * error)  # eq-pinball
    return float(losses.mean())


def pinball_gradient(y_true: ArrayLike, y_pred: ArrayLike, quantiles: Sequence[float]) -> Array:
    """Gradient of `pinball` with respect to y_pred, of its shape and dtype.

    (1 - τ) / N where the forecast is above y, else -τ / N, also at y itself, where the loss has a
    kink. N: forecasts in the batch, B K or B T K. Arguments and errors are those of `pinball`.
    """
    error, tau = _above(y_true, y_pred, quantiles)
    return ((error < 0) - tau).astype(error.dtype) / error.size  # eq-pinball-gradient


def _above(y_true: ArrayLike, y_pred: ArrayLike, quantiles: Sequence[float]) -> tuple[Array, Array]:
    """y_true - y_pred, of y_pred's shape and dtype, and the levels (K,) in that dtype."""
    q = _predictions(y_pred, from_logits=True)
    tau = _numbers("quantiles", quantiles)
    if tau.ndim != 1 or not ((tau > 0) & (tau < 1)).all():
        raise ValueError(f"quantiles: expected levels between 0 and 1, came {quantiles!r}.")
    if q.ndim < 2 or q.shape[-1] != len(tau):
        expected = f"a last axis of {len(tau)}, one for each quantile"
        raise ValueError(f"y_pred: expected {expected}, came shape {q.shape}.")
    return _numbers_to_meet(y_true, q[..., :1]) - q, tau.astype(q.dtype)


def binary_accuracy(y_true: ArrayLike, y_pred: ArrayLike, from_logits: bool = False) -> Array:
    """1 where p > 0.5 and the label is 1, or neither, else 0: (B,) or (B, T), in y_pred's dtype.

    Arguments as for `binary_crossentropy`; of several outputs (B, K) it is the mean over K. This is
    what metrics=["accuracy"] means in Keras for y_pred (B, 1) or (B, T, 1). Keras gives the mean of
    these over the steps that the mask lets count, np.average(accuracy, weights=mask), and leaves
    sample_weight to `weighted_metrics`, whose weights are sample_weight times the mask.
    """
    z = _predictions(y_pred, from_logits)
    y, p = _labels(y_true, z), sigmoid(z) if from_logits else z
    right = ((p > 0.5) == y).astype(z.dtype)
    return right.mean(axis=-1) if right.ndim > 1 else right


def sparse_categorical_accuracy(
    y_true: ArrayLike, y_pred: ArrayLike, from_logits: bool = False
) -> Array:
    """1 where the class y has the largest y_pred of its row, else 0: (B,) or (B, T).

    Arguments as for `sparse_categorical_crossentropy`, dtype that of y_pred. The largest logit is
    the largest probability: from_logits only says which values are allowed. This is what
    metrics=["accuracy"] means in Keras for whole numbers as labels; weights as `binary_accuracy`.
    """
    z = _predictions(y_pred, from_logits)
    y = _classes(y_true, z)[..., 0]
    return (z.argmax(axis=-1) == y).astype(z.dtype)


class Loss(NamedTuple):
    """What a model needs of a loss.

    activation: that of a last layer Dense whose logits the loss is better computed from.
    value, gradient: y_true, y_pred, from_logits, weights; accuracy: y_true, y_pred, from_logits, or
    None where there is none. labels: y_true, y_pred; raises an error for labels that do not fit.
    """

    activation: str | None
    value: Callable[..., float]
    gradient: Callable[..., Array]
    accuracy: Callable[..., Array] | None
    labels: Callable[..., Any]

    def check(self, y_true: ArrayLike, shape: tuple[int, ...]) -> None:
        """An error unless y_true has values and shape that fit predictions of this shape."""
        try:
            self.labels(y_true, np.broadcast_to(np.float32(0), shape))
        except (TypeError, ValueError) as error:
            said = str(error).replace("y_true", "y").replace("y_pred", "the output")
            raise type(error)(said) from None


LOSSES = {
    "binary_crossentropy": Loss(
        "sigmoid",
        binary_crossentropy,
        binary_crossentropy_gradient,
        binary_accuracy,
        _labels,
    ),
    "sparse_categorical_crossentropy": Loss(
        "softmax",
        sparse_categorical_crossentropy,
        sparse_categorical_crossentropy_gradient,
        sparse_categorical_accuracy,
        _classes,
    ),
    "mean_squared_error": Loss(
        None,
        lambda y_true, y_pred, from_logits, weights: mean_squared_error(y_true, y_pred, weights),
        lambda y_true, y_pred, from_logits, weights: mean_squared_error_gradient(
            y_true, y_pred, weights
        ),
        None,
        _errors,
    ),
}
