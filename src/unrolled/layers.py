"""The layers of Keras, with its names, defaults and weights, on whole batches.

The recurrent layers hand their rows, in chunks, and their time steps, in stretches, to the engine
in use: `recurrent` in plain NumPy, or `kernels`, compiled. What is said of x, masks, caches and
errors in `base` holds for all.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from unrolled import recurrent
from unrolled.activations import (
    Array,
    relu,
    relu_derivative,
    sigmoid,
    sigmoid_derivative,
    softmax,
    softmax_backward,
    tanh,
    tanh_derivative,
)
from unrolled.base import Layer, Shape, whole_number
from unrolled.buffers import empty, empty_like
from unrolled.engine import Engine, current
from unrolled.initializers import glorot_uniform, orthogonal
from unrolled.recurrent import Cell
from unrolled.seeding import generator
from unrolled.threads import in_chunks, one_blas_thread, side_by_side

__all__ = [
    "GRU",
    "LSTM",
    "Bidirectional",
    "Dense",
    "Dropout",
    "Embedding",
    "GlobalAveragePooling1D",
    "GlobalMaxPooling1D",
    "Masking",
    "Recurrent",
    "SimpleRNN",
]

IN_CACHE = 2**15  # elements that one formula after the other goes through
STRETCH = 1024  # rows times time steps whose gates and gradients fit a core's cache

ACTIVATIONS: dict[str | None, tuple[Callable[..., Any], Callable[..., Any]]] = {
    None: (lambda x: x, lambda dy, y: dy),
    "sigmoid": (sigmoid, lambda dy, y: dy * sigmoid_derivative(y)),
    "tanh": (tanh, lambda dy, y: dy * tanh_derivative(y)),
    "relu": (relu, lambda dy, y: dy * relu_derivative(y)),
    "softmax": (softmax, softmax_backward),
}  # y of x, and ∂loss/∂x from ∂loss/∂y and y


class Sequences(NamedTuple):
    """The cache of a recurrent layer: time-major, in the order in which the steps were read."""

    engine: Engine  # that computed them
    shape: tuple[int, ...]  # of x, (T, B, D)
    real: Any  # (T, B, 1), True where a step counts, or None
    silent: Any  # (T, B), True where the output is 0 whatever the state, or None
    drop: Any  # what dropout multiplied x by, (B, D), or None
    keep: Any  # and h_{t-1}, (B, H), or None
    chunks: list[list[tuple[Array, list[Array], Any]]]  # each stretch's x, states and gates


@dataclass(eq=False, kw_only=True)
class Recurrent(Layer):
    """What SimpleRNN, LSTM and GRU share (chapters 3 to 6).

    `forward` takes initial_state, [h] or [h, c], each (B, H), and gives y (B, H), or (B, T, H)
    with return_sequences, or [y, h, c] with return_state. go_backwards reads the last step first
    and leaves y in that order. Where the mask is False a row keeps its state and repeats its
    output, as in Keras; before its first real step its output is 0.

    dropout sets a share of the features to 0 while training, recurrent_dropout a share of what
    the weights see of h_{t-1}; what is dropped is drawn once for a sequence (Gal & Ghahramani
    2016), and the same for all gates. With stateful a call starts from the states, `states`, in
    which the one before it ended, until `reset_state`: it is the only thing that a call writes.

    `backward` takes dstate, the gradients of the returned states, and with truncate=k cuts the
    sequence, from its end, into pieces of k steps (the first may be shorter): no gradient flows
    from a piece into the one before it (Williams & Peng 1990; chapter 4). With step_gradients=True
    it gives a third value, {"h": (B, T + 1, H), "c": ...}: ∂loss/∂h_t and ∂loss/∂c_t by all paths,
    at index t; index 0 is the initial state.
    """

    units: int = field(kw_only=False)
    return_sequences: bool = False
    return_state: bool = False
    go_backwards: bool = False
    stateful: bool = False
    dropout: float = 0.0
    recurrent_dropout: float = 0.0

    cell: ClassVar[Cell]
    blocks: ClassVar[int]  # of the columns of kernel

    def __post_init__(self) -> None:
        super().__post_init__()
        self.zero_output_for_mask = False
        self.states: list[Array] | None = None

    def _cell(self) -> Cell:
        return self.cell

    def _make_weights(self, D: int) -> list[Array]:
        H, columns = self.units, self.blocks * self.units
        return [glorot_uniform(D, columns), orthogonal(H, columns), np.zeros(columns)]

    def weight_shapes(self, D: Any) -> list[Any]:
        columns = self.blocks * self.units
        return [(D, columns), (self.units, columns), (columns,)]

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        if mask is None or not self.return_sequences:
            return None
        return np.asarray(mask)[:, ::-1] if self.go_backwards else mask  # as y stands

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[: 1 + self.return_sequences], self.units)

    def reset_state(self) -> None:
        """Forget the states that a stateful layer keeps: the next call starts from 0."""
        self.states = None

    def _states(self, name: str, states: Any, B: int) -> list[Array]:
        """Checked states, (B, H) each, in the layer's dtype."""
        n = len(self._cell().states)
        expected = f"{n} of shape {(B, self.units)}"
        fits = isinstance(states, list | tuple)
        self._expect(fits, name, f"a list: {expected}", type(states).__name__, TypeError)
        came = [np.shape(state) for state in states]
        self._expect(came == [(B, self.units)] * n, name, expected, came)
        return [np.asarray(state, self.dtype) for state in states]

    def _initial(self, initial_state: Any, B: int) -> list[Array]:
        if initial_state is not None:
            return self._states("initial_state", initial_state, B)
        if self.stateful and self.states is not None:
            kept = len(self.states[0])
            self._expect(kept == B, "x", f"{kept} examples until reset_state is called", B)
            return self.states
        return self._zeros(B)

    def _zeros(self, B: int) -> list[Array]:
        return [np.zeros((B, self.units), self.dtype) for _ in self._cell().states]

    def _dropped(self, rate: float, shape: tuple[int, ...], training: bool) -> Any:
        """0 for a share `rate` of the places, 1 / (1 - rate) for others; None without dropout."""
        if not (training and rate):
            return None
        kept = generator().random(shape) >= rate
        return kept.astype(self.dtype) / self.dtype.type(1 - rate)

    def _forward(self, x: Array, mask: Any, training: bool, initial_state: Any = None) -> Any:
        (B, T, D), H, order = x.shape, self.units, slice(None, None, -1 if self.go_backwards else 1)
        cell, engine = self._cell(), current()
        initial = self._initial(initial_state, B)
        drop = self._dropped(self.dropout, (B, D), training)
        keep = self._dropped(self.recurrent_dropout, (B, H), training)
        real = None if mask is None or mask.all() else mask.T[order, :, None]  # (T, B, 1)
        x = x.transpose(1, 0, 2)[order]  # (T, B, D)
        x = x if drop is None else x * drop
        x = x if real is None else np.where(real, x, 0)  # an infinity must not reach a gradient
        y = empty((T if self.return_sequences else 1, B, H), self.dtype)
        final = [np.empty((B, H), self.dtype) for _ in cell.states]

        def work(chunk: int, rows: slice) -> list[tuple[Array, list[Array], Any]]:
            states, parts = [state[rows] for state in initial], []
            for steps in stretches(T, rows):
                x_rows = np.ascontiguousarray(x[steps, rows])
                mask_rows = part(real, steps, rows)
                keep_rows = part(keep, rows)
                every, gates = engine.forward(
                    cell, x_rows, mask_rows, states, *self.weights, keep_rows
                )
                states = [state[-1] for state in every]
                parts.append((x_rows, every, gates))
                if self.return_sequences:
                    y[steps, rows] = every[0][1:]
            for whole, state in zip(final, states, strict=True):
                whole[rows] = state
            return parts

        chunks = in_chunks(work, B, engine.parts)
        if not self.return_sequences:
            y[0] = final[0]
        silent = None if real is None else self._silent(real[:, :, 0])[T - len(y) :]
        if silent is not None:
            y[silent] = 0
        if self.stateful:
            self.states = final
        output = y.transpose(1, 0, 2) if self.return_sequences else y[0]
        cache = Sequences(engine, x.shape, real, silent, drop, keep, chunks)
        return [output, *(state.copy() for state in final)] if self.return_state else output, cache

    def _silent(self, real: Any) -> Any:
        """Where the output is 0 whatever the state: before a row's first real step (T, B)."""
        return ~(real if self.zero_output_for_mask else np.maximum.accumulate(real))

    def _backward(
        self,
        dy: Array,
        cache: Sequences,
        dstate: Any = None,
        truncate: int | None = None,
        step_gradients: bool = False,
    ) -> Any:
        engine, shape, real, silent, drop, keep, chunks = cache
        (T, B, _), H, cell = shape, self.units, self._cell()
        kernel, recurrent_kernel, _ = self.weights
        cut = None
        if truncate is not None:
            self._expect(whole_number(truncate), "truncate", "a positive whole number", truncate)
            cut = (T - np.arange(T)) % truncate == 0
            cut[0] = False
        last = self._zeros(B) if dstate is None else self._states("dstate", dstate, B)
        dy = dy.transpose(1, 0, 2) if self.return_sequences else dy[None]  # (T or 1, B, H)
        dy = dy if silent is None else np.where(silent[:, :, None], 0, dy)
        if not self.return_sequences:  # the output is the last state
            last = [last[0] + dy[0], *last[1:]]
            dy = np.broadcast_to(self.dtype.type(0), (T, B, H))
        dx = empty(shape, self.dtype)
        names = cell.states if step_gradients else ()
        every = {name: np.empty((T + 1, B, H), self.dtype) for name in names}

        def work(chunk: int, rows: slice) -> list[Array]:
            d, total = [state[rows] for state in last], list[Array]()
            parts = zip(stretches(T, rows), chunks[chunk], strict=True)
            for steps, (x_rows, states, gates) in reversed(list(parts)):
                dx[steps, rows], gradients, d, found = engine.backward(
                    cell,
                    dy[steps, rows],
                    d,
                    x_rows,
                    part(real, steps, rows),
                    states,
                    gates,
                    kernel,
                    recurrent_kernel,
                    part(keep, rows),
                    part(cut, steps),
                    step_gradients,
                )
                for whole, some in zip(every.values(), found, strict=True):
                    whole[steps.start : steps.stop + 1, rows] = some
                total = added(total, gradients)
            return total

        gradients = list[Array]()
        for of_chunk in in_chunks(work, B, engine.parts):
            gradients = added(gradients, of_chunk)
        dx = dx if drop is None else dx * drop
        dx = dx[:: -1 if self.go_backwards else 1].transpose(1, 0, 2)
        if not step_gradients:
            return dx, gradients
        return dx, gradients, {name: steps.transpose(1, 0, 2) for name, steps in every.items()}

    def trace(self, x: Any, mask: Any = None, **options: Any) -> dict[str, Array]:
        """Every gate and state of every step by its name in chapter 5, each (B, T, H).

        In the order in which the layer reads. Of a masked step the states are those carried over,
        and the gates, not used, NaN. options: those of `forward`.
        """
        return self.traced(self.forward(x, mask, **options)[1])

    def traced(self, cache: Any) -> dict[str, Array]:
        """What `trace` gives, from the cache of a call of `forward`."""
        sequences, cell = cache.rest, self._cell()
        names = (*cell.gates, *cell.states)
        found: dict[str, Any] = {name: [] for name in names}
        for chunk in sequences.chunks:
            parts = [
                [*sequences.engine.split_gates(cell, gates), *(state[1:] for state in states)]
                for _, states, gates in chunk
            ]
            for name, steps in zip(names, zip(*parts, strict=True), strict=True):
                found[name].append(np.concatenate(steps))
        traced = {name: np.concatenate(rows, axis=1) for name, rows in found.items()}
        if sequences.real is not None:
            for name in cell.gates:
                traced[name][~sequences.real[:, :, 0]] = np.nan
        traced.pop("h_g", None)  # of a GRU: a sum, no gate
        return {name: steps.transpose(1, 0, 2) for name, steps in traced.items()}


