"""Every layer held to Keras, with the same weights: outputs, gradients, masks, states, dropout.

Also initial weights and defaults; and what Keras has and we have not is refused by name.
"""

import inspect
import itertools

import numpy as np
import pytest

from layer_cases import CELLS, Stack, normal
from unrolled import layers, set_random_seed
from unrolled.layers import (
    GRU,
    LSTM,
    Bidirectional,
    Dense,
    Embedding,
    GlobalAveragePooling1D,
    Masking,
    Recurrent,
    SimpleRNN,
)

MIXED = np.array([[0, 0, 0, 1, 1, 1], [1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 1, 1], [0] * 6], bool)


def listed(outputs):
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]


def close(computed, expected, tolerance):
    for a, b in zip(computed, expected, strict=True):
        assert a.dtype == np.float32
        assert a.shape == tuple(b.shape)
        expected = np.asarray(b)
        assert np.abs(a - expected).max() < tolerance * max(1, np.abs(expected).max())


def same_weights(ours, theirs, shape, seed=3):
    """Both built, with Keras's own weights, moved at random."""
    theirs.build(shape)
    ours.build(shape)
    assert [w.shape for w in ours.get_weights()] == [w.shape for w in theirs.get_weights()]
    rng = np.random.default_rng(seed)
    theirs.set_weights([w + rng.normal(0, 0.1, w.shape) for w in theirs.get_weights()])
    ours.set_weights(theirs.get_weights())
    theirs.set_weights(ours.get_weights())
    return rng


def compare(ours, theirs, x, mask=None, initial_state=None, training=False):
    """Outputs within 1e-6 and gradients within 1e-5 of Keras's."""
    import tensorflow as tf

    rng = same_weights(ours, theirs, x.shape)
    ids, options = x.dtype.kind in "iu", {"training": training}
    states = [tf.constant(s) for s in initial_state or []]
    tensors = {} if mask is None else {"mask": tf.constant(mask)}
    tensors |= {"initial_state": states} if states else {}
    watched = [*states] if ids else [tf.constant(x), *states]
    with tf.GradientTape() as tape:
        tape.watch(watched)
        outputs = listed(theirs(x if ids else watched[0], **tensors, **options))
        dys = [rng.normal(0, 1, y.shape).astype("float32") for y in outputs]
        loss = sum(tf.reduce_sum(y * dy) for y, dy in zip(outputs, dys, strict=True))
    variables = [v.value for v in theirs.trainable_variables]
    expected = tape.gradient(loss, [*watched, *variables])

    if initial_state:
        options["initial_state"] = initial_state
    y, cache = ours.forward(x, mask, **options)
    close(listed(y), outputs, 1e-6)
    options = {"dstate": dys[1:]} if len(dys) > 1 else {}
    options |= {"step_gradients": True} if states else {}
    dx, gradients, *steps = ours.backward(dys[0], cache, **options)
    initial = [d[:, 0] for of_state in steps for d in of_state.values()]
    computed = [*([] if ids else [dx]), *initial, *gradients]
    close(computed, [tf.convert_to_tensor(d) for d in expected], 1e-5)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("wrap", [None, "concat", "sum"])
@pytest.mark.parametrize("kind", CELLS)
def test_recurrent(keras, kind, wrap):
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
        x, mask = normal(B, T, D, dtype="float32"), MIXED if masked else None
        compare(ours, theirs, x, mask, initial if started else None)
        shape = theirs.compute_output_shape((B, T, D))
        assert ours.compute_output_shape((B, T, D)) == (shape[0] if started else shape)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("wrap", [None, "concat"])
