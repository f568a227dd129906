"""Keras as oracle: whole models of the same weights answer, learn and measure as they do there."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from small_models import classifier, keras_twin, padded, ragged, same_bits
from unrolled import Sequential, layers, set_random_seed
from unrolled.optimizers import SGD, Adam


@pytest.mark.parametrize(
    ("middle", "optimizer", "mask_zero"),
    [
        (lambda: [layers.LSTM(6)], Adam(0.01), False),
        (lambda: [layers.LSTM(6)], SGD(0.1, momentum=0.9, clipnorm=0.02), True),
        (lambda: [layers.GRU(6)], Adam(0.01, clipnorm=0.02), True),
        (lambda: [layers.SimpleRNN(6)], Adam(0.01, global_clipnorm=0.1), True),
        (
            lambda: [layers.Bidirectional(layers.LSTM(3, return_sequences=True)), layers.GRU(4)],
            SGD(0.5, momentum=0.5, global_clipnorm=0.1),
            True,
        ),
    ],
)
def test_50_steps_end_where_keras_ends(middle, optimizer, mask_zero):
    set_random_seed(5)
    model = classifier(*middle(), mask_zero=mask_zero)
    model.build((None, None))
    start = model.get_weights()
    theirs = keras_twin(model, type(optimizer).__name__, **asdict(optimizer))
    model.compile(replace(optimizer), metrics=["accuracy"])
    x, y = ragged(40, seed=6)
    x, y = padded(x, 9), y[:, None]
    assert np.allclose(model.predict(x), theirs.predict(x, verbose=0), rtol=0, atol=1e-6)
    for step in range(50):
        rows = np.arange(step, step + 8) % 40
        loss, accuracy = model.train_on_batch(x[rows], y[rows])
        theirs.reset_metrics()
        logs = theirs.train_on_batch(x[rows], y[rows], return_dict=True)
        assert loss == pytest.approx(logs["loss"], abs=1e-5)
        assert accuracy == pytest.approx(logs["accuracy"], abs=1e-6)
    for w, keras_w, w0 in zip(model.get_weights(), theirs.get_weights(), start, strict=True):
        assert np.abs(w - w0).max() > 1e-3
        assert np.abs(w - keras_w).max() < 1e-4
    assert model.evaluate(x, y) == pytest.approx(theirs.evaluate(x, y, verbose=0), abs=1e-5)


def test_50_steps_as_keras_makes_them_where_no_word_comes_twice():
    set_random_seed(5)
    embedding = layers.Embedding(300, 4)
    model = Sequential([embedding, layers.LSTM(6), layers.Dense(1, activation="sigmoid")])
    model.build((None, None))
    optimizer = Adam(0.01, global_clipnorm=0.1)
    theirs = keras_twin(model, "Adam", added_up=False, **asdict(optimizer))
    model.compile(optimizer)
    rng = np.random.default_rng(0)
    for _ in range(50):
        x, y = rng.permutation(300)[:48].reshape(8, 6), rng.integers(0, 2, (8, 1))
        model.train_on_batch(x, y)
        theirs.train_on_batch(x, y)
    for w, keras_w in zip(model.get_weights(), theirs.get_weights(), strict=True):
        assert np.abs(w - keras_w).max() < 1e-4


def test_gradients_are_those_of_keras():
    import keras
    import tensorflow as tf

    set_random_seed(7)
    model = classifier(layers.LSTM(6, return_sequences=True), layers.GlobalAveragePooling1D())
    model.build((None, None))
    theirs = keras_twin(model)
    x, y = ragged(8, seed=8)
    x, y = padded(x, 9), y[:, None].astype("float32")
    with tf.GradientTape() as tape:
        loss = keras.losses.BinaryCrossentropy()(y, theirs(x, training=True))
    expected = tape.gradient(loss, theirs.trainable_variables)
    logs, gradients = model.gradients(x, y)
    assert logs["loss"] == pytest.approx(float(loss), abs=1e-6)
    for ours, other in zip(gradients, expected, strict=True):
        assert np.abs(ours - tf.convert_to_tensor(other).numpy()).max() < 1e-6


def test_a_certain_error_still_teaches_as_in_keras():
    model = Sequential([layers.Dense(1, "sigmoid")])
    model.build((None, 1))
    model.set_weights([np.zeros((1, 1)), np.array([50.0])])  # σ(50) is 1 in float32
    model.compile(SGD(1.0), metrics=["accuracy"])
    x = np.ones((2, 1))
    assert model.evaluate(x, [0, 0]) == [50, 0]
    assert model.train_on_batch(x, [0, 0]) == [50, 0]
    assert same_bits(model.get_weights(), [[[-1]], [49]])
    assert np.array_equal(model.predict(x), [[1], [1]])  # the sigmoid is back
