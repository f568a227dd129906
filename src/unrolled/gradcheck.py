"""Gradients checked by central differences, in float64 (chapter 3)."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from unrolled.activations import Array
from unrolled.seeding import generator

Arrays = dict[str, Array]


class GradientCheck(NamedTuple):
    """The largest relative error, the array it is in, and the element furthest off there."""

    error: float
    name: str
    element: tuple[int, ...]


def numerical_gradient(f: Callable[[Array], Any], x: Array, step: float = 6e-6) -> Array:
    """Gradient at x of a scalar function: (f(x + s) - f(x - s)) / 2s, one element at a time.

    x: float64 array of any shape, TypeError if not. s = step * max(1, |element|), with the cube
    root of float64's precision as step: there rounding and curvature err alike, about 1e-10.
    """
    if x.dtype != np.float64:
        raise TypeError(f"x: expected float64 for differences to be exact enough, came {x.dtype}.")
    gradient = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        s = np.zeros(x.shape)
        s[index] = step * np.maximum(1, np.abs(x[index]))
        gradient[index] = (f(x + s) - f(x - s)) / (2 * s[index])
    return gradient


def relative_error(a: Array, b: Array) -> float:
    """‖a - b‖ / (‖a‖ + ‖b‖) over all elements: 0 for equal arrays, at most 1, infinite with NaN.

    a, b: arrays of one shape, ValueError if not.
    """
    if a.shape != b.shape:
        raise ValueError(f"a, b: expected equal shapes, came {a.shape} and {b.shape}.")
    size = np.linalg.norm(a.ravel()) + np.linalg.norm(b.ravel())
    return float(np.nan_to_num(np.linalg.norm((a - b).ravel()) / (size or 1), nan=np.inf))


def check_gradients(f: Callable[..., Any], arrays: Arrays, gradients: Arrays) -> GradientCheck:
    """Compare gradients of the scalar f(**arrays), named as its arrays, with differences.

    arrays: float64 of any shapes. gradients: of all or some of them, in their shapes.
    """

    def compare(name: str) -> GradientCheck:
        numerical = numerical_gradient(lambda a: f(**{**arrays, name: a}), arrays[name])
        off = np.abs(gradients[name] - numerical)
        element = tuple(map(int, np.unravel_index(np.argmax(off), off.shape)))
        return GradientCheck(relative_error(gradients[name], numerical), name, element)

    return max(compare(name) for name in gradients)


def check_layer(layer: Any, x: Array, mask: Any = None, **forward: Any) -> GradientCheck:
    """Check the gradients of x (unless it holds ids) and of all weights of a layer in float64.

    x: (B, T, D), or what else the layer takes; mask: (B, T) or None. What is differentiated is a
    random projection of all that `layer.forward` returns.
    """
    arrays = {"x": x} | {f"weights[{k}]": np.array(w) for k, w in enumerate(layer.get_weights())}
    start, rng = generator().bit_generator.state, np.random.default_rng(0)

    def outputs(x: Array, **weights: Array) -> list[Array]:
        layer.set_weights(list(weights.values()))
        generator().bit_generator.state = start  # Dropout drops the same units each time
        y = layer(x, mask=mask, **forward)
        return y if isinstance(y, list) else [y]

    dy, *dstate = dys = [rng.standard_normal(y.shape) for y in outputs(**arrays)]
    generator().bit_generator.state = start
    _, cache = layer.forward(x, mask=mask, **forward)
    dx, found = layer.backward(dy, cache, **({"dstate": dstate} if dstate else {}))
    gradients = dict(zip(arrays, [dx, *found], strict=True))
    if x.dtype.kind != "f":
        del gradients["x"]
    result = check_gradients(lambda **a: sum(map(np.vdot, dys, outputs(**a))), arrays, gradients)
    outputs(**arrays)  # gives the layer its weights back
    return result
