"""The LSTM of Gers et al. (2000), compiled: the formulas of `recurrent.lstm_step` (chapter 5).

In a step, arrays are (B, H) or, with blocks of columns for i, f, g, o, (B, 4H).
"""

import numpy as np

from unrolled.activations import Array
from unrolled.buffers import empty
from unrolled.kernels.elements import (
    ONE,
    ZERO,
    add,
    carry,
    compiled,
    copy,
    copy_row,
    counts,
    cut_off,
    dropped,
    fill_row,
    flushed,
    record,
    sigmoid,
    take,
    tanh,
)
from unrolled.kernels.products import product
from unrolled.recurrent import Arrays, sum_gradients


@compiled
def step(
    xW: Array, hU: Array, b: Array, c: Array, gates: Array, c_new: Array, h_new: Array
) -> None:
    """From the sums of x and of h, and c_{t-1}, to the gates, c_t and h_t."""
    B, H = c.shape
    for k in range(B):
        for j in range(2 * H):  # eq-lstm-input, eq-lstm-forget
            gates[k, j] = sigmoid(xW[k, j] + hU[k, j] + b[j])
        for j in range(H):  # eq-lstm-candidate
            gates[k, 2 * H + j] = tanh(xW[k, 2 * H + j] + hU[k, 2 * H + j] + b[2 * H + j])
        for j in range(H):  # eq-lstm-output
            gates[k, 3 * H + j] = sigmoid(xW[k, 3 * H + j] + hU[k, 3 * H + j] + b[3 * H + j])
        for j in range(H):
            i, f, g, o = gates[k, j], gates[k, H + j], gates[k, 2 * H + j], gates[k, 3 * H + j]
            state = f * c[k, j] + i * g  # eq-lstm-cell
            c_new[k, j] = state
            h_new[k, j] = o * tanh(state)  # eq-lstm-hidden


@compiled
def forward_steps(
    xW: Array, U: Array, b: Array, real: Array, keep: Array, h: Array, c: Array, gates: Array
) -> None:
    """All steps. xW: (T, B, 4H); real: (T, B, 1); filled: h, c (T + 1, B, H), gates (T, B, 4H)."""
    hU = np.empty_like(xW[0])  # (B, 4H)
    for t in range(len(xW)):
        product(dropped(h[t], keep), U, hU)
        step(xW[t], hU, b, c[t], gates[t], c[t + 1], h[t + 1])
        carry(real, t, h[t], h[t + 1])
        carry(real, t, c[t], c[t + 1])


def forward(
    xW: Array, U: Array, b: Array, real: Array, keep: Array, states: Arrays, gates: Array
) -> None:
    """All steps, of which the states' index 0 is there already."""
    h, c = states
    forward_steps(xW, U, b, real, keep, h, c, gates)


@compiled
def step_backward(
    real: Array,
    t: int,
    c: Array,
    c_new: Array,
    gates: Array,
    dh: Array,
    dc: Array,
    dc_t: Array,
    delta: Array,
) -> None:
    """From dh and dc, which becomes dc_{t-1}, to dc_t by all paths and delta (B, 4H)."""
    B, H = c.shape
    for k in range(B):
        if counts(real, t, k):
            for j in range(H):
                o, tanh_c = gates[k, 3 * H + j], tanh(c_new[k, j])
                d = dh[k, j]
                dc_t[k, j] = dc[k, j] + d * o * (ONE - tanh_c * tanh_c)  # eq-lstm-backward-cell
                delta[k, 3 * H + j] = d * tanh_c * (o * (ONE - o))  # eq-lstm-backward-output
            for j in range(H):
                i, g = gates[k, j], gates[k, 2 * H + j]
                delta[k, j] = dc_t[k, j] * g * (i * (ONE - i))  # eq-lstm-backward-input
            for j in range(H):
                f = gates[k, H + j]
                delta[k, H + j] = dc_t[k, j] * c[k, j] * (f * (ONE - f))  # eq-lstm-backward-forget
            for j in range(H):
                i, g = gates[k, j], gates[k, 2 * H + j]
                delta[k, 2 * H + j] = dc_t[k, j] * i * (ONE - g * g)  # eq-lstm-backward-candidate
            for j in range(H):
                dc[k, j] = flushed(dc_t[k, j] * gates[k, H + j])  # eq-lstm-backward-previous-cell
        else:
            fill_row(delta, k, ZERO)
            copy_row(dc_t, k, dc)


@compiled
def backward_steps(
    dy: Array,
    real: Array,
    keep: Array,
    cut: Array,
    U: Array,
    c: Array,
    gates: Array,
    dh: Array,
    dc: Array,
    deltas: Array,
    every_h: Array,
    every_c: Array,
) -> None:
    """All steps, last to first. Filled: deltas (T, B, 4H); dh, dc (B, H) become the first ones."""
    dc_t, through = np.empty_like(dc), np.empty_like(dh)  # (B, H)
    gates_t = np.empty_like(gates[0])  # (B, 4H)
    U_T = np.ascontiguousarray(U.T)  # multiplied a quarter faster than U.T
    for t in range(len(dy) - 1, -1, -1):
        copy(gates_t, gates[t])  # from memory into the cache, twice as fast as a gate at a time
        add(dh, dy[t])
        step_backward(real, t, c[t], c[t + 1], gates_t, dh, dc, dc_t, deltas[t])
        record(every_h, t + 1, dh)
        record(every_c, t + 1, dc_t)
        product(deltas[t], U_T, through)  # eq-lstm-backward-hidden
        take(real, t, dropped(through, keep), dh)
        cut_off(cut, t, dh)
        cut_off(cut, t, dc)
    record(every_h, 0, dh)
    record(every_c, 0, dc)


def backward(
    dy: Array,
    real: Array,
    keep: Array,
    cut: Array,
    U: Array,
    h: Array,
    states: Arrays,
    gates: Array,
    d: Arrays,
    every: Arrays,
) -> tuple[Array, Array, Array]:
    """All deltas, dU and db. h: (T, B, H), dropped; d becomes the initial states' gradients."""
    deltas = empty(gates.shape, gates.dtype)  # (T, B, 4H)
    backward_steps(dy, real, keep, cut, U, states[1], gates, *d, deltas, *every)
    return deltas, *sum_gradients(deltas, h, gates)
