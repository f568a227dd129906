"""Whole batches of sequences, fast: the layers of Keras, with its names, defaults and weights.

x is (B, T, D): B examples of T time steps with D features. A layer is built once, for an input
shape, goes `forward` on a batch, and `backward` from the gradient of the loss with respect to
its output.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from unrolled.activations import Array, sigmoid, sigmoid_derivative, tanh, tanh_derivative
from unrolled.initializers import glorot_uniform, orthogonal
from unrolled.seeding import generator
from unrolled.threads import in_chunks, one_blas_thread

ONE, TWO = np.array(1, np.float32), np.array(2, np.float32)  # arrays need no conversion in a step
BLOCK = 6  # time steps whose weight gradients are one product
ACTIVATIONS: dict[str | None, tuple[Callable[..., Any], Callable[..., Any]]] = {
    None: (np.positive, np.ones_like),
    "sigmoid": (sigmoid, sigmoid_derivative),
    "tanh": (tanh, tanh_derivative),
}

Shape = tuple[int | None, ...]


def _fits(name: str, value: Any) -> tuple[Any, str]:
    """Whether an argument of a layer is what it has to be, and that in words."""
    match name:
        case "units" | "input_dim" | "output_dim" | "truncate":
            whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
            return whole and value > 0, "a positive whole number"
        case "rate":
            return isinstance(value, int | float) and 0 <= value < 1, "a number from 0 to below 1"
        case "activation":
            return value in ACTIVATIONS, f"one of {list(ACTIVATIONS)}"
        case "merge_mode":
            return value in ("concat", "sum"), "'concat' or 'sum'"
        case "layer":
            fits = isinstance(value, Recurrent) and not value.go_backwards
            return fits, "SimpleRNN, LSTM or GRU without go_backwards"
    return isinstance(value, bool), "True or False"


@dataclass(eq=False)
class Layer:
    """What all layers share: weights, checks of what comes in, and `backward` after `forward`.

    `weights` are the arrays in use, which an optimizer changes in place; `gradients`, after
    `backward`, those of the loss with respect to each. What does not fit raises a ValueError or
    TypeError that names the argument; `backward` before `forward` a RuntimeError.
    """

    axes: ClassVar[str] = "(B, T, D)"  # of x
    _forward: ClassVar[Callable[..., Any]]  # x, mask, training -> y, and what _backward needs
    _backward: ClassVar[Callable[..., Any]]  # dy, that -> dx

    def __post_init__(self) -> None:
        self.weights, self.gradients = list[Array](), list[Array]()
        self.built, self.dtype = False, np.dtype("float32")
        self._cache: Any = None
        for name, value in self.get_config().items():
            fits, expected = _fits(name, value)
            self._expect(fits, name, expected, value)

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
        self.built, self._cache = True, None

    def _make_weights(self, D: Any) -> list[Array]:
        return []

    def get_weights(self) -> list[Array]:
        """Copies of the weights, in the order and layout of Keras."""
        return [w.copy() for w in self.weights]

    def set_weights(self, weights: list[Array]) -> None:
        """Copy these weights in; ValueError unless they have the number and shapes of ours."""
        expected, came = [w.shape for w in self.weights], [np.shape(w) for w in weights]
        self._expect(expected == came, "weights", f"shapes {expected}", came)
        for mine, new in zip(self.weights, weights, strict=True):
            mine[...] = new

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        """The mask (B, T) for the next layer: True where a step is real; None if all are."""
        return mask

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the output for an input of this shape; None stands for any number."""
        return tuple(input_shape)

    def forward(self, x: Any, mask: Any = None, training: bool = False, **options: Any) -> Any:
        """The output for x; a layer not built is built for x. NaN is refused unless training."""
        x = np.asarray(x)
        fits = x.size and (x.ndim == self.axes.count(",") + 1 or self.axes == "any")
        self._expect(fits, "x", f"axes {self.axes}, none empty", x.shape)
        if not self.built:
            self.build(x.shape)
        if self.axes != "(B, T)":
            self._expect(x.dtype.kind in "fiub", "x", "numbers", x.dtype, TypeError)
            self._expect(x.shape[-1] == self.features, "x", f"{self.features} features", x.shape)
            x = x.astype(self.dtype, copy=False)
            self._expect(training or not np.isnan(x).any(), "x", "numbers", np.nan)
        if mask is not None:
            mask = np.asarray(mask, bool)
            self._expect(mask.shape == x.shape[:2], "mask", f"shape {x.shape[:2]}", mask.shape)
        y, self._cache = self._forward(x, mask, training, **options)
        self._shape = (y[0] if isinstance(y, list) else y).shape
        return y

    def backward(self, dy: Any, **options: Any) -> Any:
        """dx, shaped as x (None for ids), from dy, shaped as y; fills `gradients`."""
        fits, expected = self._cache is not None, "a call of forward before it"
        self._expect(fits, "backward", expected, None, RuntimeError)
        self._expect(np.shape(dy) == self._shape, "dy", f"shape {self._shape}", np.shape(dy))
        return self._backward(np.asarray(dy, self.dtype), self._cache, **options)


