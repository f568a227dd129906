"""Binary cross-entropy: its formulas, its edges, its gradient, and Keras as oracle."""

import math

import numpy as np
import pytest

from unrolled.activations import sigmoid
from unrolled.gradcheck import check_gradients
from unrolled.losses import binary_crossentropy, binary_crossentropy_gradient

Y = np.array([[0.0], [1.0], [1.0], [0.0], [0.3]])
P = np.array([[0.1], [0.8], [0.25], [0.6], [0.5]])
Z = np.log(P / (1 - P))


def test_value_is_the_mean_negative_log_likelihood(record):
    by_hand = -(math.log(0.9) + math.log(0.8) + math.log(0.25) + math.log(0.4) + math.log(0.5)) / 5
    record("eq-bce", abs(binary_crossentropy(Y, P) - by_hand), 1e-14)
    record("eq-bce-logits", abs(binary_crossentropy(Y, Z, from_logits=True) - by_hand), 1e-14)


@pytest.mark.parametrize("from_logits", [False, True])
def test_gradient_by_central_differences(from_logits, record):
    def loss(pred):
        return binary_crossentropy(Y, pred, from_logits)

    pred = Z if from_logits else P
    gradient = binary_crossentropy_gradient(Y, pred, from_logits)
    error = check_gradients(loss, {"pred": pred}, {"pred": gradient}).error
    record(
        "eq-bce-logits-gradient" if from_logits else "eq-bce-gradient", error, 1e-7, relative=True
    )


def test_gradient_formulas(record):
    pairs = [(float(y), float(p)) for y, p in zip(Y[:, 0], P[:, 0], strict=True)]
    expected = np.array([[(p - y) / (p * (1 - p)) / 5] for y, p in pairs])
    error = np.abs(binary_crossentropy_gradient(Y, P) - expected).max()
    record("eq-bce-gradient", error, 1e-14)
    expected = np.array([[(p - y) / 5] for y, p in pairs])
    error = np.abs(binary_crossentropy_gradient(Y, Z, from_logits=True) - expected).max()
    record("eq-bce-logits-gradient", error, 1e-14)


@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradient_keeps_shape_and_dtype(from_logits, dtype):
    pred = P.astype(dtype)
    before = pred.copy()
    gradient = binary_crossentropy_gradient(Y[:, 0], pred, from_logits)  # (B,) labels
    assert gradient.shape == (5, 1)
    assert gradient.dtype == dtype
    assert np.array_equal(pred, before)
    assert isinstance(binary_crossentropy(Y, pred, from_logits), float)


def test_certain_predictions_cost_what_keras_lets_them_cost():
    zero, one = np.array([[0.0]]), np.array([[1.0]])
    assert binary_crossentropy([0], zero) == pytest.approx(1e-7, rel=1e-6)
    assert binary_crossentropy([1], one) == pytest.approx(1e-7, rel=1e-6)
    assert binary_crossentropy([1], zero) == pytest.approx(-np.log(1e-7), rel=1e-9)
    assert binary_crossentropy([0], one) == pytest.approx(-np.log(1e-7), rel=1e-9)
    for y in (0, 1):
        for p in (zero, one):
            assert binary_crossentropy_gradient([y], p) == 0  # clipped: no slope left


def test_gradient_just_inside_the_clip_is_kept():
    p = np.array([[1e-7], [2e-7]])
    expected = np.array([[-1e7], [-5e6]]) / 2
    assert np.allclose(binary_crossentropy_gradient([1, 1], p), expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logits_stay_exact_however_large(dtype):
    z = np.array([[1e4], [-1e4]], dtype)
    with np.errstate(all="raise", under="ignore"):
        assert binary_crossentropy([0, 1], z, from_logits=True) == 1e4
        assert binary_crossentropy([1, 0], z, from_logits=True) == 0
        gradient = binary_crossentropy_gradient([0, 1], z, from_logits=True)
        assert np.array_equal(gradient, [[0.5], [-0.5]])
        small = np.array([[-20.0]], dtype)
        tiny = binary_crossentropy([0], small, from_logits=True)
    assert tiny == pytest.approx(np.exp(-20.0), rel=1e-6)


@pytest.mark.parametrize("from_logits", [False, True])
def test_keras_agrees(from_logits):
    import keras
    import tensorflow as tf

    rng = np.random.default_rng(3)
    z = rng.normal(0, 4, (64, 1)).astype("float32")
    z[:4] = [[30], [-30], [100], [-100]]
    y = rng.integers(0, 2, (64, 1)).astype("float32")
    pred = z if from_logits else sigmoid(z)
    tensor = tf.constant(pred)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        loss = keras.losses.BinaryCrossentropy(from_logits=from_logits)(y, tensor)
    assert binary_crossentropy(y, pred, from_logits) == pytest.approx(float(loss), rel=1e-6)
    theirs = tape.gradient(loss, tensor).numpy()
    ours = binary_crossentropy_gradient(y, pred, from_logits)
    assert np.allclose(ours, theirs, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("function", [binary_crossentropy, binary_crossentropy_gradient])
class TestErrors:
    def test_shapes(self, function):
        with pytest.raises(ValueError, match=r"y_true: expected the shape .*\(5, 1\), came \(4,"):
            function(np.zeros(4), P)
        with pytest.raises(ValueError, match=r"y_true: .*\(5,\), came \(5, 1\)"):
            function(Y, P[:, 0])  # would broadcast to (5, 5)
        with pytest.raises(ValueError, match=r"y_true: .*came \(1, 5\)"):
            function(Y.T, P)

    def test_empty(self, function):
        with pytest.raises(ValueError, match="at least one prediction"):
            function(np.zeros((0, 1)), np.zeros((0, 1)))

    @pytest.mark.parametrize(
        ("bad", "came"), [(-0.1, "-0.1 to 1.0"), (1.1, "0.0 to 1.1"), (np.nan, "nan to nan")]
    )
    def test_labels(self, function, bad, came):
        y = Y.copy()
        y[2] = bad
        for from_logits in (False, True):
            with pytest.raises(ValueError, match=f"labels from 0 to 1, came {came}"):
                function(y, P, from_logits)

    @pytest.mark.parametrize(("bad", "came"), [(-0.1, "-0.1 to 0.6"), (1.1, "0.1 to 1.1")])
    def test_logits_taken_for_probabilities(self, function, bad, came):
        p = P.copy()
        p[1] = bad
        with pytest.raises(ValueError, match=f"from 0 to 1, came {came}; .* from_logits=True"):
            function(Y, p)

    def test_nan_predictions_give_nan_not_an_error(self, function):
        p = P.copy()
        p[1] = np.nan
        assert np.isnan(np.sum(function(Y, p)))
