"""The layers, held six ways.

1. Gradients against central differences: a grid of shapes, masks and options, and random ones.
2. The step functions of `cells`, one example and one step at a time: whole sequences, forward
   and back, agree to 1e-12, with masks, truncation and the gradients of every step.
3. Keras, with the same weights: outputs, gradients, masks, initial weights, output shapes.
4. Values worked out by hand: embedding, dropout, pooling.
5. Threads, memory, what is not computed and what stays untouched.
6. What does not fit is refused, in words.
"""

import contextlib
import itertools
import os
import re
import subprocess
import sys
import tracemalloc
import warnings
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from unrolled import cells, initializers, layers, set_random_seed, threads
from unrolled.activations import sigmoid
from unrolled.gradcheck import (
    check_gradients,
    check_layer,
    numerical_gradient,
    relative_error,
)
from unrolled.layers import (
    GRU,
    LSTM,
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    GlobalAveragePooling1D,
    GlobalMaxPooling1D,
    SimpleRNN,
)

DIFFERENCES = 1e-7  # central differences
SAME = 1e-12  # the same numbers in another order of additions
CELLS = {
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


# 1. Gradients against central differences


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("shape", [(1, 1, 2, 3), (3, 4, 2, 1), (2, 5, 1, 3)], ids=str)
@pytest.mark.parametrize("kind", CELLS)
def test_gradients(kind, shape, mask):
    B, T, D, H = shape
    x, mask = normal(B, T, D), mask_for(mask, B, T)
    for sequences, state, backwards in itertools.product([False, True], repeat=3):
        options = dict(return_sequences=sequences, return_state=state, go_backwards=backwards)
        result = check_layer(make(kind, H, D, **options), x, mask)
        assert result.error < DIFFERENCES, (options, result)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("wrap", [None, "concat", "sum"])
@pytest.mark.parametrize("kind", CELLS)
def test_gradients_of_the_initial_state(kind, wrap, mask):
    B, T, D, H = 3, 4, 2, 3
    x, mask = normal(B, T, D), mask_for(mask, B, T)
    layer = make(kind, H, D, wrap=wrap, return_sequences=True, return_state=True)
    states = (2 if kind == "lstm" else 1) * (2 if wrap else 1)
    initial = {f"state{k}": normal(B, H, seed=k) for k in range(states)}
    y, *final = layer.forward(x, mask, initial_state=list(initial.values()))
    dys = [normal(*a.shape, seed=20 + k) for k, a in enumerate([y, *final])]

    def f(**initial):
        outputs = layer.forward(x, mask, initial_state=list(initial.values()))
        return sum(map(np.vdot, dys, outputs))

    layer.backward(dys[0], dstate=dys[1:])
    halves = layer.halves if wrap else [layer]
    gradients = [d for half in halves for d in half.initial_state_gradients]
    result = check_gradients(f, initial, dict(zip(initial, gradients, strict=True)))
    assert result.error < DIFFERENCES, result
    result = check_layer(layer, x, mask, initial_state=list(initial.values()))
    assert result.error < DIFFERENCES, result


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("wrap", ["concat", "sum"])
@pytest.mark.parametrize("kind", CELLS)
def test_gradients_of_bidirectional(kind, wrap, mask):
    B, T, D, H = 2, 4, 3, 2
    for sequences, state in itertools.product([False, True], repeat=2):
        options = dict(return_sequences=sequences, return_state=state)
        layer = make(kind, H, D, wrap=wrap, **options)
        result = check_layer(layer, normal(B, T, D), mask_for(mask, B, T))
        assert result.error < DIFFERENCES, (options, result)


class Stack:
    """Layers in a row, as one, for the gradient check; masks travel by compute_mask."""

    def __init__(self, *rows):
        self.rows = rows

    def forward(self, x, mask=None, training=False):
        for layer in self.rows:
            x, mask = layer.forward(x, mask, training), layer.compute_mask(x, mask)
        return x

    def backward(self, dy):
        for layer in reversed(self.rows):
            dy = layer.backward(dy)
        return dy

    @property
    def gradients(self):
        return [d for layer in self.rows for d in layer.gradients]

    def get_weights(self):
        return [w for layer in self.rows for w in layer.get_weights()]

    def set_weights(self, weights):
        weights = iter(weights)
        for layer in self.rows:
            layer.set_weights([next(weights) for _ in layer.get_weights()])


@pytest.mark.parametrize("mask", [None, np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0], [0, 0, 0]])])
@pytest.mark.parametrize("pooling", [GlobalMaxPooling1D, GlobalAveragePooling1D])
def test_gradients_of_a_stack(pooling, mask):
    stack = Stack(
        make("lstm", 3, 2, return_sequences=True),
        Dropout(0.4),
        Dense(2, "tanh"),
        make("gru after", 3, 2, wrap="concat", return_sequences=True),
        pooling(),
        Dense(2, "sigmoid"),
        Dense(1),
    )
    stack.rows[2].build((4, 3, 3), "float64")
    stack.rows[4].build((4, 3, 6), "float64")
    stack.rows[1].build((4, 3, 3), "float64")
    stack.rows[5].build((4, 6), "float64")
    stack.rows[6].build((4, 2), "float64")
    for training in (False, True):
        result = check_layer(stack, normal(4, 3, 2), mask, training=training)
        assert result.error < DIFFERENCES, result


@pytest.mark.parametrize("mask_zero", [False, True])
def test_gradients_of_embedding(mask_zero):
    ids = np.array([[0, 3, 3, 1], [3, 0, 4, 0], [0, 0, 0, 0]])
    stack = Stack(
        Embedding(6, 2, mask_zero),
        make("rnn", 3, 2, return_sequences=True),
        GlobalAveragePooling1D(),
    )
    stack.rows[0].build((3, 4), "float64")
    stack.rows[2].build((3, 4, 3), "float64")
    result = check_layer(stack, ids)
    assert result.error < DIFFERENCES, result
    table = stack.gradients[0]
    assert not table[[2, 5]].any()  # words that did not occur
    assert table[[1, 3, 4]].all()
    assert table[0].any() != mask_zero


@settings(derandomize=True, max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(list(CELLS)),
    wrap=st.sampled_from([None, "concat", "sum"]),
    B=st.integers(1, 10),
    T=st.integers(1, 5),
    D=st.integers(1, 3),
    H=st.integers(1, 3),
    flags=st.tuples(st.booleans(), st.booleans()),
    seed=st.integers(0, 999),
)
def test_gradients_of_random_shapes(kind, wrap, B, T, D, H, flags, seed):
    options = dict(zip(["return_sequences", "return_state"], flags, strict=True))
    layer = make(kind, H, D, seed=seed, wrap=wrap, **options)
    result = check_layer(layer, normal(B, T, D, seed=seed), mask_for("inside", B, T, seed))
    sizes = [np.linalg.norm(gradient) for gradient in layer.gradients]
    assume(all(size == 0 or size > 1e-3 for size in sizes))  # smaller ones drown in rounding
    assert result.error < DIFFERENCES, result