def stretches(T: int, rows: slice) -> list[slice]:
    """The T time steps cut into stretches that, for so many rows, stay in a core's cache."""
    size = max(1, STRETCH // (rows.stop - rows.start))
    return [slice(start, min(start + size, T)) for start in range(0, T, size)]


def part(array: Any, *index: slice) -> Any:
    """array[index], or None where there is no array."""
    return None if array is None else array[index]


def added(total: list[Array], more: list[Array]) -> list[Array]:
    """The sums of two lists of gradients, put into the first; if that is empty, the second."""
    if not total:
        return more
    for a, b in zip(total, more, strict=True):
        a += b
    return total


class SimpleRNN(Recurrent):
    """h_t = tanh(x_t W + h_{t-1} U + b) (eq-rnn-hidden, chapter 3; Elman 1990).

    Weights: kernel W (D, H), recurrent_kernel U (H, H), bias b (H,).
    """

    cell, blocks = recurrent.RNN, 1


@dataclass(eq=False, kw_only=True)
class LSTM(Recurrent):
    """Long short-term memory (Hochreiter & Schmidhuber 1997; Gers et al. 2000; chapter 5).

    With σ or tanh of x_t W + h_{t-1} U + b as the gates i, f, o and the candidate g,
    c_t = f ⊙ c_{t-1} + i ⊙ g and h_t = o ⊙ tanh(c_t). Weights, with columns for i, f, g, o:
    kernel W (D, 4H), recurrent_kernel U (H, 4H), bias b (4H,), which starts at 1 for f if
    unit_forget_bias (Jozefowicz et al. 2015), and else at 0.
    """

    unit_forget_bias: bool = True
    cell, blocks = recurrent.LSTM, 4

    def _make_weights(self, D: int) -> list[Array]:
        *kernels, bias = super()._make_weights(D)
        bias[self.units : 2 * self.units] = self.unit_forget_bias
        return [*kernels, bias]


@dataclass(eq=False, kw_only=True)
class GRU(Recurrent):
    """Gated recurrent unit (Cho et al. 2014; chapter 6): h_t = z ⊙ h_{t-1} + (1 - z) ⊙ g.

    z, r = σ(x_t W + h_{t-1} U + b), and g = tanh(x_t W + b + r ⊙ (h_{t-1} U + b')) if
    reset_after, else tanh(x_t W + b + (r ⊙ h_{t-1}) U). Weights, with columns for z, r, g:
    kernel W (D, 3H), recurrent_kernel U (H, 3H), bias (2, 3H) if reset_after, else (3H,).
    """

    reset_after: bool = True
    blocks = 3

    def _cell(self) -> Cell:
        return recurrent.GRU if self.reset_after else recurrent.GRU_BEFORE

    def _make_weights(self, D: int) -> list[Array]:
        *kernels, bias = super()._make_weights(D)
        return [*kernels, np.stack([bias, bias]) if self.reset_after else bias]

    def weight_shapes(self, D: Any) -> list[Any]:
        *kernels, bias = super().weight_shapes(D)
        return [*kernels, (2, *bias) if self.reset_after else bias]


@dataclass(eq=False)
class Bidirectional(Layer):
    """One copy of the layer reads forwards, one backwards (Schuster & Paliwal 1997; chapter 5).

    merge_mode "concat" puts the outputs side by side, "sum" adds them. Weights and states: the
    forward layer's, then the backward one's. With return_sequences the output of a masked step is
    0, as in Keras. `forward` and `backward` take what the layer's take; step_gradients has those
    of the forward layer as "h", "c", and of the backward one, in its order, as "backward h" ….
    """

    layer: Recurrent
    merge_mode: str = "concat"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.halves = replace(self.layer), replace(self.layer, go_backwards=True)
        self.forward_layer, self.backward_layer = self.halves
        for half in self.halves:
            half.zero_output_for_mask = self.layer.return_sequences

    def _set_argument(self, name: str, value: Any) -> None:
        fits = name != "layer" or not hasattr(self, "halves")
        self._expect(fits, name, "the layer that it was made with", value, AttributeError)
        super()._set_argument(name, value)

    @property
    def states(self) -> list[Array] | None:
        """What the halves keep: the forward layer's states, then the backward one's, or None."""
        kept = [half.states for half in self.halves]
        return None if None in kept else [state for states in kept for state in states or ()]

    def _fits(self, name: str, value: Any) -> tuple[Any, str]:
        match name:
            case "merge_mode":
                return value in ("concat", "sum"), "'concat' or 'sum'"
            case "layer":
                fits = isinstance(value, Recurrent) and not value.go_backwards
                return fits, "SimpleRNN, LSTM or GRU without go_backwards"
        return super()._fits(name, value)

    def _make_weights(self, D: Any) -> list[Array]:
        for half in self.halves:
            half.build((None, None, D), self.dtype.name)
        return [weight for half in self.halves for weight in half.weights]

    def weight_shapes(self, D: Any) -> list[Any]:
        return 2 * self.layer.weight_shapes(D)

    def updates(self) -> list[bool]:
        ours = self.trainable and self.layer.trainable
        return [ours and may for half in self.halves for may in half.updates()]

    def reset_state(self) -> None:
        """Forget the states that the halves keep."""
        for half in self.halves:
            half.reset_state()

    def _side_by_side(self) -> bool:
        return self.merge_mode == "concat"

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        return self.layer.compute_mask(x, mask)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        width = 2 * self.layer.units if self._side_by_side() else self.layer.units
        return (*self.layer.compute_output_shape(input_shape)[:-1], width)

    def _split(self, name: str, arrays: Any) -> list[Any]:
        if arrays is None:
            return [None, None]
        n = len(self.layer._cell().states)
        fits = isinstance(arrays, list | tuple)
        self._expect(fits, name, f"a list of {2 * n}", type(arrays).__name__, TypeError)
        self._expect(len(arrays) == 2 * n, name, f"a list of {2 * n}", len(arrays))
        return [arrays[:n], arrays[n:]]

    def _flip(self, y: Array) -> Array:
        return y[:, ::-1] if self.layer.return_sequences else y

    def _forward(self, x: Array, mask: Any, training: bool, initial_state: Any = None) -> Any:
        ys, states, caches = list[Array](), list[Array](), list[Any]()
        for half, initial in zip(
            self.halves, self._split("initial_state", initial_state), strict=True
        ):
            y, cache = half.forward(x, mask, training, initial_state=initial)
            y, *final = y if self.layer.return_state else [y]
            ys.append(self._flip(y) if half.go_backwards else y)
            states += final
            caches.append(cache)
        y = np.concatenate(ys, axis=-1) if self._side_by_side() else ys[0] + ys[1]
        return [y, *states] if states else y, caches

    def _backward(self, dy: Array, cache: Any, dstate: Any = None, **options: Any) -> Any:
        dy, dy_back = np.split(dy, 2, axis=-1) if self._side_by_side() else (dy, dy)
        dstate, dstate_back = self._split("dstate", dstate)
        dx, gradients, *steps = self.forward_layer.backward(dy, cache[0], dstate=dstate, **options)
        dx_back, gradients_back, *steps_back = self.backward_layer.backward(
            self._flip(dy_back), cache[1], dstate=dstate_back, **options
        )
        found = [
            a | {f"backward {name}": s for name, s in b.items()}
            for a, b in zip(steps, steps_back, strict=True)
        ]
        dx += dx_back
        return dx, gradients + gradients_back, *found


@dataclass(eq=False)
class Embedding(Layer):
    """A row of numbers for each word: y[b, t] = embeddings[x[b, t]] (chapter 7).

    x: whole numbers (B, T) from 0 to input_dim - 1. Weights: embeddings (input_dim, output_dim),
    uniform in ±0.05 at the start. With mask_zero, steps with the number 0 are masked.
    """

    input_dim: int
    output_dim: int
    mask_zero: bool = False
    axes = "(B, T)"

    def _make_weights(self, D: Any) -> list[Array]:
        return [generator().uniform(-0.05, 0.05, (self.input_dim, self.output_dim))]

    def weight_shapes(self, D: Any) -> list[Any]:
        return [(self.input_dim, self.output_dim)]

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        if not self.mask_zero:
            return mask
        words = np.not_equal(x, 0)
        return words if mask is None else np.logical_and(words, mask)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, self.output_dim)

    def check_input(self, x: Any) -> None:
        super().check_input(x)
        self._expect(x.dtype.kind in "iu", "x", "whole numbers", x.dtype, TypeError)
        for extreme in (int(x.min()), int(x.max())):
            fits = 0 <= extreme < self.input_dim
            self._expect(fits, "x", f"ids from 0 to {self.input_dim - 1}", extreme)

    def _forward(self, x: Array, mask: Any, training: bool) -> tuple[Array, Array]:
        (embeddings,) = self.weights
        # Time-major, as y lies in memory, and as np.take wants them: of 32 bits in a page.
        ids: Any = x.T.ravel().astype(np.intp, copy=False)
        rows = empty((len(ids), self.output_dim), self.dtype)

        def work(part: slice) -> None:
            np.take(embeddings, ids[part], axis=0, out=rows[part], mode="clip")

        side_by_side(work, len(ids))
        return rows.reshape(*x.T.shape, self.output_dim).transpose(1, 0, 2), ids

    def _backward(self, dy: Array, ids: Any) -> tuple[None, list[Array]]:
        rows = np.ascontiguousarray(dy.transpose(1, 0, 2)).reshape(len(ids), self.output_dim)
        return None, [current().sum_by_id(ids, rows, self.input_dim)]


