"""Stochastic gradient descent with momentum, Adam, and gradient clipping (chapters 4 and 6)."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np

from unrolled.activations import Array


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
    """What SGD and Adam share: settings, clipping, and a state that can be kept and put back.

    clipnorm bounds the norm of each gradient, global_clipnorm that of all of them together
    (Pascanu et al. 2013, chapter 4). Settings may change at any time; ValueError if one is out of
    range. State: `iterations`, the updates made, and `slots`, arrays shaped as the weights.
    """

    clipnorm: float | None = None
    global_clipnorm: float | None = None
    slots_per_weight: ClassVar[int]
    update: ClassVar[Callable[..., None]]

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if name in ("momentum", "beta_1", "beta_2"):
                fits, expected = 0 <= value < 1, "from 0 to below 1"
            elif name == "learning_rate":
                fits, expected = 0 <= value < np.inf, "0 or more"
            else:
                fits, expected = value is None or 0 < value < np.inf, "more than 0"
            if not fits:
                raise ValueError(f"{name}: expected a number {expected}, came {value}.")
        if self.clipnorm and self.global_clipnorm:
            raise ValueError("clipnorm, global_clipnorm: expected one of them, came both.")
        self.iterations, self.slots = 0, list[Array]()

    def _scales(self, gradients: list[Array]) -> list[float]:
        """The factors, at most 1, that clipping puts before the gradients."""
        if c := self.clipnorm:
            return [c / max(_norm([g]), c) for g in gradients]  # eq-clipnorm
        if c := self.global_clipnorm:
            return [c / max(_norm(gradients), c)] * len(gradients)  # eq-global-clipnorm
        return [1.0] * len(gradients)

    def apply(self, gradients: list[Array], weights: list[Array]) -> None:
        """Update the weights in place, from gradients of their shapes, the same at every call."""
        self.slots = self.slots or [np.zeros_like(w) for w in weights * self.slots_per_weight]
        shapes = [w.shape for w in weights] * (1 + self.slots_per_weight)
        if [array.shape for array in gradients + self.slots] != shapes:
            raise ValueError("gradients, weights: expected equal shapes, the same at every call.")
        self.iterations += 1
        for k, scale in enumerate(self._scales(gradients)):
            for g, w, *slots in _pieces(gradients[k], weights[k], *self.slots[k :: len(weights)]):
                self.update(scale * g, w, *slots)


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
