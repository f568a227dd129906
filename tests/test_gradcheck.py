"""The checker is checked: it is exact enough, it finds what is wrong, and it says where."""

import numpy as np
import pytest

from unrolled.gradcheck import check_gradients, check_layer, numerical_gradient, relative_error
from unrolled.seeding import generator, set_random_seed


def test_differences_of_a_function_with_a_known_gradient():
    x = np.array([[-2.0, -0.5, 1e-3], [0.0, 0.7, 3.0]])
    kept = x.copy()
    gradient = numerical_gradient(lambda a: np.sum(np.sin(a) * np.array([1.0, -2.0, 5.0])), x)
    np.testing.assert_allclose(gradient, np.cos(x) * [1.0, -2.0, 5.0], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(x, kept)


def test_the_step_grows_with_large_elements_and_not_with_small_ones():
    seen = []
    numerical_gradient(lambda a: seen.append(a.copy()) or 0.0, np.array([1e-4, -3e6]), step=1e-5)
    steps = [(above - below) / 2 for above, below in zip(seen[::2], seen[1::2], strict=True)]
    np.testing.assert_allclose(steps, [[1e-5, 0], [0, 30]], rtol=1e-9, atol=1e-20)
    large = numerical_gradient(lambda a: float(a) ** 2, np.array(3e6))
    np.testing.assert_allclose(large, 6e6, rtol=1e-9)


def test_the_default_step_is_near_the_best():
    def error(**step):
        x = np.linspace(-1, 1, 9)
        return np.max(np.abs(numerical_gradient(lambda a: np.exp(a).sum(), x, **step) - np.exp(x)))

    assert error() < 1e-9
    assert error() < error(step=1e-4)
    assert error() < error(step=1e-8)


def test_float32_has_too_few_digits():
    with pytest.raises(TypeError, match=r"^x: expected float64 .* came float32\.$"):
        numerical_gradient(np.sum, np.zeros(3, np.float32))


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([3.0, 4.0], [3.0, 4.0], 0),
        ([0.0, 0.0], [0.0, 0.0], 0),
        ([3.0, 4.0], [0.0, 0.0], 1),
        ([3.0, 4.0], [-3.0, -4.0], 1),
        ([3.0, 0.0], [0.0, 4.0], 5 / 7),
        ([[1e-12, 0.0]], [[3e-12, 0.0]], 0.5),
        ([1.0, np.nan], [1.0, 1.0], np.inf),
        ([1.0, np.inf], [1.0, np.inf], np.inf),
    ],
)
def test_relative_error(a, b, expected):
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        computed = relative_error(np.array(a), np.array(b))
        mirrored = relative_error(np.array(b), np.array(a))
    assert computed == mirrored == pytest.approx(expected, rel=1e-15)
    assert isinstance(computed, float)


def test_relative_error_refuses_shapes_that_would_only_broadcast():
    with pytest.raises(ValueError, match=r"came \(3,\) and \(1, 3\)"):
        relative_error(np.zeros(3), np.zeros((1, 3)))


def product(A, b, scale=1.0):
    return scale * np.sum(np.sin(A @ b))


def arrays_and_gradients():
    rng = np.random.default_rng(0)
    arrays = {"A": rng.normal(size=(3, 2)), "b": rng.normal(size=2), "scale": np.array(1.5)}
    slope = 1.5 * np.cos(arrays["A"] @ arrays["b"])
    gradients = {"A": np.outer(slope, arrays["b"]), "b": arrays["A"].T @ slope}
    gradients["scale"] = np.sum(np.sin(arrays["A"] @ arrays["b"]))
    return arrays, gradients


def test_right_gradients_pass():
    arrays, gradients = arrays_and_gradients()
    result = check_gradients(product, arrays, gradients)
    assert 0 < result.error < 1e-9


