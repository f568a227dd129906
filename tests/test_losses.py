"""Losses and accuracies: their formulas, their edges, their gradients, and Keras as oracle."""

import math
import re

import numpy as np
import pytest

from unrolled.activations import sigmoid, softmax
from unrolled.gradcheck import check_gradients
from unrolled.losses import (
    binary_accuracy,
    binary_crossentropy,
    binary_crossentropy_gradient,
    mask_weights,
    mean_squared_error,
    mean_squared_error_gradient,
    pinball,
    pinball_gradient,
    sparse_categorical_accuracy,
    sparse_categorical_crossentropy,
    sparse_categorical_crossentropy_gradient,
)

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


# Name in Keras -> our function and its gradient.
LOSSES = {
    "BinaryCrossentropy": (binary_crossentropy, binary_crossentropy_gradient),
    "SparseCategoricalCrossentropy": (
        sparse_categorical_crossentropy,
        sparse_categorical_crossentropy_gradient,
    ),
    "MeanSquaredError": (mean_squared_error, mean_squared_error_gradient),
}
KINDS = [
    ("BinaryCrossentropy", {}),
    ("BinaryCrossentropy", {"from_logits": True}),
    ("SparseCategoricalCrossentropy", {}),
    ("SparseCategoricalCrossentropy", {"from_logits": True}),
    ("MeanSquaredError", {}),
]
SHAPES = [(6, 1), (6, 3), (4, 5, 1), (4, 5, 3)]


def drawn(name, options, shape, dtype="float64"):
    """Labels with a last axis, and predictions, for a loss of this name.

    Probabilities stay off the edges, where a loss bends so much that differences are inexact.
    """
    rng = np.random.default_rng(len(shape) + shape[-1])
    z = rng.normal(0, 2, shape)
    if name == "BinaryCrossentropy":
        y = rng.integers(0, 2, shape)
        pred = z if options else 0.05 + 0.9 * sigmoid(z)
    elif name == "SparseCategoricalCrossentropy":
        y = rng.integers(0, shape[-1], (*shape[:-1], 1))
        pred = z if options else 0.05 + 0.9 * softmax(z)
    else:
        y, pred = rng.normal(0, 2, shape), z
    return y, pred.astype(dtype)


def test_classes_by_hand():
    p = np.array([[0.2, 0.3, 0.5], [0.7, 0.1, 0.2]])
    by_hand = -(math.log(0.5) + math.log(0.1)) / 2
    assert sparse_categorical_crossentropy([2, 1], p) == pytest.approx(by_hand, rel=1e-14)
    z = np.log(p) + np.array([[3.0], [-5.0]])  # a number added to a whole row changes no softmax
    value = sparse_categorical_crossentropy([2, 1], z, from_logits=True)
    assert value == pytest.approx(by_hand, rel=1e-14)
    gradient = sparse_categorical_crossentropy_gradient([2, 1], z, from_logits=True)
    expected = np.array([[0.2, 0.3, -0.5], [0.7, -0.9, 0.2]]) / 2
    np.testing.assert_allclose(gradient, expected, rtol=1e-13)
    gradient = sparse_categorical_crossentropy_gradient([2, 1], p)
    expected = np.array([[1, 1, 1 - 1 / 0.5], [1, 1 - 1 / 0.1, 1]]) / 2
    np.testing.assert_allclose(gradient, expected, rtol=1e-13)


def test_probabilities_of_classes_are_divided_by_their_sum():
    p = np.array([[0.1, 0.3]])
    assert sparse_categorical_crossentropy([1], p) == pytest.approx(-math.log(3 / 4), rel=1e-14)


def test_two_classes_are_the_binary_loss():
    z = np.array([[-3.0], [0.5], [20.0]])
    two = np.concatenate([np.zeros_like(z), z], axis=1)
    for y in ([0, 1, 1], [1, 0, 0]):
        expected = binary_crossentropy(y, z, from_logits=True)
        value = sparse_categorical_crossentropy(y, two, from_logits=True)
        assert value == pytest.approx(expected, rel=1e-14)


