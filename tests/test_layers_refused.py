"""What does not fit a layer is refused, in words: arguments, inputs, masks, states, attributes."""

import re

import numpy as np
import pytest

from layer_cases import built, make, normal
from unrolled.layers import (
    GRU,
    LSTM,
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    Masking,
    SimpleRNN,
)

X = normal(2, 4, 3)
IDS = np.array([[1, 2], [3, 0]])


def change(layer, name, value):
    setattr(layer, name, value)


def backward(layer, x, dy, **options):
    _, cache = layer.forward(x)
    return layer.backward(dy, cache, **options)


def array_message(text):
    """A message as a regular expression, "…" standing for anything."""
    return re.escape(text).replace("…", ".*")


ACTIVATIONS = "[None, 'sigmoid', 'tanh', 'relu', 'softmax']"
WRAPPED = "Bidirectional: layer: expected SimpleRNN, LSTM or GRU without go_backwards, came"
OF_ARGUMENTS = {
    "LSTM: units: expected a positive whole number, came 0.": lambda: LSTM(0),
    "GRU: units: expected a positive whole number, came 2.5.": lambda: GRU(2.5),
    "Dense: units: expected a positive whole number, came True.": lambda: Dense(True),
    "Embedding: input_dim: expected a positive whole number, came -1.": lambda: Embedding(-1, 3),
    "Embedding: output_dim: expected a positive whole number, came '3'.": lambda: Embedding(5, "3"),
    "Embedding: mask_zero: expected True or False, came 1.": lambda: Embedding(5, 3, 1),
    "LSTM: return_sequences: expected True or False, came 'tanh'.": lambda: LSTM(
        3, return_sequences="tanh"
    ),
    "GRU: reset_after: expected True or False, came None.": lambda: GRU(3, reset_after=None),
    "LSTM: trainable: expected True or False, came 'no'.": lambda: LSTM(3, trainable="no"),
    "LSTM: dropout: expected a number from 0 to below 1, came 1.": lambda: LSTM(3, dropout=1),
    "GRU: recurrent_dropout: expected a number from 0 to below 1, came nan.": lambda: GRU(
        3, recurrent_dropout=np.nan
    ),
    "Dropout: rate: expected a number from 0 to below 1, came 1.": lambda: Dropout(1),
    "Dropout: rate: expected a number from 0 to below 1, came -0.1.": lambda: Dropout(-0.1),
    "Dropout: rate: expected a number from 0 to below 1, came None.": lambda: Dropout(None),
    "Dropout: rate: expected a number from 0 to below 1, came False.": lambda: Dropout(False),
    "Masking: mask_value: expected a number, came nan.": lambda: Masking(np.nan),
    "Masking: mask_value: expected a number, came '0'.": lambda: Masking("0"),
    f"Dense: activation: expected one of {ACTIVATIONS}, came 'gelu'.": lambda: Dense(1, "gelu"),
    f"Dense: activation: expected one of {ACTIVATIONS}, came ['relu'].": lambda: Dense(1, ["relu"]),
    "Bidirectional: merge_mode: expected 'concat' or 'sum', came 'mul'.": lambda: Bidirectional(
        LSTM(3), "mul"
    ),
    f"{WRAPPED} Dense…": lambda: Bidirectional(Dense(3)),
    f"{WRAPPED} LSTM…": lambda: Bidirectional(LSTM(3, go_backwards=True)),
}
OF_CALLS = {
    "LSTM: x: expected axes (B, T, D), none empty, came (4, 3).": lambda: LSTM(3)(X[0]),
    "LSTM: x: expected axes (B, T, D), none empty, came (0, 4, 3).": lambda: LSTM(3)(X[:0]),
    "LSTM: x: expected axes (B, T, D), none empty, came (2, 0, 3).": lambda: LSTM(3)(X[:, :0]),
    "Embedding: x: expected axes (B, T), none empty, came (2,).": lambda: Embedding(5, 3)(IDS[0]),
    "Dense: x: expected axes any, none empty, came (0, 3).": lambda: Dense(3)(X[0, :0]),
    "LSTM: x: expected 2 features, came (2, 4, 3).": lambda: built(LSTM(3), 1, 1, 2)(X),
    "LSTM: x: expected 4 features, came (2, 4, 3).": lambda: built(LSTM(3), 1, 1, 4)(X),
    "Dense: x: expected 2 features, came (2, 4, 3).": lambda: built(Dense(3), 1, 2)(X),
    "LSTM: x: expected numbers, came dtype('<U1').": lambda: LSTM(3)([[["a"]]]),
    "LSTM: x: expected numbers, came nan.": lambda: LSTM(3)(X * np.nan),
    "Bidirectional: x: expected numbers, came nan.": lambda: Bidirectional(LSTM(3))(X * np.nan),
    "Dense: x: expected numbers, came nan.": lambda: Dense(3)([[1, np.nan]]),
    "Embedding: x: expected whole numbers, came dtype('float64').": lambda: Embedding(5, 3)(
        IDS / 1
    ),
    "Embedding: x: expected ids from 0 to 2, came 3.": lambda: Embedding(3, 3)(IDS),
    "Embedding: x: expected ids from 0 to 1, came 3.": lambda: Embedding(2, 3)(IDS),
    "Embedding: x: expected ids from 0 to 4, came -1.": lambda: Embedding(5, 3)(IDS - 1),
    "LSTM: mask: expected shape (2, 4), came (4, 2).": lambda: LSTM(3)(X, np.ones((4, 2))),
    "LSTM: initial_state: expected a list: 2 of shape (2, 3), came 'ndarray'.": lambda: LSTM(3)(
        X, initial_state=np.zeros((2, 3))
    ),
    "GRU: initial_state: expected a list: 1 of shape (2, 3), came 'ndarray'.": lambda: GRU(3)(
        X, initial_state=np.zeros((2, 3))
    ),
    "LSTM: initial_state: expected 2 of shape (2, 3), came [(2, 3)].": lambda: LSTM(3)(
        X, initial_state=[np.ones((2, 3))]
    ),
    "GRU: initial_state: expected 1 of shape (2, 3), came [(3, 2)].": lambda: GRU(3)(
        X, initial_state=[np.ones((3, 2))]
    ),
    "Bidirectional: initial_state: expected a list of 2, came 'ndarray'.": lambda: Bidirectional(
        GRU(3)
    )(X, initial_state=np.zeros((2, 2, 3))),
    "Bidirectional: initial_state: expected a list of 2, came 1.": lambda: Bidirectional(GRU(3))(
        X, initial_state=[np.ones((2, 3))]
    ),
    "LSTM: dstate: expected 2 of shape (2, 3), came [(2, 3), (1, 3)].": lambda: backward(
        LSTM(3), X, np.ones((2, 3)), dstate=[np.ones((2, 3)), np.ones((1, 3))]
    ),
    "LSTM: dy: expected shape (2, 3), came (2, 4, 3).": lambda: backward(LSTM(3), X, X),
    "LSTM: truncate: expected a positive whole number, came 0.": lambda: backward(
        LSTM(3), X, np.ones((2, 3)), truncate=0
    ),
    "GRU: cache: expected that of its own forward, came 'NoneType'.": lambda: GRU(3).backward(
        X, None
    ),
    "GRU: cache: expected that of its own forward, came 'LSTM'.": lambda: GRU(3).backward(
        X, LSTM(3).forward(X)[1]
    ),
    "LSTM: input_shape: expected axes (B, T, D), came (2, 3).": lambda: LSTM(3).build((2, 3)),
    "Dense: input_shape: expected axes any, came ().": lambda: Dense(3).build(()),
    "LSTM: weights: expected shapes [(2, 4), (1, 4), (4,)], came [(2, 4), (4, 1), (4,)].": (
        lambda: built(LSTM(1), None, None, 2).set_weights(
            [np.ones((2, 4)), np.ones((4, 1)), [0] * 4]
        )
    ),
    "Dense: weights: expected shapes [(3, 2), (2,)], came [(3, 2)].": (
        lambda: built(Dense(2), None, 3).set_weights([np.ones((3, 2))])
    ),
}
OF_CHANGES = {
    "LSTM: units: expected 3, for which the layer is built, came 7.": lambda: change(
        make("lstm", 3, 2), "units", 7
    ),
    "LSTM: units: expected a positive whole number, came -1.": lambda: change(LSTM(3), "units", -1),
    "GRU: reset_after: expected True, for which the layer is built, came False.": lambda: change(
        make("gru after", 3, 2), "reset_after", False
    ),
    "Embedding: input_dim: expected 5, for which the layer is built, came 6.": lambda: change(
        built(Embedding(5, 3), None, None), "input_dim", 6
    ),
    "LSTM: return_sequences: expected True or False, came 3.": lambda: change(
        make("lstm", 3, 2), "return_sequences", 3
    ),
    "SimpleRNN: trainable: expected True or False, came 0.": lambda: change(
        SimpleRNN(3), "trainable", 0
    ),
    "Dense: activation: expected one of …, came 'gelu'.": lambda: change(
        Dense(3), "activation", "gelu"
    ),
    "Dropout: rate: expected a number from 0 to below 1, came 2.": lambda: change(
        Dropout(0.2), "rate", 2
    ),
    "Bidirectional: merge_mode: expected 'concat' or 'sum', came 'ave'.": lambda: change(
        make("lstm", 3, 2, wrap="sum"), "merge_mode", "ave"
    ),
}
REFUSED = OF_ARGUMENTS | OF_CALLS | OF_CHANGES
KINDS = ("dtype(", "'ndarray'", "cache: ")  # of a TypeError; the others are ValueErrors


