"""A stretch of time steps through a recurrent cell, forward and back, in plain NumPy.

One loop over time serves every cell: the SimpleRNN, the LSTM and both kinds of GRU (chapters 3 to
5). What differs from cell to cell stands first, a line for a formula. What needs no state leaves
the loop: x_t W of all steps is one product before it. On the way back, what needs no gradient is
computed for all steps before the loop, and what only adds up is multiplied once after it.

Arrays are time-major: x (T, B, D) holds T time steps of B examples with D features. `states` are
[h] or [h, c], each (T + 1, B, H). `gates` (n, T, B, H) holds n gates of each step. Formulas count
the steps from 1, the loops from 0: turn t of a loop is step t + 1 of the formulas. Index t of
`states` is what this turn starts from, index t + 1 what it ends with; its input, gates, output
gradient and delta are at index t.

`real` (T, B, 1) is the mask, True where a step of a row counts; where it is False the row keeps its
states. None stands for a mask that is True everywhere. `keep` (B, H) is recurrent dropout: 0 or
1 / (1 - rate), by which h_{t-1} is multiplied before the weights see it; None is no dropout.

Weights are laid out as in Keras, in k blocks of H columns: k is 1 for the simple network, 4 for the
LSTM, 3 for the GRUs. W is the kernel (D, kH), U the recurrent kernel (H, kH), b the bias. In the
formulas a is the sum before an activation, and delta = ∂loss/∂a; dh means ∂loss/∂h.
sigmoid_derivative and tanh_derivative take the value of the function, σ(a) or tanh(a), not a.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from unrolled.activations import Array, sigmoid, sigmoid_derivative, tanh, tanh_derivative
from unrolled.buffers import empty

Arrays = list[Array]
FLUSH_STEPS = 8  # a gradient that has faded is set to 0 at every so many steps


class Cell(NamedTuple):
    """What the loop has to know of a cell.

    states, gates: their names, in the order in which the functions give them.
    step: x_t W, h_{t-1}, carried, U, b -> the new states, the gates; (B, H) each. `carried` is the
    state that also goes past the weights: c_{t-1} in an LSTM, h_{t-1} in a GRU.
    slopes: h_{t-1} of all steps, all states, all gates -> the derivatives within the cell that the
    way back multiplies by, (T, B, H) each. A step back takes them at its index.
    step_backward: the gradients that arrive at the states after the step, its slopes, U -> these
    gradients by all paths, delta (B, kH), and two that leave for the step before: the gradient of
    h_{t-1} through the weights, and past them that of `carried`. In an LSTM, "by all paths" adds to
    dc_t the path within the cell, through h_t; dh_t is complete when it arrives.
    weight_gradients: all deltas (T, B, kH), h_{t-1} of all steps, all gates -> dU, db.
    """

    name: str
    states: tuple[str, ...]
    gates: tuple[str, ...]
    step: Callable[..., tuple[Arrays, Arrays]]
    slopes: Callable[..., Arrays]
    step_backward: Callable[..., tuple[Arrays, Array, Array, Any]]
    weight_gradients: Callable[..., tuple[Array, Array]]


# The simple recurrent network (Elman 1990; chapter 3)


def rnn_step(xW: Array, h: Array, carried: Array, U: Array, b: Array) -> tuple[Arrays, Arrays]:
    """[h_t], and no gates. h: h_{t-1}."""
    return [tanh(xW + h @ U + b)], []  # eq-rnn-hidden


def rnn_slopes(h: Array, states: Arrays, gates: Array) -> Arrays:
    """∂h_t/∂a_t (T, B, H)."""
    return [tanh_derivative(states[0][1:])]


def rnn_step_backward(d: Arrays, slopes: Arrays, U: Array) -> tuple[Arrays, Array, Array, Any]:
    """From [dh_t] to itself, delta, dh_{t-1} through the weights, and nothing past them."""
    delta = d[0] * slopes[0]  # (B, H)  eq-rnn-backward-pre
    through = delta @ U.T  # (B, H), a term of eq-rnn-backward-hidden
    return d, delta, through, 0


# The LSTM of Gers et al. (2000), which is Keras's (chapter 5)


def lstm_step(xW: Array, h: Array, c: Array, U: Array, b: Array) -> tuple[Arrays, Arrays]:
    """[h_t, c_t], and the gates i, f, g, o, (B, H) each. h, c: h_{t-1}, c_{t-1}."""
    a_i, a_f, a_g, a_o = blocks(xW + h @ U + b, 4)  # (B, H) each
    i = sigmoid(a_i)  # eq-lstm-input
    f = sigmoid(a_f)  # eq-lstm-forget
    g = tanh(a_g)  # eq-lstm-candidate
    o = sigmoid(a_o)  # eq-lstm-output
    c_new = f * c + i * g  # eq-lstm-cell
    h_new = o * tanh(c_new)  # eq-lstm-hidden
    return [h_new, c_new], [i, f, g, o]


def lstm_slopes(h: Array, states: Arrays, gates: Array) -> Arrays:
    """∂h_t/∂c_t; ∂c_t/∂a_i, ∂c_t/∂a_f, ∂c_t/∂a_g; ∂h_t/∂a_o; ∂c_t/∂c_{t-1}: (T, B, H) each."""
    i, f, g, o = gates  # (T, B, H) each
    c_before = states[1][:-1]  # c_{t-1} of all steps
    tanh_c = tanh(states[1][1:])  # tanh(c_t) of all steps
    # A gate's slope is the factor of its own equation times one of eq-lstm-backward-pre. That
    # one is taken from the gate's value: i (1 - i) for i = σ(a_i), 1 - g² for g = tanh(a_g).
    slope_c = o * tanh_derivative(tanh_c)  # ∂h_t/∂c_t, factor of eq-lstm-backward-cell
    slope_i = g * sigmoid_derivative(i)  # ∂c_t/∂a_i, factor of eq-lstm-backward-input
    slope_f = c_before * sigmoid_derivative(f)  # ∂c_t/∂a_f, factor of eq-lstm-backward-forget
    slope_g = i * tanh_derivative(g)  # ∂c_t/∂a_g, factor of eq-lstm-backward-candidate
    slope_o = tanh_c * sigmoid_derivative(o)  # ∂h_t/∂a_o, factor of eq-lstm-backward-output
    return [slope_c, slope_i, slope_f, slope_g, slope_o, f]  # f is ∂c_t/∂c_{t-1}


def lstm_step_backward(d: Arrays, slopes: Arrays, U: Array) -> tuple[Arrays, Array, Array, Array]:
    """From [dh_t, dc_t] as they arrive to the same by all paths, delta, dh_{t-1}, dc_{t-1}.

    dh_{t-1} is what comes through the weights; the output's own part is added by `backward`.
    """
    dh, dc_arriving = d  # dh_t, and what the step after hands to c_t
    slope_c, slope_i, slope_f, slope_g, slope_o, f = slopes  # (B, H) each
    dc = dc_arriving + dh * slope_c  # dc_t  eq-lstm-backward-cell
    delta_i = dc * slope_i  # eq-lstm-backward-pre
    delta_f = dc * slope_f  # eq-lstm-backward-pre
    delta_g = dc * slope_g  # eq-lstm-backward-pre
    delta_o = dh * slope_o  # eq-lstm-backward-pre
    delta = np.concatenate([delta_i, delta_f, delta_g, delta_o], axis=1)  # (B, 4H)
    through = delta @ U.T  # to h_{t-1} through the weights, a term of eq-lstm-backward-hidden
    past = dc * f  # to c_{t-1} past the weights  eq-lstm-backward-previous-cell
    return [dh, dc], delta, through, past


# The GRU with reset_after, Keras's default: r acts on h U_g + b' (chapter 6)


def gru_step(xW: Array, h: Array, before: Array, U: Array, b: Array) -> tuple[Arrays, Arrays]:
    """[h_t], and z, r, g, h U_g + b', (B, H) each. h, before: h_{t-1} dropped, and as it was."""
    x_z, x_r, x_g = blocks(xW + b[0], 3)  # (B, H) each
    h_z, h_r, h_g = blocks(h @ U + b[1], 3)
    z = sigmoid(x_z + h_z)  # eq-gru-update
    r = sigmoid(x_r + h_r)  # eq-gru-reset
    g = tanh(x_g + r * h_g)  # eq-gru-candidate
    h_new = z * before + (1 - z) * g  # eq-gru-hidden
    return [h_new], [z, r, g, h_g]


