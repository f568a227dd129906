"""Losses, labels of steps, weights, frozen layers: the same names and numbers as in Keras."""

import numpy as np
import pytest

from unrolled import Sequential, layers, set_engine, set_random_seed

WORDS, B, T = 20, 12, 7


@pytest.fixture(autouse=True, params=["plain", "compiled"])
def engine(request, monkeypatch):
    """Each test runs on both engines."""
    monkeypatch.setattr("unrolled.engine._chosen", None)
    monkeypatch.setattr("unrolled.engine._in_use", None)
    set_engine(request.param)


def data(classes, steps, seed=0):
    """Ids with padding in front and behind, and labels of each row or step."""
    rng = np.random.default_rng(seed)
    x = rng.integers(1, WORDS, (B, T))
    x[np.arange(T) < rng.integers(0, T, B)[:, None]] = 0
    shape = (B, T, 1) if steps else (B, 1)
    y = rng.integers(0, classes, shape) if classes else rng.normal(size=shape).astype("float32")
    return x, y


def pair(loss, steps=False, units=1, activation=None, optimizer="sgd", middle=None, frozen=()):
    """A model and its twin in Keras, with the same weights, compiled."""
    import keras

    set_random_seed(3)
    made = []
    for kinds in (layers, keras.layers):
        recurrent = kinds.LSTM(5, return_sequences=steps)
        stack = [kinds.Embedding(WORDS, 4, mask_zero=True), recurrent]
        if middle == "both ways":
            stack[1] = kinds.Bidirectional(recurrent)
        stack.append(kinds.Dense(units, activation=activation))
        for k in frozen:
            stack[k].trainable = False
        made.append(stack)
    ours, theirs = Sequential(made[0]), keras.Sequential(made[1])
    ours.build((None, None))
    theirs.build((None, None))
    theirs.set_weights(ours.get_weights())
    metrics = [] if loss == "mean_squared_error" else ["accuracy"]
    if optimizer == "sgd":
        ours.compile(optimizer, loss, metrics)
        theirs.compile(keras.optimizers.SGD(0.01), loss, metrics=metrics)
    else:
        ours.compile(optimizer, loss, metrics)
        theirs.compile(optimizer, loss, metrics=metrics)
    return ours, theirs


KINDS = {
    "classes": dict(loss="sparse_categorical_crossentropy", units=4, activation="softmax"),
    "numbers": dict(loss="mean_squared_error"),
    "yes or no": dict(loss="binary_crossentropy", activation="sigmoid"),
}
CLASSES = {"classes": 4, "numbers": 0, "yes or no": 2}


def assert_same_weights(ours, theirs, tolerance=1e-5):
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=tolerance)


@pytest.mark.parametrize("steps", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_training_ends_where_keras_ends(kind, steps):
    ours, theirs = pair(**KINDS[kind], steps=steps)
    x, y = data(CLASSES[kind], steps)
    for _ in range(20):
        mine = ours.train_on_batch(x, y, return_dict=True)
        theirs.reset_metrics()
        other = theirs.train_on_batch(x, y, return_dict=True)
        for name, value in mine.items():
            assert value == pytest.approx(float(other[name]), abs=2e-5)
    assert_same_weights(ours, theirs)
    mine = ours.evaluate(x, y, batch_size=5, return_dict=True)
    other = theirs.evaluate(x, y, batch_size=5, verbose=0, return_dict=True)
    assert mine == pytest.approx({name: float(value) for name, value in other.items()}, abs=2e-5)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x, verbose=0), rtol=0, atol=1e-5)


@pytest.mark.parametrize("weights", ["rows", "steps", "row of steps"])
def test_sample_weight_is_that_of_keras(weights):
    steps = weights != "rows"
    ours, theirs = pair(**KINDS["classes"], steps=steps)
    x, y = data(4, steps)
    shape = {"rows": (B,), "steps": (B, T), "row of steps": (B, 1)}[weights]
    sample_weight = np.random.default_rng(1).uniform(0, 3, shape).astype("float32")
    for _ in range(5):
        mine = ours.train_on_batch(x, y, sample_weight=sample_weight)
        theirs.reset_metrics()
        other = theirs.train_on_batch(x, y, sample_weight=sample_weight)
        assert mine == pytest.approx([float(value) for value in other], abs=2e-5)
    assert_same_weights(ours, theirs)
    mine = ours.evaluate(x, y, sample_weight=sample_weight)
    other = theirs.evaluate(x, y, sample_weight=sample_weight, verbose=0)
    assert mine == pytest.approx([float(value) for value in other], abs=2e-5)


def test_class_weight_and_validation_split_are_those_of_keras():
    ours, theirs = pair(**KINDS["classes"])
    x, y = data(4, steps=False)
    options = dict(batch_size=4, epochs=2, shuffle=False, verbose=0, validation_split=0.3)
    options["class_weight"] = {0: 0.5, 1: 2.0, 2: 1.0, 3: 0.0}
    mine = ours.fit(x, y, **options).history
    other = theirs.fit(x, y, **options).history
    assert mine.keys() == other.keys()
    for name, values in mine.items():
        assert values == pytest.approx(other[name], abs=2e-5)
    assert_same_weights(ours, theirs)


@pytest.mark.parametrize("middle", [None, "both ways"])
def test_frozen_layers_are_those_of_keras(middle):
    ours, theirs = pair(**KINDS["yes or no"], middle=middle, frozen=(1,))
    before = ours.get_weights()
    x, y = data(2, steps=False)
    for _ in range(5):
        ours.train_on_batch(x, y)
        theirs.train_on_batch(x, y)
    assert_same_weights(ours, theirs)
    same = [np.array_equal(a, b) for a, b in zip(before, ours.get_weights(), strict=True)]
    assert same == [False, *[True] * (len(same) - 3), False, False]


def test_rmsprop_by_name():
    ours, theirs = pair(**KINDS["numbers"], optimizer="rmsprop")
    x, y = data(0, steps=False)
    x[:, :] = np.arange(B * T).reshape(B, T) % WORDS  # see keras_twin in test_model.py
    ours.layers[0].trainable = theirs.layers[0].trainable = False
    theirs.compile("rmsprop", "mean_squared_error")
    for _ in range(5):
        ours.train_on_batch(x, y)
        theirs.train_on_batch(x, y)
    assert_same_weights(ours, theirs, tolerance=1e-4)


def test_masking_of_features_is_that_of_keras():
    import keras

    rng = np.random.default_rng(2)
    x = rng.normal(size=(B, T, 3)).astype("float32")
    x[np.arange(T) < rng.integers(0, T, B)[:, None]] = 7
    y = rng.integers(0, 2, (B, T, 1))
    made = []
    for library in (None, keras):
        kinds = library.layers if library else layers
        stack = [
            kinds.Masking(mask_value=7.0),
            kinds.GRU(4, return_sequences=True),
            kinds.Dense(3, activation="relu"),
            kinds.Dense(1, activation="sigmoid"),
        ]
        made.append(keras.Sequential(stack) if library else Sequential(stack))
    ours, theirs = made
    set_random_seed(0)
    ours.build((None, T, 3))
    theirs.build((None, T, 3))
    theirs.set_weights(ours.get_weights())
    ours.compile("sgd", metrics=["accuracy"])
    theirs.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    for _ in range(10):
        mine = ours.train_on_batch(x, y)
        theirs.reset_metrics()
        other = theirs.train_on_batch(x, y)
        assert mine == pytest.approx([float(value) for value in other], abs=2e-5)
    assert_same_weights(ours, theirs)
