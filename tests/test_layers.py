"""The layers that are not recurrent, and what all layers share.

1. Gradients against central differences: each layer, and layers in a row with masks.
2. Values worked out by hand: embedding, dropout, masking, pooling, dense.
3. Weights and arguments.

The recurrent layers are held in test_recurrent.py, copies and threads in test_layers_calls.py, what
is refused in test_layers_refused.py, all of them to Keras in test_layers_keras.py.
"""

import copy
import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from layer_cases import DIFFERENCES, Stack, assert_equal, built, make, normal, shape_for, step
from unrolled import initializers, layers, set_random_seed, threads
from unrolled.activations import sigmoid
from unrolled.gradcheck import check_layer
from unrolled.layers import (
    GRU,
    LSTM,
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    GlobalAveragePooling1D,
    GlobalMaxPooling1D,
    Masking,
    SimpleRNN,
)

POOLINGS = [GlobalMaxPooling1D, GlobalAveragePooling1D]

# 1. Gradients against central differences


@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("activation", [None, "sigmoid", "tanh", "relu", "softmax"])
def test_gradients_of_dense(activation, shape):
    layer = built(Dense(3, activation), *shape, dtype="float64")
    layer.set_weights([normal(*w.shape) for w in layer.get_weights()])
    result = check_layer(layer, normal(*shape))
    assert result.error < DIFFERENCES, result


@pytest.mark.parametrize("mask", [None, np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0], [0, 0, 0]])])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_gradients_of_a_stack(pooling, mask):
    stack = Stack(
        Masking(),
        make("lstm", 3, 2, return_sequences=True),
        Dropout(0.4),
        Dense(2, "tanh"),
        make("gru after", 3, 2, return_sequences=True, go_backwards=True),
        make("gru before", 3, 3, wrap="concat", return_sequences=True),
        pooling(),
        Dense(2, "relu"),
        Dense(1, "sigmoid"),
    )
    features = [2, 2, 3, 3, 2, 3, 6, 6, 2]
    for layer, D in zip(stack.rows, features, strict=True):
        if not layer.built:
            layer.build((None, None, D), "float64")
    weights = enumerate(stack.get_weights())
    stack.set_weights([normal(*w.shape, seed=k) / 2 for k, w in weights])
    x = normal(4, 3, 2)
    for training in (False, True):
        result = check_layer(stack, x, mask, training=training)
        assert result.error < DIFFERENCES, result


@pytest.mark.parametrize("mask_zero", [False, True])
def test_gradients_of_embedding(mask_zero):
    ids = np.array([[0, 3, 3, 1], [3, 0, 4, 0], [0, 0, 0, 0]])
    stack = Stack(
        built(Embedding(6, 2, mask_zero), 3, 4, dtype="float64"),
        make("rnn", 3, 2, return_sequences=True),
        built(GlobalAveragePooling1D(), 3, 4, 3, dtype="float64"),
    )
    result = check_layer(stack, ids)
    assert result.error < DIFFERENCES, result
    _, table, *_ = step(stack, ids)
    assert not table[[2, 5]].any()  # words that did not occur
    assert table[[1, 3, 4]].all()
    assert table[0].any() != mask_zero


# 2. Values worked out by hand


def test_gates_are_sigmoids_and_the_candidate_is_a_tanh_of_its_sum(record):
    layer, zeros = built(LSTM(69), 1, 1, 1, dtype="float64"), np.zeros((1, 1, 1))
    for a in np.linspace(-40, 40, 2001).reshape(-1, 69):
        layer.set_weights([np.zeros_like(w) for w in layer.weights[:2]] + [np.tile(a, 4)])
        seen = layer.trace(zeros)
        record("eq-sigmoid-tanh", np.abs(seen["g"] - (2 * sigmoid(2 * a) - 1)).max(), 1e-15)
        for gate in "ifo":
            assert np.abs(seen[gate] - sigmoid(a)).max() < 1e-15


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
    layer = built(LSTM(3), None, None, 2)
    np.testing.assert_array_equal(layer.get_weights()[2], [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0])


def test_weights_follow_the_seed():
    def drawn(seed):
        set_random_seed(seed)
        stack = Stack(Embedding(5, 4), LSTM(3), Dense(2))
        stack(np.array([[1, 2]]))
        return stack.get_weights()

    first, again, other = drawn(3), drawn(3), drawn(4)
    assert_equal(first, again)
    assert not any(np.array_equal(first[k], other[k]) for k in (0, 1, 2, 4))