@dataclass(eq=False)
class Masking(Layer):
    """Masks the steps whose features all equal mask_value, and sets them to 0 (chapter 7).

    x: (B, T, D).
    """

    mask_value: float = 0.0

    def weight_shapes(self, D: Any) -> list[Any]:
        return []

    def _fits(self, name: str, value: Any) -> tuple[Any, str]:
        match name:
            case "mask_value":
                number = isinstance(value, int | float) and not isinstance(value, bool)
                return number and not np.isnan(value), "a number"
        return super()._fits(name, value)

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        real = np.not_equal(x, float(self.mask_value)).any(axis=-1)  # in the precision of x
        return real if mask is None else np.logical_and(real, mask)

    def _forward(self, x: Array, mask: Any, training: bool) -> tuple[Array, Any]:
        real = self.compute_mask(x, mask)[:, :, None]
        return np.where(real, x, self.dtype.type(0)), real

    def _backward(self, dy: Array, real: Any) -> tuple[Array, list[Array]]:
        return np.where(real, dy, self.dtype.type(0)), []


@dataclass(eq=False)
class Dropout(Layer):
    """While training, sets a share `rate` of x to 0 and divides the others by 1 - rate.

    Else gives x back (Srivastava et al. 2014; eq-dropout, chapter 7). x: any shape. The rate is
    kept to 1/65536.
    """

    rate: float
    axes = "any"

    def weight_shapes(self, D: Any) -> list[Any]:
        return []

    def _forward(self, x: Array, mask: Any, training: bool) -> tuple[Array, Any]:
        if not (training and self.rate):
            return x, None
        kept = empty_like(x, bool)
        flat, words = kept.ravel(order="K"), x.size // 4 + 1  # a word decides on four elements
        for start in range(0, words, IN_CACHE):
            number = min(IN_CACHE, words - start)
            drawn = generator().integers(0, 2**64, number, dtype=np.uint64).view(np.uint16)
            some = flat[4 * start : 4 * (start + number)]
            np.greater_equal(drawn[: len(some)], round(self.rate * 65536), out=some)
        return self._scaled(x, kept), kept

    def _scaled(self, x: Array, kept: Any) -> Array:
        """x, divided by 1 - rate, where it is kept, else 0; in memory as `kept` is."""
        scale = self.dtype.type(1 / (1 - self.rate))
        y = empty_like(kept, self.dtype)
        if x.strides != y.strides:
            y[...] = x
            x = y.copy(order="K")
        flat_x, flat_kept, flat_y = (a.ravel(order="K") for a in (x, kept, y))

        def work(part: slice) -> None:
            for start in range(part.start, part.stop, IN_CACHE):
                some = slice(start, min(start + IN_CACHE, part.stop))
                np.multiply(flat_x[some], scale, out=flat_y[some])
                np.multiply(flat_y[some], flat_kept[some], out=flat_y[some])  # eq-dropout

        side_by_side(work, x.size)
        return y

    def _backward(self, dy: Array, kept: Any) -> tuple[Array, list[Array]]:
        return dy if kept is None else self._scaled(dy, kept), []