@dataclass(eq=False, kw_only=True)
class Recurrent(Layer):
    """The loop over time of SimpleRNN, LSTM and GRU (chapters 3 to 5), for each chunk of rows.

    A step is one product, the sums [h_{t-1}, x_t, 1] M with all weights in the matrix M, then a
    few operations on each element: `_step`, and `_step_backward`, where the cells differ.

    `forward` takes initial_state, [h] or [h, c], each (B, H), and gives y (B, H), or (B, T, H)
    with return_sequences, or [y, h, c] with return_state. go_backwards reads the last step first
    and leaves y in that order. Where the mask is False a row keeps its state and repeats its
    output, as in Keras; a row with no real step has output 0 and ends in its initial state.

    `backward` takes dstate, the gradients of the returned states; leaves those of the initial
    state in `initial_state_gradients`; with step_gradients=True keeps ∂loss/∂h_t and ∂loss/∂c_t,
    by all paths, in `step_gradients` {"h": (B, T, H), "c": ...}, in the order of y; and with
    truncate=k cuts the sequence, from its end, into pieces of k steps (the first may be shorter):
    no gradient flows from a piece into the one before it (Williams & Peng 1990; chapter 4).
    """

    units: int = field(kw_only=False)
    return_sequences: bool = False
    return_state: bool = False
    go_backwards: bool = False

    states: ClassVar[tuple[str, ...]] = ("h",)
    gates: ClassVar[tuple[str, ...]] = ()  # in the order of M's blocks, of H columns each,
    sigmoids: ClassVar[int] = 0  # those with a sigmoid, this many, first
    factors: ClassVar[tuple[int, ...]] = (1,)  # what each block's sums are wanted times
    x_blocks: ClassVar[tuple[int, ...]] = (0,)  # the block for each gate of kernel,
    h_blocks: ClassVar[tuple[int, ...]] = (0,)  # and of recurrent_kernel
    _step: ClassVar[Callable[..., None]]  # from the sums of step t to its gates and new states
    _step_backward: ClassVar[Callable[..., None]]  # from w.dh, w.dc to w.delta of the sums
    past_sums: ClassVar[bool] = False  # whether some of dh flows past them, and stays in w.dh

    def __post_init__(self) -> None:
        super().__post_init__()
        self.zero_output_for_mask, self.extra_rows = False, 0  # of M

    def _make_weights(self, D: int) -> list[Array]:
        H, columns, self._buffers = self.units, len(self.x_blocks) * self.units, dict[Any, Array]()
        self._spaces = dict[int, SimpleNamespace]()
        return [glorot_uniform(D, columns), orthogonal(H, columns), np.zeros(columns)]

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        return mask if self.return_sequences else None

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[: 1 + self.return_sequences], self.units)

    def _matrix(self) -> Array:
        """M (K, G, H): rows for h_{t-1}, x_t and 1, and G blocks of columns."""
        (kernel, recurrent_kernel, bias), D, H = self.weights, self.features, self.units
        M: Any = np.zeros((H + D + 1 + self.extra_rows, max(self.h_blocks) + 1, H), self.dtype)
        M[:H, self.h_blocks] = recurrent_kernel.reshape(H, -1, H)
        M[H : H + D, self.x_blocks] = kernel.reshape(D, -1, H)
        for blocks, b in zip((self.x_blocks, self.h_blocks), np.atleast_2d(bias), strict=False):
            M[H + D, blocks] += b.reshape(-1, H)
        return M

    def _matrix_gradients(self, dM: Any) -> list[Array]:
        D, H, blocks = self.features, self.units, [self.x_blocks, self.h_blocks]
        dbias = dM[H + D, blocks[: self.weights[2].ndim]]
        gradients = dM[H : H + D, blocks[0]], dM[:H, blocks[1]], dbias
        return [d.reshape(w.shape) for d, w in zip(gradients, self.weights, strict=True)]

    def _workspace(self, chunk: int, T: int, B: int) -> SimpleNamespace:
        """The arrays of a chunk, in memory that is taken once, and `steps`, views of each step."""
        K, H, G = len(self._M), self.units, max(self.h_blocks) + 1
        if chunk in self._spaces and self._spaces[chunk].c.shape == (T + 1, B, H):
            return self._spaces[chunk]
        w = SimpleNamespace(inputs=(T + 1, B, K), gates=(T + 1, G + 1, B, H))  # the last one is c
        w.deltas, w.dinputs, w.products, w.tanh_c = (BLOCK, B, G, H), (B, K), (B, G, H), (T, B, H)
        w.slopes, w.dgates, w.terms = (G, B, H), (G + 1, B, H), (2, B, H)
        w.dh = w.dc_t = (B, H)
        for name, shape in vars(w).items():
            key, size = (chunk, name), math.prod(shape)
            if key not in self._buffers or self._buffers[key].size < size:
                self._buffers[key] = np.zeros(size, self.dtype)
            setattr(w, name, self._buffers[key][:size].reshape(shape))
        w.h = w.inputs[:, :, :H]  # w.h[t] is h_{t-1}: step t reads w.h[t] and writes w.h[t + 1]
        w.c, w.dc, w.dh = w.gates[:, G], w.dgates[G], w.dh if self.past_sums else w.dinputs[:, :H]
        w.states, w.dstates = [w.h, w.c][: len(self.states)], [w.dh, w.dc][: len(self.states)]
        w.sums = w.products.transpose(1, 0, 2)  # (G, B, H)
        w.steps = [SimpleNamespace(**vars(w) | self._views(w, t)) for t in range(T)]
        self._spaces[chunk] = w
        return w

    def _views(self, w: SimpleNamespace, t: int) -> dict[str, Array]:
        """What step t reads and writes: h and c stand for those of t - 1, the new ones for t."""
        gates, deltas = w.gates[t, :-1], w.deltas[t % BLOCK]
        views = dict(zip((*self.gates, "h_g"), gates, strict=False)) | {"tanh_c": w.tanh_c[t]}
        views |= {"gates": gates, "sigmoids": gates[: self.sigmoids], "inputs": w.inputs[t]}
        views |= {"delta": deltas.transpose(1, 0, 2), "deltas": deltas.reshape(len(deltas), -1)}
        return views | {"h": w.h[t], "c": w.c[t], "h_new": w.h[t + 1], "c_new": w.c[t + 1]}

    def _expect_states(self, name: str, states: Any, B: int) -> None:
        expected, came = [(B, self.units)] * len(self.states), [np.shape(s) for s in states or ()]
        self._expect(states is None or came == expected, name, f"shapes {expected}", came)

    def _forward(self, x: Array, mask: Any, training: bool, initial_state: Any = None) -> Any:
        (B, T, _), H, order = x.shape, self.units, slice(None, None, -1 if self.go_backwards else 1)
        self._expect_states("initial_state", initial_state, B)
        real = (np.ones((B, T), bool) if mask is None else mask).T[order]  # (T, B)
        silent = ~(real if self.zero_output_for_mask else np.maximum.accumulate(real))
        y = np.empty((T if self.return_sequences else 1, B, H), self.dtype)
        silent, M = silent[T - len(y) :], self._matrix()
        self._M_T = np.ascontiguousarray(M.reshape(len(M), -1).T)  # (G * H, K)
        M *= np.reshape(self.factors[: M.shape[1]], (-1, 1))  # for _sigmoids
        self._M = M.reshape(len(M), -1)  # (K, G * H)

        def work(chunk: int, rows: slice) -> SimpleNamespace:
            w = self._workspace(chunk, T, rows.stop - rows.start)
            for k, state in enumerate(w.states):
                state[0] = initial_state[k][rows] if initial_state else 0
            with np.errstate(over="ignore"):  # of _sigmoids
                self._forward_steps(w, x.transpose(1, 0, 2)[order, rows], real[:, rows])
            y[:, rows] = w.h[-len(y) :]
            return w

        chunks = in_chunks(work, B)
        y[silent] = 0
        output = y.transpose(1, 0, 2) if self.return_sequences else y[0]
        final = [np.concatenate([w.states[k][T] for w in chunks]) for k in range(len(self.states))]
        return [output, *final] if self.return_state else output, (x.shape, real, silent, chunks)

    def _forward_steps(self, w: SimpleNamespace, x: Array, real: Any) -> None:
        (T, B, D), H = x.shape, self.units
        products, M_h = w.products.reshape(B, -1), self._M[:H]
        of_words = (x[:, 0] @ self._M[H : H + D] + self._M[H + D])[:, None] if B == 1 else None
        w.padded, w.partial = ~real[:, :, None], (~real.all(axis=1)).tolist()
        computed = np.flatnonzero(real.any(axis=1)).tolist() or [T]
        w.start, w.stop = computed[0], min(computed[-1] + 1, T)  # the first and last real step
        for state in w.states:
            state[1 : w.start + 1] = state[0]
        for t in range(w.start, w.stop):
            if (t - w.start) % BLOCK == 0:
                block = slice(t, min(t + BLOCK, w.stop))
                w.inputs[block, :, H : H + D] = x[block]
                w.inputs[block, :, H + D] = 1
            step = w.steps[t]
            if of_words is not None:  # one row waits for M to come: the words' part came only once
                np.add(np.dot(step.h, M_h, out=products), of_words[t], out=products)
            else:
                np.matmul(step.inputs, self._M, out=products)
            self._step(step)
            if w.partial[t]:
                for state in w.states:
                    np.copyto(state[t + 1], state[t], where=w.padded[t])
        for state in w.states:
            state[w.stop + 1 :] = state[w.stop]

    def _backward(
        self, dy: Any, cache: Any, dstate: Any = None, truncate: Any = None, step_gradients: Any = 0
    ) -> Array:
        (B, T, D), _, silent, chunks = cache
        fits, expected = _fits("truncate", truncate := T if truncate is None else truncate)
        self._expect(fits, "truncate", expected, truncate)
        self._expect_states("dstate", dstate, B)
        dy = dy.transpose(1, 0, 2) if self.return_sequences else dy[None]  # (T or 1, B, H)
        dy = np.where(silent[:, :, None], 0, dy) if silent.any() else dy
        dx = np.empty((T, B, D), self.dtype)
        kept = {s: np.empty((T, B, self.units), dy.dtype) for s in self.states if step_gradients}
        initial = [np.empty((B, self.units), dy.dtype) for _ in self.states]

        def work(chunk: int, rows: slice) -> Array:
            w = chunks[chunk]
            w.kept = [steps[:, rows] for steps in kept.values()]
            for k, d in enumerate(w.dstates):
                d[...] = dstate[k][rows] if dstate else 0
            dM = self._backward_steps(w, dy[:, rows], dx[:, rows], truncate)
            for k, d in enumerate(w.dstates):
                initial[k][rows] = d
            return dM

        self.gradients = self._matrix_gradients(sum(in_chunks(work, B)))
        self.initial_state_gradients = initial
        self.step_gradients = {name: steps.transpose(1, 0, 2) for name, steps in kept.items()}
        return (dx[::-1] if self.go_backwards else dx).transpose(1, 0, 2)

    def _backward_steps(self, w: SimpleNamespace, dy: Array, dx: Array, truncate: int) -> Array:
        (T, B, D), (K, columns), H = dx.shape, self._M.shape, self.units
        dM, part = np.zeros_like(self._M), np.empty_like(self._M)
        dx[: w.start] = dx[w.stop :] = 0
        for t in reversed(range(T)):
            if t >= T - len(dy):
                np.add(w.dh, dy[t - T], out=w.dh)
            for steps, d in zip(w.kept, w.dstates, strict=False):
                steps[t] = d
            if w.start <= t < w.stop:
                step = w.steps[t]
                before = [d.copy() for d in w.dstates if w.partial[t]]
                self._step_backward(step)
                for steps in w.kept[1:]:  # c_t also acts through h_t
                    np.copyto(steps[t], w.dc_t, where=~w.padded[t])
                if before:
                    np.copyto(step.delta, 0, where=w.padded[t])
                np.matmul(step.deltas, self._M_T, out=w.dinputs)
                if self.past_sums:
                    np.add(w.dinputs[:, :H], w.dh, out=w.dh)
                np.copyto(dx[t], w.dinputs[:, H : H + D])
                for d, same in zip(w.dstates, before, strict=False):
                    np.copyto(d, same, where=w.padded[t])
                if t % BLOCK == 0 or t == w.start:
                    n = min(w.stop - t, BLOCK - t % BLOCK) * B
                    deltas = w.deltas[t % BLOCK :].reshape(-1, columns)[:n]
                    dM += np.matmul(w.inputs[t:].reshape(-1, K)[:n].T, deltas, out=part)
            if t > 0 and (T - t) % truncate == 0:
                for d in w.dstates:
                    d[...] = 0
        return dM.reshape(K, -1, H)

    def trace(self, x: Any, mask: Any = None) -> dict[str, Array]:
        """Every gate and state of every step by its name in chapter 5, each (B, T, H), as y.

        Of a masked step the states are those carried over, and the gates, not used, NaN.
        """
        self.forward(x, mask)
        _, real, _, chunks = self._cache
        parts = {name: [w.gates[:-1, k] for w in chunks] for k, name in enumerate(self.gates)}
        parts |= {name: [getattr(w, name)[1:] for w in chunks] for name in self.states}
        traced = {name: np.concatenate(steps, axis=1) for name, steps in parts.items()}
        for name in self.gates:
            traced[name][~real] = np.nan
        return {name: steps.transpose(1, 0, 2) for name, steps in traced.items()}


