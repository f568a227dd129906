"""Looking inside a trained model: what its gates do, what its units follow, which words decide.

A model here is a Sequential whose first layer is an Embedding and whose last gives one number
through a sigmoid; Dropout is left out. ids: (T,) of one review, as `datasets.encode` gives them.
What the Embedding masks, padding, is no word: what is said here agrees with `Sequential.predict`
for the same ids. Chapters 6, 8 and 14.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.activations import Array, sigmoid
from unrolled.base import Layer
from unrolled.layers import Dense, Dropout, Embedding, Recurrent
from unrolled.model import Sequential

START, UNKNOWN = 1, 2  # ids that `datasets.encode` gives to no word


def _layers(model: Sequential) -> tuple[Embedding, list[Layer], Dense]:
    """The model's first layer, what is between, and its last, without Dropout."""
    found = [layer for layer in model.layers if not isinstance(layer, Dropout)]
    first, last = (found[0], found[-1]) if found else (None, None)
    fits = isinstance(first, Embedding) and isinstance(last, Dense) and last.units == 1
    if not (fits and last.activation == "sigmoid" and first.built):  # type: ignore[union-attr]
        kinds = [type(layer).__name__ for layer in found]
        raise ValueError(f"model: expected Embedding, ..., Dense(1, 'sigmoid'), came {kinds}.")
    return first, found[1:-1], last  # type: ignore[return-value]


def _recurrent(model: Sequential) -> tuple[Embedding, Recurrent, Dense]:
    embedding, between, dense = _layers(model)
    middle = between[0] if len(between) == 1 else None
    if not isinstance(middle, Recurrent):
        kinds = [type(layer).__name__ for layer in between]
        raise ValueError(f"model: expected one recurrent layer in the middle, came {kinds}.")
    for option in ("go_backwards", "return_sequences", "stateful"):
        if getattr(middle, option):
            raise ValueError(f"model: expected a recurrent layer without {option}, came {middle}.")
    return embedding, middle, dense


def _checked(ids: Any) -> Array:
    ids = np.asarray(ids)
    if ids.ndim != 1 or not ids.size or ids.dtype.kind not in "iu":
        raise ValueError(f"ids: expected those of one review, (T,), came {ids!r:.60}.")
    return ids


def _real(embedding: Embedding, ids: Array) -> NDArray[np.bool]:
    """(T,), True where a word is read, False where the Embedding masks padding."""
    return ids != 0 if embedding.mask_zero else np.ones(ids.shape, bool)


def read(model: Sequential, ids: Any) -> dict[str, Array]:
    """Every gate and state of every step of one review, and the verdict after each step.

    The model is Embedding, one SimpleRNN, LSTM or GRU, Dense(1). Returns name -> (T, H) for the
    gates and states of chapter 5 (i, f, o, g, c, h; z, r, g, h; h), and "p" (T,): the probability
    the model would give if the review ended there. At padding that is masked a gate is NaN.
    """
    embedding, recurrent, dense = _recurrent(model)
    rows = _checked(ids)[None]
    traced = recurrent.trace(embedding(rows), embedding.compute_mask(rows))  # name -> (1, T, H)
    p = dense(traced["h"])[0, :, 0]
    return {**{name: steps[0] for name, steps in traced.items()}, "p": p}


def state_gradients(model: Sequential, ids: Any) -> dict[str, Array]:
    """How much each step's state still counts at the end: ∂logit/∂h_t, and ∂logit/∂c_t, (T, H).

    By all paths, also the one through c_t's own h_t (chapter 4). The model is that of `read`.
    """
    embedding, recurrent, dense = _recurrent(model)
    rows, linear = _checked(ids)[None], dense.without_activation()
    h, cache = recurrent.forward(embedding(rows), embedding.compute_mask(rows))
    logit, dense_cache = linear.forward(h)
    dh, _ = linear.backward(np.ones_like(logit), dense_cache)
    *_, steps = recurrent.backward(dh, cache, step_gradients=True)
    return {name: gradients[0, 1:] for name, gradients in steps.items()}


def correlations(states: Array, target: Array) -> Array:
    """Pearson's correlation of each unit with a target: which units follow the verdict?

    states: (N, H), such as the last c of N reviews, or c of all their steps; target: (N,), such
    as the labels, or the verdict's logit at each step. Returns (H,), 0 for a unit that is still.
    """
    s, t = (np.asarray(a, dtype=np.float64) for a in (states, target))
    if s.ndim != 2 or t.shape != s.shape[:1]:
        raise ValueError(f"states, target: expected (N, H), (N,), came {s.shape}, {t.shape}.")
    s, t = s - s.mean(axis=0), t - t.mean()
    size = np.sqrt((s**2).sum(axis=0) * (t**2).sum())
    return np.divide(t @ s, size, out=np.zeros(s.shape[1]), where=size > 0)


def half_lives(gate: Array) -> Array:
    """Steps after which half of a unit's memory is gone, for a gate that scales what is kept.

    gate: (N, H), the forget gates f of an LSTM or the update gates z of a GRU at N steps, of which
    those with NaN, masked, do not count. After n steps a share of f_1 f_2 ... f_n is left; with
    the mean of log f the half-life is log(1/2) / mean(log f), (H,).
    """
    steps = np.asarray(gate, dtype=np.float64)
    read = steps[~np.isnan(steps).any(axis=1)]
    mean = np.log(np.maximum(read, 1e-12)).mean(axis=0)
    return np.log(0.5) / np.minimum(mean, -1e-12)


