"""Layers that only chapter 14 compares: minGRU with a parallel scan, self-attention, a short view.

They are layers of `unrolled`, with its checks and its way of `forward` and `backward`, and are
written for reading: what is fast in `unrolled.layers` is left out.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from unrolled.activations import Array, sigmoid
from unrolled.base import whole_number
from unrolled.initializers import glorot_uniform
from unrolled.layers import LSTM, Layer, Shape
from unrolled.threads import in_chunks


def one_by_one(a: Array, b: Array) -> Array:
    """h (T, ...) of h_t = a_t ⊙ h_{t-1} + b_t from h = 0, in T steps; a, b: (T, ...)."""
    h = np.empty_like(b)
    h[0] = b[0]
    for t in range(1, len(b)):
        np.multiply(a[t], h[t - 1], out=h[t])
        h[t] += b[t]
    return h


def in_rounds(a: Array, b: Array) -> Array:
    """What `one_by_one` gives, in ⌈log2 T⌉ rounds over all steps at once (Hillis & Steele 1986).

    Two steps in a row are one step, with a = a₂ ⊙ a₁ and b = a₂ ⊙ b₁ + b₂. After a round with
    reach r each step holds itself and the 2r - 1 steps before it.
    """
    a, b, reach = a.copy(), b.copy(), 1
    while reach < len(a):
        b[reach:] += a[reach:] * b[:-reach]
        a[reach:] *= a[:-reach]
        reach *= 2
    return b


@dataclass(eq=False)
class MinGRU(Layer):
    """minGRU (Feng et al. 2024): h_t = (1 - z_t) ⊙ h_{t-1} + z_t ⊙ g_t, its gates blind to h.

    z = σ(x W_z + b_z) and g = x W_g + b_g, so that all steps are joined by `in_rounds`, or
    `one_by_one` if not parallel. y is (B, T, H); a masked step keeps the state. Weights: kernel
    (D, 2H), columns for z, then g; bias (2H,). Backward is such a recurrence from the end.
    """

    units: int
    parallel: bool = True

    def _make_weights(self, D: int) -> list[Array]:
        return [glorot_uniform(D, 2 * self.units), np.zeros(2 * self.units)]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)

    def _join(self, a: Array, b: Array) -> Array:
        return (in_rounds if self.parallel else one_by_one)(a, b)

    def _forward(self, x: Array, mask: Any, training: bool) -> tuple[Array, Any]:
        (kernel, bias), H, (B, T, _) = self.weights, self.units, x.shape
        y = np.empty((T, B, H), self.dtype)
        padded = np.zeros((T, B, 1), bool) if mask is None else ~mask.T[:, :, None]

        def work(chunk: int, rows: slice) -> tuple[Array, ...]:
            steps, skip = np.ascontiguousarray(x[rows].transpose(1, 0, 2)), padded[:, rows]
            sums = steps @ kernel + bias  # (T, B, 2H)
            z = np.where(skip, 0, sigmoid(sums[:, :, :H]))
            g = sums[:, :, H:]
            y[:, rows] = h = self._join(1 - z, z * g)
            return steps, z, g, h

        return y.transpose(1, 0, 2), (x.shape, in_chunks(work, B))

    def _backward(self, dy: Array, cache: Any) -> tuple[Array, list[Array]]:
        (kernel, _), ((B, T, D), chunks) = self.weights, cache
        dx = np.empty((T, B, D), self.dtype)

        def work(chunk: int, rows: slice) -> list[Array]:
            steps, z, g, h = chunks[chunk]
            later = np.append(1 - z[1:], np.zeros_like(z[:1]), axis=0)  # a_{t+1}
            dh = self._join(later[::-1], dy[rows].transpose(1, 0, 2)[::-1])[::-1]  # by all paths
            before = np.append(np.zeros_like(h[:1]), h[:-1], axis=0)  # h_{t-1}
            delta = np.concatenate([dh * (g - before) * z * (1 - z), dh * z], axis=2)
            dx[:, rows] = delta @ kernel.T
            flat = delta.reshape(-1, delta.shape[2])
            return [steps.reshape(-1, D).T @ flat, flat.sum(axis=0)]

        parts = in_chunks(work, B)
        gradients = [sum(part[1:], start=part[0]) for part in zip(*parts, strict=True)]
        return dx.transpose(1, 0, 2), gradients


@dataclass(eq=False)
class SelfAttention(Layer):
    """One head: softmax(Q K^T / √d) V, Q, K, V = x W (Vaswani et al. 2017; chapter 14).

    y is (B, T, d), d = units. Weights: kernel (D, 3d), columns for Q, K, V. What is masked is
    not looked at; it gets an output all the same, which the mask marks.
    """

    units: int

    def _make_weights(self, D: int) -> list[Array]:
        return [np.concatenate([glorot_uniform(D, self.units) for _ in "QKV"], axis=1)]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)

    def _forward(self, x: Array, mask: Any, training: bool) -> tuple[Array, Any]:
        (kernel,), d = self.weights, self.units
        y = np.empty((*x.shape[:2], d), self.dtype)

        def work(chunk: int, rows: slice) -> tuple[Array, ...]:
            Q, K, V = np.split(x[rows] @ kernel, 3, axis=2)  # (B, T, d)
            share = Q @ K.transpose(0, 2, 1)  # (B, T, T)
            share *= d**-0.5
            if mask is not None:
                np.copyto(share, np.finfo(share.dtype).min, where=~mask[rows, None])
            share -= share.max(axis=2, keepdims=True)
            np.exp(share, out=share)
            share /= share.sum(axis=2, keepdims=True)
            y[rows] = share @ V
            return Q, K, V, share

        return y, (x, in_chunks(work, len(x)))

    def _backward(self, dy: Array, cache: Any) -> tuple[Array, list[Array]]:
        (kernel,), (x, chunks), d = self.weights, cache, self.units
        dx = np.empty(x.shape, self.dtype)

        def work(chunk: int, rows: slice) -> Array:
            Q, K, V, share = chunks[chunk]
            dscores = dy[rows] @ V.transpose(0, 2, 1)  # of the shares
            dscores -= (dscores * share).sum(axis=2, keepdims=True)
            dscores *= share  # of the comparisons: the softmax's derivative
            dscores *= d**-0.5
            dV = share.transpose(0, 2, 1) @ dy[rows]
            delta = np.concatenate([dscores @ K, dscores.transpose(0, 2, 1) @ Q, dV], axis=2)
            dx[rows] = delta @ kernel.T
            return x[rows].reshape(-1, x.shape[2]).T @ delta.reshape(-1, 3 * d)

        gradients = [sum(in_chunks(work, len(x)))]
        return dx, gradients


def waves(T: int, D: int) -> Array:
    """A row for each place (T, D), the last place first: sines and cosines (Vaswani et al. 2017).

    Places are counted from the end, so that padding in front changes none of them.
    """
    angle = np.arange(T)[::-1, None] / 10_000 ** (2 * (np.arange(D) // 2) / D)
    return np.where(np.arange(D) % 2, np.cos(angle), np.sin(angle))


class PlaceMarks(Layer):
    """x + 0.05 `waves`: as long as an embedding's numbers at their start; no weights."""

    amplitude: ClassVar[float] = 0.05

    def _forward(self, x: Array, mask: Any, training: bool) -> tuple[Array, Any]:
        return x + (self.amplitude * waves(*x.shape[1:])).astype(self.dtype), True

    def _backward(self, dy: Array, _: Any) -> tuple[Array, list[Array]]:
        return dy, []