def test_embedding_by_hand():
    layer = built(Embedding(4, 2), None, None)
    layer.set_weights([np.array([[0, 1], [2, 3], [4, 5], [6, 7]])])
    y, cache = layer.forward([[3, 0], [1, 1]])
    np.testing.assert_array_equal(y, [[[6, 7], [0, 1]], [[2, 3], [2, 3]]])
    dx, (table,) = layer.backward([[[1, 2], [3, 4]], [[5, 6], [7, 9]]], cache)
    assert dx is None
    np.testing.assert_array_equal(table, [[3, 4], [12, 15], [0, 0], [1, 2]])
    assert table.dtype == np.float32
    assert layer.compute_output_shape((None, 7)) == (None, 7, 2)
    masking = Embedding(4, 2, mask_zero=True)
    np.testing.assert_array_equal(masking.compute_mask([[3, 0]]), [[True, False]])
    both = masking.compute_mask([[3, 0, 2]], [[True, True, False]])
    np.testing.assert_array_equal(both, [[True, False, False]])


def test_dropout(record):
    set_random_seed(5)
    layer, x = Dropout(0.2), normal(50, 40, 30, dtype="float32") + 9
    y, cache = layer.forward(x)
    assert y is x
    np.testing.assert_array_equal(layer.backward(x, cache)[0], x)
    y, cache = layer.forward(x, training=True)
    kept = y != 0
    error = np.abs(y[kept] - x[kept] / 0.8).max()
    record("eq-dropout", error, 1e-5)
    assert y.dtype == np.float32
    assert abs(kept.mean() - 0.8) < 0.01
    for axis in range(3):  # every row, step and feature alike
        other = tuple(k for k in range(3) if k != axis)
        assert np.abs(kept.mean(axis=other) - 0.8).max() < 0.06
    dx, gradients = layer.backward(np.ones_like(x), cache)
    np.testing.assert_allclose(dx, kept / np.float32(0.8), rtol=1e-6)
    assert gradients == []
    assert not np.array_equal(layer(x, training=True), y)
    set_random_seed(5)
    np.testing.assert_array_equal(layer(x, training=True), y)
    assert Dropout(0)(x, training=True) is x
    for D in range(1, 10):  # four numbers are drawn at a time
        assert Dropout(0.5)(x[:1, :1, :D], training=True).shape == (1, 1, D)
    mask = np.ones((50, 40), bool)
    assert layer.compute_mask(x, mask) is mask
    assert layer.compute_output_shape((None, 4, 5)) == (None, 4, 5)


def test_dropout_drops_exactly_its_rate():
    set_random_seed(6)
    for rate in (0.01, 0.5, 0.99):
        kept = Dropout(rate)(np.ones((1000, 1000)), training=True) != 0
        assert abs(kept.mean() - (1 - rate)) < 5 * (rate * (1 - rate)) ** 0.5 / 1000


def test_dropout_keeps_its_rate_to_the_last_bit(monkeypatch):
    every = np.arange(65536 + 4).astype(np.uint16)  # all 16-bit numbers, and the spare ones drawn
    drawn = SimpleNamespace(integers=lambda *size, dtype: every.view(dtype))
    monkeypatch.setattr(layers, "generator", lambda: drawn)
    kept = Dropout(0.99)(np.ones(65536), training=True) != 0
    assert kept.sum() == 65536 - round(0.99 * 65536)


@pytest.mark.parametrize("size", [1, 31, 32, 33, 64, 101])
def test_dropout_drops_the_same_whatever_fits_a_cache(size, monkeypatch):
    found = []
    for in_cache in (layers.IN_CACHE, 8):  # words of four elements
        monkeypatch.setattr(layers, "IN_CACHE", in_cache)
        set_random_seed(7)
        found.append([Dropout(0.5)(np.ones(size), training=True) for _ in range(2)])
    np.testing.assert_array_equal(*found)
    assert size < 30 or not np.array_equal(*found[0])


def test_dropout_keeps_the_order_in_memory():
    x = np.ones((4, 6, 8), "float32").transpose(1, 0, 2)
    y = Dropout(0.5)(x, training=True)
    assert y.strides == x.strides