def gru_slopes(h: Array, states: Arrays, gates: Array) -> Arrays:
    """∂h_t/∂a_z, ∂h_t/∂a_r, ∂h_t/∂a_g, ∂h_t/∂(h U_g + b'), and past the weights ∂h_t/∂h_{t-1}."""
    z, r, g, h_g = gates  # (T, B, H) each
    slope_z = (states[0][:-1] - g) * sigmoid_derivative(z)
    slope_g = (1 - z) * tanh_derivative(g)
    slope_r = slope_g * h_g * sigmoid_derivative(r)
    return [slope_z, slope_r, slope_g, slope_g * r, z]


def gru_step_backward(d: Arrays, slopes: Arrays, U: Array) -> tuple[Arrays, Array, Array, Array]:
    """From [dh_t] to itself, delta of the sums of x, and dh_{t-1} through and past the weights."""
    delta_z, delta_r, delta_g, delta_hg, past = [d[0] * slope for slope in slopes]
    delta = np.concatenate([delta_z, delta_r, delta_g], axis=1)  # (B, 3H), of the sums of x
    delta_h = np.concatenate([delta_z, delta_r, delta_hg], axis=1)  # of those of h
    through = delta_h @ U.T
    return d, delta, through, past


def gru_weight_gradients(deltas: Array, h: Array, gates: Array) -> tuple[Array, Array]:
    """dU (H, 3H) and db (2, 3H): the sums of x and of h have deltas and biases of their own."""
    H = h.shape[2]
    deltas_h = deltas.copy()
    deltas_h[:, :, 2 * H :] *= gates[1]  # r
    dU, db_h = sum_gradients(deltas_h, h, gates)
    return dU, np.stack([rows(deltas).sum(axis=0), db_h])