@dataclass(eq=False)
class _GlobalPooling1D(Layer):
    _pool: ClassVar[Callable[..., Any]]  # x, what is real -> y, the share of each step in dx

    def weight_shapes(self, D: Any) -> list[Any]:
        return []

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        return None

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], input_shape[2])

    def _forward(self, x: Array, mask: Any, training: bool) -> tuple[Array, Array]:
        real = np.ones((*x.shape[:2], 1), bool) if mask is None else mask[:, :, None]
        y, share = self._pool(x, real)
        return y.astype(x.dtype), share.astype(x.dtype)

    def _backward(self, dy: Array, share: Array) -> tuple[Array, list[Array]]:
        return dy[:, None] * share, []


class GlobalMaxPooling1D(_GlobalPooling1D):
    """y (B, D): the largest over the real steps (chapter 7), 0 for a row without any.

    Where several are largest they share the gradient, as in Keras, which ignores the mask here.
    """

    def _pool(self, x: Array, real: Array) -> tuple[Array, Array]:
        y = np.where(real, x, -np.inf).max(axis=1)
        largest = (x == y[:, None]) & real
        equal_share = 1 / np.maximum(largest.sum(axis=1, keepdims=True), 1)
        return np.where(real.any(axis=1), y, 0), largest * equal_share.astype(x.dtype)


