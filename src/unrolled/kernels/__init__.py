"""`forward` and `backward` of `unrolled.recurrent`, with the loop over time compiled by Numba.

Same arguments, same results, no state of their own. A module each has the loop of a cell, and
`elements` what they share. The loops run without the interpreter's lock, so that threads run side
by side. float64 agrees with the plain engine to rounding; float32 has its own tanh (`elements`).
What the loop does not need stays outside, in NumPy: x W before it, dx and weight gradients after.

Importing this raises an ImportError where Numba or SciPy is missing. The first call of each
function, cell and dtype compiles (a second or two), later ones and later processes do not.
"""

from typing import Any

import numpy as np

from unrolled.activations import Array
from unrolled.kernels import gru, gru_before, lstm, rnn
from unrolled.kernels.elements import plain
from unrolled.recurrent import Arrays, Cell, dropped, rows

CELLS: dict[str, Any] = {"rnn": rnn, "lstm": lstm, "gru": gru, "gru_before": gru_before}


def forward(
    cell: Cell, x: Array, real: Any, initial: Arrays, W: Array, U: Array, b: Array, keep: Any = None
) -> tuple[Arrays, Array]:
    """All steps, first to last: what `recurrent.forward` gives."""
    (T, B, _), H = x.shape, len(U)
    states = [np.empty((T + 1, B, H), x.dtype) for _ in cell.states]
    gates = np.empty((T, B, len(cell.gates) * H), x.dtype)
    for state, first in zip(states, initial, strict=True):
        state[0] = first

    xW = (rows(x) @ W).reshape(T, B, -1)  # (T, B, kH): x_t W of all steps at once
    given = (plain(U), plain(b), mask(real), optional(keep, x, 2))
    CELLS[cell.name].forward(xW, *given, states, gates)
    return states, gates


def backward(
    cell: Cell,
    dy: Array,
    dstates: Arrays,
    x: Array,
    real: Any,
    states: Arrays,
    gates: Array,
    W: Array,
    U: Array,
    keep: Any = None,
    cut: Any = None,
    step_gradients: bool = False,
) -> tuple[Array, Arrays, Arrays, Arrays]:
    """dx, [dW, dU, db], initial states' and every state's gradients, as `recurrent.backward`."""
    h = dropped(states[0][:-1], keep)  # (T, B, H): h_{t-1} of each step
    d = [np.array(last, order="C") for last in dstates]
    every = [np.empty_like(state) for state in states] if step_gradients else []
    given = (plain(dy), mask(real), optional(keep, x, 2), optional(cut, np.empty(0, bool), 1))
    kept = every or [np.empty((0, 0, 0), x.dtype) for _ in states]
    arrays = (plain(U), h, [plain(state) for state in states], plain(gates))
    deltas, dU, db = CELLS[cell.name].backward(*given, *arrays, d, kept)

    dW = rows(x).T @ rows(deltas)  # (D, kH)  eq-rnn-backward-kernel, eq-lstm-backward-kernel
    dx = (rows(deltas) @ W.T).reshape(x.shape)  # eq-rnn-backward-input, eq-lstm-backward-x
    return dx, [dW, dU, db], d, every


def mask(real: Any) -> Any:
    """A mask (T, B, 1) as (T, B); None as an array of size 0."""
    return np.empty((0, 0), bool) if real is None else plain(real, bool)[:, :, 0]


def optional(a: Any, like: Array, axes: int) -> Any:
    """The array; None as one of size 0."""
    return np.empty((0,) * axes, like.dtype) if a is None else plain(a, like.dtype)