# The GRU of Cho et al. (2014): r acts on h before the product (chapter 6)


def gru_before_step(
    xW: Array, h: Array, before: Array, U: Array, b: Array
) -> tuple[Arrays, Arrays]:
    """[h_t], and z, r, g, (B, H) each. h, before: as in `gru_step`."""
    x_z, x_r, x_g = blocks(xW + b, 3)  # (B, H) each
    U_z, U_r, U_g = blocks(U, 3)  # (H, H) each
    z = sigmoid(x_z + h @ U_z)  # eq-gru-update
    r = sigmoid(x_r + h @ U_r)  # eq-gru-reset
    g = tanh(x_g + (r * h) @ U_g)  # eq-gru-candidate
    h_new = z * before + (1 - z) * g  # eq-gru-hidden
    return [h_new], [z, r, g]


def gru_before_slopes(h: Array, states: Arrays, gates: Array) -> Arrays:
    """∂h_t/∂a_z and ∂h_t/∂a_g; ∂(r * h)/∂a_r; r; ∂h_t/∂h_{t-1} past the weights: (T, B, H) each."""
    z, r, g = gates  # (T, B, H) each
    slope_z = (states[0][:-1] - g) * sigmoid_derivative(z)
    slope_g = (1 - z) * tanh_derivative(g)
    slope_r = h * sigmoid_derivative(r)
    return [slope_z, slope_g, slope_r, r, z]


