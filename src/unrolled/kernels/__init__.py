"""`forward` and `backward` of `unrolled.recurrent`, with the loop over time compiled by Numba.

Same arguments, same results, no state of their own; only the gates lie in one array (T, B, nH), n
blocks of H columns, which `split_gates` takes apart. A module each has the loop of a cell;
`elements` has what they share, and `products` their matrix products. The loops run without the
interpreter's lock, so that threads run side by side. float64 agrees with the plain engine to
rounding; float32 has its own tanh (`elements`).
What the loop does not need stays outside, in NumPy: x W before it, dx and weight gradients after.

Importing this raises an ImportError where Numba or SciPy is missing. The first call of each
function, cell and dtype compiles (a second or two), later ones and later processes do not.
"""

from typing import Any

import numpy as np

from unrolled.activations import Array
from unrolled.buffers import empty
from unrolled.kernels import gru, gru_before, lstm, rnn
from unrolled.kernels.elements import plain
from unrolled.kernels.embedding import sum_by_id
from unrolled.recurrent import Arrays, Cell, blocks, dropped, rows

__all__ = ["backward", "forward", "split_gates", "sum_by_id"]

CELLS: dict[str, Any] = {"rnn": rnn, "lstm": lstm, "gru": gru, "gru_before": gru_before}
BLOCKS = {"rnn": 1, "lstm": 4, "gru": 3, "gru_before": 3}  # of H columns, in W, U and b


def forward(
    cell: Cell, x: Array, real: Any, initial: Arrays, W: Array, U: Array, b: Array, keep: Any = None
) -> tuple[Arrays, Array]:
    """All steps, first to last: what `recurrent.forward` gives. ValueError if shapes do not fit."""
    (T, B, _), H, kH = x.shape, len(U), len(U) * BLOCKS[cell.name]
    states = [empty((T + 1, B, H), x.dtype) for _ in cell.states]
    gates = empty((T, B, len(cell.gates) * H), x.dtype)
    for state, first in zip(states, initial, strict=True):
        state[0] = first

    xW = empty((T, B, kH), x.dtype)
    np.matmul(rows(x), W, out=rows(xW))  # fills xW: x_t W of all steps at once
    U, b = plain(U, x.dtype, (H, kH)), plain(b, x.dtype, (2, kH) if cell.name == "gru" else (kH,))
    real, keep = optional(real, bool, (T, B, 1)), optional(keep, x.dtype, (B, H))
    CELLS[cell.name].forward(xW, U, b, real, keep, states, gates)
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
    (T, B, _), H, kH = x.shape, len(U), len(U) * BLOCKS[cell.name]
    h = dropped(states[0][:-1], keep)  # (T, B, H): h_{t-1} of each step
    dy, U = plain(dy, x.dtype, (T, B, H)), plain(U, x.dtype, (H, kH))
    real, keep = optional(real, bool, (T, B, 1)), optional(keep, x.dtype, (B, H))
    cut = optional(cut, bool, (T,))
    states = [plain(state, x.dtype, (T + 1, B, H)) for state in states]
    gates = plain(gates, x.dtype, (T, B, len(cell.gates) * H))
    d = [plain(np.array(last), x.dtype, (B, H)) for last in dstates]
    every = [np.empty_like(state) for state in states] if step_gradients else []
    kept = every or [np.empty((0, 0, 0), x.dtype) for _ in states]
    arrays = (dy, real, keep, cut, U, h, states, gates, d, kept)
    deltas, dU, db = CELLS[cell.name].backward(*arrays)

    dW = rows(x).T @ rows(deltas)  # (D, kH)  eq-rnn-backward-kernel, eq-lstm-backward-kernel
    dx = (rows(deltas) @ W.T).reshape(x.shape)  # eq-rnn-backward-input, eq-lstm-backward-x
    return dx, [dW, dU, db], d, every


def split_gates(cell: Cell, gates: Array) -> Arrays:
    """The gates one by one, (T, B, H) each, in the cell's order."""
    return blocks(gates, len(cell.gates)) if cell.gates else []


def optional(a: Any, dtype: Any, shape: tuple[int, ...]) -> Any:
    """The array as compiled code takes it; None as one of size 0."""
    return np.empty((0,) * len(shape), dtype) if a is None else plain(a, dtype, shape)