@pytest.mark.parametrize("message", REFUSED)
def test_refused(message):
    kind = TypeError if any(words in message for words in KINDS) else ValueError
    with pytest.raises(kind, match=f"^{array_message(message)}$"):
        REFUSED[message]()


def test_a_change_that_is_refused_changes_nothing():
    layer = make("lstm", 3, 2)
    expected = layer(X[:, :, :2])
    for name, value in [("units", 7), ("units", 0), ("dropout", 2), ("go_backwards", None)]:
        with pytest.raises(ValueError, match=f"LSTM: {name}: expected"):
            setattr(layer, name, value)
    assert repr(layer) == repr(LSTM(3))
    np.testing.assert_array_equal(layer(X[:, :, :2]), expected)


def test_nan_is_for_the_loss_to_report_while_training():
    assert np.isnan(LSTM(3)(X * np.nan, training=True)).all()


@pytest.mark.parametrize("cls", [SimpleRNN, LSTM, GRU])
def test_options_of_recurrent_layers_are_given_by_name(cls):
    with pytest.raises(TypeError, match="positional"):
        cls(3, True)


@pytest.mark.parametrize(
    ("cls", "options", "name"),
    [
        (LSTM, {"units": 3, "activation": "relu"}, "activation"),
        (LSTM, {"units": 3, "dtype": "float64"}, "dtype"),
        (Dense, {"units": 3, "use_bias": False}, "use_bias"),
        (Masking, {"mask_valeu": 3}, "mask_valeu"),
        (Bidirectional, {"layer": LSTM(3), "backward_layer": LSTM(3)}, "backward_layer"),
    ],
)
def test_an_argument_that_we_do_not_have_is_refused_by_name(cls, options, name):
    with pytest.raises(TypeError, match=rf"^{cls.__name__}: .*\b{name}\b"):
        cls(**options)


@pytest.mark.parametrize("name", ["supports_masking", "kernel_regularizer", "call", "name", "seed"])
def test_what_keras_sets_on_a_layer_and_we_do_not_have_is_refused(name):
    for layer in (LSTM(3), make("gru after", 3, 2, wrap="sum"), Dense(3), Masking()):
        with pytest.raises(AttributeError, match=f"{type(layer).__name__}: {name}: unrolled does"):
            setattr(layer, name, True)
        assert not hasattr(layer, name)


def test_a_layer_of_a_users_own_may_set_attributes():
    class Noted(Dense):
        seed = None  # declared, so that it is no slip

        def __post_init__(self):
            super().__post_init__()
            self.notes, self.seed = ["mine"], 7

    layer = Noted(3)
    assert (layer.notes, layer.seed) == (["mine"], 7)
    layer.notes = []
    with pytest.raises(AttributeError, match="Noted: activity_regularizer"):
        layer.activity_regularizer = None


def test_the_layer_of_a_bidirectional_one_is_given_once():
    layer = Bidirectional(LSTM(3))
    with pytest.raises(AttributeError, match=r"Bidirectional: layer: expected the layer that"):
        layer.layer = LSTM(4)
    assert layer.layer.units == 3