# 2. The step functions


def unrolled(layer, kind, x, mask, initial, dy, dstate, truncate=None):
    """The layer's forward and backward, done with the step functions of `cells`.

    One example and one step at a time, in the order in which the layer reads. dy (B, T, H) is the
    gradient of the state after each step. Returns by name what the layer should give.
    """
    B, T, D = x.shape
    weights = dict(zip(["kernel", "recurrent_kernel", "bias"], layer.get_weights(), strict=True))
    n, H = len(initial), layer.units
    found = {"y": np.zeros((B, T, H)), "dx": np.zeros((B, T, D))}
    found |= {name: np.zeros_like(w) for name, w in weights.items()}
    for k in range(n):
        found |= {f"state{k}": np.zeros((B, H)), f"dinitial{k}": np.zeros((B, H))}
        found[f"dstate{k}"] = np.zeros((B, T, H))
        found[f"states{k}"] = np.zeros((B, T, H))
    traces = {}
    for b in range(B):
        states, caches = [s[b : b + 1] for s in initial], []
        for t in range(T):
            caches.append(None)
            if mask[b, t]:
                x_t = x[b : b + 1, t]
                if kind == "rnn":
                    *states, caches[t] = cells.rnn_step(x_t, *states, **weights)
                elif kind == "lstm":
                    *states, caches[t] = cells.lstm_step(x_t, *states, **weights)
                else:
                    after = kind == "gru after"
                    *states, caches[t] = cells.gru_step(x_t, *states, **weights, reset_after=after)
            for k in range(n):
                found[f"states{k}"][b, t] = states[k][0]
            for gate in "ifgozr":
                value = getattr(caches[t], gate, np.nan)
                traces.setdefault(gate, np.zeros((B, T, H)))[b, t] = np.reshape(value, -1)
            if mask[b, : t + 1].any():
                found["y"][b, t] = states[0][0]
        backward = {"rnn": cells.rnn_step_backward, "lstm": cells.lstm_step_backward}
        backward = backward.get(kind, cells.gru_step_backward)
        d = [s[b : b + 1].copy() for s in dstate]
        for k in range(n):
            found[f"state{k}"][b] = states[k][0]
        for t in reversed(range(T)):
            if mask[b, : t + 1].any():
                d[0] = d[0] + dy[b, t]
            for k in range(n):
                found[f"dstate{k}"][b, t] = d[k][0]
            if caches[t] and kind == "lstm":  # c_t also acts through h_t
                o, tanh_c = caches[t].o[0], np.tanh(caches[t].c_new[0])
                found["dstate1"][b, t] += d[0][0] * o * (1 - tanh_c**2)
            if caches[t]:
                dx, *d, dkernel, drecurrent, dbias = backward(*d, caches[t])
                found["dx"][b, t] = dx[0]
                found["kernel"] += dkernel
                found["recurrent_kernel"] += drecurrent
                found["bias"] += dbias
            if truncate and t > 0 and (T - t) % truncate == 0:
                d = [np.zeros_like(s) for s in d]
        for k in range(n):
            found[f"dinitial{k}"][b] = d[k][0]
    return found, traces


def test_step_gradients_are_the_slopes_of_the_loss():
    """∂loss/∂h_t and ∂loss/∂c_t by all paths: nudge the state of one step, run on, and look."""
    (B, T, D), H = (2, 5, 3), 2
    layer = make("lstm", H, D, return_sequences=True)
    x, dy = normal(B, T, D), normal(B, T, H, seed=6)
    layer.forward(x)
    layer.backward(dy, step_gradients=True)

    def loss(nudged, dh, dc):
        h, c, total = np.zeros((B, H)), np.zeros((B, H)), 0.0
        for t in range(T):
            h, c, cache = cells.lstm_step(x[:, t], h, c, *layer.weights)
            if t == nudged:
                c = c + dc
                h = cache.o * np.tanh(c) + dh
            total += np.vdot(dy[:, t], h)
        return total

    for t in range(T):
        slopes = {
            "h": numerical_gradient(partial(loss, t, dc=0.0), np.zeros((B, H))),
            "c": numerical_gradient(partial(loss, t, 0.0), np.zeros((B, H))),
        }
        for state, slope in slopes.items():
            found = layer.step_gradients[state][:, t]
            assert relative_error(found, slope) < DIFFERENCES, (state, t)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(("B", "T"), [(1, 1), (1, 4), (3, 17), (2, 35), (130, 2)])
@pytest.mark.parametrize("kind", CELLS)
def test_layers_equal_the_step_functions(kind, B, T, mask):
    D, H = 3, 2
    mask = mask_for(mask, B, T, seed=B)
    real = np.ones((B, T), bool) if mask is None else mask
    layer = make(kind, H, D, return_sequences=True, return_state=True)
    n = len(layer.states)
    x, dy, initial = normal(B, T, D), normal(B, T, H, seed=6), list(normal(n, B, H, seed=7))
    dstate = list(normal(n, B, H, seed=8))
    for truncate in (None, 1, 5):
        y, *final = layer.forward(x, mask, initial_state=initial)
        dx = layer.backward(dy, dstate=dstate, truncate=truncate, step_gradients=True)
        computed = {"y": y, "dx": dx} | {f"state{k}": s for k, s in enumerate(final)}
        names = ["kernel", "recurrent_kernel", "bias"]
        computed |= dict(zip(names, layer.gradients, strict=True))
        computed |= {f"dinitial{k}": d for k, d in enumerate(layer.initial_state_gradients)}
        computed |= {f"dstate{k}": layer.step_gradients[s] for k, s in enumerate(layer.states)}
        expected, _ = unrolled(layer, kind, x, real, initial, dy, dstate, truncate)
        for name, value in computed.items():
            assert value.shape == expected[name].shape, name
            assert np.abs(value - expected[name]).max() < SAME * max(B, T), (name, truncate)
    assert layer.step_gradients.keys() == set(layer.states)
    layer.forward(x, mask)
    layer.backward(dy)
    assert layer.step_gradients == {}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("kind", CELLS)
