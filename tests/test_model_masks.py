"""Masks and states reach the end of a model: loss, metrics, gradient, and the next batch."""

import copy

import numpy as np
import pytest

from unrolled import Sequential, layers, set_random_seed
from unrolled.optimizers import SGD

WORDS = 50
RNG = np.random.default_rng(0)


def same(ours, theirs):
    return len(ours) == len(theirs) and all(map(np.array_equal, ours, theirs))


def tagger(last="sigmoid", units=1, mask_zero=True, middle=None, loss="binary_crossentropy"):
    set_random_seed(1)
    model = Sequential(
        [
            layers.Embedding(WORDS, 4, mask_zero=mask_zero),
            middle or layers.LSTM(4, return_sequences=True),
            layers.Dense(units, last),
        ]
    )
    model.compile(SGD(0.1), loss, metrics=["accuracy"])
    model.build((None, None))
    return model


def tails():
    """Ids (6, 9) with padding in front, and labels of each step that differ on the padding."""
    x = RNG.integers(1, WORDS, (6, 9))
    x[np.arange(9) < np.array([0, 2, 4, 5, 7, 8])[:, None]] = 0
    y = RNG.integers(0, 2, x.shape)
    return x, y, np.where(x > 0, y, 1 - y)


@pytest.mark.parametrize(
    "middle", [None, layers.Bidirectional(layers.GRU(2, return_sequences=True))]
)
def test_labels_of_padding_count_nowhere(middle):
    x, y, other = tails()
    model = tagger(middle=copy.deepcopy(middle))
    assert model.evaluate(x, y) == model.evaluate(x, other)
    (logs, gradients), (_, others) = model.gradients(x, y), model.gradients(x, other)
    assert same(gradients, others)
    p = model.predict(x)[:, :, 0]
    real = x > 0
    expected = -np.where(y == 1, np.log(p), np.log(1 - p))[real].mean()
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)
    assert logs["accuracy"] == pytest.approx(((p > 0.5) == y)[real].mean(), rel=1e-6)


def test_masking_of_features_reaches_the_loss():
    x, y, other = tails()
    features = RNG.normal(size=(*x.shape, 3)) * (x > 0)[:, :, None]
    model = Sequential(
        [layers.Masking(), layers.GRU(3, return_sequences=True), layers.Dense(1, "sigmoid")]
    )
    model.compile(SGD(0.1), metrics=["accuracy"])
    assert model.evaluate(features, y) == model.evaluate(features, other)


def test_features_as_lists_are_those_of_a_masked_array():
    lengths = (2, 5, 1, 4)
    rows = [RNG.normal(size=(length, 3)) for length in lengths]
    padded, real = np.zeros((4, 5, 3)), np.zeros((4, 5), bool)
    for k, row in enumerate(rows):
        padded[k, 5 - len(row) :], real[k, 5 - len(row) :] = row, True
    for lists in (True, False):
        set_random_seed(4)
        model = Sequential([layers.Masking(), layers.LSTM(3), layers.Dense(1, "sigmoid")])
        model.compile(SGD(0.5))
        x = rows if lists else padded
        model.fit(x, [0, 1, 1, 0], epochs=3, verbose=0, shuffle=False)
        found = [*model.get_weights(), model.predict(x)]
        if lists:
            expected = found
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


def test_stateful_layers_read_on_where_the_last_batch_ended():
    x = RNG.normal(size=(4, 6, 3))

    def made(**options):
        set_random_seed(5)
        model = Sequential([layers.LSTM(3, return_sequences=True, **options), layers.Dense(1)])
        model.compile(SGD(0.1), "mean_squared_error")
        model.build((None, None, 3))
        return model

    whole = made().predict(x)
    model = made(stateful=True)
    parts = [model.predict(x[:, :2], batch_size=4), model.predict(x[:, 2:], batch_size=4)]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, rtol=0, atol=1e-6)
    model.reset_states()
    np.testing.assert_allclose(model.predict(x[:, :2], batch_size=4), whole[:, :2], atol=1e-6)
    y = np.zeros((4, 6))
    with pytest.raises(ValueError, match="shuffle: expected False"):
        model.fit(x, y, batch_size=4, verbose=0)
    with pytest.raises(ValueError, match="batch_size: expected batches of 4 examples"):
        model.fit(x, y, batch_size=3, shuffle=False, verbose=0)
    with pytest.raises(ValueError, match="x: expected an array"):
        model.predict([x[0], x[1]], batch_size=2)
    model.reset_states()
    model.fit(x, y, batch_size=4, shuffle=False, verbose=0)