class GlobalAveragePooling1D(_GlobalPooling1D):
    """y (B, D): the mean over the real steps (chapter 7), 0 for a row without any (Keras: NaN)."""

    def _pool(self, x: Array, real: Array) -> tuple[Array, Array]:
        count = np.maximum(real.sum(axis=1, keepdims=True), 1)
        return np.where(real, x, 0).sum(axis=1, dtype=float) / count[:, 0], real / count


@dataclass(eq=False)
class Dense(Layer):
    """y = activation(x W + b), over the last axis of x (eq-rnn-output, chapter 3).

    activation: None, "sigmoid", "tanh", "relu" or "softmax". Weights: kernel W (D, units), bias b
    (units,).
    """

    units: int
    activation: str | None = None
    axes = "any"

    def _fits(self, name: str, value: Any) -> tuple[Any, str]:
        match name:
            case "activation":
                return value in [*ACTIVATIONS], f"one of {[*ACTIVATIONS]}"
        return super()._fits(name, value)

    def _make_weights(self, D: int) -> list[Array]:
        return [glorot_uniform(D, self.units), np.zeros(self.units)]

    def weight_shapes(self, D: Any) -> list[Any]:
        return [(D, self.units), (self.units,)]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)

    def without_activation(self) -> "Dense":
        """A layer that gives x W + b with these very weights, for a loss from logits."""
        linear = copy.copy(self)
        linear.activation = None
        return linear

    def _forward(self, x: Array, mask: Any, training: bool) -> tuple[Array, Any]:
        (kernel, bias), (activation, _) = self.weights, ACTIVATIONS[self.activation]
        with one_blas_thread():
            y = activation(x @ kernel + bias)  # eq-rnn-output
        return y, (x, y)

    def _backward(self, dy: Array, cache: tuple[Array, Array]) -> tuple[Array, list[Array]]:
        (x, y), (_, backward) = cache, ACTIVATIONS[self.activation]
        delta = backward(dy, y)
        rows, deltas = x.reshape(-1, x.shape[-1]), delta.reshape(-1, self.units)
        with one_blas_thread():
            return delta @ self.weights[0].T, [rows.T @ deltas, deltas.sum(axis=0)]