@pytest.mark.parametrize("kind", CELLS)
def test_stateful(keras, kind, wrap):
    """Several calls, with masks; then from the start again."""
    cls, own = CELLS[kind]
    for sequences in (False, True):
        options = dict(return_sequences=sequences, return_state=not wrap, stateful=True, **own)
        ours, theirs = cls(3, **options), getattr(keras.layers, cls.__name__)(3, **options)
        if wrap:
            ours, theirs = Bidirectional(ours, wrap), keras.layers.Bidirectional(theirs, wrap)
        same_weights(ours, theirs, (4, 6, 5))
        for call, mask in enumerate([None, MIXED, MIXED[::-1].copy(), None, MIXED]):
            x = normal(4, 6, 5, seed=call, dtype="float32")
            close(listed(ours(x, mask)), listed(theirs(x, mask=mask)), 2e-6)
            close(ours.states, [state.value for state in theirs.states], 2e-6)
            if call == 2:
                ours.reset_state()
                theirs.reset_state()
        with pytest.raises(ValueError, match="expected 4 examples until reset_state is called"):
            ours(x[:2])


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("dropout", [(0.4, 0.0), (0.0, 0.4), (0.3, 0.5)])
@pytest.mark.parametrize("kind", CELLS)
def test_dropout_of_recurrent_layers(keras, monkeypatch, kind, dropout):
    """With the same features and states dropped, the same for all gates in Keras, as in ours."""
    (B, T, D), H, (cls, own) = (4, 6, 5), 3, CELLS[kind]
    of_x, of_h = dropout
    options = dict(dropout=of_x, recurrent_dropout=of_h, return_sequences=True, **own)
    rng = np.random.default_rng(1)
    drawn = {
        (rate, size): (rng.random((B, size)) >= rate).astype("float32") / np.float32(1 - rate)
        for rate, size in [(of_x, D), (of_h, H)]
        if rate
    }
    monkeypatch.setattr(
        Recurrent,
        "_dropped",
        lambda self, rate, shape, training: drawn[rate, shape[1]] if training and rate else None,
    )
    for training, mask in itertools.product([False, True], [None, MIXED]):
        ours, theirs = cls(H, **options), getattr(keras.layers, cls.__name__)(H, **options)
        gates = getattr(theirs.cell, "dropout_mask_count", None)

        def masks(rate, size, gates=gates):
            kept = drawn.get((rate, size))
            return kept if kept is None or gates is None else [kept] * gates

        monkeypatch.setattr(theirs.cell, "get_dropout_mask", lambda _: masks(of_x, D))
        monkeypatch.setattr(theirs.cell, "get_recurrent_dropout_mask", lambda _: masks(of_h, H))
        x = normal(B, T, D, dtype="float32")
        compare(ours, theirs, x, mask, training=training)
        without = cls(H, return_sequences=True, **own)
        without.build(x.shape)
        without.set_weights(ours.get_weights())
        assert np.array_equal(ours(x, mask, training), without(x, mask)) == (not training)


@pytest.mark.parametrize("activation", [None, "sigmoid", "tanh", "relu", "softmax"])
def test_dense(keras, activation):
    x = normal(4, 6, 5, dtype="float32")
    compare(Dense(3, activation), keras.layers.Dense(3, activation=activation), x)
    compare(Dense(3, activation), keras.layers.Dense(3, activation=activation), x[:, 0])
    assert Dense(3, activation).compute_output_shape((None, 7, 5)) == (None, 7, 3)


def test_pooling(keras):
    x = normal(4, 6, 5, dtype="float32")
    ties = np.round(x)  # equal largest values share the gradient
    for name in ("GlobalMaxPooling1D", "GlobalAveragePooling1D"):
        ours, theirs = getattr(layers, name)(), getattr(keras.layers, name)()
        compare(ours, theirs, ties)
        assert ours.compute_output_shape((None, 6, 5)) == (None, 5)
    average = keras.layers.GlobalAveragePooling1D()
    compare(GlobalAveragePooling1D(), average, x[:3], MIXED[:3])


@pytest.mark.parametrize("value", [0.0, -1.5, 0.1])
def test_masking(keras, value):
    x = normal(4, 6, 5, dtype="float32")
    x[MIXED] = value
    x[1, 4, :4] = value  # not all features
    ours, theirs = Masking(value), keras.layers.Masking(value)
    compare(ours, theirs, x)
    np.testing.assert_array_equal(ours.compute_mask(x), theirs.compute_mask(x))
    assert ours.compute_output_shape((None, 6, 5)) == theirs.compute_output_shape((None, 6, 5))
    lstm = {"return_sequences": True}
    keras_stack = keras.Sequential([keras.layers.Masking(value), keras.layers.LSTM(3, **lstm)])
    compare(Stack(Masking(value), LSTM(3, **lstm)), keras_stack, x)