def _sigmoids(minus_sums: Array, gates: Array) -> None:
    """σ(a) = 1 / (1 + exp(-a)) from -a; exp may overflow, and σ is then 0. tanh(a) = 2σ(2a) - 1."""
    np.reciprocal(np.add(np.exp(minus_sums, minus_sums), ONE, minus_sums), out=gates)  # eq-sigmoid


class SimpleRNN(Recurrent):
    """h_t = tanh(x_t W + h_{t-1} U + b) (eq-rnn-hidden, chapter 3; Elman 1990).

    Weights: kernel W (D, H), recurrent_kernel U (H, H), bias b (H,).
    """

    def _step(self, s: SimpleNamespace) -> None:
        np.tanh(s.sums[0], out=s.h_new)  # eq-rnn-hidden

    def _step_backward(self, s: SimpleNamespace) -> None:
        np.multiply(s.dh, tanh_derivative(s.h_new), out=s.delta[0])  # eq-rnn-backward-pre


@dataclass(eq=False, kw_only=True)
class LSTM(Recurrent):
    """Long short-term memory (Hochreiter & Schmidhuber 1997; Gers et al. 2000; chapter 5).

    With σ or tanh of x_t W + h_{t-1} U + b as the gates i, f, o and the candidate g,
    c_t = f ⊙ c_{t-1} + i ⊙ g and h_t = o ⊙ tanh(c_t). Weights, with columns for i, f, g, o:
    kernel W (D, 4H), recurrent_kernel U (H, 4H), bias b (4H,), which starts at 1 for f if
    unit_forget_bias (Jozefowicz et al. 2015), and else at 0.
    """

    unit_forget_bias: bool = True
    states, gates, sigmoids, factors = ("h", "c"), ("o", "i", "f", "g"), 3, (-1, -1, -1, -2)
    x_blocks = h_blocks = (1, 2, 3, 0)

    def _make_weights(self, D: int) -> list[Array]:
        *kernels, bias = super()._make_weights(D)
        bias[self.units : 2 * self.units] = self.unit_forget_bias
        return [*kernels, bias]

    def _views(self, w: SimpleNamespace, t: int) -> dict[str, Array]:
        gates, d = w.gates[t], w.dgates  # o, i, f, g and c: two that lie together go together
        pairs = {"i_f": gates[1:3], "g_c": gates[3:], "di_df": d[1:3], "dg_dc": d[3:]}
        return super()._views(w, t) | pairs | {"i_g": w.terms[0], "f_c": w.terms[1]}

    def _step(self, s: SimpleNamespace) -> None:
        _sigmoids(s.sums, s.gates)  # eq-lstm-input, eq-lstm-forget, eq-lstm-output
        np.subtract(np.multiply(s.g, TWO, s.g), ONE, out=s.g)  # eq-lstm-candidate, eq-sigmoid-tanh
        np.multiply(s.i_f, s.g_c, out=s.terms)
        np.add(s.i_g, s.f_c, out=s.c_new)  # eq-lstm-cell
        np.multiply(s.o, np.tanh(s.c_new, out=s.tanh_c), out=s.h_new)  # eq-lstm-hidden

    def _step_backward(self, s: SimpleNamespace) -> None:
        dh, dc_t, do, dgates = s.dh, s.dc_t, s.dgates[0], s.dgates[:4]
        np.subtract(s.o, np.multiply(s.h_new, s.tanh_c, out=do), out=do)  # o ⊙ tanh'(c_t)
        np.add(s.dc, np.multiply(dh, do, out=do), out=dc_t)  # eq-lstm-backward-cell
        np.multiply(dh, s.tanh_c, out=do)  # eq-lstm-backward-output
        np.multiply(dc_t, s.g_c, out=s.di_df)  # eq-lstm-backward-input, -forget
        np.multiply(dc_t, s.i_f, out=s.dg_dc)  # eq-lstm-backward-candidate, -previous-cell
        np.square(s.gates, out=s.slopes)
        np.subtract(s.sigmoids, s.slopes[:3], out=s.slopes[:3])  # σ' = σ - σ²
        np.subtract(ONE, s.slopes[3], out=s.slopes[3])  # tanh' = 1 - tanh²
        np.multiply(dgates, s.slopes, out=s.delta)  # eq-lstm-backward-pre