def test_squares_by_hand():
    assert mean_squared_error([1.0, -2.0], np.array([[3.0], [-1.0]])) == (4 + 1) / 2
    y, pred = np.array([[1.0, 0.0]]), np.array([[3.0, 5.0]])
    assert mean_squared_error(y, pred) == (4 + 25) / 2
    assert np.array_equal(mean_squared_error_gradient(y, pred), [[2.0, 5.0]])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("name", "options"), KINDS)
def test_gradients_by_central_differences(name, options, shape, weighted):
    loss, gradient = LOSSES[name]
    y, pred = drawn(name, options, shape)
    if weighted:
        weights = np.random.default_rng(9).uniform(0, 3, shape[:-1])
        weights[0] = 0
        options = {**options, "weights": weights}
    computed = gradient(y, pred, **options)
    result = check_gradients(
        lambda pred: loss(y, pred, **options), {"pred": pred}, {"pred": computed}
    )
    one_class = name == "SparseCategoricalCrossentropy" and shape[-1] == 1
    assert result.error < 1e-8 or (one_class and np.abs(computed).max() < 1e-15)
    if weighted:
        assert np.array_equal(computed[0], np.zeros(shape[1:]))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("name", "options"), KINDS)
def test_weights_multiply_each_loss_before_the_mean_over_all(name, options, shape):
    loss, gradient = LOSSES[name]
    y, pred = drawn(name, options, shape)
    weights = np.random.default_rng(8).uniform(0, 3, shape[:-1])
    each = [loss(y[k : k + 1], pred[k : k + 1], **options) for k in range(len(y))]
    if len(shape) == 3:
        rows = [(k, t) for k in range(shape[0]) for t in range(shape[1])]
        each = [loss(y[k, t][None], pred[k, t][None], **options) for k, t in rows]
    expected = np.mean(weights.ravel() * each)
    assert loss(y, pred, **options, weights=weights) == pytest.approx(expected, rel=1e-13)
    ones = np.ones(shape[:-1])
    assert loss(y, pred, **options, weights=ones) == loss(y, pred, **options)
    unweighted = gradient(y, pred, **options)
    weighted = gradient(y, pred, **options, weights=weights)
    np.testing.assert_allclose(weighted, weights[..., None] * unweighted, rtol=1e-13)


def test_a_row_of_predictions_counts_as_a_column():
    y, p, weights = Y[:, 0], P[:, 0], [0.0, 1.0, 2.0, 0.5, 1.0]
    for options in ({}, {"weights": weights}):
        assert binary_crossentropy(y, p, **options) == binary_crossentropy(Y, P, **options)
        assert mean_squared_error(y, p, **options) == mean_squared_error(Y, P, **options)
        row = binary_crossentropy_gradient(y, p, **options)
        assert np.array_equal(row, binary_crossentropy_gradient(Y, P, **options)[:, 0])
    assert np.array_equal(binary_accuracy([0, 1, 1, 0, 1], p), [1, 1, 0, 0, 0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("name", "options"), KINDS)
def test_labels_with_and_without_a_last_axis_and_what_comes_back(name, options, shape, dtype):
    loss, gradient = LOSSES[name]
    y, pred = drawn(name, options, shape, dtype)
    y_before, before = y.copy(), pred.copy()
    value, computed = loss(y, pred, **options), gradient(y, pred, **options)
    assert isinstance(value, float)
    assert computed.dtype == dtype
    assert computed.shape == shape
    assert np.array_equal(pred, before)
    assert np.array_equal(y, y_before)
    if y.shape[-1] == 1:
        for labels in (y[..., 0], y[..., 0].tolist(), y[..., 0].astype(float)):
            assert loss(labels, pred, **options) == value
            assert np.array_equal(gradient(labels, pred, **options), computed)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logits_of_classes_stay_exact_however_large(dtype):
    z = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]], dtype)
    with np.errstate(all="raise", under="ignore"):
        assert sparse_categorical_crossentropy([0, 0], z, from_logits=True) == pytest.approx(
            (0 + 2e4 + math.log(2)) / 2, rel=1e-6
        )
        gradient = sparse_categorical_crossentropy_gradient([0, 0], z, from_logits=True)
    assert np.array_equal(gradient, [[0, 0, 0], [-0.5, 0.25, 0.25]])


