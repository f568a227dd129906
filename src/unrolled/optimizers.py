"""Stochastic gradient descent with momentum, RMSprop, Adam, and clipping (chapters 4 and 7)."""

import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np

from unrolled.activations import Array
from unrolled.refusals import refuse

State = tuple[int, list[Array]]  # updates made, and copies of the slots


def _norm(gradients: list[Array]) -> float:
    """√(sum of all squares), summed in float64: the square of a huge float32 is no float32."""
    return sum(np.einsum("i,i->", f := g.ravel(), f, dtype=np.float64) for g in gradients) ** 0.5


def _pieces(*arrays: Array, size: int = 16384) -> Iterator[list[Array]]:
    """Views of a few rows of each array at a time, so that what a formula makes stays in cache."""
    rows = max(1, size * len(arrays[0]) // arrays[0].size)
    for start in range(0, len(arrays[0]), rows):
        yield [array[start : start + rows] for array in arrays]


@dataclass(kw_only=True)
class Optimizer:
    """What all optimizers share: settings, clipping, and a state that can be kept and put back.

    clipnorm bounds the norm of each gradient, global_clipnorm that of all of them together
    (Pascanu et al. 2013, chapter 4). Settings may change at any time; ValueError if one is out of
    range, TypeError for an argument that Keras has and unrolled does not. State: `iterations`, the
    updates made, and `slots`, arrays shaped as the weights; it is that of one model, the `owner`.
    """

    clipnorm: float | None = None
    global_clipnorm: float | None = None
    slots_per_weight: ClassVar[int]
    update: ClassVar[Callable[..., None]]

    def __new__(cls, *args: Any, **given: Any) -> Self:
        refuse(cls.__name__, given, [field.name for field in fields(cls)])
        return super().__new__(cls)

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            number = isinstance(value, Real)
            if name == "centered":
                fits, expected = isinstance(value, bool), "True or False"
            elif name in ("momentum", "rho", "beta_1", "beta_2"):
                fits, expected = number and 0 <= value < 1, "a number from 0 to below 1"
            elif name == "learning_rate":
                fits, expected = number and 0 <= value < np.inf, "a number 0 or more"
            else:
                fits = value is None or (number and 0 < value < np.inf)
                expected = "a number more than 0"
            if not fits:
                raise ValueError(f"{name}: expected {expected}, came {value!r}.")
        if self.clipnorm and self.global_clipnorm:
            raise ValueError("clipnorm, global_clipnorm: expected one of them, came both.")
        self.iterations, self.slots = 0, list[Array]()
        self._owner: weakref.ref[Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_owner": None}  # a copy is nobody's

    @property
    def owner(self) -> Any:
        """The model that has claimed this optimizer and is still there, or None."""
        return self._owner and self._owner()

    def claim(self, owner: Any) -> None:
        """Be the optimizer of this model, as `Sequential.compile` says.

        ValueError if another model is the owner: the state of one would go into the weights of the
        other. If that model is gone, the state starts anew; a state that was nobody's is kept.
        """
        if self.owner is owner:
            return
        if self.owner is not None:
            kind = type(self).__name__
            raise ValueError(
                f"optimizer: expected one for this model alone, came the {kind} of another; its "
                f"state is about that model's weights. Make a new {kind} for each model."
            )
        if self._owner is not None:
            self.iterations, self.slots = 0, []
        self._owner = weakref.ref(owner)

    def state(self) -> State:
        """The updates made and copies of the slots: what `restore` puts back."""
        return self.iterations, [slot.copy() for slot in self.slots]

    def restore(self, state: State) -> None:
        """Go back to where `state` was called, as often as need be; settings stay as they are."""
        iterations, slots = state
        self.iterations, self.slots = iterations, [slot.copy() for slot in slots]

    def _scales(self, gradients: list[Array]) -> list[float]:
        """The factors, at most 1, that clipping puts before the gradients."""
        if c := self.clipnorm:
            return [c / max(_norm([g]), c) for g in gradients]  # eq-clipnorm
        if c := self.global_clipnorm:
            return [c / max(_norm(gradients), c)] * len(gradients)  # eq-global-clipnorm
        return [1.0] * len(gradients)

    def apply(self, gradients: Sequence[Array | None], weights: list[Array]) -> None:
        """Update the weights in place, from gradients of their shapes, the same at every call.

        None in place of a gradient says that this weight is frozen: it stays as it is, its slots
        too, and it counts in no norm. ValueError, and no update, if shapes do not fit.
        """
        shapes = [w.shape for w in weights]
        slots = self.slots or [np.zeros(w.shape, w.dtype) for w in weights * self.slots_per_weight]
        fits = len(gradients) == len(weights) and all(
            g is None or g.shape == shape for g, shape in zip(gradients, shapes, strict=True)
        )
        if not fits or [slot.shape for slot in slots] != shapes * self.slots_per_weight:
            raise ValueError("gradients, weights: expected equal shapes, the same at every call.")
        self.slots = slots
        self.iterations += 1
        trained = {k: g for k, g in enumerate(gradients) if g is not None}
        scales = self._scales(list(trained.values()))
        for (k, gradient), scale in zip(trained.items(), scales, strict=True):
            for g, w, *parts in _pieces(gradient, weights[k], *slots[k :: len(weights)]):
                self.update(scale * g, w, *parts)


@dataclass
class SGD(Optimizer):
    """w - learning_rate g; with momentum v = momentum v - learning_rate g, w + v (Polyak 1964)."""

    learning_rate: float = 0.01
    momentum: float = 0.0
    slots_per_weight = 1

    def update(self, g: Array, w: Array, v: Array) -> None:
        v[...] = self.momentum * v - self.learning_rate * g  # eq-momentum
        w += v  # eq-sgd, if momentum is 0


@dataclass
class RMSprop(Optimizer):
    """Steps g over the root of a running mean of g² (Tieleman and Hinton 2012), as in Keras.

    centered takes the square of the running mean of g off that mean, which leaves the variance.
    """

    learning_rate: float = 0.001
    rho: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-7
    centered: bool = False
    slots_per_weight = 3

    def update(self, g: Array, w: Array, v: Array, m: Array, mean: Array) -> None:
        v += (1 - self.rho) * (g * g - v)
        square = v
        if self.centered:
            mean += (1 - self.rho) * (g - mean)
            square = np.maximum(v - mean * mean, 0)  # rounding alone takes it below 0
        m[...] = self.momentum * m + self.learning_rate * g / np.sqrt(square + self.epsilon)
        w -= m


@dataclass
class Adam(Optimizer):
    """Steps of each weight's own size, from running means of g and g² (Kingma and Ba 2015)."""

    learning_rate: float = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    slots_per_weight = 2

    def update(self, g: Array, w: Array, m: Array, v: Array) -> None:
        m += (1 - self.beta_1) * (g - m)  # eq-adam-m
        v += (1 - self.beta_2) * (g * g - v)  # eq-adam-v
        b1, b2 = self.beta_1**self.iterations, self.beta_2**self.iterations
        alpha = self.learning_rate * (1 - b2) ** 0.5 / (1 - b1)  # eq-adam-correction
        w -= alpha * m / (np.sqrt(v) + self.epsilon)  # eq-adam-step
