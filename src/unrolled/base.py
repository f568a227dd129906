"""Layer: what all layers share, and the checks of what comes in. Names are those of Keras.

x is (B, T, D): B examples of T time steps with D features; ids are (B, T). A layer is built once,
for an input shape. `forward` answers for a batch and returns a cache beside the answer;
`backward` takes that cache and the gradient of the loss with respect to the answer. A layer itself
holds its arguments and its weights, and no call of `forward` or `backward` writes to it: so layers
may be copied, pickled, and used by several threads at once.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, NamedTuple

import numpy as np

from unrolled.activations import Array
from unrolled.refusals import refuse, refuse_attribute

Shape = tuple[int | None, ...]


class Cache(NamedTuple):
    """What `backward` needs of a call of `forward`: whose it was, the output's shape, the rest."""

    layer: str
    shape: tuple[int, ...]
    rest: Any


def whole_number(value: Any) -> bool:
    """Whether it is a positive whole number, and no bool."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return bool(whole and value > 0)


@dataclass(eq=False)
class Layer:
    """Arguments and weights; subclasses say how to go forward and back.

    `weights` are the arrays in use, which an optimizer changes in place. trainable=False keeps an
    optimizer from changing them. What does not fit raises a ValueError or TypeError that names the
    argument, before anything is computed. An argument may be changed later, where weights that are
    there allow it. An attribute that only Keras's layers have is an AttributeError.
    """

    trainable: bool = field(default=True, kw_only=True)

    built = False
    axes: ClassVar[str] = "(B, T, D)"  # of x
    _forward: ClassVar[Callable[..., Any]]  # x, mask, training -> y, and what _backward needs
    _backward: ClassVar[Callable[..., Any]]  # dy, that -> dx, gradients

    def __new__(cls, *args: Any, **options: Any) -> "Layer":
        _, *known = inspect.signature(cls.__init__).parameters  # a layer may have its own __init__
        refuse(cls.__name__, options, known)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        self.weights = list[Array]()
        self.built, self.dtype = False, np.dtype("float32")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in [f.name for f in fields(self)]:
            self._set_argument(name, value)
            return
        if not hasattr(type(self), name):
            refuse_attribute(type(self).__name__, name)
        super().__setattr__(name, value)

    def _set_argument(self, name: str, value: Any) -> None:
        fits, expected = self._fits(name, value)
        self._expect(fits, name, expected, value)
        before = getattr(self, name, value)
        super().__setattr__(name, value)
        if self.built and not self._weights_fit():
            super().__setattr__(name, before)
            self._expect(False, name, f"{before!r}, for which the layer is built", value)

    def _weights_fit(self) -> bool:
        expected = self.weight_shapes(self.features)
        return None in expected or expected == [w.shape for w in self.weights]

    def _fits(self, name: str, value: Any) -> tuple[Any, str]:
        """Whether an argument is what it has to be, and that in words."""
        match name:
            case "units" | "input_dim" | "output_dim":
                return whole_number(value), "a positive whole number"
            case "rate" | "dropout" | "recurrent_dropout":
                number = isinstance(value, int | float) and not isinstance(value, bool)
                return number and 0 <= value < 1, "a number from 0 to below 1"
        return isinstance(value, bool), "True or False"

    def _expect(
        self, fits: Any, name: str, expected: Any, came: Any, error: type[Exception] = ValueError
    ) -> None:
        if not fits:
            raise error(f"{type(self).__name__}: {name}: expected {expected}, came {came!r}.")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again: type(layer)(**layer.get_config())."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def build(self, input_shape: Shape, dtype: str = "float32") -> None:
        """Make the weights for inputs of this shape, of which only the last axis counts."""
        fits = len(input_shape) == self.axes.count(",") + 1 or (self.axes == "any" and input_shape)
        self._expect(fits, "input_shape", f"axes {self.axes}", input_shape)
        self.features: Any = input_shape[-1]
        self.dtype = np.dtype(dtype)
        self.weights = [w.astype(dtype, copy=False) for w in self._make_weights(self.features)]
        self.built = True

    def _make_weights(self, D: Any) -> list[Array]:
        return []

    def weight_shapes(self, D: Any) -> list[Any]:
        """The shapes of the weights for D features; [None] if only building tells."""
        return [None]

    def get_weights(self) -> list[Array]:
        """Copies of the weights, in the order and layout of Keras."""
        return [w.copy() for w in self.weights]

    def set_weights(self, weights: list[Array]) -> None:
        """Copy these weights in; ValueError unless they have the number and shapes of ours."""
        expected, came = [w.shape for w in self.weights], [np.shape(w) for w in weights]
        self._expect(expected == came, "weights", f"shapes {expected}", came)
        for mine, new in zip(self.weights, weights, strict=True):
            mine[...] = new

    def updates(self) -> list[bool]:
        """For each of the weights, whether an optimizer may change it."""
        return [self.trainable] * len(self.weights)

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        """The mask (B, T) for the next layer: True where a step is real; None if all are."""
        return mask

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the output for an input of this shape; None stands for any number."""
        return tuple(input_shape)

    def __call__(self, x: Any, mask: Any = None, training: bool = False, **options: Any) -> Any:
        """The output for x alone; see `forward`."""
        return self.forward(x, mask, training, **options)[0]

    def forward(self, x: Any, mask: Any = None, training: bool = False, **options: Any) -> Any:
        """The output for x, and a cache for `backward`.

        mask: (B, T), True where a step is real, or None. A layer that is not built is built for x.
        NaN is refused unless training, where the loss reports it.
        """
        x, mask = self._checked(x, mask, training)
        y, rest = self._forward(x, mask, training, **options)
        shape = (y[0] if isinstance(y, list) else y).shape
        return y, Cache(type(self).__name__, shape, rest)

    def check_input(self, x: Any) -> None:
        """TypeError or ValueError unless this layer can read x: its axes, kind and features."""
        fits = x.size and (x.ndim == self.axes.count(",") + 1 or self.axes == "any")
        self._expect(fits, "x", f"axes {self.axes}, none empty", x.shape)
        if self.axes == "(B, T)":
            return
        self._expect(x.dtype.kind in "fiub", "x", "numbers", x.dtype, TypeError)
        if self.built:
            self._expect(x.shape[-1] == self.features, "x", f"{self.features} features", x.shape)

    def _checked(self, x: Any, mask: Any, training: bool) -> tuple[Any, Any]:
        x = np.asarray(x)
        self.check_input(x)
        if mask is not None:
            mask = np.asarray(mask, bool)
            self._expect(mask.shape == x.shape[:2], "mask", f"shape {x.shape[:2]}", mask.shape)
        if not self.built:
            self.build(x.shape)
        if self.axes == "(B, T)":
            return x, mask
        x = x.astype(self.dtype, copy=False)
        missing = not training and np.isnan(x if mask is None else x[mask]).any()
        self._expect(not missing, "x", "numbers", np.nan)
        return x, mask

    def backward(self, dy: Any, cache: Any, **options: Any) -> Any:
        """dx, shaped as x (None for ids), and the gradients of the weights, in their order.

        dy: the gradient of the loss with respect to y, shaped as y; cache: of the `forward` that
        gave y. A cache may be used again.
        """
        mine = isinstance(cache, Cache) and cache.layer == type(self).__name__
        came = cache.layer if isinstance(cache, Cache) else type(cache).__name__
        self._expect(mine, "cache", "that of its own forward", came, TypeError)
        self._expect(np.shape(dy) == cache.shape, "dy", f"shape {cache.shape}", np.shape(dy))
        return self._backward(np.asarray(dy, self.dtype), cache.rest, **options)