def test_masking_by_hand():
    x = np.array([[[0, 0], [0, 1]], [[0.1, 0.1], [0.1, 0]]])
    layer = Masking()
    y, cache = layer.forward(x)
    np.testing.assert_array_equal(y, x.astype("float32"))
    np.testing.assert_array_equal(layer.compute_mask(x), [[False, True], [True, True]])
    earlier = layer.compute_mask(x, [[True, True], [False, True]])
    np.testing.assert_array_equal(earlier, [[False, True], [False, True]])
    dx, gradients = layer.backward(np.ones_like(x), cache)
    np.testing.assert_array_equal(dx, [[[0, 0], [1, 1]], [[1, 1], [1, 1]]])
    assert gradients == []
    for value in (0.1, np.float64(0.1)):
        for dtype in ("float32", "float64"):
            tenth, numbers = Masking(mask_value=value), np.asarray(x, dtype)
            np.testing.assert_array_equal(tenth(numbers)[1], [[0, 0], x[1, 1].astype("float32")])
            mask = tenth.compute_mask(numbers)
            np.testing.assert_array_equal(mask, [[True, True], [False, True]])
    np.testing.assert_array_equal(layer(x, [[True, False], [True, True]])[0], 0)
    assert layer.compute_output_shape((None, 4, 5)) == (None, 4, 5)


def test_pooling_by_hand():
    x = np.array([[[1, 5], [4, 2], [3, 3]], [[9, 8], [-7, -6], [-5, -9]], [[1, 1]] * 3], float)
    mask = np.array([[1, 1, 1], [0, 1, 1], [0, 0, 0]])
    y = GlobalMaxPooling1D()(x, mask)
    np.testing.assert_array_equal(y, [[4, 5], [-5, -6], [0, 0]])
    y = GlobalAveragePooling1D()(x, mask)
    np.testing.assert_allclose(y, [[8 / 3, 10 / 3], [-6, -7.5], [0, 0]], rtol=1e-6)
    layer = GlobalMaxPooling1D()
    _, cache = layer.forward(np.array([[[2.0], [7.0], [7.0], [7.0]]]), [[1, 1, 0, 1]])
    dx, _ = layer.backward([[6.0]], cache)
    np.testing.assert_array_equal(dx, [[[0], [3], [0], [3]]])
    assert layer.compute_mask(x, mask) is None
    for pooling in (GlobalMaxPooling1D(), GlobalAveragePooling1D()):
        for value in (0, np.inf, -np.inf, np.nan):  # of what is masked
            x[mask == 0] = value
            with np.errstate(all="raise"):
                y, dx = step(pooling, x, mask)
            assert np.isfinite(y).all()
            np.testing.assert_allclose(dx.sum(axis=1), [[1, 1], [1, 1], [0, 0]], rtol=1e-6)
            assert not dx[mask == 0].any()


def test_dense_by_hand(record):
    layer = built(Dense(2), None, 3, dtype="float64")
    layer.set_weights([[[1, 2], [3, 4], [5, 6]], [10, 20]])
    y, cache = layer.forward([[1, 0, 2], [0, 1, -1]])
    expected = [[1 + 10 + 10, 2 + 12 + 20], [3 - 5 + 10, 4 - 6 + 20]]
    record("eq-rnn-output", np.abs(y - expected).max(), 0)
    dx, (dkernel, dbias) = layer.backward([[1, 0], [0, 2]], cache)
    np.testing.assert_array_equal(dx, [[1, 3, 5], [4, 8, 12]])
    np.testing.assert_array_equal(dkernel, [[1, 0], [0, 2], [2, -2]])
    np.testing.assert_array_equal(dbias, [1, 2])
    assert layer.compute_output_shape((None, 7, 3)) == (None, 7, 2)


def test_dense_without_its_activation_has_the_same_weights():
    layer, x = built(Dense(2, "sigmoid"), None, 3), normal(4, 3, dtype="float32")
    linear = layer.without_activation()
    assert layer.activation == "sigmoid"
    np.testing.assert_allclose(layer(x), sigmoid(linear(x)), rtol=1e-6)
    layer.weights[0][...] += 1  # as an optimizer does
    np.testing.assert_allclose(layer(x), sigmoid(linear(x)), rtol=1e-6)


def test_masks_for_the_next_layer():
    x, mask = normal(2, 3, 2), np.ones((2, 3), bool)
    for layer in (LSTM(3), Bidirectional(LSTM(3)), GlobalMaxPooling1D(), GlobalAveragePooling1D()):
        assert layer.compute_mask(x, mask) is None
    for layer in (
        LSTM(3, return_sequences=True),
        Bidirectional(LSTM(3, return_sequences=True)),
        Dense(3),
        Dropout(0.5),
    ):
        assert layer.compute_mask(x, mask) is mask
        assert layer.compute_mask(x) is None