def principal_components(states: Array, k: int = 2) -> tuple[Array, Array, Array]:
    """The k directions in which hidden states differ most (Pearson 1901).

    states: (N, H), N > 1. Returns coordinates (N, k), directions (k, H) of length 1, and the
    share (k,) of the variance that each has.
    """
    s = np.asarray(states, dtype=np.float64)
    if s.ndim != 2 or not 1 <= k <= min(s.shape) or len(s) < 2:
        raise ValueError(f"states, k: expected (N, H) and 1 <= k <= N, H, came {s.shape}, {k}.")
    s = s - s.mean(axis=0)
    _, sizes, directions = np.linalg.svd(s, full_matrices=False)
    return s @ directions[:k].T, directions[:k], sizes[:k] ** 2 / max((sizes**2).sum(), 1e-300)


def logits(model: Sequential, x: Any, batch_size: int = 256) -> Array:
    """The model's answers before the sigmoid, (N,), for x as in `Sequential.predict`."""
    *_, last = _layers(model)
    linear = Sequential(
        layer.without_activation() if layer is last else layer for layer in model.layers
    )
    linear.build(model.input_shape or (None, None), model.dtype)
    return linear.predict(x, batch_size=batch_size)[:, 0]


def occlusion(model: Sequential, ids: Any, hidden: int = UNKNOWN) -> Array:
    """How much each word holds the verdict up: the logit less that with the word hidden, (T,).

    A hidden word is read as an unknown one (Zeiler & Fergus 2014; Li et al. 2016); positive
    numbers spoke for a positive verdict, masked padding has 0. Costs T + 1 readings.
    """
    embedding, *_ = _layers(model)
    ids = _checked(ids)
    variants = np.tile(ids, (len(ids) + 1, 1))
    np.fill_diagonal(variants[1:], np.where(_real(embedding, ids), hidden, ids))
    whole, *others = logits(model, variants)
    return whole - np.array(others, dtype=np.float64)


def integrated_gradients(
    model: Sequential, ids: Any, hidden: int = UNKNOWN, steps: int = 64
) -> tuple[Array, float]:
    """Each word's share in the logit, (T,), by integrated gradients (Sundararajan et al. 2017).

    The embeddings x (T, D) go in a straight line from those of hidden words, x', to the review's:
    a_t = Σ_d (x_td - x'_td) ∫ ∂logit/∂x_td, the integral by the midpoint rule. Completeness: the
    shares sum to logit(x) - logit(x'); the second value returned is how far they miss it.
    """
    embedding, between, last = _layers(model)
    ids = _checked(ids)
    baseline = np.where(ids == START, START, hidden)  # a hidden review begins like any other
    x, x_0 = embedding(ids[None]), embedding(baseline[None])  # (1, T, D)
    shares = (np.arange(steps) + 0.5) / steps
    path = x_0 + shares[:, None, None].astype(x.dtype) * (x - x_0)  # (steps, T, D)
    layers = [*between, last.without_activation()]
    mask = embedding.compute_mask(ids[None])

    logits, caches = _through(layers, path, mask)
    gradient = np.ones_like(logits)  # of each logit by itself
    for layer, cache in zip(reversed(layers), reversed(caches), strict=True):
        gradient, _ = layer.backward(gradient, cache)
    slope = gradient.mean(axis=0, dtype=np.float64)
    attributions = np.einsum("td,td->t", x[0] - x_0[0], slope)
    end, start = (_through(layers, rows, mask)[0][0, 0] for rows in (x, x_0))
    return attributions, float(attributions.sum() - (end - start))


def _through(layers: Sequence[Layer], x: Array, mask: Any) -> tuple[Array, list[Any]]:
    """The output of layers in a row, all examples masked alike, and their caches."""
    y, caches = x, list[Any]()
    of_all = None if mask is None else np.repeat(mask, len(x), axis=0)
    for layer in layers:
        after = layer.compute_mask(y, of_all)
        y, cache = layer.forward(y, of_all)
        of_all = after
        caches.append(cache)
    return y, caches


def deletion_curve(
    model: Sequential, ids: Any, importance: Array, counts: Sequence[int]
) -> list[float]:
    """How sure of its first verdict a model stays when the words said to matter are deleted.

    importance: (T,), positive for words that speak for a positive verdict. For each of counts, the
    probability of the verdict on the whole review, after as many words were taken out, those that
    spoke most for that verdict first. An explanation that is faithful makes it fall faster than
    words picked at random do (Samek et al. 2017). The start token and masked padding stay; 0
    deletes nothing.
    """
    embedding, *_ = _layers(model)
    ids = _checked(ids)
    whole = logits(model, ids[None])[0]
    side = 1.0 if whole > 0 else -1.0
    words = np.flatnonzero((ids != START) & _real(embedding, ids))
    order = words[np.argsort(-side * np.asarray(importance)[words], kind="stable")]
    left = [np.delete(ids, order[:count]) for count in counts]
    return sigmoid(side * logits(model, left).astype(np.float64)).tolist()