@dataclass(eq=False, kw_only=True)
class GRU(Recurrent):
    """Gated recurrent unit (Cho et al. 2014; chapter 5): h_t = z ⊙ h_{t-1} + (1 - z) ⊙ g.

    z, r = σ(x_t W + h_{t-1} U + b), and g = tanh(x_t W + b + r ⊙ (h_{t-1} U + b')) if
    reset_after, else tanh(x_t W + b + (r ⊙ h_{t-1}) U). Weights, with columns for z, r, g:
    kernel W (D, 3H), recurrent_kernel U (H, 3H), bias (2, 3H) if reset_after, else (3H,).
    """

    reset_after: bool = True
    gates, sigmoids, factors, x_blocks = ("z", "r", "g"), 2, (-1, -1, 1, 1), (0, 1, 2)
    past_sums = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.h_blocks = (0, 1, 3) if self.reset_after else (0, 1, 2)  # type: ignore[misc]
        self.extra_rows = 0 if self.reset_after else self.units  # r ⊙ h_{t-1}, for dU

    def _make_weights(self, D: int) -> list[Array]:
        *kernels, bias = super()._make_weights(D)
        return [*kernels, np.stack([bias, bias]) if self.reset_after else bias]

    def _matrix(self) -> Array:
        M = super()._matrix()
        M[: self.units, 2] = 0  # without reset_after this product has to wait for r
        return M

    def _matrix_gradients(self, dM: Any) -> list[Array]:
        dM[: self.units, 2] = dM[-self.units :, 2]  # unread if reset_after
        return super()._matrix_gradients(dM)

    def _step(self, s: SimpleNamespace) -> None:
        _sigmoids(s.sums[:2], s.sigmoids)  # eq-gru-update, eq-gru-reset
        if self.reset_after:
            np.copyto(s.h_g, s.sums[3])
            h_g = s.r * s.h_g
        else:
            h_g = np.multiply(s.r, s.h, out=s.inputs[:, -self.units :])
            h_g = h_g @ self.weights[1][:, -self.units :]
        np.tanh(s.sums[2] + h_g, out=s.g)  # eq-gru-candidate
        np.add(s.g, s.z * (s.h - s.g), out=s.h_new)  # eq-gru-hidden: z ⊙ h + (1 - z) ⊙ g

    def _step_backward(self, s: SimpleNamespace) -> None:
        s.delta[0] = s.dh * (s.h - s.g) * sigmoid_derivative(s.z)
        s.delta[2] = delta_g = s.dh * (1 - s.z) * tanh_derivative(s.g)
        np.multiply(s.dh, s.z, out=s.dh)
        if self.reset_after:
            dr = delta_g * s.h_g
            s.delta[3] = delta_g * s.r
        else:
            dr_h = delta_g @ self.weights[1][:, -self.units :].T
            dr = dr_h * s.h
            np.add(s.dh, dr_h * s.r, out=s.dh)
        s.delta[1] = dr * sigmoid_derivative(s.r)


