"""The GRU with reset_after, compiled: the formulas of `recurrent.gru_step` (chapter 6).

In a step, arrays are (B, H) or have blocks of columns: sums and deltas for z, r, g, (B, 3H); gates
for z, r, g, h_g, (B, 4H).
"""

import numpy as np

from unrolled.activations import Array
from unrolled.kernels.elements import (
    ONE,
    ZERO,
    add,
    carry,
    compiled,
    counts,
    cut_off,
    dropped,
    fill_row,
    record,
    sigmoid,
    take,
    tanh,
)
from unrolled.kernels.products import product
from unrolled.recurrent import Arrays, rows


@compiled
def step(xW: Array, hU: Array, b: Array, h: Array, gates: Array, h_new: Array) -> None:
    """From the sums of x and of h, and h_{t-1}, to the gates and h_t. b: (2, 3H)."""
    B, H = h.shape
    for k in range(B):
        for j in range(2 * H):  # eq-gru-update, eq-gru-reset
            gates[k, j] = sigmoid(xW[k, j] + b[0, j] + (hU[k, j] + b[1, j]))
        for j in range(H):
            gates[k, 3 * H + j] = hU[k, 2 * H + j] + b[1, 2 * H + j]  # h_g
        for j in range(H):
            x_g = xW[k, 2 * H + j] + b[0, 2 * H + j]
            r, h_g = gates[k, H + j], gates[k, 3 * H + j]
            gates[k, 2 * H + j] = tanh(x_g + r * h_g)  # eq-gru-candidate
        for j in range(H):
            z, g = gates[k, j], gates[k, 2 * H + j]
            h_new[k, j] = z * h[k, j] + (ONE - z) * g  # eq-gru-hidden


@compiled
def forward_steps(
    xW: Array, U: Array, b: Array, real: Array, keep: Array, h: Array, gates: Array
) -> None:
    """All steps. xW: (T, B, 3H); real: (T, B, 1); filled: h (T + 1, B, H), gates (T, B, 4H)."""
    hU = np.empty_like(xW[0])  # (B, 3H)
    for t in range(len(xW)):
        product(dropped(h[t], keep), U, hU)
        step(xW[t], hU, b, h[t], gates[t], h[t + 1])
        carry(real, t, h[t], h[t + 1])


def forward(
    xW: Array, U: Array, b: Array, real: Array, keep: Array, states: Arrays, gates: Array
) -> None:
    """All steps, of which the state's index 0 is there already."""
    forward_steps(xW, U, b, real, keep, *states, gates)


@compiled
def step_backward(
    real: Array, t: int, h: Array, gates: Array, dh: Array, delta_x: Array, delta_h: Array
) -> None:
    """From dh to the deltas (B, 3H) of the sums of x, and of those of h."""
    B, H = dh.shape
    for k in range(B):
        if counts(real, t, k):
            for j in range(H):
                z, g = gates[k, j], gates[k, 2 * H + j]
                delta_x[k, j] = dh[k, j] * (h[k, j] - g) * (z * (ONE - z))
            for j in range(H):
                z, g = gates[k, j], gates[k, 2 * H + j]
                delta_x[k, 2 * H + j] = dh[k, j] * (ONE - z) * (ONE - g * g)
            for j in range(H):
                r, h_g = gates[k, H + j], gates[k, 3 * H + j]
                delta_x[k, H + j] = delta_x[k, 2 * H + j] * h_g * (r * (ONE - r))
            for j in range(2 * H):
                delta_h[k, j] = delta_x[k, j]
            for j in range(H):
                delta_h[k, 2 * H + j] = delta_x[k, 2 * H + j] * gates[k, H + j]  # r
        else:
            fill_row(delta_x, k, ZERO)
            fill_row(delta_h, k, ZERO)


@compiled
def add_carried(dh: Array, gates: Array, through: Array) -> None:
    """To the gradient of h_{t-1} through the weights, add that past them."""
    B, H = dh.shape
    for k in range(B):
        for j in range(H):
            through[k, j] += dh[k, j] * gates[k, j]  # z


@compiled
def backward_steps(
    dy: Array,
    real: Array,
    keep: Array,
    cut: Array,
    U: Array,
    h: Array,
    gates: Array,
    dh: Array,
    deltas_x: Array,
    deltas_h: Array,
    every_h: Array,
) -> None:
    """All steps, last to first. Filled: deltas (T, B, 3H); dh (B, H) becomes that of step 0."""
    through = np.empty_like(dh)  # (B, H)
    U_T = np.ascontiguousarray(U.T)  # multiplied a quarter faster than U.T
    for t in range(len(dy) - 1, -1, -1):
        add(dh, dy[t])
        step_backward(real, t, h[t], gates[t], dh, deltas_x[t], deltas_h[t])
        record(every_h, t + 1, dh)
        product(deltas_h[t], U_T, through)
        before = dropped(through, keep)
        add_carried(dh, gates[t], before)
        take(real, t, before, dh)
        cut_off(cut, t, dh)
    record(every_h, 0, dh)


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
    """All deltas, dU and db. h: (T, B, H), dropped; d becomes the initial state's gradient."""
    T, B, H = h.shape
    deltas_x, deltas_h = np.empty((2, T, B, 3 * H), h.dtype)
    backward_steps(dy, real, keep, cut, U, *states, gates, *d, deltas_x, deltas_h, *every)
    dU = rows(h).T @ rows(deltas_h)  # (H, 3H)
    db = np.stack([rows(deltas_x).sum(axis=0), rows(deltas_h).sum(axis=0)])  # (2, 3H)
    return deltas_x, dU, db