def test_embedding(keras):
    ids = np.array([[0, 3, 3, 1], [3, 0, 4, 0]])
    compare(Embedding(6, 3), keras.layers.Embedding(6, 3), ids)
    for mask_zero in (False, True):
        ours, theirs = Embedding(6, 3, mask_zero), keras.layers.Embedding(6, 3, mask_zero=mask_zero)
        mask = theirs.compute_mask(ids)
        assert (mask is None) == (not mask_zero)
        if mask_zero:
            np.testing.assert_array_equal(ours.compute_mask(ids), mask)
        else:
            assert ours.compute_mask(ids) is None


@pytest.mark.usefixtures("engine")
def test_a_stack_with_masks(keras):
    """Embedding, two recurrent layers, pooling: masks travel as they do in Keras."""
    ids = np.array([[0, 0, 3, 1, 2], [5, 1, 4, 0, 0], [1, 0, 2, 0, 3]])

    def rows(of):
        return [
            of.Embedding(6, 4, mask_zero=True),
            of.Bidirectional(of.LSTM(3, return_sequences=True)),
            of.GRU(2, return_sequences=True),
            of.Dense(3, activation="tanh"),
            of.Dropout(0.5),
            of.GlobalAveragePooling1D(),
            of.Dense(1, activation="sigmoid"),
        ]

    compare(Stack(*rows(layers)), keras.Sequential(rows(keras.layers)), ids)


# What a layer is made of


NEEDED = {  # the arguments that have to be given
    "SimpleRNN": {"units": 3},
    "LSTM": {"units": 3},
    "GRU": {"units": 3},
    "Embedding": {"input_dim": 5, "output_dim": 3},
    "Dropout": {"rate": 0.1},
    "Dense": {"units": 3},
}
LAYERS = [name for name in layers.__all__ if name != "Recurrent"]


def needed(name, of):
    """These arguments; of: the module whose layer a Bidirectional one gets."""
    return {"layer": of.LSTM(3)} if name == "Bidirectional" else NEEDED.get(name, {})


def keras_parameters(keras, name):
    """Each argument of Keras's layer, also of those that it hands on, with its default."""
    found = {}
    for cls in getattr(keras.layers, name).__mro__[::-1]:
        if cls.__module__.startswith("keras") and "__init__" in vars(cls):
            found |= inspect.signature(cls.__init__).parameters
    named = [p for p in found.values() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    inner = {"self", "cell", "pool_dimensions"}  # of classes that stand below
    return {p.name: p.default for p in named if p.name not in inner}


@pytest.mark.parametrize("name", LAYERS)
def test_every_argument_of_keras_is_ours_or_refused_by_name(keras, name):
    cls, theirs = getattr(layers, name), keras_parameters(keras, name)
    ours = inspect.signature(cls).parameters
    assert ours.keys() <= theirs.keys()
    for argument in theirs.keys() - ours.keys():
        with pytest.raises(TypeError, match=rf"^{name}: .*the argument {argument};"):
            cls(**needed(name, layers), **{argument: theirs[argument]})


@pytest.mark.parametrize("name", LAYERS)
def test_defaults_are_those_of_keras(keras, name):
    theirs = keras_parameters(keras, name)
    for argument in inspect.signature(getattr(layers, name)).parameters.values():
        assert argument.default == theirs[argument.name], argument


@pytest.mark.parametrize("built", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_every_attribute_of_keras_is_ours_or_refused_by_name(keras, name, built):
    ours = getattr(layers, name)(**needed(name, layers))
    theirs = getattr(keras.layers, name)(**needed(name, keras.layers))
    if built:
        shape = (2, 4) if name == "Embedding" else (2, 4, 5)
        ours.build(shape)
        theirs.build(shape)
    names = {attribute for attribute in dir(theirs) if not attribute.startswith("_")}
    for attribute in names - {*dir(ours)}:
        with pytest.raises(AttributeError, match=attribute):
            setattr(ours, attribute, True)
        assert not hasattr(ours, attribute)


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