@dataclass(eq=False)
class Bidirectional(Layer):
    """One copy of the layer reads forwards, one backwards (Schuster & Paliwal 1997; chapter 6).

    merge_mode "concat" puts the outputs side by side, "sum" adds them. Weights and states: the
    forward layer's, then the backward one's. With return_sequences the output of a masked step is
    0, as in Keras. `forward` and `backward` take what the layer's take.
    """

    layer: Recurrent
    merge_mode: str = "concat"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.halves = replace(self.layer), replace(self.layer, go_backwards=True)
        self.forward_layer, self.backward_layer = self.halves
        for half in self.halves:
            half.zero_output_for_mask = self.layer.return_sequences

    def _make_weights(self, D: Any) -> list[Array]:
        for half in self.halves:
            half.build((None, None, D), self.dtype.name)
        return [weight for half in self.halves for weight in half.weights]

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        return self.layer.compute_mask(x, mask)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        width = self.layer.units * (2 if self.merge_mode == "concat" else 1)
        return (*self.layer.compute_output_shape(input_shape)[:-1], width)

    def _split(self, arrays: Any) -> list[Any]:
        n = len(self.layer.states)
        return [None, None] if arrays is None else [arrays[:n], arrays[n:]]

    def _flip(self, y: Array) -> Array:
        return y[:, ::-1] if self.layer.return_sequences else y

    def _forward(self, x: Array, mask: Any, training: bool, initial_state: Any = None) -> Any:
        ys, states = list[Array](), list[Array]()
        for half, initial in zip(self.halves, self._split(initial_state), strict=True):
            y = half.forward(x, mask, training, initial_state=initial)
            y, *final = y if self.layer.return_state else [y]
            ys, states = [*ys, self._flip(y) if half.go_backwards else y], states + final
        y = np.concatenate(ys, axis=-1) if self.merge_mode == "concat" else ys[0] + ys[1]
        return [y, *states] if states else y, True

    def _backward(self, dy: Array, _: Any, dstate: Any = None, **options: Any) -> Array:
        dy, dy_back = np.split(dy, 2, axis=-1) if self.merge_mode == "concat" else (dy, dy)
        dstate, dstate_back = self._split(dstate)
        dx = self.forward_layer.backward(dy, dstate=dstate, **options)
        dx = dx + self.backward_layer.backward(self._flip(dy_back), dstate=dstate_back, **options)
        self.gradients = self.forward_layer.gradients + self.backward_layer.gradients
        return dx