@pytest.mark.parametrize("pooling", POOLINGS)
def test_an_answer_does_not_depend_on_the_batch(pooling):
    """Masks reach the end: an example gives what it gives by itself, without its padding."""
    set_random_seed(4)
    lengths, ids = (3, 7, 1, 5), np.random.default_rng(0).integers(1, 9, (4, 7))
    for front, backwards in itertools.product([False, True], repeat=2):
        stack = Stack(
            Embedding(9, 4, mask_zero=True),
            GRU(3, return_sequences=True, go_backwards=backwards),
            Bidirectional(LSTM(3, return_sequences=True)),
            Dropout(0.5),
            Dense(3, "tanh"),
            pooling(),
            Dense(1, "sigmoid"),
        )
        padded, alone = np.zeros_like(ids), []
        for row, of_row, length in zip(padded, ids, lengths, strict=True):
            row[7 - length if front else 0 :][:length] = of_row[:length]
            alone.append(stack(of_row[None, :length])[0])
        np.testing.assert_allclose(stack(padded), alone, rtol=1e-5)


# 3. Weights and arguments


def test_get_weights_copies_and_set_weights_keeps_the_arrays():
    layer = make("lstm", 3, 2)
    arrays, copies = list(layer.weights), layer.get_weights()
    copies[0][:] = 7
    assert not np.any(layer.get_weights()[0] == 7)
    layer.set_weights(copies)
    assert all(a is b for a, b in zip(arrays, layer.weights, strict=True))
    np.testing.assert_array_equal(layer.get_weights()[0], copies[0])
    layer.weights[0][:] = 8  # in place, as an optimizer does
    y = layer(normal(1, 2, 2))
    assert not np.array_equal(y, make("lstm", 3, 2)(normal(1, 2, 2)))


def test_bidirectional_trains_the_weights_of_its_halves():
    layer = make("gru after", 3, 2, wrap="concat")
    for mine, its in zip(
        layer.weights, layer.forward_layer.weights + layer.backward_layer.weights, strict=True
    ):
        assert mine is its
    assert layer.halves == (layer.forward_layer, layer.backward_layer)
    assert layer.layer not in layer.halves
    assert [half.go_backwards for half in layer.halves] == [False, True]


CONFIGURED = [
    SimpleRNN(3, return_sequences=True),
    LSTM(3, go_backwards=True, unit_forget_bias=False, dropout=0.1, trainable=False),
    GRU(3, return_state=True, reset_after=False, stateful=True, recurrent_dropout=0.2),
    Bidirectional(LSTM(3), "sum"),
    Embedding(5, 3, True),
    Dropout(0.3),
    Masking(2.5),
    GlobalMaxPooling1D(),
    GlobalAveragePooling1D(trainable=False),
    Dense(3, "tanh"),
]


@pytest.mark.parametrize("layer", CONFIGURED, ids=lambda layer: type(layer).__name__)
def test_configuration_makes_the_layer_again(layer):
    again = type(layer)(**layer.get_config())
    assert repr(again) == repr(layer)
    assert again.get_config() == layer.get_config()
    assert len({layer, again}) == 2  # alike, and not the same layer
    assert (again.built, again.dtype, again.weights) == (False, "float32", [])


def test_configuration_of_an_lstm():
    assert LSTM(3).get_config() == {
        "trainable": True,
        "units": 3,
        "return_sequences": False,
        "return_state": False,
        "go_backwards": False,
        "stateful": False,
        "dropout": 0.0,
        "recurrent_dropout": 0.0,
        "unit_forget_bias": True,
    }


@pytest.mark.parametrize("layer", CONFIGURED, ids=lambda layer: type(layer).__name__)
def test_shapes_of_weights_are_known_before_building(layer):
    made = built(copy.deepcopy(layer), *shape_for(layer))
    assert layer.weight_shapes(4) == [w.shape for w in made.weights]


@pytest.mark.parametrize("layer", CONFIGURED, ids=lambda layer: type(layer).__name__)
def test_what_may_be_changed_by_an_optimizer(layer):
    made = built(copy.deepcopy(layer), *shape_for(layer))
    for trainable in (False, True):
        made.trainable = trainable
        assert made.updates() == [trainable] * len(made.weights)