def gru_before_step_backward(
    d: Arrays, slopes: Arrays, U: Array
) -> tuple[Arrays, Array, Array, Array]:
    """From [dh_t] to itself, delta, and dh_{t-1} through and past the weights."""
    slope_z, slope_g, slope_r, r, z = slopes  # (B, H) each
    U_z, U_r, U_g = blocks(U, 3)  # (H, H) each
    delta_z = d[0] * slope_z
    delta_g = d[0] * slope_g
    drh = delta_g @ U_g.T  # of r * h
    delta_r = drh * slope_r
    delta = np.concatenate([delta_z, delta_r, delta_g], axis=1)  # (B, 3H)
    through = delta_z @ U_z.T + delta_r @ U_r.T + drh * r
    past = d[0] * z
    return d, delta, through, past


def gru_before_weight_gradients(deltas: Array, h: Array, gates: Array) -> tuple[Array, Array]:
    """dU (H, 3H) and db (3H,): U_g has seen r * h."""
    H = h.shape[2]
    dU, db = sum_gradients(deltas, h, gates)
    r = gates[1]
    deltas_g = deltas[:, :, 2 * H :]
    dU[:, 2 * H :] = rows(r * h).T @ rows(deltas_g)
    return dU, db


# What the weight gradients of all cells begin with


def sum_gradients(deltas: Array, h: Array, gates: Array) -> tuple[Array, Array]:
    """dU (H, kH) and db (kH,), summed over all steps and examples, where a = x_t W + h U + b.

    deltas: (T, B, kH); h: (T, B, H), h_{t-1} of each step. This is all that the simple network and
    the LSTM need. The GRUs, in which r changes a sum, call it and correct the part of r.
    """
    dU = rows(h).T @ rows(deltas)  # eq-rnn-backward-recurrent, eq-lstm-backward-recurrent
    db = rows(deltas).sum(axis=0)  # eq-rnn-backward-bias, eq-lstm-backward-bias
    return dU, db


RNN = Cell("rnn", ("h",), (), rnn_step, rnn_slopes, rnn_step_backward, sum_gradients)
LSTM = Cell(
    "lstm",
    ("h", "c"),
    ("i", "f", "g", "o"),
    lstm_step,
    lstm_slopes,
    lstm_step_backward,
    sum_gradients,
)
GRU = Cell(
    "gru",
    ("h",),
    ("z", "r", "g", "h_g"),
    gru_step,
    gru_slopes,
    gru_step_backward,
    gru_weight_gradients,
)
GRU_BEFORE = Cell(
    "gru_before",
    ("h",),
    ("z", "r", "g"),
    gru_before_step,
    gru_before_slopes,
    gru_before_step_backward,
    gru_before_weight_gradients,
)


# The loop over time, the same for all