@dataclass(eq=False)
class Embedding(Layer):
    """A row of numbers for each word: y[b, t] = embeddings[x[b, t]] (chapter 6).

    x: whole numbers (B, T) from 0 to input_dim - 1. Weights: embeddings (input_dim, output_dim),
    uniform in ±0.05 at the start. With mask_zero, steps with the number 0 are masked.
    """

    input_dim: int
    output_dim: int
    mask_zero: bool = False
    axes = "(B, T)"

    def _make_weights(self, D: Any) -> list[Array]:
        return [generator().uniform(-0.05, 0.05, (self.input_dim, self.output_dim))]

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        return np.not_equal(x, 0) if self.mask_zero else None

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, self.output_dim)

    def _forward(self, x: Array, mask: Any, training: bool) -> tuple[Array, Array]:
        self._expect(x.dtype.kind in "iu", "x", "whole numbers", x.dtype, TypeError)
        for extreme in (int(x.min()), int(x.max())):
            fits = 0 <= extreme < self.input_dim
            self._expect(fits, "x", f"ids from 0 to {self.input_dim - 1}", extreme)
        return self.weights[0][x.T].transpose(1, 0, 2), x.T.ravel()  # time-major in memory

    def _backward(self, dy: Array, ids: Array) -> None:
        from scipy.sparse import csc_array  # type: ignore[import-untyped]

        rows = dy.transpose(1, 0, 2).reshape(len(ids), -1)
        ones, starts = np.ones(len(ids), self.dtype), np.arange(len(ids) + 1)
        one_hot = csc_array((ones, ids, starts), shape=(self.input_dim, len(ids)))
        self.gradients = [one_hot @ rows]  # for each word the sum of its rows