def test_go_backwards_reads_the_reversed_sequence(kind, sequences, mask):
    B, T, D, H = 3, 5, 2, 3
    x, mask = normal(B, T, D), mask_for(mask, B, T)
    back, ahead = (
        make(kind, H, D, return_sequences=sequences, go_backwards=backwards)
        for backwards in (True, False)
    )
    y = back.forward(x, mask)
    expected = ahead.forward(x[:, ::-1], None if mask is None else mask[:, ::-1])
    np.testing.assert_array_equal(y, expected)
    dy = normal(*y.shape)
    np.testing.assert_array_equal(back.backward(dy), ahead.backward(dy)[:, ::-1])
    for a, b in zip(back.gradients, ahead.gradients, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", CELLS)
def test_last_output_and_final_state(kind):
    x, mask = normal(3, 5, 2), mask_for("after", 3, 5)
    y = make(kind, 3, 2, return_sequences=True).forward(x, mask)
    last = make(kind, 3, 2).forward(x, mask)
    together = make(kind, 3, 2, return_state=True).forward(x, mask)
    assert isinstance(together, list)
    np.testing.assert_array_equal(last, y[:, -1])
    np.testing.assert_array_equal(together[0], last)
    np.testing.assert_array_equal(together[1], last)
    assert len(together) == (3 if kind == "lstm" else 2)


@pytest.mark.parametrize("k", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("kind", CELLS)
def test_truncation_is_a_chain_of_pieces(kind, k):
    """Each piece read by itself, from the state of the one before as a constant."""
    T, H = 7, 3
    x, dy = normal(2, T, 2), normal(2, T, H, seed=6)
    layer = make(kind, H, 2, return_sequences=True, return_state=True)
    starts = sorted({0, *(t for t in range(T) if (T - t) % k == 0)})
    state, dx, total = None, [], [np.zeros_like(w) for w in layer.weights]
    for start, stop in itertools.pairwise([*starts, T]):
        _, *state = layer.forward(x[:, start:stop], initial_state=state)
        dx.append(layer.backward(dy[:, start:stop]))
        total = [a + b for a, b in zip(total, layer.gradients, strict=True)]
    layer.forward(x)
    computed = layer.backward(dy, truncate=k)
    assert np.abs(computed - np.concatenate(dx, axis=1)).max() < SAME
    for a, b in zip(layer.gradients, total, strict=True):
        assert np.abs(a - b).max() < SAME
    full = layer.backward(dy)
    assert np.array_equal(full, computed) == (k >= T)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("kind", CELLS)
def test_trace(kind, mask, backwards):
    B, T, D, H = 70, 4, 2, 3
    x, mask = normal(B, T, D), mask_for(mask, B, T)
    real = np.ones((B, T), bool) if mask is None else mask
    layer = make(kind, H, D, go_backwards=backwards)
    traced = layer.trace(x, mask)
    zeros = [np.zeros((B, H)) for _ in layer.states]
    order = slice(None, None, -1 if backwards else 1)
    expected, gates = unrolled(
        layer, kind, x[:, order], real[:, order], zeros, np.zeros((B, T, H)), zeros
    )
    names = {"rnn": "", "lstm": "oifg"}.get(kind, "zrg")
    assert list(traced) == [*names, *layer.states]
    for name in names:
        np.testing.assert_allclose(traced[name], gates[name], rtol=0, atol=SAME)
        assert np.isnan(traced[name]).any() == (not real.all())
    for k, name in enumerate(layer.states):
        np.testing.assert_allclose(traced[name], expected[f"states{k}"], rtol=0, atol=SAME)
    before = {name: steps.copy() for name, steps in traced.items()}
    layer.forward(x + 1)
    for name, steps in traced.items():  # copies: a later batch leaves them alone
        np.testing.assert_array_equal(steps, before[name])


# 3. Keras


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    return keras


def compare(keras, ours, theirs, x, mask=None, initial_state=None, seed=3):
    """Outputs within 1e-6 and gradients within 1e-5 of Keras's, from its own weights."""
    import tensorflow as tf

    theirs.build(x.shape)
    ours.build(x.shape)
    assert [w.shape for w in ours.get_weights()] == [w.shape for w in theirs.get_weights()]
    rng = np.random.default_rng(seed)
    theirs.set_weights([w + rng.normal(0, 0.1, w.shape) for w in theirs.get_weights()])
    ours.set_weights(theirs.get_weights())
    theirs.set_weights(ours.get_weights())
    states = [tf.constant(s) for s in initial_state or []]
    ids, kwargs = x.dtype.kind in "iu", {}
    if mask is not None:
        kwargs["mask"] = tf.constant(mask)
    if initial_state:
        kwargs["initial_state"] = states
    watched = [*states] if ids else [tf.constant(x), *states]
    with tf.GradientTape() as tape:
        tape.watch(watched)
        outputs = theirs(x if ids else watched[0], **kwargs)
        outputs = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
        dys = [rng.normal(0, 1, y.shape).astype("float32") for y in outputs]
        loss = sum(tf.reduce_sum(y * dy) for y, dy in zip(outputs, dys, strict=True))
    variables = [v.value for v in theirs.trainable_variables]
    expected = tape.gradient(loss, [*watched, *variables])
    if initial_state:
        kwargs["initial_state"] = initial_state
    computed = ours.forward(x, **(kwargs | ({} if mask is None else {"mask": mask})))
    computed = computed if isinstance(computed, list) else [computed]
    for a, b in zip(computed, outputs, strict=True):
        assert a.dtype == np.float32
        assert a.shape == b.shape
        assert np.abs(a - b.numpy()).max() < 1e-6
    gradients = [ours.backward(dys[0], dstate=dys[1:])] if len(dys) > 1 else [ours.backward(*dys)]
    gradients = [] if ids else gradients
    if initial_state:
        halves = getattr(ours, "halves", [ours])
        gradients += [d for half in halves for d in half.initial_state_gradients]
    for a, b in zip([*gradients, *ours.gradients], expected, strict=True):
        assert a.dtype == np.float32
        assert np.abs(a - tf.convert_to_tensor(b).numpy()).max() < 1e-5


MIXED = np.array([[0, 0, 0, 1, 1, 1], [1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 1, 1], [0] * 6], bool)


@pytest.mark.parametrize("wrap", [None, "concat", "sum"])
@pytest.mark.parametrize("kind", CELLS)
def test_keras_recurrent(keras, kind, wrap):
    B, T, D, H = 4, 6, 5, 3
    cls, own = CELLS[kind]
    states = (2 if kind == "lstm" else 1) * (2 if wrap else 1)
    for sequences, masked, started in itertools.product([False, True], repeat=3):
        options = dict(return_sequences=sequences, return_state=started, **own)
        if not wrap:
            options["go_backwards"] = sequences != masked
        ours, theirs = cls(H, **options), getattr(keras.layers, cls.__name__)(H, **options)
        if wrap:
            ours = Bidirectional(ours, merge_mode=wrap)
            theirs = keras.layers.Bidirectional(theirs, merge_mode=wrap)
        initial = [normal(B, H, seed=k, dtype="float32") for k in range(states)]
        mask = MIXED if masked else None
        x = normal(B, T, D, dtype="float32")
        compare(keras, ours, theirs, x, mask, initial if started else None)
        shape = theirs.compute_output_shape((B, T, D))
        assert ours.compute_output_shape((B, T, D)) == (shape[0] if started else shape)


def test_keras_dense_and_pooling(keras):
    x = normal(4, 6, 5, dtype="float32")
    for activation in (None, "sigmoid", "tanh"):
        ours, theirs = Dense(3, activation), keras.layers.Dense(3, activation=activation)
        compare(keras, ours, theirs, x)
        compare(keras, Dense(3, activation), keras.layers.Dense(3, activation), x[:, 0])
        assert ours.compute_output_shape((None, 7, 5)) == (None, 7, 3)
    ties = np.round(x)  # equal largest values share the gradient
    for name in ("GlobalMaxPooling1D", "GlobalAveragePooling1D"):
        ours, theirs = getattr(layers, name)(), getattr(keras.layers, name)()
        compare(keras, ours, theirs, ties)
        assert ours.compute_output_shape((None, 6, 5)) == (None, 5)
    compare(
        keras, GlobalAveragePooling1D(), keras.layers.GlobalAveragePooling1D(), x[:3], MIXED[:3]
    )


def test_keras_embedding(keras):
    ids = np.array([[0, 3, 3, 1], [3, 0, 4, 0]])
    compare(keras, Embedding(6, 3), keras.layers.Embedding(6, 3), ids)
    for mask_zero in (False, True):
        ours, theirs = Embedding(6, 3, mask_zero), keras.layers.Embedding(6, 3, mask_zero=mask_zero)
        mask = theirs.compute_mask(ids)
        assert (mask is None) == (not mask_zero)
        if mask_zero:
            np.testing.assert_array_equal(ours.compute_mask(ids), mask)
        else:
            assert ours.compute_mask(ids) is None


def test_keras_stack_with_masks(keras):
    """Embedding, two recurrent layers, pooling: masks travel as they do in Keras."""
    ids = np.array([[0, 0, 3, 1, 2], [5, 1, 4, 0, 0], [1, 0, 2, 0, 3]])
    options = dict(return_sequences=True)
    ours = Stack(
        Embedding(6, 4, mask_zero=True),
        Bidirectional(LSTM(3, **options)),
        GRU(2, **options),
        Dense(3, "tanh"),
        GlobalAveragePooling1D(),
        Dense(1, "sigmoid"),
    )
    k = keras.layers
    theirs = keras.Sequential(
        [
            k.Embedding(6, 4, mask_zero=True),
            k.Bidirectional(k.LSTM(3, **options)),
            k.GRU(2, **options),
            k.Dense(3, "tanh"),
            k.GlobalAveragePooling1D(),
            k.Dense(1, "sigmoid"),
        ]
    )
    ours.forward(ids)  # builds the layers
    ours.build = lambda shape: None
    compare(keras, ours, theirs, ids)


@pytest.mark.parametrize(
    ("ours", "name", "arguments"),
    [
        (LSTM(50), "LSTM", {"units": 50}),
        (LSTM(50, unit_forget_bias=False), "LSTM", {"units": 50, "unit_forget_bias": False}),
        (GRU(50), "GRU", {"units": 50}),
        (GRU(50, reset_after=False), "GRU", {"units": 50, "reset_after": False}),
        (SimpleRNN(50), "SimpleRNN", {"units": 50}),
        (Dense(50), "Dense", {"units": 50}),
        (Embedding(100, 50), "Embedding", {"input_dim": 100, "output_dim": 50}),
    ],
    ids=lambda value: str(value) if isinstance(value, layers.Layer) else "",
)
def test_initial_weights_are_drawn_as_in_keras(keras, ours, name, arguments):
    theirs = getattr(keras.layers, name)(**arguments)
    shape = (None, 7) if name == "Embedding" else (None, 7, 30)
    set_random_seed(0)
    keras.utils.set_random_seed(0)
    ours.build(shape)
    theirs.build(shape)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        if a.ndim == 1 or len(a) == 2:
            np.testing.assert_array_equal(a, b)  # biases
        else:
            assert np.abs(a).max() == pytest.approx(np.abs(b).max(), rel=0.2)
            assert a.std() == pytest.approx(b.std(), rel=0.1)
            assert abs(a.mean()) < 0.1 * a.std()


def test_mask_and_options_default_to_keras(keras):
    import inspect

    for name in ("SimpleRNN", "LSTM", "GRU", "Embedding", "Dropout", "Dense", "Bidirectional"):
        theirs = getattr(keras.layers, name)
        parameters = {}
        for cls in theirs.__mro__[::-1]:
            parameters |= inspect.signature(cls.__init__).parameters
        for argument in inspect.signature(getattr(layers, name)).parameters.values():
            assert argument.default == parameters[argument.name].default, (name, argument)


def test_one_exponential_gives_sigmoids_and_tanh(record):
    sums = np.linspace(-40, 40, 2001).reshape(-1, 69)
    layer, zeros, errors = layers.LSTM(69), np.zeros((1, 1, 1)), []
    layer.build(zeros.shape, "float64")
    for a in sums:
        layer.set_weights([np.zeros_like(w) for w in layer.weights[:2]] + [np.tile(a, 4)])
        seen = layer.trace(zeros)
        errors.append(np.abs(seen["g"] - np.tanh(a)).max())
        for gate in "ifo":
            assert np.abs(seen[gate] - sigmoid(a)).max() < 1e-15
    record("eq-sigmoid-tanh", max(errors), 1e-15)


# 4. Values worked out by hand


def test_glorot_uniform(record):
    set_random_seed(1)
    weights = initializers.glorot_uniform(400, 200)
    limit = (6 / 600) ** 0.5
    record("eq-glorot", abs(np.abs(weights).max() - limit), 1e-5)
    assert np.abs(weights).max() <= limit
    assert weights.shape == (400, 200)
    assert weights.var() == pytest.approx(limit**2 / 3, rel=0.02)


def test_orthogonal():
    set_random_seed(2)
    for shape in [(5, 5), (3, 7), (7, 3)]:
        q = initializers.orthogonal(*shape)
        assert q.shape == shape
        small = q @ q.T if shape[0] < shape[1] else q.T @ q
        np.testing.assert_allclose(small, np.eye(min(shape)), atol=1e-12)
    corners = np.array([initializers.orthogonal(4, 4)[[0, 3], [0, 3]] for _ in range(300)])
    assert abs((corners > 0).mean() - 0.5) < 0.07  # both signs alike


def test_unit_forget_bias():
    layer = LSTM(2)
    layer.build((None, None, 3))
    np.testing.assert_array_equal(layer.get_weights()[2], [0, 0, 1, 1, 0, 0, 0, 0])


def test_weights_follow_the_seed():
    def drawn(seed):
        set_random_seed(seed)
        layer = make_stack()
        return layer.get_weights()

    def make_stack():
        stack = Stack(Embedding(5, 4), LSTM(3), Dense(2))
        stack.forward(np.array([[1, 2]]))
        return stack

    first, again, other = drawn(3), drawn(3), drawn(4)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(first[k], other[k]) for k in (0, 1, 2, 4))


def test_embedding_by_hand():
    layer = Embedding(4, 2)
    layer.build((None, None))
    layer.set_weights([np.array([[0, 1], [2, 3], [4, 5], [6, 7]])])
    y = layer.forward([[3, 0], [1, 1]])
    np.testing.assert_array_equal(y, [[[6, 7], [0, 1]], [[2, 3], [2, 3]]])
    assert layer.backward([[[1, 2], [3, 4]], [[5, 6], [7, 9]]]) is None
    np.testing.assert_array_equal(layer.gradients[0], [[3, 4], [12, 15], [0, 0], [1, 2]])
    assert layer.gradients[0].dtype == np.float32
    assert layer.compute_output_shape((None, 7)) == (None, 7, 2)
    np.testing.assert_array_equal(
        Embedding(4, 2, mask_zero=True).compute_mask([[3, 0]]), [[True, False]]
    )


def test_dropout(record):
    set_random_seed(5)
    layer, x = Dropout(0.2), normal(50, 40, 30, dtype="float32") + 9
    assert layer.forward(x) is x
    np.testing.assert_array_equal(layer.backward(x), x)
    y = layer.forward(x, training=True)
    kept = y != 0
    error = np.abs(y[kept] - x[kept] / 0.8).max()
    record("eq-dropout", error, 1e-5)
    assert y.dtype == np.float32
    assert abs(kept.mean() - 0.8) < 0.01
    for axis in range(3):  # every row, step and feature alike
        other = tuple(k for k in range(3) if k != axis)
        assert np.abs(kept.mean(axis=other) - 0.8).max() < 0.06
    dx = layer.backward(np.ones_like(x))
    np.testing.assert_allclose(dx, kept / np.float32(0.8), rtol=1e-6)
    assert not np.array_equal(layer.forward(x, training=True), y)
    set_random_seed(5)
    np.testing.assert_array_equal(layer.forward(x, training=True), y)
    assert Dropout(0).forward(x, training=True) is x
    assert Dropout(0.5).forward(x[:1, :1, :3], training=True).shape == (1, 1, 3)
    mask = np.ones((50, 40), bool)
    assert layer.compute_mask(x, mask) is mask
    assert layer.compute_output_shape((None, 4, 5)) == (None, 4, 5)


def test_dropout_drops_exactly_its_rate():
    set_random_seed(6)
    for rate in (0.01, 0.5, 0.99):
        kept = Dropout(rate).forward(np.ones((1000, 1000)), training=True) != 0
        assert abs(kept.mean() - (1 - rate)) < 5 * (rate * (1 - rate)) ** 0.5 / 1000


def test_dropout_keeps_its_rate_to_the_last_bit(monkeypatch):
    every = np.arange(65536 + 4).astype(np.uint16)  # all 16-bit numbers, and the spare ones drawn
    drawn = SimpleNamespace(integers=lambda *size, dtype: every.view(dtype))
    monkeypatch.setattr(layers, "generator", lambda: drawn)
    kept = Dropout(0.99).forward(np.ones(65536), training=True) != 0
    assert kept.sum() == 65536 - round(0.99 * 65536)


def test_dropout_keeps_the_order_in_memory():
    x = np.ones((4, 6, 8), "float32").transpose(1, 0, 2)
    y = Dropout(0.5).forward(x, training=True)
    assert y.strides == x.strides


def test_pooling_by_hand():
    x = np.array([[[1, 5], [4, 2], [3, 3]], [[9, 8], [-7, -6], [-5, -9]], [[1, 1]] * 3], float)
    mask = np.array([[1, 1, 1], [0, 1, 1], [0, 0, 0]])
    y = GlobalMaxPooling1D().forward(x, mask)
    np.testing.assert_array_equal(y, [[4, 5], [-5, -6], [0, 0]])
    y = GlobalAveragePooling1D().forward(x, mask)
    np.testing.assert_allclose(y, [[8 / 3, 10 / 3], [-6, -7.5], [0, 0]], rtol=1e-6)
    layer = GlobalMaxPooling1D()
    layer.forward(np.array([[[2.0], [7.0], [7.0], [7.0]]]), [[1, 1, 0, 1]])
    np.testing.assert_array_equal(layer.backward([[6.0]]), [[[0], [3], [0], [3]]])
    assert layer.compute_mask(x, mask) is None
    for pooling in (GlobalMaxPooling1D(), GlobalAveragePooling1D()):
        with np.errstate(all="raise"):
            pooling.forward(x, mask)
            dx = pooling.backward(np.ones((3, 2)))
        np.testing.assert_allclose(dx.sum(axis=1), [[1, 1], [1, 1], [0, 0]], rtol=1e-6)
        assert not dx[mask == 0].any()


def test_dense_by_hand(record):
    layer = Dense(2)
    layer.build((None, 3), "float64")
    layer.set_weights([[[1, 2], [3, 4], [5, 6]], [10, 20]])
    y = layer.forward([[1, 0, 2], [0, 1, -1]])
    expected = [[1 + 10 + 10, 2 + 12 + 20], [3 - 5 + 10, 4 - 6 + 20]]
    record("eq-rnn-output", np.abs(y - expected).max(), 0)
    np.testing.assert_array_equal(layer.backward([[1, 0], [0, 2]]), [[1, 3, 5], [4, 8, 12]])
    np.testing.assert_array_equal(layer.gradients[0], [[1, 0], [0, 2], [2, -2]])
    np.testing.assert_array_equal(layer.gradients[1], [1, 2])
    assert layer.compute_output_shape((None, 7, 3)) == (None, 7, 2)


# 5. Threads, memory, what is not computed and what stays untouched


@pytest.fixture
def restore_threads():
    before = threads._threads
    yield
    threads.set_threads(before)


def steps(layer, x, mask, dy):
    """Everything a step gives, as bytes."""
    y = layer.forward(x, mask, training=True)
    dx = layer.backward(dy)
    return [a.tobytes() for a in (y, dx, *layer.gradients)]


@pytest.mark.parametrize("kind", CELLS)
def test_any_number_of_threads_gives_the_same_bits(kind, restore_threads):
    x = normal(150, 9, 5, dtype="float32")
    dy = normal(150, 9, 7, dtype="float32")
    layer = make(kind, 7, 5, "float32", return_sequences=True)
    results = []
    for n in (1, 2, 3, 1):
        threads.set_threads(n)
        results.append(steps(layer, x, mask_for("before", 150, 9), dy))
    assert results[0] == results[1] == results[2] == results[3]


def test_blas_threads_do_not_matter_either():
    from threadpoolctl import threadpool_limits

    x, dy = normal(256, 300, dtype="float32"), normal(256, 200, dtype="float32")
    layer, results = Dense(200), []
    for n in (1, 2):
        with threadpool_limits(n):
            results.append(steps(layer, x, None, dy))
    assert results[0] == results[1]


def test_products_of_dense_ask_for_one_blas_thread(monkeypatch):
    asked = []

    def limit(limits):
        asked.append(limits)
        return contextlib.nullcontext()

    monkeypatch.setattr(layers, "one_blas_thread", lambda: SimpleNamespace(limit=limit))
    layer = Dense(2)
    layer.backward(layer.forward(normal(3, 4)))
    assert asked == [1, 1]


def test_work_is_spread_over_threads(restore_threads):
    import threading

    for batch, expected in [
        (1, [(0, 1)]),
        (8, [(0, 8)]),
        (9, [(0, 8), (8, 9)]),
        (16, [(0, 8), (8, 16)]),
        (101, [(0, 51), (51, 101)]),
        (128, [(0, 64), (64, 128)]),
        (130, [(0, 64), (64, 128), (128, 130)]),
    ]:
        threads.set_threads(2)
        barrier = threading.Barrier(min(2, len(expected)))

        def work(k, rows, barrier=barrier):
            if k < barrier.parties:
                barrier.wait(timeout=20)  # both at once, or never
            return k, (rows.start, rows.stop)

        assert threads.in_chunks(work, batch) == list(enumerate(expected))
    threads.set_threads(1)
    names = threads.in_chunks(lambda k, rows: threading.current_thread().name, 128)
    assert names == [threading.current_thread().name] * 2


def test_threads_by_environment_variable():
    code = "from unrolled import threads; print(threads._threads)"
    for value, expected in [("3", 3), ("", os.cpu_count())]:
        environment = os.environ | {"UNROLLED_THREADS": value}
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
        assert int(run.stdout) == expected
    for wrong in (0, -1, 1.5, "2"):
        with pytest.raises(ValueError, match=r"n: expected a positive whole number"):
            threads.set_threads(wrong)


def test_an_error_in_a_thread_arrives():
    layer = make("lstm", 3, 2)
    layer._step = None
    with pytest.raises(TypeError):
        layer.forward(normal(128, 3, 2))


def test_later_batches_leave_earlier_results_alone():
    layer = make("lstm", 3, 2, return_sequences=True, return_state=True)
    x, dy = normal(20, 6, 2), normal(20, 6, 3)

    def results():
        y = layer.forward(x)
        dx = layer.backward(dy, step_gradients=True)
        gradients = layer.gradients + layer.initial_state_gradients
        return [*y, dx, *gradients, *layer.step_gradients.values()]

    first = results()
    copies = [a.copy() for a in first]
    layer.forward(x + 1)
    layer.backward(dy - 1)
    for a, b in zip(first, copies, strict=True):
        np.testing.assert_array_equal(a, b)


def test_backward_can_be_called_again():
    layer = make("gru before", 3, 2, return_sequences=True)
    y = layer.forward(normal(20, 20, 2), mask_for("inside", 20, 20))
    dy = normal(*y.shape)
    first = layer.backward(dy)
    np.testing.assert_array_equal(layer.backward(dy), first)


def test_other_batch_sizes_and_lengths_in_between():
    layer, fresh = make("gru before", 3, 2), make("gru before", 3, 2)
    x = normal(20, 20, 2)
    expected = fresh.forward(x)
    gradient = fresh.backward(np.ones_like(expected))
    for B, T in [(20, 20), (3, 40), (70, 2), (5, 3), (4, 4), (20, 20)]:
        y = layer.forward(normal(B, T, 2))
        layer.backward(np.ones_like(y))
    np.testing.assert_array_equal(layer.forward(x), expected)
    np.testing.assert_array_equal(layer.backward(np.ones_like(expected)), gradient)


def test_a_step_is_one_product_without_spare_rows_or_columns():
    D, H = 2, 3
    shapes = {kind: make(kind, H, D)._matrix().shape for kind in CELLS}
    assert shapes == {
        "rnn": (H + D + 1, 1, H),
        "lstm": (H + D + 1, 4, H),
        "gru after": (H + D + 1, 4, H),  # the candidate's two sums apart
        "gru before": (H + D + 1 + H, 3, H),  # and room for r ⊙ h
    }


def test_the_views_of_each_step_are_made_once():
    layer = make("lstm", 3, 2)
    layer.forward(normal(5, 4, 2))
    workspace = layer._spaces[0]
    layer.forward(normal(5, 4, 2, seed=6))
    assert layer._spaces[0] is workspace
    layer.forward(normal(5, 3, 2))
    assert layer._spaces[0] is not workspace


def test_memory_is_what_a_step_needs_and_does_not_grow():
    B, T, D, H = 128, 60, 40, 40
    x = normal(B, T, D, dtype="float32")
    layer = make("lstm", H, D, "float32", return_sequences=True)
    need = 4 * T * B * H * (4 + 2) * 2  # gates, states, and the gradients of both

    def step(T):
        y = layer.forward(x[:, :T])
        layer.backward(y)

    tracemalloc.start()
    step(T)
    _, first = tracemalloc.get_traced_memory()
    kept = sum(a.nbytes for a in layer._buffers.values())
    for shorter in (T, T - 7, T, 5, T):
        step(shorter)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept == sum(a.nbytes for a in layer._buffers.values())
    assert first < 1.2 * need
    assert most < 1.05 * first


@pytest.mark.parametrize("backwards", [False, True])
def test_padding_around_a_chunk_is_not_computed(monkeypatch, backwards):
    layer = make("lstm", 3, 2, return_sequences=True, go_backwards=backwards)
    mask = np.zeros((4, 10), bool)
    mask[0, 3:7] = mask[1, 4:5] = mask[2, 4] = mask[2, 6] = True
    computed = {"forward": [], "backward": []}
    step, step_backward = LSTM._step, LSTM._step_backward
    monkeypatch.setattr(LSTM, "_step", lambda *a: computed["forward"].append(a[1]) or step(*a))
    monkeypatch.setattr(
        LSTM, "_step_backward", lambda *a: computed["backward"].append(a[1]) or step_backward(*a)
    )
    y = layer.forward(normal(4, 10, 2), mask)
    layer.backward(y)
    (workspace,) = layer._spaces.values()
    assert list(map(id, computed["forward"])) == list(map(id, workspace.steps[3:7]))
    assert list(map(id, computed["backward"])) == list(map(id, workspace.steps[6:2:-1]))
    layer.forward(normal(4, 10, 2), np.zeros((4, 10), bool))
    dx = layer.backward(y)
    assert len(computed["forward"]) == len(computed["backward"]) == 4
    assert not dx.any()
    assert not any(d.any() for d in layer.gradients)


@pytest.mark.parametrize("kind", CELLS)
def test_masked_steps_are_never_looked_at(kind):
    """Whatever stands there, infinities included, neither result nor gradient changes."""
    x, mask = normal(3, 6, 2), mask_for("inside", 3, 6)
    layer = make(kind, 3, 2, return_sequences=True)
    results = []
    for value in (0, 1e30):
        x[~mask] = value
        y = layer.forward(x, mask)
        results.append([y, layer.backward(np.ones_like(y)), *layer.gradients])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", CELLS)
def test_saturated_gates_are_exact_and_silent(kind, dtype):
    layer = make(kind, 3, 2, dtype, return_sequences=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = layer.forward(1e4 * normal(20, 6, 2, dtype=dtype))
        dx = layer.backward(np.ones_like(y))
    assert np.isfinite(y).all()
    assert np.abs(y).max() <= 6
    assert np.isfinite(dx).all()


def test_get_weights_copies_and_set_weights_keeps_the_arrays():
    layer = make("lstm", 3, 2)
    arrays, copies = list(layer.weights), layer.get_weights()
    copies[0][:] = 7
    assert not np.any(layer.get_weights()[0] == 7)
    layer.set_weights(copies)
    assert all(a is b for a, b in zip(arrays, layer.weights, strict=True))
    np.testing.assert_array_equal(layer.get_weights()[0], copies[0])
    layer.weights[0][:] = 8  # in place, as an optimizer does
    y = layer.forward(normal(1, 2, 2))
    assert not np.array_equal(y, make("lstm", 3, 2).forward(normal(1, 2, 2)))


def test_bidirectional_trains_the_weights_of_its_halves():
    layer = make("gru after", 3, 2, wrap="concat")
    for mine, its in zip(
        layer.weights, layer.forward_layer.weights + layer.backward_layer.weights, strict=True
    ):
        assert mine is its
    assert layer.halves == (layer.forward_layer, layer.backward_layer)
    assert layer.layer not in layer.halves
    assert [half.go_backwards for half in layer.halves] == [False, True]


def test_configuration_makes_the_layer_again():
    for layer in [
        SimpleRNN(3, return_sequences=True),
        LSTM(3, go_backwards=True, unit_forget_bias=False),
        GRU(3, return_state=True, reset_after=False),
        Bidirectional(LSTM(3), "sum"),
        Embedding(5, 3, True),
        Dropout(0.3),
        GlobalMaxPooling1D(),
        GlobalAveragePooling1D(),
        Dense(3, "tanh"),
    ]:
        again = type(layer)(**layer.get_config())
        assert repr(again) == repr(layer)
        assert again.get_config() == layer.get_config()
        assert (again.built, again.dtype, again.weights) == (False, "float32", [])
    assert LSTM(3).get_config() == {
        "units": 3,
        "return_sequences": False,
        "return_state": False,
        "go_backwards": False,
        "unit_forget_bias": True,
    }


@pytest.mark.parametrize("cls", [SimpleRNN, LSTM, GRU])
def test_options_of_recurrent_layers_are_given_by_name(cls):
    with pytest.raises(TypeError, match="positional"):
        cls(3, True)


def test_masks_for_the_next_layer():
    x, mask = normal(2, 3, 2), np.ones((2, 3), bool)
    for layer in (LSTM(3), Bidirectional(LSTM(3))):
        assert layer.compute_mask(x, mask) is None
    for layer in (
        LSTM(3, return_sequences=True),
        Bidirectional(LSTM(3, return_sequences=True)),
        Dense(3),
    ):
        assert layer.compute_mask(x, mask) is mask
        assert layer.compute_mask(x) is None


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("merge_mode", ["concat", "sum"])
def test_bidirectional_is_a_layer_each_way(merge_mode, sequences):
    x = normal(3, 5, 2)
    layer = make("lstm", 4, 2, wrap=merge_mode, return_sequences=sequences)
    ahead, back = (half.forward(x) for half in layer.halves)
    back = back[:, ::-1] if sequences else back
    expected = np.concatenate([ahead, back], axis=-1) if merge_mode == "concat" else ahead + back
    np.testing.assert_array_equal(layer.forward(x), expected)
    assert layer.compute_output_shape((3, 5, 2)) == expected.shape


@pytest.mark.parametrize(
    "layer",
    [
        *[LSTM(3), GRU(3), SimpleRNN(3), Bidirectional(LSTM(3)), Dense(3), Dropout(0.5)],
        *[GlobalMaxPooling1D(), GlobalAveragePooling1D()],
    ],
    ids=lambda layer: type(layer).__name__,
)
@pytest.mark.parametrize("came", ["float64", "int64", "bool"])
def test_whatever_number_comes_goes_on_in_the_dtype_of_the_layer(layer, came):
    x = (normal(2, 4, 3) > 0).astype(came)
    layer.build((2, 4, 3), "float32")
    y = layer.forward(x, training=True)
    assert y.dtype == np.float32
    assert layer.backward(np.ones(y.shape)).dtype == np.float32
    assert {d.dtype for d in layer.gradients} <= {np.dtype("float32")}


def test_a_layer_builds_itself_for_its_first_batch():
    layer = LSTM(3)
    assert not layer.built
    layer.forward(normal(2, 4, 5))
    assert layer.built
    assert [w.shape for w in layer.weights] == [(5, 12), (3, 12), (12,)]
    assert {w.dtype for w in layer.weights} == {np.dtype("float32")}
    layer.build((None, None, 6), "float64")
    assert layer.weights[0].shape == (6, 12)
    assert layer.forward(normal(2, 4, 6)).dtype == np.float64
    assert layer.forward(np.ones((2, 4, 6), int)).dtype == np.float64


# 6. What does not fit is refused, in words


def built(layer, *shape):
    layer.build(shape)
    return layer


def after_forward(layer, x):
    layer.forward(x)
    return layer


X = normal(2, 4, 3)
IDS = np.array([[1, 2], [3, 0]])
REFUSED = {
    "LSTM: units: expected a positive whole number, came 0": lambda: LSTM(0),
    "GRU: units: expected a positive whole number, came 2.5": lambda: GRU(2.5),
    "Dense: units: expected a positive whole number, came True": lambda: Dense(True),
    "Embedding: input_dim: expected a positive whole number, came -1": lambda: Embedding(-1, 3),
    "Embedding: output_dim: expected a positive whole number, came '3'": lambda: Embedding(5, "3"),
    "Embedding: mask_zero: expected True or False, came 1": lambda: Embedding(5, 3, 1),
    "LSTM: return_sequences: expected True or False, came 'tanh'": lambda: LSTM(
        3, return_sequences="tanh"
    ),
    "Dropout: rate: expected a number from 0 to below 1, came 1": lambda: Dropout(1),
    "Dropout: rate: expected a number from 0 to below 1, came -0.1": lambda: Dropout(-0.1),
    "Dropout: rate: expected a number from 0 to below 1, came None": lambda: Dropout(None),
    "Dense: activation: expected one of [None, 'sigmoid', 'tanh'], came 'relu'": lambda: Dense(
        1, "relu"
    ),
    "Bidirectional: merge_mode: expected 'concat' or 'sum', came 'mul'": lambda: Bidirectional(
        LSTM(3), "mul"
    ),
    "Bidirectional: layer: expected SimpleRNN, LSTM or GRU without go_backwards, came Dense": (
        lambda: Bidirectional(Dense(3))
    ),
    "Bidirectional: layer: expected SimpleRNN, LSTM or GRU without go_backwards, came LSTM": (
        lambda: Bidirectional(LSTM(3, go_backwards=True))
    ),
    "LSTM: x: expected axes (B, T, D), none empty, came (4, 3)": lambda: LSTM(3).forward(X[0]),
    "LSTM: x: expected axes (B, T, D), none empty, came (0, 4, 3)": lambda: LSTM(3).forward(X[:0]),
    "LSTM: x: expected axes (B, T, D), none empty, came (2, 0, 3)": lambda: LSTM(3).forward(
        X[:, :0]
    ),
    "Embedding: x: expected axes (B, T), none empty, came (2,)": lambda: Embedding(5, 3).forward(
        IDS[0]
    ),
    "Dense: x: expected axes any, none empty, came (0, 3)": lambda: Dense(3).forward(X[0, :0]),
    "LSTM: x: expected 2 features, came (2, 4, 3)": lambda: built(LSTM(3), 1, 1, 2).forward(X),
    "LSTM: x: expected 4 features, came (2, 4, 3)": lambda: built(LSTM(3), 1, 1, 4).forward(X),
    "Dense: x: expected 2 features, came (2, 4, 3)": lambda: built(Dense(3), 1, 2).forward(X),
    "LSTM: x: expected numbers, came dtype('<U1')": lambda: LSTM(3).forward([[["a"]]]),
    "LSTM: x: expected numbers, came nan": lambda: LSTM(3).forward(X * np.nan),
    "Dense: x: expected numbers, came nan": lambda: Dense(3).forward([[1, np.nan]]),
    "Embedding: x: expected whole numbers, came dtype('float64')": lambda: Embedding(5, 3).forward(
        IDS / 1
    ),
    "Embedding: x: expected ids from 0 to 2, came 3": lambda: Embedding(3, 3).forward(IDS),
    "Embedding: x: expected ids from 0 to 4, came -1": lambda: Embedding(5, 3).forward(IDS - 1),
    "LSTM: mask: expected shape (2, 4), came (4, 2)": lambda: LSTM(3).forward(X, np.ones((4, 2))),
    "LSTM: initial_state: expected shapes [(2, 3), (2, 3)], came [(2, 3)]": lambda: LSTM(3).forward(
        X, initial_state=[np.ones((2, 3))]
    ),
    "GRU: initial_state: expected shapes [(2, 3)], came [(3, 2)]": lambda: GRU(3).forward(
        X, initial_state=[np.ones((3, 2))]
    ),
    "LSTM: dstate: expected shapes [(2, 3), (2, 3)], came [(2, 3), (1, 3)]": lambda: after_forward(
        LSTM(3), X
    ).backward(np.ones((2, 3)), dstate=[np.ones((2, 3)), np.ones((1, 3))]),
    "LSTM: input_shape: expected axes (B, T, D), came (2, 3)": lambda: LSTM(3).build((2, 3)),
    "Dense: input_shape: expected axes any, came ()": lambda: Dense(3).build(()),
    "GRU: backward: expected a call of forward before it, came None": lambda: GRU(3).backward(X),
    "Dense: backward: expected a call of forward before it, came None": lambda: built(
        Dense(3), 2, 3
    ).backward(X),
    "LSTM: dy: expected shape (2, 3), came (2, 4, 3)": lambda: after_forward(LSTM(3), X).backward(
        X
    ),
    "LSTM: truncate: expected a positive whole number, came 0": lambda: after_forward(
        LSTM(3), X
    ).backward(np.ones((2, 3)), truncate=0),
    "LSTM: weights: expected shapes [(2, 4), (1, 4), (4,)], came [(2, 4), (4, 1), (4,)]": (
        lambda: built(LSTM(1), None, None, 2).set_weights(
            [np.ones((2, 4)), np.ones((4, 1)), [0] * 4]
        )
    ),
    "Dense: weights: expected shapes [(3, 2), (2,)], came [(3, 2)]": (
        lambda: built(Dense(2), None, 3).set_weights([np.ones((3, 2))])
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_refused(message):
    error = ValueError
    if "backward: " in message:
        error = RuntimeError
    if "dtype" in message:
        error = TypeError
    with pytest.raises(error, match=re.escape(message)):
        REFUSED[message]()


def test_nan_is_for_the_loss_to_report_while_training():
    y = LSTM(3).forward(X * np.nan, training=True)
    assert np.isnan(y).all()
    with pytest.raises(ValueError, match="came nan"):
        Bidirectional(LSTM(3)).forward(X * np.nan)


def test_relative_error_of_one_step_is_noticed():
    """The gradient check sees a gradient that misses the last step of one example."""
    layer = make("lstm", 3, 2)
    layer.forward(X[:, :, :2])
    right = layer.backward(np.ones((2, 3)))
    wrong = right.copy()
    wrong[0, -1] = 0
    assert relative_error(right, wrong) > 1e6 * DIFFERENCES