def forward(
    cell: Cell, x: Array, real: Any, initial: Arrays, W: Array, U: Array, b: Array, keep: Any = None
) -> tuple[Arrays, Array]:
    """All steps, first to last: the states and gates of each, as the module says.

    initial: a (B, H) for each state. Nothing that comes in is changed.
    """
    (T, B, _), H = x.shape, len(U)
    states = [empty((T + 1, B, H), x.dtype) for _ in cell.states]
    gates = empty((len(cell.gates), T, B, H), x.dtype)
    for state, given in zip(states, initial, strict=True):
        state[0] = given

    xW = empty((T, B, W.shape[1]), x.dtype)
    np.matmul(rows(x), W, out=rows(xW))  # fills xW: x_t W of all steps at once
    for t in range(T):  # step t + 1 of the formulas: from index t of the states to t + 1
        before = [state[t] for state in states]  # h_{t-1}, c_{t-1} of the formulas
        h = dropped(before[0], keep)
        after, gates_of_step = cell.step(xW[t], h, before[-1], U, b)
        for state, new, old in zip(states, after, before, strict=True):
            state[t + 1] = where_real(real, t, new, old)
        for gate, value in zip(gates, gates_of_step, strict=True):
            gate[t] = value
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
    """dx (T, B, D), [dW, dU, db], the gradients of the initial states, and those of every state.

    dy: (T, B, H), the gradient of the loss with respect to each output, dh^out of the formulas;
    dstates: a (B, H) for each final state. The rest is what `forward` took and gave. cut: (T,),
    True where no gradient may flow from a step into the one before it; None, and nothing is cut.
    The last list is empty unless step_gradients: then it has ∂loss/∂h_t and ∂loss/∂c_t by all
    paths that are not cut, each (T + 1, B, H), index 0 for the initial states.
    """
    h = dropped(states[0][:-1], keep)  # (T, B, H): h_{t-1} of each step
    slopes = cell.slopes(h, states, gates)
    deltas = empty((*x.shape[:2], W.shape[1]), x.dtype)  # (T, B, kH)
    every = [np.empty_like(state) for state in states] if step_gradients else []
    smallest = flush_limit(x.dtype)
    leaving = list(dstates)  # what leaves a step for the one before; here, for the last

    for t in reversed(range(len(x))):  # step t + 1 of the formulas, as in `forward`
        dh = leaving[0] + dy[t]  # dh_t  eq-rnn-backward-hidden, eq-lstm-backward-hidden
        arriving = [dh, *leaving[1:]]  # at h_t, c_t
        slopes_of_step = [slope[t] for slope in slopes]
        complete, delta, through, past = cell.step_backward(arriving, slopes_of_step, U)
        deltas[t] = where_real(real, t, delta, 0)
        if step_gradients:
            for steps, new, old in zip(every, complete, arriving, strict=True):
                steps[t + 1] = where_real(real, t, new, old)
        to_h = dropped(through, keep)
        # Both lead to h_{t-1} where it is the only state. In an LSTM `past` leads to c_{t-1}.
        before = [to_h + past] if len(states) == 1 else [to_h, past]
        leaving = [where_real(real, t, new, old) for new, old in zip(before, arriving, strict=True)]
        if t % FLUSH_STEPS == 0:
            leaving = [flushed(gradient, smallest) for gradient in leaving]
        if cut is not None and cut[t]:
            leaving = [np.zeros_like(gradient) for gradient in leaving]
    if step_gradients:
        for steps, initial in zip(every, leaving, strict=True):
            steps[0] = initial

    dU, db = cell.weight_gradients(deltas, h, gates)
    dW = rows(x).T @ rows(deltas)  # (D, kH)  eq-rnn-backward-kernel, eq-lstm-backward-kernel
    dx = (rows(deltas) @ W.T).reshape(x.shape)  # eq-rnn-backward-input, eq-lstm-backward-x
    return dx, [dW, dU, db], leaving, every


def split_gates(cell: Cell, gates: Array) -> Arrays:
    """The gates one by one, (T, B, H) each, in the cell's order.

    Layers call it on the engine, as the compiled one keeps its gates in one array (T, B, nH).
    """
    return list(gates)


def blocks(a: Array, n: int) -> Arrays:
    """The n blocks of columns of a (..., nH), (..., H) each, as views."""
    H = a.shape[-1] // n
    return [a[..., j * H : (j + 1) * H] for j in range(n)]


def rows(a: Array) -> Array:
    """(T, B, n) as (T * B, n): all steps of all examples, one below the other."""
    return a.reshape(-1, a.shape[2])


def dropped(h: Array, keep: Any) -> Array:
    """h as the weights see it under recurrent dropout, or a gradient on its way back to it."""
    return h if keep is None else h * keep


def flush_limit(dtype: Any) -> Any:
    """Gradients below it become 0: the smallest number that is not subnormal, times 2^26."""
    return np.finfo(dtype).tiny * 2.0**26


def flushed(gradient: Array, smallest: Any) -> Array:
    """The gradient, with 0 in place of numbers below `flush_limit`, which would soon be subnormal.

    Over a subnormal number, below 2^-126 in float32, a processor takes far longer. A gradient that
    fades over the steps gets there; so it ends 26 powers of 2 before. (One that fades faster than
    that within FLUSH_STEPS steps is subnormal for a few of them, which only takes longer.)
    """
    return np.where(np.abs(gradient) < smallest, 0, gradient)


def where_real(real: Any, t: int, new: Any, old: Any) -> Any:
    """`new` in the rows whose step at index t counts, `old` in the others."""
    return new if real is None else np.where(real[t], new, old)