@dataclass(eq=False)
class Dropout(Layer):
    """While training, sets a share `rate` of x to 0 and divides the others by 1 - rate.

    Else gives x back (Srivastava et al. 2014; eq-dropout, chapter 6). x: any shape. The rate is
    kept to 1/65536.
    """

    rate: float
    axes = "any"

    def _forward(self, x: Array, mask: Any, training: bool) -> tuple[Array, Any]:
        if not training or self.rate == 0:
            return x, True
        drawn = generator().integers(0, 2**64, x.size // 4 + 1, dtype=np.uint64).view(np.uint16)
        kept = np.empty_like(x, bool)  # with x's order in memory
        np.greater_equal(drawn[: x.size], round(self.rate * 65536), out=kept.ravel(order="K"))
        return self._backward(x, kept), kept

    def _backward(self, dy: Array, kept: Any) -> Array:
        scale = dy.dtype.type(1 / (1 - self.rate))
        return dy if kept is True else np.multiply(y := dy * scale, kept, out=y)  # eq-dropout


class _GlobalPooling1D(Layer):
    _pool: ClassVar[Callable[..., Any]]  # x, what is real -> y, the share of each step in dx

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        return None

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], input_shape[2])

    def _forward(self, x: Array, mask: Any, training: bool) -> tuple[Array, Array]:
        real = np.ones((*x.shape[:2], 1), bool) if mask is None else mask[:, :, None]
        y, share = self._pool(x, real)
        return y.astype(x.dtype), share.astype(x.dtype)

    def _backward(self, dy: Array, share: Array) -> Array:
        return dy[:, None] * share


