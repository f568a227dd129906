"""Memory tasks made from a seed, and the training loop that the experiments on mechanics share.

lag: steps between what has to be remembered and the answer. Book: chapters 4 to 7.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from unrolled.activations import Array
from unrolled.layers import GRU, LSTM, Dense, Recurrent, SimpleRNN
from unrolled.losses import binary_crossentropy, binary_crossentropy_gradient
from unrolled.optimizers import Optimizer

BITS = 3  # to be copied
LAYERS: dict[str, type[Recurrent]] = {"RNN": SimpleRNN, "LSTM": LSTM, "GRU": GRU}
WINDOW = 10  # updates over whose mean loss it is decided whether a task is solved


class Batch(NamedTuple):
    """Inputs x (B, T, D), answers y (B, T), and where they are asked for, asked (B, T) bool.

    With `numbers` the answers are real numbers and the loss is the mean squared error; else they
    are bits, and it is the binary cross-entropy.
    """

    x: np.ndarray
    y: np.ndarray
    asked: np.ndarray
    numbers: bool = False


def recall(rng: np.random.Generator, lag: int, size: int = 32, noise: float = 1.0) -> Batch:
    """Delayed recall: a bit as ±1, then noise for `lag` steps, and at the last one the question."""
    x = noise * rng.standard_normal((size, lag + 1, 2))
    bit = rng.integers(0, 2, size)
    x[:, :, 1], x[:, 0, 1] = 0, 2 * bit - 1
    return _asked_at_the_end(x, bit[:, None])


def copying(rng: np.random.Generator, lag: int, size: int = 32) -> Batch:
    """Copying: three bits as ±1 in the first steps, each to be answered `lag` steps later."""
    x = np.zeros((size, lag + BITS, 2))
    bits = rng.integers(0, 2, (size, BITS))
    x[:, :BITS, 0], x[:, lag:, 1] = 2 * bits - 1, 1  # 1: answer now
    return _asked_at_the_end(x, bits)


def adding(rng: np.random.Generator, lag: int, size: int = 32) -> Batch:
    """Adding as a yes-or-no question: is the sum of the two marked numbers above 1?

    lag + 1 numbers from 0 to 1; one is marked in the first tenth, one anywhere behind it. Who
    finds only one of the two is right in 75 of 100 cases.
    """
    x = np.zeros((size, lag + 1, 2))
    x[:, :, 0] = rng.uniform(0, 1, (size, lag + 1))
    first = rng.integers(0, max(1, lag // 10), size)
    second = rng.integers(first + 1, lag + 1)
    rows = np.arange(size)
    x[rows, first, 1] = x[rows, second, 1] = 1
    return _asked_at_the_end(x, (x.prod(axis=2).sum(axis=1) > 1)[:, None])


def office(rng: np.random.Generator, steps: int, size: int = 32, flags: float = 0.15) -> Batch:
    """Chapter 5's office job: keep the number that came with the last flag *write*.

    It is to be shown at each flag *read*, and 0 at all other steps. x: number, write?, read?
    """
    x = rng.uniform(-1, 1, (size, steps, 3))
    x[:, :, 1:] = rng.random((size, steps, 2)) < flags
    x[:, 0, 1] = 1
    held = np.take_along_axis(x[:, :, 0], last_write(x), axis=1)
    return Batch(x.astype("float32"), held * x[:, :, 2], np.ones((size, steps), bool), True)


def last_write(x: np.ndarray) -> np.ndarray:
    """(B, T): the step of the last flag *write*, x[:, :, 1], up to each step."""
    written: np.ndarray = np.where(x[:, :, 1] == 1, np.arange(x.shape[1]), 0)
    return np.maximum.accumulate(written, axis=1)


def _asked_at_the_end(x: np.ndarray, answers: np.ndarray) -> Batch:
    y, asked = np.zeros(x.shape[:2]), np.zeros(x.shape[:2], bool)
    y[:, -answers.shape[1] :], asked[:, -answers.shape[1] :] = answers, True
    return Batch(x.astype("float32"), y, asked)


TASKS: dict[str, Callable[..., Batch]] = {"recall": recall, "copying": copying, "adding": adding}


def units_for(model: str, parameters: int, features: int = 2) -> int:
    """The units with which an RNN, LSTM or GRU comes closest to so many parameters."""

    def parameters_of(units: int) -> int:
        blocks, biases = {"RNN": (1, 1), "LSTM": (4, 1), "GRU": (3, 2)}[model]
        return blocks * units * (features + units + biases)

    return min(range(1, parameters), key=lambda units: abs(parameters_of(units) - parameters))


def open_gate(layer: Recurrent, bias: float) -> None:
    """Set the bias of an LSTM's forget gate, or of a GRU's update gate, at all units."""
    H, b = layer.units, layer.weights[2]
    if isinstance(layer, LSTM):
        b[H : 2 * H] = bias
    elif isinstance(layer, GRU):
        b[0, :H] = bias


class Learner:
    """A recurrent layer, or what has its `forward` and `backward`, and a Dense(1) on its states."""

    def __init__(self, layer: Any, optimizer: Optimizer) -> None:
        self.layer, self.optimizer, self.head = layer, optimizer, Dense(1)
        self.gradients = list[Array]()  # those of the last step

    def answers(self, x: np.ndarray) -> Array:
        """(B, T) from x (B, T, D): numbers, or the logits of bits."""
        return self._forward(x)[0]

    def _forward(self, x: np.ndarray) -> tuple[Array, Any, Any]:
        """The answers, and the caches of layer and head."""
        states, of_layer = self.layer.forward(x, training=True)
        z, of_head = self.head.forward(states, training=True)
        return z[:, :, 0], of_layer, of_head

    def step(self, batch: Batch, **backward: Any) -> float:
        """One update; returns the loss before it. backward: options of the layer's `backward`."""
        (z, of_layer, of_head), dz = self._forward(batch.x), np.zeros(batch.y.shape)
        y, said = batch.y[batch.asked], z[batch.asked]
        if batch.numbers:
            loss, dz[batch.asked] = float(np.mean((said - y) ** 2)), 2 * (said - y) / y.size
        else:
            loss = binary_crossentropy(y, said, from_logits=True)
            dz[batch.asked] = binary_crossentropy_gradient(y, said, from_logits=True)
        dstates, head_gradients = self.head.backward(dz[:, :, None], of_head)
        _, layer_gradients = self.layer.backward(dstates, of_layer, **backward)
        self.gradients = [*layer_gradients, *head_gradients]
        self.optimizer.apply(self.gradients, [*self.layer.weights, *self.head.weights])
        return loss

    def train(
        self, make: Callable[[], Batch], updates: int, solved: float = 0.05, **backward: Any
    ) -> list[float]:
        """The loss before each update, on a fresh batch each; ends early at a mean below solved."""
        losses: list[float] = []
        for _ in range(updates):
            losses.append(self.step(make(), **backward))
            if len(losses) >= WINDOW and np.mean(losses[-WINDOW:]) < solved:
                break
        return losses

    def score(self, batch: Batch) -> float:
        """The share of bits that are right, or squared error relative to always answering 0."""
        y, said = batch.y[batch.asked], self.answers(batch.x)[batch.asked]
        if batch.numbers:
            return float(np.sum((said - y) ** 2) / np.sum(y**2))
        return float(np.mean((said > 0) == y))