def test_what_may_be_changed_of_a_bidirectional_layer():
    layer = make("gru after", 3, 2, wrap="concat")
    layer.forward_layer.trainable = False
    assert layer.updates() == [False] * 3 + [True] * 3
    layer.forward_layer.trainable, layer.layer.trainable = True, False
    assert layer.updates() == [False] * 6
    assert make("lstm", 3, 2, wrap="sum", trainable=False).updates() == [False] * 6


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("merge_mode", ["concat", "sum"])
def test_bidirectional_is_a_layer_each_way(merge_mode, sequences):
    x = normal(3, 5, 2)

    def made():
        return make("lstm", 4, 2, wrap=merge_mode, return_sequences=sequences)

    layer = made()
    ahead, back = (half(x) for half in layer.halves)
    back = back[:, ::-1] if sequences else back
    expected = np.concatenate([ahead, back], axis=-1) if merge_mode == "concat" else ahead + back
    np.testing.assert_array_equal(layer(x), expected)
    assert layer.compute_output_shape((3, 5, 2)) == expected.shape
    layer.merge_mode = "".join(list(merge_mode))  # as from a file: equal, and another object
    assert_equal(step(layer, x), step(made(), x))


@pytest.mark.parametrize(
    "layer",
    [
        *[LSTM(3), GRU(3), SimpleRNN(3), Bidirectional(LSTM(3)), Dense(3), Dropout(0.5)],
        *[GlobalMaxPooling1D(), GlobalAveragePooling1D(), Masking()],
    ],
    ids=lambda layer: type(layer).__name__,
)
@pytest.mark.parametrize("came", ["float64", "int64", "bool"])
def test_whatever_number_comes_goes_on_in_the_dtype_of_the_layer(layer, came):
    x = (normal(2, 4, 3) > 0).astype(came)
    layer.build((2, 4, 3), "float32")
    y, cache = layer.forward(x, training=True)
    assert y.dtype == np.float32
    dx, gradients = layer.backward(np.ones(y.shape), cache)
    assert dx.dtype == np.float32
    assert {d.dtype for d in gradients} <= {np.dtype("float32")}


def test_a_layer_builds_itself_for_its_first_batch():
    layer = LSTM(3)
    assert not layer.built
    layer(normal(2, 4, 5))
    assert layer.built
    assert [w.shape for w in layer.weights] == [(5, 12), (3, 12), (12,)]
    assert {w.dtype for w in layer.weights} == {np.dtype("float32")}
    layer.build((None, None, 6), "float64")
    assert layer.weights[0].shape == (6, 12)
    assert layer(normal(2, 4, 6)).dtype == np.float64
    assert layer(np.ones((2, 4, 6), int)).dtype == np.float64


def test_an_argument_changed_later_counts():
    x, layer = normal(2, 4, 2), make("lstm", 3, 2)
    layer.return_sequences = True
    assert layer(x).shape == (2, 4, 3)
    layer.units = 3  # what it is
    dense = built(Dense(3), None, 2)
    dense.activation = "relu"
    assert dense(x).min() == 0
    fresh = LSTM(3)
    fresh.units = 5
    assert fresh(x).shape == (2, 5)


@pytest.mark.parametrize("used", [1, 2])
@pytest.mark.parametrize(
    "order",
    [
        lambda a: a,
        lambda a: np.ascontiguousarray(a.transpose(1, 0, 2)).transpose(1, 0, 2),
        lambda a: np.repeat(a, 2, axis=1)[:, ::2],
    ],
    ids=["rows", "time-major", "strided"],
)
def test_dropout_keeps_the_same_places_back_whatever_lies_how_in_memory(order, used, monkeypatch):
    monkeypatch.setattr(threads, "_threads", used)
    x, dy = np.random.default_rng(0).normal(size=(2, 32, 50, 70))  # more than one thread takes
    layer = Dropout(0.3)
    layer.build(x.shape, "float64")
    set_random_seed(1)
    y, cache = layer.forward(order(x), training=True)
    kept = y != 0
    assert 0.69 < kept.mean() < 0.71
    np.testing.assert_allclose(y, np.where(kept, x / 0.7, 0), rtol=1e-14)
    for gradient in (dy, order(dy), np.asfortranarray(dy)):
        dx, gradients = layer.backward(gradient, cache)
        np.testing.assert_allclose(dx, np.where(kept, dy / 0.7, 0), rtol=1e-14)
        assert gradients == []
