"""Layers, masks, arrays and comparisons that several test files take, and layers in a row."""

from typing import Any

import numpy as np

from unrolled.layers import GRU, LSTM, Bidirectional, SimpleRNN

DIFFERENCES = 1e-7  # allowed to central differences
SAME = 1e-12  # the same numbers in another order of additions
CELLS: dict[str, Any] = {
    "rnn": (SimpleRNN, {}),
    "lstm": (LSTM, {}),
    "gru after": (GRU, {"reset_after": True}),
    "gru before": (GRU, {"reset_after": False}),
}
MASKS = ["none", "before", "after", "inside", "row"]


def make(kind, units, D, dtype="float64", seed=0, wrap=None, **options):
    """A layer with random weights, biases included."""
    cls, own = CELLS[kind]
    layer = cls(units, **own, **options)
    layer = Bidirectional(layer, wrap) if wrap else layer
    layer.build((None, None, D), dtype)
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(0, 0.7, w.shape) for w in layer.get_weights()])
    return layer


def built(layer, *shape, dtype="float32"):
    """The layer, built for this shape."""
    layer.build(shape, dtype)
    return layer


def shape_for(layer, B=None, T=None, D=4):
    """The shape of what the layer takes: ids (B, T), or features (B, T, D)."""
    return (B, T) if layer.axes == "(B, T)" else (B, T, D)


def assert_equal(ours, theirs):
    """The same arrays, one after the other, to the last bit."""
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(our, their)


def state_names(kind):
    return "hc" if kind == "lstm" else "h"


def mask_for(kind, B, T, seed=0):
    """True where a step is real. "row": the last row has no real step, the others all."""
    rng, mask = np.random.default_rng(seed), np.ones((B, T), bool)
    for row in mask:
        k = rng.integers(0, T)
        if kind == "before":
            row[:k] = False
        if kind == "after":
            row[T - k :] = False
        if kind == "inside":
            row[rng.random(T) < 0.5] = False
    if kind == "row":
        mask[-1] = False
    return None if kind == "none" else mask


def normal(*shape, seed=5, dtype="float64"):
    return np.random.default_rng(seed).normal(0, 1, shape).astype(dtype)


def step(layer, x, mask=None, dy=None, **options):
    """What a training step gives, one array after the other: y, dx, gradients."""
    y, cache = layer.forward(x, mask, training=True, **options)
    dx, gradients = layer.backward(np.ones_like(y) if dy is None else dy, cache)
    return [y, *([] if dx is None else [dx]), *gradients]


class Stack:
    """Layers in a row, as one; masks travel by compute_mask."""

    def __init__(self, *rows):
        self.rows = rows

    def __call__(self, x, mask=None, training=False):
        return self.forward(x, mask, training)[0]

    def forward(self, x, mask=None, training=False):
        y, caches = x, []
        for layer in self.rows:
            after = layer.compute_mask(y, mask)
            y, cache = layer.forward(y, mask, training)
            caches.append(cache)
            mask = after
        return y, caches

    def backward(self, dy, caches):
        found = []
        for layer, cache in zip(reversed(self.rows), reversed(caches), strict=True):
            dy, gradients = layer.backward(dy, cache)
            found = gradients + found
        return dy, found

    def get_weights(self):
        return [w for layer in self.rows for w in layer.get_weights()]

    def set_weights(self, weights):
        weights = iter(weights)
        for layer in self.rows:
            layer.set_weights([next(weights) for _ in layer.get_weights()])

    def build(self, shape):
        """Builds each layer by letting an input of this shape through."""
        x = np.zeros(shape, int if self.rows[0].axes == "(B, T)" else float)
        self(x)