class LastStep(Layer):
    """y (B, D): the last step of x (B, T, D), where padding in front leaves the last word."""

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        return None

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], input_shape[2])

    def _forward(self, x: Array, mask: Any, training: bool) -> tuple[Array, Any]:
        return x[:, -1], x.shape

    def _backward(self, dy: Array, shape: Any) -> tuple[Array, list[Array]]:
        dx = np.zeros(shape, self.dtype)
        dx[:, -1] = dy
        return dx, []


@dataclass(eq=False)
class ShortMemoryLSTM(Layer):
    """An LSTM that reads all steps and learns from the last `truncate`: y (B, H).

    The gradient is that of LSTM.backward(dy, cache, truncate=k), but the steps before are neither
    kept nor gone back over (truncated backpropagation through time; Williams & Peng 1990).
    """

    units: int
    truncate: int

    def _fits(self, name: str, value: Any) -> tuple[Any, str]:
        if name == "truncate":
            return whole_number(value), "a positive whole number"
        return super()._fits(name, value)

    def _make_weights(self, D: int) -> list[Array]:
        self.layer = LSTM(self.units, return_state=True)
        self.layer.build((None, None, D), self.dtype.name)
        return self.layer.weights

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        return None

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self.units)

    def _forward(self, x: Array, mask: Any, training: bool) -> tuple[Array, Any]:
        real = np.ones(x.shape[:2], bool) if mask is None else mask
        start, state = max(0, x.shape[1] - self.truncate), None
        if start:
            _, *state = self.layer(x[:, :start], real[:, :start], training)
        (y, *_), cache = self.layer.forward(
            x[:, start:], real[:, start:], training, initial_state=state
        )
        return y, (x.shape, start, cache)

    def _backward(self, dy: Array, cache: Any) -> tuple[Array, list[Array]]:
        shape, start, of_layer = cache
        dx = np.zeros(shape, self.dtype)
        dx[:, start:], gradients = self.layer.backward(dy, of_layer)
        return dx, gradients