def test_certain_probabilities_of_classes_cost_what_keras_lets_them_cost():
    p = np.array([[0.0, 1.0]])
    wrong = -math.log(1e-7)  # the two, clipped, have the sum 1
    assert sparse_categorical_crossentropy([0], p) == pytest.approx(wrong, rel=1e-9)
    assert sparse_categorical_crossentropy([1], p) == pytest.approx(1e-7, rel=1e-6)
    assert np.array_equal(sparse_categorical_crossentropy_gradient([0], p), [[0, 0]])
    inside = sparse_categorical_crossentropy_gradient([0], np.array([[1e-7, 0.5]]))
    assert inside[0, 0] == pytest.approx(-1e7, rel=1e-6)


def masked(pred, mask):
    """pred as a tensor of Keras that carries this mask (B, T), as layers attach it."""
    from keras.src import backend

    tensor = backend.convert_to_tensor(pred)
    if mask is not None:
        backend.set_keras_mask(tensor, backend.convert_to_tensor(mask))
    return tensor


MASK = np.array([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0], [0, 1, 0, 1, 0]], bool)


@pytest.mark.parametrize("mask", [None, MASK, np.zeros((4, 5), bool)], ids=["all", "some", "none"])
@pytest.mark.parametrize("sample_weight", [None, (4, 1), (4, 5), (4, 5, 1)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), KINDS)
def test_keras_agrees_on_sequences(name, options, dtype, sample_weight, mask):
    import keras
    import tensorflow as tf

    loss, gradient = LOSSES[name]
    K = 1 if name == "BinaryCrossentropy" else 3
    y, pred = drawn(name, options, (4, 5, K), dtype)
    far = options or name == "MeanSquaredError"
    pred[0, 0], pred[1, 2] = (100, -100) if far else (1, 0)
    if sample_weight is not None:
        sample_weight = np.random.default_rng(7).uniform(0, 3, sample_weight)
    tensor = masked(pred, mask)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        theirs = getattr(keras.losses, name)(**options, dtype=dtype)(y, tensor, sample_weight)
    weights = mask_weights(sample_weight, mask, (4, 5))
    close = 1e-6 if dtype == "float32" else 1e-13
    assert loss(y, pred, **options, weights=weights) == pytest.approx(float(theirs), rel=close)
    ours = gradient(y, pred, **options, weights=weights)
    their_gradient = tape.gradient(theirs, tensor).numpy()
    assert np.abs(their_gradient).max() > 0.01 or (mask is not None and not mask.any())
    np.testing.assert_allclose(ours, their_gradient, rtol=20 * close, atol=close)


@pytest.mark.parametrize("sample_weight", [None, (6,), (6, 1)], ids=str)
@pytest.mark.parametrize("K", [1, 3])
@pytest.mark.parametrize(("name", "options"), KINDS)
def test_keras_agrees_on_rows(name, options, K, sample_weight):
    import keras

    y, pred = drawn(name, options, (6, K))
    if sample_weight is not None:
        sample_weight = np.random.default_rng(7).uniform(0, 3, sample_weight)
    theirs = getattr(keras.losses, name)(**options, dtype="float64")(y, pred, sample_weight)
    weights = mask_weights(sample_weight, None, (6,))
    ours = LOSSES[name][0](y, pred, **options, weights=weights)
    assert ours == pytest.approx(float(theirs), rel=1e-13, abs=1e-15)