def test_the_largest_error_is_found_and_placed():
    arrays, gradients = arrays_and_gradients()
    gradients["b"][0] += 1e-4
    gradients["A"][2, 1] += 1.0
    gradients["A"][0, 0] -= 0.5
    result = check_gradients(product, arrays, gradients)
    assert (result.name, result.element) == ("A", (2, 1))
    numerical = numerical_gradient(lambda A: product(**arrays | {"A": A}), arrays["A"])
    assert result.error == relative_error(gradients["A"], numerical) > 0.1
    gradients["A"] = numerical
    error, name, element = check_gradients(product, arrays, gradients)
    assert (name, element) == ("b", (0,))
    assert 1e-6 < error < 1e-3


def test_nan_is_worse_than_any_error():
    arrays, gradients = arrays_and_gradients()
    gradients["A"] = -gradients["A"]
    gradients["b"][1] = np.nan
    assert check_gradients(product, arrays, gradients) == (np.inf, "b", (1,))


def test_a_scalar_is_an_array_without_axes():
    arrays, gradients = arrays_and_gradients()
    result = check_gradients(product, arrays, {"scale": 3 * gradients["scale"]})
    assert (result.name, result.element) == ("scale", ())
    assert result.error == pytest.approx(0.5, rel=1e-6)


class Toy:
    """y = tanh(x W) without the masked rows, some units dropped; faults can be built in."""

    def __init__(self, fault=None, state=False):
        self.W = np.random.default_rng(5).normal(size=(3, 2))
        self.fault, self.state = fault, state

    def get_weights(self):
        return [self.W]

    def set_weights(self, weights):
        (self.W,) = weights

    def __call__(self, x, mask=None, training=False):
        return self.forward(x, mask, training)[0]

    def forward(self, x, mask=None, training=False):
        if x.dtype.kind == "i":  # ids
            x = np.eye(3)[x]
        self.training = training
        keep = np.ones(len(x)) if mask is None else mask * 1.0
        dropped = generator().random((len(x), 2)) < 0.5 if training else np.ones((len(x), 2))
        t = np.tanh(x @ self.W)
        y = t * keep[:, None] * dropped
        return [y, y**2] if self.state else y, (x, keep[:, None], dropped, t)

    def backward(self, dy, cache, dstate=None):
        x, keep, dropped, t = cache
        if self.state:
            dy = dy + dstate[0] * 2 * t * keep * dropped
        delta = dy * keep * dropped * (1 - t**2)
        if self.fault == "mask":
            delta = dy * dropped * (1 - t**2)
        dx = delta @ self.W.T
        dW = x.T @ delta
        if self.fault == "input":
            dx[1, 2] *= -1
        if self.fault == "weight":
            dW[2, 0] += 1.0
        return dx, [dW]


X = np.random.default_rng(6).normal(size=(4, 3))
MASK = np.array([True, False, True, True])


@pytest.mark.parametrize("state", [False, True])
@pytest.mark.parametrize("mask", [None, MASK])
@pytest.mark.parametrize("training", [False, True])
def test_a_right_layer_passes_and_keeps_its_weights(state, mask, training):
    set_random_seed(3)
    layer = Toy(state=state)
    kept = layer.W.copy()
    result = check_layer(layer, X, mask, training=training)
    assert 0 < result.error < 1e-9
    assert layer.training == training
    np.testing.assert_array_equal(layer.get_weights()[0], kept)


@pytest.mark.parametrize(
    ("fault", "name", "element"), [("input", "x", (1, 2)), ("weight", "weights[0]", (2, 0))]
)
def test_a_wrong_layer_is_caught(fault, name, element):
    result = check_layer(Toy(fault), X)
    assert result.error > 1e-2
    assert (result.name, result.element) == (name, element)


def test_a_gradient_that_leaks_through_the_mask_is_caught():
    assert check_layer(Toy("mask"), X).error < 1e-9
    assert check_layer(Toy("mask"), X, MASK).error > 1e-2


def test_ids_have_no_gradient_but_the_weights_do():
    ids = np.array([2, 0, 0, 1])
    assert check_layer(Toy("input"), ids).error < 1e-9
    assert check_layer(Toy("weight"), ids).name == "weights[0]"


def test_the_gradient_of_every_output_is_checked():
    layer = Toy(state=True)
    layer.backward = lambda dy, cache, dstate: Toy.backward(layer, dy, cache, [0 * dstate[0]])
    assert check_layer(layer, X).error > 1e-2