class GlobalMaxPooling1D(_GlobalPooling1D):
    """y (B, D): the largest over the real steps (chapter 6), 0 for a row without any.

    Where several are largest they share the gradient, as in Keras, which ignores the mask here.
    """

    def _pool(self, x: Array, real: Array) -> tuple[Array, Array]:
        y = np.where(real, x, -np.inf).max(axis=1)
        largest = (x == y[:, None]) & real
        share = largest / np.maximum(largest.sum(axis=1, keepdims=True), 1)
        return np.where(real.any(axis=1), y, 0), share


class GlobalAveragePooling1D(_GlobalPooling1D):
    """y (B, D): the mean over the real steps (chapter 6), 0 for a row without any (Keras: NaN)."""

    def _pool(self, x: Array, real: Array) -> tuple[Array, Array]:
        share = real / np.maximum(real.sum(axis=1, keepdims=True), 1)
        return (np.where(real, x, 0) * share).sum(axis=1), share


@dataclass(eq=False)
class Dense(Layer):
    """y = activation(x W + b), over the last axis of x (eq-rnn-output, chapter 3).

    activation: None, "sigmoid" or "tanh". Weights: kernel W (D, units), bias b (units,).
    """

    units: int
    activation: str | None = None
    axes = "any"

    def _make_weights(self, D: int) -> list[Array]:
        return [glorot_uniform(D, self.units), np.zeros(self.units)]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)

    def _forward(self, x: Array, mask: Any, training: bool) -> tuple[Array, Any]:
        (kernel, bias), (activation, _) = self.weights, ACTIVATIONS[self.activation]
        with one_blas_thread().limit(limits=1):
            y = activation(x @ kernel + bias)  # eq-rnn-output
        return y, (x, y)

    def _backward(self, dy: Array, cache: tuple[Array, Array]) -> Array:
        (x, y), (_, derivative) = cache, ACTIVATIONS[self.activation]
        delta = dy * derivative(y)
        rows, deltas = x.reshape(-1, x.shape[-1]), delta.reshape(-1, self.units)
        with one_blas_thread().limit(limits=1):
            self.gradients = [rows.T @ deltas, deltas.sum(axis=0)]
            return delta @ self.weights[0].T