@pytest.mark.parametrize("K", [1, 3])
def test_a_model_of_keras_reports_these_losses_and_accuracies(K):
    """The whole way: the mask of an Embedding, weights of steps, both kinds of metrics."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    ids, sample_weight = rng.integers(1, 9, (4, 5)) * MASK, rng.uniform(0, 3, (4, 5))
    y = rng.integers(0, max(2, K), (4, 5, 1))
    model = keras.Sequential(
        [
            layers.Embedding(9, 3, mask_zero=True),
            layers.LSTM(4, return_sequences=True),
            layers.Dense(K, activation="sigmoid" if K == 1 else "softmax"),
        ]
    )
    loss, accuracy = {
        1: (binary_crossentropy, binary_accuracy),
        3: (sparse_categorical_crossentropy, sparse_categorical_accuracy),
    }[K]
    both = {"metrics": ["accuracy"], "weighted_metrics": ["accuracy"]}
    model.compile(loss=loss.__name__, **both, run_eagerly=True)
    model(ids)
    for layer in model.layers:  # far from 0, so that the accuracies are not all alike
        layer.set_weights([3 * w for w in layer.get_weights()])
    theirs = model.evaluate(ids, y, sample_weight=sample_weight, verbose=0, return_dict=True)
    p = model.predict(ids, verbose=0)
    weights = mask_weights(sample_weight, MASK, (4, 5))
    right = accuracy(y, p)
    assert loss(y, p, weights=weights) == pytest.approx(theirs["loss"], rel=1e-5)
    assert np.average(right, weights=MASK) == pytest.approx(theirs["accuracy"], rel=1e-6)
    weighted = np.average(right, weights=MASK * sample_weight)
    assert weighted == pytest.approx(theirs["weighted_accuracy"], rel=1e-6)
    assert 0 < theirs["accuracy"] != theirs["weighted_accuracy"]


def test_mask_weights_by_hand():
    assert mask_weights(None, None, (3,)) is None
    mask = np.array([[True, False], [True, True]])
    assert np.allclose(mask_weights(None, mask, (2, 2)), [[4 / 3, 0], [4 / 3, 4 / 3]])
    assert np.allclose(mask_weights([[3], [6]], mask, (2, 2)), [[4, 0], [8, 8]])
    assert np.allclose(
        mask_weights([[3], [6]], mask.astype(int)[..., None], (2, 2)), [[4, 0], [8, 8]]
    )
    assert np.array_equal(mask_weights([[3], [6]], None, (2, 2)), [[3, 3], [6, 6]])
    assert np.array_equal(mask_weights([[1, 2], [3, 4]], None, (2, 2)), [[1, 2], [3, 4]])
    assert np.array_equal(mask_weights([3, 6], None, (2,)), [3, 6])
    assert np.array_equal(mask_weights([3, 6], [True, False], (2,)), [6, 0])
    assert np.array_equal(mask_weights(None, np.zeros((2, 2), bool), (2, 2)), np.zeros((2, 2)))


def test_binary_accuracy_by_hand():
    p = np.array([[0.5], [0.51], [0.2], [0.9]])  # 0.5 itself counts as 0, as in Keras
    assert np.array_equal(binary_accuracy([0, 1, 1, 0], p), [1, 1, 0, 0])
    z = np.array([[0.0], [0.1], [-2.0], [3.0]])
    assert np.array_equal(binary_accuracy([0, 1, 1, 0], z, from_logits=True), [1, 1, 0, 0])
    both = np.array([[0.9, 0.1], [0.9, 0.9]])
    assert np.array_equal(binary_accuracy([[1, 1], [1, 1]], both), [0.5, 1])


def test_sparse_categorical_accuracy_by_hand():
    z = np.array([[[3.0, -1.0, 2.0], [0.0, 9.0, 1.0]]])
    assert np.array_equal(sparse_categorical_accuracy([[0, 2]], z, from_logits=True), [[1, 0]])
    assert np.array_equal(sparse_categorical_accuracy([[[0], [1]]], softmax(z)), [[1, 1]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ["binary_accuracy", "sparse_categorical_accuracy"])
def test_accuracies_are_those_of_keras(name, shape, dtype):
    import keras

    kind = "BinaryCrossentropy" if name == "binary_accuracy" else "SparseCategoricalCrossentropy"
    y, p = drawn(kind, {}, shape, dtype)
    theirs = np.array(getattr(keras.metrics, name)(y, p)).reshape(*shape[:-1], -1).mean(axis=-1)
    ours = {"b": binary_accuracy, "s": sparse_categorical_accuracy}[name[0]](y, p)
    assert ours.dtype == dtype
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


OF_CLASSES = [*LOSSES["SparseCategoricalCrossentropy"], sparse_categorical_accuracy]
OF_LABELS = [*LOSSES["BinaryCrossentropy"], binary_accuracy]


@pytest.mark.parametrize("function", OF_CLASSES)
class TestErrorsOfClasses:
    P = np.full((2, 3), 1 / 3)

    @pytest.mark.parametrize("bad", [3, -1, 0.5, np.nan, np.inf, 1e30])
    def test_labels(self, function, bad):
        came = re.escape(f"came {bad}")
        with pytest.raises(ValueError, match=f"y_true: .* whole numbers from 0 to 2, {came}"):
            function([0, bad], self.P)

    @pytest.mark.parametrize("labels", [[0], [[0, 1]], np.eye(3)[:2], [[[0]], [[1]]], 0])
    def test_shapes(self, function, labels):
        came = re.escape(str(np.shape(labels)))
        with pytest.raises(ValueError, match=rf"y_true: expected shape \(2,\), .* came {came}"):
            function(labels, self.P)

    def test_predictions_of_one_axis(self, function):
        with pytest.raises(ValueError, match=r"y_pred: expected axes \(B, K\) .* came shape \(3,"):
            function([0], np.full(3, 1 / 3))

    def test_logits_taken_for_probabilities(self, function):
        with pytest.raises(ValueError, match=r"from 0 to 1, came -1.0 to 2.0; .* from_logits=True"):
            function([0, 1], np.array([[-1.0, 2.0], [0.0, 0.0]]))

    def test_nan_predictions_give_nan_not_an_error(self, function):
        p = self.P.copy()
        p[0, 1] = np.nan
        assert function is sparse_categorical_accuracy or np.isnan(np.sum(function([0, 1], p)))


@pytest.mark.parametrize("function", [*OF_CLASSES, *OF_LABELS, *LOSSES["MeanSquaredError"]])
class TestErrorsOfAll:
    P = np.full((2, 1), 0.5)

    @pytest.mark.parametrize(
        ("labels", "came"),
        [
            (["pos", "neg"], "'pos'"),
            ([0, "neg"], "'neg'"),
            (np.array(["pos", "neg"]), "'pos'"),
            ([None, 1], "None"),
            ([0, 1j], "1j"),
        ],
        ids=str,
    )
    def test_labels_that_are_no_numbers(self, function, labels, came):
        with pytest.raises(TypeError, match=f"y_true: expected numbers, came {came}"):
            function(labels, self.P)

    def test_ragged_labels(self, function):
        with pytest.raises(ValueError, match="y_true: expected rows of one length"):
            function([[0], [0, 1]], self.P)

    def test_predictions(self, function):
        with pytest.raises(TypeError, match="y_pred: expected a float array, came dtype int64"):
            function([0, 0], np.array([[0], [1]]))
        with pytest.raises(TypeError, match="y_pred: expected numbers, came 'a'"):
            function([0, 0], [["a"], ["b"]])
        for shape in ((0, 1), (2, 0), ()):
            with pytest.raises(ValueError, match="y_pred: expected at least one prediction"):
                function([0, 0], np.zeros(shape))


@pytest.mark.parametrize("function", [f for pair in LOSSES.values() for f in pair])
class TestErrorsOfWeights:
    P = np.full((2, 1), 0.5)

    @pytest.mark.parametrize("bad", [-1, np.nan, np.inf])
    def test_values(self, function, bad):
        with pytest.raises(ValueError, match=f"weights: expected finite .* came {float(bad)}"):
            function([0, 0], self.P, weights=[1.0, bad])

    def test_shapes_and_words(self, function):
        for weights in ([1.0], [[1.0], [1.0]], 1.0):
            with pytest.raises(ValueError, match=r"weights: expected shape \(2,\), one for each"):
                function([0, 0], self.P, weights=weights)
        with pytest.raises(TypeError, match="weights: expected numbers, came 'balanced'"):
            function([0, 0], self.P, weights="balanced")


@pytest.mark.parametrize("function", LOSSES["MeanSquaredError"])
def test_errors_of_targets(function):
    with pytest.raises(ValueError, match="y_true: expected finite numbers, came nan"):
        function([0, np.nan], np.zeros((2, 1)))
    with pytest.raises(ValueError, match=r"y_true: expected the shape .*\(2, 1\), came \(1, 2\)"):
        function([[0, 1]], np.zeros((2, 1)))


def test_errors_of_mask_weights():
    with pytest.raises(ValueError, match=r"sample_weight: expected shape \(2, 3\), or \(2, 1\) "):
        mask_weights([1, 2], None, (2, 3))  # rows or steps? Keras refuses it too
    with pytest.raises(ValueError, match=r"sample_weight: .* came \(2, 2\)"):
        mask_weights([[1, 2], [1, 2]], None, (2, 2, 2))
    with pytest.raises(ValueError, match=r"sample_weight: expected finite .*, came -2"):
        mask_weights([1, -2], None, (2,))
    with pytest.raises(ValueError, match=r"mask: expected shape \(2, 3\), came \(2,\)"):
        mask_weights(None, [True, False], (2, 3))
    with pytest.raises(ValueError, match=r"mask: expected True or False, came 0.5 to 1.0"):
        mask_weights(None, [0.5, 1.0], (2,))
    with pytest.raises(TypeError, match=r"mask: expected numbers, came 'x'"):
        mask_weights(None, ["x"], (1,))


# Quantiles


@pytest.mark.parametrize("shape", [(40,), (40, 1), (8, 5), (8, 5, 1)])
def test_pinball_is_that_of_scikit_learn(shape):
    from sklearn.metrics import mean_pinball_loss

    rng = np.random.default_rng(2)
    y = rng.normal(size=shape)
    rows = y.shape[:-1] if y.shape[-1] == 1 else y.shape
    q = rng.normal(size=(*rows, 3))
    levels = (0.05, 0.5, 0.8)
    expected = [
        mean_pinball_loss(y.ravel(), q[..., k].ravel(), alpha=tau) for k, tau in enumerate(levels)
    ]
    assert pinball(y, q, levels) == pytest.approx(np.mean(expected), rel=1e-12)
    assert pinball(y, q[..., 1:2], [0.5]) == pytest.approx(
        np.abs(y.ravel() - q[..., 1].ravel()).mean() / 2
    )


def test_pinball_gradient_by_hand_and_at_the_kink():
    y, q = np.array([1.0, 2.0]), np.array([[0.0, 3.0], [2.0, 2.0]], np.float32)
    gradient = pinball_gradient(y, q, (0.1, 0.9))
    assert gradient.dtype == np.float32
    assert np.allclose(gradient * 4, [[-0.1, 0.1], [-0.1, -0.9]])
    assert pinball(y, q, (0.1, 0.9)) == pytest.approx((0.1 * 1 + 0.1 * 2) / 4)


@pytest.mark.parametrize("function", [pinball, pinball_gradient])
@pytest.mark.parametrize(
    ("y", "q", "levels", "words"),
    [
        ([1.0], np.zeros((1, 2)), (0.5,), "y_pred: expected a last axis of 1"),
        ([1.0], np.zeros(1), (0.5,), "y_pred: expected a last axis of 1"),
        ([1.0], np.zeros((1, 2)), (0.5, 1.0), "quantiles: expected levels between 0 and 1"),
        ([1.0], np.zeros((1, 1)), 0.5, "quantiles: expected levels"),
        ([np.nan], np.zeros((1, 1)), (0.5,), "y_true: expected finite numbers"),
        ([1.0, 2.0], np.zeros((1, 1)), (0.5,), "y_true: expected the shape"),
    ],
)
def test_quantiles_that_do_not_fit_are_refused(function, y, q, levels, words):
    with pytest.raises(ValueError, match=words):
        function(y, q, levels)
